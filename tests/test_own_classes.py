"""A user's own network, loss, penalty and data: docs/examples/own/, used as docs/own-network.md says."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from small import Outcome

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "own-network.md").read_text(encoding="utf-8")
SMALL = ("model.width=4", "train.steps=4", "train.batch_size=8", "tracking.samples=4")
# A console script: unlike `python -m` it leaves the current directory off sys.path.
SCRIPT = "from gantrain.cli import main\nmain()\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the example's files, and a console script elsewhere."""
    place = tmp_path_factory.mktemp("own")
    (place / "bin").mkdir()
    (place / "bin" / "gantrain").write_text(SCRIPT)
    shutil.copytree(
        ROOT / "docs" / "examples" / "own", place / "project", ignore=shutil.ignore_patterns("__pycache__")
    )
    return place / "project"


def gantrain(place: Path, *arguments: str) -> Outcome:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, str(place.parent / "bin" / "gantrain"), *arguments],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def newest_run(place: Path) -> Path:
    runs = [path.parent for path in place.glob("outputs/*/*/summary.json")]
    return max(runs, key=lambda run: (run / "summary.json").stat().st_mtime_ns)


def weights(run: Path, step: int) -> dict[str, torch.Tensor]:
    content = torch.load(run / "checkpoints" / f"{step:08d}.pt", weights_only=True)
    return content["state"]["generator"]


@pytest.fixture(scope="module")
def own_run(place: Path) -> Path:
    """A run with everything of the user's own."""
    options = ("--config-dir", "conf", "model=mine", "loss=mine", "penalty=mine", "data=mine", *SMALL)
    done = gantrain(place, *options, "train.steps=2", "hydra.run.dir=own_run")
    assert done.code == 0, done.err
    return place / "own_run"


def test_own_classes_train_resume_and_sample(place: Path) -> None:
    """In 2 + 2 steps as in 4, and nothing but the saved run is needed to go on: no --config-dir."""
    options = ["--config-dir", "conf", "model=mine", "loss=mine", "penalty=mine", "data=mine", *SMALL]
    whole = gantrain(place, *options)
    assert whole.code == 0, whole.err
    assert "generator: mynet" in whole.out
    assert "loss=mine, penalty=mine" in whole.out
    assert "discs: 512 images" in whole.out
    expected = weights(newest_run(place), 4)

    assert gantrain(place, *options, "train.steps=2", "checkpoint.every=2").code == 0
    resumed = gantrain(place, "resume", "latest", "train.steps=4")
    assert resumed.code == 0, resumed.err
    run = newest_run(place)
    assert json.loads((run / "summary.json").read_text())["step"] == 4
    for name, weight in weights(run, 4).items():
        assert torch.equal(weight, expected[name]), name

    drawn = gantrain(place, "sample", "latest", "-n", "3", "--format", "npz")
    assert drawn.code == 0, drawn.err
    with np.load(next(run.glob("samples/drawn/*.npz"))) as archive:
        assert archive["images"].shape == (3, 32, 32, 1)


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", "run", "-n", "20"),
        ("sample", "run", "-n", "4"),
        ("doctor", "run"),
        ("export", "run", "--format", "torch"),
        ("resume", "run", "train.steps=3"),
        ("inspect", "--config-dir", "conf", "data=mine"),
    ],
    ids=lambda command: command[0],
)
def test_every_command_finds_own_classes(place: Path, own_run: Path, command: tuple[str, ...]) -> None:
    done = gantrain(place, *(str(own_run) if word == "run" else word for word in command))
    assert done.code == 0, done.err


def test_a_class_of_ones_own_that_is_not_there_is_named(own_run: Path, tmp_path: Path) -> None:
    """By a command that looks at data first, from another directory."""
    (tmp_path / "bin").symlink_to(own_run.parent.parent / "bin")
    (tmp_path / "elsewhere").mkdir()
    done = gantrain(tmp_path / "elsewhere", "evaluate", str(own_run), "-n", "20")
    assert done.code == 2
    assert "data._target_: cannot import 'mydata." in done.err


REMEMBERING = """
import torch

class Counting(torch.nn.Module):
    "An augmentation that changes with its age."
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, images):
        self.seen += 1
        return images * (1 - 1e-3 * self.seen)
"""
NOISY = """
import torch

class Noisy(torch.nn.Module):
    "A generator that adds noise of its own, as StyleGAN does."
    def __init__(self, latent_dim, channels, image_size):
        super().__init__()
        self.shape = (channels, image_size, image_size)
        self.layer = torch.nn.Linear(latent_dim, channels * image_size**2)

    def forward(self, z):
        pictures = self.layer(z)
        return torch.tanh(pictures + 0.1 * torch.randn_like(pictures)).unflatten(1, self.shape)
"""


