"""How much of the real variety the fakes have, and how much of what they show is real: N x d features."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from gantrain.metrics.distances import all_finite, as_double, row_blocks

PAIRED = 512
"""Vectors, at most, whose pairs are looked at all at once: the eigenvalues of their kernel cost O(n^3)."""
FEWEST_OF_A_CLASS = 16
"""Vectors of a class by which its variety is told."""
ROUNDING = 1e-12
"""Of squared distances, relative: one that should be equal to the radius counts as inside."""


class Overlap(NamedTuple):
    """Shares 0..1; density alone may exceed 1. nan where a feature is not finite."""

    precision: float
    recall: float
    density: float
    coverage: float


def overlap(real: Tensor, fake: Tensor, k: int = 5) -> Overlap:
    """Overlap of the two sets, each taken as the union of balls that reach to the k-th neighbour in the set.

    precision: share of fakes inside a real's ball; recall: share of reals inside a fake's ball
    (Kynkaanniemi et al. 2019, eq. 1-2). density: mean number of real balls around a fake, over k; coverage:
    share of reals whose ball holds a fake (Naeem et al. 2020, section 3). For N equally distributed reals and
    fakes the coverage is 1 - prod_{i=1..k} (N - i) / (2 N - i) on average. A set of n has at most n - 1
    neighbours: k is lowered to that; the ball of a lone vector is the vector itself.
    """
    if not all_finite(real, fake):
        return Overlap(math.nan, math.nan, math.nan, math.nan)
    real, fake = as_double(real), as_double(fake)
    centre = real.mean(0)  # squares of distances from far away would lose digits
    real, fake = real - centre, fake - centre
    real_radii, fake_radii = _squared_radii(real, k), _squared_radii(fake, k)
    around = torch.zeros(len(fake), dtype=torch.int64, device=fake.device)
    covered = torch.zeros((), dtype=torch.int64, device=fake.device)
    recalled = covered.clone()
    blocks = row_blocks(real, len(fake))
    for block, radii in zip(blocks, torch.split(real_radii, len(blocks[0])), strict=True):
        distances = _squared_distances(block, fake)
        inside = distances <= radii[:, None]
        around += inside.sum(0)
        covered += inside.any(1).sum()
        recalled += (distances <= fake_radii).any(1).sum()
    return Overlap(
        precision=float((around > 0).double().mean()),
        recall=int(recalled) / len(real),
        density=float(around.double().mean()) / max(1, min(k, len(real) - 1)),
        coverage=int(covered) / len(real),
    )


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """|a_i|^2 + |b_j|^2 - 2 a_i.b_j"""
    squares = torch.addmm(b.square().sum(1)[None], a, b.T, alpha=-2)
    return squares.add_(a.square().sum(1)[:, None])


def _squared_radii(x: Tensor, k: int) -> Tensor:
    """Squared distance of each vector to its k-th neighbour."""
    radii = x.new_zeros(len(x))
    k, start = min(k, len(x) - 1), 0
    for block in row_blocks(x, len(x)) if k else ():
        distances = _squared_distances(block, x)
        distances.diagonal(start).fill_(math.inf)  # not its own neighbour
        radii[start : start + len(block)] = distances.topk(k, largest=False).values[:, -1]
        start += len(block)
    return radii + ROUNDING * (radii + x.square().sum(1))


def _some(features: Tensor, count: int = PAIRED) -> Tensor:
    """At most `count` of them: all, or always the same random ones (every n-th may be of one class)."""
    if len(features) <= count:
        return features
    drawn = torch.randperm(len(features), generator=Generator().manual_seed(0))[:count]
    return features[drawn.to(features.device)]


def _pair_distances(features: Tensor) -> Tensor:
    """By differences, not by a product: equal vectors are at distance 0 exactly."""
    return torch.pdist(as_double(_some(features)))


def median_distance(features: Tensor) -> float:
    """Median distance of two vectors (of at most PAIRED). nan for fewer than two, or not finite ones."""
    if len(features) < 2 or not all_finite(features):
        return math.nan
    return float(_pair_distances(features).median())


def vendi(features: Tensor, width: float) -> float:
    """Vendi score: effective number of distinct vectors, 1..N (Friedman & Dieng 2023).

    exp(-sum_i l_i log l_i), l the eigenvalues of K / N, K_ij = exp(-|x_i - x_j|^2 / width^2). Of more
    than PAIRED vectors it is the number among that many of them. At width 0 only equal vectors are alike.
    """
    if math.isnan(width) or not all_finite(features):
        return math.nan
    distances = _pair_distances(features) / max(width, 1e-150)
    count = min(len(features), PAIRED)
    kernel = torch.eye(count, dtype=distances.dtype, device=distances.device)
    kernel[torch.ones_like(kernel, dtype=torch.bool).triu(1)] = (-distances.square()).exp()
    eigenvalues = torch.linalg.eigvalsh(kernel / count, UPLO="U").clamp(min=0)
    return float(torch.special.entr(eigenvalues).sum().exp())


def vendi_scores(real: Tensor, fake: Tensor) -> tuple[float, float]:
    """(of the fakes, of equally many reals), both at the reals' median distance."""
    count = min(len(real), len(fake))
    width = median_distance(real)
    return vendi(_some(fake, count), width), vendi(_some(real, count), width)


def vendi_ratio(real: Tensor, fake: Tensor) -> float:
    """Vendi score of the fakes over that of equally many reals."""
    of_fakes, of_reals = vendi_scores(real, fake)
    return of_fakes / of_reals


def variety(of_fakes: float, of_reals: float) -> float:
    """log V(fakes) / log V(reals): 0 for one picture over and over, 1 for as many kinds as the reals have.

    Unlike the ratio of the scores it means the same for data of few kinds and of many: one picture gives a
    ratio of 1 / V(reals). nan where the reals are all alike.
    """
    return math.log(of_fakes) / math.log(of_reals) if of_reals > 1 else math.nan


def vendi_within(features: Tensor, labels: Tensor, width: float) -> float:
    """Vendi score within a class (labels: int64 N, 0 and up), as the geometric mean over the vectors of all
    classes that have FEWEST_OF_A_CLASS or more; nan if none has.
    """
    counts = enumerate(labels.bincount().tolist())
    enough = {label: count for label, count in counts if count >= FEWEST_OF_A_CLASS}
    if not enough:
        return math.nan
    logarithms = (n * math.log(vendi(features[labels == label], width)) for label, n in enough.items())
    return math.exp(math.fsum(logarithms) / sum(enough.values()))


def near_pair_ratio(real: Tensor, fake: Tensor) -> float:
    """1st percentile of the distances of two fakes, over that of two reals: 0 says that pictures repeat.

    nan for fewer than two vectors, or where the reals themselves repeat.
    """
    if min(len(real), len(fake)) < 2 or not all_finite(real, fake):
        return math.nan
    near_real, near_fake = _near_pair(real), _near_pair(fake)
    return near_fake / near_real if near_real else math.nan


def _near_pair(features: Tensor) -> float:
    distances = _pair_distances(features)
    return float(distances.topk(-(-len(distances) // 100), largest=False).values[-1])


def class_shares(predicted: Tensor, num_classes: int) -> Tensor:
    """Share of each class among N predicted ones (int64, 0..num_classes - 1): float32, sum 1."""
    return torch.bincount(predicted, minlength=num_classes).float() / len(predicted)
