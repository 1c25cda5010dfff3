"""What a run leaves to look at: metrics.jsonl, TensorBoard, sample grids and the progress bar."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams
from tqdm import tqdm

from gantrain import files, pictures
from gantrain.checkpoint import Checkpoints
from gantrain.console import log
from gantrain.keys import flatten, within
from gantrain.train.cadence import is_due
from gantrain.train.randomness import unnoticed
from gantrain.train.state import TrainingState

# name in metrics.jsonl -> tag in TensorBoard
TAGS = {
    "loss_d": "loss/d",
    "loss_g": "loss/g",
    "penalty": "loss/penalty",
    "d_real": "d/real",
    "d_fake": "d/fake",
    "d_fake_after": "d/fake_after_d_step",
    "acc_real": "accuracy/real",
    "acc_fake": "accuracy/fake",
    "logit_real": "logits/real",
    "logit_fake": "logits/fake",
    "grad_norm_d": "grad_norm/d",
    "grad_norm_g": "grad_norm/g",
    "lr_d": "lr/d",
    "lr_g": "lr/g",
    "images_per_second": "perf/images_per_second",
    "lead": "schedule/lead",
}
LAYOUT = {
    "The game": {
        "loss of G and D": ["Multiline", ["loss/g", "loss/d"]],
        "D(x) and D(G(z))": ["Multiline", ["d/real", "d/fake"]],
        "accuracy of D": ["Multiline", ["accuracy/real", "accuracy/fake"]],
        "gradient norms": ["Multiline", ["grad_norm/g", "grad_norm/d"]],
    }
}
DIARY = "tracker"  # its page in the state's diary
NOT_HYPERPARAMETERS = ("checkpoint", "doctor", "facts", "metrics", "runtime", "tracking")
HPARAM_METRICS = ("loss/d", "loss/g", "d/real", "d/fake")  # every run lists the same columns
SIGN_OF_LIFE = 20.0  # seconds, at least, between two lines where there is no bar
IN_BAR = {"loss_d": "D", "loss_g": "G", "d_real": "D(x)", "d_fake": "D(G(z))"}


@dataclass(frozen=True)
class FixedNoise:
    """The latents that every grid of a run is drawn from: looking never touches training's randomness."""

    z: Tensor
    labels: Tensor | None
    columns: int

    def grid(self, network: nn.Module) -> Tensor:
        """uint8 C x H x W."""
        return pictures.grid(pictures.draw(network, self.z, self.labels), self.columns)


def hyperparameters(config: dict[str, Any]) -> dict[str, int | float | str]:
    """What can change the result, as TensorBoard's table takes it: numbers and words, `loss` = `BCE`."""
    return {
        key.removesuffix("._target_"): _plain(
            value.rpartition(".")[2] if key.endswith("._target_") else value
        )
        for key, value in flatten(config).items()
        if not within(key, NOT_HYPERPARAMETERS)
    }


def _plain(value: Any) -> int | float | str:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


