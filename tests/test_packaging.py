"""The wheel, built for real from the files git knows, and run from another directory without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gantrain import __version__

ROOT = Path(__file__).parent.parent
TRAINING = ("train.steps=2", "train.batch_size=8", "model.width=4", "tracking.samples=4")


def files_of_git() -> list[Path]:
    """Tracked files and new ones that are not ignored: what a release would hold."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout, to tell what belongs to a release")
    listing = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that the checkout is not touched."""
    place = tmp_path_factory.mktemp("wheel")
    for path in files_of_git():
        copy = place / "source" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place)]
    built = subprocess.run(command, cwd=place / "source", capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(place.glob("gantrain-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """What the wheel puts into site-packages."""
    place = wheel.parent / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


def run(installed: Path, where: Path, *arguments: str) -> str:
    """stdout of `python ...` in another directory, with the unpacked wheel on the path."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=where,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    about = f"gantrain-{__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"gantrain", about}
    assert {"gantrain/py.typed", f"{about}/licenses/LICENSE", f"{about}/entry_points.txt"} <= names
    assert not [name for name in names if "/test" in name or "__pycache__" in name]
    assert wheel.name == f"gantrain-{__version__}-py3-none-any.whl"


def test_the_wheel_holds_every_module_and_every_option(wheel: Path) -> None:
    """configs/ lies beside the package in a checkout and inside it in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name: archive.read(name) for name in archive.namelist()}
    for path in files_of_git():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(("gantrain/", "configs/")):
            inside = f"gantrain/{name}" if name.startswith("configs/") else name
            assert shipped[inside] == path.read_bytes(), name


def test_the_wheel_describes_itself(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        about = archive.read(f"gantrain-{__version__}.dist-info/METADATA").decode()
        entry = archive.read(f"gantrain-{__version__}.dist-info/entry_points.txt").decode()
    assert "gantrain = gantrain.cli:main" in entry
    for line in (
        f"Version: {__version__}",
        "License-Expression: MIT",
        "Description-Content-Type: text/markdown",
    ):
        assert line in about


def test_it_runs_from_another_directory(installed: Path, tmp_path: Path) -> None:
    where = "import gantrain.keys as c; print(c.__file__, c.config_dir())"
    module, configs = run(installed, tmp_path, "-c", where).split()
    assert Path(module).is_relative_to(installed), "the wheel's, not the checkout's"
    assert Path(configs) == installed / "gantrain" / "configs"
    assert "steps: 2" in run(installed, tmp_path, "-m", "gantrain", "--cfg", "job", *TRAINING)
    assert "finished: 2 steps" in run(installed, tmp_path, "-m", "gantrain", *TRAINING)
    assert "3 pictures" in run(installed, tmp_path, "-m", "gantrain", "sample", "latest", "-n", "3")
    assert list(tmp_path.glob("outputs/*/*/samples/drawn/*.png"))
