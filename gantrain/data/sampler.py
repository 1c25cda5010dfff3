"""Which pictures come next: shuffled epochs that can be entered anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


class Sampler:
    """Endless batches of indices without replacement, seekable.

    The stream is a pure function of (seed, position): epoch e is a permutation of 0..count - 1 drawn from a
    generator of its own, seeded from (seed, e). A batch may straddle epochs, so no picture is ever left out
    and every batch is full. `position` counts the samples drawn so far; it alone is the state.
    """

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        assert count > 0, count
        assert batch_size > 0, batch_size
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.position = 0
        self._epoch = -1  # of the permutation kept below
        self._order = torch.empty(0, dtype=torch.int64)

    def __iter__(self) -> Iterator[Tensor]:
        return self

    def __next__(self) -> Tensor:
        """The next `batch_size` indices: int64, on the CPU."""
        end = self.position + self.batch_size
        parts = []
        while self.position < end:
            epoch, start = divmod(self.position, self.count)
            part = self._permutation(epoch)[start : start + end - self.position]
            parts.append(part)
            self.position += len(part)
        return torch.cat(parts)

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position = state["position"]

    def _permutation(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            # SeedSequence mixes the pair: seed + epoch would give seed 1 the epochs of seed 0, one later
            mixed = np.random.SeedSequence([self.seed % 2**64, epoch]).generate_state(1, np.uint64)
            generator = torch.Generator().manual_seed(int(mixed[0]))
            self._epoch, self._order = epoch, torch.randperm(self.count, generator=generator)
        return self._order
