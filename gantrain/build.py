"""From the configuration to objects: the only place that instantiates."""

from __future__ import annotations

import inspect
import math
import os
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Generator, nn

from gantrain import signatures
from gantrain.config import NETWORKS, check_skeleton, options_of, refuse
from gantrain.data.sampler import Sampler
from gantrain.data.sources import LABELLED
from gantrain.data.store import ImageSet, Store
from gantrain.errors import GantrainError
from gantrain.networks.init import INIT, initialise
from gantrain.networks.latent import Latent
from gantrain.networks.layers import OUTPUT_RANGE
from gantrain.train.ema import EMA
from gantrain.train.loop import Game
from gantrain.train.schedule import Player, Schedule
from gantrain.train.state import TrainingState
from gantrain.train.step import Players, Rules

LEARNING_RATES: dict[Player, str] = {"discriminator": "lr_d", "generator": "lr_g"}
# What the loop calls on a component: a class of the user's own without it is refused by name.
METHODS = {
    "data": ("images", "labels"),
    "latent": ("interpolate",),
    "loss": ("discriminator", "generator"),
    "schedule": ("phases", "start", "review_every"),
    "optim": ("step", "zero_grad", "param_groups"),
}
GIVEN_TO_OPTIMISERS = ("params", "lr")


@dataclass(frozen=True)
class DataFacts:
    """What the data say; networks take these by name, and nobody types them."""

    channels: int
    image_size: int
    num_classes: int  # 0: unlabelled
    count: int
    class_names: tuple[str, ...] = ()

    @classmethod
    def of(cls, images: ImageSet) -> DataFacts:
        return cls(images.channels, images.image_size, images.num_classes, images.count, images.class_names)


