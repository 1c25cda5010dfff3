"""Rules about learning by heart: a D that knows its training pictures, a G that copies them."""

from __future__ import annotations

import math

from gantrain.doctor.rules.advice import remedies
from gantrain.doctor.rules.common import (
    LONG_ENOUGH,
    PRECISE,
    PRECISION_MIN,
    STEPS_MIN,
    VARIED,
    VARIETY_MIN,
    percent,
)
from gantrain.doctor.rules.facts import FEW, times_seen
from gantrain.doctor.rules.rule import (
    Evidence,
    Examination,
    Hit,
    Params,
    Requirement,
    Rule,
    Threshold,
    number,
)

LOOKED_AT = 64
"""Pictures of each kind by which D is judged: a look then costs about one training step."""
MOST_TO_COPY = 4000
"""Training pictures among which a fake's nearest is looked for."""
CHANCE_SPREADS, CHANCE_ALONE = 2, 3
"""Standard deviations that the choice of the held-out pictures may explain; the second, where the fakes are
not nearer to the training pictures by the Frechet distance as well: pale fakes share a few pale neighbours.
"""


def overfits(at: Examination, params: Params) -> Hit | None:
    """D's answers to training pictures against its answers to unseen ones: by themselves, and to fakes."""
    seen, gap, distance = at.get("auc_seen"), at.get("auc_gap"), at.get("fd_latest")
    chance = spread_of_auc(at)
    bounds = {
        "seen": max(params["seen_warn"], 0.5 + 3 * chance),
        "gap": max(params["gap_warn"], 2 * chance),
    }
    evidence = (
        Evidence("auc_seen", seen, 0.5, chance, bounds["seen"]),
        Evidence("auc_gap", gap, 0.0, None, bounds["gap"]),
        Evidence("auc_train", at.get("auc_train"), None, None, None),
        Evidence("auc_held_out", at.get("auc_held_out"), None, None, None),
    )
    bad = seen > max(params["seen_error"], bounds["seen"]) or gap > max(params["gap_error"], bounds["gap"])
    message = (
        "D knows its training pictures by heart: " if bad else "D begins to know its training pictures: "
    )
    if seen > bounds["seen"]:
        message += f"it ranks {percent(seen)} of them above real ones that it has never seen (normal 50 %)"
    elif gap > bounds["gap"]:
        message += (
            f"it ranks {percent(at.get('auc_train'))} of them above fakes, but only "
            f"{percent(at.get('auc_held_out'))} of unseen ones (gap {gap:.2f}, normal 0)"
        )
    else:
        return knows_the_few(at, params)
    if gap > bounds["gap"] or distance > params["fd_near"]:
        return Hit("error" if bad else "warning", message, evidence)
    message += f", but tells fakes from either alike (gap {gap:.2f})"
    if math.isnan(distance):
        message += "; how near those are to the real ones was not looked at yet"
    else:
        message += (
            f", and they are near the real ones (fd_pca64 {distance:.2g} at the doctor's last look): "
            "it may be harmless so far"
        )
    return Hit("warning", message, evidence)


def spread_of_auc(at: Examination) -> float:
    """Standard deviation of the AUC of n and m numbers that are alike, sqrt((n + m + 1) / (12 n m)) (Mann
    and Whitney 1947), for as many pictures as were looked at.
    """
    unseen = number(at.facts, "facts.unseen", LOOKED_AT)
    count = number(at.facts, "facts.count", 2 * LOOKED_AT)
    n = max(1.0, min(LOOKED_AT, unseen, count))
    return math.sqrt((2 * n + 1) / (12 * n * n))


def knows_the_few(at: Examination, params: Params) -> Hit | None:
    """With a handful of pictures the fakes are so bad that D ranks unseen pictures rightly as well."""
    count = number(at.facts, "facts.count", params["few"])
    seen, ratio = times_seen(at.facts, at.step), at.get("loss_d_ratio")
    if not (count < params["few"] and seen > params["seen"] and ratio < params["sure"]):
        return None
    message = (
        f"D knows its {count:.0f} training pictures by heart: it has seen each of them {seen:.0f} times, "
        f"and its loss is {percent(ratio)} of that of guessing"
    )
    evidence = (
        Evidence("pictures", count, None, None, params["few"]),
        Evidence("times_seen", seen, None, None, params["seen"]),
        Evidence("loss_d_ratio", ratio, 1.0, None, params["sure"]),
    )
    return Hit("error", message, evidence)


