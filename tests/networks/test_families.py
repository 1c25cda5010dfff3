"""Every family of networks: published parameter counts, shapes, resolution steps, padding, conditioning."""

from __future__ import annotations

import itertools

import pytest
import torch
from network_families import (
    FAMILIES,
    LATENT,
    STYLES,
    discriminator,
    every_family,
    generator,
    labels,
    parameters,
    takes,
)
from torch import nn
from torch.testing import assert_close

from gantrain.errors import GantrainError
from gantrain.networks import dcgan, dcgan_mnist, mlp, sngan
from gantrain.networks.blocks import LabelEmbedding, ProjectionHead
from gantrain.networks.init import NORMS, WEIGHTED, initialise
from gantrain.networks.layers import (
    ACTIVATION,
    DOWNSAMPLE,
    NORM,
    OUTPUT,
    PADDING,
    UPSAMPLE,
    Layers,
    NearestConv2d,
)
from gantrain.sizes import SIZES, base_and_doublings

# ---- Published counts and the tutorial -------------------------------------------------------------------


def dcgan_at_64(norm: str = "batch") -> tuple[nn.Module, nn.Module]:
    return (
        dcgan.Generator(100, 3, 64, norm=norm, upsample="transpose"),
        dcgan.Discriminator(3, 64, norm=norm, downsample="stride"),
    )


def test_parameter_counts():
    G, D = dcgan_at_64()
    assert (parameters(G), parameters(D)) == (3_576_704, 2_765_568)
    G, D = dcgan_mnist.Generator(96, 1, 28), dcgan_mnist.Discriminator(1, 28)
    assert (parameters(G), parameters(D)) == (6_675_009, 1_102_721)
    G, D = mlp.Generator(96, 1, 28), mlp.Discriminator(1, 28)
    assert parameters(G) == 96 * 1024 + 1024 + 1024 * 1024 + 1024 + 1024 * 784 + 784
    assert parameters(D) == 784 * 256 + 256 + 256 * 256 + 256 + 256 + 1
    D = sngan.Discriminator(3, 32)  # Miyato et al. 2018, table 3b, without biases
    convs = 9 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 16 * (64**2 + 128**2 + 256**2)
    assert parameters(D) == convs + 512 * 16 + 1
    G = sngan.Generator(128, 3, 32, upsample="transpose")  # table 3a
    convs = 16 * (512 * 256 + 256 * 128 + 128 * 64) + 9 * 64 * 3
    assert parameters(G) == 129 * 512 * 16 + convs + 2 * (256 + 128 + 64)


