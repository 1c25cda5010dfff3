"""Writes compare.html of several runs and report.html of one. No torch here."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser

from gantrain import files
from gantrain.compose import extended
from gantrain.console import log, typed
from gantrain.errors import GantrainError
from gantrain.keys import command_line
from gantrain.overrides import assigned
from gantrain.pages.caveats import longer
from gantrain.pages.html import compare_page, report_page
from gantrain.pages.phrases import quoted
from gantrain.pages.ranking import Comparison, compare
from gantrain.pages.records import Record, jobs_of, readable, records_of, typed_for, values_typed
from gantrain.pages.settings import as_written
from gantrain.pages.tables import as_text


def write_comparison(places: Sequence[str], metric: str | None = None, out: Path | None = None) -> str:
    """Gives the ranked table and where the page is, for the terminal.

    Args:
        places: a sweep's folder, or runs.
        metric: by which to rank; None: that by which the runs keep their best checkpoint.
        out: the page; None: at the root of the sweep, or a page of just these runs under outputs/.

    Raises:
        GantrainError: no such runs, or none of them has measured it.
    """
    records, sweep = records_of(places)
    comparison = comparison_of(records, metric, sweep)
    page = out or (sweep / files.COMPARISON if sweep else _page_of(records))
    page.parent.mkdir(parents=True, exist_ok=True)
    title = (
        f"Sweep {'/'.join(sweep.parts[-2:])}"
        if sweep
        else "One run"
        if len(records) == 1
        else f"{len(records)} runs"
    )
    first = _begun_by(sweep) if sweep else None
    among = [sweep] if sweep else list(map(Path, places))
    further = {
        "more seeds": [] if first else more_seeds(comparison, among),
        "more steps": more_steps(comparison, sweep) if sweep else [],
    }
    files.write_atomically(page, compare_page(comparison, title, further))
    lines = [as_text(comparison), "", f"compare: {files.from_here(page)}"]
    for what, commands in further.items():
        heads = (f"{what}:", " " * len(f"{what}:"))
        lines += [f"{head} {line}" for head, line in zip(heads, commands, strict=False)]
    if sweep and first:
        both = typed("gantrain", "compare", files.relative(first), files.relative(sweep))
        lines.append(f"together: {readable(both)}")
    if winner := comparison.winner:
        best = " --best" if winner.metric == comparison.metric else ""  # by another one none is kept
        lines.append(f"next: gantrain sample {files.from_here(winner.directory)}{best} -n 64")
        if winner is not comparison.ranked[0]:
            lines.append(f"{' ' * len('next:')} the best run of {quoted(comparison.judged[0])}")
    return "\n".join(lines)


def more_seeds(comparison: Comparison, places: Sequence[Path]) -> list[str]:
    """The commands that try a sweep with two more seeds, but for what has lost already, and compare all of
    them; none where nothing is in doubt, or nobody knows what was typed.

    places: what is compared: a sweep, or several that have the same settings, such as one with more seeds.
    """
    whole, *others = map(typed_for, places)
    if not (comparison.in_doubt and whole and all(_is_part(words, whole) for words in others)):
        return []
    first, words = places[0].resolve(), [_narrowed(word, comparison) for word in whole]
    seeds = comparison.unused_seeds
    further = files.relative(first.with_name(f"{first.name}-seed{seeds.replace(',', '-')}"))
    overrides = ["-m", *extended(words, [f"seed={seeds}"]), assigned("hydra.sweep.dir", further)]
    again = command_line(overrides, comparison.records[0].summary.get("config_dir"))
    known = [files.relative(place.resolve()) for place in places]
    return [readable(again), readable(typed("gantrain", "compare", *known, further))]


def more_steps(comparison: Comparison, sweep: Path) -> list[str]:
    """The command by which each job of a sweep goes on to as many steps as may rank otherwise; none where as
    many as it has will do, or nobody knows what was typed.
    """
    words, steps = typed_for(sweep), longer(comparison)
    if not (words and steps):
        return []
    here = assigned("hydra.sweep.dir", files.relative(sweep))
    overrides = ["-m", *extended(words, [f"train.steps={steps}"]), here]
    return [readable(command_line(overrides, comparison.records[0].summary.get("config_dir")))]


def _begun_by(sweep: Path) -> Path | None:
    """The sweep of which this one has more seeds, by its name and by what was typed."""
    name = re.fullmatch(r"(.+)-seed\d+(-\d+)*", sweep.name)
    first = sweep.with_name(name[1]) if name else None
    return first if first and _is_part(typed_for(sweep), typed_for(first)) else None


def _is_part(words: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether a sweep asks what the whole one asks, of other seeds, or of fewer of its values."""
    if not (words and whole):  # nobody knows
        return False
    part, all_of_it = (values_typed(some) | {"seed": []} for some in (words, whole))
    return part.keys() == all_of_it.keys() and all(set(part[key]) <= set(all_of_it[key]) for key in part)


def _narrowed(word: str, comparison: Comparison) -> str:
    """A swept option with those of its values alone that may still come first."""
    override = OverridesParser.create().parse_override(word)
    key = override.get_key_element()
    if not override.is_discrete_sweep() or key not in comparison.keys:
        return word
    wanted = {dict(contender.settings)[key] for contender in comparison.contenders}
    swept = list(override.sweep_string_iterator())
    kept = [value for value in swept if {value, as_written(value)} & wanted]
    is_less = len(wanted) == len(kept) < len(swept)
    return f"{word.partition('=')[0]}={','.join(kept)}" if is_less else word


def _page_of(records: Sequence[Record]) -> Path:
    """Of runs that belong to no sweep: the same runs have the same page, and other runs leave it alone."""
    runs = "\n".join(sorted(str(record.directory) for record in records))
    stem, suffix = files.COMPARISON.split(".")
    return Path("outputs", f"{stem}-{hashlib.sha256(os.fsencode(runs)).hexdigest()[:8]}.{suffix}")


def comparison_of(records: Sequence[Record], metric: str | None, sweep: Path | None = None) -> Comparison:
    """sweep: to which they belong. Raises GantrainError if a metric was asked for that none has measured."""
    comparison = compare(records, metric, jobs_of(sweep) if sweep else None)
    if metric is not None and not any(record.measured(metric) for record in records):
        tried = {name for record in records for row in record.evaluations for name in row["metrics"]}
        known = sorted(name for name in tried if any(record.measured(name) for record in records))
        remedy = (
            f"measured were: {', '.join(known)}"
            if known
            else "their metrics.every was 0, or they are too young"
        )
        raise GantrainError("--metric", f"none of the runs has measured {metric}", remedy)
    return comparison


def write_report(directory: Path) -> None:
    """report.html, as the run stands."""
    record = Record(directory, readable(directory.name))
    try:
        files.write_atomically(directory / files.PAGE, report_page(record))
    except Exception as error:
        log.warning("%s was not written: %s", files.PAGE, error)
