"""gantrain resume: goes on where a run stopped, with the run's own saved config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from gantrain import checkpoint, files
from gantrain.commands.train import FACTS, train
from gantrain.config import RESUMABLE, flatten, unknown_key, within
from gantrain.errors import GantrainError


def saved_config(run: Path) -> tuple[DictConfig, dict[str, Any]]:
    """(configuration as composed then, facts of the data) of a run.

    Raises:
        GantrainError: config.yaml is damaged.
    """
    try:
        saved = yaml.safe_load((run / files.CONFIG).read_text(encoding="utf-8"))
        facts = saved.pop(FACTS)
        return OmegaConf.create(saved), facts
    except (yaml.YAMLError, AttributeError, KeyError) as error:
        raise GantrainError(str(run / files.CONFIG), "is damaged: not a saved configuration", "") from error


def resume(name: str, overrides: Sequence[str]) -> None:
    """Trains on in the run's directory. From a checkpoint file, what came after it is set aside.

    Raises:
        GantrainError: no such run, nothing saved, or an override that would make it another experiment.
    """
    run, start = files.find_run(name)
    cfg, _ = saved_config(run)
    for override in overrides:
        change(cfg, override)
    if start is None and checkpoint.newest(run) is None:
        raise GantrainError(
            str(run), "has no checkpoint to go on from", "start it anew: it had not saved yet"
        )
    if start is not None:
        set_aside_after(start)
    train(cfg, run)


def change(cfg: DictConfig, override: str) -> None:
    """Applies one key=value, if a resume may change that key."""
    key, equals, text = override.partition("=")
    flat = flatten(OmegaConf.to_container(cfg))  # type: ignore[arg-type]
    if not equals:
        raise GantrainError(override, "is not key=value", "e.g. train.steps=4000")
    if key not in flat:
        raise unknown_key(key, flat)
    value = yaml.safe_load(text)
    if not within(key, RESUMABLE) and value != flat[key]:
        reason = f"{flat[key]} -> {text} would make it another experiment"
        raise GantrainError(key, reason, f"a resume may change: {', '.join(RESUMABLE)}")
    OmegaConf.update(cfg, key, value)


def set_aside_after(start: Path) -> None:
    """Moves later checkpoints out of the way, so that `start` is the newest; nothing is deleted."""
    for later in files.numbered(start.parent, "pt"):
        if later.stem > start.stem:
            aside = later.parent / "superseded"
            aside.mkdir(exist_ok=True)
            later.replace(aside / later.name)
