"""A queue of training runs: several at a time, each in a directory of its own; it can stop and go on.

    for ended in run_many([Job("hinge", ("loss=hinge", "model=sngan"))], Path("/tmp/runs"), workers=2):
        print(ended.job.name, ended.code)

Beside HOME/<name>, a run directory of gantrain's, lie HOME/<name>.exit.json (the command, how it ended) and
HOME/<name>.stderr. Started again, the queue leaves alone what has ended by itself (0 finished, 2 refused, 3
non-finite) and starts the others in their directories once more, where gantrain goes on from what was saved.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ENDS = {0: "finished", 2: "refused", 3: "stopped as non-finite"}
"""The exit codes after which there is nothing to go on with."""
LOOK_EVERY = 0.2  # seconds
PATIENCE = 60.0  # seconds that an interrupted run has to save itself
TAIL = 2000  # characters of stderr that are kept


@dataclass(frozen=True)
class Job:
    """One training: `gantrain *argv *overrides hydra.run.dir=HOME/name`; argv: flags such as --config-dir."""

    name: str
    overrides: tuple[str, ...]
    argv: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """What came of a job. `skipped`: it had ended before this queue began."""

    job: Job
    directory: Path
    code: int
    stderr: str
    seconds: float
    skipped: bool = False


class StaleError(Exception):
    """A directory holds the run of another command: nothing is overwritten, nothing mixed."""


@dataclass
class Running:
    job: Job
    process: subprocess.Popen[bytes]
    began: float


def run_many(
    jobs: Sequence[Job], home: Path, workers: int = 2, say: Callable[[str], None] = print
) -> Iterator[Ended]:
    """Runs the jobs, `workers` at a time, and yields each as it ends; those that had ended come first.

    Ctrl-C (or SIGTERM, or closing the iterator) lets every running one save itself and then stops.

    Raises:
        StaleError: before anything is started, if `home` holds runs of the same names and other commands.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    refuse_stale(jobs, home)
    before = [ended for job in jobs if (ended := ended_before(job, home))]
    if before:
        say(f"{len(before)} of {len(jobs)} runs have ended before: skipped")
    yield from before
    done = {ended.job.name for ended in before}
    waiting = [job for job in jobs if job.name not in done]
    previously = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as KeyboardInterrupt
    running: list[Running] = []
    try:
        for number, ended in enumerate(_ends(waiting, running, home, workers), 1):
            left = ended.seconds * (len(waiting) - number) / workers
            outcome = ENDS.get(ended.code, f"exit code {ended.code}, to be run again")
            say(
                f"[{number}/{len(waiting)}] {ended.job.name}: {outcome} in {ended.seconds:.0f} s"
                f" (about {left / 60:.0f} min left)"
            )
            yield ended
    finally:
        _stop(running, say)
        signal.signal(signal.SIGTERM, previously)


def _ends(waiting: Sequence[Job], running: list[Running], home: Path, workers: int) -> Iterator[Ended]:
    """Keeps `workers` processes going until none is left; `running` shows those under way."""
    queue = list(waiting)
    while queue or running:
        while queue and len(running) < workers:
            running.append(start(queue.pop(0), home))
        time.sleep(LOOK_EVERY)
        for each in [r for r in running if r.process.poll() is not None]:
            running.remove(each)
            yield finish(each, home)


def start(job: Job, home: Path) -> Running:
    """A process of its own session: Ctrl-C at the terminal reaches only us, and we pass it on once."""
    command = [sys.executable, "-m", "gantrain", *command_of(job), directory_override(job, home)]
    if shutil.which("nice"):
        command = ["nice", "-n", "10", *command]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    write_record(job, home, code=None)
    with open(home / f"{job.name}.stderr", "wb") as stderr:
        process = subprocess.Popen(
            command,
            cwd=home,
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
    return Running(job, process, time.monotonic())


def finish(ended: Running, home: Path) -> Ended:
    code, seconds = ended.process.wait(), time.monotonic() - ended.began
    stderr = (home / f"{ended.job.name}.stderr").read_text(encoding="utf-8", errors="replace")[-TAIL:]
    write_record(ended.job, home, code=code, seconds=round(seconds, 1), stderr=stderr)
    return Ended(ended.job, home / ended.job.name, code, stderr, seconds)


def _stop(running: Sequence[Running], say: Callable[[str], None]) -> None:
    for each in running:
        each.process.terminate()  # gantrain saves itself on SIGTERM, and a start is not worth saving
    if running:
        say(f"stopping: {len(running)} runs are saving themselves")
    deadline = time.monotonic() + PATIENCE
    for each in running:
        try:
            each.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            each.process.kill()
            each.process.wait()


def command_of(job: Job) -> list[str]:
    return [*job.argv, *job.overrides]


def directory_override(job: Job, home: Path) -> str:
    return f'hydra.run.dir="{home / job.name}"'  # Hydra needs the quotes where a path holds = or ,


def record_path(job: Job, home: Path) -> Path:
    return home / f"{job.name}.exit.json"


def write_record(job: Job, home: Path, **values: Any) -> None:
    path = record_path(job, home)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"command": command_of(job), **values}, indent=1) + "\n")
    partial.replace(path)


def read_record(job: Job, home: Path) -> dict[str, Any] | None:
    path = record_path(job, home)
    record: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return record


def ended_before(job: Job, home: Path) -> Ended | None:
    """How this very command has ended, if it has and there is nothing to go on with."""
    record, directory = read_record(job, home), home.resolve() / job.name
    if record is None or record["code"] not in ENDS or record["command"] != command_of(job):
        return None
    if record["code"] != 2 and not (directory / "summary.json").is_file():  # somebody cleared it away
        return None
    return Ended(job, directory, record["code"], record["stderr"], record["seconds"], skipped=True)


def refuse_stale(jobs: Sequence[Job], home: Path) -> None:
    """Raises StaleError for directories that other commands have filled."""
    stale = []
    for job in jobs:
        record = read_record(job, home)
        other = record is not None and record["command"] != command_of(job)
        if other or (record is None and (home / job.name / "config.yaml").is_file()):
            stale.append(str(home / job.name))
    if stale:
        doomed = " ".join(f"{path} {path}.exit.json" for path in stale)
        raise StaleError(f"{len(stale)} runs were made by other commands; to make them anew: rm -r {doomed}")


# ---- The command line of what works in stages --------------------------------------------------------------


def parser_of(module: str, doc: str | None, stages: Iterable[str]) -> argparse.ArgumentParser:
    """`python -m module STAGE`, with the module's docstring as help."""
    description, _, rest = (doc or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", choices=tuple(stages))
    return parser


def perform(stage: Callable[[argparse.Namespace], None], given: argparse.Namespace) -> None:
    """Runs a stage; what the user can mend, and Ctrl-C, end in one line."""
    try:
        stage(given)
    except (StaleError, ValueError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")
