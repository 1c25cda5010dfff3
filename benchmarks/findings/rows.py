"""results.jsonl: one line a run, from which the page can be made again without the runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from omegaconf import OmegaConf

from benchmarks.findings.claims import HERE, Run
from benchmarks.findings.numbers import Files, Nulls, Row, measured
from benchmarks.run_many import Ended, ended_before
from gantrain import build, files

RESULTS = HERE / "results.jsonl"
REAL_NUMBERS: dict[str, Nulls] = {}
"""By the data and who is held out: nulls that have been looked up."""


def nulls_of(directory: Path) -> Nulls:
    """What the doctor held this run against; real against real, from gantrain's cache or made anew."""
    cfg = OmegaConf.load(directory / files.CONFIG)
    which = OmegaConf.to_yaml(OmegaConf.create({"data": cfg.data, "held_out": cfg.metrics.held_out}))
    if which not in REAL_NUMBERS:
        reference = build.make_reference(build.load_data(cfg), torch.device("cpu"))  # type: ignore[arg-type]
        REAL_NUMBERS[which] = reference.nulls
    return REAL_NUMBERS[which]


def row_of(run: Run, ended: Ended) -> Row:
    """What came of a run; without numbers if it was refused or has diverged before any were taken."""
    nulls = nulls_of(ended.directory) if (ended.directory / files.CONFIG).is_file() else {}
    found = measured(Files(ended.directory, nulls))
    return {"run": run.name, "overrides": list(run.overrides), "code": ended.code} | found


def measure(
    runs: Sequence[Run], home: Path, path: Path = RESULTS, say: Callable[[str], None] = print
) -> dict[str, Row]:
    """Brings the rows of all runs that have ended under `home` up to date, and keeps those of others.

    runs: of all claims: rows of runs that are none of them any more are dropped.
    """
    known = current(read(path), runs)
    left = 0
    for run in runs:
        ended = ended_before(run.job, home)
        if ended is None:
            left += 1
        else:
            known[run.name] = row_of(run, ended)
    if left:
        say(f"{left} of {len(runs)} runs have not ended under {home}: rows of theirs stay as they were")
    rows = {run.name: known[run.name] for run in runs if run.name in known}
    text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows.values())
    files.write_atomically(path, text)
    return rows


def read(path: Path = RESULTS) -> dict[str, Row]:
    """Run name -> row; empty where nothing was measured yet."""
    return {row["run"]: row for row in files.read_rows(path)}


def current(rows: Mapping[str, Row], runs: Iterable[Run]) -> dict[str, Row]:
    """Without the rows of runs that are made in another way by now, or not at all."""
    wanted = {run.name: set(run.overrides) for run in runs}
    return {name: row for name, row in rows.items() if set(row["overrides"]) == wanted.get(name)}
