"""On a CUDA device: the numbers of the CPU, exact resumes, and checkpoints that move between the two."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from small import TINY
from torch import Generator, Tensor, nn
from torch.testing import assert_close

from gantrain import build, checks, runtime
from gantrain.compose import composed
from gantrain.data.store import ImageSet, Store
from gantrain.errors import NonFiniteError
from gantrain.losses import penalties
from gantrain.losses.adversarial import BCE
from gantrain.metrics.reference import Reference
from gantrain.networks import dcgan
from gantrain.networks.latent import Normal, Uniform
from gantrain.train.loop import Game, one_step
from gantrain.train.schedule import Joint, Phase, Schedule, Tutorial
from gantrain.train.state import WAYS, TrainingState
from gantrain.train.step import Players, Round, Rules, gradients

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
DEVICES = ("cpu", "cuda")
ROOT = Path(__file__).parent.parent


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=Generator().manual_seed(0))


# ---- Parts, against the same computation on the CPU ------------------------------------------------------


def test_store_keeps_the_images_on_the_device_and_hands_out_the_same_batches() -> None:
    pixels = torch.randint(0, 256, (9, 3, 16, 16), dtype=torch.uint8)
    images = ImageSet("noise", pixels, torch.arange(9) % 3, ("a", "b", "c"))
    indices = torch.tensor([8, 0, 3, 3])
    found = {}
    for device in DEVICES:
        store = Store(images, torch.device(device))
        assert store.images.device.type == device
        found[device] = store.batch(indices, Generator(device))
    (real, labels), (expected, expected_labels) = found["cuda"], found["cpu"]
    assert real.device.type == "cuda"
    assert labels is not None
    assert_close(real.cpu(), expected)
    assert_close(labels.cpu(), expected_labels)


def test_store_mirrors_on_the_device() -> None:
    pixels = torch.randint(0, 256, (64, 1, 16, 16), dtype=torch.uint8)
    plain = Store(ImageSet("noise", pixels), torch.device("cuda"))
    flipped = Store(ImageSet("noise", pixels, flip=True), torch.device("cuda"))
    everything, random = torch.arange(64), Generator("cuda").manual_seed(0)
    real, _ = plain.batch(everything, random)
    mirrored, _ = flipped.batch(everything, random)
    same = (real == mirrored).flatten(1).all(1)
    assert 10 < int(same.sum()) < 54
    assert torch.equal(mirrored[~same], real[~same].flip(3))


@pytest.mark.parametrize("latent", [Normal(16), Uniform(16)])
def test_latents_are_drawn_on_the_device(latent: Normal | Uniform) -> None:
    z = latent(512, Generator("cuda").manual_seed(0))
    assert z.device.type == "cuda"
    assert torch.equal(z, latent(512, Generator("cuda").manual_seed(0)))
    assert abs(float(z.mean())) < 0.05


@pytest.mark.parametrize("name", ["WGANGP", "R1", "R1R2", "DRAGAN"])
def test_penalties_agree_with_the_cpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and, through the double backward pass, gradients. The draw is fixed: devices differ in it."""

    def fixed(images: Tensor, shape: tuple[int, ...], generator: Generator) -> Tensor:
        return torch.linspace(0.1, 0.9, torch.Size(shape).numel(), dtype=images.dtype).view(shape).to(images)

    monkeypatch.setattr(penalties, "_uniform_like", fixed)
    penalty = getattr(penalties, name)()
    critic = dcgan.Discriminator(1, 16, width=4, norm="layer").double()
    found = {}
    for device in DEVICES:
        net = copy.deepcopy(critic).to(device)
        real, fake = noise(4, 1, 16, 16).to(device), noise(4, 1, 16, 16).flip(0).to(device)
        value = penalty(net, real, fake, Generator(device))
        weights = list(net.parameters())
        found[device] = value, *torch.autograd.grad(value.mean(), weights, allow_unused=True)
    for mine, expected in zip(found["cuda"], found["cpu"], strict=True):
        assert (mine is None) == (expected is None)
        if mine is not None:
            assert mine.device.type == "cuda"
            assert_close(mine.cpu(), expected, rtol=1e-8, atol=1e-10)


class FixedLatent(Normal):
    """The same latents on every device."""

    def __call__(self, count: int, generator: Generator) -> Tensor:
        return noise(count, self.dim).to(generator.device)


class BothPlayers(Schedule):
    """D, then G, each by itself."""

    def phases(self, step: int, stats: Mapping[str, float]) -> tuple[Phase, ...]:
        return Phase(("discriminator",)), Phase(("generator",))


