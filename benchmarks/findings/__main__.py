"""What the field notes claim, measured.

    python -m benchmarks.findings run     --home DIR [--only N0.4] [--workers 2]
    python -m benchmarks.findings measure --home DIR
    python -m benchmarks.findings page

run: trains every run of claims.yaml; it can be stopped with Ctrl-C and started again. measure: reads what
the runs have left, writes one line a run into results.jsonl and a picture a claim into docs/images/findings.
page: writes docs/findings.md from results.jsonl. Start it in the repository's root.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.findings import claims, page, rows, sheets
from benchmarks.run_many import parser_of, perform, run_many

DOCS = claims.HERE.parent.parent / "docs"
PAGE = DOCS / "findings.md"
PICTURES = DOCS / page.PICTURES


def run(given: argparse.Namespace) -> None:
    jobs = [each.job for each in claims.load().runs(given.only)]
    for ended in run_many(jobs, given.home, given.workers):
        if ended.code in (1, 2):  # a defect, or a claim that needs other overrides
            print(f"{ended.job.name}:\n{ended.stderr}", file=sys.stderr)


def measure(given: argparse.Namespace) -> None:
    study = claims.load()
    found = rows.measure(study.runs(), given.home)
    print(f"{len(found)} rows: {rows.RESULTS}")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for claim in study.claims:
        if png := sheets.sheet(claim, given.home):
            (PICTURES / f"{claim.slug}.png").write_bytes(png)


def write_page(given: argparse.Namespace) -> None:
    PAGE.write_text(page.render(claims.load(), rows.read(), PICTURES), encoding="utf-8")
    print(PAGE)


STAGES = {"run": run, "measure": measure, "page": write_page}


def main() -> None:
    parser = parser_of("benchmarks.findings", __doc__, STAGES)
    parser.add_argument("--home", type=Path, help="where the runs are; page needs none")
    parser.add_argument("--only", nargs="+", default=(), metavar="NOTE", help="run: the runs of these claims")
    parser.add_argument(
        "--workers", type=int, default=2, help="run: how many at a time, of one thread each (2)"
    )
    given = parser.parse_args()
    if given.home is None and given.stage != "page":
        parser.error("--home says where the runs are")
    perform(STAGES[given.stage], given)


if __name__ == "__main__":
    main()
