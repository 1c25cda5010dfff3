"""The averaged generator that is sampled from."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

RAMP_UP = 0.05  # a half-life of at most this share of what was seen: an early average forgets its start


class EMA:
    """Exponential moving average of a network's weights (Yaz et al. 2019), ramped up (Karras et al. 2020).

    `half_life_images`: after so many images a weight counts half; 0 follows the live network exactly. The
    unit is images, so that the batch size does not change the meaning. Batch-norm statistics are copied.
    """

    def __init__(self, network: nn.Module, half_life_images: float) -> None:
        self.half_life_images = half_life_images
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, live: nn.Module, images_seen: int, images: int) -> None:
        """Moves towards `live` after `images` more images, `images_seen` in all."""
        half_life = min(self.half_life_images, RAMP_UP * images_seen)
        keep = 0.5 ** (images / half_life) if half_life > 0 else 0.0
        torch._foreach_lerp_(list(self.network.parameters()), list(live.parameters()), 1 - keep)
        if buffers := list(self.network.buffers()):
            torch._foreach_copy_(buffers, list(live.buffers()))


@contextmanager
def evaluating(network: nn.Module) -> Iterator[nn.Module]:
    """Eval mode, whatever the mode before."""
    was_training = network.training
    network.eval()
    try:
        yield network
    finally:
        network.train(was_training)
