"""Every remedy that is offered composes, is not refused, changes something, and is what was meant."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from omegaconf import OmegaConf

from gantrain import checks
from gantrain.build import DataFacts
from gantrain.compose import composed
from gantrain.config import refuse
from gantrain.doctor.rules import changes, rates
from gantrain.doctor.rules import remedies as texts
from gantrain.doctor.rules.advice import ADVICE, offer
from gantrain.doctor.rules.registry import BY_ID, RULES
from gantrain.doctor.rules.remedies import Advice
from gantrain.doctor.rules.rule import Facts
from gantrain.keys import flatten

# Runs with a fault, and without, that somebody may have typed.
BASES = (
    "",
    "schedule=entangled",
    "schedule=tutorial",
    "upsample=transpose",
    "upsample=pixelshuffle padding=reflect",
    "upsample=bilinear padding=replicate",
    "model=dcgan_mnist data.image_size=28",
    "train.images=40",
    "train.images=40 augment=diffaug penalty=r1 model=dcgan_layer_norm",
    "data=cifar10 metrics.held_out=0 metrics.count=100 ema.half_life_images=0",
    "loss=wgan",
    "loss=wgan penalty=none",
    "loss=wgan penalty=none model=sngan",
    "loss=wgan penalty=none model=mlp",
    "loss=wgan penalty=none optim.lr_d=1e-3 optim.lr_g=1e-3",
    "loss=wgan penalty=wgan_gp model=dcgan_layer_norm optim=ttur schedule=critic5",
    "experiment=wgan data=digits",
    "loss=minimax",
    "loss=minimax optim.lr_d=1e-3 schedule.d_steps=3",
    "optim.lr_d=2e-3 optim.lr_g=1e-5 schedule.d_steps=3",
    "optim.lr_d=2e-3 optim.lr_g=1e-5",
    "optim.lr_g=2e-3 optim.lr_d=5e-5 model.generator.norm=none",
    "optim.lr_d=1e-6 schedule.g_steps=4",
    "schedule.g_steps=2 schedule.d_steps=2",
    "optim.lr_d=2e-2 optim.lr_g=2e-2",
    "optim=ttur optim.lr_d=1e-6",
    "optim=rmsprop optim.lr_d=1e-2",
    "optim._target_=torch.optim.SGD ~optim.betas optim.lr_d=1e-2",
    "model=mlp",
    "model=mlp optim.lr_d=2e-5 optim.lr_g=2e-5 penalty=r1",
    "model=sngan loss=hinge downsample=maxpool model.discriminator.activation=relu",
    "loss=lsgan penalty=r1 penalty.weight=100 model=dcgan_layer_norm",
    "model.generator.output=linear train.batch_size=1024 train.steps=1000",
    "condition=class model.discriminator.norm=spectral",
    "runtime.precision=bf16",
    "runtime.deterministic=true",
    "latent.dim=8",
    "train.steps=200",
)

RELATIVE = ("optim", "train.steps", "model.width")  # "half of what it is": can be taken again


@functools.cache
def facts(overrides: str) -> dict[str, Any]:
    """As the doctor has them. Raises GantrainError for what is refused."""
    cfg = checks.resolved(composed(overrides.split()))
    channels = 3 if "cifar10" in cfg.data._target_ else 1
    data = DataFacts(channels, cfg.data.image_size, 10, 1200, 300)
    refuse(checks.check(cfg) | checks.facts_of_data(data))
    config: Any = OmegaConf.to_container(cfg)
    names = {
        key: config[key]["_target_"].rpartition(".")[2] for key in ("loss", "penalty", "schedule", "optim")
    }
    of_data = {"channels": channels, "num_classes": 10, "count": 1200, "held_out": 300}
    return flatten(config) | names | {f"facts.{key}": value for key, value in of_data.items()}


def taken(base: str, overrides: tuple[str, ...]) -> str:
    """What somebody types who takes the advice: the same command, with these keys set."""
    keys = {override.partition("=")[0] for override in overrides}
    kept = [override for override in base.split() if override.partition("=")[0] not in keys]
    return " ".join([*kept, *overrides])


@functools.cache
def first_bases() -> dict[str, list[tuple[str, Advice]]]:
    """base -> the advice that is to be tried on it: every change once, each rule's first one always."""
    tried: set[tuple[str, ...]] = set()
    found: dict[str, list[tuple[str, Advice]]] = {base: [] for base in BASES}
    for base in BASES:
        before = facts(base)
        for rule, advices in ADVICE.items():
            for advice in advices:
                for remedy in offer([advice], before):
                    if remedy.overrides not in tried:
                        tried.add(remedy.overrides)
                        found[base].append((rule, advice))
    return found


