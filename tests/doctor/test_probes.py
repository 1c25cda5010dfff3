"""The doctor's numbers against hand-computed ones, and that looking changes nothing."""

from __future__ import annotations

import copy
import importlib
import math
import pkgutil
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn
from torch.testing import assert_close

import gantrain.networks
from gantrain import build, checks, runtime
from gantrain.compose import composed
from gantrain.data.sources import digits
from gantrain.data.split import split
from gantrain.doctor import probes
from gantrain.doctor.rules.registry import BY_ID
from gantrain.doctor.rules.rule import Examination, Null, unchecked
from gantrain.doctor.untouched import untouched
from gantrain.losses import adversarial
from gantrain.losses.penalties import R1, WGANGP, Penalty
from gantrain.metrics.reference import Reference
from gantrain.networks.latent import Normal
from gantrain.train.loop import Game, one_step
from gantrain.train.schedule import Adaptive, Alternating, Joint, Phase, Schedule, Tutorial
from gantrain.train.state import TrainingState
from gantrain.train.step import Players, Round, Rules

LATENT, SIDE = 3, 4
LOSSES = ("BCE", "Minimax", "LSGAN", "Hinge", "WGAN", "Relativistic")


class Latent64(Normal):
    def __call__(self, count: int, generator: Generator) -> Tensor:
        return super().__call__(count, generator).double()


class LinearD(nn.Module):
    """w.x + b"""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(SIDE**2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1)).flatten()


class CurvedD(nn.Module):
    """Patch logits N x 2 x 2."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 2, 2), nn.Tanh(), nn.Conv2d(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)[:, 0]


class NormedD(LinearD):
    """A sample's logit depends on its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.norm(x))


class SmallG(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(LATENT, SIDE**2)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.layer(z)).view(-1, 1, SIDE, SIDE)


def nets_of(kind: type[nn.Module] = LinearD) -> Players:
    torch.manual_seed(0)
    return Players(kind().double(), SmallG().double())


def rules_of(loss: str = "BCE", penalty: Penalty | None = None, **more: Any) -> Rules:
    made = getattr(adversarial, loss)()
    return replace(Rules(made, penalty or Penalty(), Latent64(LATENT), nn.Identity()), **more)


def pictures(count: int, seed: int) -> Tensor:
    return torch.rand(count, 1, SIDE, SIDE, dtype=torch.float64, generator=drawn(seed)) * 2 - 1


def drawn(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def pairs_auc(real: Tensor, fake: Tensor) -> float:
    """The definition."""
    won = [1.0 if r > f else 0.5 if r == f else 0.0 for r in real.tolist() for f in fake.tolist()]
    return sum(won) / len(won)


# ---- Untouched -------------------------------------------------------------------------------------------


class Dropping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def families() -> dict[str, Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]]:
    """Every network of the package, and one with dropout, each with inputs."""
    found: dict[str, Any] = {"dropout": lambda: (Dropping(), (torch.randn(4, 4),))}
    for info in pkgutil.iter_modules(gantrain.networks.__path__):
        module = importlib.import_module(f"gantrain.networks.{info.name}")
        if {"Generator", "Discriminator"} <= vars(module).keys():
            found[f"{info.name}-generator"] = lambda module=module: (
                module.Generator(5, 1, 16, 3, 2, width=4, norm="batch"),
                (torch.randn(4, 5), torch.arange(4) % 3),
            )
            for norm in ("batch", "spectral"):
                found[f"{info.name}-discriminator-{norm}"] = lambda module=module, norm=norm: (
                    module.Discriminator(1, 16, 3, width=4, norm=norm),
                    (torch.randn(4, 1, 16, 16), torch.arange(4) % 3),
                )
    return found


FAMILIES = families()


