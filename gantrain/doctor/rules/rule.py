"""What a rule of the doctor is, what it is asked with, and what it answers. No torch here: numbers only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Severity = Literal["info", "warning", "error", "fatal"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error", "fatal")
Tier = Literal["preflight", "T0", "T1", "T2", "T3"]

Facts = Mapping[str, Any]
"""The run's resolved configuration, flattened ("optim.lr_d": 2e-4), the data's facts ("facts.count") and the
bare class names of "loss", "penalty", "schedule" and "optim"."""

Params = Mapping[str, float]


def number(facts: Facts, key: str, default: float) -> float:
    """A number of the configuration, or `default` where there is none (in a class of the user's own)."""
    value = facts.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default


class Null(NamedTuple):
    """What the real pictures alone give, half against half: mean and standard deviation over the splits."""

    mean: float
    sd: float


class Evidence(NamedTuple):
    """One measured number beside what is normal for these data (None: no number is) and the threshold."""

    signal: str
    value: float
    normal: float | None
    spread: float | None
    threshold: float | None


class Hit(NamedTuple):
    """A rule's answer: how bad, in one plain sentence, and by what numbers."""

    severity: Severity
    message: str
    evidence: tuple[Evidence, ...] = ()


class Remedy(NamedTuple):
    """One change to try: complete overrides, why it helps, what it costs, and when to leave it alone."""

    overrides: tuple[str, ...]
    why: str
    price: str
    not_when: str


class Threshold(NamedTuple):
    """The default of one parameter of a rule, and what it means."""

    value: float
    meaning: str


@dataclass(frozen=True)
class Examination:
    """What is known at one step: the numbers measured there, their nulls, and the facts of the run.

    `step` 0 is the preflight: nothing is trained, and there will be no second look. A signal that is absent
    or NaN was not measured.
    """

    step: int
    total: int
    signals: Mapping[str, float] = field(default_factory=dict)
    nulls: Mapping[str, Null] = field(default_factory=dict)
    facts: Facts = field(default_factory=dict)

    def has(self, signal: str) -> bool:
        return not math.isnan(self.signals.get(signal, math.nan))

    def get(self, signal: str, default: float = math.nan) -> float:
        return self.signals[signal] if self.has(signal) else default


class Requirement(NamedTuple):
    """Without it a rule is not asked; `reason` says what is missing, to follow "not checked: "."""

    holds: Callable[[Examination, Params], bool]
    reason: str


@dataclass(frozen=True)
class Rule:
    """One thing that can be wrong with a run.

    id: "GD201"; of a family with several items "GD005a", "GD005b", ...
    needs: signals without which the rule is not asked. uses: signals it looks at where they are measured.
    nulls: signals whose null it compares with. requires: what else must hold before it is asked.
    thresholds: its parameters (`doctor.params.<id>.<name>`). severities: those it can have.
    why: two sentences. remedies: facts -> those that fit them, best first.
    exact: one hit is proof, at any step. yields_to: rules that are the cause where both are active, although
    they stand later in the order. silenced_by: rules whose error makes this one's numbers meaningless.
    apart_from: rules that cannot be the cause of this one.
    rooted_in: rules that find before training what leads to this one: where one of them does, it is nobody's
    symptom and yields to none; where none does, no other rule yields to it.
    """

    id: str
    title: str
    severities: tuple[Severity, ...]
    tier: Tier
    test: Callable[[Examination, Params], Hit | None]
    why: str
    remedies: Callable[[Facts], tuple[Remedy, ...]]
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    nulls: tuple[str, ...] = ()
    requires: tuple[Requirement, ...] = ()
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)
    exact: bool = False
    yields_to: tuple[str, ...] = ()
    silenced_by: tuple[str, ...] = ()
    rooted_in: tuple[str, ...] = ()
    apart_from: tuple[str, ...] = ()

    @property
    def page(self) -> str:
        """The family's id: its page in docs/rules, and the name under which all its items are ignored."""
        return self.id[:5]

    @property
    def params(self) -> dict[str, float]:
        """Every parameter at its default."""
        return {name: threshold.value for name, threshold in self.thresholds.items()}


GOOD_PICTURES = 800  # steps that they take at least


MAYBE_YOUNG = "so they may only be young"  # a message's last words, where more steps may be all it takes


def within_a_sentence(finding: Mapping[str, Any]) -> str:
    """ "mode collapse (GD201)", and the doubt that its message ends with."""
    title, doubt = finding["title"], finding["message"].endswith(MAYBE_YOUNG)
    return f"{title[0].lower()}{title[1:]}{', or only young pictures' if doubt else ''} ({finding['rule']})"


def _labelled(examination: Examination, params: Params) -> bool:
    return bool(examination.facts.get("facts.num_classes", 2) > 1)


def _held_out(examination: Examination, params: Params) -> bool:
    return bool(examination.facts.get("facts.held_out", 1))


def _has_equilibrium(examination: Examination, params: Params) -> bool:
    return not examination.has("loss_d")  # else the ratio would have followed from it


HELD_OUT = Requirement(_held_out, "needs held-out pictures")
ABSENT = {
    "loss_d_ratio": Requirement(_has_equilibrium, "needs a loss whose value at equilibrium is known"),
    "auc_seen": HELD_OUT,
    "auc_gap": HELD_OUT,
    "nearer_train": HELD_OUT,
    "nearest_ratio": HELD_OUT,
    "class_share_min": Requirement(_labelled, "needs labelled pictures of two classes or more"),
}
"""What a signal may be absent for, other than that it was not measured yet."""


UNMEASURED = "has not been measured"


def unchecked(rule: Rule, examination: Examination, params: Params | None = None) -> str | None:
    """Why the rule cannot be asked with what is known, to follow "not checked: "; None if it can."""
    params = rule.params if params is None else params
    absent = [ABSENT[signal] for signal in rule.needs if signal in ABSENT and not examination.has(signal)]
    for requirement in (*rule.requires, *absent):
        if not requirement.holds(examination, params):
            return requirement.reason
    for signal in rule.needs:
        if not examination.has(signal):
            return f"{signal} {UNMEASURED}"
    if any(signal not in examination.nulls for signal in rule.nulls):
        return "too few real pictures to know what is normal"
    return None
