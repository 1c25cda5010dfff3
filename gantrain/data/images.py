"""Folders of pictures: found, decoded once, in parallel, into uint8; what cannot be read is listed."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from tqdm import tqdm

Channels = Literal["auto", "grey", "rgb"]
Skipped = tuple[str, str]

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
# Named, because Pillow otherwise goes by content: PostScript called x.png would start Ghostscript.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF")
LEFT_BY_SYSTEMS = {"__MACOSX", "Thumbs.db"}
GREY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"}
BAR_FROM = 300
CHUNK = 16
MAX_THREADS = 16


@dataclass(frozen=True)
class Decoded:
    """What `decode` read of a list of files."""

    images: Tensor
    """uint8, N x C x S x S; N may be 0."""
    paths: tuple[Path, ...]
    """The N files that were read, in the given order."""
    skipped: tuple[Skipped, ...]


def find_pictures(root: Path) -> tuple[list[Path], list[Skipped]]:
    """All files below `root` that end like a picture, sorted, and what looks like one but cannot be.

    Hidden files and folders are passed over in silence. Links to folders are followed; a folder met twice
    (a link to a parent, say) is read once.
    """
    found: list[Path] = []
    skipped: list[Skipped] = []
    seen: set[str] = set()
    waiting, links = [root], list[Path]()
    while waiting or links:
        folder = (waiting or links).pop()  # links last: of a folder and a link to it, the folder is read
        real = os.path.realpath(folder)
        if real in seen:
            skipped.append((_name(folder, root), "leads to a folder that was already read"))
            continue
        seen.add(real)
        try:
            entries = [entry for entry in folder.iterdir() if not _is_hidden(entry.name)]
            folders = {entry for entry in entries if entry.is_dir()}
        except OSError as error:
            skipped.append((_name(folder, root), explain(error)))
            continue
        pictures = {entry for entry in entries if entry.suffix.lower() in ENDINGS}
        found.extend(pictures - folders)
        skipped.extend((_name(path, root), "is a folder") for path in pictures & folders)
        for path in sorted(folders - pictures):
            (links if path.is_symlink() else waiting).append(path)
    return sorted(found), sorted(skipped)


def decode(paths: Sequence[Path], root: Path, size: int, channels: Channels = "auto") -> Decoded:
    """Decode pictures to `size` x `size` pixels: transparent over white, EXIF rotation applied.

    The largest centred square is resampled to the size. `channels` "auto" gives one channel when every file
    has a grey mode, else three; a colour file counts as colour even if its channels are all equal. Broken
    files are left out and listed relative to `root`.
    """
    planes = 1 if channels == "grey" else 3
    pixels = np.empty((len(paths), planes, size, size), dtype=np.uint8)  # filled in place: no second copy

    def decode_into(index: int) -> tuple[bool, str]:
        try:
            pixels[index], grey = _decode_one(paths[index], size, planes)
        except Exception as error:  # the decoders raise nearly everything: SyntaxError, struct.error, ...
            return False, explain(error)
        return grey, ""

    bar = None if len(paths) >= BAR_FROM else True  # None: shown on a terminal only
    with _pil_silenced(), ThreadPool(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        results = pool.imap(decode_into, range(len(paths)), chunksize=CHUNK)
        outcomes = list(tqdm(results, "reading pictures", len(paths), unit="", disable=bar, leave=False))
    good = [index for index, (_, reason) in enumerate(outcomes) if not reason]
    images = torch.from_numpy(pixels if len(good) == len(paths) else pixels[good])
    if channels == "auto" and all(outcomes[index][0] for index in good):
        images = images[:, :1].contiguous()
    return Decoded(
        images,
        tuple(paths[index] for index in good),
        tuple((_name(paths[i], root), reason) for i, (_, reason) in enumerate(outcomes) if reason),
    )


def explain(error: Exception) -> str:
    """One short line on why a file could not be read."""
    if isinstance(error, UnidentifiedImageError):  # its own text repeats the whole path
        return "not a picture, or damaged at its start"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.splitlines()[0][:120]


def _decode_one(path: Path, size: int, planes: int) -> tuple[NDArray[np.uint8], bool]:
    """(planes x size x size pixels, whether the file is grey)."""
    if path.stat().st_size == 0:
        raise ValueError("empty file")
    with Image.open(path, formats=FORMATS) as opened:
        # a JPEG decodes at 1/2, 1/4 or 1/8 much faster; twice the size leaves the resampling its quality
        opened.draft(None, (2 * size, 2 * size))
        grey = opened.mode in GREY_MODES
        picture = _over_white(ImageOps.exif_transpose(opened))
    picture = picture.convert("L" if planes == 1 else "RGB")
    picture = ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture).reshape(size, size, planes).transpose(2, 0, 1), grey


def _over_white(picture: Image.Image) -> Image.Image:
    """8 bits and opaque, at full size: resampling before would bleed the colour of transparent pixels."""
    if picture.mode.startswith("I"):
        return _sixteen_bits(picture)
    if picture.mode == "F":
        raise ValueError("floating-point pixels have no known range; save it with 8 or 16 bits")
    if not picture.has_transparency_data:
        return picture
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


def _sixteen_bits(picture: Image.Image) -> Image.Image:
    """0..65535 -> 0..255 by 257 (Pillow's own conversion clips at 255).

    Mode "I" is 32 bits wide, yet older versions of Pillow open 16-bit PNGs with it.
    """
    values: NDArray[Any] = np.asarray(picture)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("32-bit pixels have no known range; save it with 8 or 16 bits")
    return Image.fromarray(np.rint(values / 257).astype(np.uint8))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in LEFT_BY_SYSTEMS


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


@contextmanager
def _pil_silenced() -> Iterator[None]:
    """Pillow warns and logs about files we list anyway. Around the threads, since filters are per process."""
    logger = logging.getLogger("PIL")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
