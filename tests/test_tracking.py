"""A real TensorBoard reads back what a run wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from small import TINY, Command
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gantrain import tracking
from gantrain.tracking import TAGS

STEPS = ("data.image_size=16", "checkpoint.every=3", "tracking.samples_every=3")


def read(run: Path) -> EventAccumulator:
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"images": 0, "scalars": 0})
    return events.Reload()


@pytest.fixture
def run(gantrain: Command) -> Path:
    outcome = gantrain(*TINY, *STEPS, "train.steps=6", "hydra.run.dir=run")
    assert outcome.code == 0, outcome.err
    return Path("run").resolve()


def test_scalars_images_text_and_hparams(run: Path) -> None:
    events = read(run)
    expected = {TAGS[name] for name in TAGS if name not in ("penalty", "lead")}
    assert expected <= set(events.Tags()["scalars"])
    assert [point.step for point in events.Scalars("loss/d")] == [2, 4, 6]
    assert [image.step for image in events.Images("samples/ema")] == [3, 6]
    assert [image.step for image in events.Images("data/real")] == [0]
    plugins = events.summary_metadata
    assert "lr_d: 0.0002" in events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "custom_scalars__config__" in plugins
    names = {plugins[tag].plugin_data.plugin_name for tag in plugins}
    assert {"text", "custom_scalars", "hparams"} <= names
    assert not [path for path in (run / "tensorboard").iterdir() if path.is_dir()], "no run beside this one"


def test_where_no_bar_is_seen_a_line_says_that_it_goes_on(
    gantrain: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not more often than every so many seconds, nor at the end, where other lines follow."""
    started = gantrain(*TINY, *STEPS, "train.steps=6")
    assert "to go" not in started.out
    monkeypatch.setattr(tracking, "SIGN_OF_LIFE", 0.0)
    told = gantrain(*TINY, *STEPS, "train.steps=6").out
    lines = [line for line in told.splitlines() if line.endswith(" to go")]
    assert [line.partition(":")[0] for line in lines] == ["step 2 of 6", "step 4 of 6"]
    assert re.fullmatch(r"step 4 of 6: D \d\.\d{3}, G \d\.\d{3}, D\(x\) .*; 00:0\d to go", lines[1])


def test_what_waits_for_the_next_row_survives_a_resume(gantrain: Command) -> None:
    """Measured at step 3 and saved; the row that tells of it is that of step 4."""
    common = ("hydra.run.dir=waits", "metrics.every=3", "metrics.count=20", "checkpoint.every=3")
    assert gantrain(*TINY, "data.image_size=16", *common, "tracking.every=2", "train.steps=6").code == 0
    rows = [json.loads(line) for line in Path("waits/metrics.jsonl").read_text().splitlines()]
    for path in sorted(Path("waits/checkpoints").glob("*.pt"))[1:]:
        path.unlink()  # as if it had been killed after step 3
    assert gantrain("resume", "waits").code == 0
    again = [json.loads(line) for line in Path("waits/metrics.jsonl").read_text().splitlines()]
    assert [row.get("fd_rand") for row in again] == [row.get("fd_rand") for row in rows]
    assert rows[1]["fd_rand"] is not None


def test_a_resumed_run_is_one_unbroken_line(gantrain: Command, run: Path) -> None:
    for path in sorted((run / "checkpoints").glob("*.pt"))[1:]:
        path.unlink()  # as if it had been killed after step 3
    assert gantrain("resume", "run").code == 0
    assert [point.step for point in read(run).Scalars("loss/d")] == [2, 4, 6]
    assert gantrain("resume", "run", "train.steps=8").code == 0
    assert [point.step for point in read(run).Scalars("loss/d")] == [2, 4, 6, 8], "6 was a logged step"
