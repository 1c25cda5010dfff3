"""gantrain: from a composed configuration to a finished run."""

from __future__ import annotations

import os
import platform
import random
import signal
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gantrain import __version__, build, checkpoint, files, pictures
from gantrain.checkpoint import Checkpoints
from gantrain.config import RESUMABLE, flatten, refuse, warnings, within
from gantrain.console import log, speaking
from gantrain.data.store import ImageSet
from gantrain.errors import INTERRUPTED, TERMINATED, GantrainError, Interrupted, NonFiniteError
from gantrain.tracking import FixedNoise, SummaryKeeper, Tracker
from gantrain.train.loop import Game, run
from gantrain.train.state import TrainingState
from gantrain.train.step import Players

FACTS = "facts"  # of the data, in config.yaml beside what was composed


def train(cfg: DictConfig, directory: Path, chosen: Collection[str] = (), in_sweep: bool = False) -> None:
    """Trains in `directory`, or goes on there if it already holds a checkpoint.

    Args:
        cfg: as composed.
        directory: of the run; made only once the configuration has passed.
        chosen: the groups that the user named.
        in_sweep: a failure then leaves its log and status even before anything was trained.

    Raises:
        GantrainError: something the user can fix; nothing was harmed.
        Interrupted: after SIGINT or SIGTERM, once the checkpoint is written.
    """
    with speaking(directory / files.LOG), recording_failure(directory) if in_sweep else nullcontext():
        cfg = build.resolved(cfg)
        facts = build.check(cfg, chosen)
        directory.mkdir(parents=True, exist_ok=True)
        with alone_in(directory):
            start_from = checkpoint.newest(directory)
            if start_from is not None:
                compare_with_saved(cfg, directory)
            train_in(cfg, directory, facts, start_from)


def train_in(cfg: DictConfig, directory: Path, facts: dict[str, Any], start_from: Path | None) -> None:
    """The run itself: data, networks, state, training, closing words."""
    prepare_process(cfg)
    device = build.choose_device(cfg.runtime.device)
    images = build.load_data(cfg)
    data = build.DataFacts.of(images)
    facts = facts | build.facts_of_data(data)
    refuse(facts)
    nets = build.make_networks(cfg, data, device)
    game = build.make_game(cfg, images, device)
    state = build.make_state(cfg, nets, game, images.count, device)
    if start_from is not None:
        checkpoint.restore(state, checkpoint.load(start_from), start_from)
        if state.step >= cfg.train.steps:
            log.info("already finished: %d steps are done; more with train.steps=N", state.step)
            return
    introduce(cfg, images, nets, device, state.step)
    for warning in warnings(facts):
        log.warning(warning)
    config = plain(cfg) | {FACTS: asdict(data) | {"class_names": list(data.class_names)}}
    files.write_atomically(directory / files.CONFIG, OmegaConf.to_yaml(config))
    files.update_summary(directory, **opening_summary(state, nets, device))
    with recording_failure(directory):
        play(cfg, directory, state, game, config, images)
    say_goodbye(directory, state)


def play(
    cfg: DictConfig,
    directory: Path,
    state: TrainingState,
    game: Game,
    config: dict[str, Any],
    images: ImageSet,
) -> None:
    """Trains with everything that looks on, and saves whatever ends it."""
    total, every = cfg.train.steps, cfg.checkpoint.every
    num_classes = images.num_classes if cfg.condition.kind == "class" else 0
    latents = pictures.fixed_latents(
        game.rules.latent, cfg.tracking.samples, num_classes, cfg.seed + 1, state.device
    )
    real = pictures.grid(images.images[: cfg.tracking.samples], pictures.columns_for(cfg.tracking.samples))
    checkpoints = Checkpoints(directory, config, every, cfg.checkpoint.keep, total)
    tracker = Tracker(directory, config, state, FixedNoise(*latents), real)
    keeper = SummaryKeeper(directory, tracker, every, total)
    try:
        with graceful_stop() as stop:
            run(state, game, total, (tracker, checkpoints, keeper), stop)
            if stop.requested and state.step < total:
                saved = checkpoints.save(state)
                keeper.write(state, "interrupted")
                raise stop.interruption(
                    f"stopped after step {state.step}; go on with: gantrain resume {directory}", saved
                )
        keeper.write(state, "finished")
    except NonFiniteError as error:
        last = checkpoint.newest(directory)
        raise NonFiniteError(
            error.key, error.reason, f"{error.remedy}; last good checkpoint: {last or 'none yet'}"
        ) from error
    finally:
        tracker.close()


