"""Penalties against gradients worked out by hand. The critic is D(x) = sum(a x^2) / 2, so dD/dx = a x."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.testing import assert_close

from gantrain.errors import GantrainError
from gantrain.losses.penalties import DRAGAN, R1, R1R2, WGANGP, Clip, Penalty

SHAPE = (5, 2, 3, 3)


def randn(seed: int) -> Tensor:
    return torch.randn(SHAPE, dtype=torch.float64, generator=Generator().manual_seed(seed))


@pytest.fixture
def a() -> Tensor:
    return randn(0)[0].requires_grad_()


def critic_of(a: Tensor):  # type: ignore[no-untyped-def]
    return lambda x: (a * x.square()).flatten(1).sum(1) / 2


def norms(gradient: Tensor) -> Tensor:
    return gradient.flatten(1).norm(dim=1)


def by_hand(penalty: Penalty, a: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    draw = Generator().manual_seed(9)
    if isinstance(penalty, WGANGP):
        t = torch.rand(len(real), 1, 1, 1, generator=draw, dtype=torch.float64)
        return (norms(a * (real + t * (fake - real))) - 1) ** 2
    if isinstance(penalty, DRAGAN):
        noise = 0.5 * real.std() * torch.rand(SHAPE, generator=draw, dtype=torch.float64)
        return (norms(a * (real + noise)) - 1) ** 2
    on_real, on_fake = norms(a * real) ** 2, norms(a * fake) ** 2
    return (on_real + on_fake) / 2 if isinstance(penalty, R1R2) else on_real / 2


@pytest.mark.parametrize("kind", [WGANGP, R1, R1R2, DRAGAN])
def test_value_and_its_gradient(kind: type[Penalty], a: Tensor) -> None:
    real, fake, penalty = randn(1), randn(2), kind()
    value = penalty(critic_of(a), real, fake, Generator().manual_seed(9))
    expected = by_hand(penalty, a, real, fake)
    assert_close(value, expected, rtol=1e-6, atol=1e-9)  # the epsilon in the root
    assert value.shape == (len(real),)
    assert_close(*(torch.autograd.grad(v.sum(), a)[0] for v in (value, expected)), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("kind", [WGANGP, R1, R1R2, DRAGAN])
def test_patch_logits_count_as_their_mean(kind: type[Penalty], a: Tensor) -> None:
    real, fake, flat = randn(1), randn(2), critic_of(a)

    def patches(x: Tensor) -> Tensor:  # two patches whose mean is the flat critic
        return torch.stack([0.5 * flat(x), 1.5 * flat(x)], dim=1).unsqueeze(2)

    assert_close(*(kind()(c, real, fake, Generator().manual_seed(9)) for c in (patches, flat)))


def test_gradient_penalty_is_finite_where_the_gradient_is_zero() -> None:
    a = torch.zeros(SHAPE[1:], dtype=torch.float64, requires_grad=True)
    value = WGANGP()(critic_of(a), randn(1), randn(2), Generator().manual_seed(9))
    assert torch.autograd.grad(value.sum(), a)[0].isfinite().all()


def test_clip_bounds_every_weight_after_an_update() -> None:
    network = nn.Linear(4, 4)
    network.weight.data.fill_(3.0)
    network.bias.data.fill_(-3.0)
    Clip(clip_value=0.01).after_update(network)
    assert_close(network.weight.data, torch.full((4, 4), 0.01))
    assert_close(network.bias.data, torch.full((4,), -0.01))


def test_lazy_penalty_keeps_its_mean_weight() -> None:
    penalty = R1(weight=2.0, every=4)
    weights = [penalty.weight_at(step) for step in range(8)]
    assert weights == [8.0, 0, 0, 0, 8.0, 0, 0, 0]


def test_a_penalty_without_weight_costs_nothing() -> None:
    assert Penalty().weight_at(0) == 0
    assert Clip().weight_at(0) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: R1(weight=-1), "penalty.weight: must not be negative"),
        (lambda: R1(every=0), "penalty.every: must be 1 or more"),
        (lambda: Clip(clip_value=0), "penalty.clip_value: must be above 0"),
    ],
)
def test_ranges(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(GantrainError, match=message):
        make()
