from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.testing import assert_close

from gantrain.data.sampler import Sampler
from gantrain.data.store import ImageSet, Store
from gantrain.errors import NonFiniteError
from gantrain.losses import adversarial
from gantrain.losses.penalties import R1, Clip, Penalty
from gantrain.networks.latent import Normal
from gantrain.train.ema import EMA
from gantrain.train.loop import Game, one_step
from gantrain.train.schedule import Adaptive, Alternating, Joint, Phase, Schedule, Tutorial
from gantrain.train.state import TrainingState
from gantrain.train.step import Players, Round, Rules, gradients, look_after_step, look_of_discriminator

LATENT, PIXELS = 3, 16


class Watched(torch.autograd.Function):
    """x W^T, and a note of whether anybody asked for dL/dW."""

    asked: list[str] = []  # noqa: RUF012

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, name: str) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.name = name
        return x @ weight.T

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        if ctx.needs_input_grad[1]:
            Watched.asked.append(ctx.name)
        return grad @ weight, grad.T @ x if ctx.needs_input_grad[1] else None, None


class WatchedLinear(nn.Linear):
    def __init__(self, inputs: int, outputs: int, name: str) -> None:
        super().__init__(inputs, outputs, bias=False)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return Watched.apply(x, self.weight, self.name)


class G(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = WatchedLinear(LATENT, PIXELS, "generator")

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.layer(z)).view(-1, 1, 4, 4)


class D(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(PIXELS, 8)
        self.layer = WatchedLinear(8, 1, "discriminator")

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.tanh(self.hidden(x.flatten(1)))).flatten()


def make_rules(loss: str = "BCE", penalty: Penalty | None = None, split: bool = True) -> Rules:
    made = getattr(adversarial, loss)()
    return Rules(made, penalty or Penalty(), Normal(LATENT), nn.Identity(), split)


def make_nets() -> Players:
    torch.manual_seed(0)
    return Players(D().double(), G().double())


def make_round(seed: int = 1) -> Round:
    real = torch.rand(6, 1, 4, 4, dtype=torch.float64, generator=Generator().manual_seed(5)) * 2 - 1
    return Round(0, Generator().manual_seed(seed), real, None)


class Latent64(Normal):
    def __call__(self, count: int, generator: Generator) -> Tensor:
        return super().__call__(count, generator).double()


def rules64(loss: str = "BCE", penalty: Penalty | None = None, split: bool = True) -> Rules:
    rules = make_rules(loss, penalty, split)
    return Rules(rules.loss, rules.penalty, Latent64(LATENT), rules.augment, rules.split_batches)


def grads_of(
    phase: Phase, rules: Rules, nets: Players | None = None, now: Round | None = None
) -> dict[str, Tensor]:
    nets = nets or make_nets()
    gradients(phase, nets, rules, now or make_round())
    named = [*nets.discriminator.named_parameters("d"), *nets.generator.named_parameters("g")]
    return {name: p.grad.clone() for name, p in named if p.grad is not None}


D_PHASE, G_PHASE = Phase(("discriminator",)), Phase(("generator",))
LOSSES = ("BCE", "Minimax", "LSGAN", "Hinge", "WGAN", "Relativistic")


@pytest.mark.parametrize(("phase", "mover"), [(D_PHASE, "discriminator"), (G_PHASE, "generator")])
def test_the_frozen_player_is_not_differentiated(phase: Phase, mover: str) -> None:
    Watched.asked.clear()
    nets = make_nets()
    gradients(phase, nets, rules64(), make_round())
    assert set(Watched.asked) == {mover}
    other = nets.generator if mover == "discriminator" else nets.discriminator
    assert all(p.grad is None and p.requires_grad for p in other.parameters())


def test_the_reused_fakes_are_not_differentiated_for_d() -> None:
    nets, now = make_nets(), make_round()
    Watched.asked.clear()
    gradients(Phase(("discriminator",), fakes="keep"), nets, rules64(), now)
    assert set(Watched.asked) == {"discriminator"}
    Watched.asked.clear()
    gradients(Phase(("generator",), fakes="reuse"), nets, rules64(), now)
    assert set(Watched.asked) == {"generator"}