def everything(*networks: nn.Module) -> list[Any]:
    """All that must be the same afterwards; tensors as bytes, and places in memory."""
    found: list[Any] = [torch.get_rng_state().numpy().tobytes(), random.getstate()]
    found.append([str(part) for part in np.random.get_state()])  # noqa: NPY002
    if torch.cuda.is_available():
        found.append(torch.cuda.get_rng_state().numpy().tobytes())
    for network in networks:
        tensors = [*network.named_parameters(), *network.named_buffers()]
        found += [(name, x.data_ptr(), x.requires_grad, to_bytes(x)) for name, x in tensors]
        found += [(name, id(p.grad), to_bytes(p.grad)) for name, p in network.named_parameters()]
        found += [(name, module.training) for name, module in network.named_modules()]
    return found


def to_bytes(x: Tensor | None) -> bytes:
    return b"" if x is None else x.detach().clone().contiguous().cpu().numpy().tobytes()


def disturb(network: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """All that a probe might do, and more."""
    network.train()
    network(*inputs).sum().backward()
    next(network.children()).eval()
    for weight in list(network.parameters())[::2]:
        weight.requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean = torch.full_like(module.running_mean, 7.0)  # rebound, not only written to
    torch.randn(3)
    random.random()
    np.random.rand()  # noqa: NPY002


@pytest.mark.parametrize("family", FAMILIES)
def test_untouched_undoes_everything(family: str) -> None:
    torch.manual_seed(0)
    network, inputs = FAMILIES[family]()
    mixed = copy.deepcopy(network)
    mixed(*inputs).sum().backward()  # has gradients, half of it is in eval mode, half of it frozen
    for module in list(mixed.modules())[::2]:
        module.training = False
    for weight in list(mixed.parameters())[1::2]:
        weight.requires_grad_(False)
    before = everything(network, mixed)
    with untouched(network, mixed):
        assert all(weight.grad is None for weight in mixed.parameters())
        disturb(network, inputs)
        disturb(mixed, inputs)
    assert everything(network, mixed) == before


@pytest.mark.parametrize("family", ["dropout", "dcgan-generator", "sngan-discriminator-spectral"])
def test_untouched_undoes_everything_when_the_probe_fails(family: str) -> None:
    network, inputs = FAMILIES[family]()

    def failing() -> None:
        with untouched(network):
            disturb(network, inputs)
            raise ZeroDivisionError

    before = everything(network)
    with pytest.raises(ZeroDivisionError):
        failing()
    assert everything(network) == before


def test_the_disturbance_would_be_noticed() -> None:
    for make in FAMILIES.values():
        network, inputs = make()
        before = everything(network)
        disturb(network, inputs)
        assert everything(network) != before


# ---- AUC, signal, transmission ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_the_share_of_pairs_in_order(seed: int) -> None:
    real = torch.randint(0, 6, (13,), generator=drawn(seed)).float()  # with many ties
    fake = torch.randint(-2, 5, (9,), generator=drawn(seed + 10)).float()
    assert_close(float(probes.auc(real, fake)), pairs_auc(real, fake))


def test_auc_of_what_is_not_a_number_is_none() -> None:
    assert math.isnan(probes.auc(torch.tensor([1.0, math.nan]), torch.zeros(3)))
    assert math.isnan(probes.auc(torch.ones(3), torch.tensor([math.inf])))


SIGNALS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # DOCTOR 1.3
    "BCE": lambda r, f: 1 - torch.sigmoid(f),
    "Minimax": lambda r, f: torch.sigmoid(f),
    "LSGAN": lambda r, f: (f - 1).abs(),
    "Hinge": lambda r, f: torch.ones_like(f),
    "WGAN": lambda r, f: torch.ones_like(f),
    "Relativistic": lambda r, f: torch.sigmoid(r - f),
}


