"""What the generator is fed: latents N x dim."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Generator, Tensor

from gantrain.errors import GantrainError


class Latent(Protocol):
    """What a latent of one's own must offer."""

    dim: int

    def __call__(self, count: int, generator: Generator) -> Tensor:
        """count x dim, drawn from `generator` on its device."""

    def interpolate(self, start: Tensor, end: Tensor, t: Tensor) -> Tensor:
        """The point at t in 0..1 on the way; shapes broadcast."""


class _Latent:
    def __init__(self, dim: int) -> None:
        if dim < 1:
            raise GantrainError("latent.dim", f"must be 1 or more, got {dim}", "latent.dim=100")
        self.dim = dim


class Normal(_Latent):
    """z ~ N(0, I)."""

    def __call__(self, count: int, generator: Generator) -> Tensor:
        return torch.randn(count, self.dim, generator=generator, device=generator.device)

    def interpolate(self, start: Tensor, end: Tensor, t: Tensor) -> Tensor:
        """Great-circle path (White 2016): a straight one would leave the shell where Gaussian latents lie."""
        cosine = torch.cosine_similarity(start, end, dim=-1).clamp(-1 + 1e-6, 1 - 1e-6).unsqueeze(-1)
        angle = cosine.acos()
        return (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / angle.sin()


class Uniform(_Latent):
    """z ~ U(-1, 1) per dimension."""

    def __call__(self, count: int, generator: Generator) -> Tensor:
        return torch.rand(count, self.dim, generator=generator, device=generator.device) * 2 - 1

    def interpolate(self, start: Tensor, end: Tensor, t: Tensor) -> Tensor:
        return torch.lerp(start, end, t)
