"""What the machine decides: precision, memory layout, compilation; and that a run keeps what was decided."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from small import TINY, Command
from torch import Generator, Tensor, nn
from torch.testing import assert_close

from gantrain import files, runtime
from gantrain.losses.adversarial import BCE
from gantrain.losses.penalties import Penalty
from gantrain.networks.latent import Normal
from gantrain.runtime import Precision
from gantrain.sections import DECIDED
from gantrain.train.schedule import Alternating, Joint, Schedule, Tutorial
from gantrain.train.step import Players, Round, Rules, gradients

BF16 = Precision(torch.bfloat16)
CPU = torch.device("cpu")


def summary(run: Path) -> dict[str, Any]:
    return json.loads((run / files.SUMMARY).read_text())


# ---- Precision -------------------------------------------------------------------------------------------


def test_bf16_rounds_the_products_and_hands_out_fp32() -> None:
    net, x = nn.Linear(8, 3, bias=False), torch.randn(4, 8)
    expected = (x.bfloat16() @ net.weight.bfloat16().T).float()
    found = BF16(net, x)
    assert found.dtype == torch.float32
    assert_close(found, expected, rtol=0, atol=0)
    assert not torch.equal(found, net(x))


def test_fp32_leaves_wider_networks_alone() -> None:
    assert Precision()(nn.Linear(2, 2).double(), torch.randn(1, 2).double()).dtype == torch.float64


class Spy(nn.Module):
    """A linear network that notes whether it was evaluated in bf16."""

    def __init__(self, inside: int, outside: tuple[int, ...]) -> None:
        super().__init__()
        self.layer, self.outside = nn.Linear(inside, torch.Size(outside).numel()), outside
        self.seen: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        out = self.layer(x.flatten(1))
        self.seen.append(out.dtype == torch.bfloat16)
        return out.view(-1, *self.outside)


class Slope(Penalty):
    """dD(x)/dx, which needs D differentiated twice."""

    def __init__(self) -> None:
        super().__init__(weight=1.0)

    def __call__(self, critic: Any, real: Tensor, fake: Tensor, generator: Generator) -> Tensor:
        x = real.requires_grad_()
        logits = critic(x)
        assert logits.dtype == torch.float32
        return torch.autograd.grad(logits.sum(), x, create_graph=True)[0].flatten(1).square().sum(1)


def test_penalties_are_computed_in_full_precision() -> None:
    D, G = Spy(16, ()), Spy(3, (1, 4, 4))
    rules = Rules(BCE(), Slope(), Normal(3), nn.Identity(), precision=BF16)
    now = Round(0, Generator().manual_seed(0), torch.rand(5, 1, 4, 4), None)
    gradients(Alternating().phases(0, {})[0], Players(D, G), rules, now)
    assert D.seen == [True, True, False]  # real, fake, penalty
    assert G.seen == [True]


@pytest.mark.parametrize("schedule", [Alternating(), Tutorial(), Joint()])
def test_bf16_gradients_are_those_of_fp32_but_for_rounding(schedule: Schedule) -> None:
    """Every phase reaches every weight of its movers, and the weights' gradients stay fp32."""
    found: list[list[Tensor]] = []
    for precision in (Precision(), BF16):
        torch.manual_seed(0)
        nets = Players(Spy(16, ()), Spy(3, (1, 4, 4)))
        rules = Rules(BCE(), Penalty(), Normal(3), nn.Identity(), precision=precision)
        now = Round(0, Generator().manual_seed(0), torch.rand(64, 1, 4, 4), None)
        found.append([])
        for phase in schedule.phases(0, {}):
            gradients(phase, nets, rules, now)
            found[-1] += [p.grad.clone() for player in phase.players for p in nets[player].parameters()]
    assert all(grad.dtype == torch.float32 for grad in found[1])
    assert len(found[1]) == 4
    for rough, exact in zip(found[1], found[0], strict=True):
        assert (rough - exact).norm() < 0.05 * exact.norm()  # 2^-8 a product, and sums that cancel
        assert not torch.equal(rough, exact)


# ---- Decisions -------------------------------------------------------------------------------------------


def settled(**given: str) -> dict[str, str]:
    keys = {"precision": "auto", "memory_format": "auto", "compile": "auto"}
    cfg = OmegaConf.create({"runtime": keys | given})
    choices = runtime.settle(cfg, CPU)
    assert {key: choice.value for key, choice in choices.items()} == dict(cfg.runtime)
    assert all(choice.why for key, choice in choices.items() if key not in given)
    return dict(cfg.runtime)


