"""The files of a run directory: their names (other programs rely on them) and how they are written."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from functools import cache
from glob import escape
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from gantrain.console import aside, typed
from gantrain.errors import GantrainError

if sys.platform != "win32":  # where nobody can remove a file that somebody has open
    import fcntl

CONFIG, SUMMARY, METRICS, LOG = "config.yaml", "summary.json", "metrics.jsonl", "train.log"
SAMPLES, CHECKPOINTS, TENSORBOARD, LOCK = "samples", "checkpoints", "tensorboard", ".lock"
FINDINGS, SIGNALS, EVALUATIONS, REPORT = "findings.jsonl", "signals.jsonl", "evaluations.jsonl", "report.md"
ROWS = (METRICS, EVALUATIONS, SIGNALS, FINDINGS)
EXHIBITS = "findings"  # the pictures that show what was found
REAL = "real.png"  # beside the samples: a grid of real pictures
SUPERSEDED = "superseded"  # in folders of checkpoints and samples: what a resume from an older one set aside
EXPORT = "export"
PAGE, COMPARISON = "report.html", "compare.html"


def numbered(folder: Path, ending: str) -> list[Path]:
    """00000500.pt, 00001000.pt, ... by number."""
    return sorted(path for path in folder.glob(f"*.{ending}") if path.stem.isdecimal())


def sync_folder(place: Path) -> None:
    """Brings the names in a folder to the disk, where the system lets one."""
    if os.name == "posix":
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file that becomes `path` once it is written and on the disk; until then `path` is as it was.

    Every writer has a file of its own: of several at once the last wins, and none harms another.
    """
    _remove_leftovers(path.parent.absolute())
    while True:
        partial = path.with_name(f".{path.name}.gantrain-{secrets.token_hex(4)}.partial")
        try:
            with open(partial, "xb") as file:
                if _hold(file) is False or not partial.exists():
                    continue  # taken for a leftover before it was held
                yield file
                file.flush()
                os.fsync(file.fileno())
                if sys.platform != "win32":
                    partial.replace(path)  # while it is held
            if sys.platform == "win32":  # which renames nothing that is open
                partial.replace(path)
        except BaseException as error:  # a full disk, mostly: the unfinished file would take up what is left
            with suppress(OSError):
                partial.unlink()
            if isinstance(error, OSError) and error.filename == str(partial):
                error.filename = str(path)  # the name that somebody knows
            raise
        return


def _hold(file: BinaryIO) -> bool | None:
    """Keeps others from holding an open file, to the end of the process at the latest; False: one does
    already, None: this system or disk knows no locks.
    """
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@cache
def _remove_leftovers(folder: Path) -> None:
    """What killed writers left in a folder, once a process: of thousands of pictures each would look."""
    for leftover in folder.glob(".*.gantrain-*.partial"):
        with suppress(OSError), open(leftover, "r+b") as file:
            if _hold(file):
                leftover.unlink()


