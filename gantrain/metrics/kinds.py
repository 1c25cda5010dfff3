"""The kinds of metric, and which way is better. No torch here: pages and the command line ask as well."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gantrain.errors import GantrainError, meant

LOWER_IS_BETTER = ("fd", "kd", "swd")
MEANINGS = {
    "fd": "Frechet distance to the real pictures",
    "kd": "kernel distance to the real pictures",
    "swd": "sliced Wasserstein distance to the real pictures",
    "precision": "share of the samples near a real picture",
    "recall": "share of the real pictures near a sample",
    "density": "how densely the samples lie among the real pictures",
    "coverage": "share of the real pictures with a sample beside them",
    "vendi": "variety over that of the real pictures",
}
KINDS = tuple(MEANINGS)
MUCH_FEWER = 1.5  # of 1 / n_real + 1 / n_fake, that of the real pictures over that of the fakes
NOISE = 0.05  # of a metric: two looks at one run that differ by less are alike
DISTANCES = ("fd", "kd", "swd")
ABOVE_ZERO = ("fd", "swd")  # an unbiased kernel distance can lie below it
NEAREST_ONE = ("density", "vendi")
IN_TRAINING = ("pca64", "rand")  # spaces that are looked at while training: they need no classifier


def check_metric(name: str, key: str = "metrics.best") -> None:
    """Raises GantrainError(key) for a metric that is not measured while training."""
    kind, _, space = name.partition("_")
    if kind not in KINDS or space not in (*IN_TRAINING, "cls"):
        known = [f"{kind}_{space}" for kind in KINDS for space in (*IN_TRAINING, "cls")]
        hint = meant(name.lower(), known, likeness=0.7)
        choices = ", ".join(f"{kind}_rand" for kind in KINDS)
        remedy = f"{hint}choose one: {choices}; or _pca64, _cls for _rand"
        raise GantrainError(key, f"no such metric: '{name}'", remedy)


def badness(name: str, value: float) -> float:
    """Lower is better, whatever the metric; density and Vendi ratio are best where the reals are, at 1."""
    kind = name.partition("_")[0]
    if kind in LOWER_IS_BETTER:
        return value
    return abs(1 - value) if kind in NEAREST_ONE else 1 - value


def is_less(bad: float, other: float) -> bool:
    """Whether a badness is below another one by more than noise."""
    return bad < other - NOISE * abs(other)  # a kernel distance can lie below 0


def levelled(name: str, value: float) -> float:
    """Badness on the scale on which seeds scatter a bad choice about as widely as a good one. That is the
    logarithm of a distance: over seeds it varies by a share of itself, be it 0.1 or 4 (docs/log.md).
    """
    bad = badness(name, value)
    return math.log(max(bad, 1e-9)) if name.partition("_")[0] in ABOVE_ZERO else bad


def of_real(name: str, look: Mapping[str, Any]) -> str:
    """What real pictures give beside a measurement (Measurement.plain), in words; "" where nobody knows.

    A Frechet or sliced distance grows where there are fewer pictures, about as 1 / n_real + 1 / n_fake (Chong
    and Forsyth, "Effectively Unbiased FID and Inception Score", CVPR 2020): that of halves of a small set is
    more than as many pictures as the fakes are would give.
    """
    if look["null_mean"] is None:
        return ""
    bound = "at most " if name.partition("_")[0] in ABOVE_ZERO and _is_of_fewer(look) else ""
    return f"{bound}{look['null_mean']:.3g}"


def _is_of_fewer(look: Mapping[str, Any]) -> bool:
    """Whether real was held against real in so small numbers that it matters."""
    counts = look.get("null_n"), (look["stamp"]["n_real"], look["stamp"]["n_fake"])
    halves, whole = (sum(1 / n for n in pair or ()) for pair in counts)
    return halves > MUCH_FEWER * whole


def beside_real(name: str, look: Mapping[str, Any]) -> str:
    """What real pictures give, to be read after the value; how many times that is, of a distance."""
    told, value, null = of_real(name, look), look["value"], look["null_mean"]
    if not told:
        return ""
    if name.partition("_")[0] in ABOVE_ZERO and value >= 2 * null > 0:
        least = "at least " if told.startswith("at most") else ""
        return f", {least}{value / null:.0f} times what real pictures give ({told})"
    return f" (real pictures: {told})"


def is_distance(name: str) -> bool:
    return name.partition("_")[0] in DISTANCES


def meaning(name: str) -> str:
    """What it is, for a reader."""
    return MEANINGS[name.partition("_")[0]]


def better(name: str) -> str:
    """The direction, for a reader: "lower", "higher" or "nearer to 1"."""
    kind = name.partition("_")[0]
    return "lower" if kind in LOWER_IS_BETTER else "nearer to 1" if kind in NEAREST_ONE else "higher"