@pytest.mark.parametrize(
    ("unit", "expected"), [(None, "fp32"), ("amx_bf16", "bf16"), ("avx512_bf16", "bf16")]
)
def test_a_processor_takes_bf16_where_it_has_it(
    unit: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {unit: True}, raising=False)
    assert settled() == {"precision": expected, "memory_format": "channels_last", "compile": "none"}


def test_what_can_be_asked_for_can_be_done() -> None:
    """config.py lists the words without torch; here they get their meaning."""
    assert set(runtime.RULES) == set(DECIDED)
    assert set(runtime.DTYPES) == set(DECIDED["precision"])
    assert set(runtime.LAYOUTS) == set(DECIDED["memory_format"])


def test_what_is_given_is_not_decided() -> None:
    given = {"precision": "bf16", "memory_format": "contiguous"}
    assert settled(**given) == given | {"compile": "none"}


def test_a_run_says_and_saves_what_was_decided(gantrain: Command) -> None:
    outcome = gantrain(*TINY, "train.steps=1", "runtime.memory_format=contiguous")
    decided = {"precision": runtime.best_precision(CPU).value, "memory_format": "contiguous"}
    assert f"precision {decided['precision']} (" in outcome.out
    assert "memory_format contiguous" in outcome.out
    saved = OmegaConf.load(outcome.run / files.CONFIG)
    assert dict(saved.runtime).items() >= decided.items()
    assert summary(outcome.run).items() >= decided.items()


def test_a_run_keeps_what_was_decided(gantrain: Command) -> None:
    """Resumed, or started again in its directory, on whatever machine: `auto` is not asked a second time."""
    bf16 = (*TINY, "hydra.run.dir=run", "runtime.precision=bf16")
    assert "emulates" in gantrain(*bf16, "train.steps=1").err or runtime.bf16_unit()
    assert gantrain(*TINY, "hydra.run.dir=run", "train.steps=2").code == 0
    assert gantrain("resume", "run", "train.steps=3").code == 0
    assert summary(Path("run"))["precision"] == "bf16"
    refused = gantrain(*TINY, "hydra.run.dir=run", "runtime.precision=fp32", "train.steps=4")
    assert refused.code == 2
    assert "runtime.precision bf16 -> fp32" in refused.err


def test_the_layout_changes_the_sums_only_by_rounding(gantrain: Command) -> None:
    rows = []
    for layout in ("contiguous", "channels_last"):
        run = gantrain(*TINY, "train.steps=1", f"runtime.memory_format={layout}").run
        rows.append(json.loads((run / files.METRICS).read_text().splitlines()[0]))
    for name in ("loss_d", "grad_norm_d"):  # before the first update, whose signs Adam makes large
        assert_close(rows[1][name], rows[0][name], rtol=1e-5, atol=0)


def test_a_run_of_an_earlier_version_is_named_as_such(gantrain: Command) -> None:
    assert gantrain(*TINY, "train.steps=1", "hydra.run.dir=run", "runtime.precision=fp32").code == 0
    config = Path("run", files.CONFIG)
    config.write_text(config.read_text().replace("  precision: fp32\n", ""))
    for command in (("resume", "run", "train.steps=2"), ("sample", "run")):
        outcome = gantrain(*command)
        assert outcome.code == 2
        assert "earlier version of gantrain: no runtime.precision" in outcome.err


@pytest.mark.parametrize(
    ("idle", "threads", "given", "crowded"),
    [
        (40, 2, 0, False),
        (30, 2, 0, False),
        (20, 2, 0, True),
        (0, 2, 0, True),
        (0, 2, 1, False),
        (0, 1, 0, False),
    ],
)
def test_cores_that_others_keep_busy(
    idle: int, threads: int, given: int, crowded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 40 ticks of two cores so many were idle: 20 leave one core to two threads."""
    ticks = iter([(1000, 5000), (1000 + idle, 5040)])
    monkeypatch.setattr(runtime, "_ticks", lambda: next(ticks))
    monkeypatch.setattr(runtime.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    cfg = OmegaConf.create({"runtime": {"threads": given}})
    assert runtime.crowded(cfg, torch.device("cpu")) == crowded
    assert not runtime.crowded(cfg, torch.device("meta"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_the_system_tells_how_long_its_cores_were_idle() -> None:
    first = runtime._ticks()
    time.sleep(0.1)
    second = runtime._ticks()
    assert first is not None
    assert second is not None
    assert 0 <= second[0] - first[0] <= second[1] - first[1]
