"""The kinds of metric, and which way is better. No torch here: pages and the command line ask as well."""

from __future__ import annotations

LOWER_IS_BETTER = ("fd", "kd", "swd")
KINDS = (*LOWER_IS_BETTER, "precision", "recall", "density", "coverage", "vendi")
NEAREST_ONE = ("density", "vendi")


def badness(name: str, value: float) -> float:
    """Lower is better, whatever the metric; density and Vendi ratio are best where the reals are, at 1."""
    kind = name.partition("_")[0]
    if kind in LOWER_IS_BETTER:
        return value
    return abs(1 - value) if kind in NEAREST_ONE else 1 - value


def better(name: str) -> str:
    """The direction, for a reader: "lower", "higher" or "nearer to 1"."""
    kind = name.partition("_")[0]
    return "lower" if kind in LOWER_IS_BETTER else "nearer to 1" if kind in NEAREST_ONE else "higher"
