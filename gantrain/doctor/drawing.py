"""What evidence is drawn with: tiles, captions, pages and charts, by PIL alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gantrain.pictures import to_image

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

PAPER, INK, FAINT, MARK = (250, 250, 247), (45, 45, 45), (215, 215, 210), (0, 150, 60)
REAL, FAKE = (0, 114, 178), (213, 94, 0)  # blue and vermilion: told apart by everybody (Okabe & Ito)
COLOURS = (FAKE, REAL, (0, 158, 115), (204, 121, 167))
HEAT = ((247, 247, 242), (253, 190, 120), (220, 60, 40), (70, 10, 50))  # none to most
GAP, LINE, SIZE = 10, 17, 12  # between things; height of a line of text, and of its letters
WIDE, HIGH = 560, 260  # of a chart's plane
LEFT, BELOW = 58, 24  # room for the numbers beside and below it
BEYOND = 30  # from this ratio of largest to smallest on, an axis is logarithmic


def sheet(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (width, height), PAPER)
    return image, ImageDraw.Draw(image)


def write(
    pen: ImageDraw.ImageDraw, x: float, y: float, text: str, colour: Colour = INK, anchor: str = "la"
) -> None:
    pen.text((x, y), text, fill=colour, font=ImageFont.load_default(SIZE), anchor=anchor)


def text_width(text: str) -> int:
    return math.ceil(ImageFont.load_default(SIZE).getlength(text))


def enlarged(picture: Tensor, side: int) -> Image.Image:
    """uint8 C x H x W by the whole factor that comes nearest to `side`; averaged down if it is larger."""
    image = to_image(picture).convert("RGB")
    if image.width > side:
        return image.resize((side, side), Image.Resampling.BOX)
    factor = max(1, round(side / image.width))
    return image.resize((image.width * factor,) * 2, Image.Resampling.NEAREST)


def captioned(image: Image.Image, *lines: str, colour: Colour = INK) -> Image.Image:
    """The picture with lines of text above it."""
    width = max(image.width, *(text_width(line) for line in lines))
    page, pen = sheet(width, image.height + LINE * len(lines) + 2)
    for number, line in enumerate(lines):
        write(pen, 0, LINE * number, line, colour)
    page.paste(image, (0, LINE * len(lines) + 2))
    return page


def arranged(tiles: Sequence[Image.Image], columns: int, gap: int = GAP) -> Image.Image:
    """Rows of tiles, each column as wide as its widest and each row as high as its highest."""
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    widths = [
        max(tile.width for tile in tiles[column::columns]) for column in range(min(columns, len(tiles)))
    ]
    heights = [max(tile.height for tile in row) for row in rows]
    page, _ = sheet(sum(widths) + gap * (len(widths) - 1), sum(heights) + gap * (len(rows) - 1))
    for y, row in enumerate(rows):
        for x, tile in enumerate(row):
            page.paste(tile, (sum(widths[:x]) + gap * x, sum(heights[:y]) + gap * y))
    return page


def page(title: str, body: Image.Image) -> Image.Image:
    titled = captioned(body, title, "")
    out, _ = sheet(titled.width + 2 * GAP, titled.height + 2 * GAP)
    out.paste(titled, (GAP, GAP))
    return out


def heat(values: Tensor) -> Tensor:
    """H x W in 0..1 -> uint8 3 x H x W, from paper to dark."""
    anchors = torch.tensor(HEAT, dtype=torch.float64)
    place = values.double().clamp(0, 1) * (len(HEAT) - 1)
    left = place.floor().long().clamp(max=len(HEAT) - 2)
    part = (place - left)[..., None]
    return torch.lerp(anchors[left], anchors[left + 1], part).round().to(torch.uint8).permute(2, 0, 1)


# ---- Charts ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Axis:
    """A range of values, its round numbers, and where in 0..1 a value lies."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def of(cls, values: Sequence[float]) -> Axis:
        low, high = min(values), max(values)
        if low > 0 and high / low > BEYOND:
            return cls(10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high)), log=True)
        low, high = min(low, 0.0), max(high, 0.0)  # lengths mean something only from zero on
        step = round_step((high - low) or 1.0)
        return cls(math.floor(low / step) * step, math.ceil(high / step) * step or step)

    def place(self, value: float) -> float:
        low, high, at = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return (at - low) / (high - low)

    @property
    def marks(self) -> list[float]:
        if self.log:
            first, last = round(math.log10(self.low)), round(math.log10(self.high))
            return [10.0**power for power in range(first, last + 1, -(-(last - first) // 6))]
        step = round_step(self.high - self.low)
        count = round((self.high - self.low) / step)
        return [round(self.low + step * number, 12) for number in range(count + 1)]


def round_step(span: float) -> float:
    """1, 2 or 5 times a power of ten: about five of them make up the span."""
    unit = 10.0 ** math.floor(math.log10(span / 5))
    return next(unit * k for k in (1, 2, 5, 10) if unit * k >= span / 5 * 0.999)


def plane(
    title: str, x_name: str, names: Mapping[str, Colour], y: Axis
) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty chart: title, names in their colours, horizontal lines with their numbers."""
    chart, pen = sheet(LEFT + WIDE + 2 * GAP, 2 * LINE + HIGH + BELOW + 2 * GAP + LINE)
    write(pen, GAP, GAP, title)
    x = LEFT
    for name, colour in names.items():
        write(pen, x, GAP + LINE, name, colour)
        x += text_width(name) + 2 * GAP
    for mark in y.marks:
        at = row_of(y, mark)
        pen.line((LEFT, at, LEFT + WIDE, at), fill=FAINT)
        write(pen, LEFT - 6, at, f"{mark:g}", anchor="rm")
    write(pen, LEFT + WIDE, 2 * LINE + HIGH + BELOW + GAP, x_name, anchor="ra")
    return chart, pen


def row_of(y: Axis, value: float) -> float:
    return 2 * LINE + GAP + HIGH * (1 - y.place(value))


def curves(title: str, x_name: str, series: Mapping[str, Points]) -> Image.Image | None:
    """Lines through (x, y); without two places there is no line to draw."""
    places = sorted({x for points in series.values() for x, _ in points})
    if len(places) < 2:
        return None
    y = Axis.of([value for points in series.values() for _, value in points])
    first, last = places[0], places[-1]
    colours = dict(zip(series, COLOURS, strict=False))
    chart, pen = plane(title, x_name, colours, y)

    def at(x: float, value: float) -> tuple[float, float]:
        return LEFT + WIDE * (x - first) / (last - first), row_of(y, value)

    for x in (first, (first + last) / 2, last):
        write(pen, at(x, y.low)[0], row_of(y, y.low) + 5, f"{x:g}", anchor="ma")
    for name, points in series.items():
        pen.line([at(*point) for point in points], fill=colours[name], width=2, joint="curve")
    return chart


def bars(
    title: str, groups: Sequence[str], series: Mapping[str, tuple[Colour, Sequence[float]]]
) -> Image.Image:
    """Bars side by side in each group, with their values above them."""
    y = Axis.of([0.0, *(value for _, values in series.values() for value in values)])
    chart, pen = plane(title, "", {name: colour for name, (colour, _) in series.items()}, y)
    room, wide = WIDE / len(groups), WIDE / len(groups) / (len(series) + 1)
    for number, (colour, values) in enumerate(series.values()):
        for group, value in enumerate(values):
            x = LEFT + room * group + wide * (number + 0.5)
            top, foot = sorted((row_of(y, value), row_of(y, 0)))
            pen.rectangle((x + 2, top, x + wide - 2, foot), fill=colour)
            write(pen, x + wide / 2, top - 2, f"{value:.3g}", colour, "mb")
    for group, name in enumerate(groups):
        write(pen, LEFT + room * (group + 0.5), row_of(y, y.low) + 5, name, anchor="ma")
    return chart
