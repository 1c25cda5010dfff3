"""The tables: transposed convolution and its padding, norms, activations, outputs."""

from __future__ import annotations

import typing

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from gantrain.errors import GantrainError
from gantrain.networks import layers as tables
from gantrain.networks.init import INIT, InitName
from gantrain.networks.layers import (
    ACTIVATION,
    DOWNSAMPLE,
    NORM,
    OUTPUT,
    OUTPUT_RANGE,
    PADDING,
    UPSAMPLE,
    Layers,
    NearestConv2d,
    PaddedConvTranspose2d,
    choose,
)

LITERALS = {
    "UPSAMPLE": (UPSAMPLE, tables.UpsampleMode),
    "DOWNSAMPLE": (DOWNSAMPLE, tables.DownsampleMode),
    "PADDING": (PADDING, tables.PaddingMode),
    "NORM": (NORM, tables.NormName),
    "ACTIVATION": (ACTIVATION, tables.ActivationName),
    "OUTPUT": (OUTPUT, tables.OutputName),
    "OUTPUT_RANGE": (OUTPUT_RANGE, tables.OutputName),
    "INIT": (INIT, InitName),
}


@pytest.mark.parametrize("table", LITERALS)
def test_the_literal_that_users_are_checked_against_lists_the_table(table):
    rows, literal = LITERALS[table]
    assert tuple(rows) == typing.get_args(literal)


def test_unknown_name_lists_the_choices():
    with pytest.raises(GantrainError, match="downsample: no such option: strid") as caught:
        choose(DOWNSAMPLE, "downsample", "strid")
    assert caught.value.remedy == "choose one of: stride, avgpool, maxpool"


@pytest.mark.parametrize("key", ["norm", "activation", "padding"])
def test_layers_refuse_unknown_names(key):
    with pytest.raises(GantrainError, match=f"{key}: no such option: nonsense"):
        Layers(**{key: "nonsense"})


def stuff_with_zeros(x: torch.Tensor) -> torch.Tensor:
    """A zero between any two neighbours: H to 2H - 1."""
    n, c, h, w = x.shape
    stuffed = x.new_zeros(n, c, 2 * h - 1, 2 * w - 1)
    stuffed[..., ::2, ::2] = x
    return stuffed


def flipped(weight: torch.Tensor) -> torch.Tensor:
    return weight.flip(2, 3).transpose(0, 1)


def test_transposed_convolution_is_stuff_pad_convolve():
    """N2.3, with the kernel flipped, since PyTorch's convolution is a cross-correlation."""
    conv = nn.ConvTranspose2d(3, 5, 4, 2, 1).double()
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64)
    by_hand = F.conv2d(F.pad(stuff_with_zeros(x), (2,) * 4), flipped(conv.weight), conv.bias)
    assert_close(conv(x), by_hand)


@pytest.mark.parametrize("mode", PADDING)
def test_padded_transposed_convolution(mode):
    conv = PaddedConvTranspose2d(3, 5, bias=True, padding_mode=mode).double()
    plain = nn.ConvTranspose2d(3, 5, 4, 2, 1).double()
    plain.load_state_dict(conv.state_dict())
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64)

    # Stuffed with zeros, the border stands two pixels outside: as much as the 4 taps need, nothing is padded.
    stuffed = stuff_with_zeros(with_border(x, mode))
    by_hand = F.conv2d(stuffed, flipped(conv.weight), conv.bias)
    assert conv(x).shape == (2, 5, 12, 14)
    assert_close(conv(x), by_hand)
    assert_close(conv(x)[..., 1:-1, 1:-1], plain(x)[..., 1:-1, 1:-1])
    assert torch.allclose(conv(x), plain(x)) == (mode == "zeros")


def with_border(x: torch.Tensor, mode: str) -> torch.Tensor:
    """x with one more pixel on each side, by plain indexing."""

    def index(size: int) -> list[int]:
        first, last = {
            "zeros": (size, size),
            "reflect": (1, size - 2),
            "replicate": (0, size - 1),
            "circular": (size - 1, 0),
        }[mode]
        return [first, *range(size), last]

    x = F.pad(x, (0, 1, 0, 1))  # the row and column `size` are zero
    return x[:, :, index(x.shape[2] - 1)][:, :, :, index(x.shape[3] - 1)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("mode", PADDING)
def test_nearest_convolution_is_doubling_then_convolving(mode, bias):
    """Values, gradients, and gradients of gradients (penalties) of the plain two layers."""
    conv = NearestConv2d(3, 5, bias=bias, padding_mode=mode).double()
    plain = nn.Conv2d(3, 5, 3, padding=1, bias=bias, padding_mode=mode).double()
    plain.load_state_dict(conv.state_dict())
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64, requires_grad=True)

    def looked_at(net: nn.Module, doubled=lambda x: x) -> list[torch.Tensor]:
        y = net(doubled(x))
        first = torch.autograd.grad(y.square().sum(), (x, net.weight), create_graph=True)
        return [y, *first, *torch.autograd.grad(first[0].square().sum(), (x, net.weight))]

    expected = looked_at(plain, lambda x: F.interpolate(x, scale_factor=2, mode="nearest"))
    for mine, theirs in zip(looked_at(conv), expected, strict=True):
        assert_close(mine, theirs)


