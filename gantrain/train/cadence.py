"""Is it time, and how often is often enough?"""

from __future__ import annotations


def is_due(step: int, every: int, total: int) -> bool:
    """After `step` of `total` finished steps: at every multiple of `every`, and at the last one."""
    return step % every == 0 or step == total


def some_four_times(total: int) -> int:
    """A round number of steps that `total` has four of, or a few more: 100 of 450."""
    most = max(1, total // 4)
    power = 10 ** (len(str(most)) - 1)
    return max(digit * power for digit in (1, 2, 5) if digit * power <= most)
