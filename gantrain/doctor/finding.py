"""What is known of one thing that is wrong: a line of findings.jsonl. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from gantrain.doctor.rules.rule import SEVERITIES, Examination, Hit, Rule, Severity


class Finding(TypedDict):
    """One line of findings.jsonl."""

    rule: str
    state: Literal["active", "resolved"]
    event: Literal["began", "changed", "ended"]
    severity: Severity
    primary: bool
    step: int
    onset: int
    title: str
    message: str
    evidence: list[dict[str, Any]]
    because_of: list[str]
    remedy: list[str]
    why: str
    price: str
    not_when: str
    picture: str | None


def finding_of(rule: Rule, hit: Hit, at: Examination, since: int) -> Finding:
    """What a hit says, with the first remedy that fits; `primary` and `because_of` come with the others."""
    remedy = next(iter(rule.remedies(at.facts)), None)
    return {
        "rule": rule.id,
        "state": "active",
        "event": "began",
        "severity": hit.severity,
        "primary": False,
        "step": at.step,
        "onset": since,
        "title": rule.title,
        "message": hit.message,
        "evidence": [item._asdict() for item in hit.evidence],
        "because_of": [],
        "remedy": list(remedy.overrides) if remedy else [],
        "why": rule.why,
        "price": remedy.price if remedy else "",
        "not_when": remedy.not_when if remedy else "",
        "picture": None,
    }


def middle(hits: Sequence[Hit]) -> Hit:
    """The hit of median severity, the milder one of two; of several the last, whose pictures are shown."""
    severities = sorted((hit.severity for hit in hits), key=SEVERITIES.index)
    typical = severities[(len(hits) - 1) // 2]
    return [hit for hit in hits if hit.severity == typical][-1]


def article(severity: Severity) -> str:
    return "an" if severity in ("error", "info") else "a"


def weight(finding: Finding) -> tuple[Severity, bool]:
    """What makes a finding another one than before, although it goes on."""
    return finding["severity"], finding["primary"]


def judged(finding: Finding, primary: str | None, by_itself: bool = False) -> Finding:
    """The finding as it stands beside the cause. An info is a remark, nobody's symptom; nor is what stands
    by itself.
    """
    is_symptom = primary not in (None, finding["rule"]) and finding["severity"] != "info" and not by_itself
    return {
        **finding,
        "primary": finding["rule"] == primary,
        "because_of": [primary] if primary is not None and is_symptom else [],
    }
