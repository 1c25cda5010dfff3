"""Rules about the game: who wins, what reaches G, and whether anything moves at all."""

from __future__ import annotations

import math
from typing import NamedTuple

from gantrain.doctor.rules import changes
from gantrain.doctor.rules.advice import remedies
from gantrain.doctor.rules.common import against, percent
from gantrain.doctor.rules.rule import (
    Evidence,
    Examination,
    Hit,
    Params,
    Requirement,
    Rule,
    Severity,
    Threshold,
)

SCALED = ("BCE", "Minimax", "LSGAN", "Hinge", "Relativistic")  # losses that give logits a scale
CENTRED = ("BCE", "Minimax", "LSGAN", "Hinge")  # and a place: only differences count under the others

HAS_SCALE = Requirement(
    lambda at, params: at.facts.get("loss") in SCALED, "needs a loss that gives D's logits a scale"
)

# ---- GD002 -----------------------------------------------------------------------------------------------


class Symptom(NamedTuple):
    """One of the signs of a blow-up: a signal larger than a parameter allows, and its name."""

    signal: str
    param: str
    name: str
    centred: bool = False  # means something only where logits have a place


BLOW_UPS = (
    Symptom("grad_norm_g", "grad_max", "the norm of G's gradient"),
    Symptom("transmission", "slope_max", "D's slope at the fakes"),
    Symptom("logit_real", "logit_max", "D's mean logit of real pictures", centred=True),
    Symptom("logit_fake", "logit_max", "D's mean logit of fakes", centred=True),
    Symptom("grad_norm_g_change", "change_max", "the norm of G's gradient, over that of the first steps,"),
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
    what = "the critic is unbounded" if changes.is_unbounded(at.facts) else "training blows up"
    value, limit = at.get(first.signal), params[first.param]
    message = f"{what}: {first.name} is {value:.3g} (healthy: at most {limit:g})"
    return Hit("error", message, tuple(against(at, s.signal, params[s.param]) for s in found))


def unbounded(at: Examination, params: Params) -> Hit | None:
    """A critic that nothing bounds, on its way: it may draw well for a while, but measures no distance."""
    slope = at.get("transmission")
    if not (changes.is_unbounded(at.facts) and slope > params["critic_slope_max"]):
        return None
    message = f"the critic is unbounded: its slope at the fakes is {slope:.3g} (of a bounded one about 1)"
    return Hit("warning", message, (Evidence("transmission", slope, 1.0, None, params["critic_slope_max"]),))


def confident_mistakes(at: Examination, params: Params) -> Hit | None:
    """D tells real from fake, and is still worse off than by guessing: it jumps to and fro. (At low rates it
    only has not learnt yet.)
    """
    if changes.both_rates_are_low(at.facts):
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
    if not changes.both_rates_are_high(at.facts) or at.get("fd_improving") == 1:
        return None
    noise, distance = at.get("speckle_latest", 0.0), at.get("fd_latest", 0.0)
    if noise > params["noise_max"]:
        sign, evidence = f"{percent(noise)} of what is constant in real pictures is noise", "speckle_latest"
    elif distance > params["fd_max"]:
        sign, evidence = f"the pictures are far off (fd_pca64 {distance:.2g})", "fd_latest"
    else:
        return None
    rates = " and ".join(
        f"optim.{key}={changes.written(at.facts[f'optim.{key}'])}" for key in ("lr_d", "lr_g")
    )
    bound = params["noise_max" if evidence == "speckle_latest" else "fd_max"]
    message = f"the steps of both players are too large: {rates}, and {sign}"
    return Hit("error", message, (Evidence(evidence, at.get(evidence), None, None, bound),))


GD002 = Rule(
    id="GD002",
    title="Training blows up",
    severities=("warning", "error"),
    tier="T1",
    needs=("grad_norm_g", "transmission"),
    uses=(
        *("grad_norm_g_change", "logit_real", "logit_fake", "loss_d_ratio", "auc_train", "flatness"),
        *("fd_improving", "fd_latest", "speckle_latest"),
    ),
    thresholds={
        "grad_max": Threshold(1000.0, "norm of the gradient that reaches G"),
        "slope_max": Threshold(100.0, "mean norm of dD/dx at the fakes"),
        "critic_slope_max": Threshold(2.0, "the same, of a WGAN critic that nothing bounds: a warning"),
        "logit_max": Threshold(20.0, "size of a mean logit, under losses that give it a place"),
        "change_max": Threshold(30.0, "G's gradient norm over its median in steps 50 to 200"),
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

# ---- GD101, GD102: D wins --------------------------------------------------------------------------------


def dominates(at: Examination, params: Params) -> Hit | None:
    ratio, improving, distance = at.get("loss_d_ratio"), at.get("fd_improving"), at.get("fd_latest")
    unhelped = improving == 0 or (improving != 1 and distance > params["fd_max"])
    ahead = changes.pace(at.facts) > changes.MOST_PACE  # the rates say the same
    bound = params["ratio_paced" if ahead else "ratio_warn"]
    if ratio >= bound or not unhelped:
        return None
    message = (
        f"D wins: its loss is {percent(ratio)} of that of guessing (healthy: above "
        f"{percent(bound)}), and the pictures "
        + ("no longer improve" if improving == 0 else f"are still far off (fd_pca64 {distance:.2g})")
    )
    severity: Severity = "error" if ratio < params["ratio_error"] else "warning"
    return Hit(severity, message, (Evidence("loss_d_ratio", ratio, 1.0, None, bound),))


GD101 = Rule(
    id="GD101",
    title="The discriminator dominates",
    severities=("warning", "error"),
    tier="T1",
    needs=("loss_d_ratio", "fd_latest"),
    uses=("fd_improving",),
    thresholds={
        "ratio_warn": Threshold(0.15, "D's loss over that of guessing; a warning below it"),
        "ratio_error": Threshold(0.05, "an error below it"),
        "ratio_paced": Threshold(0.3, "a warning below it, where D also learns far faster by its rates"),
        "fd_max": Threshold(0.5, "fd_pca64 above which too few looks to see it improve are no excuse"),
    },
    test=dominates,
    yields_to=("GD102",),
    why="D tells every fake from every real picture, so no small change of G makes a difference to it. Its "
    "gradient is large or random rather than helpful.",
    remedies=remedies("GD101"),
)


def vanished(at: Examination, params: Params) -> Hit | None:
    """A sure D from which nothing comes back. (A D that sees nothing has no slope either: GD103.)"""
    if at.get("loss_d_ratio") >= params["sure"]:
        return None
    saturating = at.facts.get("loss") == "Minimax"
    ways = (
        (
            "signal_g",
            "signal_saturating" if saturating else "signal_min",
            "|dL_G / df|, the pull of G's loss on D's logits,",
        ),
        ("transmission", "slope_min", "D's slope at the fakes"),
        ("grad_norm_g_change", "change_min", "its norm, over that of the first steps,"),
    )
    found = [
        (signal, params[name], text) for signal, name, text in ways if at.get(signal, 1.0) < params[name]
    ]
    if not found:
        return None
    signal, limit, text = found[0]
    message = (
        f"G's gradient vanished: {text} is {at.get(signal):.2g} (healthy: above {limit:.2g}), "
        f"while D is sure of itself"
    )
    weak = signal == "signal_g" and at.get(signal) >= params["signal_min"]
    return Hit(
        "warning" if weak else "error",
        message,
        tuple(against(at, signal, limit) for signal, limit, _ in found),
    )


GD102 = Rule(
    id="GD102",
    title="The generator's gradient vanished",
    severities=("warning", "error"),
    tier="T1",
    needs=("loss_d_ratio", "signal_g", "transmission"),
    uses=("grad_norm_g_change",),
    requires=(HAS_SCALE,),
    thresholds={
        "signal_min": Threshold(0.02, "mean |dL_G / df| over the fakes' logits f"),
        "signal_saturating": Threshold(
            0.2, "the same under minimax, where it is D(G(z)); a warning below it"
        ),
        "slope_min": Threshold(0.01, "mean norm of dD/dx at the fakes"),
        "change_min": Threshold(1 / 30, "G's gradient norm over its median in steps 50 to 200"),
        "sure": Threshold(0.5, "D's loss over that of guessing, below which D is sure of itself"),
    },
    test=vanished,
    yields_to=("GD103",),
    why="D rejects the fakes with certainty, and where it is certain G's loss is flat: nothing tells G "
    "which way to go. The saturating loss (minimax) does this by its formula (N3.3), a flat D does it "
    "under any loss.",
    remedies=remedies("GD102"),
)

# ---- GD103, GD104 ----------------------------------------------------------------------------------------


def blind(at: Examination, params: Params) -> Hit | None:
    ratio, spread, auc = at.get("loss_d_ratio"), at.get("logit_sd"), at.get("auc_train")
    evidence = (
        Evidence("loss_d_ratio", ratio, 1.0, None, params["fooled"]),
        Evidence("logit_sd", spread, None, None, params["logit_sd_min"]),
        Evidence("auc_train", auc, 0.5, None, params["fooled_auc"]),
    )
    # Good pictures, or better and better ones: then this is the equilibrium, however little D says.
    helpless = at.get("fd_improving") != 1 and at.get("fd_latest") > params["fd_max"]
    if helpless and spread < params["logit_sd_min"] and abs(ratio - 1) < params["near"]:
        message = (
            f"the losses look ideal because D sees nothing: its logits vary by {spread:.2g} (healthy: above "
            f"{params['logit_sd_min']:g}) and its loss is that of guessing"
        )
        return Hit("warning", message, evidence)
    if ratio > params["fooled"] and auc < params["fooled_auc"]:
        message = (
            f"D is too weak: its loss is {ratio:.2f} times that of guessing, and it ranks only "
            f"{percent(auc)} of real and fake pictures rightly (chance: 50 %)"
        )
        return Hit("warning", message, evidence)
    return None


GD103 = Rule(
    id="GD103",
    title="The discriminator sees nothing",
    severities=("warning",),
    tier="T1",
    needs=("loss_d_ratio", "logit_sd", "auc_train"),
    uses=("fd_improving", "fd_latest"),
    requires=(HAS_SCALE,),
    thresholds={
        "fd_max": Threshold(0.5, "fd_pca64 above which it is no equilibrium, where ..."),
        "logit_sd_min": Threshold(0.05, "pooled standard deviation of D's logits ..."),
        "near": Threshold(0.03, "... while D's loss is so near to that of guessing (relative)"),
        "fooled": Threshold(1.0, "D's loss over that of guessing ..."),
        "fooled_auc": Threshold(0.4, "... while it ranks less than this share of pairs rightly"),
    },
    test=blind,
    why="D learns too slowly for what G does, so its answers do not depend on the picture. G is then led "
    "by noise, although both losses sit where theory wants them.",
    remedies=remedies("GD103"),
)


class Fingerprint(NamedTuple):
    """Values at which losses stand still, and what that means. losses: (), where it is the arithmetic's."""

    losses: tuple[str, ...]
    loss_d: float
    meaning: str
    d_real: float | None = None  # D(x) at least


LN2 = math.log(2)
GUESSING = "D guesses: either the equilibrium, or a D that sees nothing (logit_sd tells which)"
CANCELLED = "real pictures are accepted and fakes undecided: the players' gradients cancel"
CLAMPED = "a probability that was cut off before its logarithm: D is sure of itself"
FINGERPRINTS = (
    Fingerprint(("BCE", "Minimax"), LN2, CANCELLED, d_real=0.9),
    Fingerprint(("LSGAN",), 0.125, CANCELLED, d_real=0.9),
    Fingerprint(("BCE", "Minimax"), 2 * LN2, GUESSING),
    Fingerprint(("LSGAN",), 0.25, GUESSING),
    Fingerprint(("Hinge",), 2.0, GUESSING),
    Fingerprint(("Relativistic",), LN2, GUESSING),
    Fingerprint(
        ("BCE", "Minimax"), math.log1p(math.exp(-1)) + LN2, "a sigmoid before a loss that has its own"
    ),
    Fingerprint((), 100.0, CLAMPED),
    Fingerprint((), 27.631, CLAMPED),
    Fingerprint((), 16.118, CLAMPED),
    Fingerprint((), 13.816, CLAMPED),
)


def fingerprint(at: Examination, params: Params) -> Hit | None:
    if at.get("flatness") >= params["flat"]:
        return None
    loss = at.get("loss_d")
    for known in FINGERPRINTS:
        meant = not known.losses or at.facts.get("loss") in known.losses
        near = abs(loss - known.loss_d) <= params["near"] * known.loss_d
        if meant and near and at.get("d_real", 0.0) >= (known.d_real or 0.0):
            message = f"D's loss stands still at {loss:.3f}, a value with a meaning: {known.meaning}"
            evidence = (
                Evidence("loss_d", loss, known.loss_d, None, None),
                Evidence("flatness", at.get("flatness"), None, None, params["flat"]),
            )
            return Hit("info", message, evidence)
    return None


GD104 = Rule(
    id="GD104",
    title="A loss stands still at a telling value",
    severities=("info",),
    tier="T0",
    needs=("loss_d", "flatness"),
    uses=("d_real",),
    thresholds={
        "flat": Threshold(0.01, "relative standard deviation of D's loss over the last four windows"),
        "near": Threshold(0.01, "relative distance from the known value"),
    },
    test=fingerprint,
    why="Some values of the loss are reached in one way only, so they name what happened. The losses of a "
    "healthy game keep moving.",
    remedies=remedies("GD104"),
)
