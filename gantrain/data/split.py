"""Which pictures are trained on, and which are kept apart to judge by."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gantrain.data.store import ImageSet
from gantrain.errors import GantrainError

SHARE, MOST = 10, 10_000  # a tenth is held out, at most ten thousand
OF_SMALL_SETS, ENOUGH = 4, 256  # of small sets a quarter, until there are enough to compare with
SEED = 20_140_610  # a constant: runs with different seeds are judged by the same pictures


def held_out_by_rule(count: int) -> int:
    """How many of `count` pictures are held out unless the user says."""
    return min(MOST, max(count // SHARE, min(count // OF_SMALL_SETS, ENOUGH)))


def split(images: ImageSet, held_out: int | None = None, train: int | None = None) -> ImageSet:
    """The same set with `train` and `held_out` filled in: the same rows in every run, whatever its seed.

    Args:
        images: a set that names its own `held_out` pictures keeps them, unless the user gives a number.
        held_out: how many pictures are never trained on; None: by rule.
        train: train on only so many of the others; None: on all of them.

    Raises:
        GantrainError: there are not as many.
    """
    count = images.count
    if held_out is None and images.held_out is not None:
        apart = images.held_out
        rest = torch.ones(count, dtype=torch.bool).index_fill_(0, apart, False).nonzero().flatten()
        rest = rest[_shuffled(len(rest))]
    else:
        number = held_out_by_rule(count) if held_out is None else held_out
        if number >= count:
            reason = f"{number} of {count} pictures leave none to train on"
            raise GantrainError("metrics.held_out", reason, f"metrics.held_out={held_out_by_rule(count)}")
        order = _shuffled(count)
        apart, rest = order[:number], order[number:]
    if train is not None and train > len(rest):
        reason = f"there are {len(rest)} to train on, beside {len(apart)} held out"
        raise GantrainError("train.images", reason, f"train.images={len(rest)}, or null for all of them")
    return replace(images, train=rest[:train].sort().values, held_out=apart.sort().values)


def _shuffled(count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(SEED))