@pytest.mark.parametrize("shape", [(7,), (5, 2, 2)])
@pytest.mark.parametrize("loss", LOSSES)
def test_signal_of_the_generator_has_its_closed_form(loss: str, shape: tuple[int, ...]) -> None:
    real, fake = (3 * torch.randn(shape, dtype=torch.float64, generator=drawn(seed)) for seed in (1, 2))
    found = probes.signal_of_generator(getattr(adversarial, loss)(), real, fake)
    assert_close(found, SIGNALS[loss](real, fake).mean())


@pytest.mark.parametrize("loss", LOSSES)
def test_the_game_of_a_linear_discriminator(loss: str) -> None:
    nets, rules = nets_of(), rules_of(loss)
    train, held_out = pictures(12, 1), pictures(9, 2)
    fakes = nets.generator(rules.latent(12, drawn(4))).detach()
    r, u, f = (nets.discriminator(x).detach() for x in (train, held_out, fakes))
    deviation = ((r.var() + f.var()) / 2).sqrt()
    expected = {
        "auc_train": pairs_auc(r, f),
        "auc_held_out": pairs_auc(u, f),
        "auc_gap": pairs_auc(r, f) - pairs_auc(u, f),
        "auc_seen": pairs_auc(r, u),
        "logit_sd": float(deviation),
        "logit_margin": float((r.mean() - f.mean()) / deviation),
        "signal_g": float(SIGNALS[loss](r, f).mean()),
        "transmission": float(nets.discriminator.layer.weight.detach().norm()),
    }
    found = probes.look_at_the_game(nets, rules, (train, None), (held_out, None), drawn(4))
    assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_transmission_is_the_slope_of_the_logit_of_a_picture() -> None:
    """Against finite differences, of a curved D with patch logits."""
    nets, rules = nets_of(CurvedD), rules_of()
    fakes = nets.generator(rules.latent(6, drawn(4))).detach()
    step, slopes = 1e-6, []
    for fake in fakes:
        moved = fake + step * torch.eye(SIDE**2, dtype=torch.float64).view(-1, 1, SIDE, SIDE)
        before = nets.discriminator(fake[None]).mean()
        slopes.append(((nets.discriminator(moved).flatten(1).mean(1) - before) / step).norm().detach())
    found = probes.look_at_the_game(nets, rules, (pictures(6, 1), None), None, drawn(4))
    assert_close(found["transmission"], float(torch.stack(slopes).mean()), rtol=1e-4, atol=0)


def test_few_or_no_held_out_pictures_give_no_gap() -> None:
    for held_out in (None, (pictures(probes.FEWEST_HELD_OUT - 1, 2), None)):
        found = probes.look_at_the_game(nets_of(), rules_of(), (pictures(12, 1), None), held_out, drawn(4))
        assert "auc_train" in found
        assert not {"auc_gap", "auc_held_out", "auc_seen"} & found.keys()


@pytest.mark.parametrize("split_batches", [True, False])
def test_a_discriminator_with_batch_norm_is_seen_as_it_trains(split_batches: bool) -> None:
    nets, rules = nets_of(NormedD), rules_of(split_batches=split_batches)
    nets.discriminator.eval()  # whatever mode it is found in
    train, held_out = pictures(12, 1), 3 * pictures(12, 2) + 1
    fakes = nets.generator(rules.latent(12, drawn(4))).detach()
    D = copy.deepcopy(nets.discriminator).train()
    if split_batches:
        (r, u, f), beside = (D(x).detach() for x in (train, held_out, fakes)), None
    else:
        r, f = D(torch.cat([train, fakes])).detach().chunk(2)
        u, beside = D(torch.cat([held_out, fakes])).detach().chunk(2)
    found = probes.look_at_the_game(nets, rules, (train, None), (held_out, None), drawn(4))
    assert_close(found["auc_train"], pairs_auc(r, f), rtol=1e-5, atol=0)
    assert_close(found["auc_held_out"], pairs_auc(u, f if beside is None else beside), rtol=1e-5, atol=0)
    assert not nets.discriminator.training


