"""gantrain: from a composed configuration to a finished run."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from gantrain import __version__, build, checkpoint, checks, files, pictures, runtime, saved
from gantrain.checkpoint import Checkpoints
from gantrain.commands.briefing import introduce, parameter_count, say_diagnosis, say_goodbye
from gantrain.compose import Asked, extended
from gantrain.config import refuse, warnings
from gantrain.console import log, speaking, tell
from gantrain.data.store import ImageSet
from gantrain.doctor.attend import SHORTEST_JUDGED, Doctor
from gantrain.doctor.eyes import Eyes
from gantrain.errors import NonFiniteError
from gantrain.keys import key_of, within
from gantrain.metrics.kinds import badness
from gantrain.pages.writing import write_report
from gantrain.process import Stop, alone_in, graceful_stop, prepare_process, recording_failure
from gantrain.quality import Artist, Quality, best_before, best_step, was_past_best
from gantrain.sections import DECIDED
from gantrain.tracking import FixedNoise, SummaryKeeper, Tracker
from gantrain.train.loop import Game, Observer, run
from gantrain.train.state import TrainingState

SAMPLED_FROM = 1  # seed of the latents of all grids, whatever the run's own: runs can be held side by side


def train(
    cfg: DictConfig,
    directory: Path,
    asked: Asked | None = None,
    job: int | None = None,
    added: Sequence[str] = (),
    start: Path | None = None,
) -> float | None:
    """Trains in `directory`, or goes on there if it already holds a checkpoint.

    Gives how bad the best look at `metrics.best` was (metrics.kinds.badness: lower is better), for searches;
    None if nothing was measured.

    Args:
        cfg: as composed.
        directory: of the run; made only once the configuration has passed.
        asked: what the user typed; None: what the run was started with (a resume).
        job: its number in a sweep, which its lines on the terminal carry; a failure then leaves its log and
            status even before anything was trained.
        added: what a resume changed, as typed.
        start: the checkpoint to go on from; None: the newest. What came after it is set aside.

    Raises:
        GantrainError: something the user can fix; nothing was harmed.
        Interrupted: after SIGINT or SIGTERM, once the checkpoint is written.
    """
    saved.refuse_what_is_not_ours(directory)
    told = asked.plain() if asked is not None else resumed(directory, added)
    swept = job is not None
    with speaking(directory / files.LOG, job), recording_failure(directory, told) if swept else nullcontext():
        cfg = checks.resolved(cfg)
        facts = checks.check(cfg, asked.keys if asked is not None else ())
        saved.refuse_amidst_pictures(directory, cfg)
        directory.mkdir(parents=True, exist_ok=True)
        with alone_in(directory):
            start_from = start or checkpoint.newest(directory)
            if start_from is not None:
                cfg = saved.with_decisions_of(cfg, directory)
                if asked is not None:
                    told = keep_settings(cfg, directory, asked)
                saved.refuse_other_settings(cfg, directory, asked.choices if asked is not None else {})
            train_in(cfg, directory, facts, start_from, told)
    return how_bad(directory)


def keep_settings(cfg: DictConfig, directory: Path, asked: Asked) -> dict[str, Any]:
    """Gives `cfg` the run's own settings where none were typed; what summary.json is to say was typed."""
    kept = saved.kept_settings(cfg, directory, asked.keys)
    for key, value in kept.items():
        OmegaConf.update(cfg, key, value)
    before = files.read_summary(directory).get("overrides", ())
    again = [override for override in before if within(key_of(override), kept)]
    return asked.plain() | {"overrides": extended(again, asked.overrides)}


