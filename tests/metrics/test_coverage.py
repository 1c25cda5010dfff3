"""Coverage and its kin, against pair-by-pair definitions and sets of known variety."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor
from torch.testing import assert_close

from gantrain.metrics import coverage, distances
from gantrain.metrics.coverage import (
    Overlap,
    class_shares,
    median_distance,
    near_pair_ratio,
    overlap,
    vendi,
    vendi_ratio,
    vendi_within,
)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=Generator().manual_seed(seed))


# ---- Precision, recall, density, coverage ----------------------------------------------------------------


def overlap_pair_by_pair(real: Tensor, fake: Tensor, k: int) -> Overlap:
    def radius(x: Tensor, own: int) -> float:
        to_others = sorted(float((x[own] - y).norm()) for i, y in enumerate(x) if i != own)
        return to_others[min(k, len(x) - 1) - 1] if len(x) > 1 else 0.0

    real_radii = [radius(real, i) for i in range(len(real))]
    fake_radii = [radius(fake, j) for j in range(len(fake))]
    to = [[float((x - y).norm()) for y in fake] for x in real]
    rows, columns = range(len(real)), range(len(fake))
    in_real = [[to[i][j] <= real_radii[i] for j in columns] for i in rows]
    in_fake = [[to[i][j] <= fake_radii[j] for j in columns] for i in rows]
    return Overlap(
        precision=sum(any(in_real[i][j] for i in rows) for j in columns) / len(fake),
        recall=sum(map(any, in_fake)) / len(real),
        density=sum(map(sum, in_real)) / (max(1, min(k, len(real) - 1)) * len(fake)),
        coverage=sum(map(any, in_real)) / len(real),
    )


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(("n", "m"), [(40, 40), (25, 40), (40, 25), (3, 30), (30, 3), (2, 2), (1, 4), (4, 1)])
@pytest.mark.parametrize("held", [1, 150, 10**6])
def test_overlap_is_its_definition(
    n: int, m: int, k: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In blocks of one row, of a few rows and at once; also with fewer than k neighbours."""
    monkeypatch.setattr(distances, "HELD", held)
    real, fake = randn(n, 4), randn(m, 4, seed=1) * 0.8 + 0.4
    assert overlap(real, fake, k) == pytest.approx(tuple(overlap_pair_by_pair(real, fake, k)), abs=1e-12)


@pytest.mark.parametrize("centre", [0, 100])
def test_distances_equal_to_the_radius_count_as_inside(centre: int) -> None:
    """On a grid nearly all distances are equal to others, and a rounding error would decide."""
    grid = torch.cartesian_prod(*[torch.arange(4.0)] * 3).double() / 3
    fake = grid.repeat(2, 1)[::3]
    # k that reach to the middle of a group of equal distances
    for k in (1, 2, 4, 5):
        expected = overlap_pair_by_pair((grid * 3).round(), (fake * 3).round(), k)
        assert overlap(grid + centre, fake + centre, k) == pytest.approx(tuple(expected), abs=1e-12)


def test_identical_sets_overlap_completely() -> None:
    x = randn(300, 16)
    found = overlap(x, x.flip(0))
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    assert found.density == pytest.approx(
        1 + 1 / 5
    )  # each vector is in k other balls on average, and its own


def test_a_lone_vector_covers_only_itself() -> None:
    one = randn(1, 4)
    assert overlap(one, one) == (1, 1, 1, 1)
    assert overlap(one, one + 1e-3) == (0, 0, 0, 0)


def test_overlap_keeps_its_digits_far_from_the_origin() -> None:
    real, fake = randn(60, 4), randn(60, 4, seed=1) + 0.5
    assert overlap(real + 1e6, fake + 1e6) == overlap(real, fake)


def test_sets_far_apart_do_not_overlap() -> None:
    assert overlap(randn(50, 8), randn(50, 8, seed=1) + 100) == (0, 0, 0, 0)


@pytest.mark.parametrize("k", [3, 5])
def test_coverage_between_halves_of_one_set(k: int) -> None:
    """1 - prod_{i=1..k} (N - i) / (2 N - i) (Naeem et al. 2020, section 3)"""
    n = 200
    expected = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
    pairs = [overlap(randn(n, 6, seed=seed), randn(n, 6, seed=1000 + seed), k) for seed in range(30)]
    found = torch.tensor([pair.coverage for pair in pairs])
    assert abs(found.mean() - expected) < 4 * found.std() / math.sqrt(len(found))
    assert torch.tensor([pair.density for pair in pairs]).mean() == pytest.approx(1, abs=0.03)


