"""What several network families share: resolution steps, the image-side stem, and where labels enter."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from gantrain.errors import GantrainError
from gantrain.networks.layers import DOWNSAMPLE, RESIZES, UPSAMPLE, Layers, choose


def check_at_least_one(key: str, value: int) -> None:
    """Raises GantrainError(key) for a count below 1."""
    if value < 1:
        raise GantrainError(key, f"must be 1 or more, got {value}", f"{key}=32, for instance")


def channels_by_stage(width: int, stages: int) -> list[int]:
    """Channels from the image inwards: width, doubling at each stage, at most 8 * width (as DCGAN, SNGAN)."""
    return [width * min(8, 2**stage) for stage in range(stages)]


def upsampling_block(layers: Layers, mode: str, in_channels: int, out_channels: int) -> list[nn.Module]:
    """Doubling, norm, activation: N x in x H x W to N x out x 2H x 2W."""
    return [*upsampling(layers, mode, in_channels, out_channels), *layers.activated(out_channels)]


def upsampling(layers: Layers, mode: str, in_channels: int, out_channels: int) -> list[nn.Module]:
    """The doubling alone. Raises GantrainError("upsample") for an unknown mode."""
    return choose(UPSAMPLE, "upsample", mode)(layers, in_channels, out_channels)


def painting(layers: Layers, mode: str, in_channels: int, out_channels: int) -> list[nn.Module]:
    """The last doubling, to the image: N x in x H x W to N x out x 2H x 2W, without norm and activation.

    A resized map that one 3 x 3 convolution turns into pixels shows the resizing (blocks, or blur), so there
    half the channels are refined at full resolution first.
    """
    if mode not in RESIZES:
        return upsampling(layers, mode, in_channels, out_channels)
    refined = max(1, in_channels // 2)
    return [*upsampling_block(layers, mode, in_channels, refined), layers.conv(refined, out_channels)]


def downsampling_block(
    layers: Layers, mode: str, in_channels: int, out_channels: int, *, normed: bool = True
) -> list[nn.Module]:
    """Convolution, norm, activation, pool (if any): N x in x H x W to N x out x H/2 x W/2.

    The pool comes after the activation, as in a classifier: before it, a 3 x 3 convolution and an average
    pool would only be a 4 x 4 strided convolution with a blurred kernel.
    Raises GantrainError("downsample") for an unknown mode.
    """
    down = choose(DOWNSAMPLE, "downsample", mode)
    conv = layers.conv(in_channels, out_channels, down.kernel, down.stride)
    return [conv, *layers.activated(out_channels, normed=normed), *([down.pool(2)] if down.pool else [])]


def unpadded_downsampling_block(
    layers: Layers, mode: str, in_channels: int, out_channels: int, *, side: int, normed: bool = True
) -> tuple[list[nn.Module], int]:
    """The same with LeNet's unpadded 5 x 5 kernel, and the side it leaves: (side - 4) / 2 in every mode.

    side: even, of the map that comes in.
    """
    down = choose(DOWNSAMPLE, "downsample", mode)
    conv = layers.conv(in_channels, out_channels, 5, down.stride, padding=0)
    inner = (side - 5) // down.stride + 1
    pool = [down.pool(2)] if down.pool else []
    return [conv, *layers.activated(out_channels, side=inner, normed=normed), *pool], (side - 4) // 2


def stem_conv(layers: Layers, in_channels: int, out_channels: int) -> list[nn.Module]:
    """Reflected border of 3, then a 7 x 7 convolution without padding: same size, no edge of zeros."""
    return [nn.ReflectionPad2d(3), layers.conv(in_channels, out_channels, kernel=7, padding=0)]


class LabelEmbedding(nn.Embedding):
    """A class as numbers beside z, at z's scale N(0, 1), which every weight initialisation leaves alone."""


class LatentInput(nn.Module):
    """What the generator's first layer sees: z, and with classes the label's embedding concatenated to it.

    forward(z: N x latent_dim, labels: N int64) -> N x features; labels are not looked at without classes.
    Raises GantrainError("latent.dim" | "condition.embedding_dim") for a number below 1.
    """

    def __init__(self, latent_dim: int, num_classes: int, embedding_dim: int) -> None:
        super().__init__()
        check_at_least_one("latent.dim", latent_dim)
        self.features = latent_dim
        self.embed: LabelEmbedding | None = None
        if num_classes:
            check_at_least_one("condition.embedding_dim", embedding_dim)
            self.embed = LabelEmbedding(num_classes, embedding_dim)
            self.features += embedding_dim

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.embed is None:
            return z
        assert labels is not None, "a conditional generator needs labels"
        return torch.cat([z, self.embed(labels)], dim=1)


class ProjectionHead(nn.Module):
    """The discriminator's last layer; with classes the projection discriminator (Miyato & Koyama 2018).

    logit = last(h) + <embed(y), h summed over space>
    forward(h: N x features [x H x W], labels: N int64) -> N; labels are not looked at without classes.
    """

    def __init__(self, layers: Layers, last: nn.Module, features: int, num_classes: int) -> None:
        super().__init__()
        self.last = last
        self.embed: nn.Module | None = None
        if num_classes:
            self.embed = layers.embedding(num_classes, features)
            # PyTorch's N(0, 1) would drown last(h) in a random vote for the class.
            nn.init.xavier_uniform_(raw_weight(self.embed))

    def forward(self, h: Tensor, labels: Tensor | None = None) -> Tensor:
        logits = self.last(h).flatten()
        if self.embed is None:
            return logits
        assert labels is not None, "a conditional discriminator needs labels"
        summed = h.reshape(len(h), h.shape[1], -1).sum(2)
        return logits + (self.embed(labels) * summed).sum(1)


def raw_weight(module: nn.Module) -> Tensor:
    """The weight that is trained: under spectral norm the one before the division."""
    if nn.utils.parametrize.is_parametrized(module, "weight"):
        return cast(Tensor, module.get_submodule("parametrizations.weight").original)
    return cast(Tensor, module.weight)
