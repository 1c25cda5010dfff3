"""gantrain doctor: the findings of a run, or of one that is only planned."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf

from gantrain import build, checkpoint, checks, files, runtime
from gantrain.commands.briefing import unmeasured
from gantrain.compose import Asked, beside, composed
from gantrain.config import check_section, refuse, warnings
from gantrain.console import aside, typed
from gantrain.data.store import ImageSet
from gantrain.doctor.attend import Doctor
from gantrain.doctor.duality import duality_gap
from gantrain.doctor.eyes import Eyes
from gantrain.doctor.report import in_full
from gantrain.doctor.rules.registry import check_params
from gantrain.doctor.rules.rule import GOOD_PICTURES
from gantrain.errors import FoundError, GantrainError, NonFiniteError
from gantrain.keys import ROOT
from gantrain.pages.records import KILLED, Record, anew
from gantrain.pages.writing import write_report
from gantrain.process import prepare_process
from gantrain.saved import (
    move_pictures,
    pictures_of,
    plain,
    recorded,
    refuse_other_data,
    saved_config,
    value_of,
)
from gantrain.sections import AUTO


def examine(
    name: str, settings: Sequence[str] = (), strict: bool = False, device: str = "auto", deep: bool = False
) -> None:
    """Prints the findings of a run that is finished, still going, or died; writes report.md, report.html.

    The numbers that it recorded are judged again, and its newest checkpoint is looked at. What is found at
    another one is printed alone: the reports tell of the run as it stands.

    Args:
        name: run directory, checkpoint file or `latest`.
        settings: doctor.key=value, instead of the run's own; data.root=DIR, of pictures that were moved.
        deep: also what either player could still gain by moving alone; some minutes.

    Raises:
        GantrainError: no such run, or, `deep`, nothing was saved of it.
        FoundError: `strict`, and a finding is an error.
    """
    run, chosen = files.find_run(name)
    cfg, _ = saved_config(run)
    for setting in settings:
        change(cfg, setting)
    check_section("doctor", cfg.doctor)
    check_params(plain(cfg)["doctor"]["params"], cfg.doctor.ignore)
    cfg.runtime.device = device
    runtime.check_device(device)
    newest, rows = checkpoint.newest(run), files.read_rows(run / files.SIGNALS)
    start = chosen or newest
    if deep and start is None:
        raise GantrainError("--deep", "the run has no checkpoint", typed("gantrain", "doctor", name))
    with pictures_of(name, "doctor"):
        doctor = attending(cfg, run, start)
    if start is None and not rows:
        doctor.begin()  # it died before there was anything else to look at
    else:
        asked_before = [] if rows and rows[0]["step"] == 0 else [{"step": 0}]  # of the configuration alone
        seen = [row for row in rows if chosen is None or row["step"] <= doctor.eyes.state.step]
        doctor.replay([*asked_before, *seen])
    files.read_summary(run)  # refuses a damaged one
    status = Record(run, run.name).status
    lost = status == KILLED
    if start == newest:
        report = in_full(doctor.close("no longer running" if lost else status))
        write_report(run)  # it quotes report.md
    else:
        with tempfile.TemporaryDirectory() as nowhere:
            doctor.run = Path(nowhere)
            report = in_full(replace(doctor.close("not as it stands"), run=None))  # pictures included
    if deep:
        report += f"\n{gap_of(doctor.eyes, cfg.seed)}"
    if lost:
        remedy = f"go on: gantrain resume {files.from_here(run)}" if checkpoint.newest(run) else anew(run)
        report += f"\nNo process trains this run any more, at least not on this machine; {remedy}"
    conclude(doctor, report, strict)


def gap_of(eyes: Eyes, seed: int) -> str:
    """The duality gap in words."""
    try:
        return duality_gap(eyes.state, eyes.game, seed).describe()
    except NonFiniteError as error:
        return f"Duality gap: without bound, for alone the {error.key} drives the game to infinity"


def preflight(
    overrides: Sequence[str], strict: bool = False, config_dir: str | None = None, device: str = AUTO
) -> None:
    """Prints what can be said before a run is paid for: of its configuration, and of its untrained generator.

    Args:
        overrides: of the run that is planned.
        strict: as in `examine`.
        config_dir: a folder of options of the user's own.
        device: where to look; auto: where the run would train.

    Raises:
        GantrainError: the configuration is refused.
        FoundError: `strict`, and a finding is an error.
    """
    cfg = checks.resolved(composed([*overrides, *beside(config_dir)]))
    if device != AUTO:
        cfg.runtime.device = device
    facts = checks.check(cfg, Asked(tuple(overrides)).keys)
    opened = Opened.by(cfg)
    facts |= checks.facts_of_data(opened.data)
    refuse(facts)
    for warning in (said := warnings(facts)):
        aside(f"warning: {warning}")
    with tempfile.TemporaryDirectory() as nowhere:
        doctor = opened.attended(cfg, Path(nowhere), None)
        doctor.begin()
        unkept = replace(doctor.report("planned"), run=None, warned=bool(said))  # pictures included
        steps = cfg.train.steps
        short = [f"{steps} steps are few: good pictures take {GOOD_PICTURES} or more"]
        outlook = [*(short if steps < GOOD_PICTURES else []), *unmeasured(cfg)]
        conclude(doctor, "\n".join([in_full(unkept), *outlook]), strict)


class Opened(NamedTuple):
    """A process made ready for a configuration, with its pictures."""

    device: torch.device
    images: ImageSet
    data: build.DataFacts

    @classmethod
    def by(cls, cfg: DictConfig) -> Opened:
        prepare_process(cfg)
        device = runtime.choose_device(cfg.runtime.device)
        cfg.runtime.compile = "none"  # looking records no steps, and may happen on another device
        runtime.settle(cfg, device)
        images = build.load_data(cfg)
        return cls(device, images, build.DataFacts.of(images))

    def attended(self, cfg: DictConfig, run: Path, start: Path | None) -> Doctor:
        """A doctor who says nothing by itself, at a run as its checkpoint has it (None: untrained)."""
        state, game = build.assemble(cfg, self.images, self.device)
        if start is not None:
            checkpoint.restore(state, checkpoint.load(start), start)
            state.diary = {}  # its numbers are judged again
        config = recorded(cfg, self.data)
        eyes = Eyes(state, game, self.images, build.make_reference(self.images, self.device), cfg.seed)
        return Doctor(run, config, eyes, cfg.train.steps, silent=True)


def attending(cfg: DictConfig, run: Path, start: Path | None) -> Doctor:
    """The doctor of a run that is there; GantrainError if its pictures are others by now."""
    opened = Opened.by(cfg)
    refuse_other_data(opened.data, run)
    return opened.attended(cfg, run, start)


def conclude(doctor: Doctor, report: str, strict: bool) -> None:
    print(report)
    found = [finding for finding in doctor.watch.active if finding["severity"] in ("error", "fatal")]
    if strict and found:
        first = next((finding for finding in found if finding["primary"]), found[0])
        raise FoundError(first["rule"], first["message"], f"try: {' '.join(first['remedy'])}")


def change(cfg: DictConfig, setting: str) -> None:
    """Applies one doctor.key=value, or data.root=DIR."""
    key, equals, _ = setting.partition("=")
    if key == ROOT and equals:
        move_pictures(cfg, setting)
        return
    if not equals or not key.startswith("doctor."):
        raise GantrainError(setting, "is not a setting of the doctor", "e.g. doctor.ignore=[GD301]")
    OmegaConf.update(cfg, key, value_of(setting), force_add=True)
