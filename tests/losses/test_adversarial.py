from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from gantrain.losses import adversarial


def log_sigmoid(t: Tensor) -> Tensor:
    return -torch.log1p(torch.exp(-t))


# The table of formulas, written out again with log and sigmoid instead of softplus and relu.
D_FORMULAS = {
    "BCE": lambda r, f: -log_sigmoid(r) - torch.log(1 - torch.sigmoid(f)),
    "Minimax": lambda r, f: -log_sigmoid(r) - torch.log(1 - torch.sigmoid(f)),
    "LSGAN": lambda r, f: 0.5 * (r - 1) ** 2 + 0.5 * f**2,
    "Hinge": lambda r, f: (
        torch.maximum(torch.zeros_like(r), 1 - r) + torch.maximum(torch.zeros_like(f), 1 + f)
    ),
    "WGAN": lambda r, f: f - r,
    "Relativistic": lambda r, f: torch.log(1 + torch.exp(f - r)),
}
G_FORMULAS = {
    "BCE": lambda r, f: -log_sigmoid(f),
    "Minimax": lambda r, f: torch.log(1 - torch.sigmoid(f)),
    "LSGAN": lambda r, f: 0.5 * (f - 1) ** 2,
    "Hinge": lambda r, f: -f,
    "WGAN": lambda r, f: -f,
    "Relativistic": lambda r, f: torch.log(1 + torch.exp(r - f)),
}
EQUILIBRIUM = {  # both logits at their boundary: (D, G)
    "BCE": (0.0, 2 * math.log(2), math.log(2)),
    "Minimax": (0.0, 2 * math.log(2), -math.log(2)),
    "LSGAN": (0.5, 0.25, 0.125),
    "Hinge": (0.0, 2.0, 0.0),
    "WGAN": (0.3, 0.0, -0.3),
    "Relativistic": (0.3, math.log(2), math.log(2)),
}


def test_every_loss_has_a_formula() -> None:
    public = {
        name
        for name, value in vars(adversarial).items()
        if isinstance(value, type) and hasattr(value, "unbounded")
    }
    assert public - {"AdversarialLoss"} == D_FORMULAS.keys() == G_FORMULAS.keys()


@pytest.mark.parametrize("name", D_FORMULAS)
@pytest.mark.parametrize("shape", [(7,), (7, 3, 5)], ids=["logits", "patches"])
def test_formula(name: str, shape: tuple[int, ...]) -> None:
    loss = getattr(adversarial, name)()
    r, f = torch.randn(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
    assert_close(loss.discriminator(r, f), D_FORMULAS[name](r, f))
    assert_close(loss.generator(r, f), G_FORMULAS[name](r, f))
    assert loss.discriminator(r, f).shape == shape  # per logit: no reduction


@pytest.mark.parametrize("name", EQUILIBRIUM)
def test_equilibrium(name: str) -> None:
    at, d, g = EQUILIBRIUM[name]
    loss, logit = getattr(adversarial, name)(), torch.tensor([at], dtype=torch.float64)
    assert_close(loss.discriminator(logit, logit).item(), d)
    assert_close(loss.generator(logit, logit).item(), g)


@pytest.mark.parametrize("name", D_FORMULAS)
def test_generator_uses_real_says_the_truth(name: str) -> None:
    """A loss that does not declare it is handed NaN for D(x) in G's phase."""
    loss = getattr(adversarial, name)()
    value = loss.generator(torch.full((3,), torch.nan), torch.zeros(3))
    assert value.isnan().all() == loss.generator_uses_real


@pytest.mark.parametrize("name", ["BCE", "Minimax", "Relativistic"])
def test_no_overflow_at_large_logits(name: str) -> None:
    loss, r, f = getattr(adversarial, name)(), torch.tensor([-1e4]), torch.tensor([1e4])
    assert loss.discriminator(r, f).isfinite().all()
    assert loss.generator(f, r).isfinite().all()
