"""Rules about all pictures together: how many kinds, which are copies, what the numbers are worth."""

from __future__ import annotations

import math

from gantrain.doctor.rules.advice import remedies
from gantrain.doctor.rules.common import (
    LONG_ENOUGH,
    PRECISE,
    PRECISION_MIN,
    SETTLED_OR_OVER,
    STEPS_MIN,
    VARIED,
    VARIETY_MIN,
    against,
    is_settled,
    lowest,
    percent,
    usual,
)
from gantrain.doctor.rules.rule import (
    GOOD_PICTURES,
    MAYBE_YOUNG,
    Evidence,
    Examination,
    Facts,
    Hit,
    Params,
    Requirement,
    Rule,
    Severity,
    Threshold,
    number,
)

OVER = Requirement(lambda at, params: at.step >= at.total, "it is judged when all steps are done")


def _one_each(at: Examination, params: Params) -> bool:
    """Whether a run that was long enough ends with hardly more than one picture of each class: then it does
    not matter that they came nearer.
    """
    over = at.step >= at.total >= GOOD_PICTURES
    return over and at.get("class_variety") < params["class_alone"]


NOT_YOUNG = Requirement(
    lambda at, params: is_settled(at) or _one_each(at, params),
    "the pictures came nearer over the doctor's last looks: young ones are alike and noisy",
)


NEARER = 0.9  # of the distance some looks before: pictures of which it is not certain that they are settled


def collapsed(at: Examination, params: Params) -> Hit | None:
    """Few kinds of pictures, or of pictures of one class, or rather few and all of them beside the real ones,
    or pairs that are nearly equal. (`variety` is a ratio of logarithms, so that it means the same for data of
    few kinds and of many.)
    """
    variety, within, near = (at.get(name) for name in ("variety", "class_variety", "near_pair_ratio"))
    null, near_null = at.nulls["variety"], at.nulls.get("near_pair_ratio")
    warn, error, doubt = (lowest(null, 1 - params[f"variety_{name}"]) for name in ("warn", "error", "doubt"))
    near_bound = -math.inf if near_null is None else lowest(near_null, 1 - params["near_warn"])
    told_alike = within < params["variety_warn"]  # never, where there are no classes
    elsewhere = warn <= variety < doubt and at.get("recall") < params["recall_min"]
    if told_alike:
        message = f"asked for a class, the generator varies no more than {_kinds(at, 'class_')}"
    elif variety < warn or elsewhere:
        message = (
            f"the generator varies no more than {_kinds(at)} "
            f"(Vendi ratio of the pixels {at.get('vendi_ratio'):.2f}, real {usual(at.nulls['vendi_ratio'])})"
        )
        if elsewhere:
            message += f", and {percent(at.get('recall'))} of the real pictures lie among them"
    elif near_null is not None and near < near_bound:
        message = (
            f"the generator repeats itself: its nearest pairs of pictures are {near:.2f} times as far apart "
            f"as those of real ones (normal {usual(near_null)})"
        )
    else:
        return None
    evidence = (
        *((Evidence("class_variety", within, 1.0, None, params["variety_warn"]),) if told_alike else ()),
        against(at, "variety", doubt if elsewhere else warn),
        against(at, "vendi_ratio"),
        *((against(at, "near_pair_ratio", near_bound),) if near_null is not None else ()),
        *((against(at, "recall", params["recall_min"]),) if elsewhere else ()),
    )
    grave = variety < error or within < params["variety_error"]
    if not grave and at.get("fd_change") < NEARER:
        message += f"; but they came nearer over the doctor's last looks, {MAYBE_YOUNG}"
    return Hit("error" if grave else "warning", message, evidence)


def _kinds(at: Examination, of: str = "") -> str:
    """How many the fakes are like, and how many the reals; of: "class_" for those of one class."""
    variety, ratio = at.get(f"{of}variety"), at.get(f"{of}vendi_ratio")
    of_reals = ratio ** (1 / (variety - 1))  # as ratio = V / V(reals), variety = log V / log V(reals)
    of_fakes = max(1, ratio * of_reals)
    plural = "s" if of_fakes >= 1.5 else ""
    return f"{of_fakes:.0f} distinct picture{plural}, where as many real ones are like {of_reals:.0f}"


GD201 = Rule(
    id="GD201",
    title="Mode collapse",
    severities=("warning", "error"),
    tier="T2",
    needs=("variety", "vendi_ratio"),
    # No near pairs where the reals repeat; no classes where G is not told them, or few pictures of each.
    uses=("near_pair_ratio", "class_variety", "class_vendi_ratio", "fd_improving", "fd_change", "recall"),
    nulls=("variety", "vendi_ratio"),
    requires=(NOT_YOUNG,),
    thresholds={
        "variety_warn": Threshold(
            0.4,
            "variety: logarithm of the Vendi score of the fakes over that of the reals (1 is normal); so of "
            "the pictures of one class, where G is told the class",
        ),
        "variety_error": Threshold(0.25, "an error below it"),
        "variety_doubt": Threshold(0.5, "a warning below it, where no real picture is like the fakes"),
        "class_alone": Threshold(0.1, "variety of one class below which, at the end, youth is no excuse"),
        "recall_min": Threshold(0.02, "share of real pictures that lie among the fakes, for that"),
        "near_warn": Threshold(0.2, "distance of the nearest pairs of fakes over that of the reals'"),
    },
    test=collapsed,
    yields_to=("GD304", "GD301"),
    why="G found a few pictures that D accepts at the moment, and nothing in its loss asks for different "
    "ones. Or it has hardly learnt yet: what an untrained G draws is all alike as well.",
    remedies=remedies("GD201"),
)


