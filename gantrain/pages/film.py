"""Pictures through training time, small enough to travel inside a page. Pillow only; no torch here."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from gantrain.pages.records import Record
from gantrain.sizes import GRID_LINE

MOMENTS = 10  # positions of the slider, at most
BUDGET = 5_000_000  # bytes of all grids of a page together
LEAST = 6_000  # bytes that a grid may have, however many there are
QUALITIES = (85, 50)  # of WebP, best first
LONGEST = 16_383  # pixels of a side that WebP can hold
FEWEST = 3  # tiles in a row that are kept of a grid that is too large
REDUCED, NARROWEST = 0.85, 300  # the least by which a picture is made smaller; the width an exhibit keeps

Shrink = Callable[[Image.Image, float], Image.Image | None]
"""A picture and the share of its sides that would do -> a smaller one; None: it stays as it is."""


@dataclass(frozen=True)
class Frame:
    """One grid. `step`: when it was drawn; `uri`: for an <img>, in `width` x `height` pixels."""

    step: int
    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Film:
    """moments: steps. frames: name of a run -> its grid at each moment, the last one drawn by then.

    reals: name of a data set -> its pictures; those of another one under the same name bear a run's.
    """

    moments: tuple[int, ...]
    frames: dict[str, list[Frame | None]]
    reals: dict[str, Frame]


def film_of(records: Sequence[Record], budget: int = BUDGET) -> Film:
    moments = chosen_moments(step for record in records for step in record.grids)
    wanted = {
        (record.name, step) for record in records for m in moments if (step := _by(record, m)) is not None
    }
    each = max(LEAST, budget // max(1, len(wanted) + 1))
    made = {
        (record.name, step): frame_of(record.grids[step], step, each, _tile(record))
        for record in records
        for step in record.grids
        if (record.name, step) in wanted
    }
    frames = {
        record.name: [
            made.get((record.name, step)) if (step := _by(record, m)) is not None else None for m in moments
        ]
        for record in records
    }
    return Film(moments, frames, _reals(records, each))


def _reals(records: Sequence[Record], most: int) -> dict[str, Frame]:
    found: dict[str, Frame] = {}
    seen: set[bytes] = set()
    for record in records:
        pictures = record.real.read_bytes() if record.real else b""
        if pictures in seen or record.real is None:
            continue
        name = str(record.choices.get("data", "data"))
        if frame := frame_of(record.real, 0, most, _tile(record)):
            found[f"{name} of {record.name}" if name in found else name] = frame
            seen.add(pictures)
    return found


def chosen_moments(steps: Iterable[int], most: int = MOMENTS) -> tuple[int, ...]:
    """As many, evenly, first and last among them."""
    known = sorted(set(steps))
    if len(known) <= most:
        return tuple(known)
    return tuple(known[round(n * (len(known) - 1) / (most - 1))] for n in range(most))


def _by(record: Record, moment: int) -> int | None:
    """The step of the run's last grid by then."""
    return max((step for step in record.grids if step <= moment), default=None)


def _tile(record: Record) -> int:
    """Pixels from one tile of the run's grids to the next."""
    return int(record.config.get("facts.image_size") or 0) + GRID_LINE


def frame_of(path: Path, step: int, most: int, tile: int) -> Frame | None:
    """The grid as WebP of at most `most` bytes, if need be only its upper left part; None: not a picture.

    Pixels are kept as they are: a grid made smaller would hide the patterns it should show. Only where three
    pictures in a row are too many bytes is it made smaller all the same.
    """

    def cut(image: Image.Image, share: float) -> Image.Image | None:
        tiles = [side // tile if tile > GRID_LINE else 0 for side in image.size]
        kept = [min(count, max(FEWEST, int(count * share))) for count in tiles]
        if kept == tiles:
            return _reduced(image, share)
        width, height = (count * tile + GRID_LINE for count in kept)
        return image.crop((0, 0, min(image.width, width), min(image.height, height)))

    return _within(most, path, step, cut)


def exhibit_of(path: Path, most: int) -> Frame | None:
    """The picture that shows a finding, if need be smaller: it is drawn large, with words."""

    def reduced(image: Image.Image, share: float) -> Image.Image | None:
        return _reduced(image, max(share, NARROWEST / image.width)) if image.width > NARROWEST else None

    return _within(most, path, 0, reduced)


def _reduced(image: Image.Image, share: float) -> Image.Image:
    width, height = (max(1, round(share * side)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _within(most: int, path: Path, step: int, shrink: Shrink) -> Frame | None:
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB") if opened.mode not in ("L", "RGB") else opened.copy()
    except OSError:
        return None
    if max(image.size) > LONGEST:
        image = shrink(image, LONGEST / max(image.size)) or _reduced(image, LONGEST / max(image.size))
    while True:
        for quality in QUALITIES:
            data = _webp(image, quality)
            if len(data) <= most:
                return _frame(image, step, data)
        less = shrink(image, min(REDUCED, (most / len(data)) ** 0.5))
        if less is None:
            return _frame(image, step, data)
        image = less


def _webp(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=quality, method=4)
    return out.getvalue()


def _frame(image: Image.Image, step: int, data: bytes) -> Frame:
    uri = f"data:image/webp;base64,{base64.b64encode(data).decode('ascii')}"
    return Frame(step, uri, image.width, image.height)
