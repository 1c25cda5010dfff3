"""gantrain compare, and what a sweep leaves at its end: real runs."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from pathlib import Path

import pytest
from PIL import Image
from small import Command

from gantrain import files
from gantrain.pages.records import runs_in

QUICK = (
    *("model.width=4", "train.batch_size=8", "train.steps=4", "tracking.every=2", "tracking.samples=4"),
    *("tracking.samples_every=2", "metrics.every=2", "metrics.count=20", "doctor.enabled=false"),
)


def the_sweep() -> Path:
    (found,) = Path("outputs/multirun").glob("*/*")
    return found


def test_a_sweep_ends_with_its_page_and_its_table(gantrain: Command) -> None:
    done = gantrain("-m", "loss=bce,hinge", "seed=0,1", *QUICK)
    assert done.code == 0, done.err
    page = (the_sweep() / files.COMPARISON).read_text(encoding="utf-8")
    assert page.count('<tr data-run="') == 4
    assert "rank  run  loss   seed  fd_rand" in done.out
    assert f"compare: {the_sweep() / files.COMPARISON}" in done.out
    assert (the_sweep() / "0" / files.PAGE).is_file()
    suggested = done.out.strip().splitlines()[-1].removeprefix("next: gantrain ")

    told = gantrain("compare", str(the_sweep()), "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(told.out)))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    assert {(row["loss"], row["seed"]) for row in rows} == {
        (loss, seed) for loss in ("bce", "hinge") for seed in "01"
    }
    best = json.loads((the_sweep() / rows[0]["run"] / files.SUMMARY).read_text())["best"]["value"]
    assert float(rows[0]["fd_rand"]) == pytest.approx(best, rel=1e-3)
    assert suggested == f"sample {the_sweep() / rows[0]['run']} --best -n 64"
    assert gantrain(*suggested.split()).code == 0

    told = gantrain("compare", str(the_sweep()), "--metric", "coverage_rand")
    assert "--best" not in told.out, "of that metric no best checkpoint is kept"
    told = gantrain("compare", str(the_sweep()), "--format", "md", "--metric", "coverage_rand")
    assert "| rank | run | loss | seed | coverage_rand |" in told.out
    assert "higher is better: coverage_rand; lower is better: fd_rand" in told.out
    assert "; ±: standard deviation.\n" in told.out


def test_a_sweep_with_a_failed_job_has_its_page(gantrain: Command) -> None:
    done = gantrain("-m", "optim.lr_d=2e-4,-1", *QUICK)
    assert done.code == 2, done.err
    page = (the_sweep() / files.COMPARISON).read_text(encoding="utf-8")
    assert page.count('<tr data-run="') == 2
    assert "failed: optim.lr_d: must be above 0" in page
    assert "1 of 2 runs failed (<code>optim.lr_d=-1</code>): optim.lr_d: must be above 0" in page


def test_runs_by_name(gantrain: Command) -> None:
    for loss in ("bce", "hinge"):
        assert gantrain(f"loss={loss}", f"hydra.run.dir={loss}", *QUICK).code == 0
    told = gantrain("compare", "bce", "hinge", "--out", "page.html")
    assert told.code == 0, told.err
    assert "loss=" in told.out
    assert Path("page.html").is_file()
    told = gantrain("compare", "hinge", ".", "--format", "csv")
    assert told.out.count("finished") == 2, "a folder of runs brings all of them, and none twice"


def test_a_folder_of_folders_brings_every_run_below_it(gantrain: Command) -> None:
    """As outputs/ has them: by date and time, a sweep's one deeper."""
    for place in ("2026-11-21/a", "2026-11-22/b", "multirun/2026-11-22/c/10", "multirun/2026-11-22/c/2"):
        assert gantrain(f"hydra.run.dir=all/{place}", *QUICK).code == 0
    Path("all/2026-11-23/.hydra").mkdir(parents=True)
    Path("all/2026-11-23/.hydra/config.yaml").touch()
    told = gantrain("compare", "all", "--format", "csv")
    assert told.code == 0, told.err
    rows = list(csv.DictReader(io.StringIO(told.out)))
    assert {row["run"] for row in rows} == {"a", "b", "10", "2"}
    assert [run.name for run in runs_in(Path("all"))] == ["a", "b", "2", "10"]


def test_a_page_of_other_runs_stays(gantrain: Command) -> None:
    for run in ("a", "b"):
        assert gantrain(f"hydra.run.dir={run}", *QUICK).code == 0

    def page(*runs: str) -> str:
        lines = gantrain("compare", *runs).out.splitlines()
        (path,) = [line.removeprefix("compare: ") for line in lines if line.startswith("compare: ")]
        assert Path(path).is_file()
        return path

    assert page("a", "b") == page("b", "a") != page("a")


