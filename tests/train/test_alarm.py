"""The first number that is not finite: no weight moves by it, whoever looks first."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from gantrain.errors import NonFiniteError
from gantrain.train.alarm import Alarm, skips_on_device

FINE, BAD = torch.tensor(True), torch.tensor(False)
FUSED = {
    "adam": lambda weights: torch.optim.Adam(weights, lr=0.1, fused=True),
    "sgd": lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9, fused=True),
}


def waiting(*optimisers: torch.optim.Optimizer) -> Alarm:
    """As on a GPU, where nobody asks at once; what is tested is the same there and here."""
    alarm = Alarm(torch.device("cpu"), optimisers)
    alarm.at_once = False
    for optimiser in optimisers:
        optimiser.found_inf = alarm.raised  # type: ignore[attr-defined]
    return alarm


def update(net: nn.Module, optimiser: torch.optim.Optimizer, value: float) -> None:
    for weight in net.parameters():
        weight.grad = torch.full_like(weight, value)
    optimiser.step()


def weights(net: nn.Module) -> list[Tensor]:
    return [weight.detach().clone() for weight in net.parameters()]


@pytest.mark.parametrize("name", FUSED)
def test_fused_optimisers_skip_every_update_from_the_first_bad_number_on(name: str) -> None:
    net = nn.Linear(3, 2)
    optimiser = FUSED[name](net.parameters())
    alarm = waiting(optimiser)
    alarm.hear({"discriminator": FINE})
    update(net, optimiser, 1.0)
    alarm.end_step()
    good, state = weights(net), copy.deepcopy(optimiser.state_dict()["state"])

    for finite, gradient in ((BAD, torch.nan), (FINE, 1.0)):
        alarm.hear({"discriminator": finite})
        update(net, optimiser, gradient)
        alarm.end_step()
    assert_close(weights(net), good, rtol=0, atol=0)
    assert_close(optimiser.state_dict()["state"], state, rtol=0, atol=0)


def test_an_alarm_that_was_not_raised_changes_no_bit() -> None:
    found = []
    for with_alarm in (False, True):
        torch.manual_seed(0)
        net = nn.Linear(3, 2)
        optimiser = FUSED["adam"](net.parameters())
        alarm = waiting(optimiser) if with_alarm else None
        for value in (1.0, -0.3, 2.0):
            if alarm:
                alarm.hear({"generator": FINE})
            update(net, optimiser, value)
        found.append(weights(net))
    assert_close(*found, rtol=0, atol=0)


def test_it_names_the_player_and_the_step() -> None:
    alarm = waiting()
    alarm.began_after = 40
    for finite in (FINE, FINE, BAD, FINE):
        alarm.hear({"discriminator": FINE})
        alarm.hear({"generator": finite})
        alarm.end_step()
    with pytest.raises(NonFiniteError, match=r"generator.*step 43") as raised:
        alarm.check()
    assert pickle.loads(pickle.dumps(raised.value)).step == 42, (
        "the last whole one, also from another process"
    )


def test_on_a_processor_it_is_asked_at_once() -> None:
    optimiser = FUSED["adam"](nn.Linear(2, 2).parameters())
    alarm = Alarm(torch.device("cpu"), (optimiser,))
    assert not hasattr(optimiser, "found_inf")
    alarm.hear({"generator": FINE})
    alarm.check()
    with pytest.raises(NonFiniteError, match="discriminator"):
        alarm.hear({"discriminator": BAD})


def test_who_can_skip() -> None:
    net = nn.Linear(2, 2)
    assert all(skips_on_device(make(net.parameters())) for make in FUSED.values())
    assert not skips_on_device(torch.optim.RMSprop(net.parameters()))
    assert not skips_on_device(torch.optim.Adam(net.parameters(), fused=False))
