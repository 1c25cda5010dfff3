"""One phase of training: the mathematics, as the paper has it.

Every phase is `gradients(...)` then `apply(...)`. Between the two nothing has moved yet: there the loop looks
whether all is finite. Nothing here logs or waits for the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from gantrain.losses.adversarial import AdversarialLoss
from gantrain.losses.penalties import Penalty
from gantrain.networks.latent import Latent
from gantrain.runtime import Precision
from gantrain.train.schedule import Phase, Player

FULL = Precision()
PLAYERS: tuple[Player, ...] = ("discriminator", "generator")
SHORT = {"discriminator": "d", "generator": "g"}  # in the names of the statistics


@dataclass(frozen=True)
class Players:
    discriminator: nn.Module
    generator: nn.Module

    def __getitem__(self, player: Player) -> nn.Module:
        return self.discriminator if player == "discriminator" else self.generator


@dataclass(frozen=True)
class Rules:
    """What the game is."""

    loss: AdversarialLoss
    penalty: Penalty
    latent: Latent
    augment: nn.Module
    split_batches: bool = True  # real and fake go through D as two batches
    precision: Precision = FULL

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The parts that may have a state: one of the user's own loss or penalty may be a module."""
        parts = {"loss": self.loss, "penalty": self.penalty, "augment": self.augment}
        return {name: part for name, part in parts.items() if isinstance(part, nn.Module)}


@dataclass
class Round:
    """What one step hands from phase to phase: the real batch, the noise source and the kept fakes."""

    step: int
    noise: Generator
    real: Tensor
    labels: Tensor | None
    kept: Tensor | None = None


@dataclass
class Measured:
    """Detached device scalars of one phase; `finite` is false where a loss or gradient of a mover is not."""

    stats: dict[str, Tensor] = field(default_factory=dict)
    finite: dict[Player, Tensor] = field(default_factory=dict)


@contextmanager
def frozen(network: nn.Module | None) -> Iterator[None]:
    """The opponent's weights need no gradient: none is computed and nothing is kept for it (N1.5)."""
    weights = [p for p in network.parameters() if p.requires_grad] if network is not None else []
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)


def draw_fakes(generator: nn.Module, phase: Phase, rules: Rules, now: Round) -> Tensor:
    """G(z): N x C x H x W, with a graph only if somebody is to be trained through it."""
    if phase.fakes == "reuse":
        assert now.kept is not None, "a phase keeps the fakes before another reuses them"
        kept, now.kept = now.kept, None
        return kept
    z = rules.latent(len(now.real), now.noise)
    with torch.set_grad_enabled(phase.fakes == "keep" or "generator" in phase.players):
        fake = evaluate(rules.precision, generator, z, now.labels)
    if phase.fakes == "keep":
        now.kept = fake
    return fake


def evaluate(precision: Precision, network: nn.Module, inputs: Tensor, labels: Tensor | None) -> Tensor:
    return precision(network, inputs) if labels is None else precision(network, inputs, labels)


def criticise_both(
    D: nn.Module, real: Tensor, fake: Tensor, labels: Tensor | None, rules: Rules
) -> tuple[Tensor, Tensor]:
    """(D(x), D(G(z))) as two batches, or as one."""
    if rules.split_batches:
        return evaluate(rules.precision, D, real, labels), evaluate(rules.precision, D, fake, labels)
    labels = None if labels is None else labels.repeat(2)
    both = evaluate(rules.precision, D, torch.cat([real, fake]), labels)
    real_logits, fake_logits = both.chunk(2)
    return real_logits, fake_logits


def logits_for(phase: Phase, nets: Players, fake: Tensor, rules: Rules, now: Round) -> tuple[Tensor, Tensor]:
    """(D(x), D(G(z))) as this phase needs them; D(x) is NaN where neither player's loss looks at it."""
    D, labels = nets.discriminator, now.labels
    seen_fake = rules.augment(fake)
    if "discriminator" in phase.players:
        return criticise_both(D, rules.augment(now.real), seen_fake, labels, rules)
    fake_logits = evaluate(rules.precision, D, seen_fake, labels)
    if not rules.loss.generator_uses_real:
        return torch.full_like(fake_logits, torch.nan), fake_logits
    with torch.no_grad():
        return evaluate(rules.precision, D, rules.augment(now.real), labels), fake_logits


def discriminator_loss(
    D: nn.Module, real_logits: Tensor, fake_logits: Tensor, fake: Tensor, rules: Rules, now: Round
) -> tuple[Tensor, dict[str, Tensor]]:
    """min_D  E[l_D(D(x), D(G(z)))] + w E[P(D, x, G(z))], and its two terms."""
    adversarial = rules.loss.discriminator(real_logits, fake_logits).mean()
    weight = rules.penalty.weight_at(now.step)
    if not weight:
        return adversarial, {"loss_d": adversarial.detach()}
    real, fake = rules.augment(now.real), rules.augment(fake.detach())
    critic = partial(evaluate, FULL, D, labels=now.labels)  # it differentiates twice: full precision
    value = rules.penalty(critic, real, fake, now.noise)
    penalty = weight * value.mean()
    return adversarial + penalty, {"loss_d": adversarial.detach(), "penalty": penalty.detach()}


