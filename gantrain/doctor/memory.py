"""What rules need to know of the past, derived from what is measured. No torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median, pstdev
from typing import Any

EARLY = (50, 200)  # steps by which a run's later gradients are judged
FLAT_WINDOWS = 4
UNTRAINED = ("untrained_lattice_2", "untrained_lattice_4")
FD_LOOKS, FD_FALL = 3, 0.05  # looks over which the distance has to fall, and by what share
FD_LASTS = 0.2  # of the run, for which a distance is news
FD_OF_THE_MEAN = 1.0  # fd_pca64 of one grey mean picture, since the reals' variance is its unit


class Memory:
    """What rules need to know of the past, derived from the signals of every examination; bounded in size.

    equilibrium: the loss's values (D, G) where D can do no better than chance; None if it has none.
    lasts: steps for which a distance is news; G may have gone far since.
    """

    def __init__(self, equilibrium: tuple[float, float] | None = None, lasts: float = math.inf) -> None:
        self.equilibrium, self.lasts = equilibrium, lasts
        self.early: list[tuple[int, float]] = []  # (step, grad_norm_g)
        self.usual: float | None = None  # their median, once they are over
        self.losses: list[tuple[int, float]] = []
        self.distances: list[tuple[int, float]] = []
        self.speckle: list[tuple[int, float]] = []
        self.lattice: float | None = None  # of the untrained generator

    def add(self, step: int, signals: Mapping[str, float]) -> dict[str, float]:
        """The signals and what follows from them and the past. A second call for a step replaces the first.

        Derived: loss_d_ratio, loss_g_ratio (loss / its value at equilibrium), grad_norm_g_change (grad_norm_g
        / its median over steps 50 to 200), flatness (relative standard deviation of loss_d over the last four
        windows), lattice_before (the stronger untrained_lattice_*), fd_latest and speckle_latest (fd_pca64,
        if it is news, and speckle when they were last measured), fd_change (the last fd_pca64 over the first
        of the last three looks; where it rose again, over the lowest: pictures that come and go come no
        nearer), fd_improving (1.0 if fd_pca64 fell by 5 % or more over the last three looks, to below that of
        the mean picture, else 0.0).
        """
        known = {name: value for name, value in signals.items() if not math.isnan(value)}
        return known | self._ratios(known) | self._change(step, known) | self._past(step, known)

    def _ratios(self, known: Mapping[str, float]) -> dict[str, float]:
        values = dict(zip(("loss_d", "loss_g"), self.equilibrium or (), strict=False))
        return {
            f"{name}_ratio": known[name] / value for name, value in values.items() if name in known and value
        }

    def _change(self, step: int, known: Mapping[str, float]) -> dict[str, float]:
        if "grad_norm_g" not in known:
            return {}
        if EARLY[0] <= step <= EARLY[1]:
            self.early = appended(self.early, step, known["grad_norm_g"], EARLY[1])
            self.usual = None
        elif step > EARLY[1] and self.usual is None:  # long windows: the first one has to do
            self.usual = median([value for _, value in self.early] or [known["grad_norm_g"]])
        if step <= EARLY[1] or not self.usual:
            return {}
        return {"grad_norm_g_change": known["grad_norm_g"] / self.usual}

    def _past(self, step: int, known: Mapping[str, float]) -> dict[str, float]:
        derived: dict[str, float] = {}
        if "loss_d" in known:
            self.losses = appended(self.losses, step, known["loss_d"], FLAT_WINDOWS)
            values = [value for _, value in self.losses]
            if len(values) == FLAT_WINDOWS and fmean(values):
                derived["flatness"] = pstdev(values) / abs(fmean(values))
        if "speckle" in known:
            self.speckle = appended(self.speckle, step, known["speckle"], 1)
        if self.speckle:
            derived["speckle_latest"] = self.speckle[-1][1]
        born = [known[name] for name in UNTRAINED if name in known]
        self.lattice = max(born, default=self.lattice)
        if self.lattice is not None:
            derived["lattice_before"] = self.lattice
        if "fd_pca64" in known:
            self.distances = appended(self.distances, step, known["fd_pca64"], FD_LOOKS)
        if not self.distances:
            return derived
        first, last = self.distances[0][1], self.distances[-1][1]
        before = min((value for _, value in self.distances[:-1]), default=last)
        if step - self.distances[-1][0] <= self.lasts:
            derived["fd_latest"] = last
        if len(self.distances) > 1 and before:
            derived["fd_change"] = last / (first if last <= before else before)
        if len(self.distances) == FD_LOOKS:
            derived["fd_improving"] = float(last <= min((1 - FD_FALL) * first, FD_OF_THE_MEAN))
        return derived

    def state_dict(self) -> dict[str, Any]:
        """Plain values only; `equilibrium` belongs to the loss."""
        return {
            "early": [list(pair) for pair in self.early],
            "usual": self.usual,
            "losses": [list(pair) for pair in self.losses],
            "distances": [list(pair) for pair in self.distances],
            "speckle": [list(pair) for pair in self.speckle],
            "lattice": self.lattice,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.usual, self.lattice = state["usual"], state.get("lattice")
        for name in ("early", "losses", "distances", "speckle"):
            setattr(self, name, [(int(step), float(value)) for step, value in state.get(name, ())])


def appended(
    past: Sequence[tuple[int, float]], step: int, value: float, most: int
) -> list[tuple[int, float]]:
    """The last `most` pairs; what was noted at this step, or later before a rewind, is replaced."""
    return [*(pair for pair in past if pair[0] < step), (step, value)][-most:]
