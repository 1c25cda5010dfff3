"""Does the first remedy of the primary finding help? Each broken run once more, with it taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.doctorbench import records, verdict
from benchmarks.doctorbench.cases import Case
from benchmarks.doctorbench.records import Row
from benchmarks.run_many import Ended, Job, ended_before

NO_WORSE = 1.2
"""Times the energy distance before, for a structural fault: its cure must not cost the pictures."""


def place(home: Path) -> Path:
    return home / "prescribed"


def reruns(rows: Sequence[Row], cases: Mapping[str, Case]) -> Iterator[tuple[Row, Job]]:
    """The broken runs for which the doctor named something to try, and which have not been tried again."""
    for row in rows:
        if row["label"] == "broken" and row["remedy"] and not row.get("prescribed"):
            case = cases[row["name"]]
            yield row, records.job(case, case.prescribed(row["remedy"]))


def with_outcomes(rows: Sequence[Row], cases: Mapping[str, Case], home: Path, workers: int) -> list[Row]:
    """The rows, with what came of those reruns that have ended; the runs they tell of may be gone."""
    normals = verdict.normals(rows)
    ended = [(row, done) for row, job in reruns(rows, cases) if (done := ended_before(job, place(home)))]
    numbers = records.measured([(done.directory, row["data"]) for row, done in ended], workers)
    found = {
        row["name"]: outcome(row, done, measured, normals[row["data"]])
        for (row, done), measured in zip(ended, numbers, strict=True)
    }
    return [row | {"prescribed": found.get(row["name"], row.get("prescribed"))} for row in rows]


def outcome(row: Row, ended: Ended, numbers: Mapping[str, float], normal: Mapping[str, float]) -> Row:
    """What came of a rerun. `why_not`: what stands between it and recovery; empty: it has recovered."""
    rule = (records.primary(row["findings"]) or {}).get("rule")
    last = records.last_states(records.findings_of(ended.directory))
    standing = sorted(name for name, finding in last.items() if finding["state"] == "active")
    return {
        "rule": rule,
        "code": ended.code,
        "standing": standing,
        "numbers": dict(numbers),
        "why_not": why_not(row, ended.code, numbers, normal)
        + ([f"{rule} stands"] if rule in standing else []),
    }


def why_not(row: Row, code: int, numbers: Mapping[str, float], normal: Mapping[str, float]) -> list[str]:
    """What is wrong with the pictures; of a structural fault that drew some, whether they became worse."""
    if code == 2:
        return ["the remedy is refused"]
    if row["structural"] and row["numbers"] and numbers:
        worse = numbers["energy"] > NO_WORSE * row["numbers"]["energy"]
        return ["the pictures became worse"] if worse else []
    return verdict.reasons(code, numbers, normal)
