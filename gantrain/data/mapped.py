"""Decoded pictures as files: written row by row, mapped into memory when they are read.

images.npy    uint8 N x C x S x S
labels.npy    int64 N; only where the first-level folders are classes
about.json    format, shape, lowest and highest value, class names, skipped files
"""

from __future__ import annotations

import json
import math
import mmap
import os
from array import array
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from gantrain.data.files import DamagedError
from gantrain.data.images import Channels, Decoded, Listing, Skipped, Unread, decode
from gantrain.data.store import ImageSet
from gantrain.files import sync_folder

FORMAT = 2
"""Raised with every change of these files, or of the pixels that decoding gives: older files are not used."""
IMAGES, LABELS, ABOUT = "images.npy", "labels.npy", "about.json"
MOVED_AT_ONCE = 16 * 2**20  # bytes


class UnreadableError(DamagedError):
    """Not one of the pictures can be read."""

    def __init__(self, listing: Listing, skipped: list[Skipped]) -> None:
        super().__init__(f"none of the {len(listing)} pictures in {listing.root} can be read")
        self.skipped = skipped


def write(place: Path, listing: Listing, size: int, channels: Channels, by_folder: bool = True) -> None:
    """Decodes the pictures into files in the folder `place`; when it returns they are on the disk.

    If more than one first-level folder holds readable pictures, these folders are the classes, in sorted
    order, and pictures beside them are skipped; without `by_folder` there are no classes. `channels` "auto"
    gives one channel when every file has a grey mode, else three; a colour file counts as colour even if its
    channels are all equal.

    Raises UnreadableError, and OSError if `place` cannot take the files.
    """
    planes = 1 if channels == "grey" else 3
    with open(place / IMAGES, "w+b") as file:
        start = _write_header(file, (0, planes, size, size))
        taken = _decode_into(file, listing, size, planes, by_folder)
        if not taken.folder:
            raise UnreadableError(listing, taken.skipped)
        stays = taken.stays()
        all_grey = bool(np.frombuffer(taken.grey, np.uint8)[stays].all())
        kept_planes = 1 if channels == "auto" and all_grey else planes
        if kept_planes < planes or not stays.all():
            _compact(file, start, stays, (planes, size, size), kept_planes)
        shape = (int(stays.sum()), kept_planes, size, size)
        end = _write_header(file, shape)
        assert end == start, "the header's length depends on the count"
        _sync(file)
    if taken.labelled:
        with open(place / LABELS, "wb") as file:
            np.save(file, np.array(taken.folder, dtype=np.int64)[stays])
            _sync(file)
    with open(place / ABOUT, "wb") as file:
        file.write(json.dumps({"format": FORMAT, "shape": shape} | taken.describe(listing, stays)).encode())
        _sync(file)
    sync_folder(place)


