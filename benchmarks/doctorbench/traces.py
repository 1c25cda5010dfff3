"""Records what the tests of the rules replay: the signals of broken runs and of their healthy twins.

    python -m benchmarks.doctorbench.traces --home DIR

Runs of the bench that are in DIR already are taken as they are; the others are trained there. A trace goes to
tests/doctor/traces: what the rules were asked with, look by look, and what was said.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.doctorbench import cases as matrix
from benchmarks.doctorbench import records
from benchmarks.run_many import ROOT, Ended, Job, run_many
from gantrain import files
from gantrain.commands.doctor import attending
from gantrain.saved import saved_config

TRACES = ROOT / "tests" / "doctor" / "traces"


class Pair(NamedTuple):
    """Names of a broken run and of its healthy twin."""

    broken: str
    healthy: str


FASHION, CROPS = "fashion_mnist-0-healthy-default", "crops-13-healthy-default"
PAIRS: Mapping[str, Pair] = {
    "GD001": Pair("fashion_mnist-0-non-finite-weak", FASHION),
    "GD002": Pair(
        "fashion_mnist-0-unbounded-strong", "fashion_mnist-0-healthy-wgan-wgan_gp-dcgan_layer_norm"
    ),
    "GD003": Pair("own-sigmoid", "fashion_mnist-0-healthy-default"),
    "GD004": Pair("fashion_mnist-0-entangled-bce-strong", FASHION),
    "GD101": Pair("fashion_mnist-0-dominated-strong", FASHION),
    "GD102": Pair("fashion_mnist-0-minimax-strong", FASHION),
    "GD103": Pair("fashion_mnist-0-dead-d-strong", FASHION),
    "GD104": Pair("entangled-for-long", FASHION),
    "GD201": Pair("fashion_mnist-0-collapse-strong", FASHION),
    "GD202": Pair("fashion_mnist-0-half-classes-strong", FASHION),
    "GD203": Pair("fashion_mnist-10-healthy-wgan-wgan_gp-dcgan_layer_norm-tutorial", FASHION),
    "GD301": Pair("crops-13-transpose-strong", CROPS),
    "GD302b": Pair("fashion_mnist-0-healthy-lsgan-bilinear-tutorial", FASHION),
    "GD302c": Pair("own-repeated", "own-interpolated"),
    "GD302d": Pair("own-repeated", "own-interpolated"),
    "GD303": Pair("own-frame", CROPS),
    "GD304": Pair("fashion_mnist-0-mlp-strong", FASHION),
    "GD401": Pair("fashion_mnist-0-few-images-weak", FASHION),
    "GD402": Pair("digits-12-few-images-strong", "digits-12-healthy-default"),
}
"""Rule -> the runs by which it is tested."""

SHORT = ("model.width=16", "train.batch_size=32", "tracking.every=25")
QUIET = ("tracking.samples_every=100000", "checkpoint.every=100000", "runtime.device=cpu")
FAULTY = "model.generator._target_=benchmarks.doctorbench.faulty"
FIXED = tuple(f"~model.generator.{key}" for key in ("activation", "padding", "stem", "output"))
OWN: Mapping[str, tuple[str, ...]] = {
    "own-sigmoid": ("data=fashion_mnist", "train.steps=800", f"{FAULTY}.SigmoidGenerator", *FIXED),
    "own-frame": ("data=crops", "train.steps=800", f"{FAULTY}.FramedGenerator", *FIXED),
    "own-repeated": ("data=crops", "train.steps=800", "upsample=nearest", "seed=1"),
    "own-interpolated": ("data=crops", "train.steps=800", "upsample=bilinear", "seed=1"),
    "entangled-for-long": (
        *("data=fashion_mnist", "train.steps=1200", "schedule=entangled"),
        "doctor.max_overhead=1",  # as many looks as a longer run would have
    ),
}
"""Runs that the bench has not."""


def jobs() -> list[Job]:
    cases = {case.name: case for case in matrix.load()}
    names = dict.fromkeys(name for pair in PAIRS.values() for name in pair)
    return [
        records.job(cases[name])
        if name in cases
        else Job(name, (*SHORT, *QUIET, *OWN[name]), ("--config-dir", str(matrix.CONFIGS)))
        for name in names
    ]


def trace(ended: Ended) -> dict[str, Any]:
    """Facts, nulls and looks of a run, as the doctor had them."""
    cfg, _ = saved_config(ended.directory)
    doctor = attending(cfg, ended.directory, None)
    rows = files.read_rows(ended.directory / files.SIGNALS)
    return {
        "command": " ".join(("gantrain", *ended.job.overrides)),
        "total": cfg.train.steps,
        "facts": doctor.facts,
        "nulls": {
            name: list(records.rounded(null._asdict()).values()) for name, null in doctor.nulls.items()
        },
        "looks": [records.rounded(row) for row in rows],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="where the runs are, or will be")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    TRACES.mkdir(parents=True, exist_ok=True)
    for ended in run_many(jobs(), given.home, given.workers):
        text = json.dumps(trace(ended), separators=(",", ":")).replace('{"step"', '\n{"step"')
        (TRACES / f"{ended.job.name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