def test_transpose_pads_with_pytorch_when_it_can():
    assert type(Layers(padding="zeros").doubling_conv(2, 3)) is nn.ConvTranspose2d
    assert type(Layers(padding="reflect").doubling_conv(2, 3)) is PaddedConvTranspose2d


def test_bilinear_aligns_corners():
    doubling = UPSAMPLE["bilinear"](Layers(), 1, 1)[0]
    assert_close(doubling(torch.tensor([[[[0.0, 3.0]]]])), torch.tensor([[[[0.0, 1.0, 2.0, 3.0]] * 2]]))


@pytest.mark.parametrize("mode", UPSAMPLE)
@pytest.mark.parametrize("padding", PADDING)
def test_upsampling_doubles(mode, padding):
    net = nn.Sequential(*UPSAMPLE[mode](Layers(padding=padding), 3, 5))
    assert net(torch.randn(2, 3, 4, 6)).shape == (2, 5, 8, 12)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 12, 32, 64, 96])
@pytest.mark.parametrize("side", [0, 1, 2, 4])
@pytest.mark.parametrize("norm", NORM)
def test_every_norm_trains_on_maps_and_vectors_of_every_size(norm, side, channels):
    if side <= 1 and channels == 1:
        pytest.skip("a lone number has no statistics of its own")
    shape = (4, channels, side, side) if side else (4, channels)
    x = torch.randn(shape, requires_grad=True)
    net = nn.Sequential(*Layers(norm).activated(channels, side=side))
    net(x * 1).square().sum().backward()  # not the leaf itself: activations work in place
    assert x.grad.isfinite().all()
    assert net.eval()(x[:1] * 1).isfinite().all()
    assert x.grad.abs().sum() > 0


def test_per_sample_norms_do_not_mix_samples():
    """The flag that a gradient penalty's refusal reads is what the layer does."""
    x = torch.randn(3, 8, 4, 4)
    for name, norm in NORM.items():
        layer = norm.build(8, 4) or nn.Identity()
        alone = layer(x[:2])[0]
        assert torch.allclose(alone, layer(x)[0], atol=1e-5) != norm.mixes_samples, name


def test_bias_rule():
    """The documented rule, row by row; a new norm needs a row here."""
    conv = {name: Layers(name).conv(2, 2).bias is not None for name in NORM}
    off = {"batch", "instance", "spectral"}
    assert conv == {name: name not in off for name in NORM}
    before_norm = {name: Layers(name).linear(2, 2, normed=True).bias is not None for name in NORM}
    assert before_norm == {name: name != "batch" for name in NORM}
    assert all(Layers(name).linear(2, 2).bias is not None for name in NORM)
    after_activation = {name: Layers(name, norm_last=True).conv(2, 2).bias is not None for name in NORM}
    assert after_activation == {name: name != "spectral" for name in NORM}


def test_norm_last_swaps_norm_and_activation():
    first, second = Layers("batch", norm_last=True).activated(4)
    assert (type(first), type(second)) == (nn.ReLU, nn.BatchNorm2d)
    first, second = Layers("batch").activated(4)
    assert (type(first), type(second)) == (nn.BatchNorm2d, nn.ReLU)


SLOPES = {"relu": 0.0, "leaky_relu": 0.2, "leaky_relu_0.1": 0.1, "leaky_relu_0.01": 0.01}


@pytest.mark.parametrize("name", ACTIVATION)
def test_activation_runs_and_has_its_slope(name):
    x = torch.linspace(-2, 2, 8, requires_grad=True)
    y = ACTIVATION[name]()(x * 1)
    y.sum().backward()
    assert x.grad.isfinite().all()
    if name in SLOPES:
        assert_close(y[0].item(), -2 * SLOPES[name])


@pytest.mark.parametrize("name", OUTPUT)
def test_output_fills_its_declared_range(name):
    low, high = OUTPUT_RANGE[name]
    y = OUTPUT[name]()(torch.tensor([-1e4, 0.0, 1e4]))
    assert_close(y[[0, 2]], torch.tensor([max(low, -1e4), min(high, 1e4)]))