def write_atomically(path: Path, text: str) -> None:
    """The whole text, or the file as it was. A file's name need not be one that UTF-8 has letters for."""
    with written_whole(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def relative(path: Path) -> str:
    """Relative, if it lies below the current directory."""
    try:
        shown = os.path.relpath(path)
    except ValueError:  # on another drive
        shown = os.pardir
    return str(path) if shown.startswith(os.pardir) else shown


def from_here(path: Path) -> str:
    """As one would type it: relative, if it lies below the current directory; quoted, if need be."""
    return typed(relative(path))


def refuse_folder(path: Path, key: str) -> None:
    """Raises GantrainError(key) if the name of a file to write is that of a folder."""
    if path.is_dir():
        raise GantrainError(key, f"{path} is a folder", f"{typed(key, str(path / 'NAME'))}: name the file")


def update_summary(run: Path, **values: Any) -> None:
    """Changes the named entries of summary.json."""
    write_atomically(run / SUMMARY, json.dumps(read_summary(run) | values, indent=2) + "\n")


def read_summary(run: Path) -> dict[str, Any]:
    """summary.json; empty where there is none yet.

    Raises:
        GantrainError: it is damaged.
    """
    path = run / SUMMARY
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    except (ValueError, TypeError) as error:  # empty or cut off: the machine went down, mostly
        remedy = f"delete {from_here(path)}: a resume writes it anew, but for the command that was typed"
        raise GantrainError(str(path), "is damaged: not a summary", remedy) from error


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a .jsonl file; one that a crash cut off is dropped."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        with suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return rows


def drop_rows_after(run: Path, step: int) -> None:
    """What a run told of later steps than the one it goes on from is trained, and told, again."""
    for path in (run / name for name in ROWS):
        if path.is_file():
            _write_rows(path, (row for row in read_rows(path) if row["step"] <= step))


def keep_rows(path: Path, count: int) -> None:
    """Drops all but the first `count` rows, and a last line that was cut off."""
    if path.is_file():
        _write_rows(path, read_rows(path)[:count])


def _write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    write_atomically(path, "".join(json.dumps(row) + "\n" for row in rows))


def append_row(path: Path, row: dict[str, Any]) -> None:
    line = json.dumps(row) + "\n"
    with open(path, "ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read() == b"\n" else f"\n{line}"  # a full disk cut the last one off
        file.write(line.encode("utf-8"))


def find_run(name: str, saved: bool = False) -> tuple[Path, Path | None]:
    """(run directory, checkpoint or None) for a run directory, a checkpoint file or `latest`.

    saved: `latest` is then the latest that has saved a checkpoint, if any has.

    Raises:
        GantrainError: nothing of that name, or it is not a run.
    """
    path = _latest(saved) if name == "latest" else Path(name)
    if path.is_file() and path.suffix == ".pt":
        return _checked(_run_of(path.resolve())), path.resolve()
    if not path.is_dir():
        raise GantrainError(name, "no such run directory or checkpoint", _meant(name))
    return _checked(path.resolve()), None


def _run_of(checkpoint: Path) -> Path:
    """Also of one that a resume has set aside: RUN/checkpoints/superseded/1/00001000.pt."""
    run = checkpoint.parent.parent
    return run.parent.parent if is_set_aside(checkpoint) else run


def is_set_aside(checkpoint: Path) -> bool:
    """Whether a resume from an earlier one has put it into a folder of its own."""
    return checkpoint.parent.parent.name == SUPERSEDED


def _meant(name: str) -> str:
    """What to type for a run that is not there."""
    outputs = Path("outputs")
    if name and Path(name).name == name:  # as pages and tables name it
        places = ("multirun/*/*",) if name.isdecimal() else ("*", "multirun/*")
        found = [path for place in places for path in outputs.glob(f"{place}/{escape(name)}")]
        if runs := sorted(path for path in found if (path / CONFIG).is_file()):
            return f"did you mean {from_here(runs[-1])}?"
    if (outputs / name / CONFIG).is_file():
        return f"did you mean {outputs / name}?"
    beside = [path for path in Path(name).parent.glob("*") if (path / CONFIG).is_file()]
    if close := get_close_matches(Path(name).name, [path.name for path in beside], 1):
        return f"did you mean {Path(name).with_name(close[0])}?"
    if get_close_matches(name, ["latest"]):
        return "did you mean `latest`? or a directory under outputs/"
    if not outputs.is_dir():
        return "there is no outputs/ here: name it by its whole path, or start one with `gantrain`"
    return "`latest`, or a directory under outputs/"


def best_checkpoint(name: str) -> Path:
    """The checkpoint that was best by metrics.best; of a run without checkpoints the run itself, for the
    command to say so.

    Raises:
        GantrainError: no such run, or nothing was measured of it.
    """
    run, _ = find_run(name, saved=True)
    if not numbered(run / CHECKPOINTS, "pt"):
        return run
    best = read_summary(run).get("best")
    if best is None:
        raise GantrainError(
            "--best", f"{run} has measured nothing yet", "leave it out: the newest checkpoint"
        )
    path: Path = run / best["checkpoint"]
    if not path.is_file():
        raise GantrainError("--best", f"{path} is gone", "leave it out: the newest checkpoint")
    return path


def _checked(run: Path) -> Path:
    if not (run / CONFIG).is_file():
        if count := len(list(run.glob(f"*/{CONFIG}"))):
            remedy = f"name one of them: `gantrain compare {from_here(run)}` says which was best"
            deeper = " and folders with more" if any(run.glob(f"*/*/{CONFIG}")) else ""
            raise GantrainError(str(run), f"is not a run: it holds {count} of them{deeper}", remedy)
        reason, remedy = f"is not a run: it has no {CONFIG}", "`latest`, or a directory under outputs/"
        if only_begun(run) and is_held(run):
            reason, remedy = "is a run that has only begun: nothing is saved", "let it train"
        elif only_begun(run):
            reason = "is a run that ended as it began: nothing is saved"
            remedy = "the command that started it starts it again"
        raise GantrainError(str(run), reason, remedy)
    return run


def only_begun(run: Path) -> bool:
    """Whether a run has left nothing but its lock, and perhaps what it said of its data."""
    return run.is_dir() and LOCK in (names := {path.name for path in run.iterdir()}) and names <= {LOCK, LOG}


def is_held(run: Path) -> bool:
    """Whether a process trains in the run's directory: on this machine, or where the disk shares locks."""
    path = run / LOCK
    if not path.is_file():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except (Timeout, OSError):  # OSError: a disk that is only read, where nobody knows
        return True


def _latest(saved: bool) -> Path:
    """The run under outputs/ that told of itself last, aloud; `saved`: if any, one with a checkpoint."""
    hydras = ".hydra"  # keeps a config.yaml of its own
    configs = [path for path in Path("outputs").rglob(CONFIG) if path.parent.name != hydras]
    if not configs:
        raise GantrainError("latest", "there is no run under outputs/ here", "start one with `gantrain`")
    runs = [path.parent for path in sorted(configs, key=_last_told, reverse=True)]
    newest = runs[0]
    run = next((run for run in runs if not saved or numbered(run / CHECKPOINTS, "pt")), newest)
    aside(f"latest is {run}" + (f": {newest} is newer, and has no checkpoint" if newest != run else ""))
    return run


def _last_told(config: Path) -> float:
    """When a run's summary was written, or, before it has one, its configuration."""
    summary = config.with_name(SUMMARY)
    return (summary if summary.exists() else config).stat().st_mtime
