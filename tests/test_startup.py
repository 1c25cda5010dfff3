"""Help, completion and the errors of a command line are answered without importing torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gantrain import __version__
from gantrain.arguments import COMMANDS
from gantrain.keys import GROUPS, config_dir

# Runs one command line and tells on the last line of stdout whether torch was imported on the way.
RUNNER = """
import sys
from gantrain.cli import main
try:
    main()
finally:
    print("\\ntorch imported:", "torch" in sys.modules)
"""
OPTIONS = sorted(
    f"{path.parent.name}={path.stem}" for group in GROUPS for path in Path(config_dir(), group).glob("*.yaml")
)


def start(where: Path, *arguments: str, **environment: str) -> tuple[int, str, str, bool]:
    """(exit code, stdout, stderr, whether torch was imported) of `gantrain ...` in an empty directory."""
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, *arguments],
        cwd=where,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    out, _, imported = done.stdout.rpartition("\ntorch imported: ")
    return done.returncode, out, done.stderr, imported.strip() == "True"


# command line -> (exit code, what it says first)
ANSWERED_AT_ONCE = {
    "--help": (0, "gantrain trains GANs"),
    "--cfg job": (0, "seed: 0"),
    "--cfg job experiment=wgan_gp data=folder": (0, "seed: 0"),
    "--hydra-help": (0, "Hydra"),
    "resume --help": (0, "usage: gantrain resume"),
    "sample --help": (0, "usage: gantrain sample"),
    "inspect --help": (0, "usage: gantrain inspect"),
    "smaple latest": (2, "smaple: no such command\n  did you mean gantrain sample?"),
    "sample": (2, "gantrain sample: RUN is missing"),
    "sample latest -n many": (2, "gantrain sample: -n/--count must be a positive whole number"),
    "loss=hinje": (2, "loss=hinje: no such option\n  did you mean loss=hinge?"),
    "losss=hinge": (2, "losss: no such option\n  did you mean loss?"),
    "loss=null": (2, "loss=null: cannot be left out: training needs one\n  choose one: loss=bce"),
    "~loss": (2, "~loss: cannot be left out: training needs one"),
    "train.stepz=3": (2, "train.stepz: no such option\n  did you mean train.steps?"),
    "+train.stepz=3": (2, "train.stepz: no such option\n  did you mean train.steps?"),
    "train.steps=abc": (2, "train.steps: must be a whole number, got 'abc'"),
    "train.steps=-1": (2, "train.steps: must be 1 or more, got -1"),
    "train.steps=2,3": (2, "train.steps: several values (2,3) are a sweep"),
    "-m loss=hinge,hinje": (2, "loss=hinje: no such option"),
    "--stepz": (2, "--stepz: no such flag"),
}


@pytest.mark.parametrize("line", ANSWERED_AT_ONCE)
def test_answers_without_torch(line: str, tmp_path: Path) -> None:
    expected_code, says = ANSWERED_AT_ONCE[line]
    code, out, err, imported = start(tmp_path, *line.split())
    assert code == expected_code, err
    assert says in (err if code else out), out + err
    assert "Traceback" not in err
    assert not imported
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left <= {"multirun.yaml"}, "an answer leaves no files behind (Hydra writes that one itself)"


COMPLETED = {
    "loss=": {"loss=bce", "loss=hinge"},
    "loss=h": {"loss=hinge"},
    "train.st": {"train.steps="},
    "optim=ttur penalty=w": {"penalty=wgan_gp"},
}


@pytest.mark.parametrize("typed", COMPLETED)
def test_tab_completion_does_without_torch(typed: str, tmp_path: Path) -> None:
    line = f"gantrain {typed}"
    environment = {"COMP_LINE": line, "COMP_POINT": str(len(line))}
    code, out, err, imported = start(tmp_path, "-sc", "query=bash", **environment)
    assert code == 0, err
    assert COMPLETED[typed] <= set(out.split())
    assert not imported


def test_training_does_import_torch(tmp_path: Path) -> None:
    """Otherwise the tests above could not fail."""
    code, _, err, imported = start(tmp_path, "model.width=none")
    assert code == 2, err
    assert imported


def test_help_lists_every_command_and_every_option(tmp_path: Path) -> None:
    _, out, _, _ = start(tmp_path, "--help")
    for command in COMMANDS:
        assert f"\ngantrain {command} " in out
    listed = {
        f"{group.strip()}={option.strip()}"
        for group, colon, options in (line.partition(":") for line in out.splitlines())
        for option in options.split(",")
        if colon
    }
    assert listed >= set(OPTIONS)


def test_version_names_torch_and_the_device(tmp_path: Path) -> None:
    code, out, _, _ = start(tmp_path, "--version")
    assert code == 0
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert out.startswith(f"gantrain {__version__}, torch {torch.__version__}, {device}")
