"""The full evaluation of a generator: every distance in every feature space, beside its null and stamped.

Names say the space: fd_pca64 is a Frechet distance of PCA features. None of these numbers is "FID", which
means Inception's features (inception.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from gantrain.metrics.coverage import PAIRED, class_shares, overlap, vendi_ratio
from gantrain.metrics.distances import frechet_distance, kernel_distance, sliced_wasserstein
from gantrain.metrics.features import BLOCK_VALUES, Classifier
from gantrain.metrics.kinds import LOWER_IS_BETTER
from gantrain.metrics.likeness import SMALLEST_HALF, mean_and_deviation
from gantrain.metrics.reference import Reference
from gantrain.metrics.stamps import Stamp

HALVINGS = 3
CHANCE = 1e-3  # that a class is drawn so rarely by chance alone: below it, it is no chance
DROPPED = 0.2  # of its share among the reals: a class with less is as good as missing


class Measurement(NamedTuple):
    """A number, what real pictures give against real pictures, and how it was measured."""

    value: float
    null_mean: float | None
    """None: too few real pictures to divide."""
    null_sd: float | None
    null_n: tuple[int, int] | None
    """How many real pictures stood on each side: the real side, and in the place of the fakes."""
    stamp: Stamp

    def plain(self) -> dict[str, Any]:
        """For JSON, which has no nan: that becomes None."""
        value = self.value if math.isfinite(self.value) else None
        return self._asdict() | {"value": value, "stamp": asdict(self.stamp)}


class ClassShare(NamedTuple):
    """Shares 0..1 of pictures that the classifier takes for this class. counted: the fakes that were."""

    name: str
    real: float
    fake: float
    counted: int

    @property
    def is_chance(self) -> bool:
        """Whether of so many fakes so few may be of this class although it is drawn as often as it is real:
        P(X <= k), X Poisson with the expected number, is the upper incomplete gamma function.
        """
        found, expected = torch.tensor([self.fake * self.counted + 1, self.real * self.counted]).double()
        return float(torch.special.gammaincc(found, expected)) >= CHANCE

    @property
    def dropped(self) -> bool:
        return self.fake < DROPPED * self.real and not self.is_chance


def evaluate(
    fakes: Tensor | Iterable[Tensor],
    reference: Reference,
    spaces: Iterable[str] | None = None,
    ema: bool | None = True,
    eval_mode: bool | None = True,
    n_real: int | None = None,
) -> dict[str, Measurement]:
    """fd, kd, precision, recall, density, coverage, vendi (a ratio) and swd in every space: "fd_pca64", ...

    Args:
        fakes: uint8 N x C x H x W in any order but sorted, or blocks of such pictures, one after the other.
        reference: the real side.
        spaces: None: all that there are.
        ema, eval_mode: for the stamps: whether drawn by the averaged generator, and in eval mode.
        n_real: real pictures to take, at most; None: all. For many quick looks take as many as fakes.
    """
    return measure(features_of(fakes, reference, spaces), reference, ema, eval_mode, n_real)


def features_of(
    fakes: Tensor | Iterable[Tensor], reference: Reference, spaces: Iterable[str] | None = None
) -> dict[str, Tensor]:
    """Space -> float32 N x d on the reference's device, for `measure`; arguments as those of `evaluate`."""
    chosen = {name: reference.space(name) for name in (reference.available if spaces is None else spaces)}
    if isinstance(fakes, Tensor):
        fakes = torch.split(fakes, max(1, BLOCK_VALUES // fakes[0].numel()))
    found: dict[str, list[Tensor]] = {name: [] for name in chosen}
    for block in fakes:
        for name, space in chosen.items():
            found[name].append(space(block))
    return {name: torch.cat(parts) for name, parts in found.items()}


def measure(
    features: Mapping[str, Tensor],
    reference: Reference,
    ema: bool | None = True,
    eval_mode: bool | None = True,
    n_real: int | None = None,
) -> dict[str, Measurement]:
    """The numbers of `evaluate`, from the fakes' features by space."""
    measurements = {}
    for name, fake in features.items():
        real, space = reference.features(name)[:n_real], reference.space(name)
        null, null_n = _null(name, len(fake), len(real), reference)
        for kind, value in _numbers(real, fake).items():
            taken = _taken(kind, len(real), len(fake))
            mean, sd = null.get(kind, (None, None))
            measurements[f"{kind}_{name}"] = Measurement(
                value=value,
                null_mean=mean,
                null_sd=sd,
                null_n=_taken(kind, *null_n) if kind in null else None,
                stamp=Stamp(name, space.hash, *taken, reference.split, ema, eval_mode, space.resize),
            )
    return measurements


def _numbers(real: Tensor, fake: Tensor) -> dict[str, float]:
    equal = min(len(real), len(fake))  # density and coverage mean little at unequal numbers
    scale = real.shape[1] ** 0.5  # KID's kernel wants a variance of 1 in each coordinate: ours share 1
    return {
        "fd": frechet_distance(real, fake),
        "kd": kernel_distance(scale * real, scale * fake),
        **overlap(real[:equal], fake[:equal])._asdict(),
        "vendi": vendi_ratio(real, fake),
        "swd": sliced_wasserstein(real, fake),
    }


def _taken(kind: str, n_real: int, n_fake: int) -> tuple[int, int]:
    """How many of each `_numbers` looks at."""
    if kind in LOWER_IS_BETTER:
        return n_real, n_fake
    equal = min(n_real, n_fake, PAIRED if kind == "vendi" else n_real)
    return equal, equal


def _null(
    name: str, n_fake: int, n_real: int, reference: Reference
) -> tuple[dict[str, tuple[float, float]], tuple[int, int]]:
    """kind -> (mean, standard deviation) of real against real, and how many stood on each side.

    As many reals as there are fakes, at most half, are held against others, three times at random.
    """
    part = min(n_fake, reference.count // 2)
    sides = (min(n_real, reference.count - part), part)
    if part < SMALLEST_HALF:
        return {}, sides

    def halvings() -> dict[str, tuple[float, float]]:
        generator = Generator().manual_seed(0)
        features = reference.features(name)
        found = []
        for _ in range(HALVINGS):
            order = torch.randperm(len(features), generator=generator)
            found.append(_numbers(features[order[part : part + sides[0]]], features[order[:part]]))
        return mean_and_deviation(found)

    return reference.remembered(f"null-{name}-{sides[0]}-{part}", halvings), sides


def classes_of(
    features: Mapping[str, Tensor], reference: Reference, names: Iterable[str] = (), clearest: float = 1.0
) -> list[ClassShare]:
    """What the classifier takes the fakes and the reals for, by class; empty without the space "cls".

    names: of the classes, in order; without them their numbers. clearest: the part of each side's pictures
    that counts, those the classifier is surest of; of the others it says something as well.
    """
    if Classifier.name not in features:
        return []
    counted = reference.num_classes

    def clear(side: Tensor) -> Tensor:
        labels, confidence = reference.classifier.classify(side)
        return labels[confidence >= confidence.quantile(1 - clearest)]

    real, fake = clear(reference.features(Classifier.name)), clear(features[Classifier.name])
    names = list(names)[:counted] or [
        str(number) for number in range(counted)
    ]  # the last may have no picture
    of_real, of_fake = (class_shares(labels, counted).tolist() for labels in (real, fake))
    return [ClassShare(*entry, len(fake)) for entry in zip(names, of_real, of_fake, strict=True)]
