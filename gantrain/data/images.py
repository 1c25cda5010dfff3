"""Folders of pictures: found, and decoded in parallel into uint8; what cannot be read is listed."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import warnings
from collections import Counter, deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

Channels = Literal["auto", "grey", "rgb"]
Pixels = NDArray[np.uint8]
Skipped = tuple[str, str]

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
# Named, because Pillow otherwise goes by content: PostScript called x.png would start Ghostscript.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF")
LEFT_BY_SYSTEMS = {"__MACOSX", "Thumbs.db"}
OUTPUTS = "outputs"  # in the current directory: configs/train.yaml
GREY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"}
BITS_PER_SAMPLE = 258  # TIFF's tag
BAR_FROM = 300
CHUNK = 8
CHUNKS_AHEAD = 2  # for each thread
MAX_THREADS = 16
PROBED_FILES = 32  # of a folder, looked into to tell it from one with the same names, sizes and times
PROBED_BYTES = 2**16  # of each


class Decoded(NamedTuple):
    """A picture."""

    pixels: Pixels
    """C x S x S"""
    grey: bool
    """Whether the file has a grey mode."""


class Unread(NamedTuple):
    """A file that could not be read."""

    reason: str
    unreached: bool
    """The disk or the network was at fault, not what is in the file: another time it may be read."""


@dataclass(frozen=True)
class Listing:
    """The pictures below `root`, and what looks like one but cannot be."""

    root: Path
    files: list[str]
    """Of each the parts of its path below `root`, its bytes and its time of change, all joined by \\0.

    Sorted, which then goes folder by folder. One short string a picture: there may be millions.
    """
    skipped: list[Skipped]
    others: tuple[tuple[str, int], ...] = ()
    """(ending, how many) of the files that do not end like a picture, most first; "" of those without."""
    probe: str = ""
    """A hash of what some of the files begin with."""

    def __len__(self) -> int:
        return len(self.files)

    def names(self) -> Iterator[str]:
        """The paths below `root`, with / between folders."""
        return ("/".join(file.split("\0")[:-2]) for file in self.files)

    def digest(self, preprocessing: str) -> str:
        """Names these pictures under this preprocessing, wherever `root` lies: 32 characters.

        Names, sizes, times, and what some files begin with: archives are unpacked with equal times, and
        uncompressed pictures of one size have files of one size.
        """
        made = hashlib.blake2b(f"{preprocessing}\n{self.probe}".encode(), digest_size=16)
        for file in self.files:
            made.update(file.encode(errors="surrogatepass") + b"\n")  # a name need not be valid Unicode
        return made.hexdigest()


def reads(root: Path, folder: Path) -> bool:
    """Whether `find_pictures(root)` looks into `folder`, which need not be there yet."""
    top, place, own = (Path(os.path.realpath(path)) for path in (root, folder, OUTPUTS))
    is_own = top in own.parents and place.is_relative_to(own)
    hidden = place.is_relative_to(top) and any(part.startswith(".") for part in place.relative_to(top).parts)
    return place.is_relative_to(top) and not (is_own or hidden)


def find_pictures(root: Path) -> Listing:
    """All files below `root` that end like a picture; the others are counted by their endings.

    Hidden files and folders are passed over in silence. Links to folders are followed; a folder met twice
    (a link to a parent, say) is read once. Folders that cannot be read are listed with the reason, and so is
    the one that commands write to, where they are given among the pictures.
    """
    own = os.path.realpath(OUTPUTS)
    files: list[str] = []
    skipped: list[Skipped] = []
    others: Counter[str] = Counter()
    seen: set[str] = set()
    waiting, links = [""], list[str]()  # paths below root, each with a / behind
    while waiting or links:
        folder = (waiting or links).pop()  # links last: of a folder and a link to it, the folder is read
        real = os.path.realpath(os.path.join(root, folder))
        if real in seen:
            skipped.append((folder[:-1], "leads to a folder that was already read"))
            continue
        seen.add(real)
        if folder and real == own:
            skipped.append((folder[:-1], "is where gantrain writes"))
            continue
        parts = folder.replace("/", "\0")
        folders, linked = list[str](), list[str]()
        try:
            for entry in _visible(os.path.join(root, folder)):
                ending = os.path.splitext(entry.name)[1].lower()
                is_picture = ending in ENDINGS
                if not _is_folder(entry):
                    files.extend([f"{parts}{entry.name}\0{_version(entry)}"] if is_picture else ())
                    others.update(() if is_picture else [ending])
                elif is_picture:
                    skipped.append((folder + entry.name, "is a folder"))
                else:
                    (linked if entry.is_symlink() else folders).append(f"{folder}{entry.name}/")
        except OSError as error:
            skipped.append((folder[:-1] or ".", explain(error)))
        waiting += sorted(folders)
        links += sorted(linked)
    found = Listing(root, sorted(files), sorted(skipped), tuple(others.most_common()))
    return replace(found, probe=_probe(found))


def _probe(listing: Listing) -> str:
    """Of files evenly spaced, while they are listed: one that is out of reach later changes nothing."""
    made = hashlib.blake2b(digest_size=16)
    for name in islice(listing.names(), 0, None, -(-len(listing) // PROBED_FILES) or 1):
        with suppress(OSError), open(listing.root / name, "rb") as some:
            made.update(some.read(PROBED_BYTES))
    return made.hexdigest()


def decode(listing: Listing, size: int, channels: int) -> Generator[Decoded | Unread, None, None]:
    """What becomes of each file, in the listing's order.

    Transparent parts lie over white, EXIF rotation is applied, and the largest centred square is resampled to
    `size` x `size` pixels with 1 or 3 `channels`. However slowly they are taken, only a few are decoded
    ahead. Close the iterator (contextlib.closing) to stop before its end.
    """

    def decode_chunk(names: list[str]) -> list[Decoded | Unread]:
        return [_outcome(os.path.join(listing.root, name), size, channels) for name in names]

    names = listing.names()
    threads = min(MAX_THREADS, os.cpu_count() or 1)
    bar = None if len(listing) >= BAR_FROM else True  # None: shown on a terminal only
    progress = tqdm(desc="reading pictures", total=len(listing), unit="", disable=bar, leave=False)
    waiting: deque[Future[list[Decoded | Unread]]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        with _pil_silenced(), progress:
            while (chunk := list(islice(names, CHUNK))) or waiting:
                if chunk:
                    waiting.append(pool.submit(decode_chunk, chunk))
                if not chunk or len(waiting) > CHUNKS_AHEAD * threads:
                    outcomes = waiting.popleft().result()
                    yield from outcomes
                    progress.update(len(outcomes))
    finally:
        pool.shutdown(cancel_futures=True)


def explain(error: Exception) -> str:
    """One short line on why a file could not be read."""
    if isinstance(error, UnidentifiedImageError):  # its own text repeats the whole path
        return "not a picture, or damaged at its start"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.splitlines()[0][:120]


def _outcome(path: str, size: int, channels: int) -> Decoded | Unread:
    try:
        return _decode_one(path, size, channels)
    except Exception as error:  # the decoders raise nearly everything: SyntaxError, struct.error, ...
        number = getattr(error, "errno", None)  # Pillow's own OSErrors have none
        return Unread(
            explain(error), unreached=number not in (None, errno.EINVAL)
        )  # that: a torn TIFF's seek


def _decode_one(path: str, size: int, channels: int) -> Decoded:
    if os.stat(path).st_size == 0:
        raise ValueError("empty file")
    with Image.open(path, formats=FORMATS) as opened:
        # a JPEG decodes at 1/2, 1/4 or 1/8 much faster; twice the size leaves the resampling its quality
        opened.draft(None, (2 * size, 2 * size))
        grey = opened.mode in GREY_MODES
        opened.load()
        with suppress(Exception):  # metadata that cannot be read is no reason to leave a picture out
            ImageOps.exif_transpose(opened, in_place=True)
        picture = _over_white(opened)
        mode = "L" if channels == 1 else "RGB"
        picture = picture if picture.mode == mode else picture.convert(mode)
        picture = ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
    pixels = np.asarray(picture).reshape(size, size, channels).transpose(2, 0, 1)
    return Decoded(np.ascontiguousarray(pixels), grey)


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
    """0..65535 -> 0..255 by 257 (Pillow's own conversion clips at 255); a TIFF may have 12 bits, 0..4095.

    Mode "I" is 32 bits wide, yet older versions of Pillow open 16-bit PNGs with it.
    """
    bits = min(16, getattr(picture, "tag_v2", {}).get(BITS_PER_SAMPLE, (16,))[0])
    values: NDArray[Any] = np.asarray(picture)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("32-bit pixels have no known range; save it with 8 or 16 bits")
    return Image.fromarray(np.rint(values * (255 / (2**bits - 1))).astype(np.uint8))


def _visible(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from (e for e in entries if not e.name.startswith(".") and e.name not in LEFT_BY_SYSTEMS)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in circles, say: decoding it tells
        return False


def _version(entry: os.DirEntry[str]) -> str:
    """Bytes and time of change in ns; both empty if the file cannot be reached."""
    try:
        found = entry.stat()
    except OSError:
        return "\0"
    return f"{found.st_size}\0{found.st_mtime_ns}"


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
