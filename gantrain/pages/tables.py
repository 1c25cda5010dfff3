"""The ranked table as text: Markdown, CSV, or lines for the terminal. No torch here."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import Any

from gantrain import files
from gantrain.metrics.kinds import better, meaning, of_real
from gantrain.pages.caveats import caveat
from gantrain.pages.ranking import Comparison
from gantrain.pages.records import SHOWN_METRICS, Record
from gantrain.pages.settings import SEED, shown, value_of

Cell = str | int | float | None


def header(comparison: Comparison) -> list[str]:
    metrics = metrics_of(comparison)
    return [
        "rank",
        "run",
        *map(shown, comparison.keys),
        SEED,
        *metrics,
        "findings",
        "seconds",
        "images/s",
        "status",
    ]


def metrics_of(comparison: Comparison) -> list[str]:
    """The one that ranks first, then others that were measured."""
    wanted = dict.fromkeys((comparison.metric, *SHOWN_METRICS))
    return [name for name in wanted if any(record.measured(name) for record in comparison.records)]


def look_of(record: Record, metric: str, comparison: Comparison) -> dict[str, Any] | None:
    """The metric at the run's best look by the one that ranks: a row tells of one checkpoint, or of none."""
    best = record.measured(comparison.metric)
    return best and record.measured(metric, best["step"])


def last_look_of(record: Record, metric: str, comparison: Comparison) -> dict[str, Any] | None:
    """The metric at the run's last look, if that came after its best one."""
    best, steps = look_of(record, metric, comparison), [row["step"] for row in record.evaluations]
    return record.measured(metric, max(steps)) if best and best["step"] < max(steps) else None


def legend(comparison: Comparison) -> str:
    """Which way each number is better, what real pictures give, what ± means; "" without numbers."""
    metrics = metrics_of(comparison)
    reals = {metric: _of_real(comparison, metric) for metric in metrics}
    told: dict[str, list[str]] = {}
    for metric, real in reals.items():
        told.setdefault(f"{better(metric)} is better", []).append(f"{metric} ({real})" if real else metric)
    words = [f"{comparison.metric}: {meaning(comparison.metric)}"] if metrics else []
    words += [f"{way}: {', '.join(names)}" for way, names in told.items()]
    if any(reals.values()):
        words.append("in brackets: what real pictures give")
    if len(metrics) > 1:
        words.append(f"each run at its best look by {comparison.metric}")
    if metrics and any(len(candidate.records) > 1 for candidate in comparison.candidates):
        words.append("±: standard deviation")
    return "; ".join(words)


def _of_real(comparison: Comparison, metric: str) -> str:
    """What real pictures give against other real ones, on average over the runs that are ranked."""
    ranked = [record for record in comparison.records if record.name in comparison.measured]
    looks = [look for record in ranked if (look := record.measured(metric))]
    nulls = [look["null_mean"] for look in looks if look["null_mean"] is not None]
    return of_real(metric, looks[0] | {"null_mean": fmean(nulls)}) if nulls else ""


def rows(comparison: Comparison) -> list[list[Cell]]:
    """A row a run, best first; numbers as numbers."""
    metrics = metrics_of(comparison)
    found = []
    for rank, record in enumerate(comparison.ranked, 1):
        looks = [look_of(record, metric, comparison) for metric in metrics]
        values = [None if look is None else float(f"{look['value']:.6g}") for look in looks]
        found.append(
            [
                rank if record.name in comparison.measured else None,
                record.name,
                *(value_of(record, key) for key in comparison.keys),
                record.seed,
                *values,
                findings_of(record),
                rounded(record.summary.get("seconds")),
                rounded(record.images_per_second),
                status_of(record),
            ]
        )
    return found


def findings_of(record: Record) -> str:
    """ "GD301 Checkerboard, 2 remarks": what is worse than a remark by name."""
    told = [f"{f['rule']} {f['title']}" for f in record.serious]
    remarks = len(record.findings) - len(told)
    return ", ".join(told + ([f"{remarks} remark{'s' if remarks > 1 else ''}"] if remarks else []))


def status_of(record: Record) -> str:
    """Also why it failed."""
    return (
        f"failed: {record.error}" if record.status == "failed" and record.error else short_status_of(record)
    )


def short_status_of(record: Record) -> str:
    if record.status != "failed" and record.total and record.step < record.total:
        return f"{record.status}: {record.step} of {record.total} steps"
    return record.status


def verdict_of(record: Record) -> str:
    """The doctor's, from report.md; without one, how the run ended."""
    first = _told_first(record)
    return first[0].removeprefix("# ") if first else f"Not judged: {status_of(record)}"


def qualified(record: Record) -> list[str]:
    """What report.md says below its verdict and the status, before any finding."""
    return _told_first(record)[2:]


def _told_first(record: Record) -> list[str]:
    path = record.directory / files.REPORT
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return [line for line in text.partition("\n## ")[0].splitlines() if line]


def as_csv(comparison: Comparison) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header(comparison))
    writer.writerows(rows(comparison))
    return out.getvalue()


def as_markdown(comparison: Comparison) -> str:
    said = " ".join(filter(None, (comparison.verdict, caveat(comparison))))
    lines = [said, "", _line(header(comparison)), "|" + "---|" * len(header(comparison))]
    lines += [_line([_escaped(_text(cell)) for cell in row]) for row in rows(comparison)]
    lines += ["", f"{told}."] if (told := legend(comparison)) else []
    for effect in comparison.effects:
        lines += ["", f"| {shown(effect.key)} | {comparison.metric} | runs |", "|---|---|---|"]
        lines += [
            f"| {_escaped(option)} | {spread} | {len(spread.values)} |"
            for option, spread in effect.options.items()
        ]
        lines += [] if effect.balanced else ["", f"{effect.care.capitalize()}: read with care."]
    return "\n".join(lines) + "\n"


def means(comparison: Comparison) -> Iterator[str]:
    """ "fd_pca64 by loss: lsgan 0.12 ± 0.01, bce 0.15 ± 0.02", best first; only where an option has several
    runs: otherwise the table itself says it.
    """
    for effect in comparison.effects:
        if any(len(spread.values) > 1 for spread in effect.options.values()):
            told = ", ".join(f"{option} {spread}" for option, spread in effect.options.items())
            care = "" if effect.balanced else f" ({effect.care})"
            yield f"{comparison.metric} by {shown(effect.key)}: {told}{care}"


def as_text(comparison: Comparison) -> str:
    """For the terminal: columns under each other, the verdict below."""
    table = [header(comparison), *([_text(cell) for cell in row] for row in rows(comparison))]
    keep = [
        n for n, column in enumerate(zip(*table, strict=True)) if any(column[1:])
    ]  # nothing said: no column
    widths = [max(len(row[n]) for row in table) for n in keep]
    lines = [
        "  ".join(row[n].ljust(width) for n, width in zip(keep, widths, strict=True)).rstrip()
        for row in table
    ]
    told = (legend(comparison), *means(comparison), comparison.verdict, caveat(comparison))
    return "\n".join([*lines, "", *filter(None, told)])


FORMATS: dict[str, Callable[[Comparison], str]] = {"md": as_markdown, "csv": as_csv}


def rounded(value: Any) -> float | None:
    """Seconds, or pictures a second: whole from 100 on, else three digits."""
    return None if value is None else round(value) if value >= 100 else float(f"{value:.3g}")


def _text(cell: Cell) -> str:
    return "" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
