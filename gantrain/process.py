"""The process that trains: its seeds and threads, its lock on the directory, its signals, its last words."""

from __future__ import annotations

import os
import random
import signal
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from omegaconf import DictConfig

from gantrain import files
from gantrain.console import log
from gantrain.errors import (
    GantrainError,
    Interrupted,
    NonFiniteError,
    of_the_file_system,
)


def prepare_process(cfg: DictConfig) -> None:
    """Seeds every generator and sets what the process computes with."""
    random.seed(cfg.seed)
    np.random.seed(cfg.seed % 2**32)  # noqa: NPY002 - for networks and data of the user's own
    torch.manual_seed(cfg.seed)
    if cfg.runtime.threads:
        torch.set_num_threads(cfg.runtime.threads)
    torch.use_deterministic_algorithms(cfg.runtime.deterministic)
    if cfg.runtime.deterministic:
        os.environ.setdefault(
            "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
        )  # cuBLAS refuses to be deterministic without
    torch.backends.cudnn.benchmark = not cfg.runtime.deterministic


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """One training at a time in a run directory."""
    lock = FileLock(directory / files.LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        reason = "another gantrain is training in this directory right now"
        remedy = "wait for it; a new run takes another hydra.run.dir"
        raise GantrainError(files.from_here(directory), reason, remedy) from error
    try:
        yield
    finally:
        lock.release()  # the file stays: whoever holds the lock by it would no longer keep others out


@contextmanager
def recording_failure(directory: Path, told: Mapping[str, Any] | None = None) -> Iterator[None]:
    """A run that ends badly says so in its own log and summary: a sweep goes on and reports only one.

    told: what the summary says besides, of a job that has not begun. The summary of a run that is there
        already stays as it is: what was refused then is another job than the one that made it.
    """
    try:
        with _quiet_writers():
            yield
    except Interrupted:
        with suppress(OSError):
            if files.read_summary(directory).get("status") == "running":  # stopped at once, amidst a step
                files.update_summary(directory, status="interrupted")
        raise
    except BaseException as error:
        if getattr(error, "reported", False):
            raise
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(directory)
        known = of_the_file_system(error)
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)  # SystemExit: a launcher requeues the job
        user_error = known is not None or stopped or isinstance(error, GantrainError)
        text = "interrupted" if stopped else str(known or error)
        status = "interrupted" if stopped else "failed"
        with suppress(OSError):  # a full disk is often why we are here
            directory.mkdir(parents=True, exist_ok=True)
            diverged = isinstance(error, NonFiniteError)
            if told is None or not (directory / files.CONFIG).is_file():
                files.update_summary(directory, **(told or {}), status=status, error=text, diverged=diverged)
        error.reported = True  # type: ignore[attr-defined]  # the front door need not repeat it
        with suppress(OSError):
            log.error("%s", text if user_error else "".join(traceback.format_exception(error)).rstrip())
        raise


@contextmanager
def _quiet_writers() -> Iterator[None]:
    """TensorBoard's thread dies of a full disk with a traceback; the next write raises the same here."""
    before = threading.excepthook

    def unless_of_the_disk(failure: threading.ExceptHookArgs) -> None:
        if not isinstance(failure.exc_value, OSError):
            before(failure)

    threading.excepthook = unless_of_the_disk
    try:
        yield
    finally:
        threading.excepthook = before


class Stop:
    """Which signal has come, if any."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def requested(self) -> bool:
        return self.signal is not None

    def interruption(self, message: str, saved: Path) -> Interrupted:
        assert self.signal is not None
        return Interrupted(f"{message} (saved {saved.name})", 128 + self.signal)


@contextmanager
def graceful_stop() -> Iterator[Stop]:
    """The first SIGINT, SIGTERM or SIGHUP (a lost connection) lets the step finish and the state be saved; a
    second one stops at once.

    A SIGTERM or SIGHUP that somebody handles already is left to them: submitit ignores the one and has the
    job requeued, nohup ignores the other.
    """
    stop = Stop()
    before = {signal.SIGINT: signal.getsignal(signal.SIGINT)}
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            before[number] = signal.SIG_DFL

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.signal is not None:
            raise Interrupted("stopped at once; the last checkpoint stands", 128 + number)
        stop.signal = number
        log.info("finishing the step and saving; once more to stop at once")

    try:
        for number in before:
            signal.signal(number, on_signal)
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
