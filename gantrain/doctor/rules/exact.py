"""Rules whose one hit is proof: not finite, out of reach, cancelled."""

from __future__ import annotations

from gantrain.doctor.rules.advice import remedies
from gantrain.doctor.rules.common import against, is_settled, percent
from gantrain.doctor.rules.rule import Evidence, Examination, Hit, Params, Requirement, Rule, Threshold

PLAYERS = {"g": "G", "d": "D"}
SPAN = (-1.0, 1.0)  # of the real pictures
OUTPUT_RANGE = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "linear": SPAN}  # a linear one can reach anything


# ---- GD001 -----------------------------------------------------------------------------------------------


def non_finite(at: Examination, params: Params) -> Hit | None:
    names = {"finite_d": "the discriminator", "finite_g": "the generator"}
    bad = [signal for signal in names if at.get(signal) < 0.5]
    if not bad:
        return None
    who = " and ".join(names[signal] for signal in bad)
    message = f"the loss or gradient of {who} is not finite at step {at.step + 1}; the weights were not moved"
    return Hit("fatal", message, tuple(Evidence(signal, at.get(signal), 1.0, None, None) for signal in bad))


GD001 = Rule(
    id="GD001",
    title="A number is not finite",
    severities=("fatal",),
    tier="T0",
    needs=("finite_d", "finite_g"),
    test=non_finite,
    exact=True,
    why="A loss or gradient became infinite or NaN, usually because a player's steps were too large for "
    "what its loss allows. One such update would make every weight NaN, so the run stopped before it.",
    remedies=remedies("GD001"),
)

# ---- GD003 -----------------------------------------------------------------------------------------------


def _range_is_known(at: Examination, params: Params) -> bool:
    measured = all(at.has(signal) for signal in ("range_overlap", "range_distance"))
    return at.facts.get("model.generator.output") in OUTPUT_RANGE or measured


def out_of_reach(at: Examination, params: Params) -> Hit | None:
    bounds = OUTPUT_RANGE.get(str(at.facts.get("model.generator.output")))
    if bounds is None:
        return never_reached(at, params)
    share = (min(bounds[1], SPAN[1]) - max(bounds[0], SPAN[0])) / (SPAN[1] - SPAN[0])
    if share >= params["reach_min"]:
        return None
    message = (
        f"the data span {SPAN[0]:g}..{SPAN[1]:g} and the generator can only give "
        f"{bounds[0]:g}..{bounds[1]:g} ({percent(share)} of it)"
    )
    return Hit("error", message, (Evidence("reach", share, 1.0, None, params["reach_min"]),))


def never_reached(at: Examination, params: Params) -> Hit | None:
    """Of a network whose bounds are not known: a range that stays wrong while nothing improves any more."""
    overlap, distance = at.get("range_overlap"), at.get("range_distance")
    if not (is_settled(at) and overlap < params["overlap_min"] and distance > params["distance_max"]):
        return None
    message = (
        f"the generator's values cover {percent(overlap)} of the range of the real ones, lie {distance:.2f} "
        "of their standard deviation off, and improve no more"
    )
    evidence = (
        against(at, "range_overlap", params["overlap_min"]),
        against(at, "range_distance", params["distance_max"]),
    )
    return Hit("error", message, evidence)


GD003 = Rule(
    id="GD003",
    title="The generator cannot reach the data's range",
    severities=("error",),
    tier="preflight",
    uses=("range_overlap", "range_distance", "fd_improving", "fd_change"),
    requires=(Requirement(_range_is_known, "needs to know the bounds of the generator's output"),),
    thresholds={
        "reach_min": Threshold(0.9, "share of the data's span that the output has to be able to give"),
        "overlap_min": Threshold(
            0.7, "share of the real values' range, where the output's bounds are unknown"
        ),
        "distance_max": Threshold(0.3, "Wasserstein distance of the values over their standard deviation"),
    },
    test=out_of_reach,
    why="The last layer cannot give some of the values that real pictures have. D needs nothing else to "
    "tell them apart, and no training of G changes it.",
    remedies=remedies("GD003"),
)

# ---- GD004 -----------------------------------------------------------------------------------------------


def cancelled(at: Examination, params: Params) -> Hit | None:
    """|used| / |own| and their angle: 1 and 0 if each player moves by its own loss alone."""
    for key, player in PLAYERS.items():
        ratio, cosine = at.get(f"used_ratio_{key}", 1.0), at.get(f"used_cosine_{key}", 1.0)
        in_size = 1 / params["factor_max"] <= ratio <= params["factor_max"]
        if in_size and cosine >= params["cosine_min"]:
            continue
        other = "D" if player == "G" else "G"
        if ratio < 1 / params["factor_max"]:
            what = f"{percent(1 - ratio)} of {player}'s gradient is cancelled by {other}'s loss"
        else:
            what = f"{player} is moved by {other}'s loss as well as by its own"
        message = f"{what} (|used| / |own| = {ratio:.3f}, cosine {cosine:.2f}, normal 1)"
        evidence = (
            Evidence(f"used_ratio_{key}", ratio, 1.0, None, 1 / params["factor_max"]),
            Evidence(f"used_cosine_{key}", cosine, 1.0, None, params["cosine_min"]),
        )
        return Hit("error", message, evidence)
    return None


GD004 = Rule(
    id="GD004",
    title="The players' gradients cancel",
    severities=("error",),
    tier="T1",
    needs=("used_ratio_g",),
    uses=("used_cosine_g", "used_ratio_d", "used_cosine_d"),
    thresholds={
        "cosine_min": Threshold(0.9, "cosine between the gradient used and that of the player's own loss"),
        "factor_max": Threshold(2.0, "by which their norms may differ, either way"),
    },
    test=cancelled,
    exact=True,
    why="Both losses reach a player's weights, and on the fakes the two pull in opposite directions: what "
    "G gains D's loss takes back. There is no adversarial effect, however good the losses look.",
    remedies=remedies("GD004"),
)
