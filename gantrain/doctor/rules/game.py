"""Rules about the game: who wins, what reaches G, and whether anything moves at all."""

from __future__ import annotations

import math
from typing import NamedTuple

from gantrain.doctor.rules.advice import remedies
from gantrain.doctor.rules.common import against, percent
from gantrain.doctor.rules.rates import MOST_PACE, pace
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

HAS_SCALE = Requirement(
    lambda at, params: at.facts.get("loss") in SCALED, "needs a loss that gives D's logits a scale"
)

# ---- GD101, GD102: D wins --------------------------------------------------------------------------------


def dominates(at: Examination, params: Params) -> Hit | None:
    ratio, improving, distance = at.get("loss_d_ratio"), at.get("fd_improving"), at.get("fd_latest")
    falling = at.get("fd_change", 1.0) < params["fd_falls"]
    unhelped = improving == 0 or (improving != 1 and not falling and distance > params["fd_max"])
    ahead = pace(at.facts) > MOST_PACE  # the rates say the same
    bound = params["ratio_paced" if ahead else "ratio_warn"]
    if ratio >= bound or not unhelped:
        return None
    seen = "did not improve over the doctor's last looks"
    message = (
        f"D wins: its loss is {percent(ratio)} of that of guessing (healthy: above "
        f"{percent(bound)}), and the pictures "
        f"{seen if improving == 0 else f'are still far off (fd_pca64 {distance:.2g})'}"
    )
    severity: Severity = "error" if ratio < params["ratio_error"] else "warning"
    return Hit(severity, message, (Evidence("loss_d_ratio", ratio, 1.0, None, bound),))


GD101 = Rule(
    id="GD101",
    title="The discriminator dominates",
    severities=("warning", "error"),
    tier="T1",
    needs=("loss_d_ratio", "fd_latest"),
    uses=("fd_improving", "fd_change"),
    thresholds={
        "ratio_warn": Threshold(0.15, "D's loss over that of guessing; a warning below it"),
        "ratio_error": Threshold(0.05, "an error below it"),
        "ratio_paced": Threshold(0.3, "a warning below it, where D also learns far faster by its rates"),
        "fd_max": Threshold(0.6, "fd_pca64 above which too few looks to see it improve are no excuse ..."),
        "fd_falls": Threshold(0.8, "... unless the second look gave less than this share of the first"),
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
    weak = len(found) == 1 and signal == "signal_g" and at.get(signal) >= params["signal_min"]
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
    "which way to go. The saturating loss (minimax) does this by its formula, a flat D does it "
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
    why="D learns too slowly for what G does: its answers do not depend on the picture, or suit fakes of "
    "long ago. G is then led by noise, even where both losses sit where theory wants them.",
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
