from __future__ import annotations

import gc
import json
import re
import weakref
from pathlib import Path

import pytest
import torch
from small import TINY, Command

from gantrain import build

SMALL = (*TINY, "data.image_size=16", "train.steps=2")


def statuses() -> list[str]:
    runs = sorted(Path("outputs/multirun").glob("*/*/*/summary.json"), key=lambda p: int(p.parent.name))
    return [json.loads(path.read_text())["status"] for path in runs]


def test_every_combination_gets_a_run(gantrain: Command) -> None:
    outcome = gantrain("-m", "loss=bce,lsgan,hinge", "optim=strategy1,ttur", *SMALL)
    assert outcome.code == 0, outcome.err
    assert statuses() == ["finished"] * 6
    assert [outcome.out.count(f"\n[{job}] finished: 2 steps") for job in range(6)] == [1] * 6
    said = outcome.out[outcome.out.index("[0] ") : outcome.out.rindex("\n[5] ")].splitlines()
    whose = re.compile(r"\[[0-5]\]( |$)|.*\[HYDRA\]\s+#[0-5] : loss=")
    assert [line for line in said if not whose.match(line)] == [], "each says whose it is"
    log = next(Path("outputs/multirun").glob("*/*/0/train.log")).read_text()
    assert "[0]" not in log
    assert [f"[{job}] generator: " in outcome.out for job in (0, 1)] == [True, False]
    assert "tensorboard --logdir" not in outcome.out
    assert [f"[{job}] choices: model=dcgan, loss=" in outcome.out for job in range(6)] == [True] * 6
    assert [outcome.out.count(f"\n[{job}] device: ") for job in range(6)] == [1, 0, 0, 0, 0, 0]
    assert not re.search(r"^\[\d\] *$", outcome.out[outcome.out.index("[1] ") :], re.MULTILINE)
    log = next(Path("outputs/multirun").glob("*/*/5/train.log")).read_text().splitlines()
    dated = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING)( |$)")
    assert [line for line in log if not dated.match(line)] == []
    assert all(any(words in line for line in log) for words in ("generator: ", "tensorboard --logdir"))


def test_what_is_swept_is_told(gantrain: Command) -> None:
    outcome = gantrain("-m", "augment=none,diffaug", *SMALL)
    assert outcome.code == 0, outcome.err
    told = [line for line in outcome.out.splitlines() if "] choices: " in line]
    assert [line.rpartition(", ")[2] for line in told] == ["seed=0", "seed=0"]
    assert [f"augment={kind}" in line for kind, line in zip(("none", "diffaug"), told, strict=True)] == [
        True
    ] * 2


def test_a_failing_job_stops_nothing_and_says_so_itself(gantrain: Command) -> None:
    outcome = gantrain("-m", "loss=bce,hinge", "penalty=wgan_gp,none", *SMALL)
    assert outcome.code == 2
    assert statuses() == ["failed", "finished", "failed", "finished"]
    first = next(iter(sorted(Path("outputs/multirun").glob("*/*/0"))))
    assert "batch norm mixes the samples" in (first / "train.log").read_text()
    assert "batch norm mixes the samples" in json.loads((first / "summary.json").read_text())["error"]
    assert "Traceback" not in outcome.err


def test_a_failed_job_leaves_no_networks_behind(gantrain: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hydra keeps the exceptions of failed jobs till the sweep ends; their frames would keep the networks."""
    made: list[weakref.ref[torch.nn.Module]] = []
    alive: list[int] = []
    real = build.make_networks

    def counting(*arguments: object) -> object:
        gc.collect()
        alive.append(sum(ref() is not None for ref in made))
        nets = real(*arguments)  # type: ignore[arg-type]
        made.append(weakref.ref(nets.generator))
        return nets

    monkeypatch.setattr(build, "make_networks", counting)
    rates = ("optim.lr_d=1e30", "optim.lr_g=1e30", "model=mlp", "loss=lsgan")
    outcome = gantrain("-m", "seed=0,1,2", *rates, *TINY, "data.image_size=16", "train.steps=60")
    assert outcome.code == 3, outcome.err
    assert alive == [0, 0, 0]


def test_a_ready_made_sweep(gantrain: Command) -> None:
    outcome = gantrain("+sweep=learning_rates", *SMALL)
    assert outcome.code == 0, outcome.err
    assert statuses() == ["finished"] * 3
