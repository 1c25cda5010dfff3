"""The doctor's numbers: networks and pictures in, floats out, and nothing is changed by looking.

A number that cannot be measured is absent. Every probe undoes what it does to the networks and to the global
random states (untouched.py); what it draws, it draws from the generator it is given, which must not be the
run's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from gantrain.data.store import to_uint8
from gantrain.doctor.copies import memorisation
from gantrain.doctor.untouched import untouched
from gantrain.losses.adversarial import AdversarialLoss
from gantrain.metrics import coverage
from gantrain.metrics.distances import as_double, frechet_distance
from gantrain.metrics.evaluation import classes_of
from gantrain.metrics.reference import Reference
from gantrain.pictures import draw
from gantrain.train.schedule import Phase, Player
from gantrain.train.step import SHORT, Players, Round, Rules, evaluate, frozen, gradients

Batch = tuple[Tensor, Tensor | None]
"""Pictures in [-1, 1], N x C x H x W, and their labels (int64 N) if the networks take labels."""

FEWEST_HELD_OUT = 5
CLEAREST = 2 / 3  # of the pictures: those by which classes are counted
KINDS_OF_A_CLASS = 2  # among its real pictures: with fewer a generator cannot but repeat itself


@contextmanager
def as_in_training(nets: Players, rules: Rules) -> Iterator[None]:
    """Training mode and gradients, whatever there was before; nothing stays changed."""
    with untouched(nets.discriminator, nets.generator, *rules.modules.values()), torch.enable_grad():
        nets.discriminator.train()
        nets.generator.train()
        yield


# T1: the game


def look_at_the_game(
    nets: Players, rules: Rules, train: Batch, held_out: Batch | None, noise: Generator
) -> dict[str, float]:
    """How D tells real from fake just now, and what reaches G of it.

    auc_train, auc_held_out   chance that D ranks a training (held-out) picture above a fake
    auc_gap                   their difference: D has learnt its training pictures by heart
    auc_seen                  chance that D ranks a training picture above a held-out one: 0.5 unless it knows
                              them, whatever the fakes look like (after Hayes et al. 2019, "LOGAN")
    logit_sd, logit_margin    pooled standard deviation; difference of the means in units of it
    signal_g                  mean |dL_G / df| over the fakes' logits f
    transmission              mean over the fakes of |dD / dx|

    D sees each kind as a batch of its own, in training mode, as it does when it is trained. Hand over as many
    held-out pictures as training ones: batch norm makes small batches look otherwise. Patch logits are
    averaged over the picture.
    """
    D = nets.discriminator
    with as_in_training(nets, rules), frozen(D):
        fakes = _draw_in_training(nets.generator, rules, train, noise).requires_grad_(), train[1]
        real_logits, fake_logits = criticise(D, rules, train, fakes)
        (slope,) = torch.autograd.grad(per_picture(fake_logits).sum(), fakes[0])
        fake_logits = fake_logits.detach()
        real, fake = per_picture(real_logits.detach()), per_picture(fake_logits)
        deviation = ((real.var() + fake.var()) / 2).sqrt()
        found = {
            "auc_train": auc(real, fake),
            "logit_sd": deviation,
            "logit_margin": (real.mean() - fake.mean()) / deviation,
            "signal_g": signal_of_generator(rules.loss, real_logits.detach(), fake_logits),
            "transmission": slope.flatten(1).norm(dim=1).mean(),
        }
        if held_out is not None and len(held_out[0]) >= FEWEST_HELD_OUT:
            with torch.no_grad():
                unseen, beside = beside_fakes(D, rules, held_out, fakes, fake)
            found["auc_held_out"] = auc(unseen, beside)
            found["auc_gap"] = found["auc_train"] - found["auc_held_out"]
            found["auc_seen"] = auc(real, unseen)
    return as_floats(found)


def _draw_in_training(generator: nn.Module, rules: Rules, like: Batch, noise: Generator) -> Tensor:
    images, labels = like
    with torch.no_grad():
        return evaluate(rules.precision, generator, rules.latent(len(images), noise), labels)


def criticise(D: nn.Module, rules: Rules, *batches: Batch) -> list[Tensor]:
    """D's logits of each batch, augmented as in training; as one batch where training concatenates them."""
    if rules.split_batches:
        return [evaluate(rules.precision, D, rules.augment(images), labels) for images, labels in batches]
    labels = [labels for _, labels in batches if labels is not None]
    both = torch.cat([rules.augment(images) for images, _ in batches])
    logits = evaluate(rules.precision, D, both, torch.cat(labels) if labels else None)
    return list(torch.split(logits, [len(images) for images, _ in batches]))


