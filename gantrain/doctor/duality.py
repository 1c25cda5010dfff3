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

from gantrain.doctor.probes import as_in_training
from gantrain.train.loop import Game, play
from gantrain.train.schedule import D, G, Phase
from gantrain.train.state import TrainingState
from gantrain.train.step import Round, criticise_both, draw_fakes

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
    best_d, best_g = (_after_alone(phase, state, game, seed, steps) for phase in (D, G))
    return DualityGap(now, best_d, best_g, steps)


def _after_alone(phase: Phase, state: TrainingState, game: Game, seed: int, steps: int) -> float:
    """M once the phase's player has trained against the other one as it stands."""
    with as_it_was(state):
        for _ in range(steps):
            play(state, game, (phase,), [next(state.sampler)])
            state.step += 1  # lazy penalties go by it
        state.alarm.check()
        return payoff(state, game, seed)


@contextmanager
def as_it_was(state: TrainingState) -> Iterator[None]:
    before = deepcopy(state.state_dict())
    try:
        yield
    finally:
        state.load_state_dict(before)


def payoff(state: TrainingState, game: Game, seed: int) -> float:
    """M(G, D), with both networks as they train: batches of one kind, batch norm by the batch."""
    noise = Generator(state.device).manual_seed(seed + NOISE)
    which, size = Generator().manual_seed(seed + NOISE), (JUDGED, state.sampler.batch_size)
    rows = torch.randint(state.sampler.count, size, generator=which)
    nets, rules, total = state.nets, game.rules, 0.0
    with as_in_training(nets, rules), torch.no_grad():
        torch.manual_seed(seed + NOISE)  # augmentations draw from PyTorch's own generator
        for some in rows:
            now = Round(state.step, noise, *game.store.batch(some, noise))
            fake = draw_fakes(nets.generator, D, rules, now)
            seen = rules.augment(now.real), rules.augment(fake)
            logits = criticise_both(nets.discriminator, *seen, now.labels, rules)
            total += float(rules.loss.discriminator(*logits).mean())
    return -total / JUDGED