def find_user_classes() -> None:
    """Lets `_target_` name modules of the current directory, which console scripts leave off the path."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)


def resolved(cfg: DictConfig) -> DictConfig:
    """The configuration with its skeleton checked and every interpolation replaced by its value.

    Raises:
        GantrainError: the first thing that is wrong with it.
    """
    check_skeleton(cfg)
    try:
        plain = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", "") or ""
        raise GantrainError(str(key), str(error).splitlines()[0], "") from error
    assert isinstance(plain, dict)
    betas = plain["optim"].get("betas")
    if isinstance(betas, list) and all(isinstance(beta, int | float) for beta in betas):
        plain["optim"]["betas"] = [float(beta) for beta in betas]  # Adam refuses a mixture of int and float
    return OmegaConf.create(plain)


def given_facts(cfg: DictConfig, data: DataFacts | None = None) -> dict[str, int]:
    """What networks are given by name; before the data are read, with stand-ins."""
    conditional = cfg.condition.kind == "class"
    return {
        "latent_dim": int(cfg.latent.get("dim", 1)),
        "channels": data.channels if data else 1,
        "image_size": data.image_size if data else 32,
        "num_classes": data.num_classes if data and conditional else 0,
        "embedding_dim": int(cfg.condition.embedding_dim),
    }


def check(cfg: DictConfig, chosen: Collection[str] = ()) -> dict[str, Any]:
    """Everything that can be said before data or device is touched.

    Args:
        cfg: as `resolved` returns it.
        chosen: groups that the user named, to tell one that has no effect.

    Returns:
        The facts of the combination, for `config.warnings`.

    Raises:
        GantrainError: an option that nothing takes, a wrong type, or a combination that cannot work.
    """
    find_user_classes()
    check_device(cfg.runtime.device)
    targets = {
        name: check_component(cfg, name)
        for name in ("data", "latent", "penalty", "loss", "schedule", "augment")
    }
    given = given_facts(cfg)  # only now that latent.dim is known to be a number
    targets |= {name: check_component(cfg.model, name, given, "model.") for name in NETWORKS}
    check_optimiser(cfg)
    if cfg.model.get("init", "default") not in INIT:
        raise GantrainError(
            "model.init", f"no such initialisation: '{cfg.model.init}'", f"choices: {', '.join(INIT)}"
        )
    facts = facts_of_config(cfg, targets, chosen)
    refuse(facts)
    return facts


def check_component(
    parent: DictConfig, name: str, given: Collection[str] = (), prefix: str = ""
) -> Callable[..., Any]:
    node = OmegaConf.to_container(parent[name])
    assert isinstance(node, dict)
    return signatures.check(node, prefix + name, given)  # type: ignore[arg-type]


def check_optimiser(cfg: DictConfig) -> None:
    node: Any = OmegaConf.to_container(cfg.optim)
    signatures.check(node, "optim", GIVEN_TO_OPTIMISERS, extra=dict.fromkeys(LEARNING_RATES.values(), float))
    for key in LEARNING_RATES.values():
        if not 0 < cfg.optim[key] < math.inf:
            raise GantrainError(f"optim.{key}", f"must be above 0, got {cfg.optim[key]}", f"optim.{key}=2e-4")
    betas = node.get("betas", [0.5, 0.999])  # Adam's own complaint would be about subscripts
    if not (isinstance(betas, list) and len(betas) == 2 and all(_is_beta(beta) for beta in betas)):
        reason = f"must be two numbers from 0 to below 1, got {betas}"
        raise GantrainError("optim.betas", reason, "optim.betas=[0.5,0.999]")


def _is_beta(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1


def facts_of_config(
    cfg: DictConfig, targets: dict[str, Callable[..., Any]], chosen: Collection[str]
) -> dict[str, Any]:
    """What the components declare about themselves, under the names that config.REFUSALS uses."""
    generator, discriminator = cfg.model.generator, cfg.model.discriminator
    takes = {name: signatures.parameters(targets[name]) for name in NETWORKS}
    norms = {"generator": generator.get("norm"), "discriminator": discriminator.get("norm")}
    penalty, loss = targets["penalty"], targets["loss"]
    taken = {key for parameters in takes.values() for key in parameters}
    return {
        "per_sample_gradient": getattr(penalty, "per_sample_gradient", False),
        "discriminator_batch_norm": norms["discriminator"] == "batch",
        "batch_norm": "batch" in norms.values(),
        "conditional": cfg.condition.kind == "class",
        "labelled": LABELLED.get(targets["data"].__name__),
        "networks_take_labels": all("num_classes" in p for p in takes.values()),
        "latent_dim": cfg.latent.get("dim", sys.maxsize),
        "embedding_dim": cfg.condition.embedding_dim,
        "image_size": cfg.data.get("image_size"),
        "image_sizes": getattr(targets["generator"], "image_sizes", None),
        "output_range": OUTPUT_RANGE.get(generator.get("output")),
        "batch_size": cfg.train.batch_size,
        "deterministic": cfg.runtime.deterministic,
        "device": choose_device(cfg.runtime.device).type,
        "reflects": cfg.padding.mode == "reflect" or cfg.padding.stem,
        "unbounded": getattr(loss, "unbounded", False),
        "critic_is_bounded": getattr(penalty, "bounds_critic", False) or norms["discriminator"] == "spectral",
        "entangled": bool(cfg.schedule.get("entangled", False)),
        "concatenated": not cfg.schedule.get("split_batches", True),
        "unused": ", ".join(
            g for g in ("upsample", "downsample", "padding") if g in chosen and g not in taken
        ),
    }


def facts_of_data(data: DataFacts) -> dict[str, Any]:
    return {"labelled": data.num_classes > 0, "image_size": data.image_size, "count": data.count}


def make(key: str, node: DictConfig, **given: Any) -> Any:
    """Instantiates the component at `key`; its own complaint about a value reaches the user."""
    try:
        made = instantiate(node, _convert_="all", **given)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, GantrainError):
            raise cause from None
        if isinstance(cause, ValueError | TypeError):  # a library's own range check, such as Adam's betas
            raise GantrainError(key, str(cause).splitlines()[0], "") from error
        raise (cause or error) from None
    for method in METHODS.get(key, ()):
        if not hasattr(made, method):
            target, reason = node["_target_"], f"and {key} needs one"
            raise GantrainError(
                f"{key}._target_", f"what {target} makes has no '{method}', {reason}", options_of(key)
            )
    return made


def load_data(cfg: DictConfig) -> ImageSet:
    """The images, and their labels if the networks are to see them."""
    images: ImageSet = make("data", cfg.data)
    return images


def check_device(name: str) -> None:
    """Raises GantrainError for a device that is not here."""
    available = {
        "auto": True,
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    kind, _, index = name.partition(":")
    here = [device for device, present in available.items() if present]
    if kind not in available:
        raise GantrainError("runtime.device", f"no such device: '{name}'", f"here: {', '.join(here)}")
    if not available[kind]:
        raise GantrainError(
            "runtime.device", f"PyTorch finds no {kind} device here", f"here: {', '.join(here)}"
        )
    if index and (kind != "cuda" or not index.isdecimal() or int(index) >= torch.cuda.device_count()):
        raise GantrainError("runtime.device", f"there is no '{name}' here", f"here: {', '.join(here)}")


def choose_device(name: str) -> torch.device:
    """`auto` takes CUDA, then MPS, then the CPU."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def make_networks(cfg: DictConfig, data: DataFacts, device: torch.device) -> Players:
    """Both networks, initialised on the CPU (so that every device starts alike), then moved."""
    given = given_facts(cfg, data)
    built = {}
    for name in NETWORKS:
        node = cfg.model[name]
        takes = signatures.parameters(signatures.locate(node["_target_"], f"model.{name}"))
        network = make(
            f"model.{name}", node, **{fact: value for fact, value in given.items() if fact in takes}
        )
        if not isinstance(network, nn.Module):
            raise GantrainError(
                f"model.{name}._target_", "does not make a torch.nn.Module", "name a network's class"
            )
        if not any(p.requires_grad for p in network.parameters()):
            raise GantrainError(f"model.{name}._target_", "has nothing to train", "name a network's class")
        initialise(network, cfg.model.get("init", "default"))
        built[name] = network.to(device)
    return Players(built["discriminator"], built["generator"])


