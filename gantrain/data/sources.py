"""The image sets of `configs/data`: each function's signature is the schema of its option's keys.

scikit-learn and torchvision are imported where they are used: they take seconds, and the signatures here are
read on every start to check the user's keys.
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gantrain.console import typed
from gantrain.data.files import DamagedError, Published, read_idx_pair
from gantrain.data.images import ENDINGS, Channels, Listing, find_pictures
from gantrain.data.kept import decoded_once
from gantrain.data.mapped import UnreadableError
from gantrain.data.store import ImageSet, check_image_size
from gantrain.errors import GantrainError
from gantrain.keys import ROOT
from gantrain.overrides import assigned

LABELLED: dict[str, bool | None] = {
    "digits": True,
    "fashion_mnist": True,
    "mnist": True,
    "cifar10": True,
    "celeba": False,
    "folder": None,
}
"""Whether a source has labels, known before its data is touched; None: only after looking."""

CUT = "of each picture the largest centred square, resized"
DIGIT_NAMES = tuple("0123456789")
FASHION_NAMES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

IDX_FILES = "train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz"
FASHION_MNIST = Published(
    "Fashion-MNIST",
    "FashionMNIST",
    IDX_FILES,
    below="FashionMNIST/raw",
    also_in=(Path("/usr/share/datasets/fashion-mnist"),),
    hint=" (Debian has it: apt install dataset-fashion-mnist)",
)
MNIST = Published("MNIST", "MNIST", IDX_FILES, below="MNIST/raw")
CIFAR10 = Published("CIFAR-10", "CIFAR10", "the folder cifar-10-batches-py (from cifar-10-python.tar.gz)")
CELEBA = Published("CelebA", "CelebA", "the folder img_align_celeba (from img_align_celeba.zip)")


def digits(image_size: int = 32, flip: bool = False) -> ImageSet:
    """1,797 handwritten digits, grey, 8 x 8 pixels enlarged smoothly; inside scikit-learn, so always there.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998 (the test part).
    """
    check_image_size(image_size)
    rows = torch.from_numpy(_read_digits())
    sixteenths, labels = rows[:, :-1].reshape(-1, 1, 8, 8), rows[:, -1].contiguous()
    grey = (sixteenths * (255 / 16)).round().to(torch.uint8)
    return ImageSet("digits", resize(grey, image_size), labels, DIGIT_NAMES, flip)


def fashion_mnist(root: str | None = None, image_size: int = 28, flip: bool = False) -> ImageSet:
    """60,000 pictures of clothes in 10 classes, grey, 28 x 28 pixels (the training part).

    Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST", arXiv:1708.07747.
    Raises GantrainError("data.root") when it is neither found nor downloadable.
    """
    return _idx_set("fashion_mnist", FASHION_MNIST, FASHION_NAMES, root, image_size, flip)


def mnist(root: str | None = None, image_size: int = 28, flip: bool = False) -> ImageSet:
    """60,000 handwritten digits, grey, 28 x 28 pixels (the training part).

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
    recognition", Proc. IEEE 86(11), 1998. Raises GantrainError("data.root") as `fashion_mnist` does.
    """
    return _idx_set("mnist", MNIST, DIGIT_NAMES, root, image_size, flip)


def cifar10(root: str | None = None, image_size: int = 32, flip: bool = False) -> ImageSet:
    """50,000 small photographs in 10 classes, RGB, 32 x 32 pixels (the training part).

    Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    Raises GantrainError("data.root") when it is neither found nor downloadable.
    """
    check_image_size(image_size)
    images, labels = CIFAR10.load(root, _read_cifar10)
    return ImageSet("cifar10", resize(images, image_size), labels, CIFAR10_NAMES, flip)


def celeba(root: str | None = None, image_size: int = 64, flip: bool = True) -> ImageSet:
    """202,599 aligned faces, RGB: all of img_align_celeba, its centred 178 x 178 pixels resized, unlabelled.

    Source: Z. Liu, P. Luo, X. Wang, X. Tang, "Deep Learning Face Attributes in the Wild", ICCV 2015.
    The download needs the package gdown. Raises GantrainError("data.root") when there are no pictures.
    """
    check_image_size(image_size)
    listing = CELEBA.load(root, _list_celeba)
    images = _decoded(listing, image_size, "rgb")  # of 178 x 218: the square is the usual 178 x 178
    return replace(images, name="celeba", labels=None, class_names=(), flip=flip)


def folder(
    root: str | None = None, image_size: int = 64, channels: Channels = "auto", flip: bool = False
) -> ImageSet:
    """Your own pictures: every picture below `root`, cut to its centred square and resized.

    If more than one first-level folder holds pictures, these folders are the classes, in sorted order, and
    pictures lying beside them are skipped. `channels` "auto" gives grey when every file has a grey mode, else
    RGB. They are decoded once, into the user's cache, where later starts find them.
    Raises GantrainError("data.root") when there is no such folder or nothing in it can be read.
    """
    check_image_size(image_size)
    return replace(_decoded(_pictures_in(root), image_size, channels), flip=flip, made=CUT)


def unlabelled(root: str, image_size: int, channels: Channels) -> ImageSet:
    """As `folder`, whatever its folders are called: no classes, and nothing skipped for having none."""
    return _decoded(_pictures_in(root), image_size, channels, by_folder=False)


def resize(images: Tensor, size: int) -> Tensor:
    """uint8 N x C x H x H -> N x C x size x size, bicubic with antialiasing; untouched at its own size."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, (size, size), mode="bicubic", antialias=True)


