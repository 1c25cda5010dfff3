"""How a run computes on this machine: precision, memory layout, compilation. `auto` decides by rule.

By rule and not by a trial: the same command then computes the same on the same machine, every time. The
measurements behind the rules stand in benchmarks/RESULTS.md.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from gantrain.errors import GantrainError
from gantrain.sections import AUTO

WATCHED, SPARE = 0.2, 0.7  # seconds, and cores that others may use
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Choice:
    value: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.value} ({self.why})" if self.why else self.value


@dataclass(frozen=True)
class Precision:
    """In what the networks are evaluated; what comes out of them is fp32 again, and so is all that follows.

    Losses, penalties, statistics, gradients of weights and optimisers never leave fp32: bf16 has its range,
    but 8 bits of precision: enough for a product of matrices and not for a difference of large numbers.
    """

    dtype: torch.dtype = torch.float32

    def __call__(self, network: nn.Module, *inputs: Tensor) -> Tensor:
        """network(*inputs), as fp32 unless the network itself computes in something wider."""
        if self.dtype == torch.float32:
            return network(*inputs)
        # No cache of cast weights: one made without gradients would be handed to the phase that needs them.
        with torch.autocast(inputs[0].device.type, self.dtype, cache_enabled=False):
            out: Tensor = network(*inputs)
        return out.float()


def choose_device(name: str) -> torch.device:
    """`auto` takes CUDA, then MPS, then the CPU."""
    if name != AUTO:
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def check_device(name: str) -> None:
    """Raises GantrainError for a device that is not here."""
    available = {
        AUTO: True,
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    kind, _, index = name.partition(":")
    here = [device for device, present in available.items() if present]
    if kind not in available:
        raise GantrainError("runtime.device", f"no such device: '{name}'", f"here: {', '.join(here)}")
    if not available[kind]:
        raise GantrainError(
            "runtime.device", f"PyTorch finds no {kind} device here", f"here: {', '.join(here)}"
        )
    if index and (kind != "cuda" or not index.isdecimal() or int(index) >= torch.cuda.device_count()):
        raise GantrainError("runtime.device", f"there is no '{name}' here", f"here: {', '.join(here)}")


def describe_device(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"{device} ({threads} thread{'s' if threads > 1 else ''})" if device.type == "cpu" else str(device)


def limited_threads(cfg: DictConfig, device: torch.device) -> int | None:
    """Threads that the environment leaves a run on the CPU, as joblib's launcher does to its workers; None if
    nothing but the configuration decides.
    """
    limited = device.type == "cpu" and not cfg.runtime.threads and "OMP_NUM_THREADS" in os.environ
    return torch.get_num_threads() if limited else None


def crowded(cfg: DictConfig, device: torch.device) -> bool:
    """Whether others keep the cores busy that this run would compute on, as far as this system tells.

    Threads that wait for one another lose a multiple of their share: of two trainings with two threads each,
    on two cores, both took four times as long as alone (2026-11-23).
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or cfg.runtime.threads or threads < 2:
        return False
    before, cores = _ticks(), os.cpu_count() or 1
    time.sleep(WATCHED)
    after = _ticks()
    if before is None or after is None or after[1] == before[1]:
        return False
    free = cores * (after[0] - before[0]) / (after[1] - before[1])
    return free < threads - SPARE


def _ticks() -> tuple[int, int] | None:
    """(idle, all) since this machine was started, of all cores together; only Linux tells."""
    try:
        ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return None
    return ticks[3] + ticks[4], sum(ticks)  # idle, and idle while a disk is waited for


def settle(cfg: DictConfig, device: torch.device) -> dict[str, Choice]:
    """Replaces each `auto` of RULES in `cfg.runtime`, in place; gives what stands there now, and why."""
    choices = {
        key: rule(device) if cfg.runtime[key] == AUTO else Choice(cfg.runtime[key])
        for key, rule in RULES.items()
    }
    cfg.runtime.update({key: choice.value for key, choice in choices.items()})
    return choices


def best_precision(device: torch.device) -> Choice:
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
        return Choice("bf16", "the GPU has bf16 matrix units")
    if device.type == "cpu" and (unit := bf16_unit()):
        return Choice("bf16", f"the processor has {unit}")
    return Choice("fp32", f"this {device.type} has no bf16 arithmetic")


def bf16_unit() -> str | None:
    """The processor's unit for bf16 products, if it has one; without one PyTorch emulates them, slowly."""
    has: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    units = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512 BF16"}
    return next((name for key, name in units.items() if has.get(key)), None)


def best_layout(device: torch.device) -> Choice:
    if device.type == "mps":
        return Choice("contiguous", "not measured on mps")
    return Choice("channels_last", "faster convolutions")


def best_compilation(device: torch.device) -> Choice:
    if device.type == "cuda":
        return Choice("none", "not measured yet: try runtime.compile=cudagraphs")
    return Choice("none", "on a processor compiling was no faster")


RULES: dict[str, Callable[[torch.device], Choice]] = {
    "precision": best_precision,
    "memory_format": best_layout,
    "compile": best_compilation,
}