def make_optimiser(cfg: DictConfig, player: Player, network: nn.Module) -> torch.optim.Optimizer:
    options = {key: value for key, value in cfg.optim.items() if key not in LEARNING_RATES.values()}
    target = signatures.locate(options["_target_"], "optim")
    if network_is_on_cuda(network) and "fused" in inspect.signature(target).parameters:
        options.setdefault("fused", True)
    rate = float(cfg.optim[LEARNING_RATES[player]])
    node = OmegaConf.create(options)
    optimiser: torch.optim.Optimizer = make("optim", node, params=list(network.parameters()), lr=rate)
    return optimiser


def network_is_on_cuda(network: nn.Module) -> bool:
    return any(p.is_cuda for p in network.parameters())


def make_latent(cfg: DictConfig) -> Latent:
    latent: Latent = make("latent", cfg.latent)
    return latent


def make_game(cfg: DictConfig, images: ImageSet, device: torch.device) -> Game:
    """Data on the device, the rules and the schedule."""
    if cfg.condition.kind != "class":
        images = replace(images, labels=None, class_names=())
    schedule: Schedule = make("schedule", cfg.schedule)
    rules = Rules(
        loss=make("loss", cfg.loss),
        penalty=make("penalty", cfg.penalty),
        latent=make_latent(cfg),
        augment=make("augment", cfg.augment).to(device),
        split_batches=schedule.split_batches,
    )
    return Game(Store(images, device), rules, schedule)


def make_state(cfg: DictConfig, nets: Players, game: Game, count: int, device: torch.device) -> TrainingState:
    """The state at step 0."""
    players: tuple[Player, ...] = ("discriminator", "generator")
    return TrainingState(
        nets=nets,
        ema=EMA(nets.generator, float(cfg.ema.half_life_images)),
        optimisers={player: make_optimiser(cfg, player, nets[player]) for player in players},
        sampler=Sampler(count, int(cfg.train.batch_size), int(cfg.seed)),
        noise=Generator(device).manual_seed(int(cfg.seed)),
        schedule_stats=game.schedule.start(),
    )
