"""What a run has left behind, read from its directory: finished, still going, or dead. No torch here."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gantrain import files
from gantrain.compose import extended
from gantrain.console import aside
from gantrain.doctor.rules.rule import SEVERITIES
from gantrain.errors import GantrainError
from gantrain.keys import command_line, flatten, key_of, within
from gantrain.metrics.kinds import badness, is_less
from gantrain.overrides import assigned

Row = dict[str, Any]
NOT_TYPED = ("hydra.", "hydra/")
KILLED = "killed"
THREADS = "runtime.threads"
USUAL_METRIC = "fd_rand"
SHOWN_METRICS = ("fd_rand", "fd_pca64", "coverage_rand", "vendi_rand")  # beside the one that ranks


@dataclass(frozen=True)
class Record:
    """A run as its files tell it. `name`: as pages call it, short and unlike the others'."""

    directory: Path
    name: str

    @cached_property
    def summary(self) -> Row:
        """Empty where there is none, or none that can be read."""
        try:
            return files.read_summary(self.directory)
        except (OSError, GantrainError):
            return {}

    @cached_property
    def config(self) -> Row:
        """The resolved configuration, flattened; empty of a run that was refused before it had one."""
        try:
            loaded: Any = OmegaConf.to_container(OmegaConf.load(self.directory / files.CONFIG))
            return flatten(loaded)
        except (OSError, OmegaConfBaseException, YAMLError, TypeError, AttributeError):
            return {}

    @cached_property
    def logged(self) -> list[Row]:
        return files.read_rows(self.directory / files.METRICS)

    @cached_property
    def signals(self) -> list[Row]:
        return files.read_rows(self.directory / files.SIGNALS)

    @cached_property
    def evaluations(self) -> list[Row]:
        """Those of the training itself, in order of their steps."""
        rows = files.read_rows(self.directory / files.EVALUATIONS)
        return [row for row in rows if row["step"] and "images" not in row]

    @cached_property
    def findings(self) -> list[Row]:
        """What stands: the cause, then its symptoms, worst first."""
        last = {row["rule"]: row for row in files.read_rows(self.directory / files.FINDINGS)}
        standing = [row for row in last.values() if row["state"] == "active"]
        return sorted(standing, key=lambda row: (not row["primary"], -SEVERITIES.index(row["severity"])))

    @cached_property
    def grids(self) -> dict[int, Path]:
        """step -> sample grid."""
        found = files.numbered(self.directory / files.SAMPLES, "png")
        return {int(path.stem): path for path in found}

    @property
    def real(self) -> Path | None:
        path = self.directory / files.SAMPLES / files.REAL
        return path if path.is_file() else None

    # ---- What is asked most ------------------------------------------------------------------------------

    @cached_property
    def status(self) -> str:
        """Of its summary, but for a run that never said that it ended, and that nobody trains any more."""
        told = str(self.summary.get("status", "unknown"))
        return KILLED if told == "running" and not files.is_held(self.directory) else told

    @property
    def error(self) -> str | None:
        """The reason of a run that failed, its first line."""
        text = self.summary.get("error")
        return str(text).splitlines()[0] if text else None

    @property
    def diverged(self) -> bool:
        """It failed because a number was not finite: by its settings, not by a full disk."""
        return bool(self.summary.get("diverged"))

    @property
    def past_best(self) -> bool:
        """More steps would only make it worse, as far as its looks tell."""
        return bool((self.summary.get("best") or {}).get("past_best"))

    @property
    def step(self) -> int:
        """Of its last checkpoint, or, where it has told of a later one since, that."""
        told = self.logged[-1]["step"] if self.logged else 0
        return max(int(self.summary.get("step", 0)), told)

    @property
    def total(self) -> int | None:
        return self.config.get("train.steps")

    @property
    def through(self) -> bool:
        """It has trained all that it was to, or ended by itself (train.stop_when_worse)."""
        return self.status == "finished" or (self.total is not None and self.step >= self.total)

    @property
    def seed(self) -> int | None:
        return self.config.get("seed")

    @property
    def overrides(self) -> tuple[str, ...]:
        """As typed, without Hydra's own."""
        return tuple(o for o in self.summary.get("overrides", ()) if not key_of(o).startswith(NOT_TYPED))

    @property
    def choices(self) -> Mapping[str, str]:
        """group -> option."""
        return self.summary.get("choices") or {}

    @property
    def command(self) -> str | None:
        """Repeats the run; None of a run that does not say what was typed."""
        return self.command_with(())

    def command_with(self, added: Sequence[str]) -> str | None:
        """Repeats the run with these overrides as well."""
        if "overrides" not in self.summary:
            return None
        words = extended(self.overrides, added)
        is_sweep = any(key_of(word) == "sweep" for word in words)
        alone = ["hydra.mode=RUN"] if is_sweep else []  # a ready-made sweep would start anew
        if (limited := self.summary.get("threads")) and THREADS not in map(key_of, words):
            alone.append(f"{THREADS}={limited}")  # other numbers of them compute other last bits
        return command_line([*words, *alone], self.summary.get("config_dir"))

    @property
    def metric(self) -> str:
        """By which its best checkpoint is kept."""
        return str(self.config.get("metrics.best") or USUAL_METRIC)

    @property
    def serious(self) -> list[Row]:
        """What is wrong: findings that are more than remarks."""
        return [finding for finding in self.findings if finding["severity"] != "info"]

    @property
    def primary(self) -> Row | None:
        """The finding that is the cause."""
        return next((finding for finding in self.findings if finding["primary"]), None)

    def measured(self, metric: str, step: int | None = None) -> Row | None:
        """The metric at its best look, or at the one of `step`: value, step, null_mean, stamp, ...; None if
        it was not measured then, or never.

        Looks that were made otherwise than the last one (a resume may change metrics.count) do not count.
        """
        looks = [
            row["metrics"][metric] | {"step": row["step"]}
            for row in self.evaluations
            if metric in row["metrics"]
        ]
        looks = [
            look
            for look in looks
            if look["stamp"] == looks[-1]["stamp"]
            and step in (None, look["step"])
            and look["value"] is not None
            and math.isfinite(look["value"])
        ]
        return min(looks, key=lambda look: badness(metric, look["value"]), default=None)

    @property
    def gets_better(self) -> bool:
        """Whether its last look is better than all before it, by more than noise."""
        looks = [
            self.measured(self.metric, step) for step in sorted({row["step"] for row in self.evaluations})
        ]
        *before, last = [badness(self.metric, look["value"]) for look in looks if look] or [0.0]
        return bool(before) and is_less(last, min(before))

    @property
    def images_per_second(self) -> float | None:
        """Over the whole run."""
        seconds, images = self.summary.get("seconds"), self.summary.get("images")
        return images / seconds if seconds and images else None


