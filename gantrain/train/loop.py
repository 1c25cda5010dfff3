"""The order of events in a run. What a step computes stands in step.py, who moves when in schedule.py."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from gantrain.data.store import Store
from gantrain.errors import NonFiniteError
from gantrain.train.schedule import Phase, Schedule
from gantrain.train.state import TrainingState
from gantrain.train.step import Measured, Round, Rules, apply, gradients


class Observer(Protocol):
    """Told after every step; logs, draws and saves when it is time (tracking.py, checkpoint.py)."""

    def after_step(self, state: TrainingState) -> None: ...


class Stop(Protocol):
    """Asked before every step."""

    @property
    def requested(self) -> bool: ...


@dataclass
class Game:
    """Data, rules and schedule of a run: what does not change while it trains."""

    store: Store
    rules: Rules
    schedule: Schedule


def run(state: TrainingState, game: Game, total: int, observers: tuple[Observer, ...], stop: Stop) -> None:
    """Trains until `total` steps are done or `stop` is requested.

    Raises:
        NonFiniteError: before the weights move by a bad number.
    """
    clock = time.perf_counter()
    while state.step < total and not stop.requested:
        one_step(state, game)
        now = time.perf_counter()
        state.seconds += now - clock
        clock = now
        for observer in observers:
            observer.after_step(state)


def one_step(state: TrainingState, game: Game) -> None:
    """All phases of one step, then the average and the schedule's review."""
    before = state.images
    now = next_round(state, game)
    seen_by_discriminator = False
    for phase in game.schedule.phases(state.step, state.schedule_stats):
        if "discriminator" in phase.players:
            if seen_by_discriminator:  # every step of D has a real batch of its own
                now = next_round(state, game)
            seen_by_discriminator = True
        measured = gradients(phase, state.nets, game.rules, now)
        guard(measured, phase, state.step + 1)
        apply(phase, state.nets, state.optimisers, game.rules.penalty)
        state.averages.add(measured.stats)
        if game.schedule.review_every and "acc_real" in measured.stats:
            state.review.add({"accuracy": (measured.stats["acc_real"] + measured.stats["acc_fake"]) / 2})
    state.ema.update(state.nets.generator, state.images, state.images - before)
    state.step += 1
    if game.schedule.review_every and state.step % game.schedule.review_every == 0:
        state.schedule_stats = game.schedule.review(state.schedule_stats, state.review.take()["accuracy"])


def next_round(state: TrainingState, game: Game) -> Round:
    real, labels = game.store.batch(next(state.sampler), state.noise)
    return Round(state.step, state.noise, real, labels)


def guard(measured: Measured, phase: Phase, step: int) -> None:
    """Stops before a bad number reaches the weights."""
    for player, finite in measured.finite.items():
        if not finite.item():
            raise NonFiniteError(
                player,
                f"its loss or gradient is not finite at step {step}; the weights were not moved",
                "lower optim.lr_d and optim.lr_g, or another loss or penalty",
            )
