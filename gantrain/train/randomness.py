"""The random generators of the process: saved and restored, and kept from noticing that somebody looks on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor


def random_state(noise: Generator) -> dict[str, Any]:
    """Every random generator of the process, and ours. Plain values and tensors only."""
    legacy = dict(np.random.get_state(legacy=False))  # noqa: NPY002 - user code may draw from it
    inner = dict(legacy.pop("state"))
    return {
        "noise": noise.get_state(),
        "noise_device": noise.device.type,
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "device": None if noise.device.type == "cpu" else _state_of(noise.device),
        "python": random.getstate(),
        # weights_only loading takes no NumPy array
        "numpy": legacy | {"state": {"key": inner["key"].tolist(), "pos": int(inner["pos"])}},
    }


def restore_random_state(state: dict[str, Any], noise: Generator, step: int) -> None:
    """Undoes `random_state`. On another kind of device the noise starts anew, by its seed and the step."""
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    if state["noise_device"] != noise.device.type:
        noise.manual_seed(int(np.random.SeedSequence([noise.initial_seed(), step]).generate_state(1)[0]))
    else:
        noise.set_state(state["noise"])
        if state.get("device") is not None:  # this device's own, wherever it stood among the others
            _restore(noise.device, state["device"])
    random.setstate(state["python"])
    inner = state["numpy"]["state"]
    key = np.asarray(inner["key"], dtype=np.uint32)
    np.random.set_state(state["numpy"] | {"state": {"key": key, "pos": inner["pos"]}})  # noqa: NPY002


@contextmanager
def unnoticed(*devices: torch.device) -> Iterator[None]:
    """Whatever is drawn inside from the global generators (PyTorch's of the CPU and of the devices, NumPy's,
    Python's), they go on as if nothing had been: dropout, and networks that add noise, draw from them.
    """
    python, legacy = random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002
    others = {device: _state_of(device) for device in devices if device.type != "cpu"}
    cpu = torch.get_rng_state()
    try:
        yield
    finally:
        for device, state in others.items():
            _restore(device, state)
        torch.set_rng_state(cpu)
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002 - user code may draw from it


def _state_of(device: torch.device) -> Tensor:
    state: Tensor = torch.get_device_module(device).get_rng_state(*_which(device))
    return state


def _restore(device: torch.device, state: Tensor) -> None:
    torch.get_device_module(device).set_rng_state(state, *_which(device))


def _which(device: torch.device) -> tuple[torch.device, ...]:
    return () if device.type == "mps" else (device,)  # there is one at most
