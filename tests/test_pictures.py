"""Grids of pictures."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close
from torchvision.utils import make_grid

from gantrain import pictures


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("count", "columns"), [(1, 1), (5, 2), (6, 3), (3, 8), (64, 8)])
def test_grid_is_torchvisions(count: int, columns: int, channels: int) -> None:
    images = torch.randint(0, 256, (count, channels, 6, 4), dtype=torch.uint8)
    expected = make_grid(images, nrow=columns, padding=2, pad_value=128)[:channels]
    if count == 1:  # which torchvision leaves without a frame
        expected = make_grid(images.repeat(2, 1, 1, 1), nrow=1, padding=2, pad_value=128)[:channels, :10]
    assert_close(pictures.grid(images, columns), expected)


def test_a_preview_is_of_all_the_data() -> None:
    """A folder lies class by class: the first pictures would all be of one."""
    images = torch.arange(100, dtype=torch.uint8).view(100, 1, 1, 1).expand(-1, 1, 4, 4)
    shown = pictures.preview(images, 16)
    assert shown.shape == pictures.grid(images[:16], 4).shape
    values = {int(value) for value in shown.unique()} - {pictures.GREY}
    assert len(values) == 16
    assert max(values) > 75
    assert min(values) < 25
    assert torch.equal(shown, pictures.preview(images, 16))
