"""Changes of the configuration that a remedy is made of, as functions of its facts. No torch here.

A change is a mapping of configuration keys, or groups, to values; it is empty where it makes no sense. None
leads to a combination that config.REFUSALS refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gantrain import console
from gantrain.doctor.rules.facts import (
    FEW_OF_A_CLASS,
    OFTEN,
    are_few,
    is_convolutional,
    is_unbounded,
    of_each,
    times_seen,
)
from gantrain.doctor.rules.rates import USUAL_RATES, pace, rates_are_usual
from gantrain.doctor.rules.rule import GOOD_PICTURES, Facts, number
from gantrain.train.cadence import some_four_times

Change = dict[str, Any]

TWO_TIME_SCALES = (4e-4, 1e-4)  # of D and G, Adam without momentum (N0.2)
SURE_PACE = 4.0  # above which it is D's pace that made G's gradient vanish
HIGH_FOR_A_CRITIC = 1e-3
SLOWEST = 1e-5
PER_SAMPLE = {"R1": 1.0, "R1R2": 1.0, "WGANGP": 10.0, "DRAGAN": 10.0}  # penalty -> its usual weight

SCHEDULES = ("Alternating", "Tutorial", "Joint", "Adaptive")

# What the facts say once an option is chosen.
OPTIONS: dict[tuple[str, str], Change] = {
    ("loss", "bce"): {"loss": "BCE"},
    ("loss", "lsgan"): {"loss": "LSGAN"},
    ("penalty", "clip"): {"penalty": "Clip"},
    ("penalty", "r1"): {"penalty": "R1"},
    ("penalty", "wgan_gp"): {"penalty": "WGANGP"},
    ("schedule", "alternating"): {"schedule": "Alternating"},
    ("schedule", "shared"): {"schedule": "Joint", "schedule.entangled": False},
    ("condition", "class"): {"condition.kind": "class"},
    ("condition", "none"): {"condition.kind": "none"},
    ("upsample", "nearest"): {"upsample.mode": "nearest"},
    ("upsample", "bilinear"): {"upsample.mode": "bilinear"},
    ("padding", "reflect_stem"): {"padding.mode": "zeros", "padding.stem": True},
    ("padding", "reflect"): {"padding.mode": "reflect"},
    ("padding", "circular"): {"padding.mode": "circular"},
    ("augment", "diffaug"): {"augment._target_": "gantrain.augment.diffaug.DiffAugment"},
    ("downsample", "stride"): {"downsample.mode": "stride"},
    ("model", "dcgan"): {"model.generator._target_": "gantrain.networks.dcgan.Generator"},
    ("model", "dcgan_layer_norm"): {
        "model.generator._target_": "gantrain.networks.dcgan.Generator",
        "model.discriminator.norm": "layer",
    },
}


def in_place(facts: Facts, key: str, value: Any) -> bool:
    """Whether the configuration says so already."""
    chosen = OPTIONS.get((key, value), {key: value}) if isinstance(value, str) else {key: value}
    missing = object()
    return all(facts.get(name, missing) == wanted for name, wanted in chosen.items())


def written(value: Any) -> str:
    """As Hydra reads it, a float with its point: 10.0, 5e-05, true, null."""
    return repr(float(f"{value:.3g}")) if isinstance(value, float) else console.written(value)


# ---- Changes ---------------------------------------------------------------------------------------------


def fixed(**change: Any) -> Callable[[Facts], Change]:
    """The same change whatever the facts."""
    return lambda facts: change


def if_taken(key: str, change: Change) -> Callable[[Facts], Change]:
    """The change, where the networks take what it sets."""
    return lambda facts: change if key in facts else {}


def evenly_upsampled(facts: Facts) -> Change:
    return {"upsample": "nearest"} if facts.get("model.generator.upsample") == "transpose" else {}


def known_pair(facts: Facts) -> Change:
    """The rates that the chosen optimiser is known to work with, and one step each (N0.1, N0.2)."""
    usual = USUAL_RATES.get(str(facts.get("optim")))
    if usual is None:
        return {}
    without_momentum = facts.get("optim.betas", (0.5,))[0] == 0
    lr_d, lr_g = TWO_TIME_SCALES if without_momentum else usual[:2]
    steps = {key: 1 for key in ("schedule.d_steps", "schedule.g_steps") if key in facts}
    return {"optim.lr_d": lr_d, "optim.lr_g": lr_g} | ({} if facts.get("loss") == "WGAN" else steps)


def usual_rates(facts: Facts) -> Change:
    """The known pair, for rates or a pace that are not usual."""
    return {} if rates_are_usual(facts) else known_pair(facts)


def two_time_scales(facts: Facts) -> Change:
    """The pair of N0.2, for the optimiser it was made for."""
    rates = dict(zip(("optim.lr_d", "optim.lr_g"), TWO_TIME_SCALES, strict=True))
    return rates if facts.get("optim") == "Adam" else {}


def normed_generator(facts: Facts) -> Change:
    """Batch norm in a convolutional generator that has no norm at all."""
    bare = facts.get("model.generator.norm") == "none" and is_convolutional(facts)
    return {"model.generator.norm": "batch"} if bare and number(facts, "train.batch_size", 2) > 1 else {}


def usual_game(facts: Facts) -> Change:
    """Usual rates, and the norm that a convolutional generator needs at them."""
    rates = usual_rates(facts)
    return rates | normed_generator(facts) if rates else {}


def scaled(key: str, factor: float, least: float, most: float) -> Callable[[Facts], Change]:
    """A number times a factor, where there is one and it stays within least..most."""

    def change(facts: Facts) -> Change:
        value = factor * number(facts, key, 0)
        kind = int if isinstance(facts.get(key), int) else float
        return {key: kind(value)} if least <= value <= most else {}

    return change


def longer(facts: Facts) -> Change:
    """Twice the steps, and as many as good pictures take."""
    steps = number(facts, "train.steps", 0)
    return {"train.steps": int(max(2 * steps, GOOD_PICTURES))} if steps else {}


def long_enough(facts: Facts) -> Change:
    too_short = number(facts, "train.steps", GOOD_PICTURES) < GOOD_PICTURES
    return {"train.steps": GOOD_PICTURES} if too_short else {}


def slower(*keys: str) -> Callable[[Facts], Change]:
    """A quarter of these rates, or half where a quarter would be less than trains GANs (GD005c)."""

    def change(facts: Facts) -> Change:
        for factor in (0.25, 0.5):
            rates = {key: factor * number(facts, key, 0) for key in keys}
            if min(rates.values()) < SLOWEST:
                break
            if rates_are_usual({**facts, **rates}) or not rates_are_usual(facts):
                return rates
        return {}

    return change


def penalised(option: str) -> Callable[[Facts], Change]:
    """A gradient penalty where there is none, with the norm in D that goes with it: batch norm is refused
    (config.REFUSALS), and without any a critic learns slowly.
    """

    def change(facts: Facts) -> Change:
        if facts.get("penalty") != "Penalty":
            return {}
        norm = facts.get("model.discriminator.norm")
        unfit = norm == "batch" or (norm == "none" and is_convolutional(facts))
        return {"penalty": option} | ({"model.discriminator.norm": "layer"} if unfit else {})

    return change


def lighter_penalty(facts: Facts) -> Change:
    weight = number(facts, "penalty.weight", 0)
    usual = PER_SAMPLE.get(str(facts.get("penalty")), weight)
    return {"penalty.weight": usual} if weight > 3 * usual else {}


def heavier_penalty(facts: Facts) -> Change:
    weight = number(facts, "penalty.weight", 0)
    usual = PER_SAMPLE.get(str(facts.get("penalty")), 0)
    return {"penalty.weight": 10 * weight} if 0 < weight <= usual else {}


def bounded(change: Callable[[Facts], Change]) -> Callable[[Facts], Change]:
    """The change, for a critic that nothing bounds; with the known rates, where high ones drove it on."""

    def with_rates(facts: Facts) -> Change:
        if not is_unbounded(facts):
            return {}
        rates = [number(facts, f"optim.{key}", 0) for key in ("lr_d", "lr_g")]
        return change(facts) | (known_pair(facts) if max(rates) >= HIGH_FOR_A_CRITIC else {})

    return with_rates


def non_saturating(facts: Facts) -> Change:
    """BCE instead of minimax; where D is far ahead it would dominate next, so the pace changes as well."""
    if facts.get("loss") != "Minimax":
        return {}
    ahead = pace(facts) > SURE_PACE or not rates_are_usual(facts)
    return {"loss": "bce"} | (known_pair(facts) if ahead else {})


def least_squares(facts: Facts) -> Change:
    return {"loss": "lsgan"} if facts.get("loss") in ("Minimax", "BCE", "Hinge") else {}


def fewer_steps_of_d(facts: Facts) -> Change:
    return {"schedule.d_steps": 1} if "schedule.d_steps" in facts and facts.get("loss") != "WGAN" else {}


def disentangled(facts: Facts) -> Change:
    """For the entangled step, and for a schedule that is not ours."""
    sound = facts.get("schedule") in SCHEDULES and not facts.get("schedule.entangled")
    return {} if sound else {"schedule": "alternating"}


def shared(facts: Facts) -> Change:
    return {"schedule": "shared"} if facts.get("schedule.entangled") else {}


def full_precision(facts: Facts) -> Change:
    return {"runtime.precision": "fp32"} if facts.get("runtime.precision") == "bf16" else {}


def all_pictures(facts: Facts) -> Change:
    return {"train.images": None} if facts.get("train.images") is not None else {}


def watched_further(facts: Facts) -> Change:
    """On with a watch, once, while D has not seen each picture so often that the fakes must suffer."""
    often = times_seen(facts, number(facts, "train.steps", 0)) >= OFTEN
    done = facts.get("train.stop_when_worse") is True
    return {} if often or done else longer(facts) | watched({**facts, **longer(facts)})


def watched(facts: Facts) -> Change:
    """Stops where the quality falls, with as many looks at it as it takes to be sure of that."""
    if "train.stop_when_worse" not in facts:
        return {}
    steps, every = int(number(facts, "train.steps", 0)), number(facts, "metrics.every", 0)
    often = some_four_times(steps // max(1, int(number(facts, "metrics.patience", 1))))
    seldom = {"metrics.every": often} if not 0 < every <= often else {}
    return {"train.stop_when_worse": True} | seldom


def with_more_steps(change: Callable[[Facts], Change]) -> Callable[[Facts], Change]:
    """The change, and the steps that it takes to be better than what it changes."""
    return lambda facts: made | longer(facts) if (made := change(facts)) else {}


def augmented(facts: Facts) -> Change:
    """Where pictures are few or were seen often: elsewhere it did harm."""
    bare = facts.get("augment._target_") == "torch.nn.Identity"
    often = times_seen(facts, number(facts, "train.steps", 0)) >= OFTEN
    return {"augment": "diffaug"} if bare and (often or are_few(facts)) else {}


def mirrored(facts: Facts) -> Change:
    colour = number(facts, "facts.channels", 1) == 3  # letters, digits and the like are grey
    return {"data.flip": True} if colour and facts.get("data.flip") is False else {}


def told_the_class_of_many(facts: Facts) -> Change:
    return told_the_class(facts) if of_each(facts) >= FEW_OF_A_CLASS else {}


def told_the_class(facts: Facts) -> Change:
    labelled = number(facts, "facts.num_classes", 0) > 1
    ours = all(
        str(facts.get(f"model.{network}._target_", "")).startswith("gantrain.networks.")
        for network in ("generator", "discriminator")
    )
    fits = number(facts, "latent.dim", 0) >= number(facts, "condition.embedding_dim", 16)
    return {"condition": "class"} if labelled and ours and fits else {}


def unconditioned(fewer_than: int) -> Callable[[Facts], Change]:
    """No classes, where there are few pictures of each."""

    def change(facts: Facts) -> Change:
        told = facts.get("condition.kind") == "class" and of_each(facts) < fewer_than
        return {"condition": "none"} if told else {}

    return change


def padded(mode: str) -> Callable[[Facts], Change]:
    """Another border, where there are convolutions that take it."""

    def change(facts: Facts) -> Change:
        mirrors, takes = mode.startswith("reflect"), "stem" if mode.endswith("_stem") else "padding"
        refused = mirrors and facts.get("runtime.deterministic")  # no such gradient on CUDA
        return {} if refused or f"model.generator.{takes}" not in facts else {"padding": mode}

    return change


def convolutional(facts: Facts) -> Change:
    """DCGAN instead of fully connected networks; with a penalty that batch norm in D would not let work."""
    model = "dcgan_layer_norm" if facts.get("penalty") in PER_SAMPLE else "dcgan"
    return {} if is_convolutional(facts) else {"model": model} | usual_rates(facts)


def strided(facts: Facts) -> Change:
    return {"downsample": "stride"} if "model.discriminator.downsample" in facts else {}


def in_smaller_batches(facts: Facts) -> Change:
    """As many pictures in batches of 64."""
    batch, steps = number(facts, "train.batch_size", 64), number(facts, "train.steps", 0)
    return {"train.batch_size": 64, "train.steps": int(steps * batch // 64)} if batch > 64 else {}


def held_out(facts: Facts) -> Change:
    return {"metrics.held_out": None} if facts.get("metrics.held_out") is not None else {}


def measured_on_enough(facts: Facts) -> Change:
    return {"metrics.count": 1000} if number(facts, "metrics.count", 1000) < 512 else {}


def averaged(facts: Facts) -> Change:
    return {"ema.half_life_images": 10000.0} if number(facts, "ema.half_life_images", 1) == 0 else {}
