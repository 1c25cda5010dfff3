"""40 steps + kill -9 + resume to 80 equals 80 uninterrupted, bit for bit."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageOps
from small import TINY, Command

from gantrain import checkpoint, files
from gantrain.errors import Interrupted
from gantrain.keys import flatten
from gantrain.process import graceful_stop, recording_failure
from gantrain.saved import saved_config

ROOT = Path(__file__).parent.parent.parent
Process = Callable[..., subprocess.Popen[str]]

SNGAN = ("model=sngan", "penalty=r1", "condition=class", "data.flip=true", "data.image_size=16", *TINY)
CLOCKS = ("seconds", "images_per_second")


def last_state(run: Path) -> dict[str, Any]:
    path = checkpoint.newest(run)
    assert path is not None
    return {key: value for key, value in flatten(checkpoint.load(path)["state"]).items() if key not in CLOCKS}


def assert_same_state(one: Path, other: Path) -> None:
    a, b = last_state(one), last_state(other)
    assert a.keys() == b.keys()
    tensors = [key for key, value in a.items() if isinstance(value, torch.Tensor)]
    torch.testing.assert_close([a[key] for key in tensors], [b[key] for key in tensors], rtol=0, atol=0)
    assert {k: v for k, v in a.items() if k not in tensors} == {
        k: v for k, v in b.items() if k not in tensors
    }


def rows(run: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run / files.METRICS).read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in CLOCKS} for row in found]


def assert_same_run(one: Path, other: Path) -> None:
    assert_same_state(one, other)
    assert rows(one) == rows(other)
    picture = "samples/00000080.png"
    assert (one / picture).read_bytes() == (other / picture).read_bytes()


def kill_after(running: subprocess.Popen[str], wanted: Path, how: signal.Signals) -> int:
    """Sends the signal as soon as the file is there; the exit code."""
    return told_after(running, wanted, how)[0]


def told_after(running: subprocess.Popen[str], wanted: Path, how: signal.Signals) -> tuple[int, str]:
    """Sends the signal as soon as the file is there; the exit code and what was said on stderr."""
    deadline = time.monotonic() + 120
    while not wanted.exists():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    running.send_signal(how)
    told = running.communicate()[1]
    return running.returncode, told


@pytest.mark.parametrize("schedule", ["alternating", "shared", "adaptive", "critic5", "tutorial"])
def test_killed_and_resumed_equals_uninterrupted(
    schedule: str, gantrain: Command, process: Process, tmp_path: Path
) -> None:
    common = (*SNGAN, f"schedule={schedule}", "train.steps=80", "tracking.every=7", "checkpoint.every=20")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert gantrain(*common, f"hydra.run.dir={whole}").code == 0
    assert kill_after(
        process(*common, f"hydra.run.dir={broken}"), broken / "checkpoints" / "00000040.pt", signal.SIGKILL
    ) == -signal.SIGKILL  # fmt: skip
    assert json.loads((broken / files.SUMMARY).read_text())["status"] == "running"
    resumed = gantrain("resume", str(broken))
    assert resumed.code == 0, resumed.err
    assert "going on after step" in resumed.out
    assert_same_run(whole, broken)
    assert json.loads((broken / files.SUMMARY).read_text())["status"] == "finished"


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_finishes_the_step_and_saves(
    how: signal.Signals, code: int, gantrain: Command, process: Process, tmp_path: Path
) -> None:
    common = (
        *TINY,
        "train.steps=400",
        "checkpoint.every=390",
        "tracking.samples_every=10",
        "data.image_size=16",
    )
    run = tmp_path / "run"
    running = process(*common, f"hydra.run.dir={run}")
    assert kill_after(running, run / "samples" / "00000010.png", how) == code
    saved = checkpoint.newest(run)
    assert saved is not None
    assert 10 <= int(saved.stem) < 390, "saved at once, not at the next multiple"
    summary = json.loads((run / files.SUMMARY).read_text())
    assert (summary["status"], summary["step"]) == ("interrupted", int(saved.stem))
    assert gantrain("resume", "run").code == 0
    assert gantrain(*common, f"hydra.run.dir={tmp_path / 'whole'}").code == 0
    assert_same_state(run, tmp_path / "whole")


def test_an_interrupted_sweep_says_how_all_of_it_goes_on(
    gantrain: Command, process: Process, tmp_path: Path
) -> None:
    common = ("-m", "seed=0,1", *TINY, "data.image_size=16", "train.steps=400", "tracking.samples_every=10")
    running = process(*common, "hydra.sweep.dir=sweep")
    drawn = tmp_path / "sweep" / "0" / "samples" / "00000010.png"
    code, told = told_after(running, drawn, signal.SIGINT)
    assert code == 130
    assert "all of the sweep: the same command with hydra.sweep.dir=sweep" in told
    assert gantrain(*common, "hydra.sweep.dir=sweep").code == 0
    assert all(last_state(tmp_path / "sweep" / job)["step"] == 400 for job in ("0", "1"))


def test_starting_again_in_the_directory_of_a_run_resumes_it(gantrain: Command, tmp_path: Path) -> None:
    common = (*TINY, "checkpoint.every=2", "hydra.run.dir=run")
    assert gantrain(*common, "train.steps=2").code == 0
    again = gantrain(*common, "train.steps=4")
    assert again.code == 0
    assert "going on after step 2" in again.out
    assert [row["step"] for row in rows(tmp_path / "run")] == [2, 4]
    refused = gantrain(*common, "train.steps=4", "optim.lr_d=0.1", "loss=hinge")
    assert refused.code == 2
    assert "optim.lr_d 0.0002 -> 0.1" in refused.err
    assert "loss=bce -> loss=hinge" in refused.err
    assert "loss._target_" not in refused.err
    assert "\n  go on with its own: gantrain resume run; or start a new run" in refused.err


KEPT = (
    *("tracking.every=2", "doctor.enabled=false", "metrics.every=0"),
    "+doctor.params.GD201.variety_warn=1",
)


def test_started_again_it_keeps_what_it_was_given(gantrain: Command) -> None:
    """Of what a resume may change: 2 steps are not extended to the usual 1600 because nobody said 2 again."""
    same, given = (*TINY[:2], "loss=hinge", "hydra.run.dir=run"), (*TINY[2:], "train.steps=2")
    assert gantrain(*same, *given, "+doctor.params.GD201.variety_warn=1").code == 0
    again = gantrain(*same)
    assert again.code == 0, again.err
    assert "already finished: 2 steps are done, and train.steps is 2; more with train.steps=4" in again.out
    more = gantrain(*same, "train.steps=3", "tracking.samples=9")
    assert more.code == 0, more.err
    cfg, _ = saved_config(Path("run"))
    assert (cfg.train.steps, cfg.tracking.samples, cfg.tracking.every) == (3, 9, 2)
    assert (cfg.doctor.enabled, cfg.metrics.every) == (False, 0)
    assert cfg.doctor.params == {"GD201": {"variety_warn": 1.0}}
    typed = files.read_summary(Path("run"))["overrides"]
    assert set(typed) == {*same[:-1], *KEPT, "train.steps=3", "tracking.samples=9"}


def test_a_run_that_is_asked_for_fewer_steps_than_it_has_ends(gantrain: Command) -> None:
    """What was killed on its way to 400 is told to be finished, and its page says so."""
    same = (*TINY, "hydra.run.dir=run")
    assert gantrain(*same, "train.steps=4").code == 0
    config = Path("run", files.CONFIG)
    config.write_text(config.read_text().replace("steps: 4\n", "steps: 400\n"))
    files.update_summary(Path("run"), status="running")
    ended = gantrain(*same, "train.steps=3")
    assert ended.code == 0, ended.err
    assert "ends here: 4 steps are done, and train.steps is 3" in ended.out
    assert files.read_summary(Path("run"))["status"] == "finished"
    assert saved_config(Path("run"))[0].train.steps == 4
    assert "of 400" not in Path("run", files.PAGE).read_text()


def test_two_names_of_one_option_are_one_setting(gantrain: Command) -> None:
    assert gantrain(*TINY, "optim=ttur", "train.steps=2", "hydra.run.dir=run").code == 0
    again = gantrain(*TINY, "optim=strategy2", "train.steps=3", "hydra.run.dir=run")
    assert again.code == 0, again.err


def test_a_finished_run_says_so(gantrain: Command) -> None:
    assert gantrain(*TINY, "train.steps=2").code == 0
    again = gantrain("resume", "latest")
    assert again.code == 0
    assert "already finished: 2 steps are done, and train.steps is 2; more with train.steps=4" in again.out
    more = gantrain("resume", "latest", "train.steps=3")
    assert more.code == 0
    assert "finished: 3 steps" in more.out


def test_a_run_that_was_killed_amidst_its_closing_words_is_finished(gantrain: Command) -> None:
    assert gantrain(*TINY, "train.steps=2", "hydra.run.dir=run").code == 0
    files.update_summary(Path("run"), status="failed", error="no space left")
    Path("run", files.PAGE).unlink()
    assert gantrain("resume", "run").code == 0
    summary = files.read_summary(Path("run"))
    assert (summary["status"], summary["error"]) == ("finished", None)
    assert Path("run", files.PAGE).is_file()


def test_resuming_from_an_older_checkpoint_sets_the_later_ones_aside(
    gantrain: Command, tmp_path: Path
) -> None:
    assert (
        gantrain(*TINY, "train.steps=6", "checkpoint.every=2", "checkpoint.keep=3", "hydra.run.dir=run").code
        == 0
    )
    folder, grids = tmp_path / "run" / "checkpoints", tmp_path / "run" / "samples"
    before = (folder / "00000006.pt").read_bytes()
    assert gantrain("resume", str(folder / "00000002.pt")).code == 0
    assert (folder / "superseded" / "1" / "00000006.pt").read_bytes() == before
    assert [row["step"] for row in rows(tmp_path / "run")] == [2, 4, 6]
    # once more, and not so far: what was set aside first is still there, and the film ends with the run
    assert gantrain("resume", str(folder / "00000002.pt"), "train.steps=4").code == 0
    assert (folder / "superseded" / "1" / "00000006.pt").read_bytes() == before
    assert (folder / "superseded" / "2" / "00000006.pt").is_file()
    assert [path.stem for path in files.numbered(grids, "png")][-1] == "00000004"
    assert (grids / "superseded" / "2" / "00000006.png").is_file()


@pytest.mark.parametrize("moves", range(10))
def test_setting_aside_that_was_cut_short_is_finished(
    moves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three checkpoints and four grids, and two folders that get their numbers, after so many moves."""
    checkpoints, samples = tmp_path / files.CHECKPOINTS, tmp_path / files.SAMPLES
    for folder, steps, ending in ((checkpoints, (2, 4, 6, 8), "pt"), (samples, (2, 4, 5, 6, 8), "png")):
        folder.mkdir()
        for step in steps:
            (folder / f"{step:08d}.{ending}").touch()
    left = iter(range(moves))
    with monkeypatch.context() as cut:
        for way in ("replace", "rename"):
            cut.setattr(Path, way, dying_without(left, getattr(Path, way)))
        with contextlib.suppress(KeyboardInterrupt):
            checkpoint.set_aside_after(tmp_path, 2)
    later = [int(path.stem) for path in files.numbered(checkpoints, "pt")]
    assert later == [2, 4, 6, 8][: len(later)], "what is left is a run that ended sooner"
    assert len(later) == 4 or not [path for path in files.numbered(samples, "png") if int(path.stem) > 2]
    checkpoint.set_aside_after(tmp_path, 2)
    for folder, steps in ((checkpoints, [4, 6, 8]), (samples, [4, 5, 6, 8])):
        ending = "pt" if folder is checkpoints else "png"
        assert [int(path.stem) for path in files.numbered(folder, ending)] == [2]
        found = sorted((folder / files.SUPERSEDED).glob(f"[0-9]/*.{ending}"))
        assert [int(path.stem) for path in found] == steps
        assert len({path.parent for path in found}) == 1, "together"
        assert not list((folder / files.SUPERSEDED).glob("[!0-9]*"))


