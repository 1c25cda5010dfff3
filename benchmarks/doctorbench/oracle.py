"""What came of a run, in numbers that share nothing with the doctor's or with gantrain's metrics.

The samples are held against the real pictures by energy distances (Székely & Rizzo 2013) in two plain spaces,
by a classifier fitted on all labels (for unlabelled data: k-means cells), and against each other; the newest
discriminator is asked whether it knows the pictures that it was trained on by heart. `verdict.py` judges.

A discriminator trained from scratch would say nothing: it tells any run this short from the real pictures.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.doctorbench.cases import CONFIGS, data_sets
from gantrain import build, checkpoint
from gantrain.compose import beside, composed
from gantrain.data.store import ImageSet, to_signed
from gantrain.saved import saved_config

SAMPLES = 1000
REALS = 2000
LABELLED_FOR_FIT = 6000
CELLS = 10  # k-means cells of unlabelled data
DROPPED = 0.2  # a class with less than this part of its real share counts as missing
COPY = 0.25  # of the reals' own distance to their nearest neighbour (its first percentile): a copy
MARGIN = 0.5  # of the interior's variance: pictures whose border varies less have no border to judge
SEEN = 512  # real pictures of either kind that the discriminator is asked about
SEED = 0


def configured(overrides: Sequence[str]) -> ImageSet:
    """The pictures of data=..., as a run of the bench gets them."""
    return build.load_data(composed([*beside(str(CONFIGS)), *overrides]))


REAL_SETS: Mapping[str, Callable[[], ImageSet]] = {
    name: partial(configured, overrides) for name, overrides in data_sets().items()
}
VERSION = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
"""Of these measurements: numbers that other code has measured are measured again."""

Array = NDArray[np.int64]


def coarse(images: Tensor) -> Tensor:
    """uint8 N x C x H x W -> N x 64 C: averages over an 8 x 8 raster, in [-1, 1]."""
    return F.adaptive_avg_pool2d(to_signed(images), 8).flatten(1)


def gradients(images: Tensor) -> Tensor:
    """uint8 N x C x H x W -> N x 128: gradients by strength in 8 directions and 4 x 4 cells (after HOG)."""
    grey = to_signed(images).mean(1)
    dx, dy = grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2], grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1]
    direction = (torch.atan2(dy, dx) / torch.pi % 1 * 8).long().clamp(max=7)
    strength = F.one_hot(direction, 8).movedim(-1, 1) * torch.hypot(dx, dy)[:, None]
    return F.adaptive_avg_pool2d(strength, 4).flatten(1)


SPACES: Mapping[str, Callable[[Tensor], Tensor]] = {"coarse": coarse, "gradients": gradients}


def mean_distance(x: Tensor, y: Tensor | None = None) -> float:
    """Mean over the pairs, of a set with itself over the pairs of different members. N x d."""
    distances = torch.cdist(x.double(), (x if y is None else y).double())
    pairs = distances.numel() - (len(x) if y is None else 0)
    return float(distances.sum()) / pairs


def energy_distance(fake: Tensor, real: Tensor) -> float:
    """(2 E|X - Y| - E|X - X'| - E|Y - Y'|) / E|Y - Y'|, unbiased; 0: the same distribution, 1: far off."""
    own = mean_distance(real)
    return (2 * mean_distance(fake, real) - mean_distance(fake) - own) / own


def nearest(x: Tensor) -> Tensor:
    """Of each picture (uint8) the distance to the nearest other one of the set."""
    pixels = to_signed(x).flatten(1).double()
    return torch.cdist(pixels, pixels).fill_diagonal_(torch.inf).amin(1)


def frame(fake: Tensor, real: Tensor) -> float:
    """1 - r_0 / r_2, r_k = fake over real variance in the k-th ring of pixels; 0: no frame, 1: a plain one.

    The variance is each pixel's over the pictures. 0 where the real pictures end in a margin of their own.
    """
    fakes, reals = (ring_variances(images) for images in (fake, real))
    if reals[0] < MARGIN * reals[-1]:
        return 0.0
    ratios = fakes / reals.clamp(min=1e-12)
    return float(1 - ratios[0] / ratios[2].clamp(min=1e-12))


def ring_variances(images: Tensor, rings: int = 4) -> Tensor:
    """uint8 N x C x H x W -> rings + 1: in the outermost ring, the next, ..., and in the interior."""
    variance = to_signed(images).double().var(0).mean(0)
    edge = torch.arange(len(variance))
    edge = torch.minimum(edge, edge.flip(0))
    ring = torch.minimum(edge[:, None], edge).clamp(max=rings)
    return torch.stack([variance[ring == k].mean() for k in range(rings + 1)])


def effective_number(shares: NDArray[np.float64]) -> float:
    """exp of the entropy: how many classes, were they equally frequent."""
    present = shares[shares > 0]
    return float(np.exp(-(present * np.log(present)).sum()))


