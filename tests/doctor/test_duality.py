"""The duality gap: no moves gain nothing, a young game leaves both room, and nothing stays moved."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import pytest
import torch
from small import TINY, Command
from torch import nn
from torch.testing import assert_close

from gantrain import build, checks, runtime
from gantrain.compose import composed
from gantrain.doctor.duality import as_it_was, duality_gap, payoff
from gantrain.keys import flatten
from gantrain.train.loop import Game, one_step
from gantrain.train.state import TrainingState

SMALL = ("model.width=8", "train.batch_size=16", "data.image_size=16", "optim.lr_d=1e-3", "optim.lr_g=1e-3")
CPU = torch.device("cpu")


def assembled(*overrides: str) -> tuple[TrainingState, Game]:
    cfg = checks.resolved(composed([*SMALL, *overrides]))
    runtime.settle(cfg, CPU)
    return build.assemble(cfg, build.load_data(cfg), CPU)


def tensors(state: TrainingState) -> dict[str, Any]:
    return {k: v for k, v in flatten(state.state_dict()).items() if isinstance(v, torch.Tensor | int | float)}


def test_a_discriminator_that_answers_zero_pays_two_ln_two() -> None:
    """M = -E[-ln s(0) - ln(1 - s(0))] = -2 ln 2, whatever the pictures."""
    state, game = assembled()
    last = [m for m in state.nets.discriminator.modules() if isinstance(m, nn.Conv2d | nn.Linear)][-1]
    nn.init.zeros_(last.weight)
    if last.bias is not None:
        nn.init.zeros_(last.bias)
    assert_close(payoff(state, game, seed=0), -2 * math.log(2), rtol=1e-6, atol=0)


def test_without_a_move_there_is_no_gap() -> None:
    state, game = assembled()
    gap = duality_gap(state, game, seed=0, steps=0)
    assert gap.value == 0
    assert gap.now == gap.best_d == gap.best_g


@pytest.mark.parametrize("choices", [(), ("loss=hinge", "model=sngan"), ("condition=class",)], ids=" ".join)
def test_in_a_young_game_both_could_do_better(choices: tuple[str, ...]) -> None:
    state, game = assembled(*choices)
    for _ in range(20):
        one_step(state, game)
    gap = duality_gap(state, game, seed=0, steps=30)
    assert gap.best_d > gap.now > gap.best_g


def test_a_lazy_penalty_is_due_every_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    state, game = assembled("penalty=r1", "model=dcgan_layer_norm", "penalty.every=4")
    asked: list[int] = []
    weigh = type(game.rules.penalty).weight_at
    monkeypatch.setattr(
        type(game.rules.penalty), "weight_at", lambda self, step: asked.append(step) or weigh(self, step)
    )
    duality_gap(state, game, seed=0, steps=5)
    assert set(asked) == {0, 1, 2, 3, 4}
    assert state.step == 0


def test_nothing_stays_moved() -> None:
    state, game = assembled()
    one_step(state, game)
    before = deepcopy(tensors(state))
    duality_gap(state, game, seed=0, steps=3)
    assert_close(tensors(state), before, rtol=0, atol=0)
    with as_it_was(state):
        one_step(state, game)
        assert state.step == 2
    assert state.step == 1


def test_the_command_says_it(gantrain: Command) -> None:
    assert gantrain("train.steps=2", *TINY).code == 0
    told = gantrain("doctor", "latest", "--deep")
    assert told.code == 0, told.err
    assert "Duality gap " in told.out
    assert "D takes its loss from " in told.out
