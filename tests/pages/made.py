"""Run directories with chosen numbers, in the files that a run leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from omegaconf import OmegaConf
from PIL import Image

from gantrain import files
from gantrain.pages.records import KILLED, Record

RUNNING: list[FileLock] = []  # of runs that pass for being trained

STAMP = {
    "space": "rand", "extractor": "abc", "n_real": 1000, "n_fake": 1000, "split": "held_out",
    "ema": True, "eval_mode": True, "resize": "none",
}  # fmt: skip
CHECKERBOARD = {
    "rule": "GD301", "state": "active", "event": "began", "severity": "warning", "primary": True,
    "step": 20, "onset": 10, "title": "Checkerboard", "message": "a pattern of period 2 stands out",
    "evidence": [{"signal": "lattice_2", "value": 1.0, "normal": 0.3, "spread": 0.02, "threshold": 0.9}],
    "because_of": [], "remedy": ["upsample=nearest"], "why": "Because.", "price": "None.",
    "not_when": "Never.", "picture": None,
}  # fmt: skip


def make_run(
    place: Path,
    overrides: Sequence[str] = (),
    *,
    fd: Sequence[float] = (0.3, 0.2),
    seed: int = 0,
    choices: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    status: str = "finished",
    error: str | None = None,
    diverged: bool = False,
    findings: Sequence[Mapping[str, Any]] = (),
    stamp: Mapping[str, Any] = STAMP,
    tiles: int = 8,
    pictures: int = 2,
    rows: int = 20,
    told_of: int | None = None,
) -> Path:
    """A run of 20 steps that measured fd_rand as often as `fd` is long; `rows` of its curves, up to its last
    checkpoint or to the step `told_of`.
    """
    steps = [20 * (n + 1) // max(1, len(fd)) for n in range(len(fd))]
    (place / files.SAMPLES).mkdir(parents=True)
    summary = {
        "status": "running" if status == KILLED else status,
        "step": 20 if status == "finished" else 10, "images": 640, "seconds": 2.0,
        "error": error, "diverged": diverged, "overrides": [*overrides, f"seed={seed}"],
        "choices": {"loss": "bce", "penalty": "none"} | dict(choices or {}),
    }  # fmt: skip
    (place / files.SUMMARY).write_text(json.dumps(summary))
    if status == "running":
        lock = FileLock(place / files.LOCK)
        lock.acquire()
        RUNNING.append(lock)
    base = {"seed": seed, "train": {"steps": 20}, "metrics": {"best": "fd_rand"}, "facts": {"image_size": 28}}
    OmegaConf.save(OmegaConf.merge(base, dict(config or {})), place / files.CONFIG)
    for step, value in zip(steps, fd, strict=True):
        look = {"value": value, "null_mean": 0.04, "null_sd": 0.01, "stamp": dict(stamp)}
        files.append_row(place / files.EVALUATIONS, {"step": step, "metrics": {"fd_rand": look}})
    logged = (
        {"step": step, "loss_d": 1 / step, "loss_g": step / 20, "d_real": 0.6, "d_fake": 0.4}
        for step in range(1, min(rows, told_of or summary["step"]) + 1)
    )
    (place / files.METRICS).write_text("".join(f"{json.dumps(row)}\n" for row in logged))
    for finding in findings:
        files.append_row(place / files.FINDINGS, dict(finding))
    side = 30 * tiles + 2
    for n in range(pictures):
        noise = np.random.default_rng([seed, n]).integers(0, 256, (side, side), dtype=np.uint8)
        Image.fromarray(noise).save(place / files.SAMPLES / f"{20 * (n + 1) // pictures:08d}.png")
    Image.new("L", (side, side), 128).save(place / files.SAMPLES / files.REAL)
    return place


def sweep(root: Path, *runs: Mapping[str, Any]) -> list[Record]:
    return [Record(make_run(root / str(number), **run), str(number)) for number, run in enumerate(runs)]


def keep_multirun(place: Path, task: Sequence[str], hydra: Sequence[str] = (), params: object = None) -> None:
    """What Hydra keeps of a grid: the words that were typed, and what a ready-made sweep has."""
    sweeper = {"_target_": "hydra._internal.core_plugins.basic_sweeper.BasicSweeper", "params": params}
    kept = {"sweeper": sweeper, "overrides": {"task": list(task), "hydra": list(hydra)}}
    (place / "multirun.yaml").write_text(json.dumps({"hydra": kept}))
