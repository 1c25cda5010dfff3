"""The choices a network is made of, as tables, and `Layers`, which makes every layer by them.

UPSAMPLE DOWNSAMPLE PADDING NORM ACTIVATION OUTPUT: a new option is a new row, and the `Literal` (what user
input is checked against) gains its name. Tensors are N x C x H x W, or N x F without a map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple, TypeVar

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gantrain.errors import GantrainError

UpsampleMode = Literal["transpose", "nearest", "bilinear", "pixelshuffle"]
DownsampleMode = Literal["stride", "avgpool", "maxpool"]
PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
NormName = Literal["none", "batch", "instance", "layer", "group", "spectral"]
ActivationName = Literal[
    "relu", "leaky_relu", "leaky_relu_0.1", "leaky_relu_0.01", "elu", "gelu", "silu", "tanh"
]
OutputName = Literal["tanh", "sigmoid", "linear"]

T = TypeVar("T")


def choose(table: Mapping[str, T], key: str, name: str) -> T:
    """The row `name` of a table; GantrainError(key) listing the choices where there is none."""
    if name not in table:
        raise GantrainError(key, f"no such option: {name}", "choose one of: " + ", ".join(table))
    return table[name]


# ---- Padding ---------------------------------------------------------------------------------------------

PADDING: dict[str, str] = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}
"""padding mode -> its name in `F.pad` (convolutions themselves take the key)."""


class PaddedConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution (kernel 4, stride 2) whose border is padded by a mode: N x C x H x W to 2H x 2W.

    PyTorch's own pads with zeros only. One pixel of border, two of them after the zero-stuffing, lets the
    same kernel crop by 1 + 2 = 3 instead of 1: under mode "zeros" that is `nn.ConvTranspose2d` exactly.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool, padding_mode: PaddingMode) -> None:
        super().__init__(in_channels, out_channels, kernel_size=4, stride=2, padding=1, bias=bias)
        self.padding_mode = padding_mode  # the parent's constructor would refuse it

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        assert output_size is None, "the output is always twice the input"
        padded = F.pad(input, (1, 1, 1, 1), mode=PADDING[self.padding_mode])
        return F.conv_transpose2d(padded, self.weight, self.bias, stride=2, padding=3)


class NearestConv2d(nn.Conv2d):
    """Nearest-neighbour doubling, then a 3 x 3 convolution: N x C x H x W to N x out x 2H x 2W, in one.

    The four copies of a pixel meet the same weights again and again. Added up beforehand they are a
    transposed convolution (kernel 4, stride 2): 4 products for each output value instead of 9, and the
    enlarged map is never made. `padding_mode` is that of the enlarged map, as if it had been there.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool, padding_mode: PaddingMode) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=bias, padding_mode=padding_mode)

    def forward(self, input: Tensor) -> Tensor:
        kernel = self.folded()
        if self.padding_mode == "zeros":
            return F.conv_transpose2d(input, kernel, self.bias, stride=2, padding=1)
        # Reflecting the enlarged map by one pixel finds the second copy of the outermost one: replication.
        mode = "replicate" if self.padding_mode == "reflect" else PADDING[self.padding_mode]
        padded = F.pad(input, (1, 1, 1, 1), mode=mode)
        return F.conv_transpose2d(padded, kernel, self.bias, stride=2, padding=3)

    def folded(self) -> Tensor:
        """out x in x 3 x 3 to in x out x 4 x 4: the mirrored kernel spread by the 2 x 2 copies of a pixel."""
        weight = F.pad(self.weight.flip(2, 3).transpose(0, 1), (1, 1, 1, 1))
        rows = weight[..., :-1, :] + weight[..., 1:, :]
        return rows[..., :-1] + rows[..., 1:]


# ---- Normalisation ---------------------------------------------------------------------------------------