GD401 = Rule(
    id="GD401",
    title="The discriminator overfits",
    severities=("warning", "error"),
    tier="T1",
    needs=("auc_seen", "auc_gap", "auc_train", "auc_held_out"),
    uses=("loss_d_ratio", "fd_latest"),
    thresholds={
        "seen_warn": Threshold(0.7, "share of pairs in which D ranks a training picture above an unseen one"),
        "seen_error": Threshold(0.8, "an error above it"),
        "gap_warn": Threshold(0.10, "share of pairs ranked rightly, training less held-out pictures"),
        "gap_error": Threshold(0.25, "an error above it"),
        "fd_near": Threshold(0.35, "fd_pca64 up to which, without such a gap, it is no error"),
        "few": Threshold(FEW, "training pictures, below which D may know them without a gap ..."),
        "seen": Threshold(50, "... once it has seen each so many times ..."),
        "sure": Threshold(0.15, "... and its loss, over that of guessing, has fallen below this"),
    },
    test=overfits,
    yields_to=("GD202",),  # of kinds of pictures that it was never shown D knows nothing
    rooted_in=("GD005e",),
    why="D recognises single pictures instead of what they have in common, since it has met each of them "
    "many times. In the end it punishes even perfect fakes, and G can only copy.",
    remedies=remedies("GD401"),
)


SEEN_ENOUGH = Requirement(
    lambda at, params: number(at.facts, "facts.count", 0) <= params["pictures_max"],
    "too many training pictures to look for a copy among",
)


def memorised(at: Examination, params: Params) -> Hit | None:
    """Fakes that are all in all far from the training pictures are near to some of them by chance."""
    nearer, ratio, spread = at.get("nearer_train"), at.get("nearest_ratio"), at.get("nearer_spread", 0.0)
    distance = at.get("copy_ratio", 1.0)
    chance = CHANCE_SPREADS if distance <= 1 else CHANCE_ALONE
    bound = max(params["nearer_max"], 0.5 + chance * spread)
    close = ratio < params["nearest_max"] and distance < params["apart_min"]
    if nearer <= bound or not (close or distance < params["copy_max"]):
        return None
    message = (
        f"{percent(nearer)} of the fakes are nearer to a training picture than to an unseen one (normal 50 "
        f"%), at {ratio:.2f} times the distance of unseen pictures"
    )
    evidence = (
        Evidence("nearer_train", nearer, 0.5, spread, bound),
        Evidence("nearest_ratio", ratio, 1.0, None, params["nearest_max"]),
        Evidence("copy_ratio", at.get("copy_ratio"), 1.0, None, params["copy_max"]),
    )
    return Hit("warning", message, evidence)


GD402 = Rule(
    id="GD402",
    title="The fakes lean on the training pictures",
    severities=("warning",),
    tier="T3",
    needs=("nearer_train", "nearest_ratio"),
    uses=("nearer_spread", "copy_ratio", "variety", "precision"),
    requires=(VARIED, PRECISE, SEEN_ENOUGH, LONG_ENOUGH),
    thresholds={
        "pictures_max": Threshold(
            2.5 * MOST_TO_COPY,
            f"training pictures; of more, {MOST_TO_COPY} that are looked at tell little, and none is copied",
        ),
        "nearer_max": Threshold(0.65, "share of fakes nearer to a training picture than to a held-out one"),
        "nearest_max": Threshold(
            1.3, "median distance to the nearest training picture, over unseen pictures'"
        ),
        "copy_max": Threshold(0.8, "Frechet distance to the training pictures, over that of unseen pictures"),
        "apart_min": Threshold(3.0, "the same where nothing is copied, however near the nearest ones are"),
        "variety_min": VARIETY_MIN,
        "precision_min": PRECISION_MIN,
        "steps_min": STEPS_MIN,
    },
    test=memorised,
    silenced_by=("GD201",),
    why="With few pictures, or a D that knows them by heart, fakes come to resemble single ones of them, in "
    "the end as copies. Distances to the data fall all the same, so only unseen pictures give it away.",
    remedies=remedies("GD402"),
)
