"""What tests of rules are made of: bounds of what is normal, conditions, words for numbers. No torch here."""

from __future__ import annotations

import math

from gantrain.doctor.rules.facts import is_convolutional
from gantrain.doctor.rules.rule import (
    GOOD_PICTURES,
    Evidence,
    Examination,
    Null,
    Params,
    Requirement,
    Threshold,
    number,
)

SPREADS = 5  # standard deviations of the null that are no news


def highest(null: Null, least: float, spreads: float = SPREADS) -> float:
    """The largest value that is normal: `least` above the null at least, however narrow it is."""
    return null.mean + max(spreads * null.sd, least)


def lowest(null: Null, least: float) -> float:
    """The smallest value that is normal: `least` below the null at least, however narrow it is."""
    return null.mean - max(SPREADS * null.sd, least)


def against(examination: Examination, signal: str, threshold: float | None = None) -> Evidence:
    """The measured number beside its null, if it has one."""
    null = examination.nulls.get(signal)
    mean, sd = (null.mean, null.sd) if null is not None else (None, None)
    return Evidence(signal, examination.get(signal), mean, sd, threshold)


def percent(share: float) -> str:
    """0.9987 -> "99.9 %"."""
    return f"{100 * share:.3g} %"


def usual(null: Null) -> str:
    """ "0.35 ± 0.07"; of what is smaller than that as many digits as tell it."""
    wide = null.sd >= 0.005
    return f"{null.mean:.2f} ± {null.sd:.2f}" if wide else f"{null.mean:.2g} ± {null.sd:.1g}"


# ---- Conditions ------------------------------------------------------------------------------------------


def at_least(fact: str, param: str, reason: str) -> Requirement:
    """A fact of the data that has to reach a parameter; without it, signals are missing as well."""
    return Requirement(lambda at, params: number(at.facts, fact, math.inf) >= params[param], reason)


def _upsamples(at: Examination, params: Params) -> bool:
    return is_convolutional(at.facts) and at.facts.get("upsample.mode") is not None


UPSAMPLES = Requirement(_upsamples, "needs an upsampling layer")

# Of nearly equal pictures spectra, borders and neighbours mean little: a collapsed MLP, which upsamples
# nothing, had a lattice excess of 0.6. Pictures that are only bad do not mislead spectra and borders, so the
# bound on precision is above 0 just for the rules that compare with single real pictures.
VARIED = Requirement(
    lambda at, params: at.get("variety", 1.0) >= params["variety_min"], "the fakes are too much alike"
)
PRECISE = Requirement(
    lambda at, params: at.get("precision", 1.0) >= params["precision_min"],
    "the fakes are too far from real pictures",
)
HALVED = 0.5  # pictures that came so much nearer over the last looks are young, even at the end


def is_settled(at: Examination) -> bool:
    """Whether more steps would hardly change what is seen."""
    if at.step < at.total:
        return at.get("fd_improving", 1.0) == 0  # unknown of the first two looks
    return at.get("fd_change", 1.0) > HALVED


SETTLED_OR_OVER = Requirement(
    lambda at, params: at.step >= at.total or is_settled(at),
    "the pictures still improve, and not all steps are done",
)
SHORT = f"the run is too short for good pictures, which take {GOOD_PICTURES} steps or more"
LONG_ENOUGH = Requirement(lambda at, params: at.total >= params["steps_min"], SHORT)
STEPS_MIN = Threshold(GOOD_PICTURES, "steps of the run: from shorter ones little is to be expected")
VARIETY_MIN = Threshold(0.3, "variety below which the fakes are too much alike to be asked")
PRECISION_MIN = Threshold(0.1, "precision below which the fakes are too bad to be asked")
ANY_PRECISION = Threshold(0.0, "precision below which it is not asked; bad pictures show this fault as well")