def test_what_each_of_the_four_sees() -> None:
    """Ten far-away clusters, of which the fakes have five: nothing false about them, half is missing."""
    centres = torch.arange(10).double()[:, None] * 100
    real = (centres + randn(10, 40)).reshape(-1, 1).expand(-1, 3) + randn(400, 3, seed=1)
    fake = (centres + randn(10, 40, seed=2)).reshape(-1, 1).expand(-1, 3)[:200] + randn(200, 3, seed=3)
    found = overlap(real, fake)
    assert found.precision > 0.9
    assert found.density > 0.9
    assert 0.4 < found.recall <= 0.5
    assert 0.4 < found.coverage <= 0.5
    assert overlap(fake, real).recall > 0.9  # the other way round
    assert overlap(fake, real).precision < 0.6


def test_one_outlier_among_the_fakes_costs_recall_nothing_but_itself() -> None:
    """The balls have the tolerance of their own centre, not of the farthest vector."""
    real, fake = randn(60, 4), randn(60, 4, seed=1) + 3
    far = torch.cat([fake[1:], torch.full((1, 4), 1e9).double()])
    assert overlap(real, far).precision <= overlap(real, fake).precision
    assert overlap(real, far).coverage <= overlap(real, fake).coverage


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_of_what_is_not_finite_nothing_is_said(value: float) -> None:
    good, bad = randn(30, 5), randn(30, 5)
    bad[3, 2] = value
    for pair in ((good, bad), (bad, good)):
        assert all(map(math.isnan, overlap(*pair)))
        assert math.isnan(vendi_ratio(*pair))
        assert math.isnan(near_pair_ratio(*pair))
    assert math.isnan(median_distance(bad))
    assert math.isnan(vendi(bad, 1.0))


# ---- Vendi score -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 50])
def test_far_apart_vectors_are_all_distinct(count: int) -> None:
    assert vendi(torch.eye(count) * 100, 1.0) == pytest.approx(count)


@pytest.mark.parametrize("width", [0.0, 1e-3, 1.0])
def test_equal_vectors_count_once(width: float) -> None:
    assert vendi(randn(1, 8).expand(40, 8), width) == pytest.approx(1)
    clusters = torch.eye(7)[torch.arange(70) % 7] * 50
    assert vendi(clusters, width) == pytest.approx(7)


def test_unequal_clusters_count_as_the_exponent_of_their_entropy() -> None:
    shares = torch.tensor([0.5, 0.3, 0.2]).double()
    clusters = torch.eye(3).repeat_interleave(torch.tensor([50, 30, 20]), 0) * 50
    assert vendi(clusters, 1.0) == pytest.approx(float((-(shares * shares.log()).sum()).exp()))


@pytest.mark.parametrize("distance", [0.1, 1.0, 3.0])
def test_vendi_score_of_two_vectors(distance: float) -> None:
    """K / 2 has the eigenvalues (1 +- exp(-(d / w)^2)) / 2."""
    width = 2.0
    likeness = math.exp(-((distance / width) ** 2))
    expected = math.exp(-sum(v * math.log(v) for v in ((1 + likeness) / 2, (1 - likeness) / 2)))
    assert vendi(torch.tensor([[0.0, 0.0], [0.0, distance]]), width) == pytest.approx(expected, rel=1e-6)


def test_vendi_ratio_is_at_equal_numbers_and_at_the_width_of_the_reals() -> None:
    real, fake = randn(200, 8), randn(60, 8, seed=1) * 0.2
    found = vendi_ratio(real, fake)
    some = coverage._some(real, 60)
    assert found == pytest.approx(vendi(fake, median_distance(real)) / vendi(some, median_distance(real)))
    assert found < 0.5
    assert vendi_ratio(real, randn(200, 8, seed=2)) == pytest.approx(1, abs=0.05)
    assert vendi_ratio(real, real[:1].expand(200, 8)) == pytest.approx(1 / vendi(real, median_distance(real)))


def test_vendi_ratio_of_unmeasurable_reals() -> None:
    assert math.isnan(vendi_ratio(randn(1, 8), randn(50, 8)))
    alike = randn(1, 8).expand(50, 8)
    assert vendi_ratio(alike, alike) == pytest.approx(1)


