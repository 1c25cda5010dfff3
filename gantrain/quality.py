"""How good the pictures are while a run trains, which checkpoint was best, and whether that is long ago."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from gantrain import files, pictures
from gantrain.checkpoint import Checkpoints
from gantrain.console import log
from gantrain.metrics.evaluation import Measurement, evaluate
from gantrain.metrics.kinds import IN_TRAINING, NOISE, badness, of_real
from gantrain.metrics.reference import Reference
from gantrain.metrics.stamps import Stamp, differing
from gantrain.networks.latent import Latent
from gantrain.tracking import Tracker
from gantrain.train.randomness import unnoticed
from gantrain.train.state import TrainingState

DIARY = "quality"  # its page in the state's diary


@dataclass(frozen=True)
class Artist:
    """Draws the pictures that are judged: always from the same latents, so that looks can be compared.

    labels: int64 `count`, for a generator that takes them.
    """

    latent: Latent
    labels: torch.Tensor | None
    count: int
    seed: int

    def draw(self, state: TrainingState) -> torch.Tensor:
        """uint8 count x C x H x W by the averaged generator."""
        z = torch.cat(list(pictures.latent_blocks(self.latent, self.count, self.seed, state.device)))
        with unnoticed(state.device):
            return pictures.draw(state.ema.network, z, self.labels)


def was_past_best(state: TrainingState, settings: Mapping[str, Any]) -> bool:
    """Whether the run's last look was past its best, by the section `metrics` as it is now."""
    page = page_of(state, settings["best"])
    return page is not None and page["worse"] and page["since"] >= settings["patience"]


def page_of(state: TrainingState, metric: str) -> dict[str, Any] | None:
    """What the state remembers of looks by this metric."""
    page = state.diary.get(DIARY)
    if page is None or page["best"] is None:
        return None
    if page["best"].get("metric", metric) != metric:  # older checkpoints do not name it
        return None
    around = [page["best"]["value"]]  # older checkpoints know of no other look
    return {
        "worse": False,
        "around": around,
        "recent": [],
        **page,
        "best": {"metric": metric, **page["best"]},
    }


def best_step(state: TrainingState) -> int | None:
    """Of the checkpoint that was best when the run was last measured, by whatever metric."""
    best = state.diary.get(DIARY, {}).get("best")
    return best and best["step"]


def best_before(run: Path, state: TrainingState, settings: Mapping[str, Any]) -> dict[str, Any]:
    """For summary.json, where its best look is later than the state: the one before that, if it was kept."""
    told = files.read_summary(run).get("best")
    if told is None or told["step"] <= state.step:
        return {}
    best = state.diary.get(DIARY, {}).get("best")
    if best is None or not (run / checkpoint_of(best)).is_file():
        return {"best": None}
    return {"best": told_of({"metric": told["metric"], **best}, was_past_best(state, settings))}


def told_of(best: Mapping[str, Any], past: bool) -> dict[str, Any]:
    """The best look as summary.json has it."""
    look = {key: best[key] for key in ("metric", "value", "step")}
    return look | {"checkpoint": checkpoint_of(best), "past_best": past}


def checkpoint_of(best: Mapping[str, Any]) -> str:
    return f"{files.CHECKPOINTS}/{best['step']:08d}.pt"


def is_worse(metric: str, recent: Sequence[float], around: Sequence[float]) -> bool:
    """Whether each of the recent looks is worse, by more than noise, than the median of those around the best
    one: single looks scatter, and the best of many is a lucky one as well (docs/log.md).
    """
    now = min(badness(metric, value) for value in recent)
    then = median(badness(metric, value) for value in around)
    return now > then + NOISE * abs(then)  # a kernel distance can lie below 0


