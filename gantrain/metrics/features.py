"""Feature spaces that need no download: where real and generated pictures are compared.

pca64   the first 64 principal components of the pixels: cheap, sees layout and classes; blind to noise
rand    a fixed random convolutional net: sees texture, noise and blur (random-initialised embeddings, as in
        M. Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020)
cls     the penultimate layer of a small classifier of the data's own labels: sees class balance

Every space scales its features so that the pictures it was fitted on have a total variance of 1: a Frechet
distance then reads "in units of the variance of the real pictures". None touches the global random state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, TypeVar

import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from torch.nn.init import kaiming_normal_, orthogonal_

from gantrain.data.store import to_signed

COMPONENTS = 64
FITTED_ON = 4000
"""Pictures that the components are fitted on, at most."""
EXACT = 1024
"""Up to this side a matrix is decomposed in full; beyond, only its largest eigenvectors are found."""
BLOCK_VALUES = 2**18
"""Pixel values that are worked on at once: memory does not grow with the number of pictures."""
VERSION = 2
"""Raised with every change of what a space makes of pictures: part of every hash."""


class Space(Protocol):
    """Pictures to features; `hash` tells spaces apart that give different features."""

    name: ClassVar[str]

    @property
    def hash(self) -> str:
        """12 hex digits of sha256 over all that decides the features."""

    @property
    def resize(self) -> str:
        """What it does to the pictures' size first, or "none"."""

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 N x C x H x W on any device -> float32 N x d on the space's own."""


S = TypeVar("S", bound="Kept")


@dataclass(frozen=True, eq=False)
class Kept:
    """A space as plain fields (tensors, lists of tensors, text), which is what the cache writes."""

    hash: str
    resize: str

    def state(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def to(self: S, device: torch.device) -> S:
        return replace(self, **{name: _moved(value, device) for name, value in self.state().items()})


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, list):
        return [_moved(item, device) for item in value]
    return value.to(device) if isinstance(value, Tensor) else value


@dataclass(frozen=True, eq=False)
class PixelPCA(Kept):
    """The principal components of the pixels, of pictures averaged down to at most 32 x 32."""

    mean: Tensor
    """d = C * H * W"""
    components: Tensor
    """d x k"""

    name: ClassVar[str] = "pca64"
    largest: ClassVar[int] = 32

    @classmethod
    def fit(cls, images: Tensor, side: int | None = None) -> PixelPCA:
        """images: uint8 N x C x H x W, the first 4000 are used; side: theirs, if already averaged down."""
        small = shrink(images[:FITTED_ON].cpu(), cls.largest)
        mean, components = principal_components(_pixels(small))
        return cls(
            _hash_of(cls.name, small), resized(side or images.shape[-1], cls.largest), mean, components
        )

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        def features(block: Tensor) -> Tensor:
            return (_pixels(shrink(block, self.largest)) - self.mean) @ self.components

        return in_blocks(features, images, self.mean.device)


@dataclass(frozen=True, eq=False)
class RandomConv(Kept):
    """64 principal components of what four random convolutions make of pictures of at most 64 x 64.

    The kernels are orthogonal and drawn from a fixed seed, the borders reflected. After each convolution the
    mean of every rectified map is taken over a grid of places; then the maps are halved.
    """

    kernels: list[Tensor]
    mean: Tensor
    components: Tensor

    name: ClassVar[str] = "rand"
    largest: ClassVar[int] = 64
    seed: ClassVar[int] = 20
    widths: ClassVar[tuple[int, ...]] = (16, 32, 32, 64)
    grids: ClassVar[tuple[int, ...]] = (2, 2, 2, 1)  # coarser ones see noise better, and classes worse

    @classmethod
    @torch.no_grad()
    def fit(cls, images: Tensor, side: int | None = None) -> RandomConv:
        """images: uint8 N x C x H x W, the first 4000 are used; side: theirs, if already averaged down."""
        small = shrink(images[:FITTED_ON].cpu(), cls.largest)
        kernels = cls._draw_kernels(images.shape[1])
        pooled = in_blocks(lambda block: cls._pooled(block, kernels), small, torch.device("cpu"))
        mean, components = principal_components(pooled)
        return cls(
            _hash_of(cls.name, small),
            resized(side or images.shape[-1], cls.largest),
            kernels,
            mean,
            components,
        )

    @classmethod
    def _draw_kernels(cls, channels: int) -> list[Tensor]:
        generator = Generator().manual_seed(cls.seed)
        kernels = []
        for inside, outside in zip((channels, *cls.widths), cls.widths, strict=False):
            kernels.append(orthogonal_(torch.empty(outside, inside, 3, 3), generator=generator))
        return kernels

    @classmethod
    def _pooled(cls, block: Tensor, kernels: list[Tensor]) -> Tensor:
        x, taken = to_signed(block), []
        for stage, (kernel, grid) in enumerate(zip(kernels, cls.grids, strict=True)):
            x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel).relu_()
            taken.append(F.adaptive_avg_pool2d(x, grid).flatten(1))
            if stage + 1 < len(kernels):
                x = F.avg_pool2d(x, 2)
        return torch.cat(taken, 1)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        def features(block: Tensor) -> Tensor:
            return (self._pooled(shrink(block, self.largest), self.kernels) - self.mean) @ self.components

        return in_blocks(features, images, self.mean.device)