class Norm(NamedTuple):
    """One normalisation: how to build it, and the bias rule.

    build(channels, side) gives the layer for side x side maps, or for plain vectors where side is 0.
    conv_bias: whether a network with this norm has biases in its convolutions. Batch and instance norm
    subtract them again (the DCGAN tutorial has none in its output layers either); under spectral norm a
    biased convolution would answer zero padding with its bias instead of 0.
    linear_bias: the same for a fully connected layer that goes straight into the norm.
    """

    build: Callable[[int, int], nn.Module | None]
    conv_bias: bool = True
    linear_bias: bool = True
    spectral: bool = False
    mixes_samples: bool = False
    """Whether a sample's logit depends on its batch, which a per-sample gradient penalty cannot have."""


def _none(channels: int, side: int) -> None:
    return None


def _batch(channels: int, side: int) -> nn.Module:
    return nn.BatchNorm2d(channels) if side else nn.BatchNorm1d(channels)


def _layer(channels: int, side: int) -> nn.Module:
    return nn.GroupNorm(1, channels)


def _instance(channels: int, side: int) -> nn.Module:
    # The statistics of a single pixel (or of a number in a vector) leave nothing: layer norm is the nearest.
    return nn.InstanceNorm2d(channels, affine=True) if side > 1 else _layer(channels, side)


def _group(channels: int, side: int) -> nn.Module:
    # At most 32 groups (Wu & He 2018), of at least two channels: one alone would vanish in a vector.
    groups = math.gcd(32, channels)
    return nn.GroupNorm(max(1, groups // 2) if groups == channels else groups, channels)


NORM: dict[str, Norm] = {
    "none": Norm(_none),
    "batch": Norm(_batch, conv_bias=False, linear_bias=False, mixes_samples=True),
    "instance": Norm(_instance, conv_bias=False),
    "layer": Norm(_layer),
    "group": Norm(_group),
    "spectral": Norm(_none, conv_bias=False, spectral=True),
}

# ---- Activations and outputs -----------------------------------------------------------------------------

# In place where PyTorch offers it, as in the tutorial: no layer in front of them needs its own output again.
ACTIVATION: dict[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),
    "leaky_relu": partial(nn.LeakyReLU, 0.2, inplace=True),  # DCGAN's slope
    "leaky_relu_0.1": partial(nn.LeakyReLU, 0.1, inplace=True),  # SNGAN's
    "leaky_relu_0.01": partial(nn.LeakyReLU, 0.01, inplace=True),  # PyTorch's default, CS231n's
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}

OUTPUT: dict[str, Callable[[], nn.Module]] = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "linear": nn.Identity}

