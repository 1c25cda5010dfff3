"""Checkpoints: written whole or not at all, loadable without running anything that is in them."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gantrain.errors import GantrainError
from gantrain.files import CHECKPOINTS, SAMPLES, SUPERSEDED, from_here, numbered, sync_folder, written_whole
from gantrain.train.cadence import is_due
from gantrain.train.state import TrainingState

FORMAT = 2
UNFINISHED = "unfinished"  # the folder of what is being set aside, until it gets its number


def save(path: Path, content: dict[str, Any]) -> None:
    """Writes the whole file, or leaves what was there.

    Raises:
        OSError: ENOSPC on a full disk; what was saved before is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # PyTorch's writer hides the reason
            if shutil.disk_usage(path.parent).free < 2**20:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
            raise
    sync_folder(path.parent)  # the rename itself


def load(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU.

    Raises:
        GantrainError: it cannot be read, holds more than plain values and tensors, or is not gantrain's.
    """
    others = [other for other in numbered(path.parent, "pt") if other != path]
    remedy = f"take another: {from_here(others[-1])}" if others else "there is no other checkpoint beside it"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about a pickle that it then refuses
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = "is damaged or holds code: only plain values and tensors are loaded"
        raise GantrainError(str(path), reason, remedy) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise GantrainError(str(path), "cannot be read: damaged or not a checkpoint", remedy) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise GantrainError(str(path), "is not a checkpoint of this version of gantrain", remedy)
    return content


def newest(run: Path) -> Path | None:
    """The checkpoint with the highest step, if there is one."""
    found = numbered(run / CHECKPOINTS, "pt")
    return found[-1] if found else None


def set_aside_after(run: Path, step: int) -> None:
    """Puts checkpoints later than `step`, and the grids drawn after it, into folders of their own.

    Where there is no later checkpoint nothing is moved: what was drawn since the last one is drawn again.
    Killed on the way it leaves a run that ended sooner, and the next resume finishes it.
    """
    places = {SAMPLES: "png", CHECKPOINTS: "pt"}  # the checkpoints last: they say that work is left
    asides = {name: run / name / SUPERSEDED / UNFINISHED for name in places}
    later = {
        name: [path for path in reversed(numbered(run / name, ending)) if int(path.stem) > step]
        for name, ending in places.items()
    }
    if not later[CHECKPOINTS] and not any(aside.is_dir() for aside in asides.values()):
        return
    for name, aside in asides.items():
        aside.mkdir(parents=True, exist_ok=True)
        for path in later[name] if later[CHECKPOINTS] else ():
            path.replace(aside / path.name)
    before = [int(path.name) for aside in asides.values() for path in aside.parent.glob("[0-9]*")]
    for aside in asides.values():
        aside.rename(aside.with_name(str(max(before, default=0) + 1)))


@contextmanager
def _fitting(path: Path) -> Iterator[None]:
    """A mismatch of names or shapes means that the checkpoint belongs to other networks."""
    try:
        yield
    except (RuntimeError, KeyError, ValueError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = f"does not fit this run's networks ({lines[min(1, len(lines) - 1)][:160]})"
        raise GantrainError(str(path), reason, "a checkpoint belongs to the run that wrote it") from error


def restore(state: TrainingState, content: dict[str, Any], path: Path) -> None:
    """Puts a checkpoint into the state.

    Raises:
        GantrainError: it belongs to other networks.
    """
    with _fitting(path):
        state.load_state_dict(content["state"])


def load_generator(network: nn.Module, content: dict[str, Any], path: Path) -> None:
    """Puts the averaged generator of a checkpoint into `network`.

    Raises:
        GantrainError: it belongs to another network.
    """
    with _fitting(path):
        network.load_state_dict(content["state"]["ema"])


class Checkpoints:
    """Saves the state when it is time, and keeps the newest `keep` and the best."""

    def __init__(self, run: Path, config: dict[str, Any], every: int, keep: int, total: int) -> None:
        self.run, self.config, self.every, self.keep, self.total = run, config, every, keep, total
        self.best: int | None = None  # its step: saved when it is the checkpoints' turn, and kept
        self.saved: int | None = None  # the step saved last

    def after_step(self, state: TrainingState) -> None:
        if is_due(state.step, self.every, self.total) or state.step == self.best:
            self.save(state)

    def save(self, state: TrainingState) -> Path:
        path = self.run / CHECKPOINTS / f"{state.step:08d}.pt"
        if not path.exists():
            save(path, {"format": FORMAT, "config": self.config, "state": state.state_dict()})
            self.saved = state.step
        for old in numbered(path.parent, "pt")[: -self.keep]:
            if self.best is None or int(old.stem) != self.best:
                old.unlink()
        return path