def prepare_process(cfg: DictConfig) -> None:
    """Seeds every generator and sets what the process computes with."""
    random.seed(cfg.seed)
    np.random.seed(cfg.seed % 2**32)  # noqa: NPY002 - for networks and data of the user's own
    torch.manual_seed(cfg.seed)
    if cfg.runtime.threads:
        torch.set_num_threads(cfg.runtime.threads)
    torch.use_deterministic_algorithms(cfg.runtime.deterministic)
    if cfg.runtime.deterministic:
        os.environ.setdefault(
            "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
        )  # cuBLAS refuses to be deterministic without
    torch.backends.cudnn.benchmark = not cfg.runtime.deterministic


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """One training at a time in a run directory."""
    lock = FileLock(directory / files.LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        reason = "another gantrain is training in this directory right now"
        raise GantrainError(str(directory), reason, "wait for it, or choose another hydra.run.dir") from error
    try:
        yield
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def compare_with_saved(cfg: DictConfig, directory: Path) -> None:
    """Refuses to go on under settings that would make it another experiment, and shows which."""
    saved, _ = saved_config(directory)
    old, new = (flatten(plain(c)) for c in (saved, cfg))
    differences = [
        f"{key} {old.get(key, 'unset')} -> {new.get(key, 'unset')}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not within(key, RESUMABLE)
    ]
    if differences:
        shown = "; ".join(differences[:8]) + (
            f"; and {len(differences) - 8} more" if len(differences) > 8 else ""
        )
        remedy = "keep the run's own settings, or start a new run in another directory"
        raise GantrainError(str(directory), f"holds a run with other settings: {shown}", remedy)


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The configuration as dicts and lists."""
    values: Any = OmegaConf.to_container(cfg)
    return values


def saved_config(run: Path) -> tuple[DictConfig, dict[str, Any]]:
    """(configuration as composed then, facts of the data) of a run.

    Raises:
        GantrainError: config.yaml is damaged.
    """
    try:
        saved = plain(OmegaConf.load(run / files.CONFIG))  # type: ignore[arg-type]
        facts = saved.pop(FACTS)
        return OmegaConf.create(saved), facts
    except (ValueError, AttributeError, KeyError, OSError, OmegaConfBaseException, YAMLError) as error:
        raise GantrainError(str(run / files.CONFIG), "is damaged: not a saved configuration", "") from error


def introduce(cfg: DictConfig, images: ImageSet, nets: Players, device: torch.device, step: int) -> None:
    """Says what is about to happen, before time is spent on it."""
    for line in images.describe():
        log.info(line)
    for name in ("generator", "discriminator"):
        network = nets[name]
        layers = [
            m for m in network.modules() if isinstance(m, torch.nn.modules.conv._ConvNd | torch.nn.Linear)
        ]
        log.info(
            "%s: %s, %d layers, %s parameters",
            name,
            type(network).__module__.rsplit(".", 1)[-1],
            len(layers),
            f"{parameter_count(network):,}",
        )
    log.info("choices: %s", ", ".join(f"{key}={value}" for key, value in choices(cfg).items()))
    batch, per_epoch = cfg.train.batch_size, images.count / cfg.train.batch_size
    log.info(
        "%d steps of %d images, %.1f updates an epoch, %.1f epochs",
        cfg.train.steps, batch, per_epoch, cfg.train.steps / per_epoch,
    )  # fmt: skip
    log.info("device: %s, fp32%s", describe_device(device), f"; going on after step {step}" if step else "")


def choices(cfg: DictConfig) -> dict[str, Any]:
    """What was composed, as a person would name it."""

    def named(node: DictConfig) -> str:
        return str(node["_target_"]).rsplit(".", 1)[-1]

    return {
        "loss": named(cfg.loss),
        "penalty": named(cfg.penalty),
        "optim": f"{named(cfg.optim)} lr_d {cfg.optim.lr_d:g} lr_g {cfg.optim.lr_g:g}",
        "schedule": named(cfg.schedule),
        "upsample": cfg.upsample.mode,
        "downsample": cfg.downsample.mode,
        "padding": cfg.padding.mode + (" with stem" if cfg.padding.stem else ""),
        "latent": f"{named(cfg.latent)} {cfg.latent.get('dim', '')}".strip(),
        "condition": cfg.condition.kind,
        "seed": cfg.seed,
    }


def parameter_count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def describe_device(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} threads)" if device.type == "cpu" else str(device)


def opening_summary(state: TrainingState, nets: Players, device: torch.device) -> dict[str, Any]:
    return {
        "status": "running",
        "step": state.step,
        "images": state.images,
        "seconds": round(state.seconds, 3),
        "parameters": {
            "generator": parameter_count(nets.generator),
            "discriminator": parameter_count(nets.discriminator),
        },
        "device": describe_device(device),
        "precision": "fp32",
        "versions": {
            "gantrain": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "findings": 0,
        "metrics": {},
        "error": None,
    }


def say_goodbye(directory: Path, state: TrainingState) -> None:
    shown = os.path.relpath(directory)
    shown = str(directory) if shown.startswith("..") else shown
    grids = files.numbered(directory / files.SAMPLES, "png")
    log.info("finished: %d steps in %.0f s, everything is in %s", state.step, state.seconds, shown)
    if grids:
        log.info("newest picture: %s", Path(shown) / files.SAMPLES / grids[-1].name)
    log.info("next: gantrain sample %s -n 64", shown)
    log.info("      tensorboard --logdir %s", shown)


@contextmanager
def recording_failure(directory: Path) -> Iterator[None]:
    """A run that ends badly says so in its own log and summary: a sweep goes on and reports only one."""
    try:
        yield
    except Interrupted:
        raise
    except BaseException as error:
        if getattr(error, "reported", False):
            raise
        user_error = isinstance(error, GantrainError | KeyboardInterrupt)
        text = str(error) or "interrupted"
        error.reported = True  # type: ignore[attr-defined]  # the front door need not repeat it
        try:
            directory.mkdir(parents=True, exist_ok=True)
            log.error("%s", text if user_error else "".join(traceback.format_exception(error)).rstrip())
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            files.update_summary(directory, status=status, error=text)
        except OSError:  # a full disk is often why we are here
            error.reported = False  # type: ignore[attr-defined]
        raise


class Stop:
    """Whether SIGINT or SIGTERM has come."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def requested(self) -> bool:
        return self.signal is not None

    def interruption(self, message: str, saved: Path) -> Interrupted:
        code = TERMINATED if self.signal == signal.SIGTERM else INTERRUPTED
        return Interrupted(f"{message} (saved {saved.name})", code)


@contextmanager
def graceful_stop() -> Iterator[Stop]:
    """The first SIGINT or SIGTERM lets the step finish and the state be saved; a second one stops at once."""
    stop = Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.signal is not None:
            raise Interrupted("stopped at once; the last checkpoint stands", 128 + number)
        stop.signal = number
        log.info("finishing the step and saving; once more to stop at once")

    try:
        for number in before:
            signal.signal(number, on_signal)
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
