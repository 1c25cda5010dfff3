"""What can go wrong, and the exit code each kind ends with."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

USER_INPUT = 2
NON_FINITE = 3
INTERRUPTED = 130

CHECK = "check the path, and that you may write there"
# Errors of the file system that the user can do something about.
FILE_ERRORS = {
    errno.ENOSPC: "free some space, then {again}",
    errno.EDQUOT: "free some space, then {again}",
    errno.EACCES: "choose a directory you may write to, e.g. {place}",
    errno.EPERM: "choose a directory you may write to, e.g. {place}",
    errno.EROFS: "choose a directory you may write to, e.g. {place}",
    errno.ENOTDIR: "choose another directory, e.g. {place}",
    errno.EEXIST: "choose another directory, e.g. {place}",
    errno.ENOENT: CHECK,
    errno.ENAMETOOLONG: "choose a shorter path",
}


class GantrainError(ValueError):
    """Something the user can fix: shown as `key: reason; remedy`, never as a traceback.

    `key` is the configuration key, option or path at fault, `reason` says what is wrong with it and
    `remedy` what to type instead (empty where the reason already says it).
    """

    exit_code = USER_INPUT

    def __init__(self, key: str, reason: str, remedy: str = "") -> None:
        self.key, self.reason, self.remedy = key, reason, remedy
        head = f"{key}: {reason}" if key else reason
        super().__init__(f"{head}\n  {remedy}" if remedy else head)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), (self.key, self.reason, self.remedy)  # launchers send it between processes


class NonFiniteError(GantrainError):
    """A loss or gradient became infinite or NaN; the weights were not moved.

    step: the last one that was whole; None: the state's own, where the loop has not gone on since.
    """

    exit_code = NON_FINITE

    def __init__(self, key: str, reason: str, remedy: str = "", step: int | None = None) -> None:
        super().__init__(key, reason, remedy)
        self.step = step

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), (self.key, self.reason, self.remedy, self.step)


class FoundError(GantrainError):
    """The doctor was asked to be strict, and found something."""

    exit_code = NON_FINITE


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM after the checkpoint was written; a KeyboardInterrupt, so that a sweep ends too."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def meant(word: str, known: Iterable[str], before: str = "", likeness: float = 0.6) -> str:
    """ "did you mean X? " with the known word that is most like it, and `before` in front; "" if none is."""
    close = get_close_matches(word, list(known), 1, likeness)
    return f"did you mean {before}{close[0]}? " if close else ""


def of_the_file_system(
    error: BaseException, place: str = "hydra.run.dir=DIR", again: str = "go on with: gantrain resume RUN"
) -> GantrainError | None:
    """What a user can do about a full disk or a path that cannot be written; None if it is another error.

    Args:
        error: whatever happened.
        place: what chooses another place to write to; empty if nothing does.
        again: how it goes on once there is space.
    """
    remedy = FILE_ERRORS.get(error.errno or 0) if isinstance(error, OSError) else None
    if not isinstance(error, OSError) or remedy is None:
        return None
    remedy = remedy.format(place=place, again=again) if place or "{place}" not in remedy else CHECK
    return GantrainError(str(error.filename or "files"), error.strerror or "cannot be used", remedy)


TYPES = {"Integer": "a whole number", "float": "a number", "bool": "true or false"}


def nearest_value(value: str, usual: Any) -> Any:
    """What may be typed instead: 1000 for 1e3 where the usual value is a whole number, else the usual one."""
    with suppress(ValueError, OverflowError):
        if type(usual) is int and float(value).is_integer():
            return int(float(value))
    return usual


def type_reason(text: str, value: str) -> str:
    """What is wrong with a value, by what OmegaConf says of it."""
    if "is not Optional" in text or "value 'None'" in text:
        return "needs a value"
    if "ListConfig" in text:
        return f"must be a list, got '{value}'"
    for word, plain in TYPES.items():
        if re.search(word, text, re.IGNORECASE):
            return f"must be {plain}, got '{value}'"
    return text or f"cannot be '{value}'"
