"""Data of one's own: any function or class that gives an ImageSet of uint8 pictures."""

from __future__ import annotations

import torch

from gantrain.data.store import ImageSet


def discs(image_size: int = 32, count: int = 512, flip: bool = False) -> ImageSet:
    """White discs on black, small ones (class 0) and large ones (class 1), anywhere in the picture."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 2
    radius = (labels + 1).view(-1, 1, 1) * image_size / 8
    centre = image_size * (0.3 + 0.4 * torch.rand(count, 2, 1, 1, generator=random))
    axis = torch.arange(image_size)
    distance = torch.hypot(axis.view(1, -1, 1) - centre[:, 0], axis.view(1, 1, -1) - centre[:, 1])
    pictures = ((radius - distance).clamp(0, 1) * 255).to(torch.uint8)
    return ImageSet("discs", pictures[:, None], labels, ("small", "large"), flip)
