"""Every number of an examination during training: one set of pictures held against the reals.

The numbers mean something only beside their null, the same numbers of one half of the reals held against the
other (`nulls`): each data set has its own.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Generator, Tensor

from gantrain.data.store import to_signed
from gantrain.metrics import artefacts, coverage
from gantrain.metrics.distances import frechet_distance
from gantrain.metrics.features import PixelPCA

FEWEST, VALUES, SPECTRAL_VALUES = 128, 2**22, 2**19
"""Contrasts and ranges are taken from as many pictures as have 2^22 values, spectra, which cost more, from as
many as have 2^19, and both from 128 at least."""
PERIODS = (2, 4)  # of the patterns that one or two doublings leave
HALVINGS = 8
ON_THE_CPU = ("rings", "quantiles")  # a few numbers, where artefacts measures them on any device
SMALLEST_HALF = 50  # smaller halves differ so much that nothing would ever lie outside


@dataclass(frozen=True, eq=False)
class RealSide:
    """What `compare` needs of the real pictures."""

    space: PixelPCA
    features: Tensor
    """N x 64 in `space`."""
    spectrum: Tensor
    """H x W, mean power."""
    rings: Tensor
    """Contrast of the outermost four rings of pixels and of the interior."""
    plain: float
    """Share of the pixels where neighbours are alike."""
    mean: Tensor
    """C x H x W."""
    quiet: Tensor
    """C x H x W bool: where the reals hardly vary."""
    quantiles: Tensor
    """101 of the pixel values in [-1, 1]."""
    std: float
    """Of all pixel values."""
    width: float
    """Median distance of two features."""
    distinct: float
    """Vendi score of the features at that width."""

    @property
    def facts(self) -> dict[str, float]:
        """What decides whether a rule applies to these data: border_flatness, quiet_share, plain_share."""
        return {
            "border_flatness": artefacts.border_flatness(self.rings),
            "quiet_share": float(self.quiet.float().mean()),
            "plain_share": self.plain,
        }

    def state(self) -> dict[str, Any]:
        """All but the space, as tensors and numbers."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "space"}

    def to(self, device: torch.device) -> RealSide:
        tensors = {
            key: value
            for key, value in self.state().items()
            if isinstance(value, Tensor) and key not in ON_THE_CPU
        }
        moved: dict[str, Any] = {key: value.to(device) for key, value in tensors.items()}
        return replace(self, space=self.space.to(device), **moved)


def real_side(images: Tensor, space: PixelPCA, features: Tensor | None = None) -> RealSide:
    """images: uint8 N x C x H x W on the space's device; features: theirs in `space`, if already there."""
    signed = _looked_at(images)
    background = artefacts.background(signed)
    features = space(images) if features is None else features
    width = coverage.median_distance(features)
    return RealSide(
        space=space,
        features=features,
        spectrum=artefacts.power_spectrum(_for_spectra(signed)),
        rings=artefacts.ring_contrast(signed),
        plain=artefacts.plain_share(signed),
        mean=background.mean,
        quiet=background.quiet,
        quantiles=artefacts.quantiles(signed),
        std=float(signed.std()),
        width=width,
        distinct=coverage.vendi(features, width),
    )


def compare(images: Tensor, side: RealSide, features: Tensor | None = None) -> dict[str, float]:
    """The numbers of DOCTOR's middle tier by name; what cannot be measured is left out.

    images: uint8 N x C x H x W on the device of `side`, best as many as `side` has. lattice_2, lattice_4,
    phase_energy and saturation are of these pictures alone; the others hold them against the reals.
    """
    features = side.space(images) if features is None else features
    equal = min(len(features), len(side.features))  # density and coverage mean little at unequal numbers
    of_fakes, of_reals = _vendi_scores(features, side)
    numbers = {
        "fd_pca64": frechet_distance(side.features, features),
        "vendi_ratio": of_fakes / of_reals,
        "variety": coverage.variety(of_fakes, of_reals),
        "near_pair_ratio": coverage.near_pair_ratio(side.features, features),
        **coverage.overlap(side.features[:equal], features[:equal])._asdict(),
        **_of_pixels(_looked_at(images), side),
    }
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


def _vendi_scores(features: Tensor, side: RealSide) -> tuple[float, float]:
    """As `coverage.vendi_scores`, but the reals are measured anew only if there are fewer fakes."""
    count = len(side.features)
    if len(features) < count:
        return coverage.vendi_scores(side.features, features)
    return coverage.vendi(features[:count], side.width), side.distinct


def _of_pixels(signed: Tensor, side: RealSide) -> dict[str, float]:
    some = _for_spectra(signed)
    spectrum = artefacts.power_spectrum(some)
    quantiles = artefacts.quantiles(signed)
    return {
        **{f"lattice_{period}": artefacts.lattice_peak(spectrum, period) for period in PERIODS},
        "phase_energy": max(artefacts.phase_energy(some, period) for period in PERIODS),
        "border": artefacts.border_contrast(artefacts.ring_contrast(signed), side.rings),
        "detail": artefacts.detail(spectrum, side.spectrum),
        "streaks": artefacts.streaks(spectrum, side.spectrum),
        "plainness": artefacts.plainness(artefacts.plain_share(signed), side.plain),
        "range_distance": artefacts.range_distance(quantiles, side.quantiles, side.std),
        "range_overlap": artefacts.range_overlap(quantiles, side.quantiles),
        "saturation": artefacts.saturation(signed),
        "speckle": artefacts.speckle(signed, artefacts.Background(side.mean, side.quiet)),
    }


def nulls(
    count: int, n: int, pictures: Callable[[Tensor], Tensor], space: PixelPCA, features: Tensor
) -> dict[str, tuple[float, float]]:
    """name -> (mean, standard deviation) of the numbers between real and real: 8 random pairs of n pictures.

    pictures: rows (int64) -> uint8 pictures; features: of all `count` rows in `space`. With fewer than 2 n
    rows the pairs are halves of what there is, and below 50 in a half there is no null at all.
    """
    half = min(n, count // 2)
    if half < SMALLEST_HALF:
        return {}
    generator = Generator().manual_seed(0)
    found = []
    for _ in range(HALVINGS):
        one, other = torch.split(torch.randperm(count, generator=generator)[: 2 * half], half)
        side = real_side(pictures(other), space, features[other])
        found.append(compare(pictures(one), side, features[one]))
    return mean_and_deviation(found)


def mean_and_deviation(found: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """By name, for the names that are finite in each of the measurements."""
    names = [
        name for name in found[0] if all(math.isfinite(numbers.get(name, math.nan)) for numbers in found)
    ]
    columns = {name: [numbers[name] for numbers in found] for name in names}
    return {name: (statistics.fmean(column), statistics.stdev(column)) for name, column in columns.items()}


def _looked_at(images: Tensor) -> Tensor:
    """Float32 in [-1, 1] of as many pictures as are looked at pixel by pixel."""
    return to_signed(images[: max(FEWEST, VALUES // images[0].numel())])


def _for_spectra(signed: Tensor) -> Tensor:
    return signed[: max(FEWEST, SPECTRAL_VALUES // signed[0].numel())]