SCHEDULES = {
    "apart": BothPlayers(),
    "kept": Tutorial(),
    "joint": Joint(),
    "entangled": Joint(entangled=True),
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("upsample", ["nearest", "bilinear", "transpose", "pixelshuffle"])
def test_gradients_agree_with_the_cpu(name: str, upsample: Any) -> None:
    torch.manual_seed(0)
    generator = dcgan.Generator(6, 1, 16, width=4, upsample=upsample, padding="reflect").double()
    discriminator = dcgan.Discriminator(1, 16, width=4, norm="layer", padding="reflect").double()
    rules = Rules(BCE(), penalties.R1(), FixedLatent(6), nn.Identity())
    found: dict[str, list[dict[str, Tensor]]] = {}
    for device in DEVICES:
        nets = Players(copy.deepcopy(discriminator).to(device), copy.deepcopy(generator).to(device))
        now = Round(0, Generator(device), noise(4, 1, 16, 16).tanh().to(device), None)
        found[device] = []
        for phase in SCHEDULES[name].phases(0, {}):
            measured = gradients(phase, nets, rules, now)
            assert all(bool(finite) for finite in measured.finite.values())
            grads = {
                f"{player}.{name}": weight.grad
                for player in phase.players
                for name, weight in nets[player].named_parameters()
                if weight.grad is not None
            }
            found[device].append({**measured.stats, **grads})
    for mine, expected in zip(found["cuda"], found["cpu"], strict=True):
        assert mine.keys() == expected.keys()
        for key, value in mine.items():
            assert value.device.type == "cuda", key
            assert torch.allclose(value.cpu(), expected[key], rtol=1e-7, atol=1e-10), key


# ---- Whole runs, each in a process of its own: determinism has to be chosen before CUDA starts -----------


def gantrain(where: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gantrain", *arguments],
        cwd=where,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


def train(where: Path, name: str, *overrides: str) -> Path:
    """The run directory of a tiny training on the GPU."""
    run = where / name
    done = gantrain(where, f"hydra.run.dir={run}", "runtime.device=cuda", *TINY, *overrides)
    assert done.returncode == 0, done.stderr
    return run


def assert_equal_states(mine: Any, expected: Any, path: str = "state") -> None:
    """Every tensor and number of two checkpoints, bit for bit, but for the clock and the ways to compute."""
    if isinstance(expected, Tensor):
        assert torch.equal(mine, expected), path
    elif isinstance(expected, Mapping):
        assert mine.keys() == expected.keys(), path
        for key in expected.keys() - {"seconds", *WAYS}:
            assert_equal_states(mine[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, list | tuple):
        assert len(mine) == len(expected), path
        for index, pair in enumerate(zip(mine, expected, strict=True)):
            assert_equal_states(*pair, f"{path}[{index}]")
    else:
        assert mine == expected, path


def state_of(run: Path, step: int) -> dict[str, Any]:
    path = run / "checkpoints" / f"{step:08d}.pt"
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)["state"]
    return state


@pytest.mark.parametrize("options", ["", "penalty=r1 model=dcgan_layer_norm", "condition=class"])
def test_three_and_three_steps_are_six(tmp_path: Path, options: str) -> None:
    overrides = ("runtime.deterministic=true", "padding=zeros", "upsample=transpose", *options.split())
    whole = train(tmp_path, "whole", "train.steps=6", *overrides)
    parts = train(tmp_path, "parts", "train.steps=3", *overrides)
    resumed = gantrain(tmp_path, "resume", str(parts), "train.steps=6")
    assert resumed.returncode == 0, resumed.stderr
    assert_equal_states(state_of(parts, 6), state_of(whole, 6))
    summary = json.loads((parts / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["device"].startswith("cuda")


@pytest.mark.parametrize(
    "options", ["", "penalty=r1 model=dcgan_layer_norm", "schedule=tutorial", "schedule=shared"]
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_recorded_steps_are_the_steps(tmp_path: Path, options: str, precision: str) -> None:
    """CUDA graphs change nothing, bit for bit; nor does a resume in the middle of recorded steps."""
    overrides = ["runtime.deterministic=true", "upsample=transpose", *options.split()]
    overrides += [f"runtime.precision={precision}", "data.flip=true"]
    whole = train(tmp_path, "eager", "train.steps=12", "runtime.compile=none", *overrides)
    graphs = train(tmp_path, "graphs", "train.steps=6", "runtime.compile=cudagraphs", *overrides)
    assert json.loads((graphs / "summary.json").read_text())["compile"] == "cudagraphs"
    resumed = gantrain(tmp_path, "resume", str(graphs), "train.steps=12")
    assert resumed.returncode == 0, resumed.stderr
    assert_equal_states(state_of(graphs, 12), state_of(whole, 12))


def test_a_step_never_waits_for_the_device() -> None:
    state, game = tiny_state()
    for _ in range(2):
        one_step(state, game)
    torch.cuda.set_sync_debug_mode("error")
    try:
        one_step(state, game)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_pictures_are_compared_on_the_device_as_on_the_cpu() -> None:
    images = torch.randint(256, (240, 1, 16, 16), dtype=torch.uint8, generator=Generator().manual_seed(0))
    fakes = torch.randint(64, 256, (60, 1, 16, 16), dtype=torch.uint8, generator=Generator().manual_seed(1))
    found = [
        Reference(images, None, torch.arange(240), "all", count=60, device=device).compare(fakes.to(device))
        for device in DEVICES
    ]
    assert found[0].keys() == found[1].keys()
    assert_close(found[1], found[0], rtol=1e-3, atol=1e-3)


def test_the_doctor_looks_on_on_the_device(tmp_path: Path) -> None:
    """A run that is long enough for the pictures to be judged, from before the first step to the report."""
    attended = ("doctor.enabled=true", "metrics.every=100", "metrics.count=64", "train.steps=220")
    run = train(tmp_path, "run", *attended)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["best"]["metric"] == "fd_rand"
    assert (run / "report.md").is_file()


@pytest.mark.parametrize("compile", ["none", "cudagraphs"])
def test_a_bad_number_moves_no_weight_before_it_is_noticed(compile: str) -> None:
    state, game = tiny_state(f"runtime.compile={compile}")
    for _ in range(5):
        one_step(state, game)
    before = copy.deepcopy([state.nets[player].state_dict() for player in ("generator", "discriminator")])
    weights = [dict(state.nets[player].named_parameters()) for player in ("generator", "discriminator")]
    weights[1]["head.last.weight"].data.fill_(torch.inf)
    before[1]["head.last.weight"].fill_(torch.inf)
    for _ in range(3):
        one_step(state, game)
    for old, new in zip(before, weights, strict=True):
        assert_close(
            {name: new[name].detach() for name in new}, {name: old[name] for name in new}, rtol=0, atol=0
        )
    with pytest.raises(NonFiniteError, match="step 6"):
        state.alarm.check()


def tiny_state(*overrides: str) -> tuple[TrainingState, Game]:
    cfg = checks.resolved(composed([*TINY, "runtime.device=cuda", *overrides]))
    device = torch.device("cuda")
    runtime.settle(cfg, device)
    return build.assemble(cfg, build.load_data(cfg), device)


CHOICES = {
    "padding": ("zeros", "reflect", "replicate", "circular", "reflect_stem"),
    "upsample": ("nearest", "bilinear", "transpose", "pixelshuffle"),
    "downsample": ("stride", "avgpool", "maxpool"),
}


@pytest.mark.parametrize("option", [f"{group}={name}" for group, names in CHOICES.items() for name in names])
def test_deterministic_training_works_or_is_refused(tmp_path: Path, option: str) -> None:
    """CUDA has no deterministic backward pass for some operations: that must not end in a traceback."""
    overrides = {"padding": "zeros", "upsample": "transpose", "downsample": "stride"}
    overrides |= {"runtime.deterministic": "true", "runtime.device": "cuda", "train.steps": "2"}
    group, _, name = option.partition("=")
    chosen = [f"{key}={value}" for key, value in (overrides | {group: name}).items()]
    done = gantrain(tmp_path, *chosen, *TINY)
    assert done.returncode in (0, 2), done.stderr
    assert "Traceback" not in done.stderr


def test_a_checkpoint_of_the_gpu_samples_and_trains_on_without_one(tmp_path: Path) -> None:
    run = train(tmp_path, "run", "train.steps=2")
    blind = {"CUDA_VISIBLE_DEVICES": ""}
    drawn = gantrain(tmp_path, "sample", str(run), "-n", "4", "--device", "cpu", **blind)
    assert drawn.returncode == 0, drawn.stderr
    assert list(run.glob("samples/drawn/*.png"))
    resumed = gantrain(tmp_path, "resume", str(run), "train.steps=4", "runtime.device=cpu", **blind)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads((run / "summary.json").read_text())["step"] == 4


def test_sampling_on_the_gpu_repeats_itself(tmp_path: Path) -> None:
    run = train(tmp_path, "run", "train.steps=2")
    pictures = []
    for out in ("first", "second"):
        done = gantrain(
            tmp_path, "sample", str(run), "-n", "4", "--device", "cuda", "--out", str(tmp_path / out)
        )
        assert done.returncode == 0, done.stderr
        pictures.append(next((tmp_path / out).glob("*.png")).read_bytes())
    assert pictures[0] == pictures[1]


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    done = gantrain(tmp_path, f"runtime.device=cuda:{torch.cuda.device_count()}", *TINY)
    assert done.returncode == 2
    assert "runtime.device: there is no 'cuda:" in done.stderr
