"""Distances between two sets of feature vectors, N x d and M x d, on any device, computed in float64.

All of them return nan where a feature is not finite: a generator that has diverged is no reason to crash.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

HELD = 2**20
"""Numbers of a pairwise matrix that are held at a time (8 MB): memory does not grow with N x M."""
DIRECTIONS_HELD = 32


def as_double(x: Tensor) -> Tensor:
    """In float64, on a device that has it (Apple's GPUs have not), and without a gradient."""
    return (x.cpu() if x.device.type == "mps" else x).detach().double()


def all_finite(*sets: Tensor) -> bool:
    return all(bool(x.isfinite().all()) for x in sets)


def row_blocks(x: Tensor, columns: int) -> tuple[Tensor, ...]:
    """Rows of x in blocks whose matrix against `columns` others holds at most HELD numbers."""
    return torch.split(x, max(1, HELD // columns))


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Squared 2-Wasserstein distance of two Gaussians (Dowson & Landau 1982; FID: Heusel et al. 2017, eq. 6).

    |m - n|^2 + tr(A + B - 2 (A B)^1/2), with covariances A, B over N - 1; that of a single vector is 0. In
    units of the features' variance. With few vectors it reads too high (Binkowski et al. 2018).
    """
    if not all_finite(a, b):
        return math.nan
    (m, A), (n, B) = _moments(a), _moments(b)
    # With A = R R' and B = S S', the eigenvalues of A B are the squared singular values of R' S.
    cross = torch.linalg.svdvals(_root(A).T @ _root(B)).sum()
    return float((m - n).square().sum() + A.trace() + B.trace() - 2 * cross)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    x = as_double(x)
    mean = x.mean(0)
    centred = x - mean
    return mean, centred.T @ centred / max(1, len(x) - 1)


def _root(covariance: Tensor) -> Tensor:
    """R with R R' = covariance, also where that is singular."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt()


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """Squared maximum mean discrepancy, unbiased (Gretton et al. 2012, eq. 3), with KID's kernel.

    mean_{i != j} k(a_i, a_j) + mean_{i != j} k(b_i, b_j) - 2 mean_ij k(a_i, b_j), k(x, y) = (x.y / d + 1)^3
    (Binkowski et al. 2018, section 4). Over all pairs, not over random subsets. Being unbiased it scatters
    around 0 for equal distributions, and is below 0 for a set and itself. nan for a set of fewer than two.
    """
    if min(len(a), len(b)) < 2 or not all_finite(a, b):
        return math.nan
    a, b = as_double(a), as_double(b)
    n, m = len(a), len(b)
    within_a = (_kernel_sum(a, a) - _own_kernel_sum(a)) / (n * (n - 1))
    within_b = (_kernel_sum(b, b) - _own_kernel_sum(b)) / (m * (m - 1))
    return float(within_a + within_b - 2 * _kernel_sum(a, b) / (n * m))


def _kernel_sum(a: Tensor, b: Tensor) -> Tensor:
    """sum_ij k(a_i, b_j)"""
    total = a.new_zeros(())  # not a list: small results kept between large blocks would spread them in memory
    for block in row_blocks(a, len(b)):
        total += _kernel(block @ b.T, a.shape[1]).sum()
    return total


def _own_kernel_sum(a: Tensor) -> Tensor:
    """sum_i k(a_i, a_i)"""
    return _kernel(a.square().sum(1), a.shape[1]).sum()


def _kernel(products: Tensor, dimension: int) -> Tensor:
    return products.div_(dimension).add_(1).pow_(3)


def sliced_wasserstein(a: Tensor, b: Tensor, directions: int = 256, seed: int = 0) -> float:
    """1-Wasserstein distance along a direction, averaged over random unit directions (Bonneel et al. 2015).

    In units of the features. The same seed gives the same directions on every device.
    """
    if not all_finite(a, b):
        return math.nan
    a, b = as_double(a), as_double(b)
    drawn = torch.randn(directions, a.shape[1], dtype=torch.float64, generator=Generator().manual_seed(seed))
    units = (drawn / drawn.norm(dim=1, keepdim=True)).to(a.device)
    total = a.new_zeros(())
    for block in torch.split(units, DIRECTIONS_HELD):
        total += _line_distances(block @ a.T, block @ b.T).sum()
    return float(total) / directions


def _line_distances(a: Tensor, b: Tensor) -> Tensor:
    """W1 = integral of |F_a^-1(t) - F_b^-1(t)| dt of each pair of rows (K x N and K x M values)."""
    n, m = a.shape[1], b.shape[1]
    # Both quantile functions are steps, ending at multiples of 1/n and of 1/m: whole numbers of 1/(n m).
    ends = torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m) * n]).sort().values
    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    lengths = (ends - starts).to(a) / (n * m)
    at_a, at_b = (starts // m).to(a.device), (starts // n).to(a.device)
    return (a.sort(1).values[:, at_a] - b.sort(1).values[:, at_b]).abs() @ lengths
