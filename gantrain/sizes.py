"""Which image sizes the networks reach: a small base, doubled k times. Shared by data, networks and pages."""

from __future__ import annotations

from gantrain.errors import GantrainError

BASES = (4, 5, 6, 7)
GRID_LINE = 2  # pixels between the tiles of a grid of pictures
SMALLEST, LARGEST = 16, 256
SIZES: dict[int, tuple[int, int]] = {
    base << doublings: (base, doublings)
    for doublings in range(2, 7)
    for base in BASES
    if SMALLEST <= base << doublings <= LARGEST
}
"""size -> (base, doublings): 16, 20, 24, 28, 32, 40, ..., 224, 256 pixels, ascending."""


def base_and_doublings(size: int) -> tuple[int, int]:
    """(m, k) with size = m * 2^k pixels, m in 4..7; every size has at most one such pair.

    Raises GantrainError("data.image_size") with the nearest smaller and larger size that works, for a size
    that no stage count reaches or that lies outside 16..256.
    """
    if size in SIZES:
        return SIZES[size]
    smaller = [good for good in SIZES if good < size][-1:]
    larger = [good for good in SIZES if good > size][:1]
    raise GantrainError(
        "data.image_size",
        f"{size} is not m * 2^k with m in 4..7, from {SMALLEST} to {LARGEST}",
        "use " + " or ".join(f"data.image_size={good}" for good in smaller + larger),
    )