def test_augmentation_applies_as_in_training() -> None:
    class Blank(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 0 * x

    rules = rules_of(augment=Blank())
    held_out = (pictures(12, 2), None)
    found = probes.look_at_the_game(nets_of(), rules, (pictures(12, 1), None), held_out, drawn(4))
    assert found["auc_train"] == found["auc_held_out"] == 0.5
    assert found["transmission"] == 0


def test_a_loss_with_a_memory_is_as_it_was() -> None:
    class Remembering(nn.Module, adversarial.Hinge):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("asked", torch.zeros(()))

        def generator(self, real: Tensor, fake: Tensor) -> Tensor:
            self.asked += 1
            return super().generator(real, fake)

    loss = Remembering()
    rules = replace(rules_of(), loss=loss)
    probes.look_at_the_game(nets_of(), rules, (pictures(12, 1), None), None, drawn(4))
    assert loss.asked == 0


def test_a_dead_discriminator_has_no_margin() -> None:
    nets = nets_of()
    nn.init.zeros_(nets.discriminator.layer.weight)
    found = probes.look_at_the_game(nets, rules_of(), (pictures(12, 1), None), None, drawn(4))
    assert found["logit_sd"] == 0
    assert found["transmission"] == 0
    assert found["auc_train"] == 0.5
    assert "logit_margin" not in found


def test_what_is_not_finite_is_not_measured() -> None:
    nets = nets_of()
    nn.init.constant_(nets.discriminator.layer.weight, math.nan)
    assert probes.look_at_the_game(nets, rules_of(), (pictures(12, 1), None), None, drawn(4)) == {}


def test_conditional_networks_are_given_labels() -> None:
    labels, unseen = torch.arange(12) % 3, torch.arange(9) % 3
    torch.manual_seed(0)
    module = importlib.import_module("gantrain.networks.sngan")
    G, D = module.Generator(LATENT, 1, 16, 3, 2, width=4), module.Discriminator(1, 16, 3, width=4)
    rules = replace(rules_of(), latent=Normal(LATENT))
    train, held_out = torch.rand(12, 1, 16, 16), torch.rand(9, 1, 16, 16)
    with untouched(G, D):
        fakes = G(rules.latent(12, drawn(4)), labels)
        r, f, u = D(train, labels), D(fakes, labels), D(held_out, unseen)
    G.eval()  # it is looked at as it trains all the same
    found = probes.look_at_the_game(Players(D, G), rules, (train, labels), (held_out, unseen), drawn(4))
    assert_close(found["auc_train"], pairs_auc(r, f), rtol=1e-5, atol=0)
    assert_close(found["auc_held_out"], pairs_auc(u, f), rtol=1e-5, atol=0)
    assert_close(found["logit_sd"], float(((r.var() + f.var()) / 2).sqrt().detach()), rtol=1e-4, atol=0)


# ---- Used gradients --------------------------------------------------------------------------------------

ENTANGLED = Joint(entangled=True).phases(0, {})
SCHEDULES: dict[str, Schedule] = {
    "alternating": Alternating(),
    "critic5": Alternating(d_steps=5),
    "tutorial": Tutorial(),
    "shared": Joint(),
    "adaptive": Adaptive(),
    "entangled": Joint(entangled=True),
}


def round_of(seed: int = 1, count: int = 6) -> Round:
    return Round(0, drawn(seed), pictures(count, 5), None)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_used_gradients(schedule: str, loss: str) -> None:
    phases = SCHEDULES[schedule].phases(0, SCHEDULES[schedule].start())
    found = probes.look_at_the_gradients(nets_of(), rules_of(loss), phases, round_of())
    if schedule == "entangled":
        assert_close(found, by_hand(nets_of(), rules_of(loss), round_of()), rtol=1e-9, atol=1e-9)
    else:
        expected = ("used_cosine_d", "used_ratio_d", "used_cosine_g", "used_ratio_g")
        assert found == dict.fromkeys(expected, 1.0)


def by_hand(nets: Players, rules: Rules, now: Round) -> dict[str, float]:
    """Plain backward passes of L_D + L_G and of each alone, everything in one graph."""
    D, G = nets.discriminator, nets.generator
    fake = G(rules.latent(len(now.real), now.noise))
    r, f = D(now.real), D(fake)
    losses = {
        "d": rules.loss.discriminator(r, f).mean(),
        "g": rules.loss.generator(r, f).mean(),
    }
    if rules.penalty.weight:
        losses["d"] = losses["d"] + rules.penalty.weight * rules.penalty(D, now.real, fake, now.noise).mean()
    found = {}
    for player, network in (("d", D), ("g", G)):
        weights = list(network.parameters())
        both, own = (
            torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights, retain_graph=True)])
            for loss in (losses["d"] + losses["g"], losses[player])
        )
        size, own_size = float(both.norm()), float(own.norm())
        found[f"used_cosine_{player}"] = float(both @ own) / (size * own_size) if size > 1e-12 else 0.0
        found[f"used_ratio_{player}"] = size / own_size
    return found


