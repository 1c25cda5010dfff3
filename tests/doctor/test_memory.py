"""What is derived from the past."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from gantrain.doctor.memory import Memory


def test_losses_in_units_of_guessing() -> None:
    memory = Memory((2 * math.log(2), -math.log(2)))
    derived = memory.add(300, {"loss_d": math.log(2), "loss_g": -2 * math.log(2)})
    assert derived["loss_d_ratio"] == pytest.approx(0.5)
    assert derived["loss_g_ratio"] == pytest.approx(2)
    assert "loss_g_ratio" not in Memory((2.0, 0.0)).add(300, {"loss_d": 1.0, "loss_g": 0.3}), "hinge: G = 0"
    assert "loss_d_ratio" not in Memory(None).add(300, {"loss_d": 1.0})
    assert memory.add(300, {"a": 1.0}) == {"a": 1.0}
    assert memory.add(300, {"a": 1.0, "b": math.nan}) == {"a": 1.0}


def test_gradients_against_the_early_ones() -> None:
    memory = Memory()
    for step, norm in ((40, 99.0), (80, 1.0), (120, 2.0), (160, 30.0), (200, 3.0)):
        assert "grad_norm_g_change" not in memory.add(step, {"grad_norm_g": norm})
    assert memory.add(240, {"grad_norm_g": 50.0})["grad_norm_g_change"] == pytest.approx(20)  # 1 2 3 30
    assert memory.add(280, {"grad_norm_g": 5.0})["grad_norm_g_change"] == pytest.approx(2)
    assert "grad_norm_g_change" not in memory.add(320, {"vendi_ratio": 1.0})


def test_with_long_windows_the_first_one_counts_as_early() -> None:
    memory = Memory()
    assert memory.add(250, {"grad_norm_g": 2.0})["grad_norm_g_change"] == 1
    assert memory.add(500, {"grad_norm_g": 5.0})["grad_norm_g_change"] == 2.5


def test_a_generator_without_any_early_gradient_has_no_change() -> None:
    memory = Memory()
    memory.add(100, {"grad_norm_g": 0.0})
    assert "grad_norm_g_change" not in memory.add(300, {"grad_norm_g": 5.0})


def test_flatness_over_four_windows() -> None:
    memory = Memory()
    for step, loss in ((100, 9.0), (200, 1.0), (300, 1.0)):
        assert "flatness" not in memory.add(step, {"loss_d": loss})
    memory.add(400, {"loss_d": 3.0})
    assert memory.add(500, {"loss_d": 3.0})["flatness"] == pytest.approx(0.5)  # 1 1 3 3


@pytest.mark.parametrize(
    ("distances", "improving"),
    [((0.5, 0.6, 0.4), 1), ((0.5, 0.4, 0.48), 0), ((0.9, 0.5, 0.4, 0.39), 1), ((0.9, 0.4, 0.4, 0.39), 0)],
)
def test_improvement_over_three_looks(distances: tuple[float, ...], improving: float) -> None:
    memory = Memory()
    for step, distance in enumerate(distances[:2]):
        assert "fd_improving" not in memory.add(step, {"fd_pca64": distance})
    for step, distance in enumerate(distances[2:], 2):
        derived = memory.add(step, {"fd_pca64": distance})
    assert derived["fd_improving"] == improving
    assert memory.add(9, {"loss_d": 1.0})["fd_improving"] == improving, "known between the looks"


def test_a_distance_is_news_for_a_while() -> None:
    memory = Memory(lasts=100)
    assert memory.add(300, {"fd_pca64": 0.8})["fd_latest"] == 0.8
    assert memory.add(400, {"loss_d": 1.0})["fd_latest"] == 0.8
    assert "fd_latest" not in memory.add(401, {"loss_d": 1.0})
    assert memory.add(500, {"fd_pca64": 0.4})["fd_change"] == pytest.approx(0.5), (
        "it is remembered all the same"
    )


@pytest.mark.parametrize(
    ("distances", "change"), [((2.0, 1.0, 0.5), 0.25), ((2.5, 0.65, 1.1), 1.1 / 0.65), ((1.0, 2.0, 1.5), 1.5)]
)
def test_pictures_that_come_and_go_come_no_nearer(distances: tuple[float, ...], change: float) -> None:
    memory = Memory()
    for step, distance in enumerate(distances):
        derived = memory.add(step, {"fd_pca64": distance})
    assert derived["fd_change"] == pytest.approx(change)


def test_nearing_the_mean_picture_is_no_improvement() -> None:
    memory = Memory()
    for step, distance in enumerate((1.6, 1.4, 1.2)):
        derived = memory.add(step, {"fd_pca64": distance})
    assert derived["fd_improving"] == 0


def test_a_second_look_at_a_step_replaces_the_first() -> None:
    memory, once = Memory(), Memory()
    for step, distance in ((1, 0.9), (2, 0.8), (3, 0.3)):
        for _ in range(3):
            memory.add(step, {"fd_pca64": distance, "loss_d": distance})
        once.add(step, {"fd_pca64": distance, "loss_d": distance})
    assert memory.state_dict() == once.state_dict()


def test_what_the_untrained_generator_drew_is_remembered() -> None:
    memory, resumed = Memory(), Memory()
    assert "lattice_before" not in memory.add(0, {"loss_d": 1.0})
    memory.add(0, {"untrained_lattice_2": 1.9, "untrained_lattice_4": 0.3})
    resumed.load_state_dict(memory.state_dict())
    assert resumed.add(500, {"loss_d": 1.0})["lattice_before"] == 1.9


def test_memory_goes_on_where_it_was_and_stays_small(tmp_path: Path) -> None:
    story = [
        (step, {"grad_norm_g": 1.0 + step % 7, "loss_d": 1.0 + step % 5, "fd_pca64": 1 / (1 + step % 3)})
        for step in range(25, 10_000, 25)
    ]
    whole, first, second = (Memory((1.0, 1.0)) for _ in range(3))
    said = [whole.add(step, signals) for step, signals in story]
    parts = [first.add(step, signals) for step, signals in story[:5]]
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    parts += [second.add(step, signals) for step, signals in story[5:]]
    assert parts == said
    assert len(json.dumps(whole.state_dict())) < 1000
