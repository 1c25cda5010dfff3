"""Which choice was better: runs that differ by their seed alone are one candidate. No torch here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from statistics import fmean, stdev
from typing import Any

from gantrain.metrics.kinds import badness, better
from gantrain.pages.records import Record
from gantrain.pages.settings import Settings, differing, settings_of, typed_as, value_of

Row = dict[str, Any]


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
    """One choice of settings, and its runs. `spread`: of the metric; None: none was measured alike."""

    settings: Settings
    records: tuple[Record, ...]
    spread: Spread | None

    @property
    def name(self) -> str:
        return typed_as(self.settings) or "these settings"

    @property
    def failed(self) -> list[Record]:
        return [record for record in self.records if record.status == "failed"]

    @property
    def complaint(self) -> Row | None:
        """The cause that most of its runs were told of."""
        causes = [record.primary for record in self.records if record.primary]
        if 2 * len(causes) <= len(self.records):
            return None
        rule, _ = Counter(cause["rule"] for cause in causes).most_common(1)[0]
        return next(cause for cause in causes if cause["rule"] == rule)


@dataclass(frozen=True)
class Effect:
    """One swept setting: option -> the metric over all runs that have it, whatever else they have."""

    key: str
    options: Mapping[str, Spread]
    balanced: bool
    """Whether every option was tried with the same others: then the means can be held against each other."""


@dataclass(frozen=True)
class Comparison:
    """All that is said of some runs together. `metric`: by which they are ranked."""

    records: tuple[Record, ...]
    metric: str

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The settings that differ."""
        return differing(self.records)

    @cached_property
    def measured(self) -> dict[str, Row]:
        """name of a run -> its look at the metric; only those measured as most of them were."""
        looks = {record.name: look for record in self.records if (look := record.measured(self.metric))}
        stamps = {name: tuple(sorted(look["stamp"].items())) for name, look in looks.items()}
        if not stamps:
            return {}
        usual, _ = Counter(stamps.values()).most_common(1)[0]
        return {name: look for name, look in looks.items() if stamps[name] == usual}

    @cached_property
    def unlike(self) -> list[str]:
        """Names of runs whose numbers were measured otherwise: other data, another number of pictures."""
        return [
            record.name
            for record in self.records
            if record.name not in self.measured and record.measured(self.metric)
        ]

    @cached_property
    def candidates(self) -> list[Candidate]:
        """Best first; then those without a number."""
        groups: dict[Settings, list[Record]] = {}
        for record in self.records:
            groups.setdefault(settings_of(record, self.keys), []).append(record)
        found = [Candidate(key, tuple(runs), self._spread(runs)) for key, runs in groups.items()]
        return sorted(found, key=lambda candidate: self._badness(candidate.spread))

    @cached_property
    def ranked(self) -> list[Record]:
        """Best run first; then those without a number, in their own order."""

        def place(record: Record) -> float:
            return (
                badness(self.metric, self.measured[record.name]["value"])
                if record.name in self.measured
                else inf
            )

        return sorted(self.records, key=place)

    @cached_property
    def effects(self) -> list[Effect]:
        """Of every setting that differs and was measured with two options or more."""
        found = []
        for key in self.keys:
            by_option: dict[str, list[Record]] = {}
            for record in self.records:
                by_option.setdefault(value_of(record, key), []).append(record)
            options = {option: spread for option, runs in by_option.items() if (spread := self._spread(runs))}
            if len(options) > 1:
                others = [Counter(self._others(key, runs)) for runs in by_option.values()]
                found.append(Effect(key, options, all(other == others[0] for other in others)))
        return found

    def _others(self, key: str, runs: Iterable[Record]) -> Iterator[tuple[Settings, int | None]]:
        rest = [other for other in self.keys if other != key]
        for record in runs:
            if record.name in self.measured:
                yield settings_of(record, rest), record.seed

    def _spread(self, runs: Iterable[Record]) -> Spread | None:
        values = tuple(self.measured[run.name]["value"] for run in runs if run.name in self.measured)
        return Spread(values) if values else None

    def _badness(self, spread: Spread | None) -> float:
        return inf if spread is None else badness(self.metric, spread.mean)

    # ---- In words ----------------------------------------------------------------------------------------

    @cached_property
    def verdict(self) -> str:
        """What was better, in a sentence or three; only what the numbers say."""
        return " ".join(filter(None, (self._best(), self._worst(), self._lost())))

    def _judged(self) -> list[Candidate]:
        return [candidate for candidate in self.candidates if candidate.spread is not None]

    def _best(self) -> str:
        judged = self._judged()
        if not judged:
            return f"No run has measured {self.metric} yet, so none is called better."
        if len(judged) == 1:
            return f"{_quoted(judged[0])}: {self.metric} {self._told(judged[0])}."
        first, second = judged[:2]
        on = f"{self.metric} ({better(self.metric)} is better)"
        return f"{_quoted(first)} is best on {on}, {self._told(first)}{self._lead(first, second)}."

    def _worst(self) -> str:
        judged = self._judged()
        if len(judged) < 3 and not (len(judged) == 2 and judged[1].complaint):
            return ""
        last = judged[-1]
        complaint = last.complaint
        reason = (
            f": {complaint['title'][0].lower()}{complaint['title'][1:]} ({complaint['rule']})"
            if complaint
            else ""
        )
        return f"{_quoted(last)} is worst, {self._told(last)}{reason}."

    def _lost(self) -> str:
        counted = Counter(record.status for record in self.records)
        of = len(self.records)
        words = [
            f"{counted[status]} of {of} {'run' if of == 1 else 'runs'} {text}"
            for status, text in (
                ("failed", "failed"),
                ("interrupted", "stopped early"),
                ("running", "still going"),
            )
            if counted[status]
        ]
        if self.unlike:
            words.append(f"{len(self.unlike)} measured on other pictures and left out of the ranking")
        return f"{'; '.join(words)}." if words else ""

    def _told(self, candidate: Candidate) -> str:
        spread = candidate.spread
        assert spread is not None
        count = len(spread.values)
        return f"{spread} over {count} seeds" if count > 1 else f"{spread} with one seed"

    def _lead(self, first: Candidate, second: Candidate) -> str:
        """Whether it is larger than what chance does among runs of one candidate: two standard errors of the
        difference. A hint, not a test; of single runs nothing is known.
        """
        a, b = first.spread, second.spread
        assert a is not None
        assert b is not None
        next_one = f"{_quoted(second)}, {self._told(second)}"
        if a.sd is None or b.sd is None:
            return f"; next is {next_one} (more seeds would tell how much of it is chance)"
        lead = self._badness(b) - self._badness(a)
        apart = lead > 2 * (a.sd**2 / len(a.values) + b.sd**2 / len(b.values)) ** 0.5
        return "" if apart else f", too close to call before {next_one}"


def compare(records: Sequence[Record], metric: str | None = None) -> Comparison:
    """metric: by which to rank; None: the one by which most of the runs keep their best checkpoint."""
    usual, _ = Counter(record.metric for record in records).most_common(1)[0]
    return Comparison(tuple(records), metric or usual)


def _quoted(candidate: Candidate) -> str:
    return f"`{candidate.name}`" if candidate.settings else "These settings"
