"""From a generator to pictures: latents by seed, grids, interpolations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from gantrain.data.store import to_uint8
from gantrain.files import written_whole
from gantrain.networks.latent import Latent
from gantrain.sizes import GRID_LINE
from gantrain.train.ema import evaluating

BLOCK = 64  # pictures are always drawn in blocks of this size: how many one asks for changes none of them
GREY = 128  # of the lines between the pictures of a grid


def latent_blocks(latent: Latent, count: int, seed: int, device: torch.device) -> Iterator[Tensor]:
    """`count` latents by seed, in blocks; the first n are the same for every count."""
    generator = Generator(device).manual_seed(seed)
    for start in range(0, count, BLOCK):
        yield latent(BLOCK, generator)[: count - start]


@torch.no_grad()
def draw(network: nn.Module, z: Tensor, labels: Tensor | None) -> Tensor:
    """uint8 pictures N x C x H x W of latents z (any number), in eval mode, drawn in full blocks.

    labels: on any device.
    """
    labels = None if labels is None else labels.to(z.device)
    with evaluating(network):
        return torch.cat([_draw_block(network, *pair) for pair in _blocks(z, labels)])


def _blocks(z: Tensor, labels: Tensor | None) -> Iterator[tuple[Tensor, Tensor | None]]:
    for start in range(0, len(z), BLOCK):
        yield z[start : start + BLOCK], None if labels is None else labels[start : start + BLOCK]


def _draw_block(network: nn.Module, z: Tensor, labels: Tensor | None) -> Tensor:
    count, missing = len(z), BLOCK - len(z)
    z = torch.cat([z, z[:1].expand(missing, -1)])  # another batch size may round another way
    if labels is None:
        return to_uint8(network(z)[:count])
    return to_uint8(network(z, torch.cat([labels, labels[:1].expand(missing)]))[:count])


def fixed_latents(
    latent: Latent, count: int, num_classes: int, seed: int, device: torch.device
) -> tuple[Tensor, Tensor | None, int]:
    """Latents, labels and columns of a grid; with classes the same noise for each, as often as makes `count`
    or the next more, in a row or, of few classes, in as many rows as make the grid nearly square.
    """
    if not num_classes:
        z = torch.cat(list(latent_blocks(latent, count, seed, device)))
        return z, None, columns_for(count)
    each = max(1, -(-count // num_classes))
    square = max(1.0, (each / num_classes) ** 0.5)
    full = [rows for rows in range(1, each + 1) if each % rows == 0 and 1 / 2 <= rows / square <= 2]
    rows = min(full, key=lambda rows: abs(rows - square), default=round(square))  # or the last is filled up
    columns = -(-each // rows)
    z = torch.cat(list(latent_blocks(latent, rows * columns, seed, device)))
    labels = torch.arange(num_classes, device=device).repeat_interleave(rows * columns)
    return z.repeat(num_classes, 1), labels, columns


def walk(latent: Latent, rows: int, frames: int, seed: int, device: torch.device) -> Tensor:
    """rows x frames latents, flattened: each row goes from one random latent to another."""
    ends = torch.cat(list(latent_blocks(latent, 2 * rows, seed, device))).view(rows, 2, 1, -1)
    t = torch.linspace(0, 1, frames, device=device).view(1, frames, 1)
    return latent.interpolate(ends[:, 0], ends[:, 1], t).flatten(0, 1)


def columns_for(count: int) -> int:
    """As square a grid as there is."""
    return int(np.ceil(np.sqrt(count)))


def grid(images: Tensor, columns: int) -> Tensor:
    """uint8 N x C x H x W -> uint8 C x H' x W', with thin mid-grey lines between.

    As torchvision's make_grid, but grey stays grey; and torchvision takes a while to import.
    """
    assert images.dtype == torch.uint8
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    tiles = F.pad(
        images.cpu(), (GRID_LINE, 0, GRID_LINE, 0), value=GREY
    )  # a line above and to the left of each
    tiles = F.pad(tiles, (0,) * 7 + (rows * columns - len(images),), value=GREY)
    tiles = tiles.view(rows, columns, *tiles.shape[1:]).permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)
    return F.pad(tiles, (0, GRID_LINE, 0, GRID_LINE), value=GREY)


def preview(images: Tensor, count: int, seed: int = 0) -> Tensor:
    """uint8 N x C x H x W -> a grid of up to `count` of them from anywhere: folders lie class by class."""
    order = torch.randperm(len(images), generator=Generator().manual_seed(seed))[:count]
    return grid(images[order], columns_for(len(order)))


def to_image(picture: Tensor) -> Image.Image:
    """uint8 C x H x W -> a PIL image, grey or RGB."""
    array = picture.cpu().numpy()
    return Image.fromarray(
        array[0] if array.shape[0] == 1 else np.ascontiguousarray(array.transpose(1, 2, 0))
    )


def save(picture: Tensor, path: Path) -> None:
    """Writes C x H x W as PNG; complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        to_image(picture).save(file, format="PNG")
