"""From the configuration to objects: the only place that instantiates."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Generator, Tensor, nn

from gantrain import runtime, signatures
from gantrain.data.sampler import Sampler
from gantrain.data.split import split
from gantrain.data.store import ImageSet, Store
from gantrain.errors import GantrainError
from gantrain.keys import NETWORKS, options_of
from gantrain.metrics.reference import Reference
from gantrain.networks.init import initialise
from gantrain.networks.latent import Latent
from gantrain.train.ema import EMA
from gantrain.train.graphs import Replayed
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
KNOWN_BY, DECODED_ALIKE = 16, 1.5  # pictures, and values out of 255
ENOUGH_HELD_OUT = 1000  # real pictures to judge by
GIVEN_TO_OPTIMISERS = ("params", "lr")
FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)  # with a fused kernel on every device


@dataclass(frozen=True)
class DataFacts:
    """What the data say; networks take these by name, and nobody types them."""

    channels: int
    image_size: int
    num_classes: int  # 0: unlabelled
    count: int  # to train on
    held_out: int = 0  # kept apart to judge by
    class_names: tuple[str, ...] = ()
    brightness: tuple[float, ...] = ()
    """Mean value (0..255) of some of the pictures, by which others of their kind are known; of runs that
    earlier versions began it is not known.
    """

    @classmethod
    def of(cls, images: ImageSet) -> DataFacts:
        return cls(
            images.channels,
            images.image_size,
            images.num_classes,
            images.train_count,
            images.held_out_count,
            images.class_names,
            _brightness(images.images),
        )

    def of_other_pictures(self, other: DataFacts) -> bool:
        """Whether it is known that they are not the same; another decoder may make a few values others."""
        pairs = zip(self.brightness, other.brightness, strict=False)
        return any(abs(one - another) > DECODED_ALIKE for one, another in pairs)


def _brightness(pictures: Tensor) -> tuple[float, ...]:
    last = len(pictures) - 1
    rows = sorted({last * number // (KNOWN_BY - 1) for number in range(KNOWN_BY)})
    return tuple(round(float(pictures[row].float().mean()), 2) for row in rows)


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


def make(key: str, node: DictConfig, **given: Any) -> Any:
    """Instantiates the component at `key`; its own complaint about a value reaches the user."""
    signatures.locate(node["_target_"], key)
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
    """The images with their labels, and which of them are held out."""
    return split(make("data", cfg.data), cfg.metrics.held_out, cfg.train.images)


def make_networks(cfg: DictConfig, data: DataFacts, device: torch.device) -> Players:
    """Both networks, the generator first: the order in which they draw their weights."""
    return Players(**{name: make_network(cfg, name, data, device) for name in NETWORKS})


def make_network(cfg: DictConfig, name: str, data: DataFacts, device: torch.device) -> nn.Module:
    """One network, initialised on the CPU (so that every device starts alike), then moved."""
    node, key = cfg.model[name], f"model.{name}"
    takes = signatures.parameters(signatures.locate(node["_target_"], key))
    given = {fact: value for fact, value in given_facts(cfg, data).items() if fact in takes}
    network = make(key, node, **given)
    if not isinstance(network, nn.Module):
        raise GantrainError(f"{key}._target_", "does not make a torch.nn.Module", "name a network's class")
    if not any(p.requires_grad for p in network.parameters()):
        raise GantrainError(f"{key}._target_", "has nothing to train", "name a network's class")
    initialise(network, cfg.model.get("init", "default"))
    return network.to(device).to(memory_format=runtime.LAYOUTS[cfg.runtime.memory_format])


def make_optimiser(cfg: DictConfig, player: Player, network: nn.Module) -> torch.optim.Optimizer:
    options = {key: value for key, value in cfg.optim.items() if key not in LEARNING_RATES.values()}
    kind = signatures.locate(options["_target_"], "optim")
    takes = inspect.signature(kind).parameters
    if kind in FUSED and not any(options.get(other) for other in ("foreach", "differentiable")):
        options.setdefault("fused", True)
    if "capturable" in takes and cfg.runtime.compile == "cudagraphs":
        options.setdefault("capturable", True)
    rate = float(cfg.optim[LEARNING_RATES[player]])
    node = OmegaConf.create(options)
    optimiser: torch.optim.Optimizer = make("optim", node, params=list(network.parameters()), lr=rate)
    return optimiser


def make_latent(cfg: DictConfig) -> Latent:
    latent: Latent = make("latent", cfg.latent)
    return latent


def assemble(cfg: DictConfig, images: ImageSet, device: torch.device) -> tuple[TrainingState, Game]:
    """Everything that trains, at step 0; `cfg.runtime` as `runtime.settle` leaves it."""
    nets = make_networks(cfg, DataFacts.of(images), device)
    game = make_game(cfg, images, device)
    return make_state(cfg, nets, game, images.train_count, device), game


def make_game(cfg: DictConfig, images: ImageSet, device: torch.device) -> Game:
    """Data on the device, the rules and the schedule."""
    if cfg.condition.kind != "class":
        images = replace(images, labels=None, class_names=())
    schedule: Schedule = make("schedule", cfg.schedule)
    rules = Rules(
        loss=make("loss", cfg.loss),
        penalty=make("penalty", cfg.penalty),
        latent=make_latent(cfg),
        augment=make("augment", cfg.augment),
        split_batches=schedule.split_batches,
        precision=runtime.Precision(runtime.DTYPES[cfg.runtime.precision]),
    )
    for part in rules.modules.values():
        part.to(device)
    return Game(Store(images, device), rules, schedule)


def make_reference(images: ImageSet, device: torch.device) -> Reference:
    """The real pictures to judge by: those held out, or all there are where these would be too few."""
    if images.held_out is not None and images.held_out_count >= ENOUGH_HELD_OUT:
        return Reference(images.images, images.labels, images.held_out, "held_out", device=device)
    return Reference(images.images, images.labels, torch.arange(images.count), "all", device=device)


def make_state(cfg: DictConfig, nets: Players, game: Game, count: int, device: torch.device) -> TrainingState:
    """The state at step 0.

    Raises:
        GantrainError: steps cannot be recorded as CUDA graphs.
    """
    players: tuple[Player, ...] = ("discriminator", "generator")
    noise = Generator(device).manual_seed(int(cfg.seed))
    state = TrainingState(
        nets=nets,
        ema=EMA(nets.generator, float(cfg.ema.half_life_images)),
        optimisers={player: make_optimiser(cfg, player, nets[player]) for player in players},
        sampler=Sampler(count, int(cfg.train.batch_size), int(cfg.seed)),
        noise=noise,
        schedule_stats=game.schedule.start(),
        components=game.rules.modules,
    )
    if cfg.runtime.compile == "cudagraphs":
        refuse_waiting(state, game)
        state.launch = Replayed(noise)
    return state


def refuse_waiting(state: TrainingState, game: Game) -> None:
    """A recorded step cannot ask the host for anything in between."""
    reason = None
    if game.store.images.device.type != "cuda":
        reason = "the images do not fit into the GPU's memory"
    elif state.alarm.at_once:
        reason = "this optimiser cannot skip an update on the device"
    if reason is not None:
        raise GantrainError("runtime.compile", f"no CUDA graphs: {reason}", "runtime.compile=none")
