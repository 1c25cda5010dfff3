"""Launchers and searches of the extras: real plugins, real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml
from small import Command

from gantrain import checkpoint, files

Process = Callable[..., subprocess.Popen[str]]

QUICK = (
    *("model.width=4", "train.batch_size=8", "train.steps=4", "tracking.every=2", "tracking.samples=4"),
    *("metrics.every=2", "metrics.count=20", "doctor.enabled=false", "hydra.sweep.dir=sweep"),
)


def summary(run: str) -> dict:
    return json.loads((Path("sweep") / run / files.SUMMARY).read_text())


def test_joblib_trains_several_at_a_time(gantrain: Command) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    done = gantrain("-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=0,1", *QUICK)
    assert done.code == 0, done.err
    assert [summary(run)["status"] for run in "01"] == ["finished"] * 2
    share = max(1, (os.cpu_count() or 1) // 2)
    assert all(f"({share} thread" in summary(run)["device"] for run in "01"), (
        "cores are shared, not fought over"
    )
    assert [summary(run)["threads"] for run in "01"] == [share] * 2, "and said where a run is repeated"
    assert Path("sweep", files.COMPARISON).is_file()


def test_a_sweep_by_joblib_that_is_interrupted_saves_all_of_its_jobs(
    process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C reaches the workers and the process that waits for them at once."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    monkeypatch.chdir(tmp_path)
    parallel = ("-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=0,1,2", *QUICK)
    parallel = (*parallel, "train.steps=3000", "metrics.every=0", "tracking.samples_every=10")
    running = process(*parallel)
    drawn = [Path("sweep", run, files.SAMPLES, "00000010.png") for run in "01"]
    deadline = time.monotonic() + 120
    while not all(path.exists() for path in drawn):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    together = psutil.Process(running.pid)
    for one in (together, *together.children(recursive=True)):
        one.send_signal(signal.SIGINT)
    out, told = running.communicate(timeout=120)
    assert running.returncode == 130, told
    assert "all of the sweep: the same command with hydra.sweep.dir=sweep" in told
    for run in "01":
        assert summary(run)["status"] == "interrupted"
        saved = checkpoint.newest(Path("sweep", run))
        assert saved is not None
        assert int(saved.stem) == summary(run)["step"] > 0
    assert not Path("sweep", "2").exists(), "no other job was begun"
    assert "1 of 3 jobs has not begun" in out


def test_a_worker_of_joblib_that_is_killed_ends_the_sweep_with_a_word(
    process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system does for want of memory; the same command goes on."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    monkeypatch.chdir(tmp_path)
    command = (
        "-m",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
        "seed=0,1",
        *QUICK,
        "metrics.every=0",
    )
    running = process(*command, "train.steps=3000", "tracking.samples_every=10")
    grids = [Path("sweep", run, files.SAMPLES) for run in "01"]
    deadline = time.monotonic() + 120
    while not all(files.numbered(grid, "png") for grid in grids):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers = psutil.Process(running.pid).children(recursive=True)
    next(worker for worker in workers if "LokyProcess" in " ".join(worker.cmdline())).kill()
    out, told = running.communicate(timeout=120)
    assert running.returncode == 2, told
    assert "hydra/launcher: one of joblib's processes was killed" in told
    assert "go on: the same command with hydra.sweep.dir=sweep; fewer at a time" in told
    assert "Traceback" not in told
    assert "2 of 2 runs killed" in out


def test_a_search_minimises_what_a_run_gives(gantrain: Command) -> None:
    """Both of two known settings are tried; one of them becomes infinite at once and is no error."""
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    done = gantrain(
        *(
            "-m",
            "hydra/sweeper=optuna",
            "hydra/sweeper/sampler=grid",
            "hydra.sweeper.n_trials=2",
            "hydra.sweeper.n_jobs=1",
        ),
        *(
            "loss=wgan",
            "penalty=none",
            "model.discriminator.norm=none",
            "optim.lr_d=choice(1e5,2e-4)",
            *QUICK,
        ),
    )
    assert done.code == 0, done.err
    found = yaml.safe_load(Path("sweep/optimization_results.yaml").read_text())
    best = min(summary(run)["best"]["value"] for run in "01" if summary(run)["status"] == "finished")
    assert found["best_value"] == pytest.approx(best)
    assert float(found["best_params"]["optim.lr_d"]) == 2e-4
    assert sorted(summary(run)["status"] for run in "01") == ["failed", "finished"]


def test_a_search_needs_something_to_go_by(gantrain: Command) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    searched = ("-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=1", "optim.lr_d=interval(1e-4,1e-3)")
    for every in (0, 5):
        done = gantrain(*searched, *QUICK, f"metrics.every={every}")
        assert done.code == 2
        assert "metrics.every: a search goes by what is measured within its 4 steps" in done.err
    assert not Path("sweep/0", files.CHECKPOINTS).exists(), "no trial was trained in vain"


def test_a_search_of_which_no_trial_went_well_says_why(process: Process) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    search = process(
        "+sweep=search_rates", "hydra.sweeper.n_trials=2", "data=folder", "data.root=nowhere", *QUICK
    )
    _, told = search.communicate(timeout=120)
    assert search.returncode == 2
    assert "gantrain: error: data.root: there is no folder nowhere" in told
    assert "Traceback" not in told


def test_a_job_that_was_killed_goes_on_in_its_directory(
    process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    command = (
        *("-m", "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5", "seed=0", *QUICK),
        *("train.steps=120", "checkpoint.every=20"),
    )
    sweep = process(*command)
    saved = tmp_path / "sweep" / "0" / files.CHECKPOINTS
    deadline = time.monotonic() + 120
    while not (saved.is_dir() and list(saved.glob("*.pt"))):
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.1)
    for child in psutil.Process(sweep.pid).children(recursive=True):
        child.send_signal(signal.SIGKILL)
    _, told = sweep.communicate(timeout=60)
    assert sweep.returncode == 2
    assert "gantrain: error: hydra/launcher: Job" in told
    assert "Traceback" not in told
    monkeypatch.chdir(tmp_path)
    assert summary("0")["status"] == "running", "it was killed half way"

    sweep = process(*command)
    assert sweep.wait(120) == 0, sweep.stderr
    assert summary("0")["status"] == "finished"
    assert summary("0")["step"] == 120
    log = (Path("sweep") / "0" / files.LOG).read_text()
    assert "going on after step" in log
    steps = [row["step"] for row in files.read_rows(Path("sweep/0") / files.METRICS)]
    assert steps == sorted(set(steps)), "no step is there twice"


def test_a_job_that_was_refused_says_why(process: Process) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    sweep = process("-m", "hydra/launcher=submitit_local", "optim.lr_d=-1", *QUICK)
    _, told = sweep.communicate(timeout=120)
    assert sweep.returncode == 2
    assert "gantrain: error: optim.lr_d: must be above 0, got -1" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("choice", "extra"),
    [("hydra/sweeper=nevergrad", "hydra/sweeper"), ("hydra/launcher=ray", "hydra/launcher")],
)
def test_a_plugin_that_is_missing(gantrain: Command, choice: str, extra: str) -> None:
    done = gantrain("-m", choice, "seed=0,1", *QUICK)
    assert done.code == 2
    assert extra in done.err
    assert "Traceback" not in done.err