@pytest.mark.parametrize("loss", ["Hinge", "WGAN", "Minimax"])
def test_entangled_losses_cancel(loss: str) -> None:
    """Hinge while D's margin is not reached, as at the start."""
    found = probes.look_at_the_gradients(nets_of(), rules_of(loss), ENTANGLED, round_of())
    assert found["used_ratio_g"] == 0
    assert found["used_cosine_g"] == 0


FAKE_BRANCH: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    # dL_G/df + dL_D/df, and dL_G/df alone (DOCTOR 0.4)
    "BCE": (lambda f: 2 * torch.sigmoid(f) - 1, lambda f: torch.sigmoid(f) - 1),
    "LSGAN": (lambda f: 2 * f - 1, lambda f: f - 1),
}


@pytest.mark.parametrize("loss", FAKE_BRANCH)
def test_entangled_losses_leave_the_closed_form(loss: str) -> None:
    nets, rules, now = nets_of(), rules_of(loss), round_of()
    fake = nets.generator(rules.latent(len(now.real), drawn(1)))
    logits, weights = nets.discriminator(fake), list(nets.generator.parameters())
    used, own = (
        torch.cat([g.flatten() for g in torch.autograd.grad(logits, weights, slope(logits.detach()), True)])
        for slope in FAKE_BRANCH[loss]
    )
    found = probes.look_at_the_gradients(nets, rules, ENTANGLED, now)
    assert_close(found["used_ratio_g"], float(used.norm() / own.norm()))
    assert_close(found["used_cosine_g"], float(torch.cosine_similarity(used, own, dim=0)))


def test_the_discriminators_own_loss_holds_its_penalty() -> None:
    rules = rules_of("BCE", R1(5.0))
    found = probes.look_at_the_gradients(nets_of(), rules, ENTANGLED, round_of())
    assert_close(found["used_ratio_d"], by_hand(nets_of(), rules, round_of())["used_ratio_d"])
    without = probes.look_at_the_gradients(nets_of(), rules_of("BCE"), ENTANGLED, round_of())
    assert abs(found["used_ratio_d"] - without["used_ratio_d"]) > 0.01


def test_without_a_gradient_of_its_own_there_is_nothing_to_compare() -> None:
    nets = nets_of()
    nn.init.zeros_(nets.discriminator.layer.weight)  # G is not reached
    found = probes.look_at_the_gradients(nets, rules_of(), ENTANGLED, round_of())
    assert "used_ratio_d" in found
    assert "used_ratio_g" not in found


def test_only_the_players_of_the_step_are_judged() -> None:
    found = probes.look_at_the_gradients(nets_of(), rules_of(), (Phase(("generator",)),), round_of())
    assert found == {"used_cosine_g": 1.0, "used_ratio_g": 1.0}