def _read_digits() -> NDArray[np.int64]:
    """1797 x 65: 64 pixels of 0..16 and the label.

    Straight from scikit-learn's file: importing the package takes a second.
    """
    package = find_spec("sklearn")
    assert package is not None, "a dependency of gantrain"
    assert package.submodule_search_locations, "a package, not a module"
    path = Path(package.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    if path.is_file():
        return np.loadtxt(path, delimiter=",", dtype=np.int64)
    from sklearn.datasets import load_digits  # of a later version, which keeps it elsewhere

    found = load_digits()
    return np.column_stack([found.data, found.target]).astype(np.int64)


def _idx_set(
    name: str, published: Published, names: tuple[str, ...], root: str | None, image_size: int, flip: bool
) -> ImageSet:
    check_image_size(image_size)
    images, labels = published.load(root, lambda place: read_idx_pair(place, published.torchvision_class))
    return ImageSet(name, resize(images[:, None], image_size), labels, names, flip)


def _read_cifar10(place: Path) -> tuple[Tensor, Tensor] | None:
    """uint8 N x 3 x 32 x 32 and int64 N, from the folder of batches or the folder above it."""
    batches = "cifar-10-batches-py"
    above = place.absolute().parent if place.name == batches else place
    if not (above / batches / "data_batch_1").is_file():
        return None
    from torchvision import datasets

    try:
        found = datasets.CIFAR10(str(above))  # compares the files with their published MD5 before unpickling
    except RuntimeError as error:
        raise DamagedError(f"{above / batches} is incomplete or damaged") from error
    return torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(found.targets)


CELEBA_COUNT = 202_599


def _list_celeba(place: Path) -> Listing | None:
    pictures = "img_align_celeba"
    candidates = (place / pictures, place / "celeba" / pictures, place if place.name == pictures else None)
    home = next((found for found in candidates if found and found.is_dir()), None)
    listing = find_pictures(home) if home else None
    if home and listing and len(listing) < CELEBA_COUNT and (home.parent / f"{pictures}.zip").is_file():
        there = f"{len(listing):,} of the {CELEBA_COUNT:,} pictures of the archive beside it"
        raise DamagedError(f"{home} holds {there}: still being unpacked, or to be deleted and unpacked anew")
    return listing if listing and listing.files else None


def _pictures_in(root: str | None) -> Listing:
    place = _existing_folder(root)
    listing = find_pictures(place)
    if listing.files:
        return listing
    looked_for = f"looked for {' '.join(ENDINGS)} (also in capitals)"
    raise GantrainError("data.root", f"no pictures in {place} or below it", looked_for)


def _decoded(listing: Listing, image_size: int, channels: Channels, by_folder: bool = True) -> ImageSet:
    try:
        return decoded_once(listing, image_size, channels, by_folder)
    except UnreadableError as error:
        shown = "; ".join(f"{path} ({reason})" for path, reason in error.skipped[:3])
        raise GantrainError("data.root", str(error), shown) from error


def _existing_folder(root: str | None) -> Path:
    if not root:
        raise GantrainError(
            "data.root",
            "data=folder needs the folder of your pictures",
            "data.root=photos, if that is its name",
        )
    place = Path(root).expanduser()
    if place.is_dir():
        return place
    if place.exists():
        reason = f"{place} is a file; the folder that holds the pictures is needed"
        raise GantrainError("data.root", reason, typed(assigned(ROOT, str(place.parent))))
    siblings = (
        [path.name for path in place.parent.iterdir() if path.is_dir()] if place.parent.is_dir() else []
    )
    close = difflib.get_close_matches(place.name, siblings, n=1)
    remedy = (
        f"did you mean {typed(assigned(ROOT, str(place.parent / close[0])))}?"
        if close
        else "name one that exists"
    )
    raise GantrainError("data.root", f"there is no folder {place}", remedy)
