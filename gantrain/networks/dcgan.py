"""DCGAN (Radford et al. 2016, "Unsupervised representation learning with deep convolutional GANs").

At 3 x 64 x 64 with width 64, latent 100, transposed and strided convolutions it is PyTorch's DCGAN tutorial
layer for layer; other sizes m * 2^k (16 to 256) start from an m x m map and have k steps of resolution.
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
    painting,
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

    width is the number of channels before the last doubling; it doubles inwards, up to 8 * width. With `stem`
    a reflect-padded 7 x 7 convolution is the last layer. The images lie in OUTPUT_RANGE[output].
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
        stages = channels_by_stage(width, doublings)[::-1]
        self.input = LatentInput(latent_dim, num_classes, embedding_dim)

        first = layers.unfolding_conv(self.input.features, stages[0], base)
        body: list[nn.Module] = [first, *layers.activated(stages[0])]
        for inside, outside in pairwise(stages):
            body += upsampling_block(layers, upsample, inside, outside)
        if stem:
            body += upsampling_block(layers, upsample, width, width)
            body += stem_conv(layers, width, channels)
        else:
            body += painting(layers, upsample, width, channels)
        self.body = nn.Sequential(*body, choose(OUTPUT, "output", output)())

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.body(self.input(z, labels)[:, :, None, None])


class Discriminator(nn.Module):
    """Images N x channels x size x size, and labels (N) where num_classes > 0, to logits (N).

    Mirrors the generator; the layer that touches the image has no norm. With `stem` that layer is a
    reflect-padded 7 x 7 convolution. With classes the logit is the projection discriminator's.
    Raises GantrainError for a width or image size out of range.
    """

    image_sizes: ClassVar[tuple[int, ...] | None] = None

    def __init__(
        self,
        channels: int,
        image_size: int,
        num_classes: int = 0,
        *,
        width: int = 64,
        norm: NormName = "batch",
        activation: ActivationName = "leaky_relu",
        downsample: DownsampleMode = "stride",
        padding: PaddingMode = "zeros",
        stem: bool = False,
    ) -> None:
        super().__init__()
        check_at_least_one("model.width", width)
        base, doublings = base_and_doublings(image_size)
        layers = Layers(norm, activation, padding)
        stages = channels_by_stage(width, doublings)

        body: list[nn.Module] = []
        if stem:
            body += [*stem_conv(layers, channels, width), *layers.activated(width, normed=False)]
        body += downsampling_block(layers, downsample, width if stem else channels, width, normed=stem)
        for outside, inside in pairwise(stages):
            body += downsampling_block(layers, downsample, outside, inside)
        self.body = nn.Sequential(*body)
        last = layers.conv(stages[-1], 1, kernel=base, padding=0)
        self.head = ProjectionHead(layers, last, stages[-1], num_classes)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.body(x), labels)
