"""Which choice was better: runs that differ by their seed alone are one candidate. No torch here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from statistics import fmean

from gantrain.metrics.kinds import badness, better, levelled
from gantrain.pages.candidates import Candidate, Spread, apart, differ
from gantrain.pages.effects import CUT, MATCHED, TURNED, UNEVEN, Effect
from gantrain.pages.phrases import (
    UNLIKE,
    its_own,
    lost,
    named,
    quoted,
    runs_of,
    some,
    together,
    told,
    with_number,
)
from gantrain.pages.records import USUAL_METRIC, Record, Row
from gantrain.pages.settings import Settings, differing, settings_of, shown


@dataclass(frozen=True)
class Comparison:
    """All that is said of some runs together.

    metric: by which they are ranked. planned: how many jobs their sweep is to have; None: they are no sweep,
    or nobody knows.
    """

    records: tuple[Record, ...]
    metric: str
    planned: int | None = None

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The settings that differ."""
        return differing(self.records)

    @cached_property
    def measured(self) -> dict[str, Row]:
        """name of a run -> its look at the metric; only those measured as most of them were. A run that
        failed is not ranked by how good it was before.
        """
        looks = {
            record.name: look
            for record in self.records
            if record.status != "failed" and (look := record.measured(self.metric))
        }
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
            if record.status != "failed" and record.name not in self.measured and record.measured(self.metric)
        ]

    @cached_property
    def candidates(self) -> list[Candidate]:
        """Best first; then those of which runs diverged; then those without a number."""
        return self._grouped(self.keys)

    @property
    def judged(self) -> list[Candidate]:
        """The candidates with a number."""
        return [candidate for candidate in self.candidates if candidate.spread]

    def _grouped(self, keys: Sequence[str]) -> list[Candidate]:
        """The runs by what they have at `keys`, whatever else they have."""
        groups: dict[Settings, list[Record]] = {}
        for record in self.ranked:
            groups.setdefault(settings_of(record, keys), []).append(record)
        found = [Candidate(settings, tuple(runs), *self._spreads(runs)) for settings, runs in groups.items()]
        return sorted(found, key=lambda candidate: candidate.standing)

    @cached_property
    def ranked(self) -> list[Record]:
        """Best run first; then those without a number, in their own order."""

        def place(record: Record) -> float:
            look = self.measured.get(record.name)
            return badness(self.metric, look["value"]) if look else inf

        return sorted(self.records, key=place)

    @cached_property
    def effects(self) -> list[Effect]:
        """Of every setting that differs and was measured with two options or more; by matched runs, where not
        every option met the same others, if that can be.
        """
        found = []
        for key in self.keys:
            options = self._grouped((key,))
            spreads = {option.settings[0][1]: option.spread for option in options if option.spread}
            if len(spreads) > 1:
                others = [self._met(option.records, key) for option in options if option.spread]
                met = [{other: len(values) for other, values in one.items()} for one in others]
                uneven = any(one != met[0] for one in met)
                alone = self._matched(key) if uneven else []
                matched = {one.settings[0][1]: one.spread for one in alone if one.spread}
                spreads, how = matched or spreads, MATCHED if matched else UNEVEN
                reasons = ((how, uneven), (CUT, not self.through), (TURNED, self._turns(key)))
                found.append(Effect(key, spreads, "; ".join(reason for reason, holds in reasons if holds)))
        return found

    def _turns(self, key: str) -> bool:
        """Whether it is not the same option that comes first with every choice of the rest."""
        of_the_rest: dict[Settings, list[str]] = {}
        for candidate in self.judged:  # best first
            rest = tuple(pair for pair in candidate.settings if pair[0] != key)
            of_the_rest.setdefault(rest, []).append(dict(candidate.settings)[key])
        return len({options[0] for options in of_the_rest.values() if len(options) > 1}) > 1

    @cached_property
    def through(self) -> bool:
        """Whether every run that is ranked has trained all its steps: fewer of them are a worse number."""
        return all(record.through for record in self.records if record.name in self.measured)

    def _met(self, runs: Iterable[Record], but: str = "") -> dict[tuple[Settings, int | None], list[float]]:
        """What the measured ones of these runs have, all but one setting, and their seed -> the metric."""
        rest = [key for key in self.keys if key != but]
        found: dict[tuple[Settings, int | None], list[float]] = {}
        for run in runs:
            if run.name in self.measured:
                value = self.measured[run.name]["value"]
                found.setdefault((settings_of(run, rest), run.seed), []).append(value)
        return found

    def _matched(self, key: str) -> list[Candidate]:
        """The options of one setting, by the runs alone that every option has a counterpart of; none where
        that is not the case with two different others, or one of these runs has steps to go.
        """
        options = [option for option in self._grouped((key,)) if option.spread]
        met = [set(self._met(option.records, key)) for option in options]
        common = set.intersection(*met) if len(met) > 1 else set()
        if len({settings for settings, _ in common}) < 2:
            return []
        kept = [record for record in self.records if common & set(self._met([record], key))]
        matched = Comparison(tuple(kept), self.metric)
        return matched._grouped((key,)) if matched.through else []

    def _spreads(self, runs: Iterable[Record]) -> tuple[Spread | None, Spread | None, Spread | None]:
        """Of the metric, its badness and that levelled. A repeat of the same seed with the same settings
        tells nothing of chance: they count as one run.
        """
        values = tuple(map(fmean, self._met(runs).values()))
        if not values:
            return None, None, None
        bad, even = (tuple(how(self.metric, value) for value in values) for how in (badness, levelled))
        return Spread(values), Spread(bad), Spread(even)

    @property
    def winner(self) -> Record | None:
        """The best run of the best candidate."""
        return self.judged[0].records[0] if self.judged else None

    # ---- In words ----------------------------------------------------------------------------------------

    @cached_property
    def verdict(self) -> str:
        """What was better, in a sentence or three; only what the numbers say."""
        return " ".join(
            filter(None, (self._best(), *self._better(), self._worst(), self._complaints(), self._lost()))
        )

    def _best(self) -> str:
        judged = self.judged
        if not judged and any(record.measured(self.metric) for record in self.records):
            return f"Only runs that failed have measured {self.metric}, so none is called better."
        if not judged:
            return f"No run has measured {self.metric} yet, so none is called better."
        first, *others = judged
        if not others:
            return f"{quoted(first)}: {self.metric} {told(first)}{'' if self.through else ', so far'}."
        on = f"on {self.metric} ({better(self.metric)} is better), {told(first)}"
        leads = "leads" if self.through else "leads so far"
        if self._repeated:
            close = self._close
            again = f"seed={self.unused_seeds} in another sweep, and gantrain compare with both"
            if not close:
                verb = ("seems best" if self._few else "is best") if self.through else leads
                before = f", before {with_number(others[0])}" if not self._worst() else ""
                surer = f"; more seeds would make it surer: {again}" if self._few and self.through else ""
                return f"{quoted(first)} {verb} {on}{before}{surer}."
            nearer = [one for one in others[: others.index(close[-1])] if one not in close]
            behind = f", clearly before {some(nearer)}" if nearer else ""
            doubt = f"against {some(close)} it is too close to call without more seeds: {again}"
            return f"{quoted(first)} {leads} {on}{behind}; {doubt}."
        next_one = f"next is {with_number(others[0])} (more seeds would tell how much of it is chance)"
        return f"{quoted(first)} {leads} {on}; {next_one}."

    @property
    def _repeated(self) -> bool:
        """Whether a choice has been tried twice, so that something is known of chance."""
        return any(candidate.badness and len(candidate.badness.values) > 1 for candidate in self.judged)

    @cached_property
    def _close(self) -> list[Candidate]:
        """Those that chance alone may have put behind the first: not those with an option that is the worse
        one of a setting that decides by itself.
        """
        first, *others = self.judged
        return [other for other in others if not (apart(first, other) or self._is_outdone(first, other))]

    def _is_outdone(self, first: Candidate, other: Candidate) -> bool:
        ours, theirs = dict(first.settings), dict(other.settings)
        decided = ((key, [one.settings[0][1] for one in options]) for key, options in self._decided.items())
        return any(ours[key] == best and theirs[key] in worse for key, (best, *worse) in decided)

    @property
    def _few(self) -> bool:
        return any(candidate.few for candidate in self.judged[:2])

    @property
    def contenders(self) -> list[Candidate]:
        """Those of which one may be the best, for all that is known."""
        return [self.judged[0], *(self._close or self.judged[1:2])] if self._repeated else self.judged

    @property
    def in_doubt(self) -> bool:
        """Whether more seeds would tell if the first choice is the best."""
        tried = len(self.judged) > 1 and self.through
        return tried and (not self._repeated or self._few or bool(self._close))

    @property
    def unused_seeds(self) -> str:
        """Two more than were tried."""
        last = max(record.seed or 0 for record in self.records)
        return f"{last + 1},{last + 2}"

    @cached_property
    def _decided(self) -> dict[str, list[Candidate]]:
        """Of several settings that were swept, each that decides by itself -> its options, best first."""
        matched = {key: self._matched(key) for key in self.keys if len(self.keys) > 1}
        return {key: options for key, options in matched.items() if options and self._decides(key, options)}

    def _better(self) -> Iterator[str]:
        for key, (first, *others) in self._decided.items():
            than = f"`{shown(key)}`" if len(others) > 1 else quoted(others[0])
            every = "every other " if len(others) > 1 else ""
            known = " that was measured" if len(others) + 1 < len(self._grouped((key,))) else ""
            than = f"{every}{than}{known}: {told(first)} against {told(others[0])}"
            yield f"On average over the rest, {quoted(first)} is better than {than}."

    def _decides(self, key: str, options: Sequence[Candidate]) -> bool:
        """Whether the first of matched options is better than the others; not if one of its runs diverged,
        matched or not, and none of some other's.
        """
        diverged = {option.settings for option in self._grouped((key,)) if option.diverged}
        first, *others = options
        survived = first.settings not in diverged or all(other.settings in diverged for other in others)
        return survived and all(self._beats(key, first, other) for other in others)

    def _beats(self, key: str, first: Candidate, other: Candidate) -> bool:
        """By pairs of runs that differ in this setting alone."""
        met = (self._met(option.records, key) for option in (first, other))
        ours, theirs = ({at: badness(self.metric, fmean(found)) for at, found in one.items()} for one in met)
        return differ([theirs[at] - bad for at, bad in ours.items()])

    def _worst(self) -> str:
        """Of three or more; of two, if something is known to be wrong with the other one."""
        judged = self.judged
        if len(judged) < (2 if self._reason else 3) or (judged[-1].complaint and not self._is_apart):
            return ""
        last = judged[-1]
        word = ("worst" if self._is_apart else "last") if self.through else "last so far"
        reason = f": {named(self._reason)}" if self._reason else ""
        among = " of those measured" if len(judged) < len(self.candidates) else ""
        verb = "seems" if word == "worst" and last.few else "is"
        return f"{quoted(last)} {verb} {word}{among}, {told(last)}{reason}."

    @cached_property
    def _is_apart(self) -> bool:
        """Whether the last is clearly worse than every other."""
        *others, last = self.judged
        return all(apart(other, last) for other in others)

    @cached_property
    def _reason(self) -> Row | None:
        """What is wrong with the last, where it is clearly that and the doctor does not say it of all."""
        judged = self.judged
        rules = {cause and cause["rule"] for cause in (candidate.complaint for candidate in judged)}
        return judged[-1].complaint if len(rules) > 1 and self._is_apart else None

    def _complaints(self) -> str:
        """What the doctor says of the choices, but for what was given as a reason already."""
        of: dict[str, list[Candidate]] = {}
        for candidate in self.judged[: len(self.judged) - bool(self._reason)]:
            if cause := candidate.complaint:
                what = named(cause) + self._also(cause["rule"]) + its_own(candidate, self.judged)
                of.setdefault(what, []).append(candidate)
        words = [f"of {together(found, self.judged)}: {said}" for said, found in of.items()]
        words += self._of_single_runs()
        return f"The doctor says {'; '.join(words)}." if words else ""

    def _of_single_runs(self) -> list[str]:
        """What is the cause in some runs, and not in most of any choice."""
        said = {cause["rule"] for one in self.judged if (cause := one.complaint)}
        of: dict[str, list[Candidate]] = {}
        for one in self.judged:
            for run in one.records:
                if (cause := run.primary) and cause["rule"] not in said:
                    of.setdefault(named(cause), []).append(one)
        return [f"of {runs_of(found, self.judged)}: {what}" for what, found in of.items()]

    def _also(self, rule: str) -> str:
        """In how many runs of choices that it is not said of."""
        others = [one.records for one in self.judged if rule not in {f["rule"] for f in one.shared}]
        count = sum(rule in {f["rule"] for f in run.serious} for runs in others for run in runs)
        return f", as in {count} of the other runs" if count else ""

    def _lost(self) -> str:
        words = lost(self.records, self.candidates)
        unmeasured = [
            record.name
            for record in self.records
            if self.measured and record.status == "finished" and not record.measured(self.metric)
        ]
        for runs, text in ((unmeasured, f"No look at {self.metric}"), (self.unlike, UNLIKE)):
            words += [f"{text}: run `{'`, `'.join(runs)}`"] if 0 < len(runs) < len(self.records) else []
        waiting = (self.planned or 0) - len(self.records)
        words += (
            [f"{waiting} of {self.planned} jobs {'has' if waiting == 1 else 'have'} not begun"]
            if waiting > 0
            else []
        )
        return " ".join(f"{word}." for word in words)


def compare(records: Sequence[Record], metric: str | None = None, planned: int | None = None) -> Comparison:
    """metric: by which to rank; None: the one by which most of the runs keep their best checkpoint (one that
    was refused does not say).
    """
    kept = Counter(record.metric for record in records if record.config).most_common(1)
    return Comparison(tuple(records), metric or (kept[0][0] if kept else USUAL_METRIC), planned)