OUTPUT_RANGE: dict[str, tuple[float, float]] = {
    "tanh": (-1.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "linear": (-math.inf, math.inf),
}
"""The numbers each output can give; the images it is trained on should fill the same range."""

# ---- The maker of layers ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layers:
    """Makes every layer of one network by the same norm, activation and padding.

    norm_last: the activation comes before the norm (CS231n's generator); biases are not subtracted and stay.
    Raises GantrainError("norm" | "activation" | "padding") listing the choices for an unknown name.
    """

    norm: str = "batch"
    activation: str = "relu"
    padding: PaddingMode = "zeros"
    norm_last: bool = False

    def __post_init__(self) -> None:
        choose(NORM, "norm", self.norm)
        choose(ACTIVATION, "activation", self.activation)
        choose(PADDING, "padding", self.padding)

    @property
    def conv_bias(self) -> bool:
        norm = NORM[self.norm]
        return not norm.spectral if self.norm_last else norm.conv_bias

    def conv(
        self, in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1, padding: int = 1
    ) -> nn.Module:
        """A convolution that pads by the network's mode; kernel 3 keeps the size unless told otherwise."""
        return self._weighted(
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel,
                stride,
                padding,
                bias=self.conv_bias,
                padding_mode=self.padding,
            )
        )

    def doubling_conv(self, in_channels: int, out_channels: int) -> nn.Module:
        """A transposed convolution (kernel 4, stride 2, padding 1) that pads by the network's mode."""
        if self.padding == "zeros":
            return self._weighted(nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1, bias=self.conv_bias))
        return self._weighted(
            PaddedConvTranspose2d(in_channels, out_channels, bias=self.conv_bias, padding_mode=self.padding)
        )

    def nearest_conv(self, in_channels: int, out_channels: int) -> nn.Module:
        """Nearest-neighbour doubling and a 3 x 3 convolution that pads by the network's mode."""
        return self._weighted(
            NearestConv2d(in_channels, out_channels, bias=self.conv_bias, padding_mode=self.padding)
        )

    def unfolding_conv(self, in_channels: int, out_channels: int, side: int) -> nn.Module:
        """A transposed convolution that spreads a 1 x 1 map over side x side."""
        return self._weighted(nn.ConvTranspose2d(in_channels, out_channels, side, 1, 0, bias=self.conv_bias))

    def linear(self, in_features: int, out_features: int, *, normed: bool = False) -> nn.Module:
        """A fully connected layer; `normed` where a norm comes next."""
        bias = self.norm_last or not normed or NORM[self.norm].linear_bias
        return self._weighted(nn.Linear(in_features, out_features, bias=bias))

    def embedding(self, classes: int, features: int) -> nn.Module:
        return self._weighted(nn.Embedding(classes, features))

    def activated(self, channels: int, *, side: int = 4, normed: bool = True) -> list[nn.Module]:
        """What follows a weight layer: norm and activation, in the network's order.

        side: of the map (a network's smallest, 4, unless told), 0 for a plain vector.
        """
        norm = NORM[self.norm].build(channels, side) if normed else None
        activation = ACTIVATION[self.activation]()
        if norm is None:
            return [activation]
        return [activation, norm] if self.norm_last else [norm, activation]

    def _weighted(self, layer: nn.Module) -> nn.Module:
        return spectral_norm(layer) if NORM[self.norm].spectral else layer


# ---- Changes of resolution -------------------------------------------------------------------------------


def _transpose(layers: Layers, in_channels: int, out_channels: int) -> list[nn.Module]:
    return [layers.doubling_conv(in_channels, out_channels)]


def _nearest(layers: Layers, in_channels: int, out_channels: int) -> list[nn.Module]:
    return [layers.nearest_conv(in_channels, out_channels)]


def _bilinear(layers: Layers, in_channels: int, out_channels: int) -> list[nn.Module]:
    # align_corners=True: the corners stay where they are and the inner pixels move by up to half a pixel.
    return [nn.UpsamplingBilinear2d(scale_factor=2), layers.conv(in_channels, out_channels)]


def _pixelshuffle(layers: Layers, in_channels: int, out_channels: int) -> list[nn.Module]:
    return [layers.conv(in_channels, 4 * out_channels), nn.PixelShuffle(2)]


UPSAMPLE: dict[str, Callable[[Layers, int, int], list[nn.Module]]] = {
    "transpose": _transpose,
    "nearest": _nearest,
    "bilinear": _bilinear,
    "pixelshuffle": _pixelshuffle,
}
"""mode -> (layers, in, out) -> the layers that take N x in x H x W to N x out x 2H x 2W."""

RESIZES = ("nearest", "bilinear")
"""The modes whose new pixels are made of old ones, before a convolution sees them."""


class Downsampling(NamedTuple):
    """A convolution (kernel and stride, padding 1) and the 2 x 2 pool after its activation, if any."""

    kernel: int
    stride: int
    pool: Callable[[int], nn.Module] | None


DOWNSAMPLE: dict[str, Downsampling] = {
    "stride": Downsampling(4, 2, None),
    "avgpool": Downsampling(3, 1, nn.AvgPool2d),
    "maxpool": Downsampling(3, 1, nn.MaxPool2d),
}
