"""What evidence is drawn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from gantrain.metrics.reference import Reference

LARGE, SMALL = 224, 84  # sides of enlarged pictures
VALUES = 2**21  # of the fakes that pixels are looked at, at most


@dataclass(frozen=True)
class Material:
    """What evidence is drawn from; where something is missing, so is the picture that needs it.

    fakes: uint8 N x C x H x W, by the averaged generator. train: gives uint8 pictures that D is trained on;
    asked only for the rule that shows them. history: signals by step, oldest first, each row with its "step".
    facts: of the run; the names of classes are "facts.class_names".
    """

    reference: Reference
    fakes: Tensor | None = None
    train: Callable[[], Tensor] | None = None
    history: Sequence[Mapping[str, float]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def few(images: Tensor) -> Tensor:
    return images[: max(2, VALUES // images[0].numel())]


def few_reals(about: Material) -> Tensor:
    return few(about.reference.pictures(slice(about.reference.n)).cpu())


def real(about: Material) -> Tensor:
    return about.reference.pictures(slice(1)).cpu()[0]
