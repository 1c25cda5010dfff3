"""The entry point: which command, and what exit code its errors end with. No torch here."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from argparse import ArgumentParser
from collections.abc import Sequence
from io import TextIOWrapper
from math import inf
from pathlib import Path
from typing import NoReturn, TextIO

from hydra import main as hydra_main
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gantrain import __version__, sweeps
from gantrain.arguments import COMMANDS, file_error, run_command
from gantrain.compose import CONFIG_NAME, Asked, beside, explain, known_keys, opened
from gantrain.console import aside, nobody_listens, typed
from gantrain.errors import (
    INTERRUPTED,
    GantrainError,
    Interrupted,
    NonFiniteError,
    meant,
    of_the_file_system,
)
from gantrain.files import is_held, only_begun
from gantrain.keys import GROUPS, config_dir, options_of
from gantrain.overrides import check_blanks, check_overrides, not_an_override
from gantrain.train.cadence import some_four_times
from gantrain.words import as_an_option

GONE = (errno.EPIPE, errno.EIO)  # a reader that has left, a terminal that is gone


def _version() -> None:
    import torch

    from gantrain.runtime import choose_device, describe_device

    print(f"gantrain {__version__}, torch {torch.__version__}, {describe_device(choose_device('auto'))}")


def _train(argv: Sequence[str]) -> None:
    """Training is plain Hydra; `-m` calls the job once per combination, here or in a launcher's process."""
    failed: list[Exception] = []
    trials: list[Exception] = []  # jobs of a sweep that failed in this process

    @hydra_main(version_base="1.3", config_path=config_dir(), config_name=CONFIG_NAME)
    def job(cfg: DictConfig) -> float | None:
        try:
            return sweeps.in_turn(lambda: _train_once(cfg), HydraConfig.get().launcher)
        except Exception as error:
            _forget_frames(error)
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                trials.append(error)
                raise  # the others still run; Hydra raises the first one when all are done
            failed.append(error)  # raised here, Hydra would print a line of its own about it
            return None
        finally:
            if not any(
                override.startswith("hydra.run.dir") for override in HydraConfig.get().overrides.hydra
            ):
                _remove_if_empty(Path(HydraConfig.get().runtime.output_dir))

    sys.argv[1:] = opened(argv)
    try:
        job()
        if one := sweeps.stop_of_all():
            raise one
    except Interrupted as one:
        raise sweeps.stopped(one) from None
    except ValueError as error:  # a search of which no trial went well has nothing to call the best
        if stop := sweeps.stop_of_all():
            raise sweeps.stopped(stop) from None
        raise (trials or [error])[0] from None
    except Exception as error:
        if killed := sweeps.worker_killed(error):
            raise killed from None
        raise
    finally:
        for told in sweeps.conclude():
            print(told)
    if failed:
        raise failed[0]


