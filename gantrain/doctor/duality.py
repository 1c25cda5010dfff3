"""What either player could still gain by moving alone: the duality gap (Grnarova et al. 2019). Slow.

    M(G, D) = -E[l_D(D(x), D(G(z)))]              what D has of the game
    gap     = max_D' M(G, D') - min_G' M(G', D)   0 where neither can do better

Both extremes are approached by training one player against the other's frozen weights, with the optimiser and
the rates of the run. Small: near an equilibrium. Large: collapsed, or not converged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Generator

from gantrain.doctor.untouched import untouched
from gantrain.train.loop import Game, play
from gantrain.train.schedule import Phase, Player
from gantrain.train.state import TrainingState
from gantrain.train.step import Round, criticise_both, evaluate

STEPS = 200  # of each player alone
JUDGED = 8  # batches by which M is measured: the same pictures and latents every time
NOISE = 4  # beside the run's seed: of the pictures and latents


class DualityGap(NamedTuple):
    """M as the players stand, after D has moved alone, and after G has."""

    now: float
    best_d: float
    best_g: float
    steps: int

    @property
    def value(self) -> float:
        return self.best_d - self.best_g

    def describe(self) -> str:
        return (
            f"Duality gap {self.value:.3g} (0: neither player could do better): in {self.steps} steps alone, "
            f"D takes its loss from {-self.now:.3g} to {-self.best_d:.3g}, "
            f"and G takes D's to {-self.best_g:.3g}"
        )


def duality_gap(state: TrainingState, game: Game, seed: int, steps: int = STEPS) -> DualityGap:
    """Trains each player alone, and leaves the state as it was.

    Raises:
        NonFiniteError: a player alone drives the game to infinity.
    """
    now = payoff(state, game, seed)
    found: dict[Player, float] = {}
    for player in ("discriminator", "generator"):
        with as_it_was(state):
            for _ in range(steps):
                play(state, game, (Phase((player,)),), [next(state.sampler)])
            state.alarm.check()
            found[player] = payoff(state, game, seed)
    return DualityGap(now, found["discriminator"], found["generator"], steps)


@contextmanager
def as_it_was(state: TrainingState) -> Iterator[None]:
    before = deepcopy(state.state_dict())
    try:
        yield
    finally:
        state.load_state_dict(before)


@torch.no_grad()
def payoff(state: TrainingState, game: Game, seed: int) -> float:
    """M(G, D), with both networks as they train: batches of one kind, batch norm by the batch."""
    noise = Generator(state.device).manual_seed(seed + NOISE)
    which, size = Generator().manual_seed(seed + NOISE), (JUDGED, state.sampler.batch_size)
    rows = torch.randint(state.sampler.count, size, generator=which)
    nets, rules, total = state.nets, game.rules, 0.0
    with untouched(nets.generator, nets.discriminator):
        nets.generator.train()
        nets.discriminator.train()
        for some in rows:
            now = Round(state.step, noise, *game.store.batch(some, noise))
            z = rules.latent(len(now.real), noise)
            fake = evaluate(rules.precision, nets.generator, z, now.labels)
            logits = criticise_both(nets.discriminator, now.real, fake, now.labels, rules)
            total += float(rules.loss.discriminator(*logits).mean())
    return -total / JUDGED