def modes_dropped(at: Examination, params: Params) -> Hit | None:
    density, coverage = at.get("density"), at.get("coverage")
    share, sure = at.get("class_share_min"), at.get("class_confidence")
    enough = params["density_min"] * at.nulls["density"].mean
    null = at.nulls["coverage"]
    bound = lowest(null, (1 - params["coverage_min"]) * null.mean)
    left_out = share < params["share_min"] and sure >= params["confidence_min"]
    if not (density >= enough and coverage < bound and left_out):
        return None
    names = at.facts.get("missing_classes") or ()
    which = f" ({', '.join(map(str, names))})" if names else ""
    message = (
        f"the generator leaves out part of the data{which}: one class has {percent(share)} of its real "
        f"share, and in pca64 the fakes cover {percent(coverage)} of the real pictures (normal "
        f"{percent(null.mean)})"
    )
    evidence = (
        Evidence("class_share_min", share, 1.0, None, params["share_min"]),
        against(at, "coverage", bound),
        against(at, "density", enough),
    )
    return Hit("warning", message, evidence)


UNMIRRORED = Requirement(
    lambda at, params: not at.facts.get("data.flip"),
    "mirrored fakes (data.flip=true) may be taken for another class",
)
GD202 = Rule(
    id="GD202",
    title="Part of the data is missing",
    severities=("warning",),
    tier="T3",
    needs=("density", "coverage", "class_share_min", "class_confidence"),
    nulls=("density", "coverage"),
    requires=(SETTLED_OR_OVER, VARIED, PRECISE, UNMIRRORED),
    thresholds={
        "coverage_min": Threshold(0.75, "coverage, over that of real pictures"),
        "density_min": Threshold(0.2, "density, over that of real pictures: bad fakes cover nothing either"),
        "share_min": Threshold(0.1, "share of a class among the fakes, over its share among the reals"),
        "confidence_min": Threshold(0.5, "mean confidence of the classifier, below which it only guesses"),
        "variety_min": VARIETY_MIN,
        "precision_min": PRECISION_MIN,
    },
    test=modes_dropped,
    silenced_by=("GD201",),
    why="G draws some kinds of pictures well and others never, since its loss asks for pictures that D "
    "accepts and not for all of them. Distances between averages hardly notice.",
    remedies=remedies("GD202"),
)


FAR_OFF: tuple[tuple[str, str, str, Severity], ...] = (
    ("fd_latest", "fd_pca64", "fd_max", "warning"),
    ("fd_rand", "fd_rand", "rand_max", "info"),
)
"""Signal, what it is a look at, its bound, how grave it is."""


def far_off(at: Examination, params: Params) -> Hit | None:
    """By the pixels' coarse shapes a fault; by texture and fine lines alone, which come last, a remark."""
    for signal, metric, name, severity in FAR_OFF:
        distance, bound = at.get(signal, 0.0), params[name]
        if distance > bound:
            message = (
                f"the run is over, and its pictures are still far from the real ones ({metric} "
                f"{distance:.3g}; where training went well it ends below {bound:g})"
            )
            return Hit(severity, message, (Evidence(signal, distance, None, None, bound),))
    return None


GD203 = Rule(
    id="GD203",
    title="Unusually far from the real pictures",
    severities=("info", "warning"),
    tier="T2",
    needs=("fd_latest",),
    uses=("fd_rand",),
    requires=(OVER, LONG_ENOUGH),
    thresholds={
        "fd_max": Threshold(0.35, "distance between fakes and reals (fd_pca64) at the end of the run"),
        "rand_max": Threshold(0.3, "the same in textures (fd_rand): a remark above it"),
        "steps_min": STEPS_MIN,
    },
    test=far_off,
    silenced_by=("GD001", "GD003", "GD004", "GD101", "GD002", "GD102", "GD103", "GD201"),
    why="Where nothing else was found the players may only need more time: penalties on gradients, spectral "
    "norm and low rates make every step safer and smaller. Pictures can also stay far off because the "
    "networks are too narrow for the data.",
    remedies=remedies("GD203"),
)


def rests_on(facts: Facts, default: float) -> float:
    """Pictures of a kind that the metrics compare: as many as asked for, if there are so many real ones."""
    counts = (number(facts, key, default) for key in ("metrics.count", "facts.reference"))
    return min(counts)


def untrustworthy(at: Examination, params: Params) -> Hit | None:
    gap, count = at.get("mode_gap", 0.0), rests_on(at.facts, params["count_min"])
    reasons = []
    if gap > params["gap_max"]:
        reasons.append(
            f"the generator draws other pictures in training mode than in eval mode ({gap:.2g} times the "
            "normal distance)"
        )
    if count < params["count_min"]:
        reasons.append(f"the numbers rest on {count:.0f} pictures")
    if at.facts.get("facts.held_out") == 0:
        reasons.append("there are no held-out pictures")
    if not reasons:
        return None
    evidence = (Evidence("mode_gap", gap, 1.0, None, params["gap_max"]),) if at.has("mode_gap") else ()
    return Hit("info", f"the quality numbers are to be read with care: {' and '.join(reasons)}", evidence)


GD501 = Rule(
    id="GD501",
    title="The evaluation cannot be trusted",
    severities=("info",),
    tier="T3",
    uses=("mode_gap",),
    thresholds={
        "gap_max": Threshold(5.0, "distance between training-mode and eval-mode pictures, over the null"),
        "count_min": Threshold(512, "pictures that a number rests on"),
    },
    test=untrustworthy,
    why="Distances between few pictures are mostly chance, and without unseen ones nothing tells a copy "
    "from a good picture. Batch norm's running statistics may also belong to another generator than the "
    "one judged.",
    remedies=remedies("GD501"),
)
