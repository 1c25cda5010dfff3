"""Learning rates that train GANs, and how those of a run stand to them. No torch here."""

from __future__ import annotations

from typing import NamedTuple

from gantrain.doctor.rules.rule import Facts, number


class Usual(NamedTuple):
    """Learning rates that train a GAN with one kind of optimiser: of D, of G, and the range around them."""

    lr_d: float
    lr_g: float
    lowest: float
    highest: float = 1e-3


USUAL_RATES = {"Adam": Usual(2e-4, 2e-4, 1e-4), "RMSprop": Usual(5e-5, 5e-5, 2e-5)}  # N0.1; WGAN, algorithm 1
LEAST_PACE, MOST_PACE = 0.5, 8.0  # of D's rate times steps over G's


def pace(facts: Facts) -> float:
    """How much faster D learns than G: rates times steps. WGAN's critic is meant to take more steps."""
    steps = number(facts, "schedule.d_steps", 1) / number(facts, "schedule.g_steps", 1)
    rates = number(facts, "optim.lr_d", 2e-4) / number(facts, "optim.lr_g", 2e-4)
    return rates if facts.get("loss") == "WGAN" else rates * steps


def rates_are_usual(facts: Facts) -> bool:
    """Whether both rates, and D's pace, are such as train GANs; of other optimisers nothing is known."""
    usual, rates = rates_of(facts)
    return usual is None or (
        all(usual.lowest <= rate <= usual.highest for rate in rates)
        and LEAST_PACE <= pace(facts) <= MOST_PACE
    )


def both_rates_are_high(facts: Facts) -> bool:
    """Whether even the slower player's rate is above what trains GANs."""
    usual, rates = rates_of(facts)
    return usual is not None and min(rates) > usual.highest


def both_rates_are_low(facts: Facts) -> bool:
    """Whether even the faster player's rate is below what trains GANs."""
    usual, rates = rates_of(facts)
    return usual is not None and max(rates) < usual.lowest


def rates_of(facts: Facts) -> tuple[Usual | None, list[float]]:
    """What is usual for the optimiser, if that is known, and the rates of D and G."""
    usual = USUAL_RATES.get(str(facts.get("optim")))
    fallback = usual.lr_d if usual else 0.0
    return usual, [number(facts, f"optim.{key}", fallback) for key in ("lr_d", "lr_g")]
