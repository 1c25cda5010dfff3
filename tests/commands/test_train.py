from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from small import TINY, Command

from gantrain import checkpoint, files
from gantrain.commands.briefing import cured, resumable
from gantrain.pages.records import Record

ROW = {
    "step", "images", "seconds", "images_per_second", "loss_d", "loss_g", "d_real", "d_fake", "acc_real",
    "acc_fake", "grad_norm_d", "grad_norm_g", "logit_real", "logit_fake", "lr_d", "lr_g", "d_fake_after",
}  # fmt: skip


def test_files_of_a_run(gantrain: Command) -> None:
    outcome = gantrain(*TINY, "train.steps=5", "checkpoint.every=2", "tracking.samples_every=2")
    assert outcome.code == 0, outcome.err
    run = outcome.run
    assert {path.name for path in run.iterdir()} == {
        "config.yaml", "summary.json", "metrics.jsonl", "samples", "checkpoints", "tensorboard", "train.log",
        "report.html", ".lock",
    }  # fmt: skip
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 5]
    assert all(row.keys() == ROW for row in rows)
    assert rows[-1]["images"] == 5 * 8
    assert [path.name for path in sorted((run / "samples").iterdir())] == [
        "00000002.png", "00000004.png", "00000005.png", "real.png",
    ]  # fmt: skip
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["step"] == 5
    assert summary["findings"] == 0
    assert summary["parameters"].keys() == {"generator", "discriminator"}
    assert {"device", "precision", "versions", "metrics", "images", "seconds"} <= summary.keys()
    config = OmegaConf.load(run / "config.yaml")
    assert config.model.generator.upsample == config.upsample.mode, "resolved"
    assert config.facts.channels == 1
    newest = checkpoint.newest(run)
    assert newest is not None
    assert torch.load(newest, weights_only=True)["config"]["seed"] == 0


def test_says_what_it_is_about_to_do_and_what_to_do_next(gantrain: Command) -> None:
    outcome = gantrain(*TINY, "train.steps=2", "loss=hinge", "optim=ttur", "metrics.every=500")
    for words in (
        "digits: 1797 images, 32 x 32 pixels, grey",
        "generator: dcgan",
        "discriminator: dcgan",
        "loss=hinge, penalty=none, optim=ttur lr_d",
        "schedule=alternating",
        "lr_d 0.0004",
        "192.6 updates an epoch",
        "device: cpu",
        "newest picture: outputs/",
        "quality: not measured while it trains (metrics.every=500); metrics.every=1 would\n",
        "quality: not measured; now: gantrain evaluate outputs/",
        "next: gantrain sample outputs/",
        "tensorboard --logdir outputs/",
    ):
        assert words in outcome.out, words
    log = (outcome.run / files.LOG).read_text()
    assert "1797 images" in log
    picture = outcome.out.partition("newest picture: ")[2].splitlines()[0]
    assert Image.open(picture).mode == "L"


@pytest.mark.parametrize(("rate", "earlier"), [(1e-9, False), (0.5, True)])
def test_says_at_the_end_how_good_the_pictures_are_beside_real_ones(
    rate: float, earlier: bool, gantrain: Command
) -> None:
    """A run may be healthy and its pictures far off."""
    look = ("metrics.every=2", "metrics.count=64", "ema.half_life_images=1")
    outcome = gantrain(*TINY, "train.steps=6", *look, f"optim.lr_g={rate}")
    rows = files.read_rows(outcome.run / files.EVALUATIONS)
    looks = {row["step"]: row["metrics"]["fd_rand"] for row in rows if row["step"]}
    best, null = min(looks, key=lambda step: looks[step]["value"]), looks[6]["null_mean"]
    last = looks[6]["value"]
    said = f"quality: fd_rand {last:.3g}, {last / null:.0f} times what real pictures give ({null:.3g})"
    assert (best < 6) == earlier
    said += f"; {looks[best]['value']:.3g} at step {best}, which --best takes" if earlier else ""
    better = looks[6]["value"] < 0.95 * min(looks[2]["value"], looks[4]["value"])
    assert f"{said}{'; still getting better' if better else ''}\n" in outcome.out
    (drawn,) = re.findall(r"next: gantrain sample \S+( --best)? -n 64", outcome.out)
    assert bool(drawn) == earlier


@pytest.mark.parametrize(
    ("remedy", "goes_on", "starts_anew"),
    [
        (["train.steps=1600", "train.stop_when_worse=true"], True, None),
        (["augment=diffaug"], False, "gantrain seed=0 augment=diffaug"),
        ([], False, None),
    ],
)
def test_what_the_doctor_would_change_of_a_finished_run(
    tmp_path: Path, remedy: list[str], goes_on: bool, starts_anew: str | None
) -> None:
    """What a resume may change is told with it."""
    (tmp_path / files.SUMMARY).write_text('{"overrides": ["seed=0"]}')
    found = {"rule": "GD401", "state": "active", "severity": "error", "primary": True, "remedy": remedy}
    files.append_row(tmp_path / files.FINDINGS, found)
    run = Record(tmp_path, "run")
    assert list(resumable(run)) == (remedy if goes_on else [])
    assert cured(run) == starts_anew


