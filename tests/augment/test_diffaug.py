"""Differentiable augmentation: each change against its own definition."""

from __future__ import annotations

import pytest
import torch
from small import TINY, Command
from torch.testing import assert_close

from gantrain.augment.diffaug import DiffAugment, brightness, contrast, cut_out, saturation, translate
from gantrain.errors import GantrainError


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(64, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_brightness_adds_one_number_to_each_picture(images: torch.Tensor) -> None:
    added = (brightness(images) - images).flatten(1)
    assert_close(added, added[:, :1].expand_as(added))
    assert -0.5 <= added.min() < -0.4
    assert 0.4 < added.max() <= 0.5


def test_saturation_keeps_the_grey_of_a_pixel_and_scales_the_rest(images: torch.Tensor) -> None:
    changed = saturation(images)
    grey = images.mean(1, keepdim=True)
    assert_close(changed.mean(1, keepdim=True), grey)
    factor = ((changed - grey) * (images - grey)).flatten(1).sum(1) / (images - grey).square().flatten(1).sum(
        1
    )
    assert_close(changed - grey, factor.view(-1, 1, 1, 1) * (images - grey))
    assert 0 <= factor.min() < 0.4
    assert 1.6 < factor.max() <= 2
    assert_close(saturation(images[:, :1]), images[:, :1])


def test_contrast_keeps_the_mean_of_a_picture_and_scales_the_rest(images: torch.Tensor) -> None:
    changed, mean = contrast(images), images.mean((1, 2, 3), keepdim=True)
    assert_close(changed.mean((1, 2, 3), keepdim=True), mean)
    factor = (changed - mean).flatten(1).std(1) / (images - mean).flatten(1).std(1)
    assert_close(changed - mean, factor.view(-1, 1, 1, 1) * (images - mean))
    assert 0.5 <= factor.min() < 0.65
    assert 1.35 < factor.max() <= 1.5


def test_translation_moves_by_whole_pixels_and_lets_zero_in(images: torch.Tensor) -> None:
    moves = set()
    for before, after in zip(images, translate(images, 2), strict=True):
        padded = torch.nn.functional.pad(before, (2, 2, 2, 2))
        found = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if torch.equal(padded[:, y : y + 16, x : x + 16], after)
        ]
        assert len(found) == 1
        moves |= set(found)
    assert len(moves) > 15


def test_cut_out_hides_one_square(images: torch.Tensor) -> None:
    ones = torch.ones_like(images).repeat(20, 1, 1, 1)
    hidden = 1 - cut_out(ones, 8)[:, 0]
    rows, columns = hidden.amax(2).sum(1), hidden.amax(1).sum(1)
    assert_close(hidden.sum((1, 2)), rows * columns)
    assert rows.max() == columns.max() == 8
    assert rows.min() >= 4
    assert (hidden.mean(0) > 0.05).all(), "every place is hidden now and then"


def test_gradients_pass_through(images: torch.Tensor) -> None:
    images.requires_grad_()
    DiffAugment()(images).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().mean() > 0.1


def test_real_and_fake_differ_from_call_to_call(images: torch.Tensor) -> None:
    augment = DiffAugment()
    assert not torch.equal(augment(images), augment(images))
    assert torch.equal(DiffAugment(False, 0.0, 0.0)(images), images)


@pytest.mark.parametrize("key", ["translation", "cutout"])
def test_shares_out_of_range_are_refused(key: str) -> None:
    with pytest.raises(GantrainError, match=rf"augment\.{key}: must be 0 or more and below 1, got 1"):
        DiffAugment(**{key: 1.5})


def test_it_trains(gantrain: Command) -> None:
    outcome = gantrain("augment=diffaug", "train.steps=2", *TINY)
    assert outcome.code == 0, outcome.err
