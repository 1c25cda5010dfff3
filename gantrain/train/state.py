"""All that resumes, in one object: its `state_dict()` is the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from gantrain.data.sampler import Sampler
from gantrain.train.alarm import Alarm
from gantrain.train.ema import EMA
from gantrain.train.graphs import Launch, eagerly
from gantrain.train.randomness import random_state, restore_random_state
from gantrain.train.schedule import Player, Stats
from gantrain.train.step import Players

WAYS = ("fused", "foreach", "capturable")


class Averages:
    """Running means of device scalars between two looks; only `take` waits for the device."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, stats: dict[str, Tensor]) -> None:
        fresh = {name: torch.zeros_like(value) for name, value in stats.items() if name not in self.sums}
        self.sums |= fresh
        self.counts |= {name: self.counts.get(name, 0) + 1 for name in stats}
        torch._foreach_add_([self.sums[name] for name in stats], list(stats.values()))

    def take(self) -> dict[str, float]:
        """The means since the last call."""
        names = list(self.sums)
        values = torch.stack([self.sums[n].float() for n in names]).tolist() if names else []
        means = {name: value / self.counts[name] for name, value in zip(names, values, strict=True)}
        self.sums, self.counts = {}, {}
        return means

    def state_dict(self) -> dict[str, Any]:
        return {"sums": dict(self.sums), "counts": dict(self.counts)}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        self.sums = {name: value.to(device) for name, value in state["sums"].items()}
        self.counts = dict(state["counts"])


@dataclass
class TrainingState:
    """Networks, optimisers, average, place in the data, statistics, randomness and clocks of a run."""

    nets: Players
    ema: EMA
    optimisers: dict[Player, Optimizer]
    sampler: Sampler
    noise: Generator  # latents, flips and penalties, on the device
    schedule_stats: Stats
    launch: Launch = eagerly
    components: dict[str, nn.Module] = field(default_factory=dict)  # loss, penalty, augment that have a state
    averages: Averages = field(default_factory=Averages)  # since the last logged row
    review: Averages = field(default_factory=Averages)  # since the schedule's last review
    vitals: Averages = field(default_factory=Averages)  # since the doctor's last look
    diary: dict[str, Any] = field(default_factory=dict)  # what observers remember: plain values, by observer
    step: int = 0
    seconds: float = 0.0  # of training, over all resumes
    alarm: Alarm = field(init=False)

    def __post_init__(self) -> None:
        self.alarm = Alarm(self.device, self.optimisers.values())

    @property
    def images(self) -> int:
        """Real images that D was shown."""
        return self.sampler.position

    @property
    def device(self) -> torch.device:
        return self.noise.device

    def _parts(self) -> dict[str, nn.Module | Optimizer | Sampler]:
        return {
            "discriminator": self.nets.discriminator,
            "generator": self.nets.generator,
            "ema": self.ema.network,
            "optimiser_d": self.optimisers["discriminator"],
            "optimiser_g": self.optimisers["generator"],
            "sampler": self.sampler,
        }

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors only, so that `torch.load(weights_only=True)` reads it.

        Raises:
            NonFiniteError: there is nothing good to save.
        """
        self.alarm.check()
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        return parts | {
            "schedule": dict(self.schedule_stats),
            "averages": self.averages.state_dict(),
            "review": self.review.state_dict(),
            "vitals": self.vitals.state_dict(),
            "diary": dict(self.diary),
            "components": {name: part.state_dict() for name, part in self.components.items()},
            "step": self.step,
            "images": self.images,
            "seconds": self.seconds,
            "random": random_state(self.noise),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            saved = state[name]
            part.load_state_dict(by_own_means(part, saved) if isinstance(part, Optimizer) else saved)
        for optimiser in self.optimisers.values():
            lay_out(optimiser)
        for name, part in self.components.items():
            if name in state.get("components", {}):  # older checkpoints have none
                part.load_state_dict(state["components"][name])
        self.schedule_stats = dict(state["schedule"])
        self.averages.load_state_dict(state["averages"], self.device)
        self.review.load_state_dict(state["review"], self.device)
        self.vitals.load_state_dict(state["vitals"], self.device)
        self.diary = dict(state["diary"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.alarm.began_after = self.step
        restore_random_state(state["random"], self.noise, self.step)  # last: everything above may draw


def by_own_means(optimiser: Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    """A saved state with this optimiser's ways of computing: they belong to the device, not to the run."""
    groups = [
        theirs | {way: mine[way] for way in WAYS if way in mine}
        for theirs, mine in zip(saved["param_groups"], optimiser.param_groups, strict=True)
    ]
    return saved | {"param_groups": groups}


def lay_out(optimiser: Optimizer) -> None:
    """Gives a loaded state the memory layout of the weights, which a resume may change.

    Fused kernels walk through weights and moments side by side, place by place.
    """
    for weight, memory in optimiser.state.items():
        for name, value in memory.items():
            if (
                isinstance(value, Tensor)
                and value.shape == weight.shape
                and value.stride() != weight.stride()
            ):
                memory[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)