@pytest.mark.parametrize("kind", [LinearD, NormedD])
def test_looking_at_gradients_changes_nothing(kind: type[nn.Module]) -> None:
    nets, now = nets_of(kind), round_of()
    now.kept = kept = nets.generator(rules_of().latent(6, drawn(9)))
    before, noise = everything(nets.discriminator, nets.generator), now.noise.get_state()
    penalty = WGANGP() if kind is LinearD else None  # draws from the round's noise
    probes.look_at_the_gradients(nets, rules_of("BCE", penalty), ENTANGLED, now)
    assert everything(nets.discriminator, nets.generator) == before
    assert torch.equal(now.noise.get_state(), noise)
    assert now.kept is kept


# ---- Classes, modes --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference() -> Reference:
    """The digits with their labels."""
    images = split(digits(image_size=16))
    assert images.train is not None
    return Reference(images.images, images.labels, images.train, "train", 256)


def test_missing_classes_are_named(reference: Reference) -> None:
    assert reference.labels is not None
    kept = (reference.labels < 8).nonzero().flatten()
    found = probes.look_at_the_classes(reference.pictures(kept), reference)
    assert found.missing == (8, 9)
    assert found.signals["class_share_min"] < 0.05
    assert found.signals["class_confidence"] > 0.8
    healthy = probes.look_at_the_classes(reference.pictures(slice(None)), reference)
    assert healthy.missing == ()
    assert healthy.signals["class_share_min"] > 0.8


def test_looking_closely_gives_what_there_is(reference: Reference) -> None:
    """The reals themselves: no distance from themselves, all classes, and everything copied."""
    fakes, images = reference.pictures(slice(None)), split(digits(image_size=16))
    assert images.held_out is not None
    train, other = (reference.space("pca64")(real) for real in (fakes, images.images[images.held_out]))
    found = probes.look_closely(fakes, reference, train, other, drawn(1)).signals
    assert_close(found["fd_rand"], 0.0, rtol=0, atol=1e-6)
    assert found["nearer_train"] > 0.99
    assert_close(found["nearest_ratio"], 0.0, rtol=0, atol=1e-3)
    assert found["copy_ratio"] < 0.9  # of as many: chance plays its part on both sides
    assert found["class_share_min"] > 0.5
    without = probes.look_closely(fakes, reference, train, None, drawn(1)).signals
    assert "nearer_train" not in without
    assert without["fd_rand"] == found["fd_rand"]


def test_mode_gap_sees_stale_statistics(reference: Reference) -> None:
    rules = replace(rules_of(), latent=Normal(LATENT))

    def gap(network: nn.Module) -> float:
        before = everything(network)
        found = probes.mode_gap(network, rules, reference, 16, None, drawn(1))
        assert everything(network) == before
        return found["mode_gap"]

    torch.manual_seed(0)
    module = importlib.import_module("gantrain.networks.dcgan")
    network = module.Generator(LATENT, 1, 16, width=4)
    network.body[-2].weight.data.mul_(10)  # pictures that differ
    stale = gap(network.eval())
    network.train()
    for _ in range(200):
        network(rules.latent(16, drawn(2)))
    settled = gap(network.eval())
    assert settled < 1 < stale
    assert gap(module.Generator(LATENT, 1, 16, width=4, norm="layer")) < 1e-6


# ---- The whole of it, on a real run ----------------------------------------------------------------------


def a_run(*overrides: str, device: str = "cpu") -> tuple[TrainingState, Game]:
    small = ("model.width=4", "train.batch_size=8", "data.image_size=16")
    cfg = checks.resolved(composed([*small, *overrides]))
    checks.check(cfg)
    torch.manual_seed(0)
    runtime.settle(cfg, torch.device(device))
    return build.assemble(cfg, build.load_data(cfg), torch.device(device))