def train_in(
    cfg: DictConfig, directory: Path, facts: dict[str, Any], start_from: Path | None, told: dict[str, Any]
) -> None:
    """The run itself: data, networks, state, training, closing words."""
    prepare_process(cfg)
    device = runtime.choose_device(cfg.runtime.device)
    decided = runtime.settle(cfg, device)
    images = build.load_data(cfg)
    data = build.DataFacts.of(images)
    facts = facts | checks.facts_of_data(data) | {"crowded": runtime.crowded(cfg, device)}
    refuse(facts)
    state, game = build.assemble(cfg, images, device)
    if start_from is not None:
        saved.refuse_other_data(data, directory)
        checkpoint.restore(state, checkpoint.load(start_from), start_from)
        if done := already_done(cfg, state):
            is_whole = start_from == checkpoint.newest(directory)
            if not is_whole or was_over(directory, state):
                log.info("already finished: %s", done)
                return
            log.info("ends here: %s", done.partition(";")[0])
            cfg.train.steps = max(cfg.train.steps, state.step)
        checkpoint.set_aside_after(directory, state.step)
        (directory / files.REPORT).unlink(missing_ok=True)  # it told of the shorter run
    files.drop_rows_after(directory, state.step)
    summary = files.read_summary(directory)
    introduce(cfg, images, state.nets, summary | told)
    where = ", ".join(f"{key} {choice}" for key, choice in decided.items())
    on = [f"going on after step {state.step}"] if state.step else []
    here, before = runtime.describe_device(device), summary.get("device")
    tell("; ".join([f"device: {here}", where, *on]), brief="".join(on), once=True)
    if on and before not in (here, None):
        log.warning("it goes on with %s and began with %s: not bit for bit as without a stop", here, before)
    for warning in warnings(facts):
        log.warning(warning)
    config = saved.recorded(cfg, data)
    files.write_atomically(directory / files.CONFIG, OmegaConf.to_yaml(config))
    best = best_before(directory, state, cfg.metrics)
    files.update_summary(directory, **told, **opening_summary(cfg, state), **best)
    if start_from is not None:
        write_report(directory)  # the page told of the shorter run as well
    try:
        with recording_failure(directory):
            play(cfg, directory, state, game, config, images)
    finally:
        write_report(directory)
    say_goodbye(directory, state, cfg)


def already_done(cfg: DictConfig, state: TrainingState) -> str | None:
    """Why there is nothing left to train."""
    if state.step >= cfg.train.steps:
        asked = f"train.steps is {cfg.train.steps}; more with train.steps={2 * state.step}"
        return f"{state.step} steps are done, and {asked}"
    if cfg.train.stop_when_worse and was_past_best(state, cfg.metrics):
        return f"it was past its best after {state.step} steps; on with train.stop_when_worse=false"
    return None


def was_over(directory: Path, state: TrainingState) -> bool:
    """Whether the run was to end at `state`, not only by the fewer steps that it is asked for now; if it was
    stopped amidst its closing words, it is finished.
    """
    over = already_done(saved.saved_config(directory)[0], state) is not None
    if over and files.read_summary(directory).get("status") != "finished":
        files.update_summary(directory, status="finished", step=state.step, error=None, diverged=False)
        write_report(directory)
    return over


@dataclass(frozen=True)
class Onlookers:
    """Who looks on while a run trains, in the order in which they are told of a step."""

    doctor: Doctor | None
    quality: Quality | None
    tracker: Tracker
    checkpoints: Checkpoints
    keeper: SummaryKeeper

    @property
    def all(self) -> tuple[Observer, ...]:
        everybody = (self.doctor, self.quality, self.tracker, self.checkpoints, self.keeper)
        return tuple(observer for observer in everybody if observer is not None)


@dataclass(frozen=True)
class Ending:
    """The run is to stop before its last step: a signal has come, or it only gets worse."""

    signals: Stop
    quality: Quality | None

    @property
    def requested(self) -> bool:
        return self.signals.requested or (self.quality is not None and self.quality.enough)


