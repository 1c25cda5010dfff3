"""Every file under configs/ composes, validates, builds and takes a real step; so do mixtures of them."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torch.testing import assert_close

from gantrain import build, checks, runtime
from gantrain.compose import composed
from gantrain.config import refuse, warnings
from gantrain.data.store import ImageSet
from gantrain.keys import GROUPS, config_dir
from gantrain.train.loop import Game, one_step
from gantrain.train.state import TrainingState

SMALL = ("model.width=4", "train.batch_size=4")
ROOT = Path(config_dir())
OPTIONS = sorted(
    f"{path.parent.name}={path.stem}"
    for group in GROUPS
    for path in (ROOT / group).glob("*.yaml")
    if group != "sweep"
)
EXPERIMENTS = sorted(path.stem for path in (ROOT / "experiment").glob("*.yaml"))
# What an option needs beside it to have a meaning.
COMPANY = {
    "penalty=wgan_gp": ("model=dcgan_layer_norm",),
    "penalty=r1": ("model=dcgan_layer_norm",),
    "penalty=r1r2": ("model=dcgan_layer_norm",),
    "penalty=dragan": ("model=dcgan_layer_norm",),
}


def images_for(cfg: DictConfig, count: int = 8) -> ImageSet:
    """Noise with the shape of the configured data: what is tested here is what comes after them."""
    channels = {"cifar10": 3, "celeba": 3, "folder": 3}.get(cfg.data._target_.rsplit(".", 1)[-1], 1)
    size, labels = cfg.data.image_size, torch.arange(count) % 4
    pixels = torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8)
    images = ImageSet("noise", pixels, labels, ("a", "b", "c", "d"))
    return replace(images, labels=None, class_names=()) if "celeba" in cfg.data._target_ else images


def built(overrides: tuple[str, ...]) -> tuple[TrainingState, Game]:
    """Composed, validated and built, on the CPU.

    Raises:
        GantrainError: the combination is refused.
    """
    cfg = checks.resolved(composed([*SMALL, *overrides]))
    facts = checks.check(cfg)
    torch.manual_seed(0)
    images, device = images_for(cfg), torch.device("cpu")
    facts |= checks.facts_of_data(build.DataFacts.of(images))
    refuse(facts)
    warnings(facts)
    runtime.settle(cfg, device)
    return build.assemble(cfg, images, device)


def test_only_optimisers_with_a_fused_kernel_everywhere_get_it() -> None:
    for name, fused in {"Adam": True, "SGD": True, "Adagrad": None, "RMSprop": None}.items():
        own = () if name == "Adam" else ("~optim.betas",)
        state, _ = built((f"optim._target_=torch.optim.{name}", *own))
        assert state.optimisers["generator"].defaults.get("fused") is fused


@pytest.mark.parametrize(
    ("typed", "reflects"),
    [
        ("", False),
        ("padding=reflect_stem", True),
        ("padding=reflect model=mlp", False),
        ("model.discriminator.stem=true", True),
    ],
)
def test_what_reflects_is_seen_in_the_networks(typed: str, reflects: bool) -> None:
    """Where a key of one network says so, not only the group."""
    cfg = checks.resolved(composed([*SMALL, *typed.split()]))
    assert checks.check(cfg)["reflects"] is reflects


def weights(state: TrainingState) -> dict[str, dict[str, Tensor]]:
    return {
        player: {name: p.detach().clone() for name, p in state.nets[player].named_parameters()}
        for player in state.optimisers
    }


def take_steps(overrides: tuple[str, ...], steps: int = 1) -> None:
    """Asserts that both players moved and all is finite."""
    state, game = built(overrides)
    before = weights(state)
    for _ in range(steps):
        one_step(state, game)
    for player, after in weights(state).items():
        assert all(torch.isfinite(p).all() for p in after.values())
        assert any(not torch.equal(p, before[player][name]) for name, p in after.items())


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize(
    "networks",
    [
        *(f"upsample={mode}" for mode in ("nearest", "bilinear", "transpose", "pixelshuffle")),
        *("model=sngan", "model=dcgan_mnist data.image_size=28", "model=mlp", "condition=class"),
        *("padding=reflect", "penalty=r1 model=dcgan_layer_norm", "schedule=shared", "schedule=tutorial"),
    ],
)
def test_fused_updates_are_the_plain_ones(networks: str, layout: str) -> None:
    """A fused optimiser walks through memory: a gradient in another layout would move the wrong weights."""
    sgd = ("optim._target_=torch.optim.SGD", "~optim.betas", "optim.lr_d=1", "optim.lr_g=1")
    found = []
    for fused in ("true", "false"):
        state, game = built(
            (*networks.split(), f"runtime.memory_format={layout}", *sgd, f"+optim.fused={fused}")
        )
        one_step(state, game)
        found.append(weights(state))
    assert_close(*found)


def test_a_state_is_continued_by_the_means_at_hand() -> None:
    """Saved by a plain optimiser, continued by a fused one: as a run does that moves to another device."""
    found = []
    for fused in ("false", "true"):
        state, game = built(("+optim.fused=false",))
        one_step(state, game)
        other, game = built((f"+optim.fused={fused}",))
        other.load_state_dict(state.state_dict())
        assert all(o.param_groups[0]["fused"] is (fused == "true") for o in other.optimisers.values())
        one_step(other, game)
        found.append(weights(other))
    assert_close(*found)


def test_the_groups_are_all_there() -> None:
    found = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.yaml")} - {"."}
    assert {group for group in found if not group.startswith("hydra")} == set(GROUPS)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_trains(option: str) -> None:
    take_steps((option, *COMPANY.get(option, ())))


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "sweep").glob("*.yaml")))
def test_every_sweep_names_options_that_exist(name: str) -> None:
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(ROOT), version_base="1.3"):
        cfg = compose("train", [f"+sweep={name}"], return_hydra_config=True)
    assert cfg.hydra.mode.name == "MULTIRUN"
    for group, options in cfg.hydra.sweeper.params.items():
        if "." in group:
            continue  # a number that a search may choose
        for option in options.removeprefix("choice(").removesuffix(")").split(","):
            assert f"{group}={option.strip()}" in OPTIONS


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.yaml")), ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_every_file_says_what_it_is(path: Path) -> None:
    if path.parent.name != "help":
        assert "# " in path.read_text(encoding="utf-8").split("_target_")[0], "opens with a comment"


@functools.cache
def values(*overrides: str) -> dict[str, Any]:
    return OmegaConf.to_container(composed(overrides), resolve=False)  # type: ignore[return-value]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_leaves_every_group_free(experiment: str) -> None:
    """`experiment=x group=option` means the option: an experiment that set the group's values would win."""
    for option in OPTIONS:
        group = option.partition("=")[0]
        if group == "experiment":
            continue
        assert values(f"experiment={experiment}", option)[group] == values(option)[group], option


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiment_trains_on_other_data(experiment: str) -> None:
    data = ("data=digits",) if "mnist" not in experiment else ("data=digits", "data.image_size=28")
    take_steps((f"experiment={experiment}", *data))


NETWORK_OPTIONS = [
    f"model={model} model.{player}.{key}={value}"
    for model in ("dcgan", "sngan", "mlp", "dcgan_mnist")
    for player in ("generator", "discriminator")
    for key, values in {
        "norm": ("none", "batch", "instance", "layer", "group", "spectral"),
        "activation": ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh"),
    }.items()
    for value in values
]


@pytest.mark.parametrize("options", NETWORK_OPTIONS)
def test_every_norm_and_activation_trains(options: str) -> None:
    take_steps((*options.split(), "data.image_size=16" if "mnist" not in options else "data.image_size=28"))


@pytest.mark.parametrize("size", [16, 20, 28, 48, 64])
@pytest.mark.parametrize("padding", ["zeros", "reflect_stem"])
def test_every_size_trains(size: int, padding: str) -> None:
    take_steps((f"data.image_size={size}", f"padding={padding}", "condition=class"))
