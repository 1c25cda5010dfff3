"""The doctor at a run: when it looks, how long that may take, and what it writes down.

It only looks on. What it remembers is part of the checkpoint; what it draws comes from generators of its own,
seeded by the run's seed and the step, so that a run with a doctor and one without have the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Generator, Tensor

from gantrain import files, pictures
from gantrain.console import log
from gantrain.data.store import ImageSet, to_signed
from gantrain.doctor import preflight, probes
from gantrain.doctor.exhibits import Material, exhibit
from gantrain.doctor.finding import Finding
from gantrain.doctor.report import Diagnosis, console_line, markdown, plain
from gantrain.doctor.rule import Examination, Null
from gantrain.doctor.watch import WARM_UP_STEPS, Memory, Watch
from gantrain.errors import NonFiniteError
from gantrain.keys import flatten
from gantrain.metrics.reference import Reference
from gantrain.train.loop import Game
from gantrain.train.state import TrainingState
from gantrain.train.step import Round

DIARY = "doctor"  # its page in the state's diary
CLOSING_LOOKS = 3
SHORTEST_JUDGED = WARM_UP_STEPS  # steps of a run whose pictures are looked at
MOST_TO_COPY = 4000  # training pictures that a fake's nearest is looked for among
HISTORY = 400  # looks kept for a picture of how a signal went


@dataclass(frozen=True)
class Tier:
    """Looks that cost alike: every total / `looks` steps, within bounds, while `share` of its time allows."""

    looks: int
    least: int
    most: int
    share: float

    def every(self, total: int) -> int:
        return min(max(total // self.looks, self.least), self.most)


TIERS = {"game": Tier(20, 25, 250, 0.5), "pictures": Tier(10, 50, 500, 0.5)}


class Notebook(Protocol):
    """Where a run's observers write for people (tracking.py)."""

    def scalars(self, room: str, values: dict[str, float], step: int) -> None: ...

    def note(self, tag: str, text: str, step: int) -> None: ...

    def picture(self, tag: str, picture: Tensor, step: int) -> None: ...


@dataclass
class Governor:
    """Keeps the time of the looks below a share of the training time: it looks less often rather than more.

    Each tier may spend its own part, so that dear looks do not eat up the cheap ones'. A look that has not
    been timed yet is allowed. With `fixed` the wall clock decides nothing.
    """

    most: float
    fixed: bool = False

    def __post_init__(self) -> None:
        self.spent: dict[str, float] = dict.fromkeys(TIERS, 0.0)
        self.cost: dict[str, float] = {}  # of the last look

    def allows(self, tier: str, seconds: float) -> bool:
        """seconds: of training so far, the looks not counted."""
        due = self.spent[tier] + self.cost.get(tier, 0.0)
        return self.fixed or due <= self.most * TIERS[tier].share * seconds

    @contextmanager
    def timing(self, tier: str, counts: bool = True) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.cost[tier] = time.perf_counter() - start
        if counts:
            self.spent[tier] += self.cost[tier]

    def share(self, seconds: float) -> float:
        return sum(self.spent.values()) / max(seconds, 1e-9)