def tutorial() -> tuple[nn.Sequential, nn.Sequential]:
    """The two networks of PyTorch's DCGAN tutorial (nc = 3, nz = 100, ngf = ndf = 64)."""

    def up(i: int, o: int, stride: int = 2, pad: int = 1) -> list[nn.Module]:
        conv = nn.ConvTranspose2d(i, o, 4, stride, pad, bias=False)
        return [conv, nn.BatchNorm2d(o), nn.ReLU(True)]

    def down(i: int, o: int) -> list[nn.Module]:
        return [nn.Conv2d(i, o, 4, 2, 1, bias=False), nn.BatchNorm2d(o), nn.LeakyReLU(0.2, inplace=True)]

    G = nn.Sequential(
        *up(100, 512, 1, 0),
        *up(512, 256),
        *up(256, 128),
        *up(128, 64),
        nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    D = nn.Sequential(
        nn.Conv2d(3, 64, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
        *down(64, 128),
        *down(128, 256),
        *down(256, 512),
        nn.Conv2d(512, 1, 4, 1, 0, bias=False),
    )
    return G, D


def leaves(net: nn.Module) -> list[nn.Module]:
    return [m for m in net.modules() if not list(m.children())]


def test_dcgan_is_the_tutorial_layer_for_layer():
    z, x = torch.randn(4, 100), torch.rand(4, 3, 64, 64) * 2 - 1
    for ours, theirs, inputs in zip(
        dcgan_at_64(), tutorial(), ((z, z[:, :, None, None]), (x, x)), strict=True
    ):
        initialise(ours, "dcgan")
        own_leaves = [m for m in leaves(ours) if not isinstance(m, dcgan.LatentInput)]
        assert [repr(m) for m in own_leaves] == [repr(m) for m in leaves(theirs)]
        weights = [p.detach() for p in ours.parameters()]
        theirs.load_state_dict(
            dict(zip((k for k, _ in theirs.named_parameters()), weights, strict=True)), strict=False
        )
        for _ in range(2):  # twice: the running statistics of training mode are compared by eval mode
            assert_close(ours(inputs[0]).flatten(), theirs(inputs[1]).flatten())
        assert_close(ours.eval()(inputs[0][:1]).flatten(), theirs.eval()(inputs[1][:1]).flatten())


# ---- Shapes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 20, 28, 32, 48, 64, 128, 256])
@every_family
def test_shapes(family, size, channels, classes):
    sizes = FAMILIES[family].Generator.image_sizes
    if sizes is not None and size not in sizes:
        pytest.skip(f"{family} declares image_sizes up to {max(sizes)}")
    G, D = generator(family, channels, size, classes), discriminator(family, channels, size, classes)
    y = labels(2, classes)
    images = G(torch.randn(2, LATENT), y)
    assert images.shape == (2, channels, size, size)
    assert images.abs().max() <= 1
    logits = D(images, y)
    assert logits.shape == (2,)
    logits.sum().backward()
    for p in itertools.chain(G.parameters(), D.parameters()):
        assert p.grad is not None
        assert p.grad.isfinite().all()
    G.eval(), D.eval()
    y = labels(1, classes)
    assert D(G(torch.randn(1, LATENT), y), y).shape == (1,)


@every_family
def test_declared_sizes_are_sizes(family):
    for cls in (FAMILIES[family].Generator, FAMILIES[family].Discriminator):
        assert cls.image_sizes is None or set(cls.image_sizes) <= set(SIZES)


@pytest.mark.parametrize("size", [16, 20, 28])
@pytest.mark.parametrize("downsample", DOWNSAMPLE)
@pytest.mark.parametrize("norm", NORM)
@every_family
def test_every_norm_trains_in_every_family(family, norm, downsample, size):
    G = generator(family, 1, size, norm=norm)
    D = discriminator(family, 1, size, norm=norm, downsample=downsample)
    logits = D(G(torch.randn(3, LATENT)))
    logits.sum().backward()
    for p in itertools.chain(G.parameters(), D.parameters()):
        assert p.grad.isfinite().all()
    # every sample's latent reaches its logit: no norm has flattened the signal
    assert logits.detach().std() > 0


@pytest.mark.parametrize("activation", ACTIVATION)
@every_family
def test_every_activation_trains_in_every_family(family, activation):
    G, D = generator(family, activation=activation), discriminator(family, activation=activation)
    D(G(torch.randn(3, LATENT))).sum().backward()
    assert all(p.grad.isfinite().all() for p in itertools.chain(G.parameters(), D.parameters()))
    for net in (G, D):
        wanted = type(ACTIVATION[activation]())
        assert any(type(m) is wanted for m in leaves(net))


@pytest.mark.parametrize("output", OUTPUT)
@every_family
def test_output_is_the_last_layer(family, output):
    assert type(leaves(generator(family, output=output))[-1]) is type(OUTPUT[output]())


@every_family
def test_width_is_checked_and_scales(family):
    for make in (generator, discriminator):
        with pytest.raises(GantrainError, match=r"model\.width: must be 1 or more, got 0"):
            make(family, width=0)
        make(family, width=1)
        assert parameters(make(family, width=8)) > 2 * parameters(make(family, width=4))


# ---- The walk: what was asked for is what was built ------------------------------------------------------


def spectral(module: nn.Module) -> bool:
    return nn.utils.parametrize.is_parametrized(module, "weight")


def convolutions(net: nn.Module) -> list[nn.Module]:
    return [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]


def spatial(net: nn.Module) -> list[nn.Module]:
    return [m for m in net.modules() if isinstance(m, (nn.ReflectionPad2d, nn.Conv2d, nn.ConvTranspose2d))]


DOUBLINGS = {
    "transpose": lambda m: isinstance(m, nn.ConvTranspose2d) and m.stride == (2, 2),
    "nearest": lambda m: isinstance(m, NearestConv2d),
    "bilinear": lambda m: type(m) is nn.UpsamplingBilinear2d,
    "pixelshuffle": lambda m: type(m) is nn.PixelShuffle,
}
HALVINGS = {
    "stride": lambda m: isinstance(m, nn.Conv2d) and m.stride == (2, 2),
    "avgpool": lambda m: type(m) is nn.AvgPool2d,
    "maxpool": lambda m: type(m) is nn.MaxPool2d,
}
STEPS = {"dcgan_mnist": 2}  # always two; the others have k, the fully connected one none


def steps_of(family: str, cls: type, option: str) -> int:
    if not takes(cls, {option: ""}):
        return 0
    return STEPS.get(family, base_and_doublings(32)[1])


def count(net: nn.Module, kinds: dict) -> dict[str, int]:
    return {name: sum(kind(m) for m in net.modules()) for name, kind in kinds.items()}


def test_the_walk_knows_every_mode():
    assert DOUBLINGS.keys() == UPSAMPLE.keys()
    assert HALVINGS.keys() == DOWNSAMPLE.keys()


@pytest.mark.parametrize("norm", ["batch", "spectral"])
@pytest.mark.parametrize("style", STYLES, ids=lambda s: "-".join(map(str, s.values())))
@every_family
def test_walk(family, style, norm):
    G, D = generator(family, 3, 32, norm=norm, **style), discriminator(family, 3, 32, norm=norm, **style)
    for net, option, kinds in ((G, "upsample", DOUBLINGS), (D, "downsample", HALVINGS)):
        steps = steps_of(family, type(net), option)
        assert count(net, kinds) == {name: steps * (name == style[option]) for name in kinds}
        for conv in convolutions(net):
            assert spectral(conv) == (norm == "spectral")
            assert conv.bias is None or norm != "spectral"
            if any(conv.padding):
                assert conv.padding_mode == style["padding"]
        has_stem = [isinstance(m, nn.ReflectionPad2d) for m in leaves(net)]
        assert sum(has_stem) == (style["stem"] and bool(takes(type(net), style)))
    if style["stem"] and takes(type(G), style):
        for pad, conv in (spatial(D)[:2], spatial(G)[-2:]):
            assert (pad.padding, conv.kernel_size, conv.padding) == ((3, 3, 3, 3), (7, 7), (0, 0))
            assert 3 in (conv.in_channels, conv.out_channels)
    x = G(torch.randn(2, LATENT))
    assert x.shape == (2, 3, 32, 32)
    D(x).sum().backward()


@pytest.mark.parametrize("norm", NORM)
@every_family
def test_the_image_side_has_no_norm(family, norm):
    """Radford et al. 2016: no norm on the generator's output or the discriminator's input."""
    for stem in (False, True):
        G, D = generator(family, norm=norm, stem=stem), discriminator(family, norm=norm, stem=stem)
        G_layers, D_layers = ([m for m in net.modules() if isinstance(m, WEIGHTED + NORMS)] for net in (G, D))
        assert not isinstance(D_layers[1], NORMS)
        assert not isinstance(G_layers[-1], NORMS)


# ---- Classes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", NORM)
@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 4, 4)])
def test_projection_formula(shape, norm):
    """logit = last(h) + <embed(y), sum over space of h> (Miyato & Koyama 2018, eq. 3)."""
    h, y = torch.randn(shape), torch.tensor([0, 1, 2, 0, 1])
    last = nn.Sequential(nn.Flatten(), nn.Linear(h[0].numel(), 1))
    head = ProjectionHead(Layers(norm), last, 6, 3).eval()
    assert spectral(head.embed) == (norm == "spectral")
    for i in range(5):
        summed = h[i] if h[i].dim() == 1 else h[i].sum((1, 2))
        by_hand = last(h[i : i + 1])[0, 0] + torch.dot(head.embed.weight[y[i]], summed)
        assert_close(head(h, y)[i], by_hand)
    unconditional = ProjectionHead(Layers(norm), last, 6, 0)
    assert_close(unconditional(h), last(h)[:, 0])