@dataclass(frozen=True)
class Real:
    """The real side: pictures of the whole set, whatever a run has seen of it, and who tells their kinds."""

    images: Tensor
    kind_of: Callable[[Tensor], Array]
    shares: NDArray[np.float64]
    copy_below: float

    @classmethod
    def of(cls, images: ImageSet) -> Real:
        order = torch.randperm(images.count, generator=torch.Generator().manual_seed(SEED))
        chosen = images.images[order[:REALS]]
        kind_of = cells(chosen) if images.labels is None else classifier(images, order[-LABELLED_FOR_FIT:])
        own = nearest(chosen[:SAMPLES])
        return cls(chosen, kind_of, shares_of(kind_of(chosen)), COPY * float(own.quantile(0.01)))


def classifier(images: ImageSet, rows: Tensor) -> Callable[[Tensor], Array]:
    """A support vector machine on 40 principal components of the pixels, fitted on all classes."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    assert images.labels is not None
    machine = make_pipeline(PCA(40, whiten=True, random_state=SEED), SVC(C=5.0))
    machine.fit(to_signed(images.images[rows]).flatten(1).numpy(), images.labels[rows].numpy())
    return lambda asked: machine.predict(to_signed(asked).flatten(1).numpy()).astype(np.int64)


def cells(images: Tensor) -> Callable[[Tensor], Array]:
    """k-means cells of the averages over an 8 x 8 raster, in place of classes."""
    from sklearn.cluster import KMeans

    means = KMeans(CELLS, n_init=4, random_state=SEED).fit(coarse(images).numpy())
    return lambda asked: means.predict(coarse(asked).numpy()).astype(np.int64)


def shares_of(kinds: Array, number: int = CELLS) -> NDArray[np.float64]:
    return np.bincount(kinds, minlength=number) / len(kinds)


@functools.cache
def real_set(name: str) -> Real:
    """Once in a process."""
    return Real.of(REAL_SETS[name]())


def measure(fake: Tensor, real: Real) -> dict[str, float]:
    """The numbers of uint8 samples N x C x H x W against the real pictures."""
    shares = shares_of(real.kind_of(fake))
    energies = {
        f"energy_{name}": energy_distance(space(fake), space(real.images)) for name, space in SPACES.items()
    }
    return energies | {
        "energy": sum(energies.values()),
        "classes": float((shares >= DROPPED * real.shares).sum()),
        "variety": effective_number(shares) / effective_number(real.shares),
        "spread": mean_distance(coarse(fake)) / mean_distance(coarse(real.images)),
        "frame": frame(fake, real.images),
        "copies": float((nearest(fake) < real.copy_below).double().mean()),
    }


Labelled = tuple[Tensor, Tensor | None]
"""uint8 N x C x H x W; N labels, where the run knows classes."""


def read_samples(path: Path) -> Labelled:
    """What `gantrain sample --format npz` writes."""
    with np.load(path) as archive:
        images = torch.from_numpy(archive["images"]).permute(0, 3, 1, 2).contiguous()
        return images, torch.from_numpy(archive["labels"]) if "labels" in archive else None


def knows_by_heart(run: Path, fake: Labelled) -> float:
    """Share of the trained-on real pictures that D calls real, less that of pictures it has never seen.

    D is asked in batches of one kind and in training mode, as it was trained; its boundary is the middle
    between its mean logits on seen real pictures and on samples.
    """
    cfg, data = saved_config(run)
    path = checkpoint.newest(run)
    assert path is not None, run
    images = build.load_data(cfg)
    network: nn.Module = build.make_network(cfg, "discriminator", data, torch.device("cpu"))
    network.load_state_dict(checkpoint.load(path)["state"]["discriminator"])
    assert images.train is not None, "load_data splits"
    assert images.held_out is not None, "load_data splits"
    held_out = images.held_out
    if images.labels is not None:  # of classes that D has never met it cannot know the pictures either
        met = torch.isin(images.labels[held_out], images.labels[images.train])
        held_out = held_out[met]
    real = images.images, images.labels if fake[1] is not None else None
    asked = (
        part(real, drawn(images.train, SEEN)),
        part(real, drawn(held_out, SEEN)),
        part(fake, slice(SEEN)),
    )
    return gap(*(judged(network, *each, batch=int(cfg.train.batch_size)) for each in asked))


def part(of: Labelled, rows: Tensor | slice) -> Labelled:
    images, labels = of
    return images[rows], None if labels is None else labels[rows]


def gap(seen: Tensor, unseen: Tensor, fake: Tensor) -> float:
    """From D's logits: its accuracy on seen real pictures less that on unseen ones, by the middle."""
    boundary = (seen.mean() + fake.mean()) / 2
    return float((seen > boundary).double().mean() - (unseen > boundary).double().mean())


def drawn(rows: Tensor, count: int) -> Tensor:
    """`count` of them at random, over and over again if there are fewer, as training does."""
    random = torch.Generator().manual_seed(SEED)
    again = -(-count // len(rows))
    return torch.cat([rows[torch.randperm(len(rows), generator=random)] for _ in range(again)])[:count]


@torch.no_grad()
def judged(network: nn.Module, images: Tensor, labels: Tensor | None = None, *, batch: int) -> Tensor:
    """Logits in training mode, whole batches only: the last pictures of an odd number are left out."""
    network.train()
    logits = []
    for at in range(0, len(images) // batch * batch, batch):
        known = () if labels is None else (labels[at : at + batch],)
        logits.append(network(to_signed(images[at : at + batch]), *known))
    return torch.cat(logits)
