"""gantrain resume: goes on where a run stopped, with the run's own saved config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from gantrain import checkpoint, files
from gantrain.commands.train import resumed, train
from gantrain.config import SECTIONS, check_section
from gantrain.console import typed, written
from gantrain.errors import GantrainError
from gantrain.keys import GROUPS, OPEN, RESUMABLE, ROOT, flatten, key_of, unknown_key, within
from gantrain.pages.records import Record, anew
from gantrain.saved import keep_root, pictures_of, plain, saved_config, value_of


def resume(name: str, overrides: Sequence[str]) -> None:
    """Trains on in the run's directory. From a checkpoint file, what came after it is set aside.

    Raises:
        GantrainError: no such run, nothing saved, or an override that would make it another experiment.
    """
    run, start = files.find_run(name)
    if start is not None and files.is_set_aside(start):
        remedy = "sample, evaluate and export take it; a resume goes on from those that are not set aside"
        raise GantrainError(str(start), "was set aside when the run went on from an earlier one", remedy)
    cfg, _ = saved_config(run)
    for override in overrides:
        change(cfg, override, run, overrides)
    if start is None:
        newest = checkpoint.newest(run)
        if newest is None:
            raise GantrainError(str(run), "has no checkpoint to go on from", anew(run))
        refuse_fewer_steps(cfg, run, newest)
    with pictures_of(name, "resume"):
        train(cfg, run, added=overrides, start=start)
    if moved := [override for override in overrides if key_of(override) == ROOT]:
        keep_root(run, cfg)  # also of a run that had nothing left to train
        files.update_summary(run, **resumed(run, moved))


def change(cfg: DictConfig, override: str, run: Path, overrides: Sequence[str]) -> None:
    """Applies one key=value of those that were typed, if a resume may change that key."""
    key, equals, text = override.partition("=")
    flat = flatten(plain(cfg))
    if not equals:
        raise GantrainError(override, "is not key=value", "e.g. train.steps=4000")
    if key.startswith("hydra"):
        reason = "a resume goes on in the run's own directory, by its own configuration"
        raise GantrainError(key, reason, "leave it out")
    if key in GROUPS:
        raise another_experiment(key, "is chosen when a run begins", run, overrides)
    if key not in flat and not within(key, [OPEN]):
        raise unknown_key(key, [*flat, *GROUPS])
    value = value_of(override)
    if not within(key, RESUMABLE) and value != flat[key]:
        reason = f"{written(flat[key])} -> {text} would make it another experiment"
        raise another_experiment(key, reason, run, overrides)
    OmegaConf.update(cfg, key, value, force_add=True)
    section, _, rest = key.partition(".")
    if section in SECTIONS:
        OmegaConf.update(cfg, key, OmegaConf.select(check_section(section, cfg[section]), rest))


def refuse_fewer_steps(cfg: DictConfig, run: Path, newest: Path) -> None:
    """Of a run whose newest checkpoint has more steps already; as many end it there."""
    done = int(newest.stem)
    if cfg.train.steps < done:
        again = typed("gantrain", "resume", files.from_here(run))
        remedy = f"{again} train.steps={done} ends it here; more steps go on"
        raise GantrainError("train.steps", f"is {cfg.train.steps}, and {done} steps are done", remedy)


def another_experiment(key: str, reason: str, run: Path, overrides: Sequence[str]) -> GantrainError:
    """With the command of the run that has it from the start."""
    record = Record(run, run.name)
    root = record.config.get(ROOT)
    moved = [f"{ROOT}=DIR"] if root is not None and not Path(root).exists() else []
    command = record.command_with([*overrides, *moved])
    may = "a resume may change train.steps, and how the run is watched (README, Resume)"
    return GantrainError(key, reason, f"as a run of its own: {command}\n  {may}")
