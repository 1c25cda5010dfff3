"""A loss and a penalty of one's own."""

from __future__ import annotations

from torch import Generator, Tensor

from gantrain.losses.adversarial import AdversarialLoss
from gantrain.losses.penalties import Critic, Penalty


class Exponential(AdversarialLoss):
    """min_D E[exp(-r / t)] + E[exp(f / t)],  min_G E[exp(-f / t)],  r = D(x), f = D(G(z)).

    One value per logit: no mean here.
    """

    def __init__(self, temperature: float = 4.0) -> None:
        self.temperature = temperature

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return (-real / self.temperature).exp() + (fake / self.temperature).exp()

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        return (-fake / self.temperature).exp()


class Drift(Penalty):
    """E[D(x)^2] (Karras et al. 2018): keeps the logits near 0. The weight is multiplied by gantrain."""

    def __init__(self, weight: float = 0.001, every: int = 1) -> None:
        super().__init__(weight, every)

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor, generator: Generator) -> Tensor:
        return critic(real).square()
