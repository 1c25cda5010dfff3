"""The image sets of `configs/data`: each function's signature is the schema of its option's keys.

scikit-learn and torchvision are imported where they are used: they take seconds, and the signatures here are
read on every start to check the user's keys.
"""

from __future__ import annotations

import difflib
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from gantrain.data.files import DamagedError, Published, read_idx_pair
from gantrain.data.images import ENDINGS, Channels, Decoded, Skipped, decode, find_pictures
from gantrain.data.store import ImageSet, check_image_size
from gantrain.errors import GantrainError

LABELLED: dict[str, bool | None] = {
    "digits": True,
    "fashion_mnist": True,
    "mnist": True,
    "cifar10": True,
    "celeba": False,
    "folder": None,
}
"""Whether a source has labels, known before its data is touched; None: only after looking."""

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
    also_in=(Path("/usr/share/datasets/fashion-mnist"),),
    hint=" (Debian has it: apt install dataset-fashion-mnist)",
)
MNIST = Published("MNIST", "MNIST", IDX_FILES)
CIFAR10 = Published("CIFAR-10", "CIFAR10", "the folder cifar-10-batches-py (from cifar-10-python.tar.gz)")
CELEBA = Published("CelebA", "CelebA", "the folder img_align_celeba (from img_align_celeba.zip)")


def digits(image_size: int = 32, flip: bool = False) -> ImageSet:
    """1,797 handwritten digits, grey, 8 x 8 pixels enlarged smoothly; inside scikit-learn, so always there.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998 (the test part).
    """
    check_image_size(image_size)
    from sklearn.datasets import load_digits

    found = load_digits()
    grey = torch.from_numpy(found.images * (255 / 16)).round().to(torch.uint8)  # 0..16 in the source
    labels = torch.from_numpy(found.target).long()
    return ImageSet("digits", resize(grey[:, None], image_size), labels, DIGIT_NAMES, flip)


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
    found = CELEBA.load(root, lambda place: _read_celeba(place, image_size))
    return ImageSet("celeba", found.images, flip=flip, skipped=found.skipped)


def folder(
    root: str | None = None, image_size: int = 64, channels: Channels = "auto", flip: bool = False
) -> ImageSet:
    """Your own pictures: every picture below `root`, cut to its centred square and resized.

    If more than one first-level folder holds pictures, these folders are the classes, in sorted order, and
    pictures lying beside them are skipped. `channels` "auto" gives grey when every file has a grey mode, else
    RGB. Raises GantrainError("data.root") when there is no such folder or nothing in it can be read.
    """
    check_image_size(image_size)
    place = _existing_folder(root)
    paths, unusable = find_pictures(place)
    if not paths:
        raise GantrainError(
            "data.root",
            f"no pictures in {place} or below it",
            f"looked for {' '.join(ENDINGS)} (also in capitals)",
        )
    read = decode(paths, place, image_size, channels)
    if not read.paths:
        shown = "; ".join(f"{path} ({reason})" for path, reason in read.skipped[:3])
        raise GantrainError("data.root", f"none of the {len(paths)} pictures in {place} can be read", shown)
    images, labels, names, strays = _first_level_labels(read, place)
    skipped = tuple(sorted([*unusable, *read.skipped, *strays]))
    return ImageSet(place.resolve().name or "folder", images, labels, names, flip, skipped)


def resize(images: Tensor, size: int) -> Tensor:
    """uint8 N x C x H x H -> N x C x size x size, bicubic with antialiasing; untouched at its own size."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, (size, size), mode="bicubic", antialias=True)


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


def _read_celeba(place: Path, image_size: int) -> Decoded | None:
    pictures = "img_align_celeba"
    candidates = (place / pictures, place / "celeba" / pictures, place if place.name == pictures else None)
    home = next((found for found in candidates if found and found.is_dir()), None)
    paths = find_pictures(home)[0] if home else []
    if home is None or not paths:
        return None
    read = decode(paths, home, image_size, "rgb")  # 178 x 218: the square is the usual 178 x 178
    if not read.paths:
        raise DamagedError(f"none of the {len(paths)} pictures in {home} can be read")
    return read


def _existing_folder(root: str | None) -> Path:
    if not root:
        raise GantrainError("data.root", "data=folder needs the folder of your pictures", "data.root=DIR")
    place = Path(root).expanduser()
    if place.is_dir():
        return place
    if place.exists():
        reason = f"{place} is a file; the folder that holds the pictures is needed"
        raise GantrainError("data.root", reason, f"data.root={place.parent}")
    siblings = (
        [path.name for path in place.parent.iterdir() if path.is_dir()] if place.parent.is_dir() else []
    )
    close = difflib.get_close_matches(place.name, siblings, n=1)
    remedy = f"did you mean data.root={place.parent / close[0]}?" if close else "data.root=DIR"
    raise GantrainError("data.root", f"there is no folder {place}", remedy)


def _first_level_labels(
    read: Decoded, root: Path
) -> tuple[Tensor, Tensor | None, tuple[str, ...], list[Skipped]]:
    """Images, labels, class names, and the pictures beside the class folders, which have no class."""
    parts = [path.relative_to(root).parts for path in read.paths]
    names = tuple(sorted({first for first, *below in parts if below}))
    if len(names) < 2:
        return read.images, None, (), []
    strays = [(at[0], "lies beside the class folders, so it has no class") for at in parts if len(at) == 1]
    inside = [index for index, at in enumerate(parts) if len(at) > 1]
    labels = torch.tensor([names.index(parts[index][0]) for index in inside])
    return (read.images[inside] if strays else read.images), labels, names, strays
