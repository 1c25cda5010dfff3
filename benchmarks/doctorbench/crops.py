"""Colour pictures: crops of photographs that come with packages."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from gantrain.data.store import ImageSet, check_image_size
from gantrain.errors import GantrainError

SMALLEST, LARGEST = 1, 4  # side of a region, in units of the crop's
HEIGHT = 427  # of a photograph: scikit-learn's are as high, others are made so
SCALES = 16  # sizes between them, each as many times as large as the one before
SEED = 0  # the data are the same in every run


def crops(
    source: str = "scikit-learn", image_size: int = 32, count: int = 20_000, flip: bool = False
) -> ImageSet:
    """Square regions at random places of the photographs, in 16 sizes, averaged down to `image_size`.

    The photograph is averaged down as a whole and windows are cut from it: the same pictures as averaging
    every region by itself, in a hundredth of the time.

    source: the package of the photographs, one of SOURCES.

    Raises:
        GantrainError: no such source, or the package is not installed.
    """
    check_image_size(image_size)
    if source not in SOURCES:
        raise GantrainError("data.source", f"no such source: '{source}'", f"one of: {', '.join(SOURCES)}")
    originals = SOURCES[source]()
    random = torch.Generator().manual_seed(SEED)
    kinds = [
        (photograph, float(scale))
        for photograph in originals
        for scale in np.geomspace(SMALLEST, LARGEST, SCALES)
    ]
    chosen = torch.randint(len(kinds), (count,), generator=random)
    pictures = torch.empty((count, 3, image_size, image_size), dtype=torch.uint8)
    for number, (photograph, scale) in enumerate(kinds):
        rows = (chosen == number).nonzero().flatten()
        if not len(rows):
            continue
        pictures[rows] = windows(shrunk(photograph, scale), image_size, len(rows), random)
    return ImageSet("crops", pictures, flip=flip)


def of_scikit_learn() -> list[Tensor]:
    """A temple and a flower: uint8, 3 x 427 x 640."""
    from sklearn.datasets import load_sample_images  # takes a second: not on every look at the signature

    return [torch.from_numpy(image.copy()).permute(2, 0, 1) for image in load_sample_images().images]


def of_debian(folder: str, patterns: Iterable[str], packages: str) -> list[Tensor]:
    """Those of Debian's packages that match: uint8, 3 x 427 x W."""
    paths = sorted(path for pattern in patterns for path in Path("/usr/share", folder).glob(pattern))
    if not paths:
        raise GantrainError("data.source", "its package is not installed", f"apt-get install {packages}")
    return opened(paths)


def of_scikit_image() -> list[Tensor]:
    """An astronaut, a cat, a cup, a rocket, a motorcycle and tissue: uint8, 3 x 427 x W."""
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise GantrainError("data.source", "its package is not installed", "pip install scikit-image")
    folder = Path(package.origin).parent / "data"
    return opened(folder / name for name in SCENES)


def of_npm(variable: str, package: str, patterns: Iterable[str]) -> list[Tensor]:
    """Those of an unpacked npm package that match, wherever the environment says: uint8, 3 x 427 x W."""
    root = Path(os.environ.get(variable, ""), "package")
    paths = sorted(path for pattern in patterns for path in root.glob(pattern))
    if not paths:
        raise GantrainError(
            "data.source", f"{variable} names no folder of an unpacked {package}", f"npm pack {package}"
        )
    return opened(paths)


BACKGROUNDS = "backgrounds"
EXAMPLES = "doc/opencv-doc/examples"
PHOTOGRAPHS = (
    *("data/aero1.jpg", "data/aloeL.jpg", "data/apple.jpg", "data/baboon.jpg", "data/board.jpg"),
    *("data/building.jpg", "data/chicky_512.png", "data/fruits.jpg", "data/graf1.png", "data/leuvenA.jpg"),
    *("data/orange.jpg", "data/squirrel_cls.jpg", "text/scenetext0[1456].jpg"),
    "text/scenetext_segmented_word0[12].jpg",
)
WALLPAPERS = (
    *("Autumn", "BytheWater", "ColorfulCups", "EveningGlow"),
    *("FallenLeaf", "OneStandsOut", "Path", "SafeLanding"),
)
POSTCARDS = ("1", "14", "15", "4", "5", "54", "56", "6", "61", "67", "68", "69", "75", "77", "78", "8")
PAPER = (
    *("antoine-barres", "bruno-abatti", "daniel-olahh", "daniel-olahs", "fabio-mangione", "federico-beccari"),
    *("ilya-yakover", "joshua-stannard", "soroush-karimi", "uriel-soberanes", "faces/*-[23]"),
)
SCENES = ("astronaut.png", "chelsea.png", "coffee.png", "ihc.png", "motorcycle_left.png", "rocket.jpg")
SOURCES: Mapping[str, Callable[[], list[Tensor]]] = {
    "scikit-learn": of_scikit_learn,
    "mate-backgrounds": partial(of_debian, BACKGROUNDS, ["mate/nature/*.jpg"], "mate-backgrounds"),
    "lomiri-wallpapers": partial(
        of_debian, BACKGROUNDS, ["*_by_*.jpg"], "lomiri-wallpapers-16.04 lomiri-wallpapers-20.04"
    ),
    "opencv-doc": partial(of_debian, EXAMPLES, PHOTOGRAPHS, "opencv-doc"),
    "plasma-workspace-wallpapers": partial(
        of_debian,
        "wallpapers",
        [f"{name}/contents/images/{size}.jpg" for name in WALLPAPERS for size in ("2560x1600", "5120x2880")],
        "plasma-workspace-wallpapers",
    ),
    "palapeli-data": partial(of_debian, "palapeli/collection", ["*.jpg"], "palapeli-data"),
    "cimg-doc": partial(
        of_debian, "doc/cimg-dev/html/img", [f"postcard{name}.jpg" for name in POSTCARDS], "cimg-doc"
    ),
    "paper-kit-2": partial(
        of_npm, "GANTRAIN_PAPER", "paper-kit-2@2.1.0", [f"assets/img/{name}.jpg" for name in PAPER]
    ),
    "scikit-image": of_scikit_image,
}


def opened(paths: Iterable[Path]) -> list[Tensor]:
    """uint8, 3 x 427 x W each."""
    found = []
    for path in paths:
        with Image.open(path) as image:
            scaled = image.convert("RGB").resize((round(image.width * HEIGHT / image.height), HEIGHT))
        found.append(torch.from_numpy(np.array(scaled)).permute(2, 0, 1))
    return found


def shrunk(photograph: Tensor, scale: float) -> Tensor:
    """uint8 3 x H x W -> 3 x H/scale x W/scale."""
    size = [round(side / scale) for side in photograph.shape[1:]]
    return F.interpolate(photograph[None], size, mode="bilinear", antialias=True)[0]


def windows(photograph: Tensor, size: int, count: int, random: torch.Generator) -> Tensor:
    """`count` x 3 x size x size from anywhere: the livelier half of twice as many, for there is much sky."""
    _, height, width = photograph.shape
    rows = torch.randint(height - size + 1, (2 * count, 1, 1), generator=random)
    columns = torch.randint(width - size + 1, (2 * count, 1, 1), generator=random)
    axis = torch.arange(size)
    cut = photograph[:, rows + axis.view(1, -1, 1), columns + axis.view(1, 1, -1)].transpose(0, 1)
    contrast = cut.float().flatten(1).var(1, correction=0)
    return cut[contrast.topk(count).indices]
