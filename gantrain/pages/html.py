"""report.html of a run and compare.html of several: one file each, that loads nothing from anywhere.

jinja2 fills the page; uPlot (static/uPlot.js) draws the curves, since reading values off thousands of points
is what a charting library is for; what stands still (main effects) is placed by the style sheet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gantrain import __version__
from gantrain.metrics.kinds import beside_real, better
from gantrain.pages.candidates import NAMED
from gantrain.pages.caveats import caveat
from gantrain.pages.curves import charts_of
from gantrain.pages.effects import drawn
from gantrain.pages.film import Film, Frame, exhibit_of, film_of
from gantrain.pages.ranking import Comparison
from gantrain.pages.records import Record, Row
from gantrain.pages.settings import SEED, Settings, shown, value_of
from gantrain.pages.tables import (
    last_look_of,
    legend,
    look_of,
    metrics_of,
    qualified,
    rounded,
    short_status_of,
    status_of,
    verdict_of,
)

STATIC = Path(__file__).resolve().parent / "static"
SHOWN = 1_200_000  # bytes of all pictures of findings together
LEAST_EXHIBIT = 20_000
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#b8a800")
"""Okabe and Ito (2008): told apart by colour-blind readers as well; yellow and black fit for any ground."""
DASHES: tuple[list[int], ...] = ([], [6, 4], [2, 3])


@dataclass(frozen=True)
class Look:
    """How a run looks wherever it appears."""

    number: int
    record: Record
    colour: str
    dash: list[int]
    rank: int | None
    settings: Settings


def compare_page(comparison: Comparison, title: str, further: Mapping[str, Sequence[str]] = {}) -> str:
    """The whole of compare.html. further: "more seeds" and the like -> commands that would make it surer."""
    return _page("compare.html.jinja", comparison, title, further)


def report_page(record: Record) -> str:
    """The whole of report.html."""
    return _page("report.html.jinja", Comparison((record,), record.metric), verdict_of(record))


def _page(
    template: str, comparison: Comparison, title: str, further: Mapping[str, Sequence[str]] = {}
) -> str:
    looks = looks_of(comparison)
    film = film_of(comparison.records)
    metrics = metrics_of(comparison)
    data = {
        "charts": [chart.plain() for chart in charts_of(comparison.records, comparison.metric)],
        "runs": [{"name": look.record.name, "colour": look.colour, "dash": look.dash} for look in looks],
        "film": plain_film(film),
    }
    return (
        environment()
        .get_template(template)
        .render(
            title=title,
            version=__version__,
            comparison=comparison,
            caveat=caveat(comparison),
            further=further,
            looks=looks,
            metrics=metrics,
            legend=legend(comparison),
            look_of=look_of,
            last_look_of=last_look_of,
            beside_real=beside_real,
            qualified=qualified,
            better=better,
            film=film,
            exhibits=exhibits_of(comparison.records),
            named=NAMED,
            effects=[drawn(effect) for effect in comparison.effects],
            status_of=status_of,
            short_status_of=short_status_of,
            verdict_of=verdict_of,
            facts=facts_of(looks[0].record),
            seed=SEED,
            data=Markup(json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")),
        )
    )


def environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(STATIC),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["static"] = lambda name: Markup((STATIC / name).read_text(encoding="utf-8"))
    found.filters["number"] = lambda value: "" if value is None else f"{value:.3g}"
    found.filters["whole"] = lambda value: "" if value is None else f"{rounded(value):,}"
    found.filters["code"] = in_code
    return found


def in_code(text: str) -> Markup:
    """ "`a=1` is best" with what stands between backticks as <code>."""
    parts = [
        Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(text.split("`"))
    ]
    return Markup("").join(parts)


def looks_of(comparison: Comparison) -> list[Look]:
    """In the order of the ranking."""
    return [
        Look(
            number,
            record,
            COLOURS[number % len(COLOURS)],
            DASHES[number // len(COLOURS) % len(DASHES)],
            number + 1 if record.name in comparison.measured else None,
            tuple((shown(key), value_of(record, key)) for key in comparison.keys),
        )
        for number, record in enumerate(comparison.ranked)
    ]


def plain_film(film: Film) -> Row:
    """Every picture once, with its size, and where it is shown: `runs` has indices into `frames`, or -1.

    The last picture of every run stands in the page itself, and is not repeated here.
    """
    known: dict[str, int] = {}
    told: list[tuple[str, int, int]] = []
    in_page = {frames[-1].uri for frames in film.frames.values() if frames and frames[-1]}

    def index(frame: Frame | None) -> int:
        if frame is None:
            return -1
        if frame.uri not in known:
            known[frame.uri] = len(known)
            told.append(("" if frame.uri in in_page else frame.uri, frame.width, frame.height))
        return known[frame.uri]

    runs = {
        name: [[index(frame), 0 if frame is None else frame.step] for frame in frames]
        for name, frames in film.frames.items()
    }
    return {"moments": list(film.moments), "runs": runs, "frames": told}


def exhibits_of(records: Sequence[Record]) -> dict[tuple[str, str], Frame]:
    """(name of a run, rule) -> the picture that shows it."""
    wanted = [
        (record, finding)
        for record in records
        for finding in record.findings
        if finding.get("picture") and (record.directory / finding["picture"]).is_file()
    ]
    each = max(LEAST_EXHIBIT, SHOWN // max(1, len(wanted)))
    frames = {
        (record.name, finding["rule"]): exhibit_of(record.directory / finding["picture"], each)
        for record, finding in wanted
    }
    return {key: frame for key, frame in frames.items() if frame is not None}


def facts_of(record: Record) -> dict[str, Any]:
    """What a reader asks next of a run."""
    summary = record.summary
    parameters = summary.get("parameters") or {}
    found = {
        "status": status_of(record),
        "steps": record.step,
        "seconds": summary.get("seconds"),
        "images/s": record.images_per_second and rounded(record.images_per_second),
        "device": summary.get("device"),
        "precision": summary.get("precision"),
        "parameters of G": parameters.get("generator"),
        "parameters of D": parameters.get("discriminator"),
        "directory": record.directory.name,
    }
    return {key: value for key, value in found.items() if value is not None}