def test_variety_within_classes_is_their_geometric_mean() -> None:
    """One picture over and over, and 16 that have nothing in common; a class of 15 tells nothing."""
    alike, apart, few = torch.zeros(16, 47), torch.eye(47)[:16], torch.eye(47)[16:31]
    labels = torch.tensor([0] * 16 + [1] * 16 + [3] * 15)
    assert vendi_within(torch.cat([alike, apart, few]), labels, 1e-3) == pytest.approx((1 * 16) ** 0.5)
    unequal = torch.cat([alike, torch.eye(47)[:32]]), torch.tensor([0] * 16 + [1] * 32)
    assert vendi_within(*unequal, 1e-3) == pytest.approx(32 ** (2 / 3)), "by the pictures, not by the classes"
    assert math.isnan(vendi_within(few, torch.zeros(15, dtype=torch.int64), 1e-3))
    assert math.isnan(vendi_within(apart / 0, labels[16:32], 1e-3))


def test_large_sets_are_judged_by_some_of_them() -> None:
    """Not by every n-th, which with classes in turn could all be of one class."""
    classes = torch.eye(10)[torch.arange(5120) % 10] * 50
    assert vendi(classes, 1.0) == pytest.approx(10, rel=0.05)
    assert vendi_ratio(classes, classes) == 1


# ---- Distances of pairs ----------------------------------------------------------------------------------


def test_median_distance() -> None:
    assert median_distance(torch.tensor([[0.0, 0.0], [3.0, 4.0]])) == 5
    assert median_distance(torch.tensor([[0.0], [1.0], [3.0]])) == 2
    assert math.isnan(median_distance(torch.zeros(1, 3)))


def test_near_pair_ratio() -> None:
    real = randn(200, 8)
    assert near_pair_ratio(real, real * 0.3) == pytest.approx(0.3)
    assert near_pair_ratio(real, randn(200, 8, seed=1)) == pytest.approx(1, abs=0.1)
    assert near_pair_ratio(real, real[:20].repeat(10, 1)) == 0  # 1 pair in 22 is of equal pictures
    assert near_pair_ratio(real, real[:180].repeat(2, 1)) > 0.5  # 1 in 360
    assert near_pair_ratio(torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [3.0]])) == 1.5


def test_near_pair_ratio_that_says_nothing() -> None:
    real = randn(50, 8)
    assert math.isnan(near_pair_ratio(real[:1], real))
    assert math.isnan(near_pair_ratio(real, real[:1]))
    assert math.isnan(near_pair_ratio(real[:1].expand(50, 8), real))


# ---- Classes ---------------------------------------------------------------------------------------------


def test_class_shares() -> None:
    found = class_shares(torch.tensor([0, 2, 2, 2, 0, 1, 2, 2]), 4)
    assert_close(found, torch.tensor([0.25, 0.125, 0.625, 0.0]))


# ---- All of them -----------------------------------------------------------------------------------------


def test_the_callers_random_numbers_are_left_alone() -> None:
    before = torch.random.get_rng_state()
    large = randn(1200, 4)
    vendi_ratio(large, large)
    near_pair_ratio(large, large)
    assert_close(torch.random.get_rng_state(), before)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_the_numbers_of_the_cpu() -> None:
    real, fake = randn(600, 16).float(), randn(700, 16, seed=1).float() * 0.8
    on_gpu = real.cuda(), fake.cuda()
    assert overlap(*on_gpu) == pytest.approx(tuple(overlap(real, fake)), abs=1e-9)
    assert vendi_ratio(*on_gpu) == pytest.approx(vendi_ratio(real, fake), rel=1e-8)
    assert near_pair_ratio(*on_gpu) == pytest.approx(near_pair_ratio(real, fake), rel=1e-8)


def test_precision_and_recall_are_torch_fidelitys() -> None:
    pytest.importorskip("torch_fidelity")
    from torch_fidelity.metric_prc import prc_features_to_metric

    real, fake = randn(400, 16).float(), randn(300, 16, seed=1).float() * 0.9 + 0.1
    for k in (3, 5):
        theirs = prc_features_to_metric(fake, real, prc_neighborhood=k, verbose=False, save_cpu_ram=False)
        found = overlap(real, fake, k)
        assert (found.precision, found.recall) == pytest.approx((theirs["precision"], theirs["recall"]))
