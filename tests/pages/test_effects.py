"""Main effects: where a dot lies."""

from __future__ import annotations

import pytest

from gantrain.pages.candidates import Spread
from gantrain.pages.effects import Axis, Effect, drawn


def test_ends_and_middle_of_an_axis() -> None:
    axis = Axis.over([1.0, 3.0])
    assert (axis.place(1.0), axis.place(2.0), axis.place(3.0)) == (4.0, 50.0, 96.0)
    assert Axis.over([2.0]).place(2.0) == 50.0
    assert Axis.over([1e-5, 1e-3], log=True).place(1e-4) == 50.0


def test_words_stand_as_typed_and_numbers_by_size() -> None:
    words = drawn(Effect("loss", {"hinge": Spread((0.2,)), "bce": Spread((0.1,))}))
    assert [bar.option for bar in words.bars] == ["hinge", "bce"]
    numbers = drawn(Effect("model.width", {"128": Spread((0.2,)), "16": Spread((0.1, 0.3))}))
    assert [bar.option for bar in numbers.bars] == ["16", "128"]
    first = numbers.bars[0]
    assert (first.mean, first.told) == (50.0, "0.2 ± 0.14")
    assert (first.left, first.width) == (4.0, 92.0), "the bar is longer than the values are apart"
    assert first.dots == pytest.approx([50 - 46 / 2**0.5, 50 + 46 / 2**0.5], abs=0.01)


def test_a_bar_is_as_long_on_either_side_of_its_mean() -> None:
    for bar in drawn(Effect("loss", {"bce": Spread((0.2, 0.5)), "hinge": Spread((0.1, 0.2))})).bars:
        assert bar.left + bar.width / 2 == pytest.approx(bar.mean, abs=0.02)


def test_a_search_over_rates_is_a_cloud_of_points() -> None:
    options = {
        f"{rate:g}": Spread((rate,)) for rate in (1e-5, 3e-4, 1e-3, 2e-3, 5e-3, 1e-4, 6e-3, 7e-3, 1e-1)
    }
    found = drawn(Effect("optim.lr_d", options))
    assert found.bars == []
    assert len(found.points) == 9
    assert (found.x, found.y) == (("1e-05", "0.1"), ("1e-05", "0.1"))
    assert [point.x for point in found.points] == sorted(point.x for point in found.points)
