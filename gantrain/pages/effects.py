"""Main effects, and how they are drawn: places along one axis, in per cent. No torch here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gantrain.pages.candidates import Spread
from gantrain.pages.settings import shown

MARGIN = 0.04  # of the axis, left free on either side
MANY = 8  # options that are numbers: more of them are points over an axis of their own
MATCHED = "of the runs alone that every option has a counterpart of"
UNEVEN, CUT = "not every option met the same others", "not every run has trained all its steps"
TURNED = "in another order with some of the rest, perhaps by chance"


@dataclass(frozen=True)
class Effect:
    """One swept setting: option -> the metric over the runs that have it, whatever else they have."""

    key: str
    options: Mapping[str, Spread]
    care: str = ""
    """Why the means are to be read with care; "" where they can be held against each other."""

    @property
    def balanced(self) -> bool:
        return not self.care


@dataclass(frozen=True)
class Axis:
    """Where a value lies between 0 and 100 per cent; `log`: by its order of magnitude."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def over(cls, values: Sequence[float], log: bool = False) -> Axis:
        return cls(min(values), max(values), log)

    def place(self, value: float) -> float:
        low, high, value = (math.log(x) if self.log else x for x in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return round(100 * (MARGIN + (1 - 2 * MARGIN) * share), 2)


@dataclass(frozen=True)
class Bar:
    """An option: a dot a run, a line at the mean, a bar from `left` over `width`: one standard deviation."""

    option: str
    told: str
    dots: list[float]
    mean: float
    left: float
    width: float


@dataclass(frozen=True)
class Point:
    """A run, by the option it had (from the left) and by the metric (from below)."""

    x: float
    y: float
    told: str


@dataclass(frozen=True)
class Drawing:
    """bars: an option each; or, of many numbers, points between the corners `x` and `y` of their axes."""

    key: str
    care: str
    bars: list[Bar]
    points: list[Point]
    x: tuple[str, str] = ("", "")
    y: tuple[str, str] = ("", "")


def drawn(effect: Effect) -> Drawing:
    """Options that are numbers stand in their order, others as they were typed."""
    options, numbers = dict(effect.options), [_number(option) for option in effect.options]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        return Drawing(shown(effect.key), effect.care, _bars(options.items()), [])
    by_number = sorted(zip(known, options.items(), strict=True))
    if len(options) <= MANY:
        return Drawing(shown(effect.key), effect.care, _bars(item for _, item in by_number), [])
    along = Axis.over(known, log=min(known) > 0)
    metric = Axis.over([value for spread in options.values() for value in spread.values])
    points = [
        Point(along.place(number), metric.place(value), f"{shown(effect.key)}={option}: {value:.3g}")
        for number, (option, spread) in by_number
        for value in spread.values
    ]
    corners = [(f"{axis.low:.3g}", f"{axis.high:.3g}") for axis in (along, metric)]
    return Drawing(shown(effect.key), effect.care, [], points, *corners)


def _bars(options: Iterable[tuple[str, Spread]]) -> list[Bar]:
    """The axis has room for every run and every bar."""
    spreads = dict(options)
    ends = {option: (s.mean - (s.sd or 0.0), s.mean + (s.sd or 0.0)) for option, s in spreads.items()}
    axis = Axis.over([x for option, spread in spreads.items() for x in (*spread.values, *ends[option])])
    found = []
    for option, spread in spreads.items():
        left, right = (axis.place(end) for end in ends[option])
        dots = [axis.place(value) for value in spread.values]
        found.append(Bar(option, str(spread), dots, axis.place(spread.mean), left, round(right - left, 2)))
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
