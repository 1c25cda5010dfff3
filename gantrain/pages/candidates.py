"""One choice of settings with all its runs, and whether chance may explain a difference. No torch here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean, stdev

from gantrain.pages.records import Record, Row
from gantrain.pages.settings import Settings, typed_as

MANY = 3  # runs of a choice from which their spread is believed
NAMED = 4  # settings that a name may consist of


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (of one value: None) of a number over runs."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return fmean(self.values)

    @property
    def sd(self) -> float | None:
        return stdev(self.values) if len(self.values) > 1 else None

    def __str__(self) -> str:
        spread = f" ± {self.sd:.2g}" if self.sd is not None else ""
        return f"{self.mean:.3g}{spread}"


@dataclass(frozen=True)
class Candidate:
    """One choice of settings, and its runs.

    records: best first. spread: of the metric; None: none was measured alike.
    badness: of the same looks: by this it is ranked, lower is better. levelled: of the same looks, for
    questions about chance (metrics.kinds).
    """

    settings: Settings
    records: tuple[Record, ...]
    spread: Spread | None
    badness: Spread | None
    levelled: Spread | None

    @property
    def name(self) -> str:
        """As typed; where so much differs that nobody would read it, by its best run."""
        if len(self.settings) > NAMED:
            more = f" ({len(self.records)} runs)" if len(self.records) > 1 else ""
            return f"{self.records[0].name}{more}"
        return typed_as(self.settings) or "these settings"

    @property
    def diverged(self) -> list[Record]:
        return [record for record in self.records if record.diverged]

    @property
    def few(self) -> bool:
        """Too few runs to be sure of their spread: of two it may be small by luck."""
        return not self.diverged and self.badness is not None and len(self.badness.values) < MANY

    @property
    def shared(self) -> list[Row]:
        """What most of its runs were told of."""
        found = [finding for record in self.records for finding in record.serious]
        told = Counter(finding["rule"] for finding in found)
        return [finding for finding in found if 2 * told[finding["rule"]] > len(self.records)]

    @property
    def complaint(self) -> Row | None:
        """Of what most of its runs were told of, what is most often the cause."""
        causes = Counter(finding["rule"] for finding in self.shared if finding["primary"])
        return max(
            self.shared, key=lambda finding: (causes[finding["rule"]], finding["primary"]), default=None
        )

    @property
    def standing(self) -> tuple[bool, float]:
        """Sorts: one of which runs diverged comes after all of which none did."""
        return bool(self.diverged), inf if self.badness is None else self.badness.mean


QUANTILES = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)
"""Student's t, 97.5 %, of 1 to 10 degrees of freedom; beyond that 2.2 is near enough."""


def apart(a: Candidate, b: Candidate) -> bool:
    """Whether `b` is worse than `a` by more than chance does among runs of one candidate: a two-sided t-test
    at 5 % with the pooled variance. Where neither has a second run, nothing is known of chance: False. A
    hint only: the best of many is lucky more often than that.
    """
    assert a.levelled is not None
    assert b.levelled is not None
    ours, theirs = a.levelled.values, b.levelled.values
    freedom = len(ours) + len(theirs) - 2
    if not freedom:
        return False
    squares = sum(
        (value - spread.mean) ** 2 for spread in (a.levelled, b.levelled) for value in spread.values
    )
    error = (squares / freedom * (1 / len(ours) + 1 / len(theirs))) ** 0.5
    quantile = QUANTILES[min(freedom, len(QUANTILES)) - 1]
    return bool(b.diverged) > bool(a.diverged) or b.levelled.mean - a.levelled.mean > quantile * error


def differ(differences: Sequence[float]) -> bool:
    """Whether pairs differ, in the positive direction, by more than chance makes them: a two-sided t-test at
    5 %. What the pairs share, such as a better loss, does not blur it. One pair tells nothing: False.
    """
    freedom = len(differences) - 1
    if not freedom:
        return False
    quantile = QUANTILES[min(freedom, len(QUANTILES)) - 1]
    return fmean(differences) > quantile * stdev(differences) / len(differences) ** 0.5
