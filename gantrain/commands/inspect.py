"""gantrain inspect: what the data is, before a run is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from gantrain import build, checks, pictures
from gantrain.compose import beside, composed
from gantrain.config import check_skeleton

PREVIEW = 64


def inspect(overrides: Sequence[str], out: Path | None = None, config_dir: str | None = None) -> None:
    """Prints count, size, channels, range, labels and broken files, and saves a grid of random pictures."""
    cfg = composed([*overrides, *beside(config_dir)])
    check_skeleton(cfg)
    build.find_user_classes()
    checks.check_component(cfg, "data")
    images = build.load_data(cfg)
    print("\n".join(images.describe()))
    order = torch.randperm(images.count, generator=torch.Generator().manual_seed(int(cfg.seed)))[:PREVIEW]
    path = out or Path("outputs") / "inspect" / f"{images.name}.png"
    pictures.save(pictures.grid(images.images[order], pictures.columns_for(len(order))), path)
    print(f"preview: {path}")
