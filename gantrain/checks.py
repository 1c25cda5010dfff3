"""Everything that can be said of a configuration before data or device is touched."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gantrain import runtime, signatures
from gantrain.build import (
    GIVEN_TO_OPTIMISERS,
    LEARNING_RATES,
    DataFacts,
    given_facts,
)
from gantrain.config import check_skeleton, refuse
from gantrain.data.sources import LABELLED
from gantrain.doctor.rules.registry import check_params
from gantrain.errors import GantrainError
from gantrain.keys import NETWORKS
from gantrain.metrics.kinds import check_metric
from gantrain.networks.blocks import check_at_least_one
from gantrain.networks.init import INIT
from gantrain.networks.layers import NORM, OUTPUT_RANGE

LEAST_BATCH = 8  # that is advised: of fewer pictures batch norm makes little
MIXING = {name for name, norm in NORM.items() if norm.mixes_samples}  # batch norm


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
    runtime.check_device(cfg.runtime.device)
    targets = {
        name: check_component(cfg, name)
        for name in ("data", "latent", "penalty", "loss", "schedule", "augment")
    }
    given = given_facts(cfg)  # only now that latent.dim is known to be a number
    check_shared(cfg.model)
    targets |= {name: check_component(cfg.model, name, given, "model.") for name in NETWORKS}
    check_optimiser(cfg)
    if cfg.model.get("init", "default") not in INIT:
        raise GantrainError(
            "model.init", f"no such initialisation: '{cfg.model.init}'", f"choices: {', '.join(INIT)}"
        )
    check_metric(cfg.metrics.best)
    check_params(OmegaConf.to_container(cfg.doctor.params), cfg.doctor.ignore)  # type: ignore[arg-type]
    facts = facts_of_config(cfg, targets, chosen)
    refuse(facts)
    return facts


def check_component(
    parent: DictConfig, name: str, given: Collection[str] = (), prefix: str = ""
) -> Callable[..., Any]:
    node = OmegaConf.to_container(parent[name])
    assert isinstance(node, dict)
    return signatures.check(node, prefix + name, given)  # type: ignore[arg-type]


def check_shared(model: DictConfig) -> None:
    """What a network takes over from the model: an error names model.width, as typed, and not the copy."""
    if isinstance(width := model.get("width"), int):
        check_at_least_one("model.width", width)  # as the networks do, once they know the data
    for name in NETWORKS:
        target = signatures.locate(model[name].get("_target_"), f"model.{name}")
        shared = {
            key: value for key, value in model.items() if key in model[name] and value == model[name][key]
        }
        signatures.check_types(shared, "model", target)  # type: ignore[arg-type]


def check_optimiser(cfg: DictConfig) -> None:
    node: Any = OmegaConf.to_container(cfg.optim)
    signatures.check(node, "optim", GIVEN_TO_OPTIMISERS, extra=dict.fromkeys(LEARNING_RATES.values(), 2e-4))
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
    device = runtime.choose_device(cfg.runtime.device)
    return {
        "per_sample_gradient": getattr(penalty, "per_sample_gradient", False),
        "discriminator_batch_norm": norms["discriminator"] in MIXING,
        "batch_norm": bool(MIXING & set(norms.values())),
        "conditional": cfg.condition.kind == "class",
        "labelled": LABELLED.get(targets["data"].__name__),
        "classifying": cfg.metrics.every > 0 and cfg.metrics.best.endswith("_cls"),
        "networks_take_labels": all("num_classes" in p for p in takes.values()),
        "latent_dim": cfg.latent.get("dim", sys.maxsize),
        "embedding_dim": cfg.condition.embedding_dim,
        "image_size": cfg.data.get("image_size"),
        "image_sizes": getattr(targets["generator"], "image_sizes", None),
        "output_range": OUTPUT_RANGE.get(generator.get("output")),
        "batch_size": cfg.train.batch_size,
        "deterministic": cfg.runtime.deterministic,
        "device": device.type,
        "compile": cfg.runtime.compile,
        "precision": cfg.runtime.precision,
        "bf16_is_native": runtime.best_precision(device).value == "bf16",
        "reflects": any(
            cfg.model[name].get("padding") == "reflect" or cfg.model[name].get("stem") for name in NETWORKS
        ),
        "unbounded": getattr(loss, "unbounded", False),
        "critic_is_bounded": getattr(penalty, "bounds_critic", False) or norms["discriminator"] == "spectral",
        "entangled": bool(cfg.schedule.get("entangled", False)),
        "concatenated": not cfg.schedule.get("split_batches", True),
        "unused": ", ".join(
            g for g in ("upsample", "downsample", "padding") if g in chosen and g not in taken
        ),
    }


def facts_of_data(data: DataFacts) -> dict[str, Any]:
    fits, tenth = (2 ** int(math.log2(max(2, count))) for count in (data.count, data.count // 10))
    return {
        "labelled": data.num_classes > 0,
        "image_size": data.image_size,
        "count": data.count,
        "advised": min(fits, max(LEAST_BATCH, tenth)),  # an epoch has ten such batches, if not too small
    }
