"""What to try, rule by rule and best first. No torch here.

What is in place already is left out of a change, and a change of which nothing is left is not offered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gantrain.doctor.rules import changes
from gantrain.doctor.rules import remedies as r
from gantrain.doctor.rules.remedies import Advice
from gantrain.doctor.rules.rule import Facts, Remedy

WEAKER_D = (r.SLOWER_D, r.R1, r.SPECTRAL, r.FEWER_D_STEPS)
BOUND = (r.GRADIENT_PENALTY, r.CLIPPING)
SPREAD_OUT = (r.R1, r.TTUR, r.SLOWER_G, r.LONGER)
STRONGER_D = (r.FEWER_G_STEPS, r.LIGHTER_PENALTY, r.TTUR, r.FASTER_D)

ADVICE: dict[str, tuple[Advice, ...]] = {
    "GD001": (*BOUND, r.USUAL_RATES, r.FULL_PRECISION, r.SLOWER_BOTH, r.R1),
    "GD002": (*BOUND, r.USUAL_RATES, r.R1, r.SPECTRAL, r.SLOWER_BOTH),
    "GD003": (r.TANH,),
    "GD004": (r.ALTERNATING, r.SHARED),
    "GD005a": (r.NEAREST, r.BILINEAR),
    "GD005b": (r.SMALLER_BATCHES,),
    "GD005c": (r.USUAL_RATES,),
    "GD005d": (r.STRIDED, r.LEAKY),
    "GD005e": (r.ALL_PICTURES, r.NOT_TOLD_THE_CLASS_OF_FEW, r.AUGMENTED, r.R1_FOR_LONGER),
    "GD005f": (r.TANH,),
    "GD005g": (*BOUND, r.SPECTRAL),
    "GD101": (r.NON_SATURATING, r.USUAL_RATES, *WEAKER_D),
    "GD102": (r.NON_SATURATING, r.USUAL_RATES, r.LEAST_SQUARES, *WEAKER_D),
    "GD103": (r.USUAL_GAME, *STRONGER_D),
    "GD104": (r.ALTERNATING, r.USUAL_GAME, r.TTUR),
    "GD201": (r.USUAL_GAME, r.LONG_ENOUGH, r.NOT_TOLD_THE_CLASS, r.EVENLY, *SPREAD_OUT),
    "GD202": (r.ALL_PICTURES, r.USUAL_RATES, r.TOLD_THE_CLASS, r.R1, r.TOLD_THE_CLASS_OF_FEW),
    "GD203": (r.USUAL_RATES, r.EVENLY, r.LONGER, r.WIDER),
    "GD301": (r.NEAREST, r.BILINEAR),
    "GD302a": (r.BILINEAR,),
    "GD302b": (r.NEAREST, r.LONGER),
    "GD302c": (r.LONGER, r.BILINEAR),
    "GD302d": (r.AUGMENTED, r.LONGER),
    "GD303": (r.REFLECT_STEM, r.REFLECT, r.CIRCULAR),
    "GD304": (r.CONVOLUTIONAL, r.TANH, r.USUAL_RATES, r.LONGER),
    "GD401": (r.ALL_PICTURES, r.GOES_ON, r.AUGMENTED, r.R1_FOR_LONGER, r.HEAVIER_PENALTY, r.MIRRORED),
    "GD402": (r.ALL_PICTURES, r.AUGMENTED, r.STOPS_IN_TIME, r.R1_FOR_LONGER),
    "GD501": (r.MORE_SAMPLES, r.HELD_OUT, r.AVERAGED),
}


def offer(advices: Iterable[Advice], facts: Facts) -> tuple[Remedy, ...]:
    """Those that would change something, in their order, none twice."""
    offered: dict[tuple[str, ...], Remedy] = {}
    for advice in advices:
        overrides = tuple(
            f"{key}={changes.written(value)}"
            for key, value in advice.change(facts).items()
            if not changes.in_place(facts, key, value)
        )
        if overrides:
            offered.setdefault(overrides, Remedy(overrides, advice.why, advice.price, advice.not_when))
    return tuple(offered.values())


def remedies(rule: str) -> Callable[[Facts], tuple[Remedy, ...]]:
    """What fits the facts of a run in which the rule `rule` found something."""
    return lambda facts: offer(ADVICE[rule], facts)
