"""Per claim one picture: what each option drew at last, side by side."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from benchmarks.findings.claims import Claim, Part
from gantrain import files
from gantrain.pictures import columns_for
from gantrain.sizes import GRID_LINE

LARGEST = 120_000  # bytes
SHAPES = ((4, 4), (4, 3), (4, 2), (3, 2), (2, 2))  # columns and rows of pictures of each option, best first
SAMPLES = 64  # in a run's own grid (tracking.samples)
ENLARGED = 3
GAP, TEXT, HEADING = 12, 18, 22  # pixels

Cell = tuple[str, Image.Image | None]


def sheet(claim: Claim, home: Path) -> bytes | None:
    """PNG of the pictures of each option's first seed; None if no run has any.

    As many pictures of each as fit into 120 kB.
    """
    png = None
    for shape in SHAPES:
        rows = [(part.name, cells(part, home, shape)) for part in claim.parts]
        if not any(picture for _, row in rows for _, picture in row):
            return None
        png = encoded(arranged(rows))
        if len(png) < LARGEST:
            break
    return png


def cells(part: Part, home: Path, shape: tuple[int, int]) -> list[Cell]:
    return [(option, last_samples(home / runs[0].name, shape)) for option, runs in part.runs.items()]


def last_samples(run: Path, shape: tuple[int, int]) -> Image.Image | None:
    """The upper left corner of the newest grid, enlarged without smoothing."""
    grids = files.numbered(run / files.SAMPLES, "png")
    if not grids:
        return None
    with Image.open(grids[-1].with_name(files.REAL)) as real:  # a grid of classes has columns of its own
        tile = (real.width - GRID_LINE) // columns_for(SAMPLES)
    with Image.open(grids[-1]) as grid:
        columns, rows = shape
        corner = grid.crop((0, 0, columns * tile + GRID_LINE, rows * tile + GRID_LINE))
    return corner.resize((ENLARGED * corner.width, ENLARGED * corner.height), Image.Resampling.NEAREST)


def arranged(rows: list[tuple[str, list[Cell]]]) -> Image.Image:
    """One row a part, under its name, the options' names above their pictures."""
    pictures = [picture for _, row in rows for _, picture in row if picture]
    mode = "L" if all(picture.mode == "L" for picture in pictures) else "RGB"
    width, heading = max(picture.width for picture in pictures), HEADING if len(rows) > 1 else 0
    heights = [max((p.height for _, p in row if p), default=0) for _, row in rows]
    columns = max(len(row) for _, row in rows)
    size = (
        columns * (width + GAP) + GAP,
        sum(heading + HEADING + height + GAP for height in heights) + GAP,
    )
    canvas = Image.new(mode, size, "white")
    write, y = ImageDraw.Draw(canvas), GAP
    font = ImageFont.load_default(TEXT)
    for (name, row), height in zip(rows, heights, strict=True):
        if heading:
            write.text((GAP, y - GAP / 2), name, fill="black", font=font)
        y += heading
        for column, (option, picture) in enumerate(row):
            x = GAP + column * (width + GAP)
            write.text((x, y - GAP / 2), option, fill="black", font=font)
            if picture:
                canvas.paste(picture, (x, y + HEADING))
        y += HEADING + height + GAP
    return canvas


def encoded(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
