"""The doctor at real runs: it only looks on, goes on where it was, and says what it found."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small import Command

from gantrain import checkpoint, files
from gantrain.doctor.attend import TIERS, Governor
from gantrain.keys import flatten
from gantrain.pages.records import Record

Process = Callable[..., subprocess.Popen[str]]

SMALL = ("model.width=4", "train.batch_size=8", "data.image_size=16", "tracking.samples=4", "latent.dim=16")
EXACT = "runtime.deterministic=true"  # the clock decides nothing


def weights(run: Path) -> dict[str, torch.Tensor]:
    path = checkpoint.newest(run)
    assert path is not None
    state = checkpoint.load(path)["state"]
    kept = {name: state[name] for name in ("generator", "discriminator", "ema", "optimiser_d", "random")}
    return {key: value for key, value in flatten(kept).items() if isinstance(value, torch.Tensor)}


def findings(run: Path) -> list[dict[str, Any]]:
    return files.read_rows(run / files.FINDINGS)


@pytest.mark.parametrize(
    "choices",
    [
        ("model=dcgan", "condition=class"),
        ("model=sngan", "schedule=tutorial", "augment=diffaug"),
        ("schedule=entangled", "data.flip=true"),
    ],
    ids=" ".join,
)
def test_looking_changes_nothing(gantrain: Command, choices: tuple[str, ...], tmp_path: Path) -> None:
    common = (*SMALL, *choices, "train.steps=210", EXACT)
    alone, attended = tmp_path / "alone", tmp_path / "attended"
    watched = ("metrics.every=100", "metrics.count=20", f"hydra.run.dir={attended}")
    assert gantrain(*common, "doctor.enabled=false", "metrics.every=0", f"hydra.run.dir={alone}").code == 0
    assert gantrain(*common, *watched).code == 0
    assert len(files.read_rows(attended / files.SIGNALS)) >= 8
    a, b = weights(alone), weights(attended)
    assert a.keys() == b.keys()
    torch.testing.assert_close(list(a.values()), list(b.values()), rtol=0, atol=0)


def test_killed_and_resumed_finds_the_same(gantrain: Command, process: Process, tmp_path: Path) -> None:
    common = (
        *SMALL,
        "schedule=entangled",
        "train.steps=240",
        "checkpoint.every=60",
        EXACT,
        "metrics.every=0",
    )
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert gantrain(*common, f"hydra.run.dir={whole}").code == 0
    running = process(*common, f"hydra.run.dir={broken}")
    deadline = time.monotonic() + 120
    while not (broken / "checkpoints" / "00000120.pt").exists():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert gantrain("resume", str(broken)).code == 0
    assert findings(broken) == findings(whole)
    *_, shown = (found["picture"] for found in findings(whole) if found["rule"] == "GD004")
    assert (whole / shown).is_file()
    assert f"]({shown})" in (whole / files.REPORT).read_text(), "and the report shows it"
    assert files.read_rows(broken / files.SIGNALS) == files.read_rows(whole / files.SIGNALS)


def test_an_entangled_run_is_told_so_at_once(gantrain: Command) -> None:
    outcome = gantrain(*SMALL, "schedule=entangled", "train.steps=30", "loss=hinge")
    assert outcome.code == 0, outcome.err
    (found,) = findings(outcome.run)
    assert (found["rule"], found["state"], found["severity"], found["primary"]) == (
        *("GD004", "active", "error"),
        True,
    )
    assert found["step"] <= 30
    assert found["remedy"] == ["schedule=alternating"]
    ratio = next(item["value"] for item in found["evidence"] if item["signal"] == "used_ratio_g")
    assert ratio < 0.01
    assert "GD004" in outcome.err
    assert "schedule=alternating" in outcome.err
    cured = [line.strip() for line in outcome.out.splitlines() if line.startswith("      gantrain ")]
    assert ["schedule=alternating" in line.split() for line in cured] == [True]
    assert "schedule=entangled" not in cured[0]
    assert "schedule=alternating" in (outcome.run / files.REPORT).read_text()
    summary = json.loads((outcome.run / files.SUMMARY).read_text())
    assert summary["findings"] == 1
    assert summary["doctor"]["primary"] == "GD004"

    again = gantrain("doctor", "latest", "--strict")
    assert again.code == 3
    assert "schedule=alternating" in again.out
    assert "GD004" in again.err
    assert gantrain("doctor", "latest", "doctor.ignore=[GD004]", "--strict").code == 0


def test_of_a_sick_run_odd_rates_are_suspected_first(gantrain: Command) -> None:
    odd = ("optim.lr_d=0.02", "optim.lr_g=0.02")
    told = gantrain(*SMALL, "schedule=entangled", "train.steps=30", "loss=hinge", *odd).out.splitlines()
    (cured,) = [line.split() for line in told if line.startswith("      gantrain ")]
    assert {"optim.lr_d=0.0002", "optim.lr_g=0.0002"} <= set(cured)
    assert not set(odd) & set(cured)


def test_a_finding_ends_where_its_rule_is_ignored(gantrain: Command) -> None:
    run = gantrain(*SMALL, "schedule=entangled", "train.steps=30", "loss=hinge").run
    assert gantrain("resume", str(run), "train.steps=60", "doctor.ignore=[GD004]").code == 0
    ended = [finding for finding in findings(run) if finding["rule"] == "GD004"][-1]
    assert (ended["event"], ended["state"], ended["step"]) == ("ended", "resolved", 30)


def test_a_run_that_stops_as_non_finite_is_told_what_was_not_finite(gantrain: Command) -> None:
    outcome = gantrain(
        *SMALL, "train.steps=60", "loss=wgan", "penalty=none", "model.discriminator.norm=none",
        "optim.lr_d=1e20",
    )  # fmt: skip
    assert outcome.code == 3
    assert "GD001" in {finding["rule"] for finding in findings(outcome.run)}
    summary = json.loads((outcome.run / files.SUMMARY).read_text())
    assert summary["status"] == "failed"
    assert summary["doctor"]["primary"] == "GD001"


def test_a_run_without_a_doctor_can_be_examined_afterwards(gantrain: Command) -> None:
    assert gantrain(*SMALL, "train.steps=30", "doctor.enabled=false").code == 0
    before = {path: path.read_bytes() for path in Path("outputs").rglob("*") if path.is_file()}
    outcome = gantrain("doctor", "latest")
    assert outcome.code == 0, outcome.err
    after = {path: path.read_bytes() for path in Path("outputs").rglob("*") if path.is_file()}
    new = {path.name for path in after.keys() - before.keys()}
    assert new <= {files.REPORT}
    changed = {path.name for path, content in before.items() if after[path] != content}
    assert changed <= {files.PAGE}, "it quotes the report"


def test_of_a_run_without_a_doctor_the_game_was_seen_once(gantrain: Command) -> None:
    """Three hits in a row it takes; so it is not said that nothing is wrong with the game."""
    assert gantrain(*SMALL, "train.steps=220", "doctor.enabled=false", "hydra.run.dir=run").code == 0
    assert gantrain("doctor", "run").code == 0
    report = Path("run", files.REPORT).read_text()
    assert re.search(r"GD101.*looked at 1 of the 3 times that it takes", report), report


def test_a_run_that_died_before_its_first_checkpoint_is_judged_by_what_it_recorded(
    gantrain: Command,
) -> None:
    assert gantrain(*SMALL, "train.steps=300", "hydra.run.dir=run", "metrics.every=0").code == 0
    shutil.rmtree("run/checkpoints")
    rows = [row for row in files.read_rows(Path("run", files.SIGNALS)) if row["step"] < 300]
    Path("run", files.SIGNALS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = gantrain("doctor", "run").out
    assert f" so far (step {rows[-1]['step']} of 300)" in told.splitlines()[0]


def test_examined_again_it_finds_what_it_found(gantrain: Command) -> None:
    """The closing looks count once, and what was found keeps its picture."""
    entangled = (*SMALL, "metrics.every=0", "schedule=entangled", "train.steps=240")
    assert gantrain(*entangled, "hydra.run.dir=run").code == 0
    before = files.read_summary(Path("run"))["doctor"]
    report = Path("run", files.REPORT).read_text()
    assert before["active"]
    told = gantrain("doctor", "run")
    assert told.code == 0, told.err
    again = Path("run", files.REPORT).read_text()
    for rule, severity in before["active"].items():
        assert (f"## {rule} " in again) == (f"## {rule} " in report), (rule, severity)
    pictures = [line for line in report.splitlines() if line.startswith("![")]
    assert len([line for line in again.splitlines() if line.startswith("![")]) == len(pictures) > 0


def test_the_page_has_the_numbers_of_the_end(gantrain: Command) -> None:
    """Not those of the step at which it was found: report.html has those of report.md."""
    entangled = (*SMALL, "metrics.every=0", "schedule=entangled", "train.steps=240")
    assert gantrain(*entangled, "hydra.run.dir=run").code == 0
    report = Path("run", files.REPORT).read_text()
    rows = files.read_rows(Path("run", files.FINDINGS))
    began, *_, last = [row for row in rows if row["rule"] == "GD004"]
    assert (began["event"], last["event"], last["step"]) == ("began", "changed", 240)
    assert began["message"] != last["message"]
    assert last["onset"] == began["onset"] < 240
    for row in Record(Path("run"), "run").findings:
        assert row["message"][1:] in report, row["rule"]
        if row["picture"] and row["severity"] != "info":  # of a remark report.md has a line
            assert f"]({row['picture']})" in report


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("doctor.ingore=[GD301]", "doctor.ingore: no such option"),
        ("doctor.params=3", "doctor.params"),
        ("doctor.ignore=5", "doctor.ignore"),
        ("doctor.ignore=GD301", "doctor.ignore"),
    ],
)
def test_a_setting_that_is_none_is_refused_afterwards_as_well(
    gantrain: Command, setting: str, message: str
) -> None:
    assert gantrain(*SMALL, "train.steps=2", "hydra.run.dir=run").code == 0
    refused = gantrain("doctor", "run", setting)
    assert refused.code == 2, refused.out
    assert message in refused.err
    assert "Traceback" not in refused.err


def test_examined_again_it_knows_how_it_died(gantrain: Command) -> None:
    """What was recorded after the last checkpoint counts, unless a checkpoint is asked for."""
    ruinous = ("loss=wgan", "penalty=none", "model.discriminator.norm=none", "optim.lr_d=1e3")
    assert gantrain(*SMALL, *ruinous, "train.steps=60", "checkpoint.every=1", "hydra.run.dir=run").code == 3
    told = gantrain("doctor", "run")
    assert "GD001" in told.out.partition("Checked")[0], told.out
    oldest = files.numbered(Path("run/checkpoints"), "pt")[0]
    told = gantrain("doctor", str(oldest))
    assert "GD001" not in told.out.partition("Checked")[0], told.out


def test_before_a_run_is_paid_for(gantrain: Command) -> None:
    outcome = gantrain("doctor", "--preflight", *SMALL, "schedule=entangled")
    assert outcome.code == 0, outcome.err
    assert not Path("outputs").exists()
    refused = gantrain("doctor", "--preflight", "model.generator.output=sigmoid")
    assert refused.code == 2
    assert "model.generator.output=tanh" in refused.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("doctor",), "RUN: is missing"),
        (("doctor", "nowhere"), "nowhere: no such run directory or checkpoint"),
        (("doctor.ignore=[GD30]",), "GD301"),
        (("doctor.params.GD2O1.variety_warn=1",), "GD201"),
        (("doctor.params.GD201.variety_wrn=1",), "variety_warn"),
        (("doctor.params.GD201.variety_warn=low",), "doctor.params"),
        (("metrics.best=fid",), "metrics.best: no such metric: 'fid'"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_wrong_words_are_answered(gantrain: Command, arguments: tuple[str, ...], message: str) -> None:
    outcome = gantrain(*arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err


def test_a_threshold_can_be_set(gantrain: Command) -> None:
    outcome = gantrain(*SMALL, "train.steps=2", "doctor.params.GD201.variety_warn=0.4")
    assert outcome.code == 0, outcome.err
    assert "variety_warn: 0.4" in (outcome.run / files.CONFIG).read_text()


def test_looks_come_often_in_short_runs_and_seldom_in_long_ones() -> None:
    assert [TIERS["game"].every(total) for total in (100, 1600, 100_000)] == [25, 80, 250]
    assert [TIERS["pictures"].every(total) for total in (100, 1600, 100_000)] == [50, 160, 500]


def test_a_run_that_goes_on_does_not_count_its_first_look(gantrain: Command) -> None:
    """The first look of a process is dear: one that counted would take more than the doctor's share."""
    common = (*SMALL, "checkpoint.every=50", "train.steps=200", "metrics.every=0", "hydra.run.dir=run")
    assert gantrain(*common).code == 0
    spent = json.loads(Path("run", files.SUMMARY).read_text())["doctor"]["seconds"]
    assert gantrain("resume", "run", "train.steps=202").code == 0
    page = checkpoint.load(Path("run/checkpoints/00000202.pt"))["state"]["diary"]["doctor"]
    assert page["spent"]["pictures"] <= spent
    assert files.read_rows(Path("run", files.SIGNALS))[0]["step"] == 0
    assert [row["step"] for row in files.read_rows(Path("run", files.SIGNALS))].count(0) == 1


def test_the_governor_lets_pass_what_fits_into_the_share() -> None:
    governor = Governor(most=0.02)
    assert governor.allows("game", 0.0), "a first look is not yet known to be dear"
    governor.spent["game"], governor.costs["game"] = 0.3, [0.1, 0.05, 5.0]  # the last one was slowed down
    part = 0.02 * TIERS["game"].share
    assert not governor.allows("game", 0.39 / part)
    assert governor.allows("game", 0.41 / part)
    assert Governor(most=0.0, fixed=True).allows("game", 0.0)
    with governor.timing("pictures"):
        time.sleep(0.01)
    assert governor.spent["pictures"] >= 0.01
    assert governor.share(100.0) == pytest.approx((0.3 + governor.spent["pictures"]) / 100)
