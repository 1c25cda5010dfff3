"""The order of events in a run. What a step computes stands in step.py, who moves when in schedule.py."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from torch import Tensor

from gantrain.data.store import Store
from gantrain.train.schedule import Phase, Schedule
from gantrain.train.state import TrainingState
from gantrain.train.step import Round, Rules, apply, gradients


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
    phases = game.schedule.phases(state.step, state.schedule_stats)
    # Every step of D has a real batch of its own.
    batches = max(1, sum("discriminator" in phase.players for phase in phases))
    indices = [next(state.sampler) for _ in range(batches)]
    key = phases, game.rules.penalty.weight_at(state.step)
    for stats in state.launch(key, partial(play, state, game, phases), indices):
        state.averages.add(stats)
        state.vitals.add(stats)
        if game.schedule.review_every and "acc_real" in stats:
            state.review.add({"accuracy": (stats["acc_real"] + stats["acc_fake"]) / 2})
    state.ema.update(state.nets.generator, state.images, state.images - before)
    state.step += 1
    if game.schedule.review_every and state.step % game.schedule.review_every == 0:
        state.schedule_stats = game.schedule.review(state.schedule_stats, state.review.take()["accuracy"])


def play(
    state: TrainingState, game: Game, phases: Sequence[Phase], indices: Sequence[Tensor]
) -> list[dict[str, Tensor]]:
    """The phases, one after the other, and the statistics of each."""
    waiting, now, found = list(indices), None, []
    seen_by_discriminator = False
    for phase in phases:
        if now is None or ("discriminator" in phase.players and seen_by_discriminator):
            now = Round(state.step, state.noise, *game.store.batch(waiting.pop(0), state.noise))
        seen_by_discriminator |= "discriminator" in phase.players
        measured = gradients(phase, state.nets, game.rules, now)
        state.alarm.hear(measured.finite)
        apply(phase, state.nets, state.optimisers, game.rules.penalty)
        found.append(measured.stats)
    state.alarm.end_step()
    return found
