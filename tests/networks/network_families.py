"""Every network family, found in the package: the tests below name none of them by hand."""

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

import gantrain.networks
from gantrain.networks.layers import DOWNSAMPLE, PADDING, UPSAMPLE


def _families() -> Iterator[tuple[str, ModuleType]]:
    for info in pkgutil.iter_modules(gantrain.networks.__path__):
        module = importlib.import_module(f"gantrain.networks.{info.name}")
        if {"Generator", "Discriminator"} <= vars(module).keys():
            yield info.name, module


FAMILIES = dict(_families())
LATENT = 8

every_family = pytest.mark.parametrize("family", FAMILIES)
STYLES = [
    {"upsample": up, "downsample": down, "padding": padding, "stem": stem}
    for up, down, padding, stem in itertools.product(UPSAMPLE, DOWNSAMPLE, PADDING, (False, True))
]


def takes(cls: type, options: dict[str, Any]) -> dict[str, Any]:
    """The options that this network's signature knows."""
    return {key: options[key] for key in options.keys() & inspect.signature(cls).parameters.keys()}


def generator(family: str, channels: int = 1, size: int = 16, classes: int = 0, **options: Any) -> nn.Module:
    cls = FAMILIES[family].Generator
    return cls(LATENT, channels, size, classes, 3, **takes(cls, {"width": 4, **options}))


def discriminator(
    family: str, channels: int = 1, size: int = 16, classes: int = 0, **options: Any
) -> nn.Module:
    cls = FAMILIES[family].Discriminator
    return cls(channels, size, classes, **takes(cls, {"width": 4, **options}))


def labels(count: int, classes: int) -> torch.Tensor | None:
    return torch.arange(count) % classes if classes else None


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())