class Eyes:
    """Where the doctor's numbers come from: networks, data and reference of one run."""

    def __init__(
        self, state: TrainingState, game: Game, images: ImageSet, reference: Reference | None, seed: int
    ) -> None:
        self.state, self.game, self.images, self.reference, self.seed = state, game, images, reference, seed
        self.conditional = game.store.labels is not None
        # Training moves on in place; rows are drawn from the same set that it draws from.
        self.rows = {"train": images.train, "held_out": images.held_out}

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
        held = 0 if self.rows["held_out"] is None else len(self.rows["held_out"])
        count = min(probes.LOOKED_AT, self.images.train_count)
        if held >= probes.FEWEST_HELD_OUT:
            count = min(count, held)  # as many of each: batch norm makes small batches look otherwise
        train = self.batch(self.some("train", count, noise))
        unseen = self.batch(self.some("held_out", count, noise)) if held >= probes.FEWEST_HELD_OUT else None
        phases = self.game.schedule.phases(state.step, state.schedule_stats)
        now = Round(state.step, noise, *train)
        return probes.look_at_the_gradients(state.nets, rules, phases, now) | probes.look_at_the_game(
            state.nets, rules, train, unseen, noise
        )

    def labels(self, count: int) -> Tensor | None:
        """Classes in turn, for a generator that takes them."""
        if not self.conditional:
            return None
        return torch.arange(count, device=self.state.device) % self.images.num_classes

    def fakes(self, look: int = 0) -> Tensor:
        """uint8 pictures by the averaged generator, as many as the reference compares."""
        latent, count = self.game.rules.latent, self.judge.n
        seed = self.noise(2, look).initial_seed()
        z = torch.cat(list(pictures.latent_blocks(latent, count, seed, self.state.device)))
        return pictures.draw(self.state.ema.network, z, self.labels(count))

    def compared(self, fakes: Tensor) -> dict[str, float]:
        """T2: the pictures, against the real ones."""
        return probes.look_at_the_pictures(fakes, self.judge)

    @property
    def judge(self) -> Reference:
        assert self.reference is not None, "pictures are only looked at where there is something to judge by"
        return self.reference

    def pictures(self, side: str, count: int, noise: Generator) -> Tensor:
        """uint8, at random."""
        return self.images.images.index_select(0, self.some(side, count, noise))

    def training_pictures(self) -> Tensor:
        """Those that a fake may be a copy of."""
        return self.pictures("train", MOST_TO_COPY, self.noise(4))

    def closely(self, fakes: Tensor, look: int) -> dict[str, float]:
        """T3, once the rest is known: dear."""
        noise, most = self.noise(3, look), 2 * self.judge.n
        train, held_out = (self.pictures(side, most, noise) for side in ("train", "held_out"))
        found = probes.look_closely(fakes, self.judge, train, held_out, noise)
        gap = probes.mode_gap(
            self.state.nets.generator, self.game.rules, self.judge,
            self.state.sampler.batch_size, self.labels(self.images.num_classes or 1), noise,
        )  # fmt: skip
        return {**found.signals, **gap}

    def untrained(self) -> dict[str, float]:
        labels = self.labels(self.images.num_classes or 1)
        return preflight.untrained(
            self.state.nets.generator, self.game.rules, self.judge, labels, self.noise(0)
        )