def beside_fakes(
    D: nn.Module, rules: Rules, held_out: Batch, fakes: Batch, fake: Tensor
) -> tuple[Tensor, Tensor]:
    """Scores of held-out pictures and of the fakes: `fake`, those beside the training pictures, unless D sees
    real and fake as one batch.
    """
    if rules.split_batches:
        return per_picture(criticise(D, rules, held_out)[0]), fake
    unseen, again = (per_picture(logits) for logits in criticise(D, rules, held_out, fakes))
    return unseen, again


def per_picture(logits: Tensor) -> Tensor:
    """N, or N x H x W of patches -> N."""
    return logits.flatten(1).mean(1) if logits.dim() > 1 else logits


def auc(real: Tensor, fake: Tensor) -> Tensor:
    """P(real > fake) + P(real = fake) / 2 over all pairs: the area under the ROC curve. nan if one is nan."""
    in_order = fake.sort().values
    below = torch.searchsorted(in_order, real).float()
    not_above = torch.searchsorted(in_order, real, right=True).float()
    known = torch.isfinite(real).all() & torch.isfinite(fake).all()
    return torch.where(known, ((below + not_above) / 2).mean() / len(fake), torch.nan)


def signal_of_generator(loss: AdversarialLoss, real: Tensor, fake: Tensor) -> Tensor:
    """E |dL_G / df|: 1 - sigma(f) for bce, sigma(f) for minimax, |f - 1| for least squares, else 1 or so."""
    fake = fake.detach().requires_grad_()
    (slope,) = torch.autograd.grad(loss.generator(real, fake).sum(), fake)
    return slope.abs().mean()


def as_floats(found: dict[str, Tensor]) -> dict[str, float]:
    """The finite ones, after one wait for the device."""
    values = torch.stack([value.float() for value in found.values()])
    fine = torch.isfinite(values).tolist()
    return {name: value for name, value, keep in zip(found, values.tolist(), fine, strict=True) if keep}


# T1: the gradients


def look_at_the_gradients(
    nets: Players, rules: Rules, phases: Sequence[Phase], now: Round
) -> dict[str, float]:
    """What moves each player, against the gradient of its own loss: used_cosine_p, used_ratio_p (p: d, g).

    Both are computed at the same weights from the same pictures and the same noise; D's own loss holds its
    penalty. Only an entangled phase can make a difference (N1.3): in every other phase the step
    differentiates each loss by its own player's weights and by nothing else, so the two are one and the same
    computation, and 1.0 is reported without doing it twice. A gradient that is cancelled altogether has
    cosine 0 and ratio 0; where a player's own loss has no gradient there is nothing to compare.
    """
    found: dict[Player, tuple[float, float] | None] = {
        player: (1.0, 1.0) for phase in phases for player in phase.players
    }
    mixed = next((phase for phase in phases if phase.entangled and len(phase.players) > 1), None)
    if mixed is not None:
        # Fresh fakes: those that an earlier phase has kept are not ours to use up.
        used = _gradients_of(replace(mixed, fakes="fresh"), nets, rules, now)
        own = _gradients_of(replace(mixed, fakes="fresh", entangled=False), nets, rules, now)
        found |= {player: _against(used[player], own[player]) for player in mixed.players}
    return {
        f"used_{name}_{SHORT[player]}": value
        for player, pair in found.items()
        if pair is not None
        for name, value in zip(("cosine", "ratio"), pair, strict=True)
    }


def _gradients_of(phase: Phase, nets: Players, rules: Rules, now: Round) -> dict[Player, Tensor]:
    """The gradients that the phase leaves, flattened; always from the same noise."""
    state = now.noise.get_state()
    try:
        with as_in_training(nets, rules):
            gradients(phase, nets, rules, now)
            return {player: _flat_gradient(nets[player].parameters()) for player in phase.players}
    finally:
        now.noise.set_state(state)


def _flat_gradient(weights: Iterable[nn.Parameter]) -> Tensor:
    grads = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
    return torch.cat([as_double(grad).flatten() for grad in grads])


def _against(used: Tensor, own: Tensor) -> tuple[float, float] | None:
    """(cosine, ratio of the norms)"""
    size, own_size, product = (float(x) for x in (used.norm(), own.norm(), used @ own))
    if own_size == 0:
        return None
    return (product / (size * own_size) if size else 0.0), size / own_size


# T2 and T3: the pictures


