"""How often the doctor may look: looks that cost alike form a tier, and a governor holds their time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median_low


@dataclass(frozen=True)
class Tier:
    """Looks that cost alike: every total / `looks` steps, within bounds, while `share` of its time allows."""

    looks: int
    least: int
    most: int
    share: float

    def every(self, total: int) -> int:
        return min(max(total // self.looks, self.least), self.most)


TIERS = {"game": Tier(20, 25, 250, 0.5), "pictures": Tier(10, 50, 500, 0.5)}


@dataclass
class Governor:
    """Keeps the time of the looks below a share of the training time: it looks less often rather than more.

    Each tier may spend its own part, so that dear looks do not eat up the cheap ones'. The next look is taken
    to cost what half of those so far did at most: one that others slowed down is no measure. The first is
    allowed. With `fixed` the wall clock decides nothing.
    """

    most: float
    fixed: bool = False

    def __post_init__(self) -> None:
        self.spent: dict[str, float] = dict.fromkeys(TIERS, 0.0)
        self.costs: dict[str, list[float]] = {tier: [] for tier in TIERS}  # of the looks so far

    def allows(self, tier: str, seconds: float) -> bool:
        """seconds: of the run so far, what looked on included."""
        due = self.spent[tier] + (median_low(self.costs[tier]) if self.costs[tier] else 0.0)
        return self.fixed or due <= self.most * TIERS[tier].share * seconds

    @contextmanager
    def timing(self, tier: str, counts: bool = True) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.costs[tier].append(time.perf_counter() - start)
        if counts:
            self.spent[tier] += self.costs[tier][-1]

    def share(self, seconds: float) -> float:
        return sum(self.spent.values()) / max(seconds, 1e-9)
