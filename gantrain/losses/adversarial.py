"""Adversarial losses, each as its formula.

r = D(x) and f = D(G(z)) are logits, N or N x H x W (patch scores); softplus(t) = log(1 + e^t).
Both methods take both logits and return one value per logit: no reduction, no logging, no backward.

In G's phase r is known only to losses that declare `generator_uses_real`; the others are handed NaN there,
so that one which forgets to declare it stops at once as non-finite.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import relu, softplus


class AdversarialLoss(ABC):
    """What a loss must offer: two formulas, and the facts below where they differ."""

    generator_uses_real: ClassVar[bool] = False  # G's loss depends on D(x)
    unbounded: ClassVar[bool] = False  # the critic needs a Lipschitz constraint (penalty=clip, wgan_gp, ...)
    boundary: ClassVar[float | None] = (
        0.0  # the logit between fake and real; None: the middle of the two means
    )
    logit_is_probability: ClassVar[bool] = (
        False  # D(x) is itself the score, 1 real and 0 fake (least squares)
    )
    equilibrium: ClassVar[tuple[float, float] | None] = None
    """(L_D, L_G) where real and fake cannot be told apart; None: no such value, or not known."""

    @abstractmethod
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """What D minimises, per logit."""

    @abstractmethod
    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        """What G minimises, per logit."""


class BCE(AdversarialLoss):
    """Non-saturating GAN (Goodfellow et al. 2014, section 3), binary cross-entropy with logits.

    At equilibrium D = 2 ln 2 and G = ln 2.
    """

    equilibrium = (2 * math.log(2), math.log(2))

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-real) + softplus(fake)

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-fake)


class Minimax(BCE):
    """The saturating original (Goodfellow et al. 2014, eq. 1): G minimises log(1 - D(G(z))).

    Its gradient vanishes exactly where G needs it, when D rejects the fakes: here to see the difference.
    """

    equilibrium = (2 * math.log(2), -math.log(2))

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        return -softplus(fake)


class LSGAN(AdversarialLoss):
    """Least squares with labels 1 and 0 (Mao et al. 2017, eq. 9). At equilibrium D = 1/4 and G = 1/8."""

    boundary = 0.5
    logit_is_probability = True
    equilibrium = (0.25, 0.125)

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return (real - 1).square() / 2 + fake.square() / 2

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        return (fake - 1).square() / 2


class Hinge(AdversarialLoss):
    """Hinge loss (Lim & Ye 2017; Miyato et al. 2018, eq. 16-17). At equilibrium D = 2 and G = 0."""

    equilibrium = (2.0, 0.0)

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return relu(1 - real) + relu(1 + fake)

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        return -fake


class WGAN(AdversarialLoss):
    """Wasserstein distance (Arjovsky et al. 2017, eq. 2): the critic has no zero, only a difference."""

    unbounded = True
    boundary = None

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake - real

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        return -fake


class Relativistic(AdversarialLoss):
    """Relativistic pairing GAN (Jolicoeur-Martineau 2018; Huang et al. 2024, R3GAN).

    At equilibrium D = G = ln 2.
    """

    generator_uses_real = True
    boundary = None
    equilibrium = (math.log(2), math.log(2))

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(fake - real)

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(real - fake)