@every_family
def test_labels_change_pictures_and_logits(family):
    G, D = generator(family, classes=3).eval(), discriminator(family, classes=3).eval()
    z = torch.randn(1, LATENT)
    first, second = torch.tensor([0]), torch.tensor([1])
    x = G(z, first)
    assert not torch.allclose(x, G(z, second))
    assert not torch.allclose(D(x, first), D(x, second))


@every_family
def test_label_is_concatenated_to_the_latent(family):
    G = generator(family, classes=3)
    assert isinstance(G.input.embed, LabelEmbedding)
    z, y = torch.randn(4, LATENT), labels(4, 3)
    assert_close(G.input(z, y), torch.cat([z, G.input.embed.weight[y]], 1))
    plain = generator(family)
    assert_close(plain.input(z), z)


@every_family
def test_missing_labels_are_our_mistake(family):
    with pytest.raises(AssertionError, match="needs labels"):
        generator(family, classes=3)(torch.randn(2, LATENT))
    with pytest.raises(AssertionError, match="needs labels"):
        discriminator(family, classes=3)(torch.randn(2, 1, 16, 16))


@pytest.mark.parametrize("padding", PADDING)
def test_second_derivatives_exist(padding):
    """A gradient penalty differentiates D's gradient again."""
    for family, norm in itertools.product(FAMILIES, NORM):
        D = discriminator(family, norm=norm, padding=padding)
        x = torch.randn(3, 1, 16, 16, requires_grad=True)
        (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        gradient.square().sum().backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in D.parameters()), (family, norm)
