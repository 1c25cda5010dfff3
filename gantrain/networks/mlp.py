"""The fully connected GAN of Stanford's CS231n, assignment 3.

It has no convolution, so neighbouring pixels know nothing of each other: its pictures show it as speckle.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from gantrain.networks.blocks import LatentInput, ProjectionHead, check_at_least_one
from gantrain.networks.layers import OUTPUT, ActivationName, Layers, NormName, OutputName, choose


class Generator(nn.Module):
    """z (N x latent_dim), and labels (N) where num_classes > 0, to images N x channels x size x size.

    FC 4 * width twice, then one number a pixel. The images lie in OUTPUT_RANGE[output].
    Raises GantrainError for a width or latent out of range.
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
        width: int = 256,
        norm: NormName = "none",
        activation: ActivationName = "relu",
        output: OutputName = "tanh",
    ) -> None:
        super().__init__()
        check_at_least_one("model.width", width)
        layers = Layers(norm, activation)
        hidden, image = 4 * width, (channels, image_size, image_size)
        self.input = LatentInput(latent_dim, num_classes, embedding_dim)
        self.body = nn.Sequential(
            layers.linear(self.input.features, hidden, normed=True),
            *layers.activated(hidden, side=0),
            layers.linear(hidden, hidden, normed=True),
            *layers.activated(hidden, side=0),
            layers.linear(hidden, channels * image_size**2),
            nn.Unflatten(1, image),
            choose(OUTPUT, "output", output)(),
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.body(self.input(z, labels))


class Discriminator(nn.Module):
    """Images N x channels x size x size, and labels (N) where num_classes > 0, to logits (N).

    FC width twice, then FC 1; the layer that touches the image has no norm. With classes the logit is the
    projection discriminator's. Raises GantrainError for a width out of range.
    """

    image_sizes: ClassVar[tuple[int, ...] | None] = None

    def __init__(
        self,
        channels: int,
        image_size: int,
        num_classes: int = 0,
        *,
        width: int = 256,
        norm: NormName = "none",
        activation: ActivationName = "leaky_relu_0.01",
    ) -> None:
        super().__init__()
        check_at_least_one("model.width", width)
        layers = Layers(norm, activation)
        self.body = nn.Sequential(
            nn.Flatten(),
            layers.linear(channels * image_size**2, width),
            *layers.activated(width, side=0, normed=False),
            layers.linear(width, width, normed=True),
            *layers.activated(width, side=0),
        )
        self.head = ProjectionHead(layers, layers.linear(width, 1), width, num_classes)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.body(x), labels)