class Doctor:
    """Observes a run: looks when it is time, and says what begins and ends.

    `config`: as config.yaml has it. Without a reference the pictures are not judged: in so short a run there
    is nothing to see yet. A `silent` one leaves only report.md and its pictures in the run.
    """

    def __init__(
        self, run: Path, config: Mapping[str, Any], eyes: Eyes, total: int,
        notebook: Notebook | None = None, silent: bool = False,
    ) -> None:  # fmt: skip
        self.run, self.eyes, self.total, self.notebook, self.silent = run, eyes, total, notebook, silent
        reference, settings = eyes.reference, config["doctor"]
        self.facts = facts_of(config) | (dict(reference.facts) if reference else {})
        self.nulls = {name: Null(*null) for name, null in reference.nulls.items()} if reference else {}
        self.watch = Watch(settings["params"], settings["ignore"])
        self.memory = Memory(eyes.game.rules.loss.equilibrium)
        self.governor = Governor(settings["max_overhead"], config["runtime"]["deterministic"])
        self.history: list[dict[str, float]] = []
        self.window: dict[str, float] = {}  # the means of the last window of steps
        self.fakes: Tensor | None = None  # of the last look at pictures
        self._recall()

    # ---- When ---------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Before the first step: what the configuration and the untrained generator tell."""
        signals: dict[str, float] = {}
        if self.eyes.reference is not None:
            signals = self.eyes.untrained()
            with self.governor.timing("pictures", counts=False):  # what such a look costs here
                self.eyes.compared(self.eyes.fakes())
        self._examine(signals)

    def after_step(self, state: TrainingState) -> None:
        for name, tier in TIERS.items():
            due = state.step % tier.every(self.total) == 0 and state.step < self.total
            due = due and (name == "game" or self.eyes.reference is not None)
            if due and self.governor.allows(name, state.seconds):
                state.alarm.check()
                with self.governor.timing(name):
                    self._examine(LOOKS[name](self))

    def close(self, status: str) -> str:
        """The closing verdict, by looks that are independent of each other, and the report."""
        self._take_window()
        if self.eyes.reference is not None and self.eyes.state.step >= SHORTEST_JUDGED:
            looks = [self._closing_look(number) for number in range(1, CLOSING_LOOKS + 1)]
            self._announce(self.watch.conclude(looks))
        return self.report(status)

    def _closing_look(self, number: int) -> Examination:
        self.fakes = self.eyes.fakes(number)
        closely = self.eyes.closely(self.fakes, number)
        signals = self.eyes.game_now(number) | self.eyes.compared(self.fakes) | closely
        return self._examination(self.window | signals)

    def replay(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Judges what was recorded once more; rows of signals.jsonl."""
        for row in rows:
            step = int(row["step"])
            signals = self.memory.add(step, {name: value for name, value in row.items() if name != "step"})
            self.watch.examine(Examination(step, self.total, signals, self.nulls, self.facts))

    def lost(self, error: NonFiniteError) -> str:
        """The run is at its end: a number was not finite. The report."""
        player = "d" if error.key == "discriminator" else "g"
        self._examine({f"finite_{name}": float(name != player) for name in ("d", "g")})
        return self.report("failed")

    def look_at_game(self) -> dict[str, float]:
        self._take_window()
        return self.window | self.eyes.game_now()

    def look_at_pictures(self) -> dict[str, float]:
        self.fakes = self.eyes.fakes()
        return self.eyes.compared(self.fakes)

    def _take_window(self) -> None:
        self.window = self.eyes.state.vitals.take() or self.window

    # ---- What is found ------------------------------------------------------------------------------------

    def _examine(self, signals: dict[str, float]) -> None:
        self._announce(self.watch.examine(self._examination(signals)))
        self._remember()

    def _examination(self, signals: dict[str, float]) -> Examination:
        step = self.eyes.state.step
        known = self.memory.add(step, signals)
        if signals:
            self.history = [*self.history, {"step": float(step)} | known][-HISTORY:]
            if not self.silent:
                files.append_row(self.run / files.SIGNALS, {"step": step} | known)
            if self.notebook is not None:
                self.notebook.scalars("doctor", known, step)
        return Examination(step, self.total, known, self.nulls, self.facts)

    def _announce(self, changes: list[Finding]) -> None:
        for finding in changes:
            if finding["event"] != "ended":
                finding["picture"] = self._show(finding)
            if self.silent:
                continue
            files.append_row(self.run / files.FINDINGS, dict(finding))
            line = console_line(finding)
            (log.info if finding["event"] == "ended" or finding["severity"] == "info" else log.warning)(line)
            if self.notebook is not None:
                self.notebook.note(f"doctor/{finding['rule']}", line, finding["step"])

    def _show(self, finding: Finding) -> str | None:
        """Draws the picture that shows it; gives its path in the run."""
        if self.eyes.reference is None:
            return None
        material = Material(
            self.eyes.reference, self.fakes, self.eyes.training_pictures, self.history, self.facts
        )
        picture = exhibit(finding["rule"], material)
        if picture is None:
            return None
        path = Path(files.EXHIBITS) / f"{finding['rule']}-{finding['step']:08d}.png"
        pictures.save(picture, self.run / path)
        if self.notebook is not None:
            self.notebook.picture(f"doctor/{finding['rule']}", picture, finding["step"])
        return path.as_posix()

    def diagnosis(self, status: str) -> Diagnosis:
        return Diagnosis(
            findings=[*self.watch.active, *self.watch.resolved],
            checked=self.watch.checked,
            unchecked=self.watch.unchecked,
            step=self.eyes.state.step,
            total=self.total,
            status=status,
            share=self.governor.share(self.eyes.state.seconds),
            facts=self.facts,
        )

    def report(self, status: str) -> str:
        """Writes report.md; gives the same for the terminal."""
        diagnosis = self.diagnosis(status)
        files.write_atomically(self.run / files.REPORT, markdown(diagnosis))
        return plain(diagnosis)

    def summary(self) -> dict[str, Any]:
        """For summary.json."""
        seconds = self.eyes.state.seconds
        return {
            "findings": len(self.watch.active),
            "doctor": {
                "primary": self.watch.primary,
                "active": {finding["rule"]: finding["severity"] for finding in self.watch.active},
                "seconds": round(sum(self.governor.spent.values()), 3),
                "share": round(self.governor.share(seconds), 5),
            },
        }

    # ---- Remembering --------------------------------------------------------------------------------------

    def _remember(self) -> None:
        self.eyes.state.diary[DIARY] = {
            "watch": self.watch.state_dict(),
            "memory": self.memory.state_dict(),
            "spent": dict(self.governor.spent),
            "cost": dict(self.governor.cost),
            "window": dict(self.window),
        }

    def _recall(self) -> None:
        """Goes on from the state's diary, and from the files as they were then."""
        page = self.eyes.state.diary.get(DIARY)
        if page is not None:
            self.watch.load_state_dict(page["watch"])
            self.memory.load_state_dict(page["memory"])
            self.governor.spent, self.governor.cost = dict(page["spent"]), dict(page["cost"])
            self.window = dict(page["window"])
        rows = files.read_rows(self.run / files.SIGNALS)
        self.history = [row for row in rows if row["step"] <= self.eyes.state.step][-HISTORY:]


def facts_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the rules may ask: the configuration flattened, and bare class names of what has one."""
    flat = flatten({key: value for key, value in config.items() if key not in ("doctor", "tracking")})
    named = {
        key.removesuffix("._target_"): str(value).rpartition(".")[2]
        for key, value in flat.items()
        if key.endswith("._target_")
    }
    return flat | named


LOOKS = {"game": Doctor.look_at_game, "pictures": Doctor.look_at_pictures}