def test_what_a_component_remembers_resumes(place: Path) -> None:
    (place / "counting.py").write_text(REMEMBERING)
    options = [*SMALL, "augment._target_=counting.Counting", "checkpoint.every=2"]
    whole = gantrain(place, *options, "hydra.run.dir=whole")
    assert whole.code == 0, whole.err
    assert gantrain(place, *options, "train.steps=2", "hydra.run.dir=parts").code == 0
    assert gantrain(place, "resume", "parts", "train.steps=4").code == 0
    for name, weight in weights(place / "whole", 4).items():
        assert torch.equal(weights(place / "parts", 4)[name], weight), name


def test_looking_on_does_not_disturb_a_generator_that_adds_noise(place: Path) -> None:
    (place / "noisy.py").write_text(NOISY)
    options = [*SMALL, "~model.generator", "+model.generator._target_=noisy.Noisy", "metrics.count=32"]
    for name, looks in {
        "seldom": ("metrics.every=0", "doctor.enabled=false"),
        "often": ("metrics.every=1", "tracking.samples_every=1"),
    }.items():
        done = gantrain(place, *options, *looks, f"hydra.run.dir={name}")
        assert done.code == 0, done.err
    for name, weight in weights(place / "seldom", 4).items():
        assert torch.equal(weights(place / "often", 4)[name], weight), name


@pytest.mark.parametrize("group", ["model", "loss", "penalty", "data"])
def test_each_combines_with_what_gantrain_brings(place: Path, group: str) -> None:
    done = gantrain(place, "--config-dir", "conf", f"{group}=mine", *SMALL, "train.steps=1")
    assert done.code == 0, done.err


def test_own_options_are_checked_like_any_other(place: Path) -> None:
    done = gantrain(place, "--config-dir", "conf", "model=mine", "+model.generator.kernle=3", *SMALL)
    assert done.code == 2
    assert "model.generator.kernle: no such option\n  did you mean model.generator.kernel?" in done.err
    done = gantrain(place, "--config-dir", "conf", "model=mine", "model.generator.kernel=wide", *SMALL)
    assert done.code == 2
    assert "model.generator.kernel: must be a whole number, got 'wide'" in done.err


def test_a_network_without_labels_is_refused_under_a_condition(place: Path) -> None:
    done = gantrain(place, "--config-dir", "conf", "model=mine", "data=mine", "condition=class", *SMALL)
    assert done.code == 2
    assert "condition=class needs networks whose constructors take num_classes" in done.err


def test_from_another_directory_the_class_is_named(place: Path, tmp_path: Path) -> None:
    """The error says which module is missing, and where gantrain looks for it."""
    shutil.copytree(place / "conf", tmp_path / "project" / "conf")
    (tmp_path / "bin").symlink_to(place.parent / "bin")
    done = gantrain(tmp_path / "project", "--config-dir", "conf", "model=mine", *SMALL)
    assert done.code == 2
    assert "model.generator._target_: cannot import 'mynet.Generator'" in done.err
    assert "current directory" in done.err


def test_the_page_shows_the_files_as_they_are() -> None:
    """Every code block that opens with a file's name is part of that file."""
    blocks = PAGE.split("```")[1::2]
    shown = [block.partition("\n")[2] for block in blocks if block.startswith(("python\n", "yaml\n"))]
    assert shown
    for block in shown:
        head, _, body = block.partition("\n")
        path = ROOT / "docs" / "examples" / "own" / head.removeprefix("# ")
        assert body.strip() in path.read_text(encoding="utf-8"), head


def test_the_commands_of_the_page_compose(place: Path) -> None:
    """Each line that starts a training, up to its composed configuration (Hydra has none for a sweep)."""
    lines = [shlex.split(line)[1:] for line in PAGE.splitlines() if line.startswith("gantrain --config-dir")]
    lines = [line for line in lines if "-m" not in line]
    assert lines
    for line in lines:
        done = gantrain(place, *line, "--cfg", "job")
        assert done.code == 0, done.err
        chosen = yaml.safe_load(done.out)
        for override in line:
            group, equals, option = override.partition("=")
            if equals and option == "mine":
                assert "my" in str(chosen[group]), override
