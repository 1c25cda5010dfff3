"""The convolutional GAN for MNIST of Stanford's CS231n, assignment 3 (generator after InfoGAN).

A LeNet-like discriminator with unpadded 5 x 5 kernels, and a generator of two fully connected and two
doubling layers whose batch norm comes after the activation. 28 x 28 is its home; it makes sense from 16
to 64 pixels.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from gantrain.networks.blocks import (
    LatentInput,
    ProjectionHead,
    check_at_least_one,
    stem_conv,
    unpadded_downsampling_block,
    upsampling,
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
from gantrain.sizes import SIZES, base_and_doublings

# Above, the fully connected layers over all pixels would weigh hundreds of millions of parameters.
IMAGE_SIZES = tuple(size for size in SIZES if size <= 64)


class Generator(nn.Module):
    """z (N x latent_dim), and labels (N) where num_classes > 0, to images N x channels x size x size.

    FC 32 * width, FC to 4 * width maps of a quarter of the size, doubling to 2 * width, doubling to the
    image; activation, then norm, after each but the last. With `stem` the last doubling goes to `width` maps
    and a reflect-padded 7 x 7 convolution follows. The images lie in OUTPUT_RANGE[output].
    Raises GantrainError for a width, latent or image size out of range.
    """

    image_sizes: ClassVar[tuple[int, ...] | None] = IMAGE_SIZES

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        image_size: int,
        num_classes: int = 0,
        embedding_dim: int = 16,
        *,
        width: int = 32,
        norm: NormName = "batch",
        activation: ActivationName = "relu",
        upsample: UpsampleMode = "transpose",
        padding: PaddingMode = "zeros",
        stem: bool = False,
        output: OutputName = "tanh",
    ) -> None:
        super().__init__()
        check_at_least_one("model.width", width)
        base_and_doublings(image_size)  # refuses sizes that cannot be halved twice
        layers = Layers(norm, activation, padding, norm_last=True)
        side, hidden = image_size // 4, 32 * width
        self.input = LatentInput(latent_dim, num_classes, embedding_dim)

        body = [
            layers.linear(self.input.features, hidden, normed=True),
            *layers.activated(hidden, side=0),
            layers.linear(hidden, 4 * width * side**2, normed=True),
            *layers.activated(4 * width * side**2, side=0),
            nn.Unflatten(1, (4 * width, side, side)),
            *upsampling_block(layers, upsample, 4 * width, 2 * width),
        ]
        if stem:
            body += upsampling_block(layers, upsample, 2 * width, width)
            body += stem_conv(layers, width, channels)
        else:
            body += upsampling(layers, upsample, 2 * width, channels)
        self.body = nn.Sequential(*body, choose(OUTPUT, "output", output)())

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.body(self.input(z, labels))


class Discriminator(nn.Module):
    """Images N x channels x size x size, and labels (N) where num_classes > 0, to logits (N).

    5 x 5 convolutions to width and 2 * width maps, each followed by a halving, then FC 32 * width and FC 1.
    The kernels are unpadded, so `padding` changes nothing here: it is the generator's. With `stem` a
    reflect-padded 7 x 7 convolution comes first. With classes the logit is the projection discriminator's.
    Raises GantrainError for a width or image size out of range.
    """

    image_sizes: ClassVar[tuple[int, ...] | None] = IMAGE_SIZES

    def __init__(
        self,
        channels: int,
        image_size: int,
        num_classes: int = 0,
        *,
        width: int = 32,
        norm: NormName = "none",
        activation: ActivationName = "leaky_relu_0.01",
        downsample: DownsampleMode = "maxpool",
        padding: PaddingMode = "zeros",
        stem: bool = False,
    ) -> None:
        super().__init__()
        check_at_least_one("model.width", width)
        base_and_doublings(image_size)
        layers = Layers(norm, activation, padding)
        hidden = 32 * width

        body: list[nn.Module] = []
        if stem:
            body += [*stem_conv(layers, channels, width), *layers.activated(width, normed=False)]
        first, side = unpadded_downsampling_block(
            layers, downsample, width if stem else channels, width, side=image_size, normed=stem
        )
        second, side = unpadded_downsampling_block(layers, downsample, width, 2 * width, side=side)
        self.body = nn.Sequential(
            *body,
            *first,
            *second,
            nn.Flatten(),
            layers.linear(2 * width * side**2, hidden, normed=True),
            *layers.activated(hidden, side=0),
        )
        self.head = ProjectionHead(layers, layers.linear(hidden, 1), hidden, num_classes)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.body(x), labels)
