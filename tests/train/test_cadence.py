"""Is it time, and how often is often enough?"""

from __future__ import annotations

import pytest

from gantrain.train.cadence import is_due, some_four_times


def test_every_so_often_and_at_the_end() -> None:
    assert [step for step in range(1, 11) if is_due(step, 4, 10)] == [4, 8, 10]


@pytest.mark.parametrize(
    ("total", "often"), [(1, 1), (3, 1), (8, 2), (40, 10), (199, 20), (450, 100), (800, 200), (1600, 200)]
)
def test_a_round_number_of_steps_four_times_or_a_few_more(total: int, often: int) -> None:
    assert some_four_times(total) == often
    assert total < 4 or 4 <= total // often < 11
