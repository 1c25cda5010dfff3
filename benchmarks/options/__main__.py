"""What each option does to the pictures.

    python -m benchmarks.options run  --home DIR [--only loss]
    python -m benchmarks.options page --home DIR

run: the sweeps of options.yaml, one after the other, with the very commands that the pages print; a sweep
that is complete is left alone. page: writes docs/options/<group>.md and docs/images/options/<group>.png from
what the sweeps have left. Start it in the repository's root; it needs gantrain[joblib].
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.findings.sheets import arranged, encoded, last_samples
from benchmarks.run_many import ROOT, parser_of, perform
from gantrain import files
from gantrain.keys import config_dir
from gantrain.metrics.kinds import better
from gantrain.pages.candidates import Spread
from gantrain.pages.ranking import Comparison, compare
from gantrain.pages.records import Record, records_of, runs_in
from gantrain.pages.tables import metrics_of

HERE = Path(__file__).resolve().parent
DOCS = ROOT / "docs"
NATURAL = ("--config-dir", "benchmarks/doctorbench/configs")  # brings data=crops
PARALLEL = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
IN_A_ROW = 3  # options
SHAPE = (6, 3)  # pictures of each option: columns and rows
SHOWN = ("fd_rand", "coverage_rand", "vendi_rand")


@dataclass(frozen=True)
class Group:
    """A group of configs/, and the sweep over its options."""

    name: str
    sweep: str
    words: tuple[str, ...]
    natural: bool
    reading: str

    @property
    def options(self) -> list[str]:
        return self.sweep.partition("=")[2].split(",")

    @property
    def typed(self) -> list[str]:
        """As a reader would type it."""
        return ["-m", *(NATURAL if self.natural else ()), self.sweep, *self.words]


def groups(only: Sequence[str] = ()) -> list[Group]:
    read: Any = yaml.safe_load((HERE / "options.yaml").read_text(encoding="utf-8"))
    return [
        Group(
            name,
            entry["sweep"],
            (*entry["with"].split(), *read["common"].split()),
            entry.get("natural", False),
            entry.get("reading", ""),
        )
        for name, entry in read["groups"].items()
        if not only or name in only
    ]


def run(given: argparse.Namespace) -> None:
    for group in groups(given.only):
        sweep = given.home / group.name
        if (sweep / files.COMPARISON).is_file():
            print(f"{group.name}: done before")
            continue
        command = [sys.executable, "-m", "gantrain", *group.typed, *PARALLEL, f"hydra.sweep.dir={sweep}"]
        print(f"{group.name}: gantrain {' '.join(group.typed)}", flush=True)
        subprocess.run(command, cwd=ROOT, check=False)  # a run that diverges is a result as well


def page(given: argparse.Namespace) -> None:
    for group in groups(given.only):
        sweep = given.home / group.name
        if not sweep.is_dir() or not runs_in(sweep):
            print(f"{group.name}: not run yet")
            continue
        comparison = compare(records_of([str(sweep)])[0])
        picture = DOCS / "images" / "options" / f"{group.name}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        shown = cells(group, comparison)
        rows = [("", shown[start : start + IN_A_ROW]) for start in range(0, len(shown), IN_A_ROW)]
        picture.write_bytes(encoded(arranged(rows)))
        path = DOCS / "options" / f"{group.name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines(group, comparison)) + "\n", encoding="utf-8")
        print(path)
    (DOCS / "options" / "README.md").write_text("\n".join(index()) + "\n", encoding="utf-8")


def index() -> Iterator[str]:
    yield "# What each option does to the pictures\n"
    yield (
        "A sweep for each of eight groups: the command, the pictures, the numbers, what the doctor said,\n"
        "what a person saw. Short runs of small networks on a processor, two seeds: enough to see\n"
        "what an option does, not to rank it for other data or a longer training.\n"
        "Codes such as N2.5 in the tables are numbers of practitioners' advice: "
        "[what they were worth](../findings.md).\n"
    )
    yield "| group | options | on |"
    yield "|---|---|---|"
    for group in groups():
        if not (DOCS / "options" / f"{group.name}.md").is_file():
            continue
        data = next(word for word in group.words if word.startswith("data="))
        options = ", ".join(f"`{option}`" for option in group.options)
        yield f"| [{group.name}]({group.name}.md) | {options} | `{data}` |"


def cells(group: Group, comparison: Comparison) -> list[tuple[str, Any]]:
    found = {option: records(group, comparison, option) for option in group.options}
    return [
        (option, last_samples(runs[0].directory, SHAPE) if runs else None) for option, runs in found.items()
    ]


def records(group: Group, comparison: Comparison, option: str) -> list[Record]:
    """Of one option, by seed."""
    chosen = [record for record in comparison.records if record.choices.get(group.name) == option]
    return sorted(chosen, key=lambda record: record.seed or 0)


def lines(group: Group, comparison: Comparison) -> Iterator[str]:
    yield f"# {group.name}: what each option does to the pictures\n"
    yield f"```\ngantrain {' '.join(group.typed)}\n```\n"
    yield f"{comparison.verdict}\n"
    if group.reading:
        yield f"{group.reading.strip()}\n"
    yield f"![Samples of every option, first seed](../images/options/{group.name}.png)\n"
    metrics = [name for name in SHOWN if name in metrics_of(comparison)]
    yield f"| `{group.name}=` | what it is | {' | '.join(metrics)} | images/s | the doctor says |"
    yield "|" + "---|" * (4 + len(metrics))
    for option in group.options:
        runs = records(group, comparison, option)
        told = [spread_of(runs, metric) for metric in metrics]
        cells = (f"`{option}`", meaning(group.name, option), *told, speed(runs), said(runs))
        yield f"| {' | '.join(cells)} |"
    direction = ", ".join(f"`{name}` {better(name)}" for name in metrics)
    yield f"\nBetter is: {direction}. Mean ± standard deviation over the seeds, each run at its best look;"
    yield "one processor core a run, beside other work: speeds are hints. `gantrain compare` prints the same"
    yield "table, with every run; made by `python -m benchmarks.options`."


def spread_of(runs: Sequence[Record], metric: str) -> str:
    values = tuple(look["value"] for run in runs if (look := run.measured(metric)))
    return str(Spread(values)) if values else "-"


def speed(runs: Sequence[Record]) -> str:
    rates = tuple(rate for run in runs if (rate := run.images_per_second))
    return f"{Spread(rates).mean:.0f}" if rates else "-"


def said(runs: Sequence[Record]) -> str:
    """What each cause was, and of how many runs if not of all."""
    if any(run.status == "failed" for run in runs):
        return "failed"
    causes = [run.primary for run in runs if run.primary]
    told = []
    for rule, count in Counter(cause["rule"] for cause in causes).most_common():
        title = next(cause["title"] for cause in causes if cause["rule"] == rule)
        share = "" if count == len(runs) else f" ({count} of {len(runs)})"
        told.append(f"[{rule}](../rules/{rule[:5]}.md) {title}{share}")
    return ", ".join(told) or "healthy"


def meaning(group: str, option: str) -> str:
    """The comment that the option's file opens with."""
    text = (Path(config_dir()) / group / f"{option}.yaml").read_text(encoding="utf-8")
    opening = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        opening.append(line.lstrip("# "))
    return " ".join(opening).replace("|", "\\|")


STAGES = {"run": run, "page": page}


def main() -> None:
    parser = parser_of("benchmarks.options", __doc__, STAGES)
    parser.add_argument("--home", type=Path, required=True, help="where the sweeps are")
    parser.add_argument("--only", nargs="+", default=(), metavar="GROUP")
    given = parser.parse_args()
    perform(STAGES[given.stage], given)


if __name__ == "__main__":
    main()
