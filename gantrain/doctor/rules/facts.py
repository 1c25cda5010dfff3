"""What the facts of a run say of it. No torch here."""

from __future__ import annotations

import math

from gantrain.doctor.rules.rule import Facts, number

FEW = 500  # training pictures that D soon knows: augmented, 192 gave cleaner pictures; 3,400 did not
OFTEN = 300  # times that D has seen each picture: at 80 to 180 times augmenting did harm (docs/log.md)
HARDLY_ANY_OF_A_CLASS = 100  # training pictures; of digits, which are alike, 150 do
FEW_OF_A_CLASS = 2000  # training pictures; of 250 and of 1,200 each class became one picture (docs/log.md)


def is_convolutional(facts: Facts) -> bool:
    return not str(facts.get("model.generator._target_", "")).endswith("mlp.Generator")


def is_unbounded(facts: Facts) -> bool:
    """A critic that nothing keeps from growing."""
    free = facts.get("penalty") == "Penalty" and facts.get("model.discriminator.norm") != "spectral"
    return facts.get("loss") == "WGAN" and free


def times_seen(facts: Facts, steps: float) -> float:
    """How often D has seen each training picture after so many steps."""
    rounds = number(facts, "train.batch_size", 0) * number(facts, "schedule.d_steps", 1)
    return steps * rounds / max(number(facts, "facts.count", 1), 1)


def are_few(facts: Facts) -> bool:
    return number(facts, "facts.count", FEW) < FEW


def of_each(facts: Facts) -> float:
    """Training pictures of a class."""
    return number(facts, "facts.count", math.inf) / max(number(facts, "facts.num_classes", 0), 1)
