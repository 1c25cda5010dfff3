"""What a training says: before its first step, so that no time is spent unawares, and after its last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from gantrain import files
from gantrain.compose import extended
from gantrain.console import tell, typed
from gantrain.data.store import ImageSet
from gantrain.doctor.report import Diagnosis, in_brief, in_full
from gantrain.doctor.rules.lints import GD005C
from gantrain.doctor.rules.rule import GOOD_PICTURES
from gantrain.keys import RESUMABLE, key_of, within
from gantrain.metrics.kinds import beside_real
from gantrain.pages.records import Record
from gantrain.train.cadence import some_four_times
from gantrain.train.state import TrainingState
from gantrain.train.step import Players


def introduce(cfg: DictConfig, images: ImageSet, nets: Players, told: Mapping[str, Any]) -> None:
    """Says what is about to happen, before time is spent on it; told: as summary.json has it."""
    chosen = f"choices: {', '.join(f'{key}={value}' for key, value in choices(cfg, told).items())}"
    steps, batch, per_epoch = cfg.train.steps, cfg.train.batch_size, images.train_count / cfg.train.batch_size
    length = (
        f"{steps} steps of {batch} images, {per_epoch:.1f} updates an epoch, {steps / per_epoch:.1f} epochs"
    )
    players = [described(name, nets[name]) for name in ("generator", "discriminator")]
    said = [*images.describe(), *players, chosen, length, *unmeasured(cfg)]
    tell("\n".join(said), brief=chosen, once=True)


def unmeasured(cfg: DictConfig) -> list[str]:
    """That the quality will not be known; said when it can still be helped."""
    if cfg.metrics.every <= cfg.train.steps:
        return []
    often = f"metrics.every={some_four_times(cfg.train.steps)}"
    return [f"quality: not measured while it trains (metrics.every={cfg.metrics.every}); {often} would"]


def described(name: str, network: torch.nn.Module) -> str:
    kinds = torch.nn.modules.conv._ConvNd | torch.nn.Linear
    layers = sum(isinstance(module, kinds) for module in network.modules())
    family = type(network).__module__.rsplit(".", 1)[-1]
    return f"{name}: {family}, {layers} layers, {parameter_count(network):,} parameters"


def choices(cfg: DictConfig, told: Mapping[str, Any]) -> dict[str, Any]:
    """What was composed, as a person would type it: options by name, a class that was named by its own."""
    typed = {key_of(override) for override in told.get("overrides") or ()}

    def named(group: str) -> str:
        option = (told.get("choices") or {}).get(group)
        target = f"{group}._target_" in typed or option is None
        return str(cfg[group]["_target_"]).rsplit(".", 1)[-1] if target else str(option)

    model = (told.get("choices") or {}).get("model")
    return {
        **({"model": model} if model else {}),
        "loss": named("loss"),
        "penalty": named("penalty"),
        "optim": f"{named('optim')} lr_d {cfg.optim.lr_d:g} lr_g {cfg.optim.lr_g:g}",
        "schedule": named("schedule"),
        "upsample": cfg.upsample.mode,
        "downsample": cfg.downsample.mode,
        "padding": cfg.padding.mode + (" with stem" if cfg.padding.stem else ""),
        "latent": f"{named('latent')} {cfg.latent.get('dim', '')}".strip(),
        "condition": cfg.condition.kind,
        "augment": named("augment"),
        "seed": cfg.seed,
    }


def parameter_count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def say_diagnosis(diagnosis: Diagnosis) -> None:
    tell(in_full(diagnosis), brief=in_brief(diagnosis))


def say_goodbye(directory: Path, state: TrainingState, cfg: DictConfig) -> None:
    shown = files.from_here(directory)
    grids = files.numbered(directory / files.SAMPLES, "png")
    over = f"finished: {state.step} steps in {state.seconds:.0f} s, everything is in {shown}"
    run = Record(directory, directory.name)
    measured = run.measured(run.metric) is not None
    how_good = quality(run, state.step, shown) if cfg.metrics.every else ""
    where = [f"newest picture: {files.from_here(grids[-1])}"] if grids else []
    steps = f"train.steps={max(2 * state.step, GOOD_PICTURES)}"
    longer = typed("gantrain", "resume", files.relative(directory), *extended([steps], resumable(run)))
    following = (
        f"gantrain sample {shown}{' --best' if _was_better(run, state.step) else ''} -n 64",
        cured(run) or ("" if run.past_best else longer),
        f"tensorboard --logdir {shown}",
    )
    where += [f"report: {files.from_here(directory / files.PAGE)}"]
    where += ["next: " + "\n      ".join(filter(None, following))]
    brief = "\n".join(filter(None, (over, "" if measured else how_good)))  # if so, it has had its line
    tell("\n".join(filter(None, (over, how_good, *where))), brief=brief)


def quality(run: Record, step: int, shown: str) -> str:
    """What was measured last beside what real pictures give, and of an earlier best how to take it."""
    best, now = run.measured(run.metric), run.measured(run.metric, step)
    if best is None or now is None:
        return f"quality: {'unknown at the end' if best else 'not measured'}; now: gantrain evaluate {shown}"
    usual = beside_real(run.metric, now)
    past = "probably past its best: " if run.past_best else ""
    beside = f"; {past}{best['value']:.3g} at step {best['step']}, which --best takes"
    if not _was_better(run, step):
        beside = "; still getting better" if run.gets_better else ""
    return f"quality: {run.metric} {now['value']:.3g}{usual}{beside}"


def _was_better(run: Record, step: int) -> bool:
    best = run.measured(run.metric)
    return best is not None and best["step"] < step


def cured(run: Record) -> str | None:
    """The command with what the doctor would change; None: nothing but what a resume may."""
    return None if resumable(run) or not (remedy := _remedy(run)) else run.command_with(remedy)


def resumable(run: Record) -> Sequence[str]:
    """What the doctor would change, if a resume may."""
    remedy = _remedy(run)
    return remedy if all(within(key_of(override), RESUMABLE) for override in remedy) else ()


def _remedy(run: Record) -> Sequence[str]:
    rates = [finding["remedy"] for finding in run.findings if finding["rule"] == GD005C.id]  # suspected first
    return (rates or [run.primary["remedy"]])[0] if run.primary else ()
