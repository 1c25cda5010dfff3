"""Published image sets on disk: found where people keep them, else downloaded by torchvision."""

from __future__ import annotations

import gzip
import io
import math
import os
import socket
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from filelock import FileLock
from torch import Tensor

from gantrain.errors import GantrainError

T = TypeVar("T")
DOWNLOAD_SECONDS = 20.0
"""Without an answer for this long a download is given up; the default would wait for minutes per mirror."""


class DamagedError(ValueError):
    """A file that is there but is not what it should be; the text names it."""


def cache_folder() -> Path:
    """The user's cache: $XDG_CACHE_HOME/gantrain, or ~/.cache/gantrain."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gantrain"


@dataclass(frozen=True)
class Published:
    """One published set: how to read it from a folder, and how torchvision fetches it."""

    title: str
    torchvision_class: str
    wanted: str
    """The files to put into a folder by hand, for the error."""
    also_in: tuple[Path, ...] = ()
    """Further folders to look in, such as a distribution's package."""
    below: str = ""
    """Where it lies in folders that are not its own; another set may have files of the same names."""
    hint: str = ""
    """Another way to the files, for the error."""

    def load(self, root: str | None, read: Callable[[Path], T | None]) -> T:
        """What `read` makes of the first folder that has the files; it gives None for a folder without them.

        Looks in `root`, or without one below ./data and the user's cache, and in `also_in`. What is nowhere
        is downloaded into `root` or the cache. Raises GantrainError("data.root") if that fails too.
        """
        target = Path(root).expanduser() if root else cache_folder()
        place = target if root else target / self.below
        folders = [place] if root else [Path("data") / self.below, place, *self.also_in]
        found, damage = _first(read, folders)
        if found is None:
            try:
                found = self._download(target, place, read)
            except Exception as error:  # network, mirrors, disk, archives: whatever it was, the remedy is one
                raise self._nowhere(folders, place, damage, error) from error
        assert found is not None, f"torchvision keeps {self.title} elsewhere now"
        return found

    def _download(self, target: Path, place: Path, read: Callable[[Path], T | None]) -> T | None:
        """Into `target`, where it is then to be read from `place`."""
        target.mkdir(parents=True, exist_ok=True)
        (cache := cache_folder()).mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f".{self.torchvision_class}.lock"):  # in none of the user's folders
            found, _ = _first(read, [place])  # another process may have fetched it while we waited
            if found is not None:
                return found
            from torchvision import datasets  # here: takes a second, and is seldom needed

            with _brief_downloads():
                getattr(datasets, self.torchvision_class)(str(target), download=True)
        return read(place)

    def _nowhere(
        self, folders: Sequence[Path], place: Path, damage: Sequence[str], error: Exception
    ) -> GantrainError:
        looked = ", ".join(str(folder) for folder in folders)
        cause = (str(error).strip() or type(error).__name__).splitlines()
        # torchvision's summary puts what happened last ("Tried MIRROR, got: <urlopen error ...>")
        reason = f"{self.title} is not in {looked}, and the download failed ({cause[-1][:150]})"
        if damage:
            reason = f"{'; '.join(damage)[:300]}, and the download failed ({cause[-1][:150]})"
        return GantrainError(
            "data.root",
            reason,
            f"put {self.wanted} into {place} or another folder and give data.root=FOLDER{self.hint}",
        )


def _first(read: Callable[[Path], T | None], folders: Sequence[Path]) -> tuple[T | None, list[str]]:
    """The first folder's content that can be read, and what was found damaged on the way there."""
    damage = []
    for folder in folders:
        try:
            found = read(folder)
        except DamagedError as error:
            damage.append(str(error))
            continue
        if found is not None:
            return found, damage
    return None, damage


@contextmanager
def _brief_downloads() -> Iterator[None]:
    """No minutes of silence and no chatter: a time limit on every connection, and prints swallowed."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_SECONDS)
    try:
        with redirect_stdout(io.StringIO()):  # progress goes to stderr
            yield
    finally:
        socket.setdefaulttimeout(before)


def read_idx_pair(folder: Path, torchvision_class: str) -> tuple[Tensor, Tensor] | None:
    """Training images (uint8, N x H x W) and labels (int64, N) of the MNIST family, or None if not there.

    The IDX files, plain or .gz, lie in `folder` itself or in torchvision's folder/CLASS/raw.
    Raises DamagedError for a file that is cut short or is no IDX file.
    """
    for place in (folder, folder / torchvision_class / "raw"):
        images, labels = (
            _plain_or_gz(place, name) for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
        )
        if images and labels:
            return _read_idx(images), _read_idx(labels).long()
    return None


def _plain_or_gz(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _read_idx(path: Path) -> Tensor:
    """An IDX file: two zero bytes, type 8 (uint8), rank, big-endian 32-bit sizes, then the data.

    torchvision's reader is not used because it takes unpacked files only.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DamagedError(f"{path} cannot be read ({error})") from error
    rank = raw[3] if raw[:3] == b"\0\0\x08" and len(raw) > 3 else 0
    start = 4 + 4 * rank
    shape = [int.from_bytes(raw[at : at + 4], "big") for at in range(4, start, 4)]
    if not rank or len(raw) != start + math.prod(shape):
        raise DamagedError(f"{path} is cut short or is not an IDX file")
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8, offset=start).reshape(shape)
