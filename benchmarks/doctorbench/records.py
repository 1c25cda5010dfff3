"""From run directories to rows: what the doctor said of a run, and what the oracle measured."""

from __future__ import annotations

import contextlib
import io
import json
import math
import multiprocessing
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.doctorbench.cases import CONFIGS, Case
from benchmarks.run_many import Ended, Job, ended_before

Row = dict[str, Any]
Finding = dict[str, Any]
KEPT = ("rule", "state", "severity", "primary", "step")
"""Of a finding, in a row."""
LAST = 0.25  # of a run: what the folk rules look at
DIGITS = 4  # significant ones of a number in a row


def job(case: Case, overrides: Sequence[str] | None = None) -> Job:
    """The case's run; or, with its overrides changed, another one by its name."""
    return Job(case.name, tuple(overrides or case.overrides), ("--config-dir", str(CONFIGS)))


def ended_of(
    cases: Iterable[Case], home: Path, say: Callable[[str], None] = print
) -> list[tuple[Case, Ended]]:
    """The cases whose runs are over; the others are counted aloud."""
    cases = list(cases)
    found = [(case, ended) for case in cases if (ended := ended_before(job(case), home))]
    if len(found) < len(cases):
        say(f"{len(cases) - len(found)} of {len(cases)} runs have not ended: left out")
    return found


def read_lines(path: Path) -> list[Row]:
    return (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    )


def findings_of(run: Path) -> list[Finding]:
    return read_lines(run / "findings.jsonl")


def last_states(findings: Iterable[Finding]) -> dict[str, Finding]:
    """What was last said of each rule."""
    return {finding["rule"]: finding for finding in findings}


def primary(findings: Sequence[Finding]) -> Finding | None:
    """The cause that stands at the end; where nothing stands any more, the last one there was.

    A finding that becomes the cause has a line of its own, so the last such line tells.
    """
    causes = [finding for finding in findings if finding["state"] == "active" and finding["primary"]]
    return causes[-1] if causes else None


def told_by_refusal(case: Case, ended: Ended) -> list[Finding]:
    """What the configuration check has said before training: a finding at step 0, with its remedy."""
    if case.refused is None or ended.code != 2 or f"{case.refused}:" not in ended.stderr:
        return []
    remedy = re.findall(r"^\s+([\w.]+=[^\s,;]+)\s*$", ended.stderr, re.MULTILINE)
    told = {"rule": case.expect[0], "state": "active", "severity": "fatal", "primary": True, "step": 0}
    return [told | {"remedy": remedy[:1]}]


def folk_numbers(run: Path) -> dict[str, float]:
    """What the folk rules look at: D's mean loss over the last quarter, and the largest gradient norm."""
    rows = read_lines(run / "metrics.jsonl")
    last = rows[-max(1, int(LAST * len(rows))) :]
    norms = [row[key] for row in rows for key in ("grad_norm_d", "grad_norm_g") if row.get(key) is not None]
    losses = [row["loss_d"] for row in last if row.get("loss_d") is not None]
    numbers = {}
    if losses:
        numbers["loss_d"] = sum(losses) / len(losses)
    if norms:
        numbers["grad_norm"] = max(norms)
    return rounded({name: value for name, value in numbers.items() if math.isfinite(value)})


def rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.{DIGITS}g}") for name, value in numbers.items()}


def said(run: Path, findings: Sequence[Finding]) -> Row:
    """The doctor's side of a row."""
    summary = json.loads((run / "summary.json").read_text()) if (run / "summary.json").is_file() else {}
    first = primary(findings)
    return {
        "step": summary.get("step", 0),
        "findings": [{key: finding[key] for key in KEPT} for finding in findings],
        "remedy": list(first["remedy"]) if first else [],
        "share": (summary.get("doctor") or {}).get("share"),
        "folk": folk_numbers(run),
    }


def row_of(case: Case, ended: Ended, numbers: Mapping[str, float]) -> Row:
    """Everything the table needs of a run, but its label."""
    total = next(int(o.partition("=")[2]) for o in case.overrides if o.startswith("train.steps="))
    facts = {
        key: getattr(case, key) for key in ("name", "set", "data", "seed", "fault", "dose", "structural")
    }
    lists = {key: list(getattr(case, key)) for key in ("expect", "own")}
    findings = told_by_refusal(case, ended) or findings_of(ended.directory)
    outcome = {"code": ended.code, "total": total, "numbers": dict(numbers)}
    return facts | lists | outcome | said(ended.directory, findings)


def measured(runs: Sequence[tuple[Path, str]], workers: int, say: Callable[[str], None] = print) -> list[Row]:
    """The oracle's numbers of (directory, data set), from RUN/oracle.json where it has measured before.

    A run that has saved nothing to draw from has none.
    """
    from benchmarks.doctorbench.oracle import VERSION

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    fresh = [run for run in runs if _kept(run[0], VERSION) is None and _drawable(run[0])]
    if len(fresh) < len(runs):
        say(f"{len(runs) - len(fresh)} of {len(runs)} runs are measured, or have nothing to measure: skipped")
    if fresh:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(fresh)), mp_context=context) as pool:
            for number, (run, _) in enumerate(zip(fresh, pool.map(measure_run, fresh), strict=True), 1):
                say(f"[{number}/{len(fresh)}] measured {run[0].name}")
    return [_kept(directory, VERSION) or {} for directory, _ in runs]


def measure_run(run: tuple[Path, str]) -> None:
    """Draws, measures and keeps the numbers beside the run."""
    from benchmarks.doctorbench import oracle
    from gantrain.commands.sample import sample

    directory, data = run
    out = directory / "samples" / "oracle"
    with contextlib.redirect_stdout(io.StringIO()):
        sample(str(directory), oracle.SAMPLES, format="npz", out=out)
    fake = oracle.read_samples(max(out.glob("samples-*.npz")))
    numbers = oracle.measure(fake[0], oracle.real_set(data))
    numbers["by_heart"] = oracle.knows_by_heart(directory, fake)
    content = {"version": oracle.VERSION, "numbers": rounded(numbers)}
    path = _numbers_path(directory)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content) + "\n", encoding="utf-8")
    partial.replace(path)


def _drawable(directory: Path) -> bool:
    return any(directory.glob("checkpoints/*.pt"))


def _numbers_path(directory: Path) -> Path:
    return directory / "oracle.json"


def _kept(directory: Path, version: str) -> Row | None:
    path = _numbers_path(directory)
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content.get("numbers") if content.get("version") == version else None


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """One compact line a run; the whole file or as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