@pytest.mark.parametrize("loss", LOSSES)
def test_shared_gives_each_player_the_gradient_of_its_own_loss(loss: str) -> None:
    """N1.4 at one point equals N1.2 at the same point with the same noise: only the cost differs."""
    rules = rules64(loss)
    together = grads_of(Phase(("discriminator", "generator")), rules)
    apart = grads_of(D_PHASE, rules) | grads_of(G_PHASE, rules)
    assert_close(together, apart)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_equal_plain_backward(loss: str) -> None:
    rules, nets, now = rules64(loss), make_nets(), make_round()
    fake = nets.generator(rules.latent(6, now.noise))
    real_logits = nets.discriminator(now.real)
    rules.loss.discriminator(real_logits, nets.discriminator(fake.detach())).mean().backward()
    expected = {f"d.{name}": p.grad.clone() for name, p in nets.discriminator.named_parameters()}
    rules.loss.generator(real_logits.detach(), nets.discriminator(fake)).mean().backward()
    expected |= {f"g.{name}": p.grad.clone() for name, p in nets.generator.named_parameters()}
    assert_close(grads_of(D_PHASE, rules) | grads_of(G_PHASE, rules), expected)


@pytest.mark.parametrize("loss", ["WGAN", "Minimax"])
def test_entangled_gradients_cancel_on_the_fake_branch(loss: str) -> None:
    """N1.3: dL_G/df + dL_D/df = 0, so G learns nothing (hinge too, while D's margin is not reached)."""
    grads = grads_of(Phase(("discriminator", "generator"), entangled=True), rules64(loss))
    assert_close(grads["g.layer.weight"], torch.zeros(PIXELS, LATENT, dtype=torch.float64))


def test_concatenated_batches_equal_split_ones_without_batch_norm() -> None:
    assert_close(grads_of(D_PHASE, rules64(split=True)), grads_of(D_PHASE, rules64(split=False)))


def test_penalty_enters_with_its_weight() -> None:
    without, once, thrice = (grads_of(D_PHASE, rules64(penalty=p)) for p in (None, R1(1.0), R1(3.0)))
    for name in without:
        assert_close(thrice[name] - without[name], 3 * (once[name] - without[name]))
    assert not torch.equal(once["d.hidden.weight"], without["d.hidden.weight"])


def test_patch_logits_train() -> None:
    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(1, 1, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)[:, 0]  # N x 3 x 3

    nets = Players(Patches().double(), make_nets().generator)
    grads = grads_of(D_PHASE, rules64(penalty=R1()), nets) | grads_of(G_PHASE, rules64(), nets)
    assert {"d.layer.weight", "g.layer.weight"} <= grads.keys()


def test_values_at_logits_of_zero() -> None:
    nets = make_nets()
    nets.discriminator.layer.weight.data.zero_()  # type: ignore[union-attr, operator]
    bce = (
        gradients(D_PHASE, nets, rules64(), make_round()).stats
        | gradients(G_PHASE, nets, rules64(), make_round()).stats
    )
    assert_close(bce["loss_d"].item(), 2 * math.log(2))
    assert_close(bce["loss_g"].item(), math.log(2))
    assert_close(bce["d_real"].item(), 0.5)
    lsgan = gradients(D_PHASE, nets, rules64("LSGAN"), make_round()).stats
    assert_close(lsgan["loss_d"].item(), 0.5)


@pytest.mark.parametrize("loss", LOSSES)
def test_accuracy_counts_the_logits_on_the_right_side(loss: str) -> None:
    real, fake = torch.tensor([2.0, 3.0, -4.0, 2.5]), torch.tensor([-2.0, -3.0, -2.5, -4.0])
    stats = look_of_discriminator(real, fake, getattr(adversarial, loss)())
    assert (stats["acc_real"].item(), stats["acc_fake"].item()) == (0.75, 1.0)


