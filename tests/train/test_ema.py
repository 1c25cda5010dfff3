from __future__ import annotations

import torch
from torch import nn
from torch.testing import assert_close

from gantrain.train.ema import EMA, RAMP_UP, evaluating


def constant(value: float) -> nn.Linear:
    network = nn.Linear(2, 2)
    for parameter in network.parameters():
        nn.init.constant_(parameter, value)
    return network


def test_half_life_is_counted_in_images() -> None:
    """Whatever the batch size: after one half-life of images the old value counts half."""
    for batch in (1, 10, 50):
        ema, late = EMA(constant(1.0), half_life_images=100), 10**9
        for _ in range(100 // batch):
            ema.update(constant(0.0), late, batch)
        assert_close(ema.network.weight, torch.full((2, 2), 0.5), check_stride=False)


def test_an_early_average_is_short() -> None:
    ema = EMA(constant(1.0), half_life_images=1e9)
    ema.update(constant(0.0), images_seen=1000, images=int(1000 * RAMP_UP))
    assert_close(ema.network.weight, torch.full((2, 2), 0.5))


def test_zero_follows_the_live_network() -> None:
    ema = EMA(constant(1.0), half_life_images=0)
    ema.update(constant(0.3), 1000, 10)
    assert_close(ema.network.weight, torch.full((2, 2), 0.3))


def test_batch_norm_statistics_are_the_live_ones() -> None:
    live = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    ema = EMA(live, 1000)
    live(torch.randn(8, 2))
    ema.update(live, 1000, 8)
    assert_close(dict(ema.network.named_buffers()), dict(live.named_buffers()))


def test_evaluating_restores_the_mode() -> None:
    network = nn.Dropout()
    with evaluating(network):
        assert not network.training
    assert network.training
