"""A sweep from the outside: where it is, and the page that is written when it ends. No torch here."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from gantrain import files
from gantrain.console import aside, typed
from gantrain.errors import INTERRUPTED, GantrainError, Interrupted
from gantrain.keys import key_of
from gantrain.overrides import assigned

_begun: list[Path] = []  # the sweep of this process: Hydra tells callbacks where it is, and nobody else
_unnamed: set[Path] = set()  # those whose folder nobody chose


class Notice(Callback):
    """Hydra's callback (hydra.callbacks in train.yaml). Its on_multirun_end is not called if a job failed."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        _begun.append(Path(config.hydra.sweep.dir))
        if not any(key_of(override) == "hydra.sweep.dir" for override in config.hydra.overrides.hydra):
            _unnamed.add(_begun[-1])
        if _is_joblibs(config.hydra.launcher):
            signal.signal(signal.SIGINT, _wait_for_the_jobs)


# ---- Stopped by Ctrl-C -----------------------------------------------------------------------------------

_stopped: list[int] = []  # by which signals: the sweep, or, in a worker of joblib's, the job that was there


def _is_joblibs(launcher: DictConfig) -> bool:
    return "joblib" in str(launcher.get("_target_"))


def _wait_for_the_jobs(number: int, frame: FrameType | None) -> None:
    """joblib kills its workers when its own process is interrupted. Ctrl-C has reached them as well, and they
    save; a second one stops at once.
    """
    _stopped.append(number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    aside("waiting for the jobs that train; once more to stop at once")


def in_turn(job: Callable[[], float | None], launcher: DictConfig) -> float | None:
    """Runs a job. In a worker of joblib's none begins after one that was stopped, and what stopped it is not
    raised: joblib would kill the other workers, which are saving.
    """
    if _begun or not _is_joblibs(launcher):
        return job()
    if _stopped:
        return None
    try:
        return job()
    except KeyboardInterrupt as stop:
        _stopped.append(signal.SIGINT)
        aside(f"[{HydraConfig.get().job.num}] {str(stop) or 'interrupted'}")
        return None


def stop_of_all() -> Interrupted | None:
    """If the signal came while joblib's workers trained; they have ended by now."""
    return Interrupted("stopped", INTERRUPTED) if _stopped else None


def stopped(job: Interrupted) -> Interrupted:
    """What the job that was stopped said, for the whole sweep."""
    if not _begun:
        return job
    return Interrupted(f"{job}\n  all of the sweep: {_again()}", job.exit_code)


def _again() -> str:
    """How the sweep of this process goes on."""
    return f"the same command with {typed(assigned('hydra.sweep.dir', files.relative(_begun[-1])))}"


def conclude() -> Iterator[str]:
    """Of the sweep that ended, however it ended: writes its compare.html, gives the ranked table to print."""
    _stopped.clear()
    if signal.getsignal(signal.SIGINT) is _wait_for_the_jobs:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    while _begun:
        sweep = _begun.pop()
        if sweep in _unnamed:
            _remove_if_empty(sweep)
        if not sweep.is_dir():
            continue
        from gantrain.pages.records import runs_in
        from gantrain.pages.writing import write_comparison

        try:
            if runs_in(sweep):
                yield f"\n{write_comparison([str(sweep)])}"
        except Exception as error:  # whatever it is: how the sweep itself ended matters more
            yield f"gantrain: warning: {sweep / files.COMPARISON} was not written: {error}"


def _remove_if_empty(sweep: Path) -> None:
    """What Hydra made before all jobs were refused."""
    if sweep.is_dir() and [path.name for path in sweep.iterdir()] == ["multirun.yaml"]:
        with suppress(OSError):  # not empty, or not ours to remove
            (sweep / "multirun.yaml").unlink()
            for folder in (sweep, *sweep.parents[:3]):  # outputs/multirun/<date>/<time>
                folder.rmdir()


def worker_killed(error: Exception) -> GantrainError | None:
    """joblib's answer if one of its processes died without a word, and took the others with it."""
    if type(error).__name__ != "TerminatedWorkerError" or not _begun:
        return None
    reason = "one of joblib's processes was killed, for want of memory perhaps, and so all ended"
    remedy = f"go on: {_again()}; fewer at a time: hydra.launcher.n_jobs=N"
    return GantrainError("hydra/launcher", reason, remedy)


def told_by_a_job(error: Exception) -> GantrainError | None:
    """Submitit hands over what ended a job as text, the job's whole traceback in it; None: not for a user."""
    if type(error).__module__.partition(".")[0] != "submitit":
        return None
    text = str(error)
    if refused := re.search(r"^gantrain\.errors\.\w+: (.+?)\n\s*-{10}", text, re.MULTILINE | re.DOTALL):
        return GantrainError("", refused[1])
    if type(error).__name__ == "UncompletedJobError":  # killed, or its time was over
        remedy = "the same command goes on from the last checkpoint if it names hydra.sweep.dir=DIR"
        return GantrainError("hydra/launcher", text.splitlines()[0], remedy)
    return None
