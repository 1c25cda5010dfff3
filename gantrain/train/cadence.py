"""Is it time?"""

from __future__ import annotations


def is_due(step: int, every: int, total: int) -> bool:
    """After `step` of `total` finished steps: at every multiple of `every`, and at the last one."""
    return step % every == 0 or step == total
