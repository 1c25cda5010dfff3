"""What a run says: to the terminal without tearing the progress bar, and to train.log."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

log = logging.getLogger("gantrain")


class TerminalHandler(logging.Handler):
    """Prints through tqdm, which lifts its bar for the line."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
        if not (text := self.format(record)):
            return
        try:
            tqdm.write(text, file=stream)
            stream.flush()  # in a file lines stand as they were said, and a sweep's workers' at once
        except OSError:  # a closed pipe, or a terminal that is gone
            nobody_listens(stream)


def typed(*words: str) -> str:
    """Words of a command as one would type them: quoted where this system's shell needs it."""
    return subprocess.list2cmdline(words) if os.name == "nt" else " ".join(map(_in_quotes, words))


def _in_quotes(word: str) -> str:
    """As shlex.quote, but in double quotes where single ones are inside and no shell reads anything else."""
    return f'"{word}"' if "'" in word and not set('"$`\\!') & set(word) else shlex.quote(word)


def written(value: Any) -> str:
    """A value as one types it: 0.0002, true, null, [a, b]."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    return str(value)


def nobody_listens(stream: TextIO) -> None:
    """Sends what follows nowhere: whoever read it (head, a lost connection) has gone, and the run goes on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def tell(text: str, brief: str, once: bool = False) -> None:
    """Logs `text`; in a sweep the terminal shows only `brief`, if anything, or, `once`, all of the first
    job's.
    """
    log.info(text, extra={"brief": brief, "once": once})


def aside(text: str) -> None:
    """A line beside what a command was asked for, which a program may read."""
    sys.stderr.write(f"gantrain: {text}\n")


class TerminalFormatter(logging.Formatter):
    """`job`: its number in a sweep, put before each line: jobs that run side by side share one terminal."""

    def __init__(self, job: int | None = None) -> None:
        super().__init__()
        self.job = job
        self.head = "" if job is None else f"[{job}] "

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if self.job or (self.job == 0 and not getattr(record, "once", False)):
            text = getattr(record, "brief", text)
        if record.levelno >= logging.WARNING:
            text = f"gantrain: {record.levelname.lower()}: {text}"
        return "\n".join(f"{self.head}{line}".rstrip() for line in text.split("\n")) if text else ""


class FileFormatter(logging.Formatter):
    """The time before each line, also of a text of many lines."""

    def format(self, record: logging.LogRecord) -> str:
        head = f"{self.formatTime(record)} {record.levelname}"
        return "\n".join(f"{head} {line}".rstrip() for line in record.getMessage().split("\n"))


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps what libraries print about their own progress off the terminal; warnings of theirs as well."""
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


@contextmanager
def speaking(log_file: Path | None, job: int | None = None) -> Iterator[None]:
    """Sends the log to the terminal, as `job` of a sweep, and, with times, to `log_file`."""
    terminal = TerminalHandler()
    terminal.setFormatter(TerminalFormatter(job))
    handlers: list[logging.Handler] = [terminal]
    if log_file is not None:
        to_file = logging.FileHandler(log_file, encoding="utf-8", delay=True)
        to_file.handleError = lambda record: None  # type: ignore[method-assign]  # a full disk is reported once
        to_file.setFormatter(FileFormatter())
        handlers.append(to_file)
    log.setLevel(logging.INFO)
    log.propagate = False
    for handler in handlers:
        log.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()
