"""GD002: training blows up. No torch here."""

from __future__ import annotations

from typing import NamedTuple

from gantrain.doctor.rules import changes
from gantrain.doctor.rules.advice import remedies
from gantrain.doctor.rules.common import against, percent
from gantrain.doctor.rules.facts import is_unbounded
from gantrain.doctor.rules.rates import both_rates_are_high, both_rates_are_low
from gantrain.doctor.rules.rule import Evidence, Examination, Hit, Params, Rule, Threshold

CENTRED = ("BCE", "Minimax", "LSGAN", "Hinge")  # losses that give logits a place: else only differences count


class Symptom(NamedTuple):
    """One of the signs of a blow-up: a signal larger than a parameter allows, and its name.

    centred: means something only where logits have a place.
    """

    signal: str
    param: str
    name: str
    centred: bool = False


# Not among them: G's gradient over that of its first steps. In a run that ends well one that began small may
# grow fiftyfold; of three rounds of DoctorBench it found no broken run that the others miss, and blamed four.
BLOW_UPS = (
    Symptom("grad_norm_g", "grad_max", "the norm of G's gradient"),
    Symptom("transmission", "slope_max", "D's slope at the fakes"),
    Symptom("logit_real", "logit_max", "D's mean logit of real pictures", centred=True),
    Symptom("logit_fake", "logit_max", "D's mean logit of fakes", centred=True),
)


def blow_up(at: Examination, params: Params) -> Hit | None:
    centred = at.facts.get("loss") in CENTRED
    found = [
        symptom
        for symptom in BLOW_UPS
        if abs(at.get(symptom.signal, 0.0)) > params[symptom.param] and (centred or not symptom.centred)
    ]
    if not found:
        return unbounded(at, params) or confident_mistakes(at, params) or overshoots(at, params)
    first = found[0]
    what = "the critic is unbounded" if is_unbounded(at.facts) else "training blows up"
    value, limit = at.get(first.signal), params[first.param]
    message = f"{what}: {first.name} is {value:.3g} (healthy: at most {limit:g})"
    return Hit("error", message, tuple(against(at, s.signal, params[s.param]) for s in found))


def unbounded(at: Examination, params: Params) -> Hit | None:
    """A critic that nothing bounds, on its way: it may draw well for a while, but measures no distance."""
    slope = at.get("transmission")
    if not (is_unbounded(at.facts) and slope > params["critic_slope_max"]):
        return None
    message = f"the critic is unbounded: its slope at the fakes is {slope:.3g} (of a bounded one about 1)"
    return Hit("warning", message, (Evidence("transmission", slope, 1.0, None, params["critic_slope_max"]),))


def confident_mistakes(at: Examination, params: Params) -> Hit | None:
    """D tells real from fake, and is still worse off than by guessing: it jumps to and fro. (At low rates it
    only has not learnt yet.)
    """
    if both_rates_are_low(at.facts):
        return None
    ratio, auc, unrest = at.get("loss_d_ratio"), at.get("auc_train"), at.get("flatness")
    if not (
        ratio > params["mistakes"] and auc > params["mistakes_auc"] and unrest > params["mistakes_unrest"]
    ):
        return None
    message = (
        f"D makes confident mistakes: it ranks {percent(auc)} of real and fake pictures rightly, and its "
        f"loss is still {ratio:.2f} times that of guessing"
    )
    evidence = (
        Evidence("loss_d_ratio", ratio, 1.0, None, params["mistakes"]),
        Evidence("auc_train", auc, 0.5, None, params["mistakes_auc"]),
    )
    return Hit("error", message, evidence)


def overshoots(at: Examination, params: Params) -> Hit | None:
    """Both players learn far faster than what trains GANs, and the pictures show it."""
    if not both_rates_are_high(at.facts) or at.get("fd_improving") == 1:
        return None
    rates = " and ".join(
        f"optim.{key}={changes.written(at.facts[f'optim.{key}'])}" for key in ("lr_d", "lr_g")
    )
    noise, distance = at.get("speckle_latest", 0.0), at.get("fd_latest", 0.0)
    signs = (
        ("speckle_latest", "noise_max", f"{percent(noise)} of what is constant in real pictures is noise"),
        ("fd_latest", "fd_max", f"the pictures are far off (fd_pca64 {distance:.2g})"),
    )
    for signal, param, told in signs:
        if at.get(signal, 0.0) > params[param]:
            message = f"the steps of both players are too large: {rates}, and {told}"
            return Hit("error", message, (against(at, signal, params[param]),))
    return None


GD002 = Rule(
    id="GD002",
    title="Training blows up",
    severities=("warning", "error"),
    tier="T1",
    needs=("grad_norm_g", "transmission"),
    uses=(
        *("logit_real", "logit_fake", "loss_d_ratio", "auc_train", "flatness"),
        *("fd_improving", "fd_latest", "speckle_latest"),
    ),
    thresholds={
        "grad_max": Threshold(1000.0, "norm of the gradient that reaches G"),
        "slope_max": Threshold(100.0, "mean norm of dD/dx at the fakes"),
        "critic_slope_max": Threshold(2.0, "the same, of a WGAN critic that nothing bounds: a warning"),
        "logit_max": Threshold(20.0, "size of a mean logit, under losses that give it a place"),
        "mistakes": Threshold(1.1, "D's loss over that of guessing, while it tells the pictures apart ..."),
        "mistakes_auc": Threshold(0.8, "... with at least this share of pairs ranked rightly ..."),
        "mistakes_unrest": Threshold(0.05, "... and jumps by this much (a slow D only has not learnt yet)"),
        "noise_max": Threshold(0.3, "share of the constant background that is noise, at very high rates"),
        "fd_max": Threshold(0.5, "fd_pca64 that no longer falls, at very high rates"),
    },
    test=blow_up,
    why="Nothing bounds how steep D may become, or the steps are so large that the players overshoot each "
    "other. G's gradient grows with D's slope, and its updates lose their direction.",
    remedies=remedies("GD002"),
)
