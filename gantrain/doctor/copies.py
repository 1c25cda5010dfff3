"""Are the fakes copies? Distances to the pictures that D was trained on and to unseen ones."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from gantrain.metrics.distances import as_double, frechet_distance, row_blocks

SUBSETS = 8  # random parts of the held-out pictures


def memorisation(fake: Tensor, train: Tensor, held_out: Tensor, noise: Generator) -> dict[str, float]:
    """Are the fakes nearer to the pictures D was trained on than to unseen ones? Features N x d each.

    nearer_train    chance that a fake is nearer to the training pictures than to as many held-out ones: 0.5
                    if it does not care (after Meehan et al. 2020). Of n training and m held-out pictures that
                    are alike, the nearest of all is a training picture in p = n / (n + m) of the cases; with
                    m < n what is found is scaled to equal numbers, (p / n) / (p / n + (1 - p) / m).
                    Leaving out training pictures instead would leave out what was copied.
    nearer_spread   standard deviation of nearer_train if chance alone had said which pictures are trained on,
                    all else as it is. Fakes that share their nearest pictures are one witness, not many: with
                    w_j the share of the fakes whose nearest of M = n + m is j, the variance of p is
                    p (1 - p) (sum w_j^2 - 1/M) M / (M - 1), of draws without replacement, and the slope of
                    nearer_train at p = n / M is M^2 / (4 n m).
    nearest_ratio   median distance of a fake to the nearest training picture, over that of a held-out picture
    copy_ratio      Frechet distance of the fakes to `train`, over that of as many held-out pictures
    """
    fake, train, held_out = as_double(fake), as_double(train), as_double(held_out)
    size, equal = min(len(train), len(held_out)), min(len(fake), len(held_out))
    (seen, its), shares, spreads, copied, usual = nearest(fake, train), [], [], [], []
    for _ in range(SUBSETS):
        unseen, others = nearest(fake, _some(held_out, size, noise))
        shares.append(((seen < unseen).double() + (seen == unseen).double() / 2).mean())
        witnesses = torch.where(seen < unseen, its, len(train) + others).bincount() / len(fake)
        spreads.append(_by_chance(witnesses, len(train), size))
        copied.append(frechet_distance(_some(fake, equal, noise), train))
        usual.append(frechet_distance(_some(held_out, equal, noise), train))
    p = float(torch.stack(shares).mean())
    found = {"nearer_train": (p / len(train)) / (p / len(train) + (1 - p) / size)}
    found["nearer_spread"] = sum(spreads) / SUBSETS
    if (distance := float(nearest(held_out, train)[0].median())) > 0:
        found["nearest_ratio"] = float(seen.median()) / distance
    if sum(usual) > 0:
        found["copy_ratio"] = sum(copied) / sum(usual)
    return found


def _by_chance(witnesses: Tensor, n: int, m: int) -> float:
    """nearer_spread, from the shares w_j; those of pictures that are nearest to none may be missing."""
    pictures = n + m
    variance = n * m / pictures**2 * (float(witnesses.square().sum()) - 1 / pictures)
    variance *= pictures / (pictures - 1)
    return pictures**2 / (4 * n * m) * max(0.0, variance) ** 0.5


def nearest(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Of each of a (N x d) the distance to the nearest of b (M x d), and which one that is (int64 N)."""
    found = [torch.cdist(block, b).min(1) for block in row_blocks(a, len(b))]
    return torch.cat([one.values for one in found]), torch.cat([one.indices for one in found])


def _some(x: Tensor, count: int, noise: Generator) -> Tensor:
    return x[torch.randperm(len(x), generator=noise, device=noise.device)[:count].to(x.device)]
