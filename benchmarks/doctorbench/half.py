"""Training data that lack classes which the held-out pictures have: the seeded fault of dropped modes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from gantrain.data import sources
from gantrain.data.store import ImageSet
from gantrain.errors import GantrainError

SOURCES: Mapping[str, Callable[..., ImageSet]] = {
    "fashion_mnist": sources.fashion_mnist,
    "digits": sources.digits,
}
MOST_HELD_OUT = 6000
SEED = 0  # the same pictures in every run


def half_classes(
    source: str = "fashion_mnist", keep: int = 5, image_size: int = 28, flip: bool = False
) -> ImageSet:
    """A quarter of `source` (at most 6,000) with all classes is held out; the rest has the first `keep` only.

    Raises:
        GantrainError: no such source, or nothing would be missing.
    """
    if source not in SOURCES:
        raise GantrainError("data.source", f"no such source: '{source}'", f"one of: {', '.join(SOURCES)}")
    whole = SOURCES[source](image_size=image_size, flip=flip)
    if not 0 < keep <= whole.num_classes:
        raise GantrainError("data.keep", f"must be 1 to {whole.num_classes}, got {keep}", "data.keep=5")
    assert whole.labels is not None, "both sources have labels"
    order = torch.randperm(whole.count, generator=torch.Generator().manual_seed(SEED))
    number = min(whole.count // 4, MOST_HELD_OUT)
    apart, rest = order[:number], order[number:]
    rows = torch.cat([apart, rest[whole.labels[rest] < keep]])
    return replace(
        whole,
        name=f"{whole.name}, {keep} of {whole.num_classes} classes",
        images=whole.images[rows],
        labels=whole.labels[rows],
        held_out=torch.arange(len(apart)),
    )
