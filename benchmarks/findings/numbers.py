"""The numbers that decide: from the files of a finished run to one value each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

from gantrain import files

CLOSING_LOOKS = 3
EARLY = 200  # steps
WINDOW = 25  # steps that are averaged before a curve is called wobbly

Row = dict[str, Any]
Nulls = Mapping[str, tuple[float, float]]
"""signal -> (mean, standard deviation) between real and real, as metrics.reference has them."""


@dataclass(frozen=True)
class Files:
    """What a run has left. `nulls` are those of its data."""

    directory: Path
    nulls: Nulls

    @cached_property
    def summary(self) -> Row:
        return files.read_summary(self.directory)

    @cached_property
    def signals(self) -> list[Row]:
        return files.read_rows(self.directory / files.SIGNALS)

    @cached_property
    def logged(self) -> list[Row]:
        return files.read_rows(self.directory / files.METRICS)

    @cached_property
    def evaluations(self) -> list[Row]:
        return files.read_rows(self.directory / files.EVALUATIONS)

    @cached_property
    def closing(self) -> list[Row]:
        """The three independent looks after the last step; none after a run that did not finish."""
        if self.summary.get("status") != "finished":
            return []
        return [row for row in self.signals[-CLOSING_LOOKS:] if row["step"] == self.summary["step"]]

    @cached_property
    def seconds_per_step(self) -> float | None:
        """Median over the logged rows: what looks at a few of them cost does not matter."""
        spans = [
            (after["seconds"] - before["seconds"]) / (after["step"] - before["step"])
            for before, after in pairwise(self.logged)
        ]
        return median(spans) if spans else None


# ---- Ways to take a number -------------------------------------------------------------------------------


def mean_of(rows: Sequence[Row], key: str) -> float | None:
    """Over the rows that have it."""
    values = [row[key] for row in rows if row.get(key) is not None]
    return fmean(values) if values else None


def closing(key: str, run: Files) -> float | None:
    return mean_of(run.closing, key)


def null(key: str, run: Files) -> float | None:
    return run.nulls[key][0] if key in run.nulls else None


def evaluated(key: str, run: Files) -> float | None:
    """At the last look of a finished run."""
    finished = run.summary.get("status") == "finished" and run.evaluations
    return run.evaluations[-1]["metrics"][key]["value"] if finished else None


def evaluated_null(key: str, run: Files) -> float | None:
    return run.evaluations[-1]["metrics"][key]["null_mean"] if run.evaluations else None


def excess(run: Files) -> float | None:
    """log10 of the lattice's power above the reals', the stronger of both periods."""
    found = [(closing(key, run), null(key, run)) for key in ("lattice_2", "lattice_4")]
    values = [fake - real for fake, real in found if fake is not None and real is not None]
    return max(values) if values else None


def untrained(key: str, run: Files) -> float | None:
    return mean_of([row for row in run.signals if row["step"] == 0], key)


def early(key: str, run: Files) -> float | None:
    return mean_of([row for row in run.signals if 0 < row["step"] <= EARLY], key)


def first(key: str, run: Files) -> float | None:
    """Of the first logged row; with tracking.every=1 that of the first step."""
    return run.logged[0].get(key) if run.logged else None


def wobble(values: Sequence[float]) -> float | None:
    """mean |x[i-1] - 2 x[i] + x[i+1]| / mean |x|: what is left of a curve without its trend."""
    if len(values) < 3 or not any(values):
        return None
    bends = [abs(a - 2 * b + c) for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    return fmean(bends) / fmean(abs(x) for x in values)


def wobble_logged(key: str, run: Files) -> float | None:
    """Of means over 25 steps each, however often there was a row."""
    windows: dict[int, list[Row]] = {}
    for row in run.logged:
        windows.setdefault((row["step"] - 1) // WINDOW, []).append(row)
    means = [mean_of(rows, key) for rows in windows.values()]
    return wobble([mean for mean in means if mean is not None])


def wobble_evaluated(key: str, run: Files) -> float | None:
    return wobble([row["metrics"][key]["value"] for row in run.evaluations])


def median_logged(key: str, run: Files) -> float | None:
    values = [row[key] for row in run.logged if row.get(key) is not None]
    return median(values) if values else None


def milliseconds(run: Files) -> float | None:
    return None if run.seconds_per_step is None else 1000 * run.seconds_per_step


# ---- The numbers -----------------------------------------------------------------------------------------

Measure = Callable[[Files], float | None]


@dataclass(frozen=True)
class Number:
    """`better`: which direction, for the reader. `real`: what real pictures have against real pictures."""

    title: str
    meaning: str
    measure: Measure | None
    """None: of a whole part (COMPARED)."""
    better: str = ""
    real: Measure | None = None


def _evaluated(key: str, title: str, meaning: str, better: str) -> Number:
    return Number(title, meaning, partial(evaluated, key), better, partial(evaluated_null, key))


def _closing(key: str, title: str, meaning: str, better: str = "") -> Number:
    return Number(title, meaning, partial(closing, key), better, partial(null, key))


def _only(title: str, meaning: str, measure: Measure | None, better: str = "") -> Number:
    return Number(title, meaning, measure, better)


NUMBERS: dict[str, Number] = {
    "fd_rand": _evaluated("fd_rand", "fd_rand", "Frechet distance of random features, 1,000 fakes", "lower"),
    "coverage_rand": _evaluated(
        "coverage_rand", "coverage", "share of the reals with a fake close by, random features", "higher"
    ),
    "vendi_rand": _evaluated(
        "vendi_rand", "vendi_rand", "distinct pictures, fakes over reals, random features", "near 1"
    ),
    "vendi_ratio": _closing(
        "vendi_ratio", "Vendi ratio", "distinct pictures, fakes over reals, of 64 pixel components", "higher"
    ),
    "lattice": _only(
        "lattice excess", "the stronger of the next two, above the reals; the doctor's bound is 0.6",
        excess, "lower",
    ),
    "lattice_2": _closing("lattice_2", "period 2", "log10 of how far frequencies of that period stand out"),
    "lattice_4": _closing("lattice_4", "period 4", "log10 of how far frequencies of that period stand out"),
    "phase_energy": _closing(
        "phase_energy", "phase energy", "how unevenly the detail lies over the places of a period", "lower"
    ),
    "untrained_phase": _only(
        "blocks, untrained",
        "before the first step, above the reals: how much more neighbours differ at some places of a period",
        partial(untrained, "untrained_phase_difference"), "lower",
    ),
    "detail": _closing("detail", "detail", "log10 of the power in the finest quarter, fakes over reals"),
    "border": _closing(
        "border", "border", "log2 of the outermost ring's contrast over the third one's, against the reals"
    ),
    "speckle": _closing(
        "speckle", "speckle", "share of the values at places where reals hardly vary that deviate", "lower"
    ),
    "used_ratio_g": _only(
        "gradient used", "length of the gradient that moves G over that of its own loss; 1 is right",
        partial(closing, "used_ratio_g"),
    ),
    "used_cosine_g": _only(
        "its direction", "cosine between the two; 1 is right", partial(closing, "used_cosine_g")
    ),
    "signal_g_early": _only(
        "signal, early", f"mean size of dL_G / dD(G(z)), over the looks of the first {EARLY} steps",
        partial(early, "signal_g"), "higher",
    ),
    "signal_g": _only("signal, late", "the same at the end", partial(closing, "signal_g"), "higher"),
    "wobble_d": _only(
        "wobble of loss D", f"of means over {WINDOW} steps: mean size of second differences over the mean",
        partial(wobble_logged, "loss_d"), "lower",
    ),
    "wobble_g": _only("wobble of loss G", "the same", partial(wobble_logged, "loss_g"), "lower"),
    "wobble_fd": _only(
        "wobble of fd", "the same over the looks at fd_rand", partial(wobble_evaluated, "fd_rand"), "lower"
    ),
    "first_loss_d": _only("first loss D", "at the first step", partial(first, "loss_d")),
    "first_loss_g": _only("first loss G", "at the first step", partial(first, "loss_g")),
    "images_per_second": _only(
        "images/s", "median over the run, one thread, beside another run",
        partial(median_logged, "images_per_second"), "higher",
    ),
    "ms_per_step": _only(
        "ms a step", "median over the run, one thread, beside another run", milliseconds, "lower"
    ),
    "lead": _only(
        "lead", "mean extra steps of G a round; negative: of D", lambda run: mean_of(run.logged, "lead")
    ),
    "fd_equal_step": _only(
        "fd, equal steps", "fd_rand at the last step that all options reached", None, "lower"
    ),
    "fd_equal_time": _only(
        "fd, equal time", "fd_rand when the quickest option was done, between looks on a line", None, "lower"
    ),
}  # fmt: skip

# ---- A run's row -----------------------------------------------------------------------------------------


def measured(run: Files) -> Row:
    """Everything that the page needs of a run: `numbers`, `real`, and `curve`.

    curve: [step, seconds of training, fd_rand] at every look; the seconds leave out what looks take.
    """
    taken = {name: number.measure(run) for name, number in NUMBERS.items() if number.measure}
    reals = {name: number.real(run) for name, number in NUMBERS.items() if number.real}
    pace = run.seconds_per_step or math.nan
    curve = [[row["step"], pace * row["step"], row["metrics"]["fd_rand"]["value"]] for row in run.evaluations]
    return {
        "status": run.summary.get("status"),
        "step": run.summary.get("step", 0),
        "numbers": _finite(taken),
        "real": _finite({name: reals[name] for name in reals if taken[name] is not None}),
        "curve": [[_short(value) for value in point] for point in curve if all(map(math.isfinite, point))],
    }


def _finite(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: _short(v) for name, v in values.items() if v is not None and math.isfinite(v)}


def _short(value: float) -> float:
    return float(f"{value:.4g}")


# ---- Numbers of a whole part -----------------------------------------------------------------------------

Curve = Sequence[Sequence[float]]


def at_step(curve: Curve, step: float) -> float | None:
    """fd_rand at a look."""
    return next((fd for s, _, fd in curve if s == step), None)


def at_time(curve: Curve, seconds: float) -> float | None:
    """fd_rand between two looks, on a straight line; None before the first look and after the last."""
    for (_, begin, fd), (_, end, later) in pairwise(curve):
        if begin <= seconds <= end:
            return fd + (later - fd) * (seconds - begin) / (end - begin)
    return None


def last_common_step(curves: Sequence[Curve]) -> float | None:
    common = set.intersection(*({point[0] for point in curve} for curve in curves)) if curves else set()
    return max(common, default=None)


def shortest_time(curves: Sequence[Curve]) -> float | None:
    return min((curve[-1][1] for curve in curves if curve), default=None)


COMPARED: dict[
    str, tuple[Callable[[Sequence[Curve]], float | None], Callable[[Curve, float], float | None]]
] = {
    "fd_equal_step": (last_common_step, at_step),
    "fd_equal_time": (shortest_time, at_time),
}
"""number -> where all runs of a part are compared, and the value there."""
