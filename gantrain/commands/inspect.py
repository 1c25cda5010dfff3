"""gantrain inspect: what the data is, before a run is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from gantrain import build, checks, files, pictures
from gantrain.compose import beside, composed
from gantrain.config import check_skeleton, refuse
from gantrain.data.store import ImageSet
from gantrain.doctor.rules.facts import FEW_OF_A_CLASS
from gantrain.doctor.rules.lints import GD005E
from gantrain.errors import GantrainError
from gantrain.keys import command_line

PREVIEW = 64
FAINTEST = 8  # of 255: between the darkest and the brightest value of a picture that shows something
WHITE = 255
MOST_LOOKED_AT, BLOCK = 10_000, 256


def inspect(overrides: Sequence[str], out: Path | None = None, config_dir: str | None = None) -> None:
    """Prints count, size, channels, range, labels and broken files, and saves a grid of random pictures."""
    if out is not None:
        files.refuse_folder(out, "--out")
    cfg = composed([*overrides, *beside(config_dir)])
    check_skeleton(cfg)
    checks.check_component(cfg, "data")
    images = build.load_data(cfg)
    print("\n".join([*images.describe(), *_blank(images)]))
    path = out or Path("outputs") / "inspect" / f"{images.name}.png"
    pictures.save(pictures.preview(images.images, PREVIEW, int(cfg.seed)), path)
    print(f"preview: {path}")
    print(outlook(cfg, images, command_line(overrides, config_dir)))


def _blank(images: ImageSet) -> list[str]:
    """How many pictures show next to nothing, of as many as are looked at; why, where some are white."""
    step = -(-images.count // MOST_LOOKED_AT)
    seen, blank, white = 0, 0, 0
    for start in range(0, images.count, BLOCK * step):
        low, high = images.images[start : start + BLOCK * step : step].flatten(2).aminmax(dim=2)
        empty = (high - low).amax(1) < FAINTEST  # in the channel that has most contrast
        bright = low.amin(1) > WHITE - FAINTEST
        seen, blank, white = seen + len(empty), blank + int(empty.sum()), white + int((empty & bright).sum())
    many = "1 picture" if blank == 1 else f"{blank} pictures"
    of = f" of {seen:,} looked at" if step > 1 else ""
    why = f" ({white} white: transparent parts lie over white, where white ones vanish)" if white else ""
    return [f"blank: {many}{of} of a single colour{why}"] if blank else []


def outlook(cfg: DictConfig, images: ImageSet, command: str) -> str:
    """What to type next, and what a run would need besides."""
    facts = checks.facts_of_data(build.DataFacts.of(images))
    try:
        refuse({"batch_size": cfg.train.batch_size, "conditional": cfg.condition.kind == "class"} | facts)
    except GantrainError as error:
        if "=" not in error.remedy or f"{error.key}=" in command:
            return f"next: {error.remedy}; {error.reason}"
        return f"next: {command} {error.remedy}\n  {error.reason}"
    by_class = images.num_classes > 1 and cfg.condition.kind == "none" and "condition=" not in command
    more = "\n  with condition=class beside it one can say which class to draw" if by_class else ""
    if more and images.count < FEW_OF_A_CLASS * images.num_classes:
        more += "; with so few pictures of each they may vary less"
    if facts["count"] < GD005E.params["pictures_min"]:
        more += f"\n  {facts['count']} pictures to train on are few: D may come to know them by heart;"
        more += "\n  more of them help most, and augment=diffaug in a long run"
    return f"next: {command}{more}"
