"""gantrain compare: which of several runs was better, as a page, as Markdown or as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gantrain import files
from gantrain.metrics.kinds import check_metric
from gantrain.pages.records import records_of
from gantrain.pages.tables import FORMATS
from gantrain.pages.writing import comparison_of, write_comparison


def compare(
    places: Sequence[str], format: str = "html", metric: str | None = None, out: Path | None = None
) -> None:
    """Writes compare.html, Markdown or CSV. Runs may still be going.

    Args:
        places: a sweep's folder, or runs.
        format: html, md or csv.
        metric: by which to rank; None: that by which the runs keep their best checkpoint.
        out: of what is written; None: md and csv are printed, and the page goes to the root of the sweep, or
            under outputs/ if the runs belong to none.

    Raises:
        GantrainError: no such runs or no such metric.
    """
    if metric is not None:
        check_metric(metric, "--metric")
    if out is not None:
        files.refuse_folder(out, "--out")
    if format == "html":
        print(write_comparison(places, metric, out))
        return
    records, sweep = records_of(places)
    table = FORMATS[format](comparison_of(records, metric, sweep))
    if out is None:
        print(table, end="")
    else:
        files.write_atomically(out, table)
        print(f"compare: {files.from_here(out)}")
