"""Where the doctor's numbers come from: networks, data and reference of one run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from gantrain import pictures
from gantrain.data.store import ImageSet, to_signed
from gantrain.doctor import preflight, probes
from gantrain.doctor.rules.memorising import LOOKED_AT, MOST_TO_COPY
from gantrain.metrics.reference import GATHERED, Reference
from gantrain.train.loop import Game
from gantrain.train.randomness import unnoticed
from gantrain.train.state import TrainingState
from gantrain.train.step import Round


def of_known_kinds(images: ImageSet) -> Tensor | None:
    """The held-out rows whose class is trained on: a class that D never met it cannot take for real, and that
    is no sign of having learnt by heart.
    """
    if images.held_out is None or images.labels is None or images.train is None:
        return images.held_out
    met = torch.isin(images.labels[images.held_out], images.labels[images.train])
    return images.held_out[met]


class Eyes:
    """Where the doctor's numbers come from: networks, data and reference of one run."""

    def __init__(
        self, state: TrainingState, game: Game, images: ImageSet, reference: Reference | None, seed: int
    ) -> None:
        self.state, self.game, self.images, self.reference, self.seed = state, game, images, reference, seed
        self.conditional = game.store.labels is not None
        # Training moves on in place; rows are drawn from the same set that it draws from.
        self.rows = {
            "train": images.train,
            "held_out": images.held_out,
            "unseen": of_known_kinds(images),
        }

    @property
    def facts(self) -> dict[str, float]:
        """facts.unseen: held-out pictures of kinds that are trained on; facts.reference: the real ones that
        pictures can be compared with.
        """
        unseen = self.rows["unseen"]
        counts = {} if self.reference is None else {"facts.reference": float(self.reference.count)}
        return counts | ({} if unseen is None else {"facts.unseen": float(len(unseen))})

    def noise(self, *what: int) -> Generator:
        mixed = np.random.SeedSequence([self.seed % 2**64, self.state.step, *what]).generate_state(
            1, np.uint64
        )
        return Generator(self.state.device).manual_seed(int(mixed[0] >> 1))

    def some(self, side: str, count: int, noise: Generator) -> Tensor:
        """uint8 rows: numbers of pictures of one side, at random."""
        rows = self.rows[side]
        if rows is None:
            rows = torch.arange(self.images.count)
        order = torch.randperm(len(rows), generator=noise, device=noise.device)[:count]
        return rows[order.to(rows.device)]

    def batch(self, rows: Tensor) -> probes.Batch:
        store = self.game.store
        rows = rows.to(store.images.device)
        labels = None if store.labels is None else store.labels[rows].to(store.device)
        return to_signed(store.images.index_select(0, rows).to(store.device)), labels

    def game_now(self, look: int = 0) -> dict[str, float]:
        """T1: what D sees, and what its answer does to G."""
        state, rules, noise = self.state, self.game.rules, self.noise(1, look)
        held = 0 if self.rows["unseen"] is None else len(self.rows["unseen"])
        count = min(LOOKED_AT, self.images.train_count)
        if held >= probes.FEWEST_HELD_OUT:
            count = min(count, held)  # as many of each: batch norm makes small batches look otherwise
        train = self.batch(self.some("train", count, noise))
        unseen = self.batch(self.some("unseen", count, noise)) if held >= probes.FEWEST_HELD_OUT else None
        phases = self.game.schedule.phases(state.step, state.schedule_stats)
        now = Round(state.step, noise, *train)
        return probes.look_at_the_gradients(state.nets, rules, phases, now) | probes.look_at_the_game(
            state.nets, rules, train, unseen, noise
        )

    @property
    def classes(self) -> Tensor | None:
        """Each once, for a generator that takes them."""
        return torch.arange(self.images.num_classes, device=self.state.device) if self.conditional else None

    def fakes(self, look: int = 0) -> Tensor:
        """uint8 pictures by the averaged generator, as many as the reference compares."""
        latent, count = self.game.rules.latent, self.judge.n
        seed = self.noise(2, look).initial_seed()
        z = torch.cat(list(pictures.latent_blocks(latent, count, seed, self.state.device)))
        with unnoticed(self.state.device):
            return pictures.draw(self.state.ema.network, z, self.labels_of(count))

    def labels_of(self, count: int) -> Tensor | None:
        """The classes that as many fakes are drawn by; None for a generator that is told none."""
        return self.judge.labels_like(count) if self.conditional else None

    def compared(self, fakes: Tensor) -> dict[str, float]:
        """T2: the pictures, against the real ones."""
        return probes.look_at_the_pictures(fakes, self.judge, self.labels_of(len(fakes)))

    @property
    def judge(self) -> Reference:
        assert self.reference is not None, "pictures are only looked at where there is something to judge by"
        return self.reference

    def pictures(self, side: str, count: int, noise: Generator) -> Tensor:
        """uint8, at random."""
        return self.images.images.index_select(0, self.some(side, count, noise))

    def features(self, side: str, count: int, noise: Generator) -> Tensor:
        """Of such pictures those in "pca64", N x d; no more of them in memory than the reference takes."""
        space, size = self.judge.space("pca64"), self.images.images[0].numel()
        blocks = torch.split(self.some(side, count, noise), max(1, GATHERED // size))
        found = [space(self.images.images.index_select(0, rows)) for rows in blocks]
        return torch.cat(found)

    def training_pictures(self) -> Tensor:
        """Those that a fake may be a copy of."""
        return self.pictures("train", MOST_TO_COPY, self.noise(4))

    def closely(self, fakes: Tensor, look: int) -> probes.Closely:
        """T3, once the rest is known: dear."""
        noise = self.noise(3, look)
        train = self.features("train", MOST_TO_COPY, noise)
        known = self.rows["unseen"]  # pictures of other kinds are far from every honest fake
        unseen = None if known is None or not len(known) else self.features("unseen", 2 * self.judge.n, noise)
        found = probes.look_closely(fakes, self.judge, train, unseen, noise)
        gap = probes.mode_gap(
            self.state.nets.generator, self.game.rules, self.judge,
            self.state.sampler.batch_size, self.classes, noise,
        )  # fmt: skip
        return found._replace(signals={**found.signals, **gap})

    def names_of(self, classes: Sequence[int]) -> tuple[str, ...]:
        names = self.images.class_names
        return tuple(names[number] if names else str(number) for number in classes)

    def untrained(self) -> dict[str, float]:
        return preflight.untrained(
            self.state.nets.generator, self.game.rules, self.judge, self.classes, self.noise(0)
        )