def flattened(state: Any, name: str = "") -> dict[str, Any]:
    if isinstance(state, dict):
        return {k: v for key, value in state.items() for k, v in flattened(value, f"{name}.{key}").items()}
    return {name: to_bytes(state) if isinstance(state, Tensor) else state}


def look_at(state: TrainingState, game: Game, reference: Reference) -> None:
    """All probes of the first two tiers, and what else touches the live networks."""
    noise = Generator(state.device).manual_seed(7)
    train, held_out = (game.store.batch(torch.arange(16) + start, noise) for start in (0, 16))
    probes.look_at_the_game(state.nets, game.rules, train, held_out, noise)
    phases = game.schedule.phases(state.step, state.schedule_stats)
    now = Round(state.step, noise, *game.store.batch(torch.arange(8), noise))
    probes.look_at_the_gradients(state.nets, game.rules, phases, now)
    labels = None if game.store.labels is None else game.store.labels[:64]
    fakes = probes.draw(state.ema.network, game.rules.latent(64, noise), labels)
    assert "fd_pca64" in probes.look_at_the_pictures(fakes, reference)
    probes.mode_gap(state.nets.generator, game.rules, reference, 8, labels, noise)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("schedule=entangled", "model=sngan", "loss=hinge"),
        ("schedule=tutorial", "model=dcgan_mnist"),
        ("loss=relativistic", "condition=class", "schedule=shared"),
        ("loss=wgan", "penalty=wgan_gp", "model=dcgan_layer_norm", "schedule=critic5"),
        ("model=mlp", "optim=rmsprop", "schedule=adaptive"),
    ],
)
def test_a_run_that_is_looked_at_goes_on_as_if_it_were_not(
    overrides: tuple[str, ...], reference: Reference
) -> None:
    looked_at_or_not(a_run(*overrides), a_run(*overrides), reference, steps=1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("compiled", ["none", "cudagraphs"])
def test_so_does_one_on_a_gpu(compiled: str, reference: Reference) -> None:
    """Recorded steps know their tensors by their places in memory."""
    overrides = (f"runtime.compile={compiled}", "runtime.precision=fp32", "runtime.deterministic=true")
    seen, unseen = (a_run(*overrides, device="cuda") for _ in range(2))
    looked_at_or_not(seen, unseen, reference, steps=6)


def looked_at_or_not(
    one: tuple[TrainingState, Game], other: tuple[TrainingState, Game], reference: Reference, steps: int
) -> None:
    """The same number of steps before and after the look."""
    (seen, game), (unseen, same) = one, other
    torch.manual_seed(1)
    for _ in range(2 * steps):
        one_step(unseen, same)
    expected = flattened(unseen.state_dict())
    torch.manual_seed(1)
    for _ in range(steps):
        one_step(seen, game)
    before = everything(seen.nets.discriminator, seen.nets.generator, seen.ema.network)
    whole = flattened(seen.state_dict())
    look_at(seen, game, reference)
    assert everything(seen.nets.discriminator, seen.nets.generator, seen.ema.network) == before
    assert flattened(seen.state_dict()) == whole
    for _ in range(steps):
        one_step(seen, game)
    assert flattened(seen.state_dict()) == expected


@pytest.mark.parametrize("blank", [0, 96, 240])
def test_collapse_is_seen_where_real_pictures_repeat(blank: int) -> None:
    """Of 800 digits so many are blank: then real pictures have pairs without any distance, too."""
    images = digits(image_size=16).images[:800].clone()
    images[:blank] = 0
    judge = Reference(images, None, torch.arange(800), "train", 400)
    found = {**probes.look_at_the_pictures(images[-1:].repeat(400, 1, 1, 1), judge), "fd_change": 1.0}
    nulls = {name: Null(*null) for name, null in judge.nulls.items()}
    at, rule = Examination(800, 800, found, nulls, {}), BY_ID["GD201"]
    assert unchecked(rule, at) is None
    hit = rule.test(at, rule.params)
    assert hit is not None
    assert hit.severity == "error"
