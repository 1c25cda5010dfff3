"""gantrain compare: which of several runs was better, as a page, as Markdown or as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gantrain import files
from gantrain.errors import GantrainError
from gantrain.metrics.kinds import check_metric
from gantrain.pages.html import compare_page
from gantrain.pages.ranking import Comparison
from gantrain.pages.ranking import compare as compared
from gantrain.pages.records import Record, records_of
from gantrain.pages.tables import FORMATS, as_text

PAGE = Path("outputs") / files.COMPARISON  # of runs that belong to no sweep


def compare(
    places: Sequence[str], format: str = "html", metric: str | None = None, out: Path | None = None
) -> None:
    """Writes compare.html, or prints Markdown or CSV. Runs may still be going.

    Args:
        places: a sweep's folder, or runs.
        format: html, md or csv.
        metric: by which to rank; None: that by which the runs keep their best checkpoint.
        out: of the page; None: at the root of the sweep, or outputs/compare.html.

    Raises:
        GantrainError: no such runs or no such metric.
    """
    if metric is not None:
        check_metric(metric, "--metric")
    if out is not None:
        files.refuse_folder(out, "--out")
    if format == "html":
        print(write_page(places, metric, out))
    else:
        print(FORMATS[format](_comparison(records_of(places)[0], metric)), end="")


def write_page(places: Sequence[str], metric: str | None = None, out: Path | None = None) -> str:
    """Writes compare.html; gives the ranked table and where the page is, for the terminal."""
    records, sweep = records_of(places)
    comparison = _comparison(records, metric)
    page = out or (sweep / files.COMPARISON if sweep else PAGE)
    page.parent.mkdir(parents=True, exist_ok=True)
    title = f"Sweep {'/'.join(sweep.parts[-2:])}" if sweep else f"{len(records)} runs"
    files.write_atomically(page, compare_page(comparison, title))
    return f"{as_text(comparison)}\n\ncompare: {page}"


def _comparison(records: Sequence[Record], metric: str | None) -> Comparison:
    comparison = compared(records, metric)
    if metric is not None and not comparison.measured:
        known = sorted({name for record in records for row in record.evaluations for name in row["metrics"]})
        remedy = (
            f"measured were: {', '.join(known)}"
            if known
            else "their metrics.every was 0, or they are too young"
        )
        raise GantrainError("--metric", f"none of the runs has measured {metric}", remedy)
    return comparison
