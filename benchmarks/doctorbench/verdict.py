"""Broken or healthy, from the oracle's numbers alone: each run against the healthy ones of its data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

Numbers = Mapping[str, float]
Row = dict[str, Any]

FAR = 2.5
"""Times the healthy median of the energy distance, which is a square: 1.6 times as far off. In the tune set's
gap: recipes without a fault stay below 2.0, but for two that fail, and the mildest collapse is at 2.9."""
FEW = 0.75  # of the healthy median of classes that appear, and of their effective number
ALIKE = 0.5  # of the healthy median of the samples' mean distance from each other
REPEATED = 0.2  # share of samples that are near-exact copies of another one, above the healthy median
BY_HEART = 0.25  # D's accuracy on seen above that on unseen pictures, beyond the healthy median
NON_FINITE = 3  # the exit code
ENOUGH = 3  # healthy runs of a data set


@dataclass(frozen=True)
class Criterion:
    """A way to be broken. `bad(value, normal)`: the run's number against its data set's healthy median."""

    reason: str
    number: str
    bad: Callable[[float, float], bool]


CRITERIA = (
    Criterion("far from the real pictures", "energy", lambda value, normal: value > FAR * normal),
    Criterion("classes are missing", "classes", lambda value, normal: value < FEW * normal),
    Criterion("few kinds make up most", "variety", lambda value, normal: value < FEW * normal),
    Criterion("the samples are alike", "spread", lambda value, normal: value < ALIKE * normal),
    Criterion("the samples repeat", "copies", lambda value, normal: value > normal + REPEATED),
    Criterion("D knows its pictures by heart", "by_heart", lambda value, normal: value > normal + BY_HEART),
)


def normals(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """Of each data set the medians of its seeded-healthy runs: a few that came out broken do not move them.

    Raises:
        ValueError: a data set has too few of them yet to judge by.
    """
    found: dict[str, dict[str, float]] = {}
    rows = list(rows)
    for data in sorted({row["data"] for row in rows}):
        healthy = [r["numbers"] for r in rows if r["data"] == data and r["fault"] is None and r["numbers"]]
        if len(healthy) < ENOUGH:
            raise ValueError(
                f"{data}: {len(healthy)} healthy runs have ended, and {ENOUGH} are needed to judge by"
            )
        found[data] = {name: median(numbers[name] for numbers in healthy) for name in healthy[0]}
    return found


def reasons(code: int, numbers: Numbers, normal: Numbers) -> list[str]:
    """Why a run's outcome is broken; empty: it is healthy.

    Args:
        code: the exit code it ended with.
        numbers: as `oracle.measure` gives them; empty where nothing could be drawn.
        normal: the medians of the healthy runs of its data set.
    """
    if code == NON_FINITE:
        return ["it became infinite"]
    if not numbers:
        return ["it never trained"]
    return [c.reason for c in CRITERIA if c.bad(numbers[c.number], normal[c.number])]


def label(row: Row, normal: Numbers) -> Row:
    """The row with label and reasons: a structural fault is broken by construction, all else by outcome."""
    found = reasons(row["code"], row["numbers"], normal)
    if row["structural"]:
        found = ["by construction", *found]
    return row | {"label": "broken" if found else "healthy", "reasons": found}