# -- updates that happened, counted by the optimisers --


def make_state(schedule: Schedule, rules: Rules | None = None) -> tuple[TrainingState, Game]:
    torch.manual_seed(0)
    nets = Players(D(), G())
    images = ImageSet("noise", torch.randint(0, 256, (20, 1, 4, 4), dtype=torch.uint8))
    game = Game(Store(images, torch.device("cpu")), rules or make_rules(), schedule)
    optimisers = {
        "discriminator": torch.optim.Adam(nets.discriminator.parameters()),
        "generator": torch.optim.Adam(nets.generator.parameters()),
    }
    state = TrainingState(
        nets,
        EMA(nets.generator, 0.0),
        optimisers,
        Sampler(20, 4, 0),
        Generator().manual_seed(0),
        schedule.start(),
    )
    return state, game


def updates(state: TrainingState) -> tuple[int, int]:
    return tuple(int(next(iter(o.state.values()))["step"]) for o in state.optimisers.values())  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("schedule", "expected", "batches"),
    [
        (Alternating(), (3, 3), 3),
        (Alternating(first="generator"), (3, 3), 3),
        (Alternating(d_steps=5), (15, 3), 15),
        (Alternating(d_steps=2, g_steps=3), (6, 9), 6),
        (Tutorial(), (3, 3), 3),
        (Tutorial(d_steps=2), (6, 3), 6),
        (Joint(), (3, 3), 3),
        (Joint(entangled=True), (3, 3), 3),
    ],
)
def test_updates_that_happened(schedule: Schedule, expected: tuple[int, int], batches: int) -> None:
    state, game = make_state(schedule)
    for _ in range(3):
        one_step(state, game)
    assert updates(state) == expected
    assert state.images == 4 * batches, "every step of D has a real batch of its own"
    assert state.step == 3


def test_adaptive_gives_the_lagging_player_more_updates() -> None:
    state, game = make_state(
        Adaptive(every=1, d_leads=0.0001, g_leads=0.0)
    )  # whatever D's accuracy, it leads
    for _ in range(4):
        one_step(state, game)
    assert updates(state) == (4, 1 + 2 + 3 + 3)


def test_a_bad_number_stops_before_the_weights_move() -> None:
    state, game = make_state(Alternating())
    one_step(state, game)
    before = (
        copy.deepcopy(state.nets.generator.state_dict()),
        copy.deepcopy(state.nets.discriminator.state_dict()),
    )
    game.store.images[:] = 0

    class Broken(adversarial.BCE):
        def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
            return super().discriminator(real, fake) / 0

    broken = Game(game.store, Rules(Broken(), Penalty(), Normal(LATENT), nn.Identity()), game.schedule)
    with pytest.raises(NonFiniteError, match="discriminator: its loss or gradient is not finite at step 2"):
        one_step(state, broken)
    assert_close(
        (state.nets.generator.state_dict(), state.nets.discriminator.state_dict()), before, rtol=0, atol=0
    )


@pytest.mark.parametrize("name", ["BCE", "LSGAN", "WGAN", "Relativistic"])
def test_what_d_says_after_its_step_is_judged_as_before(name: str) -> None:
    """Shifting all logits says nothing new of D where the loss has no zero of its own."""
    loss = getattr(adversarial, name)()
    real, fake = torch.tensor([3.0, 5.0]), torch.tensor([1.0, 2.0])
    before, after = look_of_discriminator(real, fake, loss), look_after_step(real, fake, loss)
    if loss.boundary is None and not loss.generator_uses_real:
        assert after == {}
        return
    assert_close(after["d_fake_after"], before["d_fake"])
    if loss.boundary is None:
        assert_close(look_after_step(real + 7, fake + 7, loss), after)


def test_clip_holds_after_every_step() -> None:
    state, game = make_state(Alternating(d_steps=2), make_rules("WGAN", Clip(0.02)))
    one_step(state, game)
    assert max(p.abs().max().item() for p in state.nets.discriminator.parameters()) <= 0.02
