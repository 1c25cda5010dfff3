"""The ranked table as text."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from made import CHECKERBOARD, sweep

from gantrain.pages.html import compare_page
from gantrain.pages.ranking import compare
from gantrain.pages.tables import as_csv, as_markdown, as_text, legend, means

BCE = {"overrides": ["loss=bce"], "choices": {"loss": "bce"}}
HINGE = {"overrides": ["loss=hinge"], "choices": {"loss": "hinge"}}


def test_a_row_tells_of_one_checkpoint(tmp_path: Path) -> None:
    """The other metric is better at the second look; the one that ranks is best at the first."""
    (run,) = sweep(tmp_path, {"fd": [0.1, 0.3]})
    for row, coverage in zip(run.evaluations, (0.4, 0.9), strict=True):
        row["metrics"]["coverage_rand"] = row["metrics"]["fd_rand"] | {"value": coverage, "null_mean": 0.95}
    (row,) = csv.DictReader(io.StringIO(as_csv(compare([run]))))
    assert (row["fd_rand"], row["coverage_rand"]) == ("0.1", "0.4")
    assert legend(compare([run])) == (
        "fd_rand: Frechet distance to the real pictures; lower is better: fd_rand (0.04); "
        "higher is better: coverage_rand (0.95); in brackets: what real pictures give; "
        "each run at its best look by fd_rand"
    )


def test_a_killed_run_came_as_far_as_it_told(tmp_path: Path) -> None:
    """Its last checkpoint is older: there may be none."""
    runs = sweep(tmp_path, {"status": "killed", "told_of": 17}, {"status": "killed"})
    rows = list(csv.DictReader(io.StringIO(as_csv(compare(runs)))))
    assert [row["status"] for row in rows] == ["killed: 17 of 20 steps", "killed: 10 of 20 steps"]


def test_remarks_are_counted(tmp_path: Path) -> None:
    """What is worse stands by its name."""
    remark = {**CHECKERBOARD, "severity": "info", "primary": False}
    runs = sweep(
        tmp_path,
        {**BCE, "fd": [0.1], "findings": [CHECKERBOARD, {**remark, "rule": "GD005c"}]},
        {**HINGE, "fd": [0.2], "findings": [{**remark, "rule": id} for id in ("GD005c", "GD005e")]},
    )
    rows = list(csv.DictReader(io.StringIO(as_csv(compare(runs)))))
    assert [row["findings"] for row in rows] == ["GD301 Checkerboard, 1 remark", "2 remarks"]


def test_the_terminal_shows_what_each_option_gave_on_average(tmp_path: Path) -> None:
    """Of several settings each; an option that met other others than the rest says so."""
    tried = ((BCE, "nearest", 0.3), (BCE, "bilinear", 0.5), (HINGE, "nearest", 0.1), (HINGE, "bilinear", 0.3))
    runs = [
        {
            "overrides": [*one["overrides"], f"upsample={mode}"],
            "choices": one["choices"] | {"upsample": mode},
            "fd": [fd],
        }
        for one, mode, fd in tried
    ]
    whole = compare(sweep(tmp_path / "whole", *runs))
    assert list(means(whole)) == [
        "fd_rand by loss: hinge 0.2 ± 0.14, bce 0.4 ± 0.14",
        "fd_rand by upsample: nearest 0.2 ± 0.14, bilinear 0.4 ± 0.14",
    ]
    assert "\n".join(means(whole)) in as_text(whole)
    cut = compare(sweep(tmp_path / "cut", *runs[:3]))
    assert list(means(cut)) == [
        "fd_rand by loss: hinge 0.1, bce 0.4 ± 0.14 (not every option met the same others)",
        "fd_rand by upsample: nearest 0.2 ± 0.14, bilinear 0.5 (not every option met the same others)",
    ]


def test_means_are_of_matched_runs_where_there_are_some(tmp_path: Path) -> None:
    """A bad run that one option alone was tried with does not count against it."""
    tried = ((BCE, "1", 0.3), (BCE, "2", 0.5), (HINGE, "1", 0.1), (HINGE, "2", 0.3), (HINGE, "9", 7.0))
    runs = [
        {
            "overrides": [*one["overrides"], f"optim.lr_d={rate}"],
            "choices": one["choices"],
            "config": {"optim": {"lr_d": float(rate)}},
            "fd": [fd],
        }
        for one, rate, fd in tried
    ]
    by_loss, _ = means(compare(sweep(tmp_path, *runs)))
    alone = "of the runs alone that every option has a counterpart of"
    assert by_loss == f"fd_rand by loss: hinge 0.2 ± 0.14, bce 0.4 ± 0.14 ({alone})"


def test_means_over_runs_that_were_cut_short_say_so(tmp_path: Path) -> None:
    cut = {"fd": [0.3], "status": "interrupted"}
    young = compare(sweep(tmp_path, *({**one, "seed": n, **cut} for one in (BCE, HINGE) for n in (0, 1))))
    assert list(means(young)) == [
        "fd_rand by loss: bce 0.3 ± 0, hinge 0.3 ± 0 (not every run has trained all its steps)"
    ]
    assert "\nNot every run has trained all its steps: read with care.\n" in as_markdown(young)
    assert "not every run has trained all its steps: read with care" in compare_page(young, "Sweep")


def test_what_the_table_itself_says_is_not_said_again(tmp_path: Path) -> None:
    assert not list(means(compare(sweep(tmp_path, BCE | {"fd": [0.3]}, HINGE | {"fd": [0.2]}))))
