"""Distances between feature sets, against closed forms, direct sums and other libraries."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.testing import assert_close

from gantrain.metrics import distances
from gantrain.metrics.distances import frechet_distance, kernel_distance, sliced_wasserstein

Distance = Callable[[Tensor, Tensor], float]
EACH = pytest.mark.parametrize("distance", [frechet_distance, kernel_distance, sliced_wasserstein])
A = torch.tensor([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 0.7]], dtype=torch.float64)
B = torch.tensor([[1.0, -0.4, 0.2], [-0.4, 3.0, 0.6], [0.2, 0.6, 0.5]], dtype=torch.float64)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=Generator().manual_seed(seed))


def with_moments(mean: Tensor, covariance: Tensor, count: int = 40, seed: int = 0) -> Tensor:
    """Vectors with exactly this mean and this covariance (over N - 1)."""
    x = randn(count, len(mean), seed=seed)
    white = torch.linalg.qr(x - x.mean(0)).Q * math.sqrt(count - 1)
    return white @ torch.linalg.cholesky(covariance).T + mean


# ---- Frechet distance ------------------------------------------------------------------------------------


def test_frechet_distance_of_gaussians_with_known_moments() -> None:
    m, n = torch.tensor([1.0, 0, -2]).double(), torch.tensor([0.5, 0.5, 0]).double()
    # tr (A B)^1/2 by the eigenvalues of the unsymmetric product, which is another way than ours
    cross = torch.linalg.eigvals(A @ B).real.sqrt().sum()
    expected = (m - n).square().sum() + A.trace() + B.trace() - 2 * cross
    found = frechet_distance(with_moments(m, A, 40), with_moments(n, B, 70, seed=1))
    assert found == pytest.approx(float(expected), rel=1e-10)


def test_frechet_distance_where_the_covariances_commute() -> None:
    """|m - n|^2 + sum (s_i - t_i)^2"""
    s, t = torch.tensor([[1.0, 2.0, 0.5], [3.0, 0.1, 0.5]], dtype=torch.float64)
    mean = torch.tensor([0.0, 3.0, 4.0]).double()
    found = frechet_distance(with_moments(mean, torch.diag(s**2)), with_moments(0 * mean, torch.diag(t**2)))
    assert found == pytest.approx(25 + 4 + 1.9**2, rel=1e-10)


@pytest.mark.parametrize("count", [1, 2, 10, 500])
def test_frechet_distance_sees_a_mere_shift_exactly_and_itself_not_at_all(count: int) -> None:
    """Also with fewer vectors than dimensions, whose covariance is singular."""
    x, shift = randn(count, 64) * 10, torch.linspace(-1, 1, 64).double()
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(x, x + shift) == pytest.approx(float(shift.square().sum()), rel=1e-6)


def test_frechet_distance_keeps_its_digits_far_from_the_origin() -> None:
    x, y = with_moments(torch.zeros(3).double(), A), with_moments(torch.ones(3).double(), B)
    assert frechet_distance(x + 1e5, y + 1e5) == pytest.approx(frechet_distance(x, y), rel=1e-6)


# ---- Kernel distance -------------------------------------------------------------------------------------


def kernel_distance_pair_by_pair(a: Tensor, b: Tensor) -> float:
    def k(x: Tensor, y: Tensor) -> float:
        return float(x @ y / len(x) + 1) ** 3

    def within(x: Tensor) -> float:
        pairs = [k(p, q) for i, p in enumerate(x) for j, q in enumerate(x) if i != j]
        return sum(pairs) / len(pairs)

    return within(a) + within(b) - 2 * sum(k(p, q) for p in a for q in b) / (len(a) * len(b))


@pytest.mark.parametrize(("n", "m"), [(2, 2), (7, 12), (12, 7)])
@pytest.mark.parametrize("held", [1, 30, 10**6])
def test_kernel_distance_is_the_sum_over_pairs(
    n: int, m: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distances, "HELD", held)  # in blocks of one row, of a few rows, all at once
    a, b = randn(n, 5), randn(m, 5, seed=1) + 0.3
    assert kernel_distance(a, b) == pytest.approx(kernel_distance_pair_by_pair(a, b), rel=1e-10)


def test_kernel_distance_is_zero_on_average_between_halves_of_one_set() -> None:
    halves = [torch.randperm(600, generator=Generator().manual_seed(seed)) for seed in range(100)]
    x = randn(600, 8)
    found = torch.tensor([kernel_distance(x[half[:300]], x[half[300:]]) for half in halves])
    assert abs(found.mean()) < 3 * found.std() / math.sqrt(len(found))
    assert found.min() < 0 < found.max()
    assert kernel_distance(x, x) < 0, "it is unbiased, so below zero where there is no difference at all"
    assert kernel_distance(x[:300], x[300:] + 0.5) > 10 * found.std()


def test_kernel_distance_needs_two_vectors() -> None:
    assert math.isnan(kernel_distance(randn(1, 4), randn(5, 4)))
    assert math.isnan(kernel_distance(randn(5, 4), randn(1, 4)))


# ---- Sliced Wasserstein distance -------------------------------------------------------------------------


def test_on_a_line_every_direction_is_the_line() -> None:
    a, b = torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[4.0], [2.0], [1.5]])
    assert sliced_wasserstein(a, b) == pytest.approx((1.5 + 1 + 1) / 3)


def test_unequal_numbers() -> None:
    """|F_a^-1 - F_b^-1| is 0, 1, 1, 0 over lengths 1/3, 1/6, 1/6, 1/3."""
    a, b = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[2.0], [0.0]])
    assert sliced_wasserstein(a, b) == pytest.approx(1 / 3)
    assert sliced_wasserstein(b, a) == pytest.approx(1 / 3)
    assert sliced_wasserstein(torch.zeros(1, 1), torch.tensor([[1.0], [-3.0]])) == pytest.approx(2)


@pytest.mark.parametrize(("n", "m"), [(4, 6), (7, 10), (1, 9), (50, 51)])
def test_unequal_numbers_are_as_equal_ones_after_repetition(n: int, m: int) -> None:
    a, b = randn(n, 3), randn(m, 3, seed=1)
    expected = sliced_wasserstein(a.repeat(m, 1), b.repeat(n, 1))
    assert sliced_wasserstein(a, b) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("dimension", [1, 2, 64])
def test_sliced_wasserstein_of_a_shift(dimension: int) -> None:
    """E |u.v| = |v| Gamma(d/2) / (sqrt(pi) Gamma((d + 1)/2)) over the unit sphere."""
    x, shift = randn(30, dimension), torch.full((dimension,), 0.7).double()
    ratio = math.gamma(dimension / 2) / (math.sqrt(math.pi) * math.gamma((dimension + 1) / 2))
    expected = float(shift.norm()) * ratio
    assert sliced_wasserstein(x, x + shift, directions=20_000) == pytest.approx(expected, rel=0.02)
    assert sliced_wasserstein(x, x) == 0


def test_directions_come_from_the_seed_alone() -> None:
    a, b = randn(20, 6), randn(30, 6, seed=1)
    before = torch.random.get_rng_state()
    assert sliced_wasserstein(a, b) == sliced_wasserstein(a, b)
    assert sliced_wasserstein(a, b) != sliced_wasserstein(a, b, seed=1)
    assert_close(torch.random.get_rng_state(), before)


def test_sliced_wasserstein_is_the_mean_over_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = randn(20, 6), randn(30, 6, seed=1)
    at_once = sliced_wasserstein(a, b, directions=100)
    monkeypatch.setattr(distances, "DIRECTIONS_HELD", 7)
    assert sliced_wasserstein(a, b, directions=100) == pytest.approx(at_once, rel=1e-12)


# ---- All of them -----------------------------------------------------------------------------------------


@EACH
def test_is_symmetric(distance: Distance) -> None:
    a, b = randn(30, 5), randn(20, 5, seed=1) * 2
    assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-10)


@EACH
def test_works_in_float64_whatever_it_is_given(distance: Distance) -> None:
    a, b = randn(30, 5).float(), randn(20, 5, seed=1).float()
    found = distance(a, b)
    assert type(found) is float
    assert found == distance(a.double(), b.double())


@EACH
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_of_what_is_not_finite_there_is_no_distance(distance: Distance, value: float) -> None:
    good, bad = randn(30, 5), randn(30, 5)
    bad[3, 2] = value
    assert math.isnan(distance(good, bad))
    assert math.isnan(distance(bad, good))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@EACH
def test_cuda_gives_the_numbers_of_the_cpu(distance: Distance) -> None:
    a, b = randn(300, 16).float(), randn(200, 16, seed=1).float() + 0.2
    assert distance(a.cuda(), b.cuda()) == pytest.approx(distance(a, b), rel=1e-8)


# ---- Against other libraries, on the same features -------------------------------------------------------


class Alone(nn.Module):
    """torchmetrics takes a network; ours hands the features through."""

    num_features = 16

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def feature_sets() -> tuple[Tensor, Tensor]:
    return randn(400, 16).float(), (randn(300, 16, seed=1) * 1.2 + 0.3).float()


def of_torchmetrics(metric: Any, a: Tensor, b: Tensor) -> Any:
    metric.update(a[:, None, None], real=True)
    metric.update(b[:, None, None], real=False)
    return metric.compute()


def test_frechet_distance_is_torchmetrics() -> None:
    pytest.importorskip("torchmetrics")
    from torchmetrics.image.fid import FrechetInceptionDistance

    a, b = feature_sets()
    metric = FrechetInceptionDistance(Alone(), normalize=True, input_img_size=(1, 1, 16)).set_dtype(
        torch.float64
    )
    assert frechet_distance(a, b) == pytest.approx(float(of_torchmetrics(metric, a, b)), rel=1e-4)


def test_kernel_distance_is_torchmetrics() -> None:
    pytest.importorskip("torchmetrics")
    from torchmetrics.image.kid import KernelInceptionDistance

    a, b = feature_sets()
    a = a[: len(b)]  # a subset of all is then the set itself
    metric = KernelInceptionDistance(Alone(), subsets=1, subset_size=len(b), normalize=True)
    mean, _ = of_torchmetrics(metric, a, b)
    assert kernel_distance(a, b) == pytest.approx(float(mean), rel=1e-4)


def test_both_are_torch_fidelitys() -> None:
    pytest.importorskip("torch_fidelity")
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric

    a, b = feature_sets()
    statistics = (fid_features_to_statistics(x) for x in (a, b))
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert frechet_distance(a, b) == pytest.approx(theirs, rel=1e-6)
    a = a[: len(b)]
    options = {"kid_subsets": 1, "kid_subset_size": len(b), "verbose": False}
    theirs = kid_features_to_metric(a, b, **options)["kernel_inception_distance_mean"]
    assert kernel_distance(a, b) == pytest.approx(theirs, rel=1e-6)