def look_at_the_pictures(
    fakes: Tensor, reference: Reference, labels: Tensor | None = None
) -> dict[str, float]:
    """Variety, overlap, lattices, borders, range: the numbers that have a null in `reference.nulls`; and of
    fakes that were drawn by classes the variety within them.

    fakes: uint8, best `reference.n` of them, drawn by the averaged generator in eval mode. labels: int64, the
    classes they were drawn by.
    """
    features = reference.space("pca64")(fakes.to(reference.device))
    found = reference.compare(fakes, features)
    return found if labels is None else found | variety_of_classes(features, reference, labels)


def variety_of_classes(fakes: Tensor, reference: Reference, labels: Tensor) -> dict[str, float]:
    """class_vendi_ratio and class_variety: as `vendi_ratio` and `variety`, of the pictures of one class.

    fakes: features in "pca64"; labels: theirs.

    A generator that draws one picture of each class has as many kinds as there are classes. Empty where there
    are too few of each class to tell, or where the real ones of a class hardly differ.
    """
    side = reference.side
    known = reference.labels_like(len(side.features))
    assert known is not None, "fakes have classes where the real pictures have"
    of_fakes = coverage.vendi_within(fakes, labels, side.width)
    of_reals = coverage.vendi_within(side.features, known, side.width)
    if not (math.isfinite(of_fakes) and of_reals >= KINDS_OF_A_CLASS):
        return {}
    ratio, variety = of_fakes / of_reals, coverage.variety(of_fakes, of_reals)
    return {"class_vendi_ratio": ratio, "class_variety": variety}


class Closely(NamedTuple):
    signals: dict[str, float]
    missing: tuple[int, ...] = ()
    """Classes that hardly appear: numbers into the data's class names."""


def look_closely(
    fakes: Tensor, reference: Reference, train: Tensor, held_out: Tensor | None, noise: Generator
) -> Closely:
    """fd_rand, the classes and what is copied from the training pictures.

    fakes: uint8. train, held_out: features in "pca64"; a fake's nearest is looked for among those of `train`.
    """
    signals = {"fd_rand": frechet_distance(reference.features("rand"), reference.space("rand")(fakes))}
    classes = look_at_the_classes(fakes, reference) if reference.num_classes > 1 else Closely({})
    if held_out is not None and len(held_out) >= FEWEST_HELD_OUT:
        signals |= memorisation(reference.space("pca64")(fakes), train, held_out, noise)
    return Closely(signals | classes.signals, classes.missing)


def look_at_the_classes(fakes: Tensor, reference: Reference) -> Closely:
    """class_share_min: least share among the fakes, over the share among the reals, of the classes whose
    number chance does not explain (1 if it explains all), counted over the clearer pictures of both;
    class_confidence: of the classifier, mean over the fakes, without which
    the shares mean nothing.
    """
    features = reference.space("cls")(fakes)
    counted = classes_of({"cls": features}, reference, clearest=CLEAREST)
    shares = {n: share for n, share in enumerate(counted) if share.real}
    _, confidence = reference.classifier.classify(features)
    least = min((share.fake / share.real for share in shares.values() if not share.is_chance), default=1.0)
    signals = {"class_share_min": least, "class_confidence": float(confidence.mean())}
    return Closely(signals, tuple(n for n, share in shares.items() if share.dropped))


def mode_gap(
    generator: nn.Module,
    rules: Rules,
    reference: Reference,
    batch_size: int,
    labels: Tensor | None,
    noise: Generator,
) -> dict[str, float]:
    """mode_gap: Frechet distance (pca64) of one and the same latents in training mode and in eval mode, over
    that of real to real. Large: the running statistics of batch norm are not those of the pictures.

    labels: int64, at least one, for a generator that takes labels. In training mode pictures are drawn in
    batches of `batch_size`, as in training.
    """
    usual, _ = reference.nulls.get("fd_pca64", (0.0, 0.0))
    if usual <= 0:
        return {}
    batches = -(-reference.n // batch_size)  # whole ones: a last one of a single picture has no statistics
    with untouched(generator), torch.no_grad():
        z = rules.latent(batches * batch_size, noise)
        if labels is not None:
            labels = as_many(labels, len(z))
        settled = draw(generator, z, labels)
        which = [None] * batches if labels is None else labels.chunk(batches)
        generator.train()
        parts = [
            evaluate(rules.precision, generator, *part) for part in zip(z.chunk(batches), which, strict=True)
        ]
        live = to_uint8(torch.cat(parts))
    space = reference.space("pca64")
    return {"mode_gap": frechet_distance(space(settled), space(live)) / usual}


def as_many(labels: Tensor, count: int) -> Tensor:
    """The same labels over and over, `count` in all."""
    return labels.repeat(-(-count // len(labels)))[:count]
