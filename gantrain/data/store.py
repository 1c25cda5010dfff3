"""Every image set in one form: uint8, in memory or mapped, scaled to [-1, 1] only when a batch is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gantrain.sizes import base_and_doublings

SHOWN_CLASSES = 20
SHOWN_SKIPPED = 10
SHOWN_ENDINGS = 5
MAPPED_AT_MOST = 8 * 2**20
"""Bytes of mapped images that may stay in this process's memory."""
MAPPED_AROUND = 64 * 2**10
"""Bytes that Linux maps around every place that is read, as far as it has them in its own cache."""


def check_image_size(size: int) -> None:
    """Raise GantrainError("data.image_size") with the nearest two for a size no network reaches (16..256)."""
    base_and_doublings(size)


def to_signed(images: Tensor) -> Tensor:
    """uint8 0..255 -> float32 [-1, 1], any shape: x / 127.5 - 1. The only place of this conversion."""
    assert images.dtype == torch.uint8, images.dtype
    return images.to(torch.float32).div_(127.5).sub_(1.0)


def to_uint8(images: Tensor) -> Tensor:
    """Float [-1, 1] -> uint8 0..255, rounded and clamped: the exact inverse of `to_signed` on uint8."""
    assert images.is_floating_point(), images.dtype
    # float32 first: bfloat16 has 8 significant bits and would merge neighbouring grey values
    return images.float().add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Square pictures with optional labels, as a source hands them over."""

    name: str
    images: Tensor
    """uint8, N x C x H x W with C in {1, 3} and H == W."""
    labels: Tensor | None = None
    """int64, N, in 0..num_classes - 1."""
    class_names: tuple[str, ...] = ()
    flip: bool = False
    """Mirror half of the pictures at random when a batch is drawn."""
    skipped: tuple[tuple[str, str], ...] = ()
    """(path, reason) of the files that could not be read."""
    others: tuple[tuple[str, int], ...] = ()
    """(ending, how many) of the files beside them that do not end like a picture, most first."""
    value_range: tuple[int, int] | None = None
    """Lowest and highest value in `images`; None: not known without reading them all."""
    train: Tensor | None = None
    """int64 rows of `images` that are trained on, ascending; None: all of them. See split.py."""
    held_out: Tensor | None = None
    """int64 rows of `images` that are never trained on, ascending; a source may name its own."""
    drop_pages: Callable[[], None] | None = None
    """For images mapped from a file: gives the memory they take in this process back to the system."""
    made: str = ""
    """How the source brought its pictures to this size, if they had others; for a person."""

    def __post_init__(self) -> None:
        shape = self.images.shape
        assert self.images.dtype == torch.uint8, self.images.dtype
        assert len(shape) == 4, shape
        assert shape[0] > 0, shape
        assert shape[1] in (1, 3), shape
        assert shape[2] == shape[3], shape
        if self.labels is None:
            assert not self.class_names
            return
        assert self.labels.dtype == torch.int64, self.labels.dtype
        assert self.labels.shape == (self.count,), self.labels.shape
        assert int(self.labels.min()) >= 0, int(self.labels.min())
        assert int(self.labels.max()) < self.num_classes, self.num_classes

    @property
    def count(self) -> int:
        return self.images.shape[0]

    @property
    def train_count(self) -> int:
        return self.count if self.train is None else len(self.train)

    @property
    def held_out_count(self) -> int:
        return 0 if self.held_out is None else len(self.held_out)

    @property
    def channels(self) -> int:
        return self.images.shape[1]

    @property
    def image_size(self) -> int:
        return self.images.shape[3]

    @property
    def num_classes(self) -> int:
        """0 when unlabelled."""
        if self.labels is None:
            return 0
        return len(self.class_names) or int(self.labels.max()) + 1

    def describe(self) -> list[str]:
        """Plain lines for a person: count, size, channels, range, classes with counts, what was not read."""
        kind = {1: "grey", 3: "RGB"}[self.channels]
        many = f"{self.count} images" if self.count > 1 else "1 image"
        low, high = self.value_range or (int(value) for value in self.images.aminmax())
        signed_low, signed_high = to_signed(torch.tensor([low, high], dtype=torch.uint8)).tolist()
        return [
            f"{self.name}: {many}, {self.image_size} x {self.image_size} pixels, {kind}"
            + (f" ({self.made})" if self.made else ""),
            f"values: {low}..{high}, scaled to {signed_low:.2f}..{signed_high:.2f} for training"
            + (", half of them mirrored at random" if self.flip else ""),
            self._describe_classes(),
            *self._describe_split(),
            *self._describe_others(),
            *self.describe_skipped(),
        ]

    def _describe_classes(self) -> str:
        if self.labels is None:
            return "classes: none (unlabelled)"
        names = self.class_names or tuple(str(label) for label in range(self.num_classes))
        counts = torch.bincount(self.labels, minlength=self.num_classes).tolist()
        shown = [f"{name} ({count})" for name, count in zip(names, counts, strict=True)][:SHOWN_CLASSES]
        if self.num_classes > SHOWN_CLASSES:
            shown.append(f"and {self.num_classes - SHOWN_CLASSES} more ({min(counts)} to {max(counts)} each)")
        return f"classes: {self.num_classes}: " + ", ".join(shown)

    def _describe_others(self) -> list[str]:
        shown = [f"{count:,} {ending or 'without an ending'}" for ending, count in self.others]
        rest = sum(count for _, count in self.others[SHOWN_ENDINGS:])
        shown[SHOWN_ENDINGS:] = [f"{rest:,} more"] if rest else []
        return [f"other files, not read: {', '.join(shown)}"] if shown else []

    def _describe_split(self) -> list[str]:
        if self.train is None:
            return []
        unused = self.count - self.train_count - self.held_out_count
        return [
            f"to train on: {self.train_count}; held out to judge by: {self.held_out_count}"
            + (f"; not used: {unused}" if unused else "")
        ]

    def describe_skipped(self) -> list[str]:
        """Lines that name the files that could not be used, the first of many; none of none."""
        if not self.skipped:
            return []
        more = len(self.skipped) - SHOWN_SKIPPED
        return [
            f"skipped: {len(self.skipped)} that could not be used",
            *(f"  {path}: {reason}" for path, reason in self.skipped[:SHOWN_SKIPPED]),
            *([f"  and {more} more"] if more > 0 else []),
        ]


class Store:
    """The uint8 images, on the device when they fit, else where the source keeps them."""

    def __init__(self, images: ImageSet, device: torch.device) -> None:
        self.device = device
        self.flip = images.flip
        home = device if _fits(images.images, device) else torch.device("cpu")
        self.images = images.images.to(home)
        self.labels = None if images.labels is None else images.labels.to(home)
        self.members = None if images.train is None else images.train.to(home)
        self._drop_pages = images.drop_pages if self.images is images.images else None
        self._mapped = 0  # bytes, at most, since pages were last dropped
        if images.drop_pages is not None:
            images.drop_pages()  # if they have moved, all of them have been read

    def batch(self, indices: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Pictures (float32 B x C x H x W, [-1, 1]) and labels (int64 B, or None) on the device.

        `indices`: int64 B, places among the pictures to train on, on any device. `generator` lives on the
        device; it decides which pictures are mirrored, and is left untouched when the set is not to be
        mirrored.
        """
        indices = indices.to(self.images.device, non_blocking=True)
        if self.members is not None:
            indices = self.members[indices]
        images = self._gather(indices).to(self.device, non_blocking=True)
        if self.flip:
            mirrored = torch.rand(len(images), 1, 1, 1, generator=generator, device=self.device) < 0.5
            images = torch.where(mirrored, images.flip(3), images)
        labels = None if self.labels is None else self.labels[indices].to(self.device, non_blocking=True)
        return to_signed(images), labels

    def _gather(self, indices: Tensor) -> Tensor:
        """uint8 B x C x H x W, where the images are; in pinned memory if it is to leave for the GPU."""
        pinned = self.device.type == "cuda" and not self.images.is_cuda
        shape = (len(indices), *self.images.shape[1:])
        gathered = torch.empty(shape, dtype=torch.uint8, device=self.images.device, pin_memory=pinned)
        torch.index_select(self.images, 0, indices, out=gathered)  # indexing with [] goes byte by byte
        if self._drop_pages is not None:
            self._mapped += gathered.nbytes + len(indices) * MAPPED_AROUND
            if self._mapped > MAPPED_AT_MOST:
                self._drop_pages()
                self._mapped = 0
        return gathered


def _fits(images: Tensor, device: torch.device) -> bool:
    """Whether the images take at most half of the GPU memory that is free: the networks need the rest."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return images.nbytes <= free // 2
