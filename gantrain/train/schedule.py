"""Who moves when, as data: `phases(step, stats)` is the list of what one training step does.

No torch here: a schedule knows nothing of networks. `stats` is a plain dict that only the adaptive schedule
fills; it is part of the checkpoint.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from gantrain.errors import GantrainError

Player = Literal["discriminator", "generator"]
Stats = dict[str, float]


@dataclass(frozen=True)
class Phase:
    """One look at the networks, after which `players` move together.

    `fakes`: "fresh" draws new ones and forgets them, "keep" draws new ones whose graph the next phase uses,
    "reuse" takes the kept ones. `entangled`: every loss reaches every mover's parameters (N1.3); otherwise
    each loss is differentiated with respect to its own player's parameters only.
    """

    players: tuple[Player, ...]
    fakes: Literal["fresh", "keep", "reuse"] = "fresh"
    entangled: bool = False


D = Phase(("discriminator",))
G = Phase(("generator",))


def _count(key: str, value: int) -> None:
    if value < 1:
        raise GantrainError(f"schedule.{key}", f"must be 1 or more, got {value}", f"schedule.{key}=1")


@dataclass(frozen=True)
class Schedule(ABC):
    """`split_batches`: real and fake go through D as two batches (N3.2); false concatenates them."""

    split_batches: bool = True

    @property
    def review_every(self) -> int:
        """Steps between calls of `review`; 0: never."""
        return 0

    @abstractmethod
    def phases(self, step: int, stats: Stats) -> tuple[Phase, ...]:
        """What one step does, in order."""

    def start(self) -> Stats:
        return {}

    def review(self, stats: Stats, accuracy: float) -> Stats:
        """New stats from D's mean accuracy on real and fake since the last review."""
        return stats


@dataclass(frozen=True)
class Alternating(Schedule):
    """d_steps of D, then g_steps of G (or G first), each with fresh noise and the opponent frozen (N1.2)."""

    d_steps: int = 1
    g_steps: int = 1
    first: Player = "discriminator"

    def __post_init__(self) -> None:
        _count("d_steps", self.d_steps)
        _count("g_steps", self.g_steps)

    def phases(self, step: int, stats: Stats) -> tuple[Phase, ...]:
        turns = {"discriminator": (D,) * self.d_steps, "generator": (G,) * self.g_steps}
        return turns[self.first] + turns["generator" if self.first == "discriminator" else "discriminator"]


@dataclass(frozen=True)
class Tutorial(Schedule):
    """The DCGAN tutorial's step: G is scored on the very fakes that D just saw (N3.3)."""

    d_steps: int = 1

    def __post_init__(self) -> None:
        _count("d_steps", self.d_steps)

    def phases(self, step: int, stats: Stats) -> tuple[Phase, ...]:
        kept, reused = Phase(("discriminator",), fakes="keep"), Phase(("generator",), fakes="reuse")
        return (D,) * (self.d_steps - 1) + (kept, reused)


@dataclass(frozen=True)
class Joint(Schedule):
    """One forward pass for both players.

    Kept apart (N1.4, the cheapest step there is), or entangled as in N1.3: both losses reach both players,
    the gradients overlap, and on the fake branch they cancel. That one is a demonstration.
    """

    entangled: bool = False

    def phases(self, step: int, stats: Stats) -> tuple[Phase, ...]:
        return (Phase(("discriminator", "generator"), entangled=self.entangled),)


@dataclass(frozen=True)
class Adaptive(Schedule):
    """Repeats the player that lags (N2.6), at most `max_ratio` times.

    "The player whose loss is much larger" is read off D's accuracy, which means the same under every loss
    (WGAN's values have no scale): above `d_leads` G gets one more step a round, below `g_leads` D does.
    Between the two nothing changes, and the lead is given back only past the middle (hysteresis).
    """

    max_ratio: int = 3
    d_leads: float = 0.85
    g_leads: float = 0.6
    every: int = 20

    def __post_init__(self) -> None:
        _count("max_ratio", self.max_ratio)
        _count("every", self.every)
        if not 0 <= self.g_leads < self.d_leads <= 1:
            raise GantrainError(
                "schedule.g_leads",
                f"must lie below schedule.d_leads, both in 0..1, got {self.g_leads} and {self.d_leads}",
                "schedule.g_leads=0.6 schedule.d_leads=0.85",
            )

    @property
    def review_every(self) -> int:
        return self.every

    def start(self) -> Stats:
        return {"lead": 0.0}  # > 0: extra G steps a round, < 0: extra D steps

    def phases(self, step: int, stats: Stats) -> tuple[Phase, ...]:
        lead = int(stats["lead"])
        return (D,) * (1 + max(-lead, 0)) + (G,) * (1 + max(lead, 0))

    def review(self, stats: Stats, accuracy: float) -> Stats:
        lead, middle, bound = stats["lead"], (self.g_leads + self.d_leads) / 2, self.max_ratio - 1
        if accuracy > self.d_leads:
            lead = min(lead + 1, bound)
        elif accuracy < self.g_leads:
            lead = max(lead - 1, -bound)
        elif (lead > 0 and accuracy < middle) or (lead < 0 and accuracy > middle):
            lead -= 1 if lead > 0 else -1
        return {"lead": float(lead)}