def onlookers(
    cfg: DictConfig,
    directory: Path,
    state: TrainingState,
    game: Game,
    config: dict[str, Any],
    images: ImageSet,
) -> Onlookers:
    total, num_classes = cfg.train.steps, images.num_classes if cfg.condition.kind == "class" else 0
    latents = pictures.fixed_latents(
        game.rules.latent, cfg.tracking.samples, num_classes, SAMPLED_FROM, state.device
    )
    real = pictures.preview(images.images, cfg.tracking.samples)
    tracker = Tracker(directory, config, state, FixedNoise(*latents), real)
    checkpoints = Checkpoints(directory, config, cfg.checkpoint.every, cfg.checkpoint.keep, total)
    checkpoints.best = best_step(state)
    judged = total >= SHORTEST_JUDGED
    measured = 0 < cfg.metrics.every <= total
    reference = build.make_reference(images, state.device) if judged or measured else None
    doctor = quality = None
    if cfg.doctor.enabled:
        eyes = Eyes(state, game, images, reference if judged else None, cfg.seed)
        doctor = Doctor(directory, config, eyes, total, tracker)
    if measured and reference is not None:
        labels = reference.labels_like(cfg.metrics.count) if num_classes else None
        artist = Artist(game.rules.latent, labels, cfg.metrics.count, cfg.seed + 2)
        quality = Quality(directory, config, artist, reference, checkpoints, tracker, state)
    witnesses = [witness for witness in (doctor, quality) if witness is not None]
    keeper = SummaryKeeper(directory, tracker, checkpoints, witnesses)
    return Onlookers(doctor, quality, tracker, checkpoints, keeper)


def play(
    cfg: DictConfig,
    directory: Path,
    state: TrainingState,
    game: Game,
    config: dict[str, Any],
    images: ImageSet,
) -> None:
    """Trains with everything that looks on, and saves whatever ends it."""
    total, who = cfg.train.steps, onlookers(cfg, directory, state, game, config, images)
    try:
        with graceful_stop() as stop:
            if who.doctor is not None:
                who.doctor.begin()
            run(state, game, total, who.all, Ending(stop, who.quality))
            if not stop.requested:
                who.tracker.conclude(state)
            newest = who.checkpoints.save(state)
            if stop.requested and state.step < total:
                who.keeper.write(state, "interrupted")
                if who.doctor is not None:
                    who.doctor.report("interrupted")
                on = f"go on with: gantrain resume {files.from_here(directory)}"
                raise stop.interruption(f"stopped after step {state.step}; {on}", newest)
        if who.doctor is not None:
            say_diagnosis(who.doctor.close("finished"))
        who.keeper.write(state, "finished")
    except NonFiniteError as error:
        if who.doctor is not None:
            say_diagnosis(who.doctor.lost(error))
            files.update_summary(directory, **who.doctor.summary())
        last = checkpoint.newest(directory)
        raise NonFiniteError(
            error.key, error.reason, f"{error.remedy}; last good checkpoint: {last or 'none yet'}"
        ) from error
    finally:
        who.tracker.close()


def resumed(directory: Path, added: Sequence[str]) -> dict[str, Any]:
    """What summary.json says of the command line after a resume: the command that does all in one."""
    typed = files.read_summary(directory).get("overrides")
    return {} if typed is None else {"overrides": extended(typed, added)}


def how_bad(directory: Path) -> float | None:
    best = files.read_summary(directory).get("best")
    return None if best is None else badness(best["metric"], best["value"])


def opening_summary(cfg: DictConfig, state: TrainingState) -> dict[str, Any]:
    return {
        "status": "running",
        "step": state.step,
        "images": state.images,
        "seconds": round(state.seconds, 3),
        "parameters": {
            "generator": parameter_count(state.nets.generator),
            "discriminator": parameter_count(state.nets.discriminator),
        },
        "device": runtime.describe_device(state.device),
        "threads": runtime.limited_threads(cfg, state.device),
        **{key: cfg.runtime[key] for key in DECIDED},
        "versions": {
            "gantrain": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "findings": 0,
        "metrics": {},
        "error": None,
        "diverged": False,
    }
