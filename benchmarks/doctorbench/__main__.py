"""Does the doctor find what is wrong?

    python -m benchmarks.doctorbench run       --set tune --home DIR --workers 2
    python -m benchmarks.doctorbench judge     --set tune --home DIR
    python -m benchmarks.doctorbench prescribe --set tune --home DIR
    python -m benchmarks.doctorbench table     --set tune

run: trains every case of matrix.yaml. judge: labels each run by its outcome (oracle.py, verdict.py) and
writes what the table needs into results/<set>.jsonl. prescribe: runs every broken case again with the first
remedy of its primary finding, and adds what came of it; it goes by results/<set>.jsonl alone: the runs of the
first stage may be gone. table: prints results/<set>.jsonl as a table, and writes it beside it.

Every stage can be stopped with Ctrl-C and started again: what is done is skipped, and said. Start it in the
repository's root. --set tune is what thresholds may be set by; report held_out.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
from pathlib import Path

from benchmarks.doctorbench import cases as matrix
from benchmarks.doctorbench import prescribe as remedies
from benchmarks.doctorbench import records, table, verdict
from benchmarks.doctorbench.records import Row
from benchmarks.run_many import Job, parser_of, perform, run_many

RESULTS = matrix.HERE / "results"


def train(jobs: list[Job], home: Path, workers: int) -> None:
    """Runs the queue; a defect (exit code 1) is shown, and is no result."""
    for ended in run_many(jobs, home, workers):
        if ended.code == 1:
            print(ended.stderr, file=sys.stderr)


def run(given: argparse.Namespace) -> None:
    chosen = [case for case in matrix.of_set(given.set) if fnmatch.fnmatch(case.name, given.only)]
    train([records.job(case) for case in chosen], given.home, given.workers)


def judge(given: argparse.Namespace) -> None:
    cases = {case.name: case for case in matrix.of_set(given.set)}
    ended = records.ended_of(cases.values(), given.home)
    for case, end in ended:
        if end.code == 2 and case.refused is None:
            print(f"left out, for it was refused: {case.name}\n{end.stderr}", file=sys.stderr)
    ended = [(case, end) for case, end in ended if end.code != 2 or case.refused is not None]
    numbers = records.measured([(end.directory, case.data) for case, end in ended], given.workers)
    rows = [records.row_of(*both, found) for both, found in zip(ended, numbers, strict=True)]
    normals = verdict.normals(rows)
    rows = [verdict.label(row, normals[row["data"]]) for row in rows]
    write(given, remedies.with_outcomes(rows, cases, given.home, given.workers))


def prescribe(given: argparse.Namespace) -> None:
    cases = {case.name: case for case in matrix.of_set(given.set)}
    rows = read(given)
    jobs = [job for _, job in remedies.reruns(rows, cases) if fnmatch.fnmatch(job.name, given.only)]
    untold = sum(row["label"] == "broken" and not row["remedy"] for row in rows)
    print(f"{untold} broken runs have no remedy to try: skipped")
    train(jobs, remedies.place(given.home), given.workers)
    write(given, remedies.with_outcomes(rows, cases, given.home, given.workers))


def show(given: argparse.Namespace) -> None:
    page = table.render(read(given), given.set)
    results_of(given).with_suffix(".md").write_text(page, encoding="utf-8")
    print(page)


def write(given: argparse.Namespace, rows: list[Row]) -> None:
    records.write_rows(rows, results_of(given))
    print(f"{len(rows)} rows: {results_of(given)}")


def read(given: argparse.Namespace) -> list[Row]:
    rows = records.read_lines(results_of(given))
    if not rows:
        sys.exit(f"no rows in {results_of(given)}: run `judge` first")
    return rows


def results_of(given: argparse.Namespace) -> Path:
    path: Path = given.results / f"{given.set}.jsonl"
    return path


STAGES = {"run": run, "judge": judge, "prescribe": prescribe, "table": show}


def main() -> None:
    parser = parser_of("benchmarks.doctorbench", __doc__, STAGES)
    parser.add_argument("--set", choices=matrix.SETS, required=True)
    parser.add_argument("--home", type=Path, help="where the runs are, about 2 MB each; table needs none")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, of one thread each (2)")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="run and prescribe: only such names")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="of the rows (results/)")
    given = parser.parse_args()
    if given.home is None and given.stage != "table":
        parser.error("--home says where the runs are")
    perform(STAGES[given.stage], given)


if __name__ == "__main__":
    main()