@pytest.mark.parametrize("base", BASES)
def test_every_remedy_composes_and_does_what_it_says(base: str) -> None:
    before = facts(base)
    for rule, advice in first_bases()[base]:
        (remedy,) = offer([advice], before)
        after = facts(taken(base, remedy.overrides))
        assert after != before, (rule, remedy.overrides)
        for key, value in advice.change(before).items():
            assert changes.in_place(after, key, value), (rule, remedy.overrides, key)
        odd = rates.rates_are_usual(before) and not rates.rates_are_usual(after)
        assert not odd, "what it makes of the rates is what GD005c remarks on"
        further = remedy.overrides[0].startswith(RELATIVE)
        assert further or offer([advice], after) == (), "and is not offered again"


def every_advice() -> dict[str, Advice]:
    return {name: value for name, value in vars(texts).items() if isinstance(value, Advice)}


@pytest.mark.parametrize("name", every_advice())
def test_every_advice_is_offered_somewhere_as_it_is_shown(name: str) -> None:
    advice = every_advice()[name]
    assert any(advice in advices for advices in ADVICE.values()), "no rule gives it"
    known = [facts(base) | {"facts.count": count} for base in BASES for count in (192, 1200, 60_000)]
    offered = {" ".join(remedy.overrides) for one in known for remedy in offer([advice], one)}
    assert advice.shown in offered, offered
    for text in (advice.why, advice.price, advice.not_when):
        assert text.isascii()
        assert text.endswith(".")
    assert advice.not_when.startswith("Not ")


def test_every_rule_has_advice() -> None:
    assert set(ADVICE) == set(BY_ID)


FIRST = (
    ("GD004", "schedule=entangled", "schedule=alternating"),
    ("GD301", "upsample=transpose", "upsample=nearest"),
    ("GD301", "upsample=pixelshuffle padding=reflect", "upsample=nearest"),
    ("GD301", "", "upsample=bilinear"),
    ("GD401", "train.images=40", "train.images=null"),
    ("GD401", "train.steps=800", "train.steps=1600 train.stop_when_worse=true metrics.every=50"),
    ("GD401", "train.steps=800 metrics.every=20", "train.steps=1600 train.stop_when_worse=true"),
    (
        "GD401",
        "train.steps=800 train.stop_when_worse=true",
        "penalty=r1 model.discriminator.norm=layer train.steps=1600",
    ),
    ("GD401", "train.steps=20000 metrics.every=0", "augment=diffaug train.steps=40000"),
    ("GD401", "train.steps=20000", "augment=diffaug train.steps=40000"),
    ("GD002", "loss=wgan penalty=none", "penalty=wgan_gp model.discriminator.norm=layer"),
    ("GD002", "loss=wgan penalty=none model=mlp", "penalty=wgan_gp"),
    (
        "GD002",
        "loss=wgan penalty=none optim.lr_d=1e-3 optim.lr_g=1e-3",
        "penalty=wgan_gp model.discriminator.norm=layer optim.lr_d=0.0002 optim.lr_g=0.0002",
    ),
    ("GD002", "optim.lr_d=2e-2 optim.lr_g=2e-2", "optim.lr_d=0.0002 optim.lr_g=0.0002"),
    ("GD102", "loss=minimax", "loss=bce"),
    (
        "GD102",
        "loss=minimax optim.lr_d=1e-3 schedule.d_steps=3",
        "loss=bce optim.lr_d=0.0002 schedule.d_steps=1",
    ),
    (
        "GD101",
        "optim.lr_d=2e-3 optim.lr_g=1e-5 schedule.d_steps=3",
        "optim.lr_d=0.0002 optim.lr_g=0.0002 schedule.d_steps=1",
    ),
    ("GD101", "", "optim.lr_d=0.0001"),
    ("GD101", "optim.lr_d=1e-4", "penalty=r1 model.discriminator.norm=layer"),
    ("GD101", "optim=ttur", "optim.lr_d=0.0001"),
    (
        "GD201",
        "optim.lr_g=2e-3 optim.lr_d=5e-5 model.generator.norm=none",
        "optim.lr_d=0.0002 optim.lr_g=0.0002 model.generator.norm=batch",
    ),
    (
        "GD103",
        "optim.lr_g=2e-3 optim.lr_d=5e-5 model.generator.norm=none",
        "optim.lr_d=0.0002 optim.lr_g=0.0002 model.generator.norm=batch",
    ),
    ("GD201", "", "penalty=r1 model.discriminator.norm=layer"),
    ("GD201", "upsample=transpose", "upsample=nearest"),
    ("GD201", "upsample=bilinear", "penalty=r1 model.discriminator.norm=layer"),
    ("GD203", "upsample=transpose", "upsample=nearest"),
    ("GD203", "upsample=pixelshuffle train.steps=800", "train.steps=1600"),
    ("GD201", "train.steps=200", "train.steps=800"),
    ("GD201", "condition=class", "condition=none"),  # of 120 pictures of each
    ("GD201", "train.steps=200 optim.lr_d=1e-6", "optim.lr_d=0.0002"),
    ("GD201", "penalty=r1 model=dcgan_layer_norm", "optim.lr_d=0.0004 optim.lr_g=0.0001"),
    ("GD103", "optim=ttur optim.lr_d=1e-6", "optim.lr_d=0.0004"),
    ("GD103", "optim=rmsprop optim.lr_d=1e-2", "optim.lr_d=5e-05"),
    ("GD302c", "train.steps=800", "train.steps=1600"),
    ("GD302d", "train.steps=800", "train.steps=1600"),
    ("GD303", "", "padding=reflect_stem"),
    ("GD303", "padding=reflect_stem", "padding=reflect"),
    ("GD303", "runtime.deterministic=true", "padding=circular"),
    ("GD304", "model=mlp", "model=dcgan"),
    (
        "GD304",
        "model=mlp optim.lr_d=2e-5 optim.lr_g=2e-5 penalty=r1",
        "model=dcgan_layer_norm optim.lr_d=0.0002 optim.lr_g=0.0002",
    ),
    ("GD202", "", "penalty=r1 model.discriminator.norm=layer"),
    ("GD202", "penalty=r1 model=dcgan_layer_norm", "condition=class"),  # of 120 pictures of each: at last
)