@dataclass(frozen=True, eq=False)
class Classifier(Kept):
    """A small LeNet of the data's own labels; its features are the 64 values before the last layer.

    Strides instead of pooling make it several times faster, and on Fashion-MNIST no worse.
    """

    weights: list[Tensor]
    scale: float

    name: ClassVar[str] = "cls"
    largest: ClassVar[int] = 32

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        def features(block: Tensor) -> Tensor:
            return penultimate(shrink(block, self.largest), self.weights) * self.scale

        return in_blocks(features, images, self.weights[0].device)

    def classify(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures' features, N x 64 -> the likeliest class (int64 N) and its probability (float32 N)."""
        confidence, labels = logits(features / self.scale, self.weights).softmax(1).max(1)
        return labels, confidence


WIDTHS = (16, 32)  # of the classifier's two convolutions
TRAINED_STEPS, BATCH, RATE = 500, 64, 3e-3


def train_classifier(
    images: Tensor, labels: Tensor, num_classes: int, side: int | None = None, seed: int = 0
) -> Classifier:
    """A classifier after 500 steps of Adam, in a few seconds, always on the CPU.

    images: uint8 N x C x H x W; labels: int64 N in 0..num_classes - 1; side: of the images, if already
    averaged down.
    """
    small, labels = shrink(images.cpu(), Classifier.largest), labels.cpu()
    generator = Generator().manual_seed(seed)
    weights = _draw_weights(small.shape[1], small.shape[2], num_classes, generator)
    with torch.enable_grad():
        optimiser = torch.optim.Adam([weight.requires_grad_() for weight in weights], lr=RATE)
        for step in range(TRAINED_STEPS):
            optimiser.param_groups[0]["lr"] = RATE * (1 - step / TRAINED_STEPS)
            chosen = torch.randint(len(small), (min(BATCH, len(small)),), generator=generator)
            loss = F.cross_entropy(logits(penultimate(small[chosen], weights), weights), labels[chosen])
            torch.autograd.backward(loss)
            optimiser.step()
            optimiser.zero_grad()
    weights = [weight.detach() for weight in weights]
    digest = _hash_of(Classifier.name, *weights)
    unscaled = Classifier(digest, resized(side or images.shape[-1], Classifier.largest), weights, 1.0)
    return replace(unscaled, scale=unit_variance(unscaled(small)))


def _draw_weights(channels: int, side: int, num_classes: int, generator: Generator) -> list[Tensor]:
    """Kernel and bias of conv, conv, hidden layer, last layer."""
    shapes: list[tuple[int, ...]] = [
        (WIDTHS[0], channels, 5, 5),
        (WIDTHS[1], WIDTHS[0], 3, 3),
        (COMPONENTS, WIDTHS[1] * (side // 4) ** 2),
        (num_classes, COMPONENTS),
    ]
    weights = []
    for shape in shapes:
        weights.append(kaiming_normal_(torch.empty(shape), nonlinearity="relu", generator=generator))
        weights.append(torch.zeros(shape[0]))
    return weights


def penultimate(images: Tensor, weights: list[Tensor]) -> Tensor:
    """uint8 N x C x H x W -> N x 64."""
    x = F.conv2d(to_signed(images), weights[0], weights[1], stride=2, padding=2).relu()
    x = F.conv2d(x, weights[2], weights[3], stride=2, padding=1).relu()
    return F.linear(x.flatten(1), weights[4], weights[5]).relu()


def logits(features: Tensor, weights: list[Tensor]) -> Tensor:
    """N x 64 -> N x classes."""
    return F.linear(features, weights[6], weights[7])


def shrink(images: Tensor, largest: int) -> Tensor:
    """uint8 N x C x H x H -> the same, halved by averaging as often as it takes to be at most `largest`."""
    factor = _factor(images.shape[-1], largest)
    if factor == 1:
        return images
    return F.avg_pool2d(images.float(), factor).round_().to(torch.uint8)


def resized(side: int, largest: int) -> str:
    """What `shrink` does to pictures of this side, in words for a stamp."""
    factor = _factor(side, largest)
    return "none" if factor == 1 else f"averaged to {side // factor} px"


def _factor(side: int, largest: int) -> int:
    factor = 1
    while side // factor > largest:
        factor *= 2
    return factor


def principal_components(x: Tensor) -> tuple[Tensor, Tensor]:
    """(mean d, components d x k) of x, N x d on the CPU, k = 64 or as many as there are.

    (x - mean) @ components has a total variance of 1.
    """
    x = x.double()
    mean = x.mean(0)
    x = x - mean
    k = max(1, min(COMPONENTS, len(x) - 1, x.shape[1]))
    directions = _largest_directions(x, k)
    directions = directions * unit_variance(x @ directions)
    return mean.float(), directions.float()


def _largest_directions(x: Tensor, k: int) -> Tensor:
    """d x k orthonormal: eigenvectors of x'x with the largest eigenvalues, x centred N x d."""
    count, dims = x.shape
    if min(count, dims) > EXACT:
        return _subspace_iteration(x, k)
    if dims <= count:
        return torch.linalg.eigh(x.T @ x).eigenvectors[:, -k:].flip(1)
    # The Gram matrix xx' has the same eigenvalues, and x' takes its eigenvectors to those of x'x.
    left = torch.linalg.eigh(x @ x.T).eigenvectors[:, -k:].flip(1)
    return torch.linalg.qr(x.T @ left).Q


def _subspace_iteration(x: Tensor, k: int, spare: int = 32, rounds: int = 4) -> Tensor:
    """The same, nearly: 99.99 % of the variance of 4000 photographs, 32 px RGB, in a fifth of the time.

    N. Halko, P. Martinsson, J. Tropp, "Finding structure with randomness", SIAM Review 53(2), 2011, alg. 4.4.
    """
    start = torch.randn(x.shape[1], k + spare, dtype=x.dtype, generator=Generator().manual_seed(0))
    basis = torch.linalg.qr(start).Q
    for _ in range(rounds):
        basis = torch.linalg.qr(x.T @ (x @ basis)).Q
    inside = x @ basis
    return basis @ torch.linalg.eigh(inside.T @ inside).eigenvectors[:, -k:].flip(1)


def unit_variance(x: Tensor) -> float:
    """The factor that gives x, N x d, a total variance of 1; 1 for what does not vary."""
    total = float(x.double().var(0, correction=0).sum())
    return total**-0.5 if total > 1e-12 else 1.0


def in_blocks(function: Callable[[Tensor], Tensor], images: Tensor, device: torch.device) -> Tensor:
    """function of all images (N x C x H x W), a block at a time, on the device."""
    size = max(1, BLOCK_VALUES // images[0].numel())
    return torch.cat([function(block.to(device)) for block in torch.split(images, size)])


def _pixels(images: Tensor) -> Tensor:
    return to_signed(images).flatten(1)


def _hash_of(name: str, *tensors: Tensor) -> str:
    """Of what the space was made from, and not of its components: rounding differs with the threads."""
    digest = hashlib.sha256(f"{name} {VERSION} {[list(tensor.shape) for tensor in tensors]}".encode())
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()[:12]
