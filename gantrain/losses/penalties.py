"""Penalties on the discriminator, each as its formula.

A penalty maps (critic, real, fake, generator) to one value per sample, without its weight `w`, which the step
multiplies. `critic` maps images N x C x H x W to logits; of patch logits (N x H x W) it is the mean per
sample that is differentiated, since that is what the losses average. `generator` is the random generator on
the device. `after_update(discriminator)` runs after every step of the discriminator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from gantrain.errors import GantrainError

Critic = Callable[[Tensor], Tensor]


def input_gradient(critic: Critic, images: Tensor) -> Tensor:
    """dD/dx of each sample, flattened: N x (C H W), differentiable once more."""
    images = images.detach().requires_grad_()
    logits = critic(images)
    scores = logits.flatten(1).mean(1) if logits.dim() > 1 else logits
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return gradient.flatten(1)


def squared_norm(critic: Critic, images: Tensor) -> Tensor:
    return input_gradient(critic, images).square().sum(1)


def distance_from_unit_norm(critic: Critic, images: Tensor) -> Tensor:
    """(||dD/dx|| - 1)^2. The epsilon stands inside the root: at 0 its derivative would be infinite."""
    return ((squared_norm(critic, images) + 1e-12).sqrt() - 1).square()


def _uniform_like(images: Tensor, shape: tuple[int, ...], generator: Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=images.device, dtype=images.dtype)


class Penalty:
    """No penalty, and what every penalty shares.

    `weight` is w of the formulas. With `every` = k > 1 the term is added to every k-th step only, k times
    as heavy (lazy regularisation, Karras et al. 2020, section 3.1).
    """

    per_sample_gradient: ClassVar[bool] = False  # dD/dx of one sample: batch norm would mix the samples
    bounds_critic: ClassVar[bool] = False  # makes the critic Lipschitz

    def __init__(self, weight: float = 0.0, every: int = 1) -> None:
        if weight < 0:
            raise GantrainError(
                "penalty.weight", f"must not be negative, got {weight}", "penalty=none for no penalty"
            )
        if every < 1:
            raise GantrainError("penalty.every", f"must be 1 or more, got {every}", "penalty.every=1")
        self.weight, self.every = weight, every

    def weight_at(self, step: int) -> float:
        """The factor of the term in this step: w, or k w every k-th step and 0 between."""
        return self.weight * self.every if step % self.every == 0 else 0.0

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor, generator: Generator) -> Tensor:
        return real.new_zeros(len(real))

    def after_update(self, discriminator: nn.Module) -> None:
        """Nothing to do."""


class Clip(Penalty):
    """Weight clipping (Arjovsky et al. 2017, algorithm 1): after each D step its weights lie in [-c, c]."""

    bounds_critic = True

    def __init__(self, clip_value: float = 0.01) -> None:
        super().__init__()
        if clip_value <= 0:
            raise GantrainError(
                "penalty.clip_value", f"must be above 0, got {clip_value}", "penalty.clip_value=0.01"
            )
        self.clip_value = clip_value

    @torch.no_grad()
    def after_update(self, discriminator: nn.Module) -> None:
        for parameter in discriminator.parameters():
            parameter.clamp_(-self.clip_value, self.clip_value)


class _GradientPenalty(Penalty):
    per_sample_gradient = True
    bounds_critic = True


class WGANGP(_GradientPenalty):
    """E[(||dD(x^)|| - 1)^2], x^ uniform between real and fake (Gulrajani et al. 2017, eq. 3); w = 10."""

    def __init__(self, weight: float = 10.0, every: int = 1) -> None:
        super().__init__(weight, every)

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor, generator: Generator) -> Tensor:
        t = _uniform_like(real, (len(real),) + (1,) * (real.dim() - 1), generator)
        return distance_from_unit_norm(critic, torch.lerp(real, fake, t))


class R1(_GradientPenalty):
    """1/2 E||dD(x)||^2 on real (Mescheder et al. 2018, eq. 9)."""

    def __init__(self, weight: float = 1.0, every: int = 1) -> None:
        super().__init__(weight, every)

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor, generator: Generator) -> Tensor:
        return squared_norm(critic, real) / 2


class R1R2(R1):
    """1/2 (E||dD(x)||^2 + E||dD(G(z))||^2) (Mescheder et al. 2018; R3GAN, Huang et al. 2024)."""

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor, generator: Generator) -> Tensor:
        return (squared_norm(critic, real) + squared_norm(critic, fake)) / 2


class DRAGAN(_GradientPenalty):
    """E[(||dD(x + d)|| - 1)^2], d = 0.5 std(x) U(0, 1) (Kodali et al. 2017); w = 10."""

    def __init__(self, weight: float = 10.0, every: int = 1) -> None:
        super().__init__(weight, every)

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor, generator: Generator) -> Tensor:
        noise = 0.5 * real.std() * _uniform_like(real, tuple(real.shape), generator)
        return distance_from_unit_norm(critic, real + noise)
