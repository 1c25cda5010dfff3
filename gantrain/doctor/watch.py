"""Which findings are there: rules that hit again and again, which of them is the cause, and since when.

No torch here. `Watch` asks the rules; it is part of the checkpoint, as plain values.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gantrain.doctor.finding import Finding, article, finding_of, judged, middle, weight
from gantrain.doctor.rules.registry import RULES
from gantrain.doctor.rules.rule import SEVERITIES, Examination, Hit, Rule, unchecked

HITS = MISSES = 3  # in a row, until a finding begins and until it ends
OF_THE_GAME = ("T0", "T1")
SELDOM = ", with all that it goes by; a longer run, or doctor.max_overhead=0.1, looks more often"
WARM_UP_STEPS, WARM_UP_SHARE = 200, 0.05


def warm_up(total: int) -> int:
    """The step of a run before which only what is exact is judged."""
    return max(WARM_UP_STEPS, math.ceil(WARM_UP_SHARE * total))


@dataclass
class Record:
    """What a watch remembers of one rule.

    hits, misses: in a row; `since`: the step of the first of those hits. differing: hits in a row that were
    more or less severe than the finding. asked: whether it ever was; reason: why not, the last time. looks:
    how often it was, where a finding takes several.
    """

    hits: int = 0
    misses: int = 0
    since: int = 0
    differing: int = 0
    asked: bool = False
    looks: int = 0
    reason: str = "was not asked yet"
    finding: Finding | None = None

    @property
    def active(self) -> Finding | None:
        return self.finding if self.finding is not None and self.finding["state"] == "active" else None

    def resolve(self) -> None:
        if self.active is not None:
            self.finding, self.differing = {**self.active, "state": "resolved"}, 0


class Watch:
    """The state machine of a run's findings.

    A finding begins after three hits in a row (an exact rule's, or one before training: after one) and ends
    after three misses. A rule that an examination cannot ask is left as it is: its counters stand still.
    Among the active findings one is `primary`, the cause: the first in the order of RULES that is worse than
    an info and does not yield to another one.

    params: {rule: {name: value}} over the rules' defaults. ignore: ids of rules, or of families, not asked.
    """

    def __init__(
        self,
        params: Mapping[str, Mapping[str, float]] | None = None,
        ignore: Collection[str] = (),
        rules: Sequence[Rule] = RULES,
    ) -> None:
        self.ignored = [rule.id for rule in rules if {rule.id, rule.page} & set(ignore)]
        self.rules = {rule.id: rule for rule in rules if rule.id not in self.ignored}
        self.params = {id: rule.params | dict((params or {}).get(id, {})) for id, rule in self.rules.items()}
        self.records = {id: Record() for id in self.rules}

    # ---- Looking ------------------------------------------------------------------------------------------

    def examine(self, examination: Examination) -> list[Finding]:
        """Asks every rule; gives the findings that began, changed (severity, or being the cause) or ended."""
        before = self.standing
        for id, rule in self.rules.items():
            if self._can_ask(rule, examination):
                self._count(rule, examination, rule.test(examination, self.params[id]))
        return self.changes_since(before, examination.step)

    def conclude(self, examinations: Sequence[Examination]) -> list[Finding]:
        """The closing verdict, by the majority of independent looks at the finished run; gives what changed.

        About the pictures they decide. The game is never twice the same, and all of them see its last moment:
        for rules about it they count as one more look. A rule that they cannot ask keeps the finding it has.
        """
        before = self.standing
        for id, rule in self.rules.items():
            record = self.records[id]
            asked = [examination for examination in examinations if self._can_ask(rule, examination)]
            hits = [hit for at in asked if (hit := rule.test(at, self.params[id])) is not None]
            typical = middle(hits) if 2 * len(hits) > len(asked) else None
            if not asked:
                continue
            if rule.tier in OF_THE_GAME:
                self._count(rule, asked[-1], typical)
            elif typical is not None:
                since = record.since if record.hits else asked[-1].step
                self._find(rule, asked[-1], typical, since)
            else:
                record.resolve()
        return self.changes_since(before, examinations[-1].step if examinations else 0)

    def _can_ask(self, rule: Rule, examination: Examination) -> bool:
        record = self.records[rule.id]
        reason = self._waiting(rule, examination) or unchecked(rule, examination, self.params[rule.id])
        record.asked, record.reason = record.asked or reason is None, reason or ""
        return reason is None

    def _waiting(self, rule: Rule, examination: Examination) -> str | None:
        """Why the rule has to wait, whatever was measured."""
        start = warm_up(examination.total)
        if 0 < examination.step < start and not rule.exact:
            return f"is not judged before step {start}"
        for silencer in rule.silenced_by:
            found = self.records[silencer].active if silencer in self.records else None
            if found is not None and found["severity"] == "error":
                return f"its numbers mean nothing while {silencer} is an error"
        return None

    def _count(self, rule: Rule, at: Examination, hit: Hit | None) -> None:
        record = self.records[rule.id]
        needed = 1 if rule.exact or at.step == 0 else HITS  # before training there is no second look
        record.looks += HITS // needed
        if hit is None:
            record.hits, record.differing, record.misses = 0, 0, record.misses + 1
            if record.misses >= MISSES:
                record.resolve()
            return
        record.since = record.since if record.hits else at.step
        record.hits, record.misses = record.hits + 1, 0
        if record.active is not None:
            differs = hit.severity != record.active["severity"]
            record.differing = record.differing + 1 if differs else 0
            if record.differing >= needed:
                record.differing = 0
            elif differs:  # the newest numbers, under the old severity
                before = record.active["severity"]
                if SEVERITIES.index(hit.severity) < SEVERITIES.index(before):
                    doubt = f"but the looks before found {article(before)} {before}"
                else:
                    doubt = f"by this look alone it would be {article(hit.severity)} {hit.severity}"
                hit = hit._replace(severity=before, message=f"{hit.message}; {doubt}")
        if record.active is not None or record.hits >= needed:
            self._find(rule, at, hit, record.since)

    def _find(self, rule: Rule, at: Examination, hit: Hit, since: int) -> None:
        """Begins the rule's finding, or brings it up to date."""
        record = self.records[rule.id]
        found = finding_of(rule, hit, at, since)
        if record.active is not None:
            found |= {"onset": record.active["onset"], "picture": record.active["picture"]}
        record.finding = found

    # ---- What is found ------------------------------------------------------------------------------------

    @property
    def active(self) -> list[Finding]:
        """In the order of causes, the one that is the cause marked `primary`, the others `because_of` it."""
        primary = self.primary
        found = {id: finding for id, record in self.records.items() if (finding := record.active)}
        return [
            judged(finding, primary, self._stood_before(id) or primary in self.rules[id].apart_from)
            for id, finding in found.items()
        ]

    @property
    def resolved(self) -> list[Finding]:
        """What was found and is over, in the order of causes."""
        past = [record.finding for record in self.records.values() if record.active is None]
        return [judged(finding, None) for finding in past if finding is not None]

    @property
    def primary(self) -> str | None:
        """The rule whose finding is the cause of the others; None if nothing is worse than an info."""
        found = {id: record.active for id, record in self.records.items()}
        serious = [id for id, finding in found.items() if finding and finding["severity"] != "info"]
        known = {id for id in serious if not self.rules[id].rooted_in or self._stood_before(id)}
        firm = (id for id in serious if self._stood_before(id) or not set(self.rules[id].yields_to) & known)
        return next(firm, None)

    def _stood_before(self, id: str) -> bool:
        """Whether what a rule finds was there before training."""
        roots = (self.records.get(root) for root in self.rules[id].rooted_in)
        return any(record is not None and record.active is not None for record in roots)

    @property
    def checked(self) -> list[str]:
        """The rules that could have found something."""
        return [id for id in self.records if self._unproven(id) is None]

    @property
    def unchecked(self) -> dict[str, str]:
        """The rules that could not, and why."""
        reasons = {id: reason for id in self.records if (reason := self._unproven(id)) is not None}
        return reasons | dict.fromkeys(self.ignored, "doctor.ignore names it")

    def _unproven(self, id: str) -> str | None:
        """Why a rule's silence says nothing. Of pictures the closing looks decide, the game takes several."""
        record = self.records[id]
        if not record.asked:
            return record.reason
        if self.rules[id].tier in OF_THE_GAME and record.finding is None and record.looks < HITS:
            return f"was looked at {record.looks} of the {HITS} times that it takes{SELDOM}"
        return None

    def illustrate(self, rule: str, picture: str | None) -> None:
        """Notes the picture (its path in the run) that shows a finding, and stays with it."""
        record = self.records[rule]
        if record.finding is not None:
            record.finding = {**record.finding, "picture": picture}

    @property
    def standing(self) -> dict[str, Finding]:
        """The active findings by their rules."""
        return {finding["rule"]: finding for finding in self.active}

    def changes_since(self, before: Mapping[str, Finding], step: int) -> list[Finding]:
        """What began, changed or ended since those stood; a rule that is ignored by now has ended."""
        now = self.standing
        gone = [finding for id, finding in before.items() if id not in self.records]
        changes: list[Finding] = [
            {**judged(finding, None), "state": "resolved", "event": "ended", "step": step} for finding in gone
        ]
        for id, record in self.records.items():
            if id in now and id not in before:
                changes.append(now[id])
            elif id in now and weight(now[id]) != weight(before[id]):
                changes.append({**now[id], "event": "changed", "step": step})
            elif id in before and id not in now and record.finding is not None:
                record.finding = {**judged(record.finding, None), "event": "ended", "step": step}
                changes.append(record.finding)
        return changes

    # ---- Saving -------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Plain values only."""
        return {id: asdict(record) for id, record in self.records.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Rules that the state does not know start anew."""
        self.records = {id: Record(**state.get(id, {})) for id in self.rules}
