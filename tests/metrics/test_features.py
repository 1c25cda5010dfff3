from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from gantrain.data import sources
from gantrain.data.store import to_signed, to_uint8
from gantrain.errors import GantrainError
from gantrain.metrics import features
from gantrain.metrics.coverage import overlap
from gantrain.metrics.distances import frechet_distance
from gantrain.metrics.features import (
    Classifier,
    PixelPCA,
    RandomConv,
    Space,
    principal_components,
    resized,
    shrink,
    train_classifier,
)

SPACES = ("pca64", "rand", "cls")


def shuffled(seed: int, count: int) -> Tensor:
    return torch.randperm(count, generator=Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    """1,797 real handwritten digits at 16 px, in random order, and their labels."""
    images = sources.digits(16)
    order = shuffled(0, images.count)
    assert images.labels is not None
    return images.images[order], images.labels[order]


@pytest.fixture(scope="module")
def spaces(digits: tuple[Tensor, Tensor]) -> dict[str, Space]:
    """Fitted on the first 1,000 digits."""
    images, labels = digits[0][:1000], digits[1][:1000]
    return {
        "pca64": PixelPCA.fit(images),
        "rand": RandomConv.fit(images),
        "cls": train_classifier(images, labels, 10),
    }


def noise_images(count: int, channels: int, side: int, seed: int = 0) -> Tensor:
    return torch.randint(
        0, 256, (count, channels, side, side), dtype=torch.uint8, generator=Generator().manual_seed(seed)
    )


# All spaces


@pytest.mark.parametrize("name", SPACES)
def test_reals_have_a_total_variance_of_one(
    name: str, spaces: dict[str, Space], digits: tuple[Tensor, Tensor]
) -> None:
    found = spaces[name](digits[0][:1000])
    assert found.dtype == torch.float32
    assert found.shape == (1000, 64)
    assert_close(found.double().var(0, correction=0).sum(), torch.tensor(1.0).double(), rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", SPACES)
def test_features_do_not_depend_on_the_blocks(
    name: str, spaces: dict[str, Space], digits: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = spaces[name](digits[0][:101])
    monkeypatch.setattr(features, "BLOCK_VALUES", 10 * 16 * 16)
    assert_close(spaces[name](digits[0][:101]), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SPACES)
def test_the_same_again_and_no_touch_of_the_global_random_state(
    name: str, spaces: dict[str, Space], digits: tuple[Tensor, Tensor]
) -> None:
    images, labels = digits[0][:1000], digits[1][:1000]
    fit: dict[str, Callable[[], Space]] = {
        "pca64": lambda: PixelPCA.fit(images),
        "rand": lambda: RandomConv.fit(images),
        "cls": lambda: train_classifier(images, labels, 10),
    }
    torch.manual_seed(1)
    before = torch.get_rng_state()
    again = fit[name]()
    assert torch.equal(torch.get_rng_state(), before)
    assert again.hash == spaces[name].hash
    assert torch.equal(again(images), spaces[name](images))


def test_hashes_tell_spaces_apart(digits: tuple[Tensor, Tensor], spaces: dict[str, Space]) -> None:
    images, labels = digits[0][:1000].clone(), digits[1][:1000]
    images[999, 0, 8, 8] += 1
    others = [PixelPCA.fit(images), RandomConv.fit(images), train_classifier(images, labels, 10, seed=1)]
    hashes = {space.hash for space in (*spaces.values(), *others)}
    assert len(hashes) == 6
    assert all(len(found) == 12 and set(found) <= set("0123456789abcdef") for found in hashes)


@pytest.mark.parametrize("name", SPACES)
def test_what_the_cache_keeps_makes_the_same_space(
    name: str, spaces: dict[str, Space], digits: tuple[Tensor, Tensor]
) -> None:
    space = spaces[name]
    assert isinstance(space, PixelPCA | RandomConv | Classifier)
    again = type(space)(**space.state()).to(torch.device("cpu"))
    assert again.hash == space.hash
    assert torch.equal(again(digits[0][:50]), space(digits[0][:50]))


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize(
    "images", [noise_images(2, 3, 16), noise_images(1, 1, 16), torch.full((9, 1, 20, 20), 7)]
)
def test_few_or_equal_pictures(name: str, images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "TRAINED_STEPS", 20)
    images = images.to(torch.uint8)
    labels = torch.zeros(len(images), dtype=torch.int64)
    fit = {"pca64": PixelPCA.fit, "rand": RandomConv.fit, "cls": lambda x: train_classifier(x, labels, 2)}
    found = fit[name](images)(images)
    assert len(found) == len(images)
    assert found.isfinite().all()


# Size


def test_shrinking_averages() -> None:
    images = noise_images(3, 3, 128)
    small = shrink(images, 32)
    expected = images.double().reshape(3, 3, 32, 4, 32, 4).mean((3, 5))
    assert small.dtype == torch.uint8
    assert_close(small.double(), expected, rtol=0, atol=0.5 + 1e-6)
    assert shrink(images, 128) is images


@pytest.mark.parametrize(
    ("side", "largest", "words"),
    [(28, 32, "none"), (32, 32, "none"), (64, 32, "averaged to 32 px"), (112, 64, "averaged to 56 px")],
)
def test_the_stamp_says_what_shrinking_did(side: int, largest: int, words: str) -> None:
    assert resized(side, largest) == words
    assert shrink(noise_images(1, 1, side), largest).shape[-1] == int(
        words.split()[2] if words != "none" else side
    )


@pytest.mark.parametrize("kind", [PixelPCA, RandomConv])
def test_large_pictures_and_shrunk_ones_are_alike(kind: type[PixelPCA] | type[RandomConv]) -> None:
    large = noise_images(20, 3, 128)
    small = shrink(large, kind.largest)
    space, other = kind.fit(large), kind.fit(small, side=128)
    assert (space.hash, space.resize) == (other.hash, other.resize)
    assert space.resize == f"averaged to {kind.largest} px"
    assert_close(space(large), other(small))  # blocks of another size may round another way


# Principal components


def spectrum(count: int, dims: int) -> Tensor:
    """Gaussian vectors whose variances fall off, as those of pictures do."""
    scales = torch.arange(1, dims + 1).double() ** -1.0
    return torch.randn(count, dims, dtype=torch.float64, generator=Generator().manual_seed(3)) * scales + 0.5


def by_svd(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """(d x k directions, N x k features of total variance 1)"""
    centred = x - x.mean(0)
    directions = torch.linalg.svd(centred, full_matrices=False).Vh[:k].T
    scores = centred @ directions
    return directions, scores / scores.var(0, correction=0).sum().sqrt()


@pytest.mark.parametrize(
    ("count", "dims", "k"), [(500, 100, 64), (90, 300, 64), (40, 300, 39), (500, 20, 20)]
)
def test_components_are_those_of_the_svd(count: int, dims: int, k: int) -> None:
    """By the covariance, by the Gram matrix, and with fewer of them than 64."""
    x = spectrum(count, dims)
    mean, components = principal_components(x)
    assert components.shape == (dims, k)
    found = (x - mean.double()) @ components.double()
    _, expected = by_svd(x, k)
    assert_close(found @ found.T, expected @ expected.T, rtol=1e-3, atol=1e-5)  # but for the signs


def test_components_of_large_matrices_are_nearly_those_of_the_svd(monkeypatch: pytest.MonkeyPatch) -> None:
    x = spectrum(600, 400)
    monkeypatch.setattr(features, "EXACT", 300)
    _, components = principal_components(x)
    directions, _ = by_svd(x, 64)
    centred = x - x.mean(0)
    basis = torch.linalg.qr(components.double()).Q
    best = (centred @ directions).square().sum()
    assert (centred @ basis).square().sum() > 0.999 * best
    assert_close((centred @ components.double()).var(0, correction=0).sum(), torch.tensor(1.0).double())


def test_the_mean_of_the_pictures_is_the_origin(digits: tuple[Tensor, Tensor]) -> None:
    space = PixelPCA.fit(digits[0])
    assert_close(space(digits[0]).mean(0), torch.zeros(64), rtol=0, atol=1e-4)
    assert_close(space.mean, to_signed(digits[0]).flatten(1).mean(0), rtol=1e-4, atol=1e-5)


# What each sees


def noisy(images: Tensor) -> Tensor:
    return to_uint8(to_signed(images) + 0.3 * torch.randn(images.shape, generator=Generator().manual_seed(5)))


def blurred(images: Tensor) -> Tensor:
    return to_uint8(F.avg_pool2d(F.pad(to_signed(images), (1, 1, 1, 1), mode="reflect"), 3, 1))


def flat(images: Tensor) -> Tensor:
    signed = to_signed(images)
    mean = signed.mean((1, 2, 3), keepdim=True)
    return to_uint8((signed - mean) * 0.5 + mean)


@pytest.mark.parametrize("alteration", [noisy, blurred, flat])
def test_random_convolutions_see_texture(
    alteration: Callable[[Tensor], Tensor], digits: tuple[Tensor, Tensor], spaces: dict[str, Space]
) -> None:
    real, other = digits[0][:700], digits[0][1000:1700]
    space = spaces["rand"]
    null = frechet_distance(space(real), space(other))
    altered = space(alteration(other))
    assert frechet_distance(space(real), altered) > 5 * null
    assert overlap(space(real), altered).coverage < 0.85


def test_the_pixels_are_blind_to_noise(digits: tuple[Tensor, Tensor], spaces: dict[str, Space]) -> None:
    """Why fd_pca64 is never asked alone: relative to what they see of real pictures, DOCTOR 2.1."""
    real, other = digits[0][:700], digits[0][1000:1700]

    def excess(space: Space) -> float:
        null = frechet_distance(space(real), space(other))
        return frechet_distance(space(real), space(noisy(other))) / null

    assert excess(spaces["pca64"]) < 0.5 * excess(spaces["rand"])


def test_every_space_sees_missing_classes(digits: tuple[Tensor, Tensor], spaces: dict[str, Space]) -> None:
    images, labels = digits
    real, others, theirs = images[:700], images[1000:], labels[1000:]
    half = others[theirs < 5]
    for space in spaces.values():
        null = frechet_distance(space(real), space(others[: len(half)]))
        assert frechet_distance(space(real), space(half)) > 3 * null


# The classifier


def test_the_classifier_knows_unseen_digits(digits: tuple[Tensor, Tensor], spaces: dict[str, Space]) -> None:
    classifier = spaces["cls"]
    assert isinstance(classifier, Classifier)
    labels, confidence = classifier.classify(classifier(digits[0][1000:]))
    assert labels.dtype == torch.int64
    assert ((confidence >= 0.1) & (confidence <= 1)).all()
    right = labels == digits[1][1000:]
    assert right.float().mean() > 0.9
    assert confidence[right].mean() > confidence[~right].mean()


def test_the_classifier_knows_unseen_clothes() -> None:
    try:
        clothes = sources.fashion_mnist()
    except GantrainError as error:
        pytest.skip(error.reason)
    assert clothes.labels is not None
    order = shuffled(0, clothes.count)
    images, labels = clothes.images[order], clothes.labels[order]
    classifier = train_classifier(images[:10_000], labels[:10_000], 10)
    predicted, _ = classifier.classify(classifier(images[10_000:14_000]))
    assert (predicted == labels[10_000:14_000]).float().mean() > 0.8
