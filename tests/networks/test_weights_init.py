"""Initialisation: the statistics of every row of INIT, and that it reaches what it should."""

from __future__ import annotations

import math

import pytest
import torch
from network_families import discriminator, every_family, generator, labels
from torch import nn
from torch.testing import assert_close

from gantrain.errors import GantrainError
from gantrain.networks.blocks import LabelEmbedding, raw_weight
from gantrain.networks.init import INIT, NORMS, WEIGHTED, initialise
from gantrain.networks.layers import NORM

DRAWN = [name for name, init in INIT.items() if init is not None]


def within_five_sigma(values: torch.Tensor, mean: float, std: float) -> None:
    n = values.numel()
    assert abs(values.mean().item() - mean) < 5 * std / math.sqrt(n)
    assert abs(values.std().item() - std) < 5 * std / math.sqrt(2 * n)


@pytest.mark.parametrize("norm", ["batch", "spectral", "instance", "layer"])
@every_family
def test_dcgan_statistics(family, norm):
    for net in (generator(family, norm=norm, width=16), discriminator(family, norm=norm, width=16)):
        initialise(net, "dcgan")
        for module in net.modules():
            if isinstance(module, WEIGHTED):
                within_five_sigma(raw_weight(module), 0.0, 0.02)
            if isinstance(module, NORMS):
                within_five_sigma(module.weight, 1.0, 0.02)


def test_the_other_rows_by_their_definition():
    linear = nn.Linear(300, 200)
    initialise(linear, "orthogonal")
    assert_close(linear.weight @ linear.weight.T, torch.eye(200), atol=1e-4, rtol=0)
    initialise(linear, "xavier")
    bound = math.sqrt(6 / 500)
    assert linear.weight.abs().max() <= bound
    within_five_sigma(linear.weight, 0.0, bound / math.sqrt(3))
    initialise(linear, "kaiming")
    within_five_sigma(linear.weight, 0.0, math.sqrt(2 / (1 + 0.2**2) / 300))


@pytest.mark.parametrize("name", INIT)
@pytest.mark.parametrize("norm", NORM)
@every_family
def test_every_init_reaches_every_weight(family, norm, name):
    for net in (generator(family, classes=3, norm=norm), discriminator(family, classes=3, norm=norm)):
        before = {key: value.clone() for key, value in net.named_parameters()}
        embeddings = {f"{k}.weight" for k, m in net.named_modules() if isinstance(m, LabelEmbedding)}
        initialise(net, name)
        for key, value in net.named_parameters():
            assert value.isfinite().all()
            if name == "default" or key in embeddings:
                assert torch.equal(value, before[key])
            elif value.dim() > 1:
                assert not torch.equal(value, before[key]), key
            elif key.endswith("bias"):
                assert not value.any()
        assert net.training


@pytest.mark.parametrize("name", DRAWN)
@every_family
def test_spectral_norm_is_one_after_initialisation(family, name):
    """The singular vectors belong to the new weights before the first step: no layer's norm is above one."""
    D = discriminator(family, classes=3, norm="spectral", width=16).eval()
    initialise(D, name)
    assert not any(m.training for m in D.modules())
    for module in D.modules():
        if isinstance(module, WEIGHTED):
            largest = torch.linalg.matrix_norm(module.weight.flatten(1), 2)
            assert 0.99 < largest < 1.2
    assert D(torch.randn(2, 1, 16, 16), labels(2, 3)).isfinite().all()


def test_unknown_name():
    with pytest.raises(GantrainError, match=r"model\.init: no such option: he\n.*dcgan, orthogonal"):
        initialise(nn.Linear(1, 1), "he")