def dying_without(left: Iterator[int], move: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
    def moved(path: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return move(path, target)

    return moved


def test_what_was_set_aside_is_drawn_from_and_not_gone_on_from(gantrain: Command) -> None:
    assert gantrain(*TINY, "train.steps=4", "checkpoint.every=2", "hydra.run.dir=run").code == 0
    assert gantrain("resume", "run/checkpoints/00000002.pt", "train.steps=3").code == 0
    aside = "run/checkpoints/superseded/1/00000004.pt"
    drawn = gantrain("sample", aside, "-n", "4")
    assert drawn.code == 0, drawn.err
    refused = gantrain("resume", aside, "train.steps=6")
    assert refused.code == 2
    assert "was set aside when the run went on from an earlier one" in refused.err


def test_only_the_newest_checkpoints_are_kept(gantrain: Command) -> None:
    outcome = gantrain(*TINY, "train.steps=5", "checkpoint.every=1", "checkpoint.keep=2")
    assert [path.name for path in files.numbered(outcome.run / "checkpoints", "pt")] == [
        "00000004.pt",
        "00000005.pt",
    ]


def test_looking_does_not_change_training(gantrain: Command, tmp_path: Path) -> None:
    common = (*TINY, "train.steps=4", "checkpoint.every=4")
    assert gantrain(*common, "hydra.run.dir=seldom", "tracking.samples_every=100").code == 0
    assert gantrain(*common, "hydra.run.dir=often", "tracking.samples_every=1").code == 0
    assert_same_state(tmp_path / "seldom", tmp_path / "often")


def test_the_summary_repeats_what_was_resumed_with(gantrain: Command) -> None:
    assert gantrain("loss=hinge", "train.steps=2", "hydra.run.dir=run", *TINY[1:]).code == 0
    assert gantrain("resume", "run", "train.steps=3", "tracking.every=1").code == 0
    typed = json.loads(Path("run", files.SUMMARY).read_text())["overrides"]
    assert typed[0] == "loss=hinge"
    assert typed[-2:] == ["train.steps=3", "tracking.every=1"]
    assert [o for o in typed if o.startswith("train.steps=")] == ["train.steps=3"]


def test_a_threshold_that_nobody_had_set_may_be_set(gantrain: Command) -> None:
    assert gantrain(*TINY, "train.steps=2", "hydra.run.dir=run").code == 0
    refused = gantrain("resume", "run", "train.steps=3", "doctor.params.GD201.variety_warm=1")
    assert refused.code == 2
    assert "doctor.params.GD201.variety_warm: no such parameter" in refused.err
    assert gantrain("resume", "run", "train.steps=3", "doctor.params.GD201.variety_warn=1").code == 0
    assert saved_config(Path("run"))[0].doctor.params == {"GD201": {"variety_warn": 1.0}}
    assert gantrain("resume", "run", "train.steps=4").code == 0


def test_another_number_of_threads_is_said_to_give_other_bits(gantrain: Command) -> None:
    assert gantrain(*TINY, "train.steps=2", "hydra.run.dir=run").code == 0
    summary = files.read_summary(Path("run"))
    files.update_summary(Path("run"), device="cpu (64 threads)")
    told = gantrain("resume", "run", "train.steps=4", "runtime.threads=1")
    assert told.code == 0, told.err
    assert f"it goes on with {summary['device']} and began with cpu (64 threads): not bit for bit" in told.err
    assert "began with" not in gantrain("resume", "run", "train.steps=6").err
    assert saved_config(Path("run"))[0].runtime.threads == 1


def test_the_command_of_a_run_of_its_own_has_all_that_was_typed(gantrain: Command) -> None:
    assert gantrain(*TINY, "train.steps=2", "hydra.run.dir=run").code == 0
    refused = gantrain("resume", "run", "train.steps=5", "loss=hinge", "metrics.every=5")
    assert re.search("as a run of its own: gantrain .* train.steps=5 loss=hinge", refused.err)
    assert "train.steps=2" not in refused.err


def test_pictures_that_were_moved_are_found_again(gantrain: Command, tmp_path: Path) -> None:
    """By what each command says; a resume keeps the new place, and computes as if nothing had been moved."""
    for number in range(48):
        place = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((16, 16), 40 + number).save(place)
    options = (*TINY, "data=folder", "data.root=photos", "data.image_size=16")
    assert gantrain(*options, "train.steps=4", "hydra.run.dir=whole").code == 0
    assert gantrain(*options, "train.steps=2", "hydra.run.dir=run").code == 0
    (tmp_path / "photos").rename(tmp_path / "new place")
    for command in ("resume", "evaluate", "doctor"):
        refused = gantrain(command, "run")
        assert refused.code == 2
        assert "data.root: there is no folder photos\n" in refused.err
        assert f"if they were moved: gantrain {command} run data.root=DIR" in refused.err
    refused = gantrain("resume", "run", "loss=hinge")
    assert re.search(
        "as a run of its own: gantrain .*loss=hinge data.root=DIR( |$)", refused.err, re.MULTILINE
    )
    assert "photos" not in refused.err
    for command in ("evaluate", "doctor"):
        told = gantrain(command, "run", "data.root=new place")
        assert told.code == 0, told.err
    assert gantrain("resume", "run", "data.root=new place", "train.steps=4").code == 0
    assert_same_state(tmp_path / "run", tmp_path / "whole")
    assert gantrain("evaluate", "run").code == 0
    done = gantrain("resume", "whole", "data.root=new place")
    assert "already finished" in done.out
    assert gantrain("evaluate", "whole").code == 0, "kept, though nothing was left to train"
    differing = gantrain("compare", "run", "whole", "--format", "csv")
    assert "data.root" not in differing.out, "moved pictures are the same ones"
    for path in (tmp_path / "new place").rglob("*.png"):
        negative = tmp_path / "negatives" / path.relative_to(tmp_path / "new place")
        negative.parent.mkdir(parents=True, exist_ok=True)
        ImageOps.invert(Image.open(path)).save(negative)
    for command in ("resume", "evaluate", "doctor"):
        refused = gantrain(command, "run", "data.root=negatives")
        assert refused.code == 2
        assert "holds a run with other data: as many pictures, but not the same" in refused.err
    next((tmp_path / "new place").rglob("*.png")).unlink()
    (tmp_path / "new place").rename(tmp_path / "other")
    refused = gantrain("resume", "run", "data.root=other", "train.steps=6")
    assert refused.code == 2
    assert "holds a run with other data: held_out 12 -> 11" in refused.err


def test_where_there_are_no_files_of_pictures_none_can_have_moved(gantrain: Command) -> None:
    assert gantrain(*TINY, "train.steps=2", "hydra.run.dir=run").code == 0
    for command in ("resume", "evaluate", "doctor"):
        refused = gantrain(command, "run", "data.root=photos")
        assert refused.code == 2
        assert "data.root: no such option" in refused.err


def test_findings_after_the_checkpoint_are_told_once(gantrain: Command) -> None:
    """A killed run's later rows, and a line that it did not finish, go; what was known stays."""
    common = ("schedule=entangled", "model.width=4", "train.batch_size=8", "train.steps=80", "loss=hinge")
    kept = ("checkpoint.every=40", "checkpoint.keep=9", "metrics.every=0", "runtime.deterministic=true")
    assert gantrain(*common, *kept, "hydra.run.dir=run").code == 0
    before = {name: files.read_rows(Path("run", name)) for name in (files.FINDINGS, files.SIGNALS)}
    assert before[files.FINDINGS]
    assert {row["step"] for row in before[files.SIGNALS]} >= {25, 75}
    with open(Path("run", files.SIGNALS), "a") as file:
        file.write('{"step": 99, "cut')
    assert gantrain("resume", "run/checkpoints/00000040.pt").code == 0
    assert {name: files.read_rows(Path("run", name)) for name in before} == before


def test_what_was_set_aside_leaves_no_rows_whoever_looks_on(gantrain: Command) -> None:
    """The doctor and the looks at the quality are left out of the resume; evaluations of folders stay."""
    common = ("checkpoint.every=2", "metrics.count=20", "hydra.run.dir=run")
    assert gantrain(*TINY, *common, "train.steps=4", "metrics.every=2", "doctor.enabled=true").code == 0
    folder = {"step": 0, "images": "folder", "metrics": {}}
    files.append_row(Path("run", files.EVALUATIONS), folder)
    for name in (files.SIGNALS, files.FINDINGS):
        files.append_row(Path("run", name), {"step": 4, "rule": "GD999"})
    off = ("metrics.every=0", "doctor.enabled=false", "train.steps=3", "tracking.every=1")
    assert gantrain("resume", "run/checkpoints/00000002.pt", *off).code == 0
    left = {name: [row["step"] for row in files.read_rows(Path("run", name))] for name in files.ROWS}
    assert left[files.EVALUATIONS] == [2, 0]
    assert left[files.METRICS] == [2, 3]
    assert set(left[files.SIGNALS] + left[files.FINDINGS]) <= {0}


def test_started_anew_a_run_keeps_no_rows_of_one_that_saved_nothing(gantrain: Command) -> None:
    assert (
        gantrain(*TINY, "train.steps=4", "metrics.every=2", "metrics.count=20", "hydra.run.dir=run").code == 0
    )
    for path in Path("run", files.CHECKPOINTS).iterdir():
        path.unlink()
    assert gantrain(*TINY, "train.steps=2", "hydra.run.dir=run").code == 0
    assert files.read_rows(Path("run", files.EVALUATIONS)) == []
    assert [row["step"] for row in files.read_rows(Path("run", files.METRICS))] == [2]


@pytest.mark.parametrize("torn", ["", '{"status": "fini', "null"])
def test_a_summary_that_was_cut_off_is_said_to_be_and_can_be_done_without(
    gantrain: Command, torn: str
) -> None:
    assert gantrain(*TINY, "train.steps=2", "hydra.run.dir=run").code == 0
    Path("run", files.SUMMARY).write_text(torn)
    for command in (("sample", "run", "--best"), ("resume", "run", "train.steps=3"), ("doctor", "run")):
        refused = gantrain(*command)
        assert refused.code == 2
        assert "run/summary.json: is damaged: not a summary\n  delete run/summary.json: " in refused.err
        assert "Traceback" not in refused.err
    assert gantrain("compare", "run").code == 0
    Path("run", files.SUMMARY).unlink()
    assert gantrain("resume", "run", "train.steps=3").code == 0
    assert files.read_summary(Path("run"))["status"] == "finished"


def test_a_run_that_nobody_listens_to_is_saved(process: Process, tmp_path: Path) -> None:
    """`gantrain | head -3`: its output has nowhere to go, and SIGTERM comes later."""
    run = tmp_path / "run"
    running = process(*TINY, "train.steps=5000", "checkpoint.every=10", "hydra.run.dir=run")
    assert running.stdout is not None
    running.stdout.close()
    running.stdout = None
    kill_after(running, run / "checkpoints" / "00000010.pt", signal.SIGTERM)
    assert running.returncode == 143
    summary = json.loads((run / files.SUMMARY).read_text())
    assert summary["status"] == "interrupted"
    assert (run / files.CHECKPOINTS / f"{summary['step']:08d}.pt").is_file()


def test_a_run_whose_terminal_is_gone_goes_on(tmp_path: Path) -> None:
    """`gantrain & disown`, and the connection ends: no signal comes, and every word fails."""
    ours, theirs = pty.openpty()
    command = (sys.executable, "-m", "gantrain", *TINY, "train.steps=30", "hydra.run.dir=run")
    running = subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.close(ours)
    assert running.wait(timeout=120) == 0
    assert json.loads((tmp_path / "run" / files.SUMMARY).read_text())["status"] == "finished"


def test_stopped_at_once_it_is_not_called_running(tmp_path: Path) -> None:
    files.update_summary(tmp_path, status="running", step=3)
    with pytest.raises(Interrupted), recording_failure(tmp_path):
        raise Interrupted("stopped at once; the last checkpoint stands", 130)
    assert files.read_summary(tmp_path) == {"status": "interrupted", "step": 3}


def test_latest_is_the_run_that_was_saved_last_wherever_it_lies(gantrain: Command) -> None:
    for place in ("outputs/2026/one", "outputs/mine"):
        assert gantrain(*TINY, "train.steps=2", f"hydra.run.dir={place}").code == 0
    told = gantrain("resume", "latest", "train.steps=3")
    assert "everything is in outputs/mine" in told.out


def test_what_is_drawn_from_is_the_latest_that_has_saved(gantrain: Command) -> None:
    for name in ("a", "b"):
        assert gantrain(*TINY, "train.steps=2", f"hydra.run.dir=outputs/{name}").code == 0
    for path in Path("outputs/b/checkpoints").glob("*.pt"):
        path.unlink()
    drawn = gantrain("sample", "latest", "-n", "2")
    assert drawn.code == 0, drawn.err
    assert Path("outputs/a").resolve() in Path(drawn.out.split()[-1]).resolve().parents
    assert "latest is outputs/a: outputs/b is newer, and has no checkpoint" in drawn.err
    refused = gantrain("resume", "latest")
    assert refused.code == 2
    assert "b: has no checkpoint to go on from" in refused.err


def test_a_sweep_is_not_a_run(gantrain: Command) -> None:
    assert gantrain("-m", "seed=0,1", *TINY, "train.steps=2", "hydra.sweep.dir=sweep").code == 0
    refused = gantrain("resume", "sweep")
    assert refused.code == 2
    assert "is not a run: it holds 2" in refused.err
    assert "`gantrain compare sweep`" in refused.err


def test_a_handled_sigterm_is_left_alone() -> None:
    """submitit ignores it, and has the job requeued."""
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:
        with graceful_stop() as stop:
            signal.raise_signal(signal.SIGTERM)
        assert (seen, stop.requested) == ([signal.SIGTERM], False)
    finally:
        signal.signal(signal.SIGTERM, before)