def _forget_frames(error: BaseException | None) -> None:
    """A sweep keeps every failed job's exception, and its frames would keep that job's networks."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # an error raised again out of its wrapper is a ring
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _train_once(cfg: DictConfig) -> float | None:
    """How bad the run is, for a search; one that became infinite is as bad as can be, and no error to it."""
    from gantrain.config import check_skeleton

    hydra = HydraConfig.get()
    directory = Path(hydra.runtime.output_dir)
    in_sweep = hydra.mode == RunMode.MULTIRUN
    searching = in_sweep and hydra.runtime.choices["hydra/sweeper"] != "basic"
    try:
        if hydra.job.chdir:
            os.chdir(hydra.runtime.cwd)  # so that the directory that was made can go
            reason = "a run stays where it is started: relative paths, typed or told, are meant from there"
            raise GantrainError("hydra.job.chdir", reason, "leave it out")
        if not in_sweep:
            check_skeleton(cfg)  # before torch is imported: this answer comes at once
        if searching and not 0 < cfg.metrics.every <= cfg.train.steps:
            reason = f"a search goes by what is measured within its {cfg.train.steps} steps"
            raise GantrainError("metrics.every", reason, f"metrics.every={some_four_times(cfg.train.steps)}")
        from gantrain.commands.train import train

        return train(cfg, directory, Asked.of(hydra), job=hydra.job.num if in_sweep else None)
    except NonFiniteError:
        if not searching:
            raise
        return inf


def _remove_if_empty(directory: Path) -> None:
    """What Hydra made before gantrain could refuse, the lock that was taken, what was said of the data."""
    if only_begun(directory) and not is_held(directory):
        for path in directory.iterdir():
            path.unlink()
    for folder in (directory, *directory.parents[:2]):  # outputs/<date>/<time>
        if folder != Path.cwd() and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _dispatch(argv: Sequence[str]) -> None:
    first = argv[0] if argv else ""
    check_blanks(argv)
    if first in ("--version", "-V"):
        _version()
    elif first in COMMANDS:
        run_command(first, argv[1:])
    elif first and first[0].isalpha() and "=" not in first:
        raise _no_such_command(first, argv[1:])
    else:
        _train(_checked(argv))


def _no_such_command(word: str, after: Sequence[str]) -> GantrainError:
    if "." in word and word in known_keys():
        return GantrainError(word, "has no value", f"{word}=VALUE; gantrain --cfg job lists all keys")
    if after and after[0] in COMMANDS:
        hint = f"the command comes first: {typed('gantrain', after[0], word, *after[1:])}; "
    elif word == "latest" or Path(word).is_dir():
        return not_an_override(word)
    elif ":" in word and word.partition(":")[0] in known_keys():
        meant_so = typed("gantrain", word.replace(":", "=", 1), *after)
        return GantrainError(word, "has a colon for its =", meant_so)
    else:
        words = (*COMMANDS, "--help", "--version")
        hint = f"{options_of(word)}; " if word in GROUPS else meant(word, words, "gantrain ", 0.5)
    remedy = f"{hint}commands: {', '.join(COMMANDS)}; training needs no word: gantrain [key=value]"
    return GantrainError(word, "no such command", remedy)


def _checked(argv: Sequence[str]) -> list[str]:
    """The flags, then the overrides, which Hydra wants in one place; refuses what it would answer with a page
    of usage or a traceback.
    """
    parser = get_args_parser()
    parser.error = _refuse_flag  # type: ignore[method-assign]  # instead of a page of usage
    known, unknown = parser.parse_known_intermixed_args(list(argv))
    if command := next((word for word in (*known.overrides, *unknown) if word in COMMANDS), ""):
        place = argv.index(command)
        hydras = [word for word in argv[:place] if word in parser._option_string_actions]
        before = [] if hydras else argv[:place]
        remedy = f"the command first: {typed('gantrain', *argv[place:], *before)}"
        raise GantrainError(argv[0], "stands before a command", remedy)
    if unknown:
        raise _no_such_flag(unknown[0], [*unknown[1:], *known.overrides], parser)
    if known.config_dir is not None and not Path(known.config_dir).is_dir():
        raise GantrainError("--config-dir", f"there is no folder {known.config_dir}", "check the path")
    modes = [name for name in ("run", "multirun", "cfg", "info", "shell_completion") if getattr(known, name)]
    if len(modes) > 1:
        together = " and ".join(f"--{name.replace('_', '-')}" for name in modes)
        raise GantrainError(together, "cannot be done together", "leave all but one out")
    check_overrides(known.overrides)
    flags = list(argv)
    for override in known.overrides:
        flags.remove(override)
    return [*flags, *known.overrides]


def _no_such_flag(flag: str, others: Sequence[str], parser: ArgumentParser) -> GantrainError:
    """others: words that may be its value."""
    reason, name = "no such flag", flag.lstrip("-").partition("=")[0]
    owners = [
        f"gantrain {one}"
        for one, command in COMMANDS.items()
        if any(flag in flags for flags, _ in command.arguments)
    ]
    hint = meant(flag, (*parser._option_string_actions, "--version"), likeness=0.8)
    if hint and not owners:
        return GantrainError(flag, reason, hint.strip())
    if name in COMMANDS:
        return GantrainError(flag, reason, f"did you mean gantrain {name}?")
    if owners and name not in known_keys():
        return GantrainError(flag, reason, f"that is one of: {', '.join(owners)}")
    return GantrainError(flag, reason, f"{as_an_option(flag, others)}gantrain --hydra-help lists flags")


def _refuse_flag(message: str) -> NoReturn:
    raise GantrainError("", message, "gantrain --hydra-help explains the flags")


def main() -> None:
    """Runs the command line and exits: 0 done, 2 user's input, 3 non-finite, 130/143 stopped, 1 our fault."""
    for stream in (sys.stdout, sys.stderr):  # a file's name need not be one that the terminal can show
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = _guarded(sys.argv[1:])
    sys.exit(_told(sys.stdout) or code)


def _told(stream: TextIO) -> int:
    """Prints what still waits for it; Python would only try on its way out, and end with 120."""
    try:
        stream.flush()
    except OSError as error:
        nobody_listens(stream)  # what is left goes there
        if error.errno not in GONE:
            error.filename = "what is printed"
            return _say(f"error: {of_the_file_system(error, '', again='type it again') or error}", 2)
    return 0


def _guarded(argv: Sequence[str]) -> int:
    wants_trace = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands us the exception instead of printing and exiting
    try:
        _dispatch(argv)
        return 0
    except Interrupted as stopped:
        return _say(str(stopped), stopped.exit_code)
    except KeyboardInterrupt:
        return _say("interrupted while nothing was trained: there was nothing to save", INTERRUPTED)
    except BrokenPipeError:  # `gantrain compare SWEEP --format md | head`
        nobody_listens(sys.stdout)
        return 0
    except (GantrainError, HydraException, OmegaConfBaseException, YAMLError, OSError) as error:
        friendly = _friendly(error, argv)
        if wants_trace or friendly is None:
            traceback.print_exc()
            return getattr(friendly, "exit_code", 1)
        return (
            friendly.exit_code
            if getattr(error, "reported", False)
            else _say(f"error: {friendly}", friendly.exit_code)
        )
    except Exception as error:
        if (told := sweeps.told_by_a_job(error)) and not wants_trace:
            return _say(f"error: {told}", told.exit_code)
        if not getattr(error, "reported", False):
            traceback.print_exc()
        return 1
    finally:
        if not wants_trace:
            os.environ.pop("HYDRA_FULL_ERROR", None)


def _friendly(error: Exception, argv: Sequence[str]) -> GantrainError | None:
    """The user's side of an error; None if it is ours."""
    if isinstance(error, GantrainError):
        return error
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        command = argv[0] if argv else ""
        return file_error(command, error) if command in COMMANDS else of_the_file_system(error)
    if isinstance(error, YAMLError):
        mark = getattr(error, "problem_mark", None)
        where = f"{mark.name}, line {mark.line + 1}" if mark else "a YAML file"
        return GantrainError(where, "is not YAML", str(getattr(error, "problem", None) or "correct it there"))
    known, _ = get_args_parser().parse_known_intermixed_args(list(argv))
    return explain(error, [*known.overrides, *beside(known.config_dir)])


def _say(text: str, code: int) -> int:
    aside(text)
    return code
