"""Whether fakes are copies, by hand, and how much of it is chance."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch import Generator, Tensor
from torch.testing import assert_close

from gantrain.doctor.copies import memorisation, nearest
from gantrain.doctor.rules.registry import BY_ID
from gantrain.doctor.rules.rule import Examination


def drawn(seed: int) -> Generator:
    return torch.Generator().manual_seed(seed)


def test_memorisation_by_hand() -> None:
    train = torch.tensor([[0.0], [10.0], [20.0]])
    held_out = torch.tensor([[2.0], [14.0], [29.0]])  # 2, 4 and 9 from the nearest training picture: median 4
    fake = torch.tensor([[1.5], [10.5], [18.0], [29.0]])  # 1.5, 0.5, 2 and 9 from train: median 1.5 (lower)
    found = memorisation(fake, train, held_out, drawn(1))
    # to held-out: 0.5, 3.5, 4 and 0: two of four are nearer to train
    assert found["nearer_train"] == 0.5
    assert_close(found["nearest_ratio"], 1.5 / 4)


def test_unequal_numbers_are_allowed_for() -> None:
    """Three training pictures and one unseen: 3/4 of the nearest would be theirs if they were alike."""
    train, held_out = torch.tensor([[0.0], [10.0], [20.0]]), torch.tensor([[30.0]])
    fake = torch.tensor([[1.0], [11.0], [21.0], [29.0]])
    assert memorisation(fake, train, held_out, drawn(1))["nearer_train"] == 0.5
    half = torch.tensor([[1.0], [29.0]])  # 1/2: (1/2 / 3) / (1/2 / 3 + 1/2 / 1)
    assert_close(memorisation(half, train, held_out, drawn(1))["nearer_train"], 0.25)


def test_equal_distances_count_half() -> None:
    one = torch.randn(9, 4, generator=drawn(1))
    assert memorisation(torch.randn(7, 4), one, one, drawn(1))["nearer_train"] == 0.5


@pytest.mark.parametrize(("size", "copy_ratio"), [(20, 0.2), (400, 0.9)])
def test_copies_are_told_from_fresh_pictures(size: int, copy_ratio: float) -> None:
    def fresh(count: int, seed: int) -> Tensor:
        return torch.randn(count, 8, generator=drawn(seed))

    train, held_out = fresh(size, 1), fresh(300, 2)
    copies = train[torch.randint(size, (200,), generator=drawn(3))] + 0.01 * fresh(200, 4)
    copied = memorisation(copies, train, held_out, drawn(5))
    healthy = memorisation(fresh(200, 6), train, held_out, drawn(5))
    assert copied["nearer_train"] > 0.85
    assert 0.4 < healthy["nearer_train"] < 0.6
    assert copied["nearest_ratio"] < 0.1
    assert 0.9 < healthy["nearest_ratio"] < 1.1
    assert copied["copy_ratio"] < copy_ratio
    assert 0.7 < healthy["copy_ratio"] < 1.4


def test_the_spread_is_that_of_all_ways_to_hold_pictures_out() -> None:
    """Seven pictures, of which two are held out: in 21 ways."""
    pictures, fake = torch.randn(7, 2, generator=drawn(1)), torch.randn(30, 2, generator=drawn(2))
    weights = nearest(fake, pictures)[1].bincount(minlength=7) / len(fake)
    shares = torch.stack([1 - weights[list(chosen)].sum() for chosen in combinations(range(7), 2)])
    assert_close(shares.mean(), torch.tensor(5 / 7))
    slope = 7**2 / (4 * 5 * 2)
    found = memorisation(fake, pictures[:5], pictures[5:], drawn(3))
    assert_close(found["nearer_spread"], slope * float(shares.std(correction=0)))


def test_fakes_that_are_all_alike_are_one_witness() -> None:
    """All next to one training picture: nearer to those by chance. Next to each of forty: not by chance."""
    train, held_out = torch.randn(40, 8, generator=drawn(1)), torch.randn(40, 8, generator=drawn(2))
    noise = 0.1 * torch.randn(400, 8, generator=drawn(3))
    params = BY_ID["GD402"].params
    for copied, told in ((train[:1].expand(400, -1), False), (train.repeat(10, 1), True)):
        found = memorisation(copied + noise, train, held_out, drawn(4))
        assert found["nearer_train"] > 0.95
        hit = BY_ID["GD402"].test(Examination(800, 800, found, {}, {}), params)
        assert (hit is not None) == told
