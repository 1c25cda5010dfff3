"""Choices and what the doctor says of them, as a sentence names them. No torch here."""

from __future__ import annotations

from collections.abc import Sequence

from gantrain.doctor.rules.rule import within_a_sentence
from gantrain.pages.candidates import Candidate
from gantrain.pages.records import KILLED, Record, Row

LOST = (
    ("failed", "failed"),
    ("interrupted", "stopped early"),
    (KILLED, "killed, or training on another machine"),
    ("running", "not finished"),
)
"""Status -> words."""

UNLIKE = "Measured on other data, or on other numbers of pictures, and left out of the ranking"


def quoted(candidate: Candidate) -> str:
    return f"`{candidate.name}`" if candidate.settings else "These settings"


def told(candidate: Candidate) -> str:
    spread = candidate.spread
    assert spread is not None
    seeds = {record.seed for record in candidate.records}
    count = len(spread.values)
    what = "runs" if len(seeds) < count else "seeds"
    lost = f", {len(candidate.diverged)} of {len(candidate.records)} diverged" if candidate.diverged else ""
    return f"{spread} over {count} {what}{lost}" if count > 1 else f"{spread} with one {what[:-1]}{lost}"


def together(some: Sequence[Candidate], of: Sequence[Candidate]) -> str:
    """Their names, where there are few."""
    if len(some) == len(of) > 1:
        return "all of them, the best included"
    if not some[0].settings:
        return "these settings"
    return " and ".join(map(quoted, some)) if len(some) < 4 else f"{len(some)} of {len(of)} choices"


def runs_of(found: Sequence[Candidate], judged: Sequence[Candidate]) -> str:
    """So many runs; each is named by its choice."""
    whose = [one for one in judged if one in found]
    count = f"{len(found)} of {sum(len(one.records) for one in whose)} runs"
    return count if len(whose) == len(judged) else f"{count} of {together(whose, judged)}"


def named(finding: Row) -> str:
    return within_a_sentence(finding)


def its_own(candidate: Candidate, of: Sequence[Candidate]) -> str:
    """What most of its runs were told of beside the cause, in its own right, and no run of another choice."""
    others = (run for other in of if other is not candidate for run in other.records)
    known = {finding["rule"] for run in others for finding in run.serious}
    known |= {finding["rule"] for finding in candidate.shared if finding["primary"] or finding["because_of"]}
    found = dict.fromkeys(named(finding) for finding in candidate.shared if finding["rule"] not in known)
    return f", and {' and '.join(found)}, which no other choice has" if found else ""


def lost(runs: Sequence[Record], candidates: Sequence[Candidate]) -> list[str]:
    """Of which choices runs came to nothing, or not to their end, and why, if all for one reason."""
    words = []
    for status, text in LOST:
        found = [run for run in runs if run.status == status]
        whose = [one for one in candidates if one.settings and any(run in found for run in one.records)]
        which = f" ({', '.join(map(quoted, whose))})" if 0 < len(whose) < 4 else ""
        reasons = {run.summary.get("error") for run in found}
        why = reasons.pop() if len(reasons) == 1 else None
        said = f": {'; '.join(map(str.strip, why.splitlines()))}" if why else ""
        of = f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}"
        words += [f"{len(found)} of {of} {text}{which}{said}"] if found else []
    return words


def with_number(candidate: Candidate) -> str:
    return f"{quoted(candidate)}, {told(candidate)}"


def some(candidates: Sequence[Candidate]) -> str:
    """The first with its number; the second, too, or how many follow."""
    first, *others = (f"{quoted(candidate)} ({told(candidate)})" for candidate in candidates)
    return " and ".join([first, *(others if len(others) < 2 else [f"{len(others)} other choices"])])