class Quality:
    """Measures every `every` steps, keeps the best checkpoint, and says when a run is past it."""

    def __init__(
        self, run: Path, config: dict[str, Any], artist: Artist, reference: Reference,
        checkpoints: Checkpoints, tracker: Tracker, state: TrainingState,
    ) -> None:  # fmt: skip
        self.run, self.artist, self.reference = run, artist, reference
        self.checkpoints, self.tracker, self.total = checkpoints, tracker, config["train"]["steps"]
        settings = config["metrics"]
        self.every, self.patience, self.name = settings["every"], settings["patience"], settings["best"]
        self.spaces = dict.fromkeys((*IN_TRAINING, self.name.partition("_")[2]))
        self.stop_when_worse: bool = config["train"]["stop_when_worse"]
        self.past_best = was_past_best(state, settings)
        page = page_of(state, self.name) or {"best": None, "since": 0, "around": [], "recent": []}
        self.best: dict[str, Any] | None = page["best"]
        self.since: int = page["since"]  # looks without a new best
        self.around: list[float] = page["around"]  # the best look, and those beside it
        self.recent: list[float] = page["recent"]  # the last `patience` looks
        if self.best is not None and not self.checkpoint.is_file():  # a later best had taken its place
            self.best, self.since, self.past_best = None, 0, False
        checkpoints.best = self.best and self.best["step"]

    def after_step(self, state: TrainingState) -> None:
        at_the_end = state.step == self.total and state.step > self.every
        if self.every and (state.step % self.every == 0 or at_the_end):
            state.alarm.check()
            self.measure(state)

    def measure(self, state: TrainingState) -> None:
        found = evaluate(self.artist.draw(state), self.reference, self.spaces)
        rows = {name: measured.plain() for name, measured in found.items()}
        known = {name: row["value"] for name, row in rows.items() if row["value"] is not None}
        self.tracker.add(known, state.step)
        files.append_row(self.run / files.EVALUATIONS, {"step": state.step, "metrics": rows})
        now, real = found[self.name], of_real(self.name, rows[self.name])
        usual = f" (real pictures: {real})" if real else ""
        log.info("step %d of %d: %s %.3g%s", state.step, self.total, self.name, now.value, usual)
        worse = math.isfinite(now.value) and self._compare(state, now)
        looks = {"around": self.around, "recent": self.recent}
        state.diary[DIARY] = {"best": self.best, "since": self.since, "worse": worse, **looks}

    def _compare(self, state: TrainingState, now: Measurement) -> bool:
        """Whether the last looks are worse than those around the best one, beyond noise."""
        value = badness(self.name, now.value)
        if self.best is not None and differing(Stamp(**self.best["stamp"]), now.stamp):
            self.best = None  # metrics.count was changed, say: what was best then says nothing now
        self.recent = [*(self.recent if self.best else ()), now.value][-self.patience :]
        beside = self.patience // 2  # looks on either side of the best one
        if self.best is None or value < badness(self.name, self.best["value"]):
            stamp = asdict(now.stamp)
            self.best = {"metric": self.name, "step": state.step, "value": now.value, "stamp": stamp}
            if self.past_best:
                log.info("step %d: better than ever, so not past its best", state.step)
            self.around, self.since, self.past_best = self.recent[-beside - 1 :], 0, False
            self.checkpoints.best = state.step
            return False
        self.since += 1
        if self.since <= beside:
            self.around = [*self.around, now.value]
        worse = is_worse(self.name, self.recent, self.around)
        past, self.past_best = self.past_best, worse and self.since >= self.patience
        if self.past_best and not past:
            log.warning(
                "probably past its best since step %d: %s was %.3g then, %.3g at best in the last %d looks; "
                "gantrain sample %s --best draws as it did",
                self.best["step"], self.name, self.best["value"],
                min(self.recent, key=lambda value: badness(self.name, value)), len(self.recent),
                files.from_here(self.run),
            )  # fmt: skip
        return worse

    @property
    def enough(self) -> bool:
        """Whether the run is to end here."""
        return self.past_best and self.stop_when_worse

    @property
    def checkpoint(self) -> Path:
        assert self.best is not None
        return self.run / checkpoint_of(self.best)

    def summary(self) -> dict[str, Any]:
        """For summary.json."""
        return {"best": self.best and told_of(self.best, self.past_best)}
