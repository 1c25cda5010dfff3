"""SNGAN's plain convolutional networks (Miyato et al. 2018, "Spectral normalization for GANs", table 3).

The paper has 32 and 48 pixels, i.e. k = 3 resolution steps from m = 4 and 6; here any m * 2^k, 16 to 256.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from gantrain.networks.blocks import (
    LatentInput,
    ProjectionHead,
    channels_by_stage,
    check_at_least_one,
    downsampling_block,
    stem_conv,
    upsampling_block,
)
from gantrain.networks.layers import (
    OUTPUT,
    ActivationName,
    DownsampleMode,
    Layers,
    NormName,
    OutputName,
    PaddingMode,
    UpsampleMode,
    choose,
)
from gantrain.sizes import base_and_doublings


class Generator(nn.Module):
    """z (N x latent_dim), and labels (N) where num_classes > 0, to images N x channels x size x size.

    FC to 8 * width maps of m x m, k doublings down to `width` maps, each with norm and activation, then a
    3 x 3 convolution to the image (with `stem` a reflect-padded 7 x 7 one). The images lie in
    OUTPUT_RANGE[output].
    Raises GantrainError for a width, latent or image size out of range.
    """

    image_sizes: ClassVar[tuple[int, ...] | None] = None

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        image_size: int,
        num_classes: int = 0,
        embedding_dim: int = 16,
        *,
        width: int = 64,
        norm: NormName = "batch",
        activation: ActivationName = "relu",
        upsample: UpsampleMode = "nearest",
        padding: PaddingMode = "zeros",
        stem: bool = False,
        output: OutputName = "tanh",
    ) -> None:
        super().__init__()
        check_at_least_one("model.width", width)
        base, doublings = base_and_doublings(image_size)
        layers = Layers(norm, activation, padding)
        stages = [8 * width, *channels_by_stage(width, doublings)[::-1]]
        self.input = LatentInput(latent_dim, num_classes, embedding_dim)

        body = [
            layers.linear(self.input.features, stages[0] * base**2),
            nn.Unflatten(1, (stages[0], base, base)),
        ]
        for inside, outside in pairwise(stages):
            body += upsampling_block(layers, upsample, inside, outside)
        body += stem_conv(layers, width, channels) if stem else [layers.conv(width, channels)]
        self.body = nn.Sequential(*body, choose(OUTPUT, "output", output)())

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.body(self.input(z, labels))


class Discriminator(nn.Module):
    """Images N x channels x size x size, and labels (N) where num_classes > 0, to logits (N).

    k stages of a 3 x 3 convolution and a halving, the channels doubling from `width` up to 8 * width, one
    more 3 x 3 convolution at m x m, then FC 1 over it all. The layer that touches the image has no norm but
    the spectral one; with `stem` it is a reflect-padded 7 x 7 convolution. With classes the logit is the
    projection discriminator's. Raises GantrainError for a width or image size out of range.
    """

    image_sizes: ClassVar[tuple[int, ...] | None] = None

    def __init__(
        self,
        channels: int,
        image_size: int,
        num_classes: int = 0,
        *,
        width: int = 64,
        norm: NormName = "spectral",
        activation: ActivationName = "leaky_relu_0.1",
        downsample: DownsampleMode = "stride",
        padding: PaddingMode = "zeros",
        stem: bool = False,
    ) -> None:
        super().__init__()
        check_at_least_one("model.width", width)
        base, doublings = base_and_doublings(image_size)
        layers = Layers(norm, activation, padding)
        stages = channels_by_stage(width, doublings + 1)

        body = stem_conv(layers, channels, width) if stem else [layers.conv(channels, width)]
        body += layers.activated(width, normed=False)
        for outside, inside in pairwise(stages):
            body += downsampling_block(layers, downsample, outside, outside)
            body += [layers.conv(outside, inside), *layers.activated(inside)]
        self.body = nn.Sequential(*body)
        last = nn.Sequential(nn.Flatten(), layers.linear(stages[-1] * base**2, 1))
        self.head = ProjectionHead(layers, last, stages[-1], num_classes)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.body(x), labels)
