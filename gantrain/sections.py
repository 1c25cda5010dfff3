"""The typed sections of the configuration: what each takes, and in what range. No torch here."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from gantrain.errors import GantrainError


def _at_least(section: str, key: str, value: float, least: float, remedy: str) -> None:
    if not value >= least:  # so that nan is refused as well
        raise GantrainError(f"{section}.{key}", f"must be {least} or more, got {value}", remedy)


@dataclass
class TrainSection:
    steps: int = 1600
    batch_size: int = 32
    images: int | None = None
    stop_when_worse: bool = False

    def __post_init__(self) -> None:
        _at_least("train", "steps", self.steps, 1, "train.steps=1600")
        _at_least("train", "batch_size", self.batch_size, 1, "train.batch_size=32")
        if self.images is not None:
            _at_least("train", "images", self.images, 1, "train.images=null for all of them")


@dataclass
class EmaSection:
    half_life_images: float = 10_000.0

    def __post_init__(self) -> None:
        _at_least("ema", "half_life_images", self.half_life_images, 0, "ema.half_life_images=0 turns it off")


@dataclass
class TrackingSection:
    every: int = 50
    samples_every: int = 500
    samples: int = 64

    def __post_init__(self) -> None:
        for key in ("every", "samples_every", "samples"):
            _at_least("tracking", key, getattr(self, key), 1, f"tracking.{key}=50")


@dataclass
class CheckpointSection:
    every: int = 500
    keep: int = 2

    def __post_init__(self) -> None:
        _at_least("checkpoint", "every", self.every, 1, "checkpoint.every=500")
        _at_least("checkpoint", "keep", self.keep, 1, "checkpoint.keep=2")


@dataclass
class MetricsSection:
    every: int = 500
    count: int = 1000
    best: str = "fd_rand"
    patience: int = 5
    held_out: int | None = None
    inception_weights: str | None = None

    def __post_init__(self) -> None:
        _at_least("metrics", "every", self.every, 0, "metrics.every=0 measures nothing while training")
        _at_least("metrics", "count", self.count, 10, "metrics.count=1000")
        _at_least("metrics", "patience", self.patience, 1, "metrics.patience=5")
        if self.held_out is not None:
            _at_least("metrics", "held_out", self.held_out, 0, "metrics.held_out=null holds out a tenth")


@dataclass
class DoctorSection:
    enabled: bool = True
    ignore: list[str] = field(default_factory=list)
    max_overhead: float = 0.02
    params: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _at_least("doctor", "max_overhead", self.max_overhead, 0, "doctor.max_overhead=0.02")


AUTO = "auto"
DECIDED = {
    "precision": ("fp32", "bf16"),
    "memory_format": ("contiguous", "channels_last"),
    "compile": ("none", "cudagraphs"),
}
"""The keys of `runtime` that the machine decides unless they are given: see runtime.py."""


@dataclass
class RuntimeSection:
    device: str = AUTO
    precision: str = AUTO
    memory_format: str = AUTO
    compile: str = AUTO
    threads: int = 0
    deterministic: bool = False

    def __post_init__(self) -> None:
        for key, values in DECIDED.items():
            if (given := getattr(self, key)) not in (AUTO, *values):
                choices = ", ".join(f"runtime.{key}={value}" for value in (AUTO, *values))
                raise GantrainError(f"runtime.{key}", f"no such choice: '{given}'", f"choose one: {choices}")
        _at_least("runtime", "threads", self.threads, 0, "runtime.threads=0 leaves the number to PyTorch")


@dataclass
class ModeSection:
    mode: str = MISSING


@dataclass
class PaddingSection:
    mode: str = MISSING
    stem: bool = False


@dataclass
class ConditionSection:
    kind: str = "none"
    embedding_dim: int = 16

    def __post_init__(self) -> None:
        if self.kind not in ("none", "class"):
            raise GantrainError(
                "condition.kind", f"no such kind: '{self.kind}'", "condition=none or condition=class"
            )
        _at_least("condition", "embedding_dim", self.embedding_dim, 1, "condition.embedding_dim=16")
