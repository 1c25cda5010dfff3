"""Writes compare.html of several runs and report.html of one. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gantrain import files
from gantrain.console import log
from gantrain.errors import GantrainError
from gantrain.pages.html import compare_page, report_page
from gantrain.pages.ranking import Comparison, compare
from gantrain.pages.records import Record, records_of
from gantrain.pages.tables import as_text, status_of

PAGE = Path("outputs") / files.COMPARISON  # of runs that belong to no sweep


def write_comparison(places: Sequence[str], metric: str | None = None, out: Path | None = None) -> str:
    """Gives the ranked table and where the page is, for the terminal.

    Args:
        places: a sweep's folder, or runs.
        metric: by which to rank; None: that by which the runs keep their best checkpoint.
        out: the page; None: at the root of the sweep, or outputs/compare.html.

    Raises:
        GantrainError: no such runs, or none of them has measured it.
    """
    records, sweep = records_of(places)
    comparison = comparison_of(records, metric)
    page = out or (sweep / files.COMPARISON if sweep else PAGE)
    page.parent.mkdir(parents=True, exist_ok=True)
    title = (
        f"Sweep {'/'.join(sweep.parts[-2:])}"
        if sweep
        else "One run"
        if len(records) == 1
        else f"{len(records)} runs"
    )
    files.write_atomically(page, compare_page(comparison, title))
    lines = [as_text(comparison), "", f"compare: {files.from_here(page)}"]
    if comparison.measured:
        best = files.from_here(comparison.ranked[0].directory)
        lines.append(f"next: gantrain sample {best} --best -n 64")
    return "\n".join(lines)


def comparison_of(records: Sequence[Record], metric: str | None) -> Comparison:
    """Raises GantrainError if a metric was asked for that none of the runs has measured."""
    comparison = compare(records, metric)
    if metric is not None and not comparison.measured:
        known = sorted({name for record in records for row in record.evaluations for name in row["metrics"]})
        remedy = (
            f"measured were: {', '.join(known)}"
            if known
            else "their metrics.every was 0, or they are too young"
        )
        raise GantrainError("--metric", f"none of the runs has measured {metric}", remedy)
    return comparison


def write_report(directory: Path) -> None:
    """report.html, as the run stands."""
    record = Record(directory, directory.name)
    try:
        page = report_page(record, record.metric, verdict_of(record))
        files.write_atomically(directory / files.PAGE, page)
    except Exception as error:
        log.warning("%s was not written: %s", files.PAGE, error)


def verdict_of(record: Record) -> str:
    """The doctor's, from report.md; without one, how the run ended."""
    path = record.directory / files.REPORT
    first: list[str] = path.read_text(encoding="utf-8").splitlines()[:1] if path.is_file() else []
    return first[0].removeprefix("# ") if first else f"Not judged: {status_of(record)}"
