"""The table of DoctorBench, from the committed rows alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.doctorbench.records import Row, primary

ALARMS = ("warning", "error", "fatal")
FOLK: Mapping[str, Callable[[Row], bool]] = {
    "D's loss below 0.05, over the last quarter": lambda row: 0 <= row["folk"].get("loss_d", 1) < 0.05,
    "a gradient norm above 100": lambda row: row["folk"].get("grad_norm", 0) > 100,
    "NaN or infinity": lambda row: row["code"] == 3,
}
"""What tutorials advise to look for (ganhacks; Debugger's rules). WGAN's negative loss is not near zero."""


def alarms(row: Row) -> dict[str, int]:
    """Rules that warned at any time, with the first step at which they did."""
    found: dict[str, int] = {}
    for finding in row["findings"]:
        if finding["state"] == "active" and finding["severity"] in ALARMS:
            found.setdefault(finding["rule"], finding["step"])
    return found


def cause(row: Row) -> str | None:
    """The rule that is named as the primary cause."""
    named = primary(row["findings"])
    return named["rule"] if named else None


def is_right(row: Row) -> bool:
    return cause(row) in row["expect"]


def latency(row: Row) -> float | None:
    """Step of the first true finding, as a share of the run."""
    steps = [step for rule, step in alarms(row).items() if rule in row["expect"]]
    return min(steps) / row["total"] if steps else None


@dataclass(frozen=True)
class Share:
    """k of n, and what it ought to be."""

    name: str
    k: int
    n: int
    goal: float | None = None
    at_most: bool = False
    as_ratio: bool = False

    @property
    def value(self) -> float:
        return self.k / self.n if self.n else float("nan")

    def line(self) -> str:
        shown = "-" if not self.n else f"{self.value:.3f}" if self.as_ratio else f"{self.value:.1%}"
        return f"| {self.name} | {self.k} / {self.n} | {shown} | {self.wanted()} |"

    def wanted(self) -> str:
        if self.goal is None or not self.n:
            return ""
        met = self.value <= self.goal if self.at_most else self.value >= self.goal
        goal = f"{self.goal:g}" if self.as_ratio else f"{self.goal:.0%}"
        return f"{'<=' if self.at_most else '>='} {goal}: {'met' if met else 'missed'}"


def split(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """(broken, healthy)"""
    rows = list(rows)
    return [r for r in rows if r["label"] == "broken"], [r for r in rows if r["label"] == "healthy"]


def shares(rows: Sequence[Row]) -> list[Share]:
    """The headline numbers."""
    broken, healthy = split(rows)
    known = [row for row in broken if row["expect"]]
    detected = [row for row in broken if alarms(row)]
    reruns = [row["prescribed"] for row in broken if row.get("prescribed")]
    unseeded = [row for row in healthy if row["fault"] is None]
    relabelled = [row for row in healthy if row["fault"] is not None]
    return [
        Share("broken runs detected", len(detected), len(broken), 0.95),
        Share(
            "primary cause right, of broken runs with a known cause",
            sum(map(is_right, known)),
            len(known),
            0.85,
        ),
        Share("... of those detected", sum(map(is_right, known)), sum(bool(alarms(r)) for r in known)),
        Share(
            "false alarms per healthy run", _alarms(healthy), len(healthy), 0.05, at_most=True, as_ratio=True
        ),
        Share("... per run without a seeded fault", _alarms(unseeded), len(unseeded), as_ratio=True),
        Share("... per run whose fault did not bite", _alarms(relabelled), len(relabelled), as_ratio=True),
        Share("recovered by the first remedy", sum(not p["why_not"] for p in reruns), len(reruns), 0.75),
        *_by_the_letter(rows),
    ]


def _by_the_letter(rows: Sequence[Row]) -> list[Share]:
    """The headline were every run broken or healthy, however close to a line; nothing if none is."""
    if not any(row["label"] == "undecided" for row in rows):
        return []
    broken, healthy = split(row | {"label": row["by_the_letter"]} for row in rows)
    return [
        Share(
            "with the undecided, by the letter: detected", sum(bool(alarms(r)) for r in broken), len(broken)
        ),
        Share(
            "with the undecided, by the letter: false alarms", _alarms(healthy), len(healthy), as_ratio=True
        ),
    ]


def _alarms(rows: Iterable[Row]) -> int:
    return sum(len(alarms(row)) for row in rows)


def per_rule(rows: Sequence[Row]) -> dict[str, tuple[Share, Share]]:
    """(precision, recall) of each rule as the primary cause.

    Precision: of the runs in which it is named, those that are broken and expect it. Recall: of the broken
    runs whose first expected rule it is, those in which any of the expected rules is named.
    """
    broken, _ = split(rows)
    named = {rule for row in rows if (rule := cause(row))}
    found = {}
    for rule in sorted(named | {row["expect"][0] for row in broken if row["expect"]}):
        given = [row for row in rows if cause(row) == rule]
        right = sum(row["label"] == "broken" and rule in row["expect"] for row in given)
        due = [row for row in broken if row["expect"][:1] == [rule]]
        found[rule] = (
            Share("precision", right, len(given)),
            Share("recall", sum(map(is_right, due)), len(due)),
        )
    return found


def f1(precision: Share, recall: Share) -> float:
    """Harmonic mean; 0 where the rule is never named or never right."""
    p, r = (share.value if share.n else 0.0 for share in (precision, recall))
    return 2 * p * r / (p + r) if p + r else 0.0


def render(rows: Sequence[Row], title: str) -> str:
    """The whole page, as Markdown."""
    broken, healthy = split(rows)
    steps = " or ".join(str(steps) for steps in sorted({row["total"] for row in rows}))
    head = f"{len(rows)} runs of {steps} steps: {len(broken)} broken, {len(healthy)} healthy"
    undecided = [row for row in rows if row["label"] == "undecided"]
    head += f", {len(undecided)} too close to a line to be either." if undecided else "."
    parts = [f"# DoctorBench: {title}", head, _headline(rows), _times(rows), _rules(rows), _folk(rows)]
    return "\n\n".join([*parts, _spread(healthy), *_notes(rows)]) + "\n"


def _table(header: Sequence[str], lines: Iterable[str]) -> str:
    return "\n".join([f"| {' | '.join(header)} |", "|" + "---|" * len(header), *lines])


def _headline(rows: Sequence[Row]) -> str:
    return _table(("what", "runs", "", "goal"), (share.line() for share in shares(rows)))


def _times(rows: Sequence[Row]) -> str:
    broken, _ = split(rows)
    late = sorted(when for row in broken if (when := latency(row)) is not None)
    spent = sorted(row["share"] for row in rows if row["share"] is not None)
    lines = [
        f"| {name} | {median(values):{form}} | {values[-1]:{form}} | {len(values)} |"
        for name, values, form in (
            ("first true finding, as a share of the run", late, ".1%"),
            ("the doctor's share of the time (goal: 2 % at most)", spent, ".2%"),
        )
        if values
    ]
    return _table(("what", "median", "most", "runs"), lines)


def _rules(rows: Sequence[Row]) -> str:
    found = per_rule(rows)
    due = [f1(*both) for both in found.values() if both[1].n]
    lines = [
        f"| {rule} | {precision.k} / {precision.n} | {recall.k} / {recall.n} | {f1(precision, recall):.2f} |"
        for rule, (precision, recall) in found.items()
    ]
    if due:
        lines.append(f"| mean of the rules that are due | | | {sum(due) / len(due):.2f} |")
    return _table(("primary cause", "right when named", "named when due", "F1"), lines)


def _folk(rows: Sequence[Row]) -> str:
    broken, healthy = split(rows)
    every: dict[str, Callable[[Row], bool]] = {
        **FOLK,
        "any of these": lambda row: any(rule(row) for rule in FOLK.values()),
        "the doctor": lambda row: bool(alarms(row)),
    }
    lines = (
        f"| {name} | {sum(map(rule, broken))} / {len(broken)} | {sum(map(rule, healthy))} / {len(healthy)} |"
        for name, rule in every.items()
    )
    return _table(("rule", "broken runs it sees", "healthy runs it blames"), lines)


def _spread(healthy: Sequence[Row]) -> str:
    """How far the healthy runs differ among themselves: what the oracle's factors have to allow for."""
    lines = []
    for data in sorted({row["data"] for row in healthy}):
        energies = sorted(
            row["numbers"]["energy"] for row in healthy if row["data"] == data and row["numbers"]
        )
        lines.append(
            f"| {data} | {len(energies)} | {energies[0]:.3g} | {median(energies):.3g} | {energies[-1]:.3g} |"
        )
    return _table(("healthy runs of", "runs", "least energy distance", "median", "most"), lines)


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    """Every miss by name."""
    broken, healthy = split(rows)
    sections: Mapping[str, Iterable[str]] = {
        "Broken, and nothing was said": (_why(row) for row in broken if not alarms(row)),
        "Another cause was named": (
            f"{_why(row)}: {cause(row) or 'none'} instead of {' or '.join(row['expect'])}"
            for row in broken
            if row["expect"] and alarms(row) and not is_right(row)
        ),
        "False alarms": (
            f"{row['name']}: {', '.join(f'{rule} at step {step}' for rule, step in alarms(row).items())}"
            for row in healthy
            if alarms(row)
        ),
        "Not recovered": (
            f"{row['name']}: {' '.join(row['remedy'])}: {', '.join(row['prescribed']['why_not'])}"
            for row in broken
            if row.get("prescribed") and row["prescribed"]["why_not"]
        ),
        "Detected, with no remedy to try": (
            row["name"] for row in broken if alarms(row) and not row["remedy"]
        ),
        "Seeded faults that did not bite: healthy": (
            row["name"] for row in healthy if row["fault"] is not None
        ),
        "Runs without a fault that came out broken": (_why(row) for row in broken if row["fault"] is None),
        "Undecided: within a fifth of a line": (
            f"{_why(row)}: {', '.join(alarms(row)) or 'nothing was said'}"
            for row in rows
            if row["label"] == "undecided"
        ),
    }
    for title, lines in sections.items():
        if found := [f"- {line}" for line in lines]:
            yield "\n".join([f"## {title} ({len(found)})", "", *found])


def _why(row: Mapping[str, Any]) -> str:
    return f"{row['name']} ({', '.join(row['reasons'])})"
