"""The quality while training: the best checkpoint is kept, and a run that is past its best says so."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
import torch
from PIL import Image
from small import Command

from gantrain import checkpoint, files
from gantrain.errors import GantrainError
from gantrain.metrics.kinds import badness, check_metric, levelled
from gantrain.quality import is_worse

SMALL = (
    *(
        "model.width=4",
        "train.batch_size=8",
        "data.image_size=16",
        "tracking.samples=4",
        "doctor.enabled=false",
    ),
    *("metrics.count=40", "checkpoint.every=20", "checkpoint.keep=1"),
)
# From G's tenth step on it is wrecked: every look is worse than the first.
RUINED = ("optim.lr_g=0.5", "ema.half_life_images=200")


@pytest.mark.parametrize("name", ["fd_rand", "kd_pca64", "coverage_cls", "vendi_rand", "swd_rand"])
def test_metrics_that_are_measured_while_training(name: str) -> None:
    check_metric(name)


@pytest.mark.parametrize("name", ["fid", "fd", "fd_inception", "", "rand_fd"])
def test_metrics_that_are_not(name: str) -> None:
    with pytest.raises(GantrainError, match=r"metrics.best: no such metric.*\n.*fd_rand"):
        check_metric(name)


def test_what_is_better() -> None:
    assert badness("fd_rand", 0.1) < badness("fd_rand", 0.2)
    assert badness("coverage_rand", 0.9) < badness("coverage_rand", 0.5)
    assert badness("density_rand", 1.1) < badness("density_rand", 2.0)
    assert badness("vendi_rand", 0.9) < badness("vendi_rand", 0.5)


def test_of_a_distance_seeds_scatter_a_share() -> None:
    """Twice as far is as much worse from 0.1 as from 1; shares, and what can lie below 0, stay the same."""
    steps = [levelled("fd_rand", 2 * value) - levelled("fd_rand", value) for value in (0.1, 1.0)]
    assert steps == [pytest.approx(math.log(2))] * 2
    assert math.isfinite(levelled("swd_rand", 0.0))
    for name in ("kd_rand", "recall_rand", "vendi_rand"):
        assert levelled(name, 0.3) == badness(name, 0.3)


def test_rows_summary_and_the_best_checkpoint(gantrain: Command) -> None:
    outcome = gantrain(*SMALL, "train.steps=60", "metrics.every=15", "tracking.every=30")
    assert outcome.code == 0, outcome.err
    evaluations = files.read_rows(outcome.run / files.EVALUATIONS)
    assert [row["step"] for row in evaluations] == [15, 30, 45, 60]
    values = {row["step"]: row["metrics"]["fd_rand"]["value"] for row in evaluations}
    best = min(values, key=values.__getitem__)
    summary = json.loads((outcome.run / files.SUMMARY).read_text())
    assert summary["best"] == {
        "metric": "fd_rand",
        "value": values[best],
        "step": best,
        "checkpoint": f"checkpoints/{best:08d}.pt",
        "past_best": False,
    }
    kept = {int(path.stem) for path in (outcome.run / files.CHECKPOINTS).glob("*.pt")}
    assert kept == {best, 60}
    assert summary["metrics"]["fd_rand"] == values[60]
    rows = files.read_rows(outcome.run / files.METRICS)
    assert [row.get("fd_rand") for row in rows] == [values[30], values[60]]
    stamp = evaluations[0]["metrics"]["fd_rand"]["stamp"]
    assert (stamp["space"], stamp["n_fake"], stamp["split"], stamp["ema"], stamp["eval_mode"]) == (
        *("rand", 40, "all"),
        *(True, True),
    )
    again = gantrain("evaluate", str(outcome.run / f"checkpoints/{best:08d}.pt"), "-n", "40")
    assert again.code == 0, again.err


def times_past(values: list[float], patience: int) -> int:
    """How often a run gets past its best: the last looks are all worse beyond noise than around it."""
    past, beside = [], patience // 2
    for now in range(len(values)):
        best = min(range(now + 1), key=values.__getitem__)
        around = median(values[max(0, best - beside) : min(best + beside, now) + 1])
        recent = min(values[max(0, now + 1 - patience) : now + 1])
        past.append(now - best >= patience and recent > 1.05 * around)
    return sum(now and not before for before, now in pairwise([False, *past]))


def test_past_its_best_is_said_and_may_end_the_run(gantrain: Command) -> None:
    settings = (*SMALL, *RUINED, "train.steps=120", "metrics.every=10", "metrics.patience=2")
    outcome = gantrain(*settings)
    assert outcome.code == 0, outcome.err
    rows = files.read_rows(outcome.run / files.EVALUATIONS)
    told = times_past([row["metrics"]["fd_rand"]["value"] for row in rows], patience=2)
    assert outcome.err.count("past its best since step") == told > 0
    stopped = gantrain(
        *settings, "train.stop_when_worse=true", "doctor.enabled=true", "hydra.run.dir=stopped"
    )
    assert stopped.code == 0, stopped.err
    summary = json.loads(Path("stopped/summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["step"] < 120
    assert summary["best"]["past_best"]
    assert Path(f"stopped/samples/{summary['step']:08d}.png").is_file(), "the picture it ended with"
    assert (Path("stopped") / summary["best"]["checkpoint"]).is_file()
    assert "; probably past its best: " in stopped.out
    assert "gantrain sample stopped --best" in stopped.out
    assert "gantrain resume stopped" not in stopped.out, "more steps would not help"
    assert f"Step {summary['step']} of {summary['step']}, finished." in Path("stopped/report.md").read_text()


def test_a_run_that_was_ended_early_stays_ended(gantrain: Command) -> None:
    ended = (*SMALL, *RUINED, "metrics.every=10", "metrics.patience=2", "train.steps=120")
    assert gantrain(*ended, "train.stop_when_worse=true", "hydra.run.dir=run").code == 0
    before = json.loads(Path("run/summary.json").read_text())
    assert before["step"] < 120
    again = gantrain(*ended, "train.stop_when_worse=true", "hydra.run.dir=run")
    assert again.code == 0
    assert "already finished: it was past its best" in again.out
    assert json.loads(Path("run/summary.json").read_text()) == before
    assert gantrain("resume", "run", "train.stop_when_worse=false").code == 0
    assert json.loads(Path("run/summary.json").read_text())["step"] == 120


def test_another_metric_has_another_best(gantrain: Command) -> None:
    common = (*SMALL, "metrics.every=10", "checkpoint.every=40")
    assert gantrain(*common, "train.steps=40", "hydra.run.dir=run").code == 0
    assert gantrain("resume", "run", "train.steps=60", "metrics.best=recall_rand").code == 0
    best = json.loads(Path("run/summary.json").read_text())["best"]
    looks = {row["step"]: row["metrics"] for row in files.read_rows(Path("run") / files.EVALUATIONS)}
    later = {step: looks[step]["recall_rand"]["value"] for step in (50, 60)}
    assert (best["metric"], best["value"]) == ("recall_rand", max(later.values()))
    assert looks[best["step"]]["recall_rand"]["value"] == best["value"]


def test_a_classifier_needs_labels_before_anything_is_trained(gantrain: Command) -> None:
    pixels = torch.randint(256, (12, 16, 16, 3), dtype=torch.uint8).numpy()
    Path("plain").mkdir()
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(f"plain/{number}.png")
    refused = gantrain("data=folder", "data.root=plain", *SMALL, "metrics.best=fd_cls", "train.steps=20")
    assert refused.code == 2
    assert "metrics.best: the space cls is a classifier's" in refused.err


@pytest.mark.parametrize(("now", "past"), [(-0.00098, False), (0.002, True)])
def test_a_kernel_distance_below_zero_has_a_margin_as_well(now: float, past: bool) -> None:
    """The best look at kd was -0.001: unbiased, it lies around 0 for pictures as good as real ones."""
    assert is_worse("kd_pca64", [now], [-0.001]) == past


def test_a_lucky_look_is_no_best_to_be_past() -> None:
    """fd_rand of a run that went on to 0.034: at 2,500 steps its best look, at 2,000, was 0.103."""
    around, recent = [0.369, 0.420, 0.103, 0.200, 0.138], [0.200, 0.138, 0.413, 0.142, 0.189]
    assert not is_worse("fd_rand", recent, around)
    assert is_worse("fd_rand", [0.255, 0.066, 0.265, 0.14, 0.077], [0.147, 0.099, 0.034, 0.035, 0.045])
    assert not is_worse("fd_rand", [0.255, 0.047, 0.265, 0.14, 0.077], [0.147, 0.099, 0.034, 0.035, 0.045])


def test_a_resume_remembers_the_best(gantrain: Command) -> None:
    common = (*SMALL, *RUINED, "metrics.every=10", "checkpoint.every=40")
    assert gantrain(*common, "train.steps=40", "hydra.run.dir=run").code == 0
    before = json.loads(Path("run/summary.json").read_text())["best"]
    assert gantrain("resume", "run", "train.steps=80").code == 0
    after = json.loads(Path("run/summary.json").read_text())["best"]
    assert after["value"] <= before["value"]
    path = Path("run") / after["checkpoint"]
    assert path.is_file()
    assert checkpoint.load(path)["state"]["step"] == after["step"]


def test_a_resume_that_measures_nothing_keeps_the_best(gantrain: Command) -> None:
    common = (*SMALL, *RUINED, "metrics.every=10", "checkpoint.every=40", "hydra.run.dir=run")
    assert gantrain(*common, "train.steps=40").code == 0
    best = json.loads(Path("run/summary.json").read_text())["best"]
    assert best["step"] < 40
    assert gantrain("resume", "run", "train.steps=80", "metrics.every=0").code == 0
    assert json.loads(Path("run/summary.json").read_text())["best"] == best
    assert gantrain("sample", "run", "--best", "-n", "2").code == 0


@pytest.mark.parametrize("first", [20, 40])
def test_a_best_that_is_set_aside_gives_way_to_the_one_before(gantrain: Command, first: int) -> None:
    """Nobody looks after the resume; there may have been no look before, either."""
    common = (*SMALL, f"metrics.every={first}", "checkpoint.keep=2", "hydra.run.dir=run")
    better = ("optim.lr_g=2e-3", "ema.half_life_images=100")
    assert gantrain(*common, *better, "train.steps=40").code == 0
    assert json.loads(Path("run/summary.json").read_text())["best"]["step"] == 40
    assert gantrain("resume", "run/checkpoints/00000020.pt", "train.steps=30", "metrics.every=0").code == 0
    best = json.loads(Path("run/summary.json").read_text())["best"]
    if first == 40:
        assert best is None
        return
    (look,) = files.read_rows(Path("run") / files.EVALUATIONS)
    assert (best["step"], best["value"]) == (20, look["metrics"]["fd_rand"]["value"])
    assert gantrain("sample", "run", "--best", "-n", "2").code == 0


def test_a_best_whose_checkpoint_is_gone_is_none(gantrain: Command) -> None:
    """A later best had taken its place, and the run goes on from between them."""
    common = (*SMALL, *RUINED, "metrics.every=10", "checkpoint.every=40", "hydra.run.dir=run")
    assert gantrain(*common, "train.steps=40").code == 0
    gone = json.loads(Path("run/summary.json").read_text())["best"]
    (Path("run") / gone["checkpoint"]).unlink()
    assert gantrain("resume", "run", "train.steps=80").code == 0
    best = json.loads(Path("run/summary.json").read_text())["best"]
    assert best["step"] > 40
    assert (Path("run") / best["checkpoint"]).is_file()


def test_measuring_draws_nothing_from_training(gantrain: Command) -> None:
    states = []
    for every in (0, 10):
        assert (
            gantrain(*SMALL, "train.steps=40", f"metrics.every={every}", f"hydra.run.dir=every{every}").code
            == 0
        )
        states.append(checkpoint.load(Path(f"every{every}/checkpoints/00000040.pt"))["state"]["ema"])
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=0, atol=0)