class Tracker:
    """Observes a training run from `state.step` on; `real` is a grid of real images (uint8 C x H x W)."""

    def __init__(
        self, run: Path, config: dict[str, Any], state: TrainingState, noise: FixedNoise, real: Tensor
    ) -> None:
        self.run, self.noise = run, noise
        self.total = config["train"]["steps"]
        self.every, self.samples_every = config["tracking"]["every"], config["tracking"]["samples_every"]
        self.last_seconds, self.last_images = state.seconds, state.images
        self.told_step, self.told_seconds = state.step, state.seconds
        self.looked = -1  # the step of the last look at the quality
        self.drawn = -1  # the step of the last picture
        self.rows = open(run / files.METRICS, "a", encoding="utf-8")  # noqa: SIM115 - closed in close()
        # purge_step from the first run on: TensorBoard's loader ignores the first start of a run
        self.writer = SummaryWriter(
            str(run / files.TENSORBOARD), purge_step=state.step + 1 if state.step else 0
        )
        if state.step == 0:
            self._introduce(config, real)
        self.bar = tqdm(total=self.total, initial=state.step, unit="step", disable=None, dynamic_ncols=True)
        self.latest: dict[str, float] = {}
        diary = state.diary.setdefault(DIARY, {"metrics": {}, "waiting": {}})
        self.metrics: dict[str, float] = diary["metrics"]  # the newest of each
        self.waiting: dict[str, float] = diary["waiting"]  # for the next row

    def _introduce(self, config: dict[str, Any], real: Tensor) -> None:
        self.writer.add_custom_scalars(LAYOUT)
        self.writer.add_text("config", f"```yaml\n{OmegaConf.to_yaml(config)}\n```")
        self.writer.add_image("data/real", real, 0)
        pictures.save(real, self.run / files.SAMPLES / files.REAL)
        # in the run's own writer: add_hparams would open a second run beside this one
        events = self.writer.file_writer
        assert events is not None
        for summary in hparams(hyperparameters(config), dict.fromkeys(HPARAM_METRICS, 0.0))[:2]:
            events.add_summary(summary)

    def after_step(self, state: TrainingState) -> None:
        self.bar.update()
        log_is_due = is_due(state.step, self.every, self.total)
        picture_is_due = is_due(state.step, self.samples_every, self.total)
        if log_is_due or picture_is_due:
            state.alarm.check()
        if log_is_due:
            self._log(state)
        if picture_is_due:
            self._draw(state)

    def _log(self, state: TrainingState) -> None:
        images, seconds = state.images - self.last_images, state.seconds - self.last_seconds
        self.last_images, self.last_seconds = state.images, state.seconds
        clock = {"step": state.step, "images": state.images, "seconds": round(state.seconds, 3)}
        values = {"images_per_second": round(images / max(seconds, 1e-9), 1)}
        values |= state.averages.take() | state.schedule_stats
        values |= {f"lr_{player[0]}": o.param_groups[0]["lr"] for player, o in state.optimisers.items()}
        self.rows.write(json.dumps(clock | values | self.waiting) + "\n")
        self.waiting.clear()
        self.rows.flush()
        for name, value in values.items():
            self.writer.add_scalar(TAGS.get(name, f"schedule/{name}"), value, state.step)
        shown = {label: f"{values[name]:.3f}" for name, label in IN_BAR.items() if name in values}
        self.bar.set_postfix({"img/s": f"{values['images_per_second']:.0f}"} | shown, refresh=False)
        self.latest = values
        if self.bar.disable:
            self._tell(state, ", ".join(f"{label} {value}" for label, value in shown.items()))

    def _tell(self, state: TrainingState, shown: str) -> None:
        """Where nobody sees the bar: a line now and then, at most a hundred, but for steps that have one."""
        steps, seconds = state.step - self.told_step, state.seconds - self.told_seconds
        has_one = state.step in (self.looked, self.total)
        if not has_one and (seconds < SIGN_OF_LIFE or steps < self.total / 100):
            return
        self.told_step, self.told_seconds = state.step, state.seconds
        if not has_one:
            left = tqdm.format_interval((self.total - state.step) * seconds / steps)
            log.info("step %d of %d: %s; %s to go", state.step, self.total, shown, left)

    def conclude(self, state: TrainingState) -> None:
        """The picture of a run that ended before its last step."""
        if self.drawn != state.step:
            self._draw(state)

    def _draw(self, state: TrainingState) -> None:
        self.drawn = state.step
        with unnoticed(state.device):
            picture = self.noise.grid(state.ema.network)
        pictures.save(picture, self.run / files.SAMPLES / f"{state.step:08d}.png")
        self.writer.add_image("samples/ema", picture, state.step)

    def add(self, values: dict[str, float], step: int) -> None:
        """Metrics: in TensorBoard now, and in the row of this step, or else the next one."""
        self.looked = step
        self.scalars("metrics", values, step)
        self.waiting.update(values)
        self.metrics.update(values)

    def scalars(self, room: str, values: dict[str, float], step: int) -> None:
        """Numbers of another observer, under `room/` in TensorBoard."""
        for name, value in values.items():
            self.writer.add_scalar(f"{room}/{name}", value, step)

    def note(self, tag: str, text: str, step: int) -> None:
        """Markdown in TensorBoard's page of texts."""
        self.writer.add_text(tag, text, step)

    def picture(self, tag: str, picture: Tensor, step: int) -> None:
        """uint8 C x H x W in TensorBoard's page of pictures."""
        self.writer.add_image(tag, picture, step)

    def flush(self) -> None:
        """Together with a checkpoint: what TensorBoard still holds in memory would be lost by a kill."""
        self.writer.flush()

    def close(self) -> None:
        self.bar.close()
        self.rows.close()
        self.writer.close()


class Witness(Protocol):
    """An observer that has something to say in summary.json."""

    def summary(self) -> dict[str, Any]: ...


class SummaryKeeper:
    """Brings summary.json up to date and flushes the tracker after every checkpoint."""

    def __init__(
        self, run: Path, tracker: Tracker, checkpoints: Checkpoints, witnesses: Sequence[Witness] = ()
    ) -> None:
        self.run, self.tracker, self.checkpoints, self.witnesses = run, tracker, checkpoints, witnesses

    def after_step(self, state: TrainingState) -> None:
        if state.step == self.checkpoints.saved:
            self.write(state, "running")

    def write(self, state: TrainingState, status: str) -> None:
        self.tracker.flush()
        said = [witness.summary() for witness in self.witnesses]
        files.update_summary(
            self.run,
            status=status,
            step=state.step,
            images=state.images,
            seconds=round(state.seconds, 3),
            metrics=self.tracker.latest | self.tracker.metrics,
            **{key: value for summary in said for key, value in summary.items()},
        )
