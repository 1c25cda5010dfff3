"""gantrain doctor as typed: before a run, of runs that exist, and of what does not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image
from small import TINY, Command

from gantrain import files
from gantrain.doctor.rules.registry import RULES
from gantrain.process import alone_in

SMALL = ("data.image_size=16",)  # a narrow generator draws patterns by chance

# Rule -> overrides that it remarks on, and the same run without them.
TOLD_BEFORE = {
    "GD005a": ("upsample=transpose", "upsample=bilinear"),
    "GD005b": ("train.batch_size=1024 train.steps=1000", "train.batch_size=64 train.steps=1000"),
    "GD005c": ("optim.lr_d=2e-3 optim.lr_g=1e-5", "optim.lr_d=8e-4"),
    "GD005d": ("downsample=maxpool", "downsample=avgpool"),
    "GD005e": ("train.images=40", "train.images=40 augment=diffaug"),
    "GD005f": ("model.generator.output=linear", "model.generator.output=tanh"),
    "GD005g": ("loss=wgan penalty=none", "loss=wgan penalty=clip"),
    "GD302a": (
        "model=dcgan_mnist data.image_size=28 upsample=nearest",
        "model=dcgan_mnist data.image_size=28 upsample=bilinear",
    ),
    "GD501": ("metrics.count=100", "metrics.count=1000"),
}


@pytest.mark.parametrize("rule", TOLD_BEFORE)
def test_told_before_a_step_is_paid_for(rule: str, gantrain: Command) -> None:
    title = next(each.title for each in RULES if each.id == rule)
    remarked, usual = TOLD_BEFORE[rule]
    told = gantrain("doctor", "--preflight", *SMALL, *remarked.split())
    assert told.code == 0, told.err
    entry = re.compile(rf"{rule} {re.escape(title)}(: | \(a )")  # a remark on one line, a fault with its cure
    assert entry.search(" ".join(told.out.split()))
    twin = gantrain("doctor", "--preflight", *SMALL, *usual.split())
    assert twin.code == 0, twin.err
    assert not entry.search(" ".join(twin.out.split()))
    assert rule in twin.out, "it was checked, and said so"
    assert not Path("outputs").exists(), "nothing is left behind"


def test_what_is_refused_is_refused_before_as_well(gantrain: Command) -> None:
    told = gantrain("doctor", "--preflight", "model.generator.output=sigmoid")
    assert told.code == 2
    assert "model.generator.output: " in told.err
    assert "tanh" in told.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "RUN: is missing"),
        (("nowhere",), "nowhere"),
        (("latest", "train.steps=3"), "train.steps=3: is not a setting of the doctor"),
        (("latest", "doctor.ignore=[GD999]"), "doctor.ignore=[GD999]: no such rule"),
        (("latest", "doctor.params.GD201.vriety=1"), "doctor.params.GD201.vriety: no such parameter"),
        (("--preflight", "optim=adam"), "optim"),
        (("--preflight", "--deep"), "--deep: looks at networks that are trained"),
        (("latest", "--config-dir", "."), "--config-dir: is for --preflight"),
        (("--preflight", "doctor.params.GD201.variety_warn=much"), "must be a number, got 'much'"),
    ],
)
def test_what_cannot_be_asked(gantrain: Command, arguments: tuple[str, ...], reason: str) -> None:
    assert gantrain("train.steps=2", *TINY).code == 0
    told = gantrain("doctor", *arguments)
    assert told.code == 2
    assert reason in told.err
    assert "Traceback" not in told.err


def test_a_run_of_recorded_steps_can_be_asked_without_its_gpu(gantrain: Command) -> None:
    assert gantrain("train.steps=2", *TINY).code == 0
    config = files.find_run("latest")[0] / files.CONFIG
    config.write_text(config.read_text().replace("compile: none", "compile: cudagraphs"))
    told = gantrain("doctor", "latest", "--device", "cpu")
    assert told.code == 0, told.err


def test_an_older_checkpoint_is_told_of_and_leaves_the_reports_of_the_run(gantrain: Command) -> None:
    """Also one that a resume has set aside; the newest one by its name is the run as it stands."""
    tiny = (*TINY, "doctor.enabled=true", "checkpoint.every=2", "hydra.run.dir=run")
    assert gantrain(*tiny, "train.steps=4").code == 0
    assert gantrain("resume", "run/checkpoints/00000002.pt", "train.steps=3").code == 0

    def left() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}

    before = left()
    assert b"Step 3 of 3, finished." in before[Path("run", files.REPORT)]
    for older, step in (("00000002.pt", "step 2 of 3"), ("superseded/1/00000004.pt", "Too early to judge")):
        told = gantrain("doctor", f"run/checkpoints/{older}")
        assert told.code == 0, told.err
        assert step in told.out
        assert "finished" not in told.out
        assert left() == before
    Path("run", files.REPORT).unlink()
    assert gantrain("doctor", "run/checkpoints/00000003.pt").code == 0
    assert "Step 3 of 3, finished." in Path("run", files.REPORT).read_text()


def test_a_run_too_short_for_looks_is_told_the_same_again(gantrain: Command) -> None:
    done = gantrain("train.steps=20", "train.images=40", *TINY, "doctor.enabled=true")
    assert done.code == 0, done.err
    told = gantrain("doctor", "latest")
    assert told.code == 0, told.err
    assert told.err.startswith("gantrain: latest is outputs/")
    for text in (done.out, told.out):
        assert "Too early to judge: most rules wait for step 200" in text
        assert "\n  GD005e Few pictures: there are 40 pictures" in text


def test_what_training_warns_of_is_told_before(gantrain: Command) -> None:
    overrides = ("train.images=300", "train.batch_size=64", "train.steps=2", "model.width=4")
    for command in ((), ("doctor", "--preflight")):
        told = gantrain(*command, *overrides)
        assert "a batch of 64 out of 300 images leaves fewer than 10 updates an epoch" in told.err
        assert "train.batch_size=16" in told.err
    assert told.out.startswith("Nothing wrong was found before training, but see the warning")


def test_an_option_without_effect_is_told_before(gantrain: Command) -> None:
    told = gantrain("doctor", "--preflight", "model=mlp", "upsample=transpose", "train.steps=40", *SMALL)
    assert told.out.endswith(
        "40 steps are few: good pictures take 800 or more\n"
        "quality: not measured while it trains (metrics.every=500); metrics.every=10 would\n"
    )
    assert told.code == 0, told.err
    assert "warning: upsample: has no effect: these networks do not take it" in told.err


def test_a_run_that_is_planned_is_looked_at_where_one_says(gantrain: Command) -> None:
    refused = gantrain("doctor", "--preflight", *SMALL, "--device", "abacus")
    assert refused.code == 2
    assert "runtime.device: no such device: 'abacus'" in refused.err
    assert gantrain("doctor", "--preflight", *SMALL, "--device", "cpu").code == 0


def test_other_pictures_than_the_run_had_are_refused(gantrain: Command) -> None:
    Path("mine").mkdir()
    for number in range(24):
        picture = Image.effect_noise((16, 16), 40 + number)
        picture.save(Path("mine", f"{number}.png"))
    assert gantrain(*TINY, "data=folder", "data.root=mine", "train.steps=2", "hydra.run.dir=run").code == 0
    Path("mine/0.png").unlink()
    refused = gantrain("doctor", "run")
    assert refused.code == 2
    assert "holds a run with other data: held_out 6 -> 5" in refused.err


def test_a_run_that_died_can_be_asked(gantrain: Command) -> None:
    """Killed before its first checkpoint: the configuration and the untrained generator are left."""
    assert gantrain("train.steps=2", *TINY).code == 0
    run = files.find_run("latest")[0]
    for path in (run / files.CHECKPOINTS).iterdir():
        path.unlink()
    summary = json.loads((run / files.SUMMARY).read_text()) | {"status": "running"}
    (run / files.SUMMARY).write_text(json.dumps(summary))
    told = gantrain("doctor", "latest")
    assert told.code == 0, told.err
    assert told.out.startswith("Nothing wrong was found before training")
    gone = "No process trains this run any more, at least not on this machine; start it anew: gantrain "
    assert told.out.splitlines()[-1].startswith(gone + "train.steps=2 ")
    assert "Step 0 of 2, no longer running." in (run / files.REPORT).read_text()
    for command in ("resume", "sample", "evaluate"):
        refused = gantrain(command, "latest")
        assert refused.code == 2
        (again,) = [line for line in refused.err.splitlines() if "start it anew" in line]
        assert again.startswith("  start it anew: gantrain train.steps=2 ")
        assert f" hydra.run.dir={files.relative(run)} " in f"{again} "
    with alone_in(run):
        assert "No process" not in gantrain("doctor", "latest").out
    assert "<h1>Nothing wrong was found before training</h1>" in (run / files.PAGE).read_text()
