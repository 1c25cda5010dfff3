"""The user's cache of decoded pictures: each set is built once, and found by every later start.

pictures/<digest>/            finished, see mapped.py
pictures/.<digest>.partial/   under way, or left by a process that was killed; nothing reads it
pictures/.<digest>.lock       held while it is built
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from gantrain.console import log
from gantrain.data import mapped
from gantrain.data.files import DamagedError, cache_folder
from gantrain.data.images import Channels, Listing
from gantrain.data.store import ImageSet
from gantrain.errors import GantrainError
from gantrain.files import sync_folder


def decoded_once(
    listing: Listing, size: int, channels: Channels = "auto", by_folder: bool = True
) -> ImageSet:
    """The pictures at `size` x `size` pixels, as `mapped.write` describes; only the first call decodes them.

    Raises:
        UnreadableError: none of them can be read; nothing is kept then.
        GantrainError: the cache cannot be written.
    """
    home = cache_folder() / "pictures"
    classes = "" if by_folder else ", no classes"
    entry = home / listing.digest(f"format {mapped.FORMAT}, {size} pixels, {channels}{classes}")
    try:
        with suppress(DamagedError):
            if entry.is_dir():
                return mapped.read(entry, listing)  # no lock: it may lie where one can only read
        home.mkdir(parents=True, exist_ok=True)
        with _building_alone(entry):
            return _read_or_build(entry, listing, size, channels, by_folder)
    except OSError as error:
        raise _cannot_keep(home, error) from error


def _read_or_build(entry: Path, listing: Listing, size: int, channels: Channels, by_folder: bool) -> ImageSet:
    if entry.is_dir():  # built by another process while we waited, unless it is damaged
        try:
            return mapped.read(entry, listing)
        except DamagedError as damage:
            log.info("reading the pictures in %s again: %s", listing.root, damage)
            shutil.rmtree(entry)
    _remove_leftovers(entry)
    partial = _partial(entry)
    partial.mkdir()
    try:
        mapped.write(partial, listing, size, channels, by_folder)
        partial.rename(entry)
        sync_folder(entry.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # no longer there, unless something went wrong
    built = mapped.read(entry, listing, just_written=True)
    megabytes = built.images.nbytes / 1e6
    many = "1 picture" if built.count == 1 else f"{built.count:,} pictures"
    log.info("kept %s for later starts: %.1f MB in %s", many, megabytes, entry)
    return built


@contextmanager
def _building_alone(entry: Path) -> Iterator[None]:
    lock = _lock(entry)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another gantrain is reading these pictures: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _remove_leftovers(entry: Path) -> None:
    """What killed builds left behind, of this entry, whose lock we hold, and of others that nobody builds."""
    shutil.rmtree(_partial(entry), ignore_errors=True)
    for partial in entry.parent.glob(".*.partial"):
        with suppress(Timeout), _lock(entry.with_name(partial.name[1 : -len(".partial")])).acquire(timeout=0):
            shutil.rmtree(partial, ignore_errors=True)


def _partial(entry: Path) -> Path:
    return entry.with_name(f".{entry.name}.partial")


def _lock(entry: Path) -> FileLock:
    return FileLock(entry.with_name(f".{entry.name}.lock"))


def _cannot_keep(home: Path, error: OSError) -> GantrainError:
    remedy = "set XDG_CACHE_HOME=DIR to a folder you may write to"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "free some space there, or set XDG_CACHE_HOME=DIR to a folder on another disk"
    return GantrainError(str(home), f"cannot keep the decoded pictures ({error.strerror or error})", remedy)