def anew(run: Path) -> str:
    """What to do about a run that has saved nothing: wait for it, or the command that starts it again."""
    if files.is_held(run):
        return "let it train to its first checkpoint"
    command = Record(run, run.name).command_with([assigned("hydra.run.dir", files.relative(run))])
    return f"start it anew: {command}" if command else "start it anew"


def records_of(places: Sequence[str]) -> tuple[list[Record], Path | None]:
    """The runs of all places, and the sweep they belong to if one place was named and is a sweep.

    places: runs, checkpoints, `latest`, or folders of runs.

    Raises:
        GantrainError: nothing there, or a folder without runs.
    """
    if len(places) > 1:  # SWEEP/* names files as well
        places = [place for place in places if not Path(place).is_file() or place.endswith(".pt")]
        if not places:
            remedy = "name a sweep's folder, or runs"
            raise GantrainError("compare", "these are files, and none is a checkpoint", remedy)
    if len(places) > 1:  # outputs/DATE/* names one that has hardly begun as well
        empty = [place for place in places if _is_sweep(Path(place)) and not runs_in(Path(place))]
        places = [place for place in places if place not in empty] or places
        if empty != places:
            for place in empty:
                aside(f"warning: {place}: there is no run in it, so it is left out")
    runs = list(dict.fromkeys(run for place in places for run in _runs_at(place)))
    records = [Record(run, name) for run, name in zip(runs, _short(runs), strict=True)]
    return records, Path(places[0]).resolve() if len(places) == 1 and _is_sweep(Path(places[0])) else None


