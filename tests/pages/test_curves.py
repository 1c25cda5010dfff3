"""Curves: thinned without losing what matters, on one axis."""

from __future__ import annotations

from pathlib import Path

from made import sweep

from gantrain.pages.curves import charts_of, thinned


def test_thinning_keeps_ends_and_peaks() -> None:
    curve = [(step, 0.0) for step in range(10_000)]
    curve[4321] = (4321, 7.0)
    kept = thinned(curve, most=100)
    assert len(kept) == 100
    assert kept[0] == curve[0]
    assert kept[-1] == curve[-1]
    assert (4321, 7.0) in kept
    assert kept == sorted(kept)


def test_short_curves_are_left_alone() -> None:
    assert thinned([(1, 2.0), (2, 3.0)]) == [(1, 2.0), (2, 3.0)]


def test_a_run_keeps_steps_of_its_own(tmp_path: Path) -> None:
    """Joining them here would cost a null for every step that another run has."""
    charts = charts_of(sweep(tmp_path, {"rows": 3}, {"seed": 1, "rows": 2}), "fd_rand")
    lines = next(chart.lines for chart in charts if chart.title == "Loss of D")
    assert lines == {"0": ([1, 2, 3], [1.0, 0.5, 0.3333]), "1": ([1, 2], [1.0, 0.5])}


def test_charts_are_those_there_are_numbers_for(tmp_path: Path) -> None:
    titles = [chart.title for chart in charts_of(sweep(tmp_path, {}, {"seed": 1}), "fd_rand")]
    assert titles[0] == "fd_rand"
    assert "Loss of D" in titles
    assert not any("slope" in title for title in titles), "no signals were recorded"


def test_a_distance_over_orders_of_magnitude_has_a_logarithmic_axis(tmp_path: Path) -> None:
    """Beside its beginning its end would be a straight line; losses may be below zero, and stay linear."""
    wide = charts_of(sweep(tmp_path / "wide", {"fd": [30.0, 0.9, 0.1]}), "fd_rand")
    assert [chart.title for chart in wide if chart.log] == ["fd_rand"]
    assert wide[0].plain()["title"] == "fd_rand (log)"
    narrow = charts_of(sweep(tmp_path / "narrow", {"fd": [0.9, 0.1]}), "fd_rand")
    assert not any(chart.log for chart in narrow)
