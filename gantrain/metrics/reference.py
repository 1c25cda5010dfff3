"""The real side of every comparison: made once from the data, then found in the user's cache.

references/<digest>/pca64.pt      the fitted space and the features of the reals in it; also rand.pt, cls.pt
references/<digest>/likeness.pt   spectra, contrasts, ranges of the reals, and the nulls
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Generator, Tensor

from gantrain.data.files import cache_folder
from gantrain.errors import GantrainError
from gantrain.files import written_whole
from gantrain.metrics import features, likeness
from gantrain.metrics.features import (
    FITTED_ON,
    Classifier,
    PixelPCA,
    RandomConv,
    Space,
    shrink,
    train_classifier,
)
from gantrain.metrics.likeness import RealSide

FORMAT = 4
"""Raised with every change of these files, or of the numbers in them: older ones are not used."""
MOST = 10_000
"""Pictures used, at most."""
HASHED = 2**28
"""Bytes of pictures that the digest reads, at most; of more, every second, third ... row of pixels."""
GATHERED = 2**24  # bytes of pictures taken into memory at once

T = TypeVar("T")
SPACES: Mapping[str, Any] = {"pca64": PixelPCA, "rand": RandomConv, "cls": Classifier}


class Reference:
    """The reals that fakes are held against: fitted spaces, features, likeness and nulls.

    Built in a second or two, from the cache in a fraction of one; a damaged entry of the cache is made again,
    and a cache that cannot be written costs only time. Never touches the global random state.

    Args:
        images: uint8 N x C x H x W, possibly mapped from a file: only the chosen rows are read, in blocks.
        labels: int64 N, or None.
        members: int64, the rows of `images` that may be used; at most 10,000 of them are.
        split: what stamps call them, such as "train".
        count: pictures of an examination during training.
        spaces: made now; the others are made on first use.
        device: where comparisons are computed.

    Attributes:
        rows: int64, the chosen rows of `images`, in an order of their own: the first k are a fair sample.
        labels: int64 of the chosen rows, on the CPU, or None.
        num_classes: 0 without labels.
        count: how many pictures there are here.
        n: how many real pictures `side` holds; draw as many fakes. At most the argument `count`, and at most
            half of the pictures if there are enough for nulls.
        split, device: as given (the CPU instead of MPS, which has no float64).
        digest: names the entry of the cache.
        available: the names of spaces there can be: "pca64", "rand" and, with labels, "cls".
        side: RealSide of the first n pictures; `compare(fakes)` uses it.
        nulls: signal -> (mean, standard deviation) of real against real at n; empty below 100 pictures.
        facts: border_flatness, quiet_share, plain_share.
    """

    rows: Tensor
    labels: Tensor | None
    num_classes: int
    count: int
    n: int
    side: RealSide
    nulls: Mapping[str, tuple[float, float]]
    facts: Mapping[str, float]

    def __init__(
        self,
        images: Tensor,
        labels: Tensor | None,
        members: Tensor,
        split: str,
        count: int = 512,
        spaces: Iterable[str] = ("pca64",),
        device: torch.device | str = "cpu",
    ) -> None:
        device = torch.device(device)
        self.device = torch.device("cpu") if device.type == "mps" else device
        self.split = split
        self._images = images
        self.rows = _chosen(members.cpu())
        self.count = len(self.rows)
        self.labels = None if labels is None else labels[self.rows.to(labels.device)].cpu()
        self.num_classes = 0 if labels is None else int(labels.max()) + 1
        half = self.count // 2
        self.n = min(count, half if half >= likeness.SMALLEST_HALF else self.count)
        self.digest = self._digest()
        self._spaces: dict[str, tuple[Space, Tensor]] = {}
        self._remembered: dict[str, Any] = {}
        for name in ("pca64", *spaces):
            self.space(name)
        self.side, self.nulls = self._kept("likeness", self._measure_likeness, self._restore_likeness)
        self.facts = self.side.facts

    @property
    def available(self) -> tuple[str, ...]:
        return tuple(name for name in SPACES if name != Classifier.name or self.labels is not None)

    def space(self, name: str) -> Space:
        """The fitted space. Raises GantrainError for "cls" without labels, or a name that is none."""
        return self._space(name)[0]

    def features(self, name: str) -> Tensor:
        """float32 count x d of all the pictures in the space, on the device, in the order of `rows`."""
        return self._space(name)[1]

    @property
    def classifier(self) -> Classifier:
        """The space "cls", which also tells classes. Raises GantrainError without labels."""
        space = self.space(Classifier.name)
        assert isinstance(space, Classifier)
        return space

    @property
    def _pixel_pca(self) -> PixelPCA:
        space = self.space(PixelPCA.name)
        assert isinstance(space, PixelPCA)
        return space

    def pictures(self, places: Tensor | slice) -> Tensor:
        """uint8 pictures on the device; places: int64 in 0..count - 1, or a slice of them."""
        return self._gather(self.rows[places]).to(self.device)

    def labels_like(self, count: int) -> Tensor | None:
        """int64 `count`, on the device: classes as frequent as among the pictures; None without labels.

        What fakes are drawn by when they are judged: with every class as often as the others, a perfect
        generator would be blamed for the frequencies of the data.
        """
        return None if self.labels is None else self.labels[torch.arange(count) % self.count].to(self.device)

    def compare(self, fakes: Tensor, features: Tensor | None = None) -> dict[str, float]:
        """The numbers of `likeness.compare`; fakes: uint8 N x C x H x W on any device, best n of them;
        features: theirs in "pca64", if already there.
        """
        return likeness.compare(fakes.to(self.device), self.side, features)

    def remembered(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What make() gives (tensors, numbers, text), made once for these pictures and kept as `name`."""
        if name not in self._remembered:
            self._remembered[name] = self._kept(name, make, lambda content: content)
        return self._remembered[name]

    def _gather(self, rows: Tensor, every: int = 1) -> Tensor:
        """every: of their rows of pixels only each second, third ...; the others are not even read."""
        return self._images[:, :, ::every].index_select(0, rows.to(self._images.device))

    def _blocks(self, rows: Tensor, every: int = 1) -> Iterator[Tensor]:
        """uint8 pictures of these rows, in their order, a block at a time, where the images are."""
        for some in torch.split(rows, max(1, every * GATHERED // self._images[0].numel())):
            yield self._gather(some, every)

    def _space(self, name: str) -> tuple[Space, Tensor]:
        if name not in self.available:
            reason = "needs labels, and these data have none" if name in SPACES else "no such feature space"
            raise GantrainError(name, reason, f"there is: {', '.join(self.available)}")
        if name not in self._spaces:

            def restore(content: dict[str, Any]) -> tuple[Space, Tensor]:
                space = SPACES[name](**content["space"])
                return space.to(self.device), content["features"].to(self.device)

            self._spaces[name] = self._kept(name, lambda: self._fit(name), restore)
        return self._spaces[name]

    def _fit(self, name: str) -> dict[str, Any]:
        kind, side = SPACES[name], self._images.shape[-1]
        rows = self.rows if kind is Classifier else self.rows[:FITTED_ON]
        small = torch.cat([shrink(block, kind.largest).cpu() for block in self._blocks(rows)])
        if kind is Classifier:
            assert self.labels is not None, "then it is not available"
            space = train_classifier(small, self.labels, self.num_classes, side)
        else:
            space = kind.fit(small, side)
        here = space.to(self.device)
        reals = torch.cat([here(block) for block in self._blocks(self.rows)])
        return {"space": space.state(), "features": reals.cpu()}

    def _measure_likeness(self) -> dict[str, Any]:
        space, reals = self._pixel_pca, self.features(PixelPCA.name)
        side = likeness.real_side(self.pictures(slice(self.n)), space, reals[: self.n])
        nulls = likeness.nulls(self.count, self.n, self.pictures, space, reals)
        state = side.to(torch.device("cpu")).state()
        del state["features"]
        return {"side": state, "nulls": nulls}

    def _restore_likeness(self, content: dict[str, Any]) -> tuple[RealSide, dict[str, tuple[float, float]]]:
        features = self.features(PixelPCA.name)[: self.n]  # two files of unlike machines may have two bases
        side = RealSide(space=self._pixel_pca, features=features, **content["side"])
        return side.to(self.device), content["nulls"]

    def _kept(self, name: str, make: Callable[[], dict[str, Any]], restore: Callable[[Any], T]) -> T:
        """From the cache, or made and put there; an entry that cannot be used is made again."""
        path = cache_folder() / "references" / self.digest / f"{name}.pt"
        with suppress(Exception):  # whatever is wrong with the file, the remedy is one
            return restore(_load(path))
        content = make()
        with suppress(OSError, RuntimeError):  # torch's own, where the disk is full in the middle of the file
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as file:
                torch.save(content, file)
        return restore(content)

    def _digest(self) -> str:
        """Of the chosen pictures, in the order of the file, and of all else that decides what is kept."""
        about = (FORMAT, features.VERSION, self.count, self.n, self.split, tuple(self._images.shape[1:]))
        digest = hashlib.sha256(repr(about).encode())
        every = -(-self.count * self._images[0].numel() // HASHED)
        for block in self._blocks(self.rows.sort().values, every):
            digest.update(block.contiguous().cpu().numpy().data)
        if self.labels is not None:
            digest.update(self.labels.numpy().data)
        return digest.hexdigest()[:32]


def _chosen(members: Tensor) -> Tensor:
    """At most 10,000 members, evenly spread over them, then shuffled: data are often sorted by class."""
    count = min(MOST, len(members))
    spread = members[torch.arange(count) * len(members) // count]
    return spread[torch.randperm(count, generator=Generator().manual_seed(0))]


def _load(path: Path) -> dict[str, Any]:
    """Raises one exception or another if the file is not there, cut off or damaged."""
    with zipfile.ZipFile(path) as file:  # torch does not look at the checksums that it writes
        assert file.testzip() is None
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content