def test_a_refused_job_can_be_named(gantrain: Command) -> None:
    """It left a summary and no configuration; SWEEP/* also names files."""
    gantrain("-m", "optim.lr_d=-1,1e-4", *QUICK)
    places = sorted(str(path) for path in the_sweep().iterdir())
    told = gantrain("compare", *places, "--format", "md", "--out", "table.md")
    assert told.code == 0, told.err
    assert told.out == "compare: table.md\n"
    table = Path("table.md").read_text()
    assert "failed: optim.lr_d: must be above 0" in table
    assert "1 of 2 runs failed (`optim.lr_d=-1`)" in table
    assert gantrain("compare", *places, "--format", "md").out == table
    Path("hardly_begun").mkdir()
    assert gantrain("compare", *places, "hardly_begun", "--format", "md").out == table


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' file names are text")
def test_a_folder_whose_name_is_no_text_is_compared_like_any_other(gantrain: Command) -> None:
    """Every byte of the name is told, as the terminal tells it."""
    odd = os.fsdecode(b"odd\xff")
    assert gantrain("-m", "seed=0,1", "hydra.sweep.dir=sweep", *QUICK).code == 0
    os.rename("sweep", odd)
    os.rename(f"{odd}/1", f"{odd}/{odd}")
    for place, page in ((odd, f"{odd}/{files.COMPARISON}"), (f"{odd}/{odd}", None)):
        told = gantrain("compare", place)
        assert told.code == 0, told.err
        assert "odd\\udcff" in told.out
        path = Path(page) if page else next(Path("outputs").glob("compare-*.html"))
        assert '<tr data-run="odd\\udcff"' in path.read_text(encoding="utf-8")
    for name in ("md", "csv"):
        told = gantrain("compare", odd, "--format", name)
        assert told.code == 0, told.err
        assert gantrain("compare", odd, "--format", name, "--out", "table").code == 0
        assert Path("table").read_text(encoding="utf-8") == told.out
        assert "odd\\udcff" in told.out


def test_a_page_that_fails_takes_nothing_with_it(gantrain: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> str:
        raise ValueError("too wide")

    monkeypatch.setattr("gantrain.pages.writing.report_page", fails)
    monkeypatch.setattr("gantrain.pages.writing.compare_page", fails)
    done = gantrain("-m", "loss=bce,hinge", *QUICK)
    assert done.code == 0
    assert "report.html was not written: too wide" in done.err
    assert "compare.html was not written: too wide" in done.out


def test_the_best_checkpoint_is_taken_if_asked_for(gantrain: Command) -> None:
    assert gantrain("hydra.run.dir=run", *QUICK, "checkpoint.every=2").code == 0
    summary = json.loads(Path("run", files.SUMMARY).read_text())
    summary["best"]["checkpoint"] = "checkpoints/00000002.pt"
    Path("run", files.SUMMARY).write_text(json.dumps(summary))
    for best, step in (([], 4), (["--best"], 2)):
        told = gantrain("evaluate", "run", "-n", "20", "--json", *best)
        assert json.loads(told.out)["step"] == step, told.err


def test_a_run_shows_what_it_learns_from(gantrain: Command) -> None:
    """Pictures of the data, in a grid as wide as those of the samples."""
    assert gantrain("hydra.run.dir=run", *QUICK).code == 0
    real, drawn = (Image.open(Path("run/samples") / name) for name in (files.REAL, "00000004.png"))
    assert real.size == drawn.size
    assert real.getextrema() != drawn.getextrema()


def test_a_folder_without_runs_among_others_is_left_out_and_named(gantrain: Command) -> None:
    """Whoever mistypes a second sweep is not told a verdict without it and no word."""
    Path("empty").mkdir()
    assert gantrain("hydra.run.dir=run", *QUICK).code == 0
    told = gantrain("compare", "run", "empty", "--format", "csv")
    assert told.code == 0
    assert told.err == "gantrain: warning: empty: there is no run in it, so it is left out\n"
    assert len(told.out.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("nowhere",), "nowhere: no such run directory or checkpoint"),
        (("empty",), "empty: there is no run in it"),
        (("run", "--out", "empty"), "--out: empty is a folder"),
        (("run", "--metric", "fid"), "--metric: no such metric: 'fid'"),
        (("run", "--metric", "swd_cls"), "--metric: none of the runs has measured swd_cls"),
        (("run/config.yaml", "run/summary.json"), "compare: these are files, and none is a checkpoint"),
        ((), "SWEEP | RUN is missing"),
    ],
)
def test_what_cannot_be_compared(gantrain: Command, arguments: tuple[str, ...], reason: str) -> None:
    Path("empty").mkdir()
    assert gantrain("hydra.run.dir=run", *QUICK).code == 0
    told = gantrain("compare", *arguments)
    assert told.code == 2
    assert reason in told.err
    assert "Traceback" not in told.err