def read(place: Path, listing: Listing, just_written: bool = False) -> ImageSet:
    """What `write` left in `place` for this listing, the images mapped, not loaded.

    Raises DamagedError if it is anything else, or if a picture that was out of reach then can be reached now,
    which is not asked of what was just written.
    """
    try:
        about = json.loads((place / ABOUT).read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise DamagedError(f"{place} was made by another version")
        if not just_written and any(_can_be_reached(listing.root / name) for name in about["unreached"]):
            raise DamagedError("files that could not be reached are there again")
        images = np.lib.format.open_memmap(place / IMAGES, mode="c")  # "c": torch asks for writable memory
        whole = (place / IMAGES).stat().st_size == images.offset + images.nbytes
        if not whole or list(images.shape) != about["shape"]:
            raise DamagedError(f"{place / IMAGES} has not the size it should have")
        lowest, highest = map(int, about["range"])
        skipped = [*listing.skipped, *((str(name), str(reason)) for name, reason in about["skipped"])]
        return ImageSet(
            name=printable(listing.root.resolve().name) or "folder",
            images=torch.from_numpy(images),
            labels=torch.from_numpy(np.load(place / LABELS)) if about["classes"] else None,
            class_names=tuple(map(printable, about["classes"])),
            skipped=tuple(sorted((printable(name), reason) for name, reason in skipped)),
            others=tuple((printable(ending), count) for ending, count in listing.others),
            value_range=(lowest, highest),
            drop_pages=_dropper(images.base),
        )
    except DamagedError:
        raise
    except Exception as error:  # all that foreign content can lead to, a check of ImageSet included
        raise DamagedError(f"{place} is damaged ({type(error).__name__})") from error


def printable(name: str) -> str:
    """Of a file or folder whose name need not be text: bytes that are none as \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@dataclass
class _Taken:
    """What is learned while decoding: a few bytes a picture, since there may be millions."""

    by_folder: bool
    folders: dict[str, int] = field(default_factory=dict)
    """First-level folders with readable pictures; numbered in sorted order, since the listing is sorted."""
    folder: array[int] = field(default_factory=lambda: array("i"))
    """Of each picture the number of its folder; -1: it lies beside the folders."""
    lowest: bytearray = field(default_factory=bytearray)
    highest: bytearray = field(default_factory=bytearray)
    grey: bytearray = field(default_factory=bytearray)
    skipped: list[Skipped] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)

    @property
    def labelled(self) -> bool:
        return self.by_folder and len(self.folders) > 1

    def add(self, name: str, picture: Decoded) -> None:
        first, _, below = name.partition("/")
        self.folder.append(self.folders.setdefault(first, len(self.folders)) if below else -1)
        self.lowest.append(int(picture.pixels.min()))
        self.highest.append(int(picture.pixels.max()))
        self.grey.append(picture.grey)

    def skip(self, name: str, unread: Unread) -> None:
        self.skipped.append((name, unread.reason))
        if unread.unreached:
            self.unreached.append(name)

    def stays(self) -> NDArray[np.bool_]:
        """Which of the pictures belong to the set: all, or those in class folders."""
        folder = np.array(self.folder)
        return folder >= 0 if self.labelled else np.ones(len(folder), dtype=bool)

    def describe(self, listing: Listing, stays: NDArray[np.bool_]) -> dict[str, Any]:
        """What about.json says of the pictures, apart from their shape."""
        strays = list[Skipped]()
        if self.labelled:
            unread = {name for name, _ in self.skipped}
            beside = (name for name in listing.names() if "/" not in name and name not in unread)
            strays = [(name, "lies beside the class folders, so it has no class") for name in beside]
        return {
            "range": [
                int(np.frombuffer(self.lowest, np.uint8)[stays].min()),
                int(np.frombuffer(self.highest, np.uint8)[stays].max()),
            ],
            "classes": list(self.folders) if self.labelled else [],
            "skipped": [*self.skipped, *strays],
            "unreached": self.unreached,
        }


def _decode_into(file: BinaryIO, listing: Listing, size: int, planes: int, by_folder: bool) -> _Taken:
    taken = _Taken(by_folder)
    with closing(decode(listing, size, planes)) as outcomes:
        for name, outcome in zip(listing.names(), outcomes, strict=True):
            if isinstance(outcome, Unread):
                taken.skip(name, outcome)
            else:
                file.write(outcome.pixels.data)  # at once: nothing piles up, however many there are
                taken.add(name, outcome)
    return taken


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> int:
    """NumPy's header at the start of the file, with room for any count; gives its length in bytes."""
    file.seek(0)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.tell()


def _compact(
    file: BinaryIO, start: int, stays: NDArray[np.bool_], row: tuple[int, int, int], planes: int
) -> None:
    """Moves the rows that stay, with the first `planes` planes of each, to the front; cuts off the rest."""
    read_at = write_at = start
    step = max(1, MOVED_AT_ONCE // math.prod(row))
    for first in range(0, len(stays), step):
        some = stays[first : first + step]
        file.seek(read_at)
        block = np.frombuffer(file.read(len(some) * math.prod(row)), np.uint8).reshape(-1, *row)
        read_at = file.tell()
        file.seek(write_at)
        write_at += file.write(block[some, :planes].tobytes())
    file.truncate(write_at)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _can_be_reached(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError:
        return False
    return True


def _dropper(mapped: Any) -> Callable[[], None] | None:
    """Takes the pages read so far out of this process's memory; the system may still keep them in its own."""
    assert isinstance(mapped, mmap.mmap)
    return partial(mapped.madvise, mmap.MADV_DONTNEED) if hasattr(mmap, "MADV_DONTNEED") else None