def generator_loss(
    real_logits: Tensor, fake_logits: Tensor, rules: Rules
) -> tuple[Tensor, dict[str, Tensor]]:
    """min_G  E[l_G(D(x), D(G(z)))]."""
    loss = rules.loss.generator(real_logits, fake_logits).mean()
    return loss, {"loss_g": loss.detach()}


def gradients(phase: Phase, nets: Players, rules: Rules, now: Round) -> Measured:
    """Fills `.grad` of the movers' parameters; moves nothing.

    Each loss is differentiated by its own player's parameters only, unless the phase is entangled.
    """
    opponents = [player for player in PLAYERS if player not in phase.players]
    keeps_graph_of_g = phase.fakes == "keep"
    with frozen(nets[opponents[0]] if opponents and not keeps_graph_of_g else None):
        fake = draw_fakes(nets.generator, phase, rules, now)
        seen = fake if "generator" in phase.players else fake.detach()
        real_logits, fake_logits = logits_for(phase, nets, seen, rules, now)
        losses: dict[Player, Tensor] = {}
        measured = Measured()
        if "discriminator" in phase.players:
            losses["discriminator"], stats = discriminator_loss(
                nets.discriminator, real_logits, fake_logits, fake, rules, now
            )
            measured.stats |= stats | look_of_discriminator(
                real_logits.detach(), fake_logits.detach(), rules.loss
            )
        if "generator" in phase.players:
            losses["generator"], stats = generator_loss(real_logits, fake_logits, rules)
            measured.stats |= stats
        if "discriminator" not in phase.players:
            measured.stats |= look_after_step(real_logits.detach(), fake_logits.detach(), rules.loss)
        differentiate(losses, nets, phase.entangled, measured)
    return measured


def differentiate(losses: dict[Player, Tensor], nets: Players, entangled: bool, measured: Measured) -> None:
    """dL_p / dtheta_p for each mover p; entangled: d(L_D + L_G) / dtheta for everybody (N1.3)."""
    for left, (player, own) in zip(reversed(range(len(losses))), losses.items(), strict=True):
        loss = torch.stack(list(losses.values())).sum() if entangled else own
        weights = [p for p in nets[player].parameters() if p.requires_grad]
        grads = torch.autograd.grad(loss, weights, retain_graph=left > 0, allow_unused=True)
        for weight, grad in zip(weights, grads, strict=True):
            weight.grad = laid_out_as(weight, grad)
        norm = torch.nn.utils.get_total_norm([g for g in grads if g is not None])
        measured.stats[f"grad_norm_{SHORT[player]}"] = norm
        measured.finite[player] = torch.isfinite(own.detach()) & torch.isfinite(norm)


def laid_out_as(weight: Tensor, grad: Tensor | None) -> Tensor | None:
    """The same gradient, with its numbers in memory in the order of the weight's.

    Fused optimisers walk through both as they lie: in another order they silently move the wrong weights.
    `backward()` would see to it; `torch.autograd.grad` does not.
    """
    if grad is None or grad.stride() == weight.stride():
        return grad
    return torch.empty_like(weight).copy_(grad)


def apply(phase: Phase, nets: Players, optimisers: dict[Player, Optimizer], penalty: Penalty) -> None:
    """Moves the phase's players by the gradients that `gradients` left."""
    for player in phase.players:
        optimisers[player].step()
        optimisers[player].zero_grad(set_to_none=True)
    if "discriminator" in phase.players:
        penalty.after_update(nets.discriminator)


def probability(logits: Tensor, loss: AdversarialLoss, boundary: Tensor | float) -> Tensor:
    """D's belief that an image is real, in 0..1 (least squares: its raw score, where 1 means real)."""
    return logits if loss.logit_is_probability else torch.sigmoid(logits - boundary)


def boundary_of(real: Tensor, fake: Tensor, loss: AdversarialLoss) -> Tensor | float:
    """The logit between fake and real; of a loss without a zero of its own (WGAN, relativistic) the middle of
    the two means.
    """
    return loss.boundary if loss.boundary is not None else (real.mean() + fake.mean()) / 2


def look_after_step(real: Tensor, fake: Tensor, loss: AdversarialLoss) -> dict[str, Tensor]:
    """D(G(z)) once more, after D's own step; nothing where the boundary takes logits that G's loss does not
    look at (WGAN).
    """
    if loss.boundary is None and not loss.generator_uses_real:
        return {}
    return {"d_fake_after": probability(fake, loss, boundary_of(real, fake, loss)).mean()}


def look_of_discriminator(real: Tensor, fake: Tensor, loss: AdversarialLoss) -> dict[str, Tensor]:
    """D(x), D(G(z)), D's accuracy on each (N2.2) and the mean logits."""
    boundary = boundary_of(real, fake, loss)
    return {
        "d_real": probability(real, loss, boundary).mean(),
        "d_fake": probability(fake, loss, boundary).mean(),
        "acc_real": (real > boundary).float().mean(),
        "acc_fake": (fake < boundary).float().mean(),
        "logit_real": real.mean(),
        "logit_fake": fake.mean(),
    }
