"""Curves of several runs over one axis of steps, as the page's charting library takes them. No torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gantrain.metrics.kinds import ABOVE_ZERO
from gantrain.pages.records import SHOWN_METRICS, Record

POINTS = 240  # of a curve, at most: more than a screen shows
DIGITS = 4  # significant ones
WIDE = 20.0  # largest over smallest value of a distance from which its axis counts orders of magnitude

Line = tuple[list[int], list[float]]
"""Steps, and the value at each."""


@dataclass(frozen=True)
class Topic:
    """One chart: where its numbers are, and what they mean."""

    key: str
    title: str
    source: str
    """"logged", "evaluations" or "signals": an attribute of a record."""


LOGGED = (
    Topic("loss_d", "Loss of D", "logged"),
    Topic("loss_g", "Loss of G", "logged"),
    Topic("d_real", "D(x), D's belief in real pictures", "logged"),
    Topic("d_fake", "D(G(z)), its belief in fakes", "logged"),
)
SIGNALS = (
    Topic("loss_d_ratio", "D's loss over that of guessing", "signals"),
    Topic("grad_norm_g", "Norm of G's gradient", "signals"),
    Topic("transmission", "D's slope at the fakes", "signals"),
    Topic("auc_seen", "D's preference for pictures it has seen (0.5: none)", "signals"),
    Topic("vendi_ratio", "Distinct pictures, fakes over reals", "signals"),
    Topic("lattice_2", "Checkerboard, period 2 (log10)", "signals"),
)


def topics(metric: str) -> tuple[Topic, ...]:
    """The metric that ranks comes first."""
    names = dict.fromkeys((metric, *SHOWN_METRICS))
    return (*(Topic(name, name, "evaluations") for name in names), *LOGGED, *SIGNALS)


@dataclass(frozen=True)
class Chart:
    """lines: name of a run -> its own steps and values; the page joins them. log: how the values are drawn:
    what a distance does at its end cannot be seen beside where it began.
    """

    title: str
    lines: dict[str, Line]
    log: bool

    def plain(self) -> dict[str, Any]:
        return {"title": f"{self.title}{' (log)' if self.log else ''}", "lines": self.lines, "log": self.log}


def charts_of(records: Sequence[Record], metric: str) -> list[Chart]:
    """Those that at least one run has two points for."""
    found = []
    for topic in topics(metric):
        curves = {record.name: thinned(points(record, topic)) for record in records}
        if any(len(curve) > 1 for curve in curves.values()):
            lines = {name: ([s for s, _ in curve], [v for _, v in curve]) for name, curve in curves.items()}
            found.append(Chart(topic.title, lines, _is_wide(topic, lines)))
    return found


def _is_wide(topic: Topic, lines: Mapping[str, Line]) -> bool:
    """Of a distance whether it spans orders of magnitude."""
    values = [value for _, found in lines.values() for value in found]
    return topic.key.partition("_")[0] in ABOVE_ZERO and 0 < WIDE * min(values) < max(values)


def points(record: Record, topic: Topic) -> list[tuple[int, float]]:
    rows = getattr(record, topic.source)
    if topic.source == "evaluations":
        rows = [
            {"step": row["step"], topic.key: row["metrics"].get(topic.key, {}).get("value")} for row in rows
        ]
    last: dict[int, float] = {}  # the closing looks are several at one step
    for row in rows:
        value = row.get(topic.key)
        if isinstance(value, int | float) and math.isfinite(value):
            last[int(row["step"])] = float(f"{value:.{DIGITS}g}")
    return sorted(last.items())


def thinned(curve: Sequence[tuple[int, float]], most: int = POINTS) -> list[tuple[int, float]]:
    """At most so many: of each stretch the point that is farthest from the last one kept, so that no peak is
    lost; first and last stay.
    """
    if len(curve) <= most:
        return list(curve)
    kept = [curve[0]]
    edges = [round(n * (len(curve) - 1) / (most - 1)) for n in range(most)]
    for start, end in pairwise(edges):
        kept.append(max(curve[start + 1 : end + 1], key=lambda point: abs(point[1] - kept[-1][1])))
    kept[-1] = curve[-1]
    return kept
