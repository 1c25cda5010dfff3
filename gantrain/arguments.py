"""The commands beside training: the word in argv[1], and the arguments argparse is to read. No torch here."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantrain import files
from gantrain.console import typed
from gantrain.errors import GantrainError, of_the_file_system
from gantrain.words import Parser, count, frames, seed

Arguments = argparse.Namespace


def _resume(arguments: Arguments) -> None:
    from gantrain.commands.resume import resume

    resume(arguments.run, arguments.overrides)


def _run_and_options(arguments: Arguments) -> tuple[str, dict[str, Any]]:
    """RUN, or its best checkpoint, and all other arguments."""
    options = dict(vars(arguments))
    run = options.pop("run")
    return str(files.best_checkpoint(run)) if options.pop("best") else run, options


def _sample(arguments: Arguments) -> None:
    from gantrain.commands.sample import sample

    run, options = _run_and_options(arguments)
    sample(run, **options)


def _inspect(arguments: Arguments) -> None:
    from gantrain.commands.inspect import inspect

    inspect(arguments.overrides, arguments.out, arguments.config_dir)


def _evaluate(arguments: Arguments) -> None:
    from gantrain.commands.evaluate import evaluate

    run, options = _run_and_options(arguments)
    evaluate(run, **options)


def _compare(arguments: Arguments) -> None:
    from gantrain.commands.compare import compare

    compare(arguments.places, arguments.format, arguments.metric, arguments.out)


def _export(arguments: Arguments) -> None:
    from gantrain.commands.export import export

    run, options = _run_and_options(arguments)
    export(run, **options)


def _doctor(arguments: Arguments) -> None:
    from gantrain.commands.doctor import examine, preflight

    if arguments.preflight:
        preflight(arguments.what, arguments.strict, arguments.config_dir, arguments.device)
        return
    if not arguments.what:
        raise GantrainError("RUN", "is missing", "gantrain doctor latest, or gantrain doctor --preflight")
    run, *settings = arguments.what
    if "=" in run and not Path(run).exists():
        planned = typed("gantrain", "doctor", "--preflight", *arguments.what)
        raise GantrainError(run, "is no run", f"of one that is only planned: {planned}")
    examine(run, settings, arguments.strict, arguments.device, arguments.deep)


RUN = (("run",), {"metavar": "RUN", "help": "a run directory, a checkpoint file, or `latest`"})


BEST = (("--best",), {"action": "store_true", "help": "its best checkpoint by metrics.best, not the newest"})
SEED = (("--seed",), {"type": seed, "default": 0, "help": "same seed, same pictures (0)"})
DEVICE = (("--device",), {"default": "auto", "help": "auto, cpu, cuda or mps"})
CONFIG_DIR = (("--config-dir",), {"metavar": "DIR", "help": "a folder of options of your own"})


@dataclass(frozen=True)
class Command:
    """A word in argv[1]: what it does and the arguments argparse is to read."""

    run: Callable[[Arguments], None]
    help: str
    arguments: tuple[tuple[tuple[str, ...], dict[str, Any]], ...]


COMMANDS = {
    "resume": Command(
        _resume,
        "go on exactly where RUN stopped, with RUN's own saved config",
        (
            RUN,
            (
                ("overrides",),
                {"nargs": "*", "default": [], "metavar": "key=value", "help": "e.g. train.steps=4000"},
            ),
        ),
    ),
    "sample": Command(
        _sample,
        "draw pictures with RUN's averaged generator",
        (
            RUN,
            BEST,
            (
                ("-n", "--count"),
                {"type": count, "help": "how many pictures (64), or rows of a walk (8)"},
            ),
            SEED,
            (
                ("--format",),
                {
                    "choices": ("grid", "png", "npz"),
                    "default": "grid",
                    "help": "one grid, single files, or an array",
                },
            ),
            (
                ("--walk",),
                {"type": frames, "metavar": "FRAMES", "help": "a grid of walks from one picture to another"},
            ),
            (("--class",), {"dest": "label", "metavar": "K", "help": "only this class, by number or name"}),
            (("--out",), {"type": Path, "metavar": "DIR", "help": "where to (RUN/samples/drawn)"}),
            DEVICE,
        ),
    ),
    "evaluate": Command(
        _evaluate,
        "how good RUN's pictures are, against the run's data",
        (
            RUN,
            (
                ("settings",),
                {
                    "nargs": "*",
                    "default": [],  # else argparse would say that it is required
                    "metavar": "data.root=DIR",
                    "help": "where its data lie now, if moved",
                },
            ),
            BEST,
            (
                ("-n", "--count"),
                {
                    "type": count,
                    "default": 10_000,
                    "help": "how many to draw (10000; at most the real ones)",
                },
            ),
            (
                ("--split",),
                {
                    "choices": ("held_out", "train", "all"),
                    "default": "held_out",
                    "help": "the real pictures to compare with (held_out)",
                },
            ),
            (
                ("--images",),
                {"type": Path, "metavar": "DIR", "help": "judge the pictures in this folder instead"},
            ),
            SEED,
            DEVICE,
            (
                ("--inception-weights",),
                {"type": Path, "metavar": "FILE", "help": "adds the real FID; needs gantrain[fid]"},
            ),
            (("--json",), {"action": "store_true", "help": "print JSON"}),
        ),
    ),
    "doctor": Command(
        _doctor,
        "what is wrong with RUN, and what to change; or with a run that is only planned",
        (
            (
                ("what",),
                {
                    "nargs": "*",
                    "metavar": "RUN [doctor.key=value]",
                    "help": "a run directory, a checkpoint file (what is found at an older one is only "
                    "printed), or `latest`; with --preflight: overrides",
                },
            ),
            (("--preflight",), {"action": "store_true", "help": "before a run, by its overrides"}),
            (("--strict",), {"action": "store_true", "help": "exit with 3 if a finding is an error"}),
            (("--deep",), {"action": "store_true", "help": "also the duality gap: each player trains alone"}),
            DEVICE,
            CONFIG_DIR,
        ),
    ),
    "compare": Command(
        _compare,
        "which of several runs was better: one page, or a table",
        (
            (
                ("places",),
                {"nargs": "+", "metavar": "SWEEP | RUN", "help": "a sweep's folder, or several runs"},
            ),
            (
                ("--format",),
                {
                    "choices": ("html", "md", "csv"),
                    "default": "html",
                    "help": "md and csv are printed (html)",
                },
            ),
            (
                ("--metric",),
                {"metavar": "NAME", "help": "rank by this, e.g. coverage_rand (the runs' metrics.best)"},
            ),
            (
                ("--out",),
                {
                    "type": Path,
                    "metavar": "FILE",
                    "help": "where to (SWEEP/compare.html; md, csv: printed)",
                },
            ),
        ),
    ),
    "export": Command(
        _export,
        "RUN's averaged generator, for use without gantrain",
        (
            RUN,
            BEST,
            (
                ("--format",),
                {
                    "choices": ("onnx", "torch", "safetensors"),
                    "default": "onnx",
                    "help": "onnx, .pt2 or weights (onnx)",
                },
            ),
            (
                ("--out",),
                {"type": Path, "metavar": "FILE", "help": "where to (RUN/export/STEP/generator...)"},
            ),
            (("--seed",), {"type": seed, "default": 0, "help": "of the latents it is checked with (0)"}),
        ),
    ),
    "inspect": Command(
        _inspect,
        "what the data is, before a run is paid for",
        (
            (
                ("overrides",),
                {"nargs": "*", "metavar": "key=value", "help": "e.g. data=folder data.root=DIR"},
            ),
            CONFIG_DIR,
            (
                ("--out",),
                {"type": Path, "metavar": "FILE", "help": "where the preview goes (outputs/inspect/...png)"},
            ),
        ),
    ),
}


# Options that would have no effect beside others: (whether they stand together, the option, why, remedy).
WITHOUT_EFFECT: tuple[tuple[Callable[[dict[str, Any]], bool], str, str, str], ...] = (
    (
        lambda given: given.get("best", False) and Path(given["run"]).is_file(),
        "--best",
        "chooses among a run's checkpoints, and one is named already",
        "name the run's directory, or leave --best out",
    ),
    (
        lambda given: given.get("best", False) and given.get("images") is not None,
        "--best",
        "chooses what to draw with, and --images is drawn already",
        "leave one of them out",
    ),
    (
        lambda given: given.get("preflight", False) and given["deep"],
        "--deep",
        "looks at networks that are trained, and --preflight is before that",
        "leave one of them out",
    ),
    (
        lambda given: not given.get("preflight", True) and given["config_dir"] is not None,
        "--config-dir",
        "is for --preflight: a run has saved its whole configuration",
        "leave it out",
    ),
)


def run_command(name: str, words: Sequence[str]) -> None:
    """Runs `gantrain NAME WORDS`.

    Raises:
        GantrainError: arguments that it does not take, or not together.
    """
    arguments = _parser_of(name).parse_intermixed_args(words)
    for stand_together, option, reason, remedy in WITHOUT_EFFECT:
        if stand_together(vars(arguments)):
            raise GantrainError(option, reason, remedy)
    COMMANDS[name].run(arguments)


def file_error(name: str, error: OSError) -> GantrainError | None:
    """What a user can do about an error of the file system in a command."""
    outs = [options for flags, options in COMMANDS[name].arguments if "--out" in flags]
    place = f"--out {outs[0]['metavar']}" if outs else ""
    again = {} if name == "resume" else {"again": "type it again"}
    return of_the_file_system(error, place, **again)


def _parser_of(name: str) -> argparse.ArgumentParser:
    command = COMMANDS[name]
    parser = Parser(prog=f"gantrain {name}", description=command.help)
    parser.elsewhere = _switches()
    for flags, options in command.arguments:
        parser.add_argument(*flags, **options)
    return parser


def _switches() -> dict[str, list[str]]:
    """--best -> the commands that take it."""
    found: dict[str, list[str]] = {}
    for name, command in COMMANDS.items():
        for flags, options in command.arguments:
            if options.get("action") == "store_true":
                found.setdefault(flags[-1], []).append(name)
    return found
