"""Small runs, and what came of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

UNATTENDED = ("doctor.enabled=false", "metrics.every=0")
TINY = ("model.width=4", "train.batch_size=8", "tracking.every=2", "tracking.samples=4", *UNATTENDED)


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def run(self) -> Path:
        """The newest run directory."""
        found = [
            *Path("outputs").glob("*/*/config.yaml"),
            *Path("outputs").glob("multirun/*/*/*/config.yaml"),
        ]
        return max(found, key=lambda path: path.stat().st_mtime_ns).parent.resolve()


Command = Callable[..., Outcome]
