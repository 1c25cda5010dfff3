"""What a number was measured with: without it two numbers of the same name say nothing about each other."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Stamp:
    """All that decides a measurement besides the pictures; plain values, so `asdict` goes into JSON.

    `Stamp(**json.loads(text))` brings it back.
    """

    space: str
    """Where the pictures were compared: "pca64", "rand", "cls", or "inception" for the published FID."""
    extractor: str
    """The space's hash; for a space fitted on the reals it differs with the data."""
    n_real: int
    n_fake: int
    split: str
    """Which part of the data the reals are: "train", "held_out" or "all"."""
    ema: bool | None
    """Drawn with the averaged generator; None: pictures of unknown origin."""
    eval_mode: bool | None
    """Drawn in eval mode: batch norm with its running statistics; None: pictures of unknown origin."""
    resize: str
    """What was done to the pictures' size before the space saw them, or "none"."""

    def __str__(self) -> str:
        weights, mode = "averaged" if self.ema else "live", "eval" if self.eval_mode else "train"
        origin = "from elsewhere" if self.ema is None else f"by the {weights} generator in {mode} mode"
        return (
            f"{self.space} {self.extractor}: {self.n_fake:,} pictures {origin} "
            f"against {self.n_real:,} real ones ({self.split}); resize: {self.resize}"
        )


def differing(a: Stamp, b: Stamp) -> list[str]:
    """The names of what differs; empty if numbers under these stamps may be compared."""
    return [field.name for field in fields(Stamp) if getattr(a, field.name) != getattr(b, field.name)]
