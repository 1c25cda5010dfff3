"""From numbers to a verdict, by one rule.

Option against option, every seed of the one has to lie beyond every seed of the other: the two ranges in the
table do not overlap. Of two equal options with three seeds each, chance alone does that once in twenty
(1 of the 20 ways to deal six values into two hands of three). Against a bound, every seed has to keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["yes", "no difference", "the other way round", "no", "not measured"]
HOLDS, NOT_HERE, DEPENDS, UNKNOWN = "holds", "does not hold here", "depends on", "not measured yet"

Values = Sequence[float]


def apart(low: Values, high: Values) -> bool:
    """Whether all of `low` lie below all of `high`."""
    return max(low) < min(high)


def lower(a: Values, b: Values) -> Outcome:
    return "yes" if apart(a, b) else "the other way round" if apart(b, a) else "no difference"


def higher(a: Values, b: Values) -> Outcome:
    return lower(b, a)


def like(a: Values, b: Values) -> Outcome:
    return "no" if apart(a, b) or apart(b, a) else "yes"


def not_higher(a: Values, b: Values) -> Outcome:
    return "no" if apart(b, a) else "yes"


def not_lower(a: Values, b: Values) -> Outcome:
    return not_higher(b, a)


RELATIONS: dict[str, Callable[[Values, Values], Outcome]] = {
    "lower": lower,
    "higher": higher,
    "like": like,
    "not higher": not_higher,
    "not lower": not_lower,
}
NEARER = "nearer"
"""Lower in the distance to what the real pictures have."""


def judged(relation: str, a: Values, b: Values, real: float | None = None) -> Outcome:
    """Whether `a` stands to `b` as claimed; the values of one option each, by seed.

    real: what real pictures have, for "nearer".
    """
    if not a or not b or (relation == NEARER and real is None):
        return "not measured"
    if relation == NEARER:
        assert real is not None
        return lower([abs(x - real) for x in a], [abs(x - real) for x in b])
    return RELATIONS[relation](a, b)


def judged_by(relation: str, a: Values, bound: float) -> Outcome:
    """Whether all of `a` lie beyond a bound."""
    found = judged(relation, a, [bound])
    return "no" if found == "no difference" else found


@dataclass(frozen=True)
class Verdict:
    """`word`: holds, does not hold here, depends on ..., not measured yet."""

    word: str
    outcomes: tuple[Outcome, ...]


def verdict(outcomes: Sequence[Outcome], varies: str) -> Verdict:
    """Of all that a claim expects: it holds if all of it is seen, depends if only some is."""
    seen = [outcome == "yes" for outcome in outcomes]
    if not outcomes or "not measured" in outcomes:
        word = UNKNOWN
    elif all(seen):
        word = HOLDS
    elif any(seen):
        word = f"{DEPENDS} {varies}"
    else:
        word = NOT_HERE
    return Verdict(word, tuple(outcomes))