def test_two_runs_of_the_same_second_never_share_a_directory(gantrain: Command) -> None:
    runs = {gantrain(*TINY, "train.steps=1").run for _ in range(3)}
    assert len(runs) == 3


def test_same_seed_same_run(gantrain: Command) -> None:
    states = []
    for name in ("a", "b"):
        assert gantrain(*TINY, "train.steps=3", f"hydra.run.dir={name}").code == 0
        path = checkpoint.newest(Path(name))
        assert path is not None
        states.append(checkpoint.load(path)["state"]["generator"])
    torch.testing.assert_close(*states, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("loss=wgan", "penalty=none"), "the critic will run away"),
        (("schedule=entangled",), "gradients cancel"),
        (("schedule.split_batches=false",), "real and fake mixed"),
        (("train.batch_size=1000",), "fewer than 10 updates an epoch"),
        (("model=mlp", "upsample=transpose"), "upsample: has no effect"),
    ],
)
def test_what_is_unwise_warns_once_and_trains(
    arguments: tuple[str, ...], words: str, gantrain: Command
) -> None:
    outcome = gantrain(*TINY, "train.steps=1", "data.image_size=16", *arguments)
    assert outcome.code == 0
    assert outcome.err.count(words) == 1, outcome.err


def test_wgan_brings_its_clip_unless_another_penalty_is_chosen(gantrain: Command) -> None:
    def penalty_of(*arguments: str) -> str:
        outcome = gantrain(*TINY, "train.steps=1", "data.image_size=16", *arguments)
        return str(OmegaConf.load(outcome.run / "config.yaml").penalty._target_).rpartition(".")[2]

    assert penalty_of("loss=wgan") == "Clip"
    assert penalty_of("loss=wgan", "penalty=none") == "Penalty"
    assert penalty_of("loss=wgan", "penalty=r1", "model=sngan") == "R1"


def test_a_non_finite_run_stops_with_3_and_names_the_last_good_checkpoint(gantrain: Command) -> None:
    wild = ("optim.lr_d=300", "optim.lr_g=300", "seed=1", "loss=lsgan", "model=mlp", "model.width=8")
    outcome = gantrain(*wild, "data.image_size=16", "train.steps=200", "checkpoint.every=1")
    assert outcome.code == 3, outcome.err
    assert "is not finite at step" in outcome.err
    assert "last good checkpoint: " in outcome.err
    summary = json.loads((outcome.run / "summary.json").read_text())
    assert summary["status"] == "failed"
    path = checkpoint.newest(outcome.run)
    assert path is not None
    assert all(torch.isfinite(v).all() for v in checkpoint.load(path)["state"]["generator"].values())


@pytest.mark.parametrize(("loss", "d", "g"), [("bce", 1.387, 0.69), ("lsgan", 0.5, 0.47)])
def test_iteration_0_values_of_the_notes(loss: str, d: float, g: float, gantrain: Command) -> None:
    """At logits near zero; what is left is the first batch's chance."""
    small = ("model.width=16", "data.image_size=28", "train.steps=1", "tracking.samples=4")
    outcome = gantrain("model=dcgan_mnist", *small, f"loss={loss}")
    row = json.loads((outcome.run / "metrics.jsonl").read_text())
    assert abs(row["loss_d"] - d) < 0.15
    assert abs(row["loss_g"] - g) < 0.15


def test_training_on_the_digits_measurably_learns(gantrain: Command) -> None:
    """Frechet distance of pixel means and variances to the real digits, before and after."""
    from gantrain.commands.sample import Artist
    from gantrain.data.sources import digits

    real = digits(image_size=16).images.float().flatten(1)

    def distance(path: Path) -> float:
        fake = torch.cat([i for i, _ in Artist(str(path), "cpu").draw(256, 0, None)]).float().flatten(1)
        return float(
            (fake.mean(0) - real.mean(0)).square().sum() + (fake.std(0) - real.std(0)).square().sum()
        )

    arguments = ("model.width=16", "train.batch_size=32", "data.image_size=16", "train.steps=150")
    outcome = gantrain(*arguments, "checkpoint.every=1", "checkpoint.keep=200")
    assert outcome.code == 0
    folder = outcome.run / "checkpoints"
    assert distance(folder / "00000150.pt") < 0.5 * distance(folder / "00000001.pt")


def test_in_a_file_lines_stand_as_they_were_said(tmp_path: Path) -> None:
    """Warnings go to stderr, and are do not come before the rest: so nohup has it."""
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    with open(tmp_path / "said", "wb") as said:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "gantrain",
                *(option.replace("batch_size=8", "batch_size=16") for option in TINY),
                "train.images=40",
                "train.steps=2",
                "data.image_size=16",
            ],
            cwd=tmp_path,
            env=buffered | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=said,
            stderr=subprocess.STDOUT,
            timeout=120,
        )
    told = (tmp_path / "said").read_text()
    assert done.returncode == 0, told
    places = [told.index(word) for word in ("choices: ", "warning: train.batch_size", "finished: ")]
    assert places == sorted(places)