def _is_sweep(folder: Path) -> bool:
    return folder.is_dir() and not _is_run(folder)


def _is_run(folder: Path) -> bool:
    """Also one that was refused before it had a configuration."""
    return (folder / files.CONFIG).is_file() or (folder / files.SUMMARY).is_file()


def _runs_at(place: str) -> list[Path]:
    folder = Path(place)
    if _is_sweep(folder):
        if runs := runs_in(folder):
            return runs
        raise GantrainError(place, "there is no run in it", "name a sweep's folder, or runs")
    return [folder.resolve() if folder.is_dir() else files.find_run(place)[0].resolve()]


def runs_in(folder: Path) -> list[Path]:
    """The runs below a folder, such as the jobs of a sweep, also those that died before they had a
    configuration; in the order of their paths, numbers by their value.
    """
    found: list[Path] = []
    for place, folders, _ in os.walk(folder):
        seen = [name for name in folders if not name.startswith(".")]  # not Hydra's own, .hydra
        runs = [name for name in seen if _is_run(Path(place, name))]
        found += [Path(place, name) for name in runs]
        folders[:] = [name for name in seen if name not in runs]
    found.sort(key=lambda run: [_by_value(part) for part in run.relative_to(folder).parts])
    return [run.resolve() for run in found]


def _by_value(part: str) -> tuple[bool, int, str]:
    return not part.isdecimal(), int(part) if part.isdecimal() else 0, part


def _grid(sweep: Path) -> tuple[list[str], list[str], list[str]] | None:
    """Of a grid, as Hydra keeps it: its parameters, what was typed for the jobs, and what for Hydra. None:
    nobody knows, or Hydra could not read it again.
    """
    try:
        hydra = OmegaConf.load(sweep / "multirun.yaml").hydra
        if "BasicSweeper" not in hydra.sweeper._target_:
            return None
        given = [f"{key}={value}" for key, value in (hydra.sweeper.params or {}).items()]
        task = list(hydra.overrides.task)
        values_typed([*given, *task])
        return given, task, list(hydra.overrides.get("hydra") or ())
    except (
        OSError,
        OmegaConfBaseException,
        YAMLError,
        HydraException,
        AttributeError,
        TypeError,
        ValueError,
    ):
        return None


def values_typed(words: Sequence[str]) -> dict[str, list[str]]:
    """The values of each key: one, or those of a sweep."""
    return {
        one.get_key_element(): list(one.sweep_string_iterator())
        if one.is_sweep_override()
        else [one.get_value_string()]
        for one in OverridesParser.create().parse_overrides(list(words))
    }


def values_swept(sweep: Path) -> dict[str, int] | None:
    """How many values each typed key has in a grid; None: nobody knows."""
    grid = _grid(sweep)
    if grid is None:
        return None
    given, task, _ = grid
    return {key: len(values) for key, values in values_typed([*given, *task]).items()}


def jobs_of(sweep: Path) -> int | None:
    """How many jobs it is to have; None: nobody knows."""
    counts = values_swept(sweep)
    return None if counts is None else prod(counts.values())


def typed_for(sweep: Path) -> tuple[str, ...]:
    """What was typed for a grid, but for its folder; () if nobody knows."""
    _, task, own = _grid(sweep) or ([], [], [])
    return (*task, *(one for one in own if not within(key_of(one), ("hydra.sweep", "hydra.mode"))))


def readable(name: str) -> str:
    """Of a folder whose name is no text the bytes that are none are escaped, as on the terminal."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _short(runs: Iterable[Path]) -> list[str]:
    """As few of the last parts of each path as tell them apart."""
    parts = [run.parts for run in runs]
    for length in range(1, max(map(len, parts)) + 1):
        names = [readable("/".join(one[-length:])) for one in parts]
        if len(set(names)) == len(set(parts)):
            return names
    raise AssertionError(parts)
