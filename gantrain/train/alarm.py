"""The first number that is not finite, noticed without waiting for the device."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

from gantrain.errors import NonFiniteError
from gantrain.train.schedule import Player


class Alarm:
    """Once a loss or gradient is not finite, no weight moves any more; asked, it says whose and when.

    On a GPU the answer stays there: the optimisers find it in `raised` and skip their update, and the host
    asks only before it logs, draws or saves. Where waiting costs nothing (a processor), or an optimiser
    cannot skip, the host asks in every phase (`at_once`).
    """

    def __init__(self, device: torch.device, optimisers: Iterable[Optimizer]) -> None:
        optimisers = tuple(optimisers)
        self.at_once = device.type != "cuda" or not all(map(skips_on_device, optimisers))
        self.raised = torch.zeros((), device=device)  # 0.0 or 1.0, as fused optimisers take it
        self.bad: dict[Player, Tensor] = {
            player: torch.zeros((), dtype=torch.bool, device=device)
            for player in ("discriminator", "generator")
        }
        self.quiet = torch.zeros((), device=device, dtype=torch.int64)  # whole steps before it was raised
        self.began_after = 0
        if not self.at_once:
            for optimiser in optimisers:
                optimiser.found_inf = self.raised  # type: ignore[attr-defined]

    def hear(self, finite: dict[Player, Tensor]) -> None:
        """Between the gradients of a phase and the update by them.

        Raises:
            NonFiniteError: if `at_once`.
        """
        for player, fine in finite.items():
            self.bad[player].logical_or_(~fine)
            self.raised.copy_(self.raised.bool().logical_or_(self.bad[player]))
        if self.at_once:
            self.check()

    def end_step(self) -> None:
        self.quiet.add_(1 - self.raised.long())

    def check(self) -> None:
        """Waits for the device.

        Raises:
            NonFiniteError: raised since the start; the weights are those of the step before.
        """
        if not self.raised.item():
            return
        player = next(player for player, bad in self.bad.items() if bad)
        whole = self.began_after + int(self.quiet)
        raise NonFiniteError(
            player,
            f"its loss or gradient is not finite at step {whole + 1}; the weights were not moved",
            "lower optim.lr_d and optim.lr_g, or another loss or penalty",
            whole,
        )


def skips_on_device(optimiser: Optimizer) -> bool:
    """Whether it leaves everything as it is where its attribute `found_inf` is 1.

    The contract between torch.amp.GradScaler and the fused optimisers.
    """
    return bool(getattr(optimiser, "_step_supports_amp_scaling", False))
