"""What a checkpoint gives back: moments in their places, and randomness that does not come twice."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import Generator, nn
from torch.testing import assert_close

from gantrain.train.randomness import random_state, restore_random_state, unnoticed
from gantrain.train.state import lay_out

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def conv(layout: torch.memory_format) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(3, 5, 3).to(memory_format=layout)


def updated(network: nn.Conv2d, fused: bool, saved: dict[str, object] | None = None) -> torch.optim.Adam:
    """One step of Adam on a fixed gradient, from a saved state if there is one."""
    optimiser = torch.optim.Adam(network.parameters(), lr=0.1, fused=fused)
    if saved is not None:
        optimiser.load_state_dict(saved)
        optimiser.param_groups[0]["fused"] = fused
        lay_out(optimiser)
    for index, weight in enumerate(network.parameters()):
        gradient = torch.randn(weight.shape, generator=Generator().manual_seed(index + bool(saved)))
        weight.grad = torch.empty_like(weight).copy_(gradient)
    optimiser.step()
    return optimiser


@pytest.mark.parametrize("before", LAYOUTS)
@pytest.mark.parametrize("after", LAYOUTS)
def test_moments_follow_the_layout_of_the_weights(
    before: torch.memory_format, after: torch.memory_format
) -> None:
    """Against the optimiser that is not fused, in one layout all along."""
    plain, old = conv(torch.contiguous_format), conv(before)
    saved = updated(plain, fused=False).state_dict()
    updated(plain, fused=False, saved=saved)
    moved = updated(old, fused=True).state_dict()
    new = conv(after)
    new.load_state_dict(old.state_dict())
    updated(new, fused=True, saved=moved)
    assert_close(new.weight, plain.weight)


def test_on_another_device_the_noise_is_not_the_first_again() -> None:
    """There and back: what was drawn at first does not come a second time."""
    first = Generator().manual_seed(7)
    state = random_state(first) | {"noise_device": "elsewhere"}
    drawn = {torch.rand((), generator=first).item()}
    for step in (100, 200):
        back = Generator().manual_seed(7)
        restore_random_state(state, back, step)
        drawn.add(torch.rand((), generator=back).item())
    assert len(drawn) == 3


def test_nobody_notices_who_looks_on() -> None:
    def draw() -> tuple[float, float, float]:
        return torch.rand(()).item(), random.random(), float(np.random.rand())  # noqa: NPY002

    def seed() -> None:
        torch.manual_seed(0), random.seed(0), np.random.seed(0)  # noqa: NPY002

    seed()
    expected = draw()
    seed()
    with unnoticed(torch.device("cpu")):
        draw()
    assert draw() == expected
