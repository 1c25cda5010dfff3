"""gantrain inspect: what the data is, before a run is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gantrain import build, checks, files, pictures
from gantrain.compose import beside, composed
from gantrain.config import check_skeleton

PREVIEW = 64


def inspect(overrides: Sequence[str], out: Path | None = None, config_dir: str | None = None) -> None:
    """Prints count, size, channels, range, labels and broken files, and saves a grid of random pictures."""
    if out is not None:
        files.refuse_folder(out, "--out")
    cfg = composed([*overrides, *beside(config_dir)])
    check_skeleton(cfg)
    build.find_user_classes()
    checks.check_component(cfg, "data")
    images = build.load_data(cfg)
    print("\n".join(images.describe()))
    path = out or Path("outputs") / "inspect" / f"{images.name}.png"
    pictures.save(pictures.preview(images.images, PREVIEW, int(cfg.seed)), path)
    print(f"preview: {path}")
