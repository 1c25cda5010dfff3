from __future__ import annotations

import pytest

from gantrain.errors import GantrainError
from gantrain.train.schedule import Adaptive, Alternating, Joint, Schedule, Tutorial


def movers(schedule: Schedule, **stats: float) -> list[str]:
    return ["+".join(player[0] for player in phase.players) for phase in schedule.phases(0, stats)]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Alternating(), ["d", "g"]),
        (Alternating(first="generator"), ["g", "d"]),
        (Alternating(d_steps=5), ["d"] * 5 + ["g"]),
        (Alternating(d_steps=2, g_steps=3, first="generator"), ["g"] * 3 + ["d"] * 2),
        (Tutorial(), ["d", "g"]),
        (Tutorial(d_steps=3), ["d", "d", "d", "g"]),
        (Joint(), ["d+g"]),
        (Joint(entangled=True), ["d+g"]),
    ],
)
def test_who_moves(schedule: Schedule, expected: list[str]) -> None:
    assert movers(schedule) == expected


def test_tutorial_scores_g_on_the_fakes_that_d_saw_last() -> None:
    assert [phase.fakes for phase in Tutorial(d_steps=2).phases(0, {})] == ["fresh", "keep", "reuse"]


def test_only_entangled_mixes_the_gradients() -> None:
    assert [Joint(entangled=e).phases(0, {})[0].entangled for e in (False, True)] == [False, True]


def test_adaptive_repeats_the_lagging_player_within_its_bound() -> None:
    schedule = Adaptive(max_ratio=3)
    stats = schedule.start()
    assert movers(schedule, **stats) == ["d", "g"]
    for expected in (2, 3, 3):  # D too good: G gets more, up to the bound
        stats = schedule.review(stats, accuracy=0.99)
        assert movers(schedule, **stats) == ["d"] + ["g"] * expected
    for _ in range(4):  # and back through even to D's bound
        stats = schedule.review(stats, accuracy=0.1)
    assert movers(schedule, **stats) == ["d"] * 3 + ["g"]


def test_adaptive_has_hysteresis() -> None:
    schedule = Adaptive(d_leads=0.85, g_leads=0.6)
    ahead = schedule.review(schedule.start(), accuracy=0.9)
    assert schedule.review(ahead, accuracy=0.8) == ahead, "just below the upper threshold nothing changes"
    assert schedule.review(ahead, accuracy=0.7) == schedule.start(), "past the middle the lead is given back"
    assert schedule.review(schedule.start(), accuracy=0.7) == schedule.start()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Alternating(d_steps=0), "schedule.d_steps: must be 1 or more, got 0"),
        (lambda: Tutorial(d_steps=-1), "schedule.d_steps"),
        (lambda: Adaptive(max_ratio=0), "schedule.max_ratio"),
        (lambda: Adaptive(g_leads=0.9, d_leads=0.8), "must lie below schedule.d_leads"),
    ],
)
def test_ranges(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(GantrainError, match=message):
        make()