def test_of_many_pictures_of_each_class_it_is_told_the_class() -> None:
    many = {**facts(""), "facts.count": 60_000}
    assert BY_ID["GD202"].remedies(many)[0].overrides == ("condition=class",)
    told = {**many, "condition.kind": "class"}
    assert ("condition=none",) not in [remedy.overrides for remedy in BY_ID["GD201"].remedies(told)]


@pytest.mark.parametrize(("rule", "base", "first"), FIRST)
def test_the_first_advice(rule: str, base: str, first: str) -> None:
    assert " ".join(BY_ID[rule].remedies(facts(base))[0].overrides) == first


@pytest.mark.parametrize(
    ("rule", "base", "never"),
    [
        ("GD102", "loss=wgan", "loss="),  # it is not the loss that vanishes
        ("GD003", "", "train.steps"),  # more of what improves no more
        ("GD202", "latent.dim=8", "condition=class"),  # a latent smaller than the label
        ("GD202", "condition=class model.discriminator.norm=spectral", "condition=class"),
        ("GD303", "model=mlp", "padding="),  # nothing there that pads
        ("GD304", "upsample=bilinear padding=replicate", "model="),
        ("GD401", "", "data.flip"),  # grey: letters or digits
        ("GD401", "loss=wgan", "penalty=r1"),  # it has its bound
        ("GD103", "optim._target_=torch.optim.SGD ~optim.betas optim.lr_d=1e-2", "optim.lr_g"),
        ("GD101", "experiment=wgan data=digits", "schedule.d_steps"),  # its critic takes five steps
        ("GD104", "schedule=tutorial", "schedule="),
    ],
)
def test_what_does_not_fit_is_not_offered(rule: str, base: str, never: str) -> None:
    for remedy in BY_ID[rule].remedies(facts(base)):
        assert not any(override.startswith(never) for override in remedy.overrides)


def test_classes_of_ones_own_get_no_keys_that_they_do_not_have() -> None:
    own = {key: value for key, value in facts("").items() if not key.startswith("model.")}
    own |= {
        "model.generator._target_": "mynet.G",
        "model.discriminator._target_": "mynet.D",
        "schedule": "Mine",
    }
    for rule in RULES:
        for remedy in rule.remedies(own):
            assert not any(
                override.startswith(("model", "padding", "upsample", "condition"))
                for override in remedy.overrides
            )
    assert BY_ID["GD004"].remedies(own)[0].overrides == ("schedule=alternating",)


def test_nothing_is_known_without_facts() -> None:
    empty: Facts = {}
    for rule in RULES:
        rule.remedies(empty)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((5e-5, "5e-05"), (2e-4, "0.0002"), (2e-4 / 3, "6.67e-05"), (10.0, "10.0"), (3, "3")),
        *((None, "null"), (True, "true")),
    ],
)
def test_values_as_hydra_reads_them(value: Any, text: str) -> None:
    assert changes.written(value) == text


def test_what_may_only_be_young_can_be_given_more_steps_last() -> None:
    offered = BY_ID["GD201"].remedies(facts("optim=ttur train.steps=1000"))
    assert offered[-1].overrides == ("train.steps=2000",)


@pytest.mark.parametrize(("steps", "longer"), [(300, 800), (400, 800), (1600, 3200)])
def test_longer_is_twice_and_long_enough_for_good_pictures(steps: int, longer: int) -> None:
    assert changes.longer({"train.steps": steps}) == {"train.steps": longer}
    assert changes.longer({}) == {}
