"""Colour pictures that every installation has: crops of scikit-learn's two sample photographs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gantrain.data.store import ImageSet, check_image_size

SMALLEST, LARGEST = 1, 4  # side of a region, in units of the crop's
SCALES = 16  # sizes between them, each as many times as large as the one before
SEED = 0  # the data are the same in every run


def crops(image_size: int = 32, count: int = 20_000, flip: bool = False) -> ImageSet:
    """Square regions at random places of both photographs, in 16 sizes, averaged down to `image_size`.

    The photograph is averaged down as a whole and windows are cut from it: the same pictures as averaging
    every region by itself, in a hundredth of the time.
    """
    check_image_size(image_size)
    random = torch.Generator().manual_seed(SEED)
    kinds = [
        (photograph, float(scale))
        for photograph in photographs()
        for scale in np.geomspace(SMALLEST, LARGEST, SCALES)
    ]
    chosen = torch.randint(len(kinds), (count,), generator=random)
    pictures = torch.empty((count, 3, image_size, image_size), dtype=torch.uint8)
    for number, (photograph, scale) in enumerate(kinds):
        rows = (chosen == number).nonzero().flatten()
        pictures[rows] = windows(shrunk(photograph, scale), image_size, len(rows), random)
    return ImageSet("crops", pictures, flip=flip)


def photographs() -> list[Tensor]:
    """uint8, 3 x 427 x 640 each."""
    from sklearn.datasets import load_sample_images  # takes a second: not on every look at the signature

    return [torch.from_numpy(image.copy()).permute(2, 0, 1) for image in load_sample_images().images]


def shrunk(photograph: Tensor, scale: float) -> Tensor:
    """uint8 3 x H x W -> 3 x H/scale x W/scale."""
    size = [round(side / scale) for side in photograph.shape[1:]]
    return F.interpolate(photograph[None], size, mode="bilinear", antialias=True)[0]


def windows(photograph: Tensor, size: int, count: int, random: torch.Generator) -> Tensor:
    """`count` x 3 x size x size from anywhere: the livelier half of twice as many, for there is much sky."""
    _, height, width = photograph.shape
    rows = torch.randint(height - size + 1, (2 * count, 1, 1), generator=random)
    columns = torch.randint(width - size + 1, (2 * count, 1, 1), generator=random)
    axis = torch.arange(size)
    cut = photograph[:, rows + axis.view(1, -1, 1), columns + axis.view(1, 1, -1)].transpose(0, 1)
    contrast = cut.float().flatten(1).var(1, correction=0)
    return cut[contrast.topk(count).indices]
