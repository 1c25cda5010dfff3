"""Differentiable augmentation, so that D cannot learn a small data set by heart.

Source: S. Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gantrain.errors import GantrainError


class DiffAugment(nn.Module):
    """Images N x C x H x W in [-1, 1] to the same shape, each picture changed at random and differentiably.

    Real and fake pictures go through it alike, D is never shown any other, and G's gradient passes through.
    Colour changes may leave [-1, 1], as in the paper. It draws from PyTorch's own generator.

    Raises GantrainError for a share outside 0..1.
    """

    def __init__(self, colour: bool = True, translation: float = 0.125, cutout: float = 0.5) -> None:
        super().__init__()
        for key, share in (("translation", translation), ("cutout", cutout)):
            if not 0 <= share < 1:
                raise GantrainError(
                    f"augment.{key}", f"must be 0 or more and below 1, got {share}", f"augment.{key}=0.125"
                )
        self.colour, self.translation, self.cutout = colour, translation, cutout

    def forward(self, images: Tensor) -> Tensor:
        if self.colour:
            images = contrast(saturation(brightness(images)))
        if self.translation:
            images = translate(images, round(self.translation * images.shape[-1]))
        return cut_out(images, round(self.cutout * images.shape[-1])) if self.cutout else images


def _uniform(images: Tensor, low: float, high: float) -> Tensor:
    """One number for each picture: N x 1 x 1 x 1."""
    return torch.empty(len(images), 1, 1, 1, device=images.device, dtype=images.dtype).uniform_(low, high)


def brightness(images: Tensor) -> Tensor:
    """x + b, b ~ U(-1/2, 1/2)."""
    return images + _uniform(images, -0.5, 0.5)


def saturation(images: Tensor) -> Tensor:
    """Away from or towards the pixel's own grey by a factor ~ U(0, 2); a grey picture stays as it is."""
    grey = images.mean(dim=1, keepdim=True)
    return torch.lerp(grey.expand_as(images), images, _uniform(images, 0.0, 2.0))


def contrast(images: Tensor) -> Tensor:
    """Away from or towards the picture's mean by a factor ~ U(1/2, 3/2)."""
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return torch.lerp(mean.expand_as(images), images, _uniform(images, 0.5, 1.5))


def _places(images: Tensor, low: int, high: int) -> Tensor:
    """A whole number low..high for each picture: N."""
    return torch.randint(low, high + 1, (len(images),), device=images.device)


def translate(images: Tensor, most: int) -> Tensor:
    """Moves each picture by up to `most` pixels along both axes; 0 comes in from outside."""
    count, _, height, width = images.shape
    padded = F.pad(images, (most,) * 4)
    rows = torch.arange(height, device=images.device) + _places(images, 0, 2 * most)[:, None]
    columns = torch.arange(width, device=images.device) + _places(images, 0, 2 * most)[:, None]
    picture = torch.arange(count, device=images.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def cut_out(images: Tensor, side: int) -> Tensor:
    """Sets a square of `side` pixels around a random place to 0; it may stick out."""
    half = side // 2
    hidden = []
    for length in images.shape[-2:]:
        start = _places(images, -half, length - side % 2 - half)[:, None]
        at = torch.arange(length, device=images.device)
        hidden.append((at >= start) & (at < start + side))
    square = hidden[0][:, None, :, None] & hidden[1][:, None, None, :]
    return images * ~square
