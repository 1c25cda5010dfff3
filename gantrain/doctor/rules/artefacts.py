"""Rules about marks in the pictures: lattices, blur, streaks, plain areas, borders, speckle."""

from __future__ import annotations

from gantrain.doctor.rules.advice import remedies
from gantrain.doctor.rules.common import (
    ANY_PRECISION,
    PRECISE,
    SETTLED_OR_OVER,
    UPSAMPLES,
    VARIED,
    VARIETY_MIN,
    against,
    at_least,
    highest,
    lowest,
    percent,
    usual,
)
from gantrain.doctor.rules.facts import is_convolutional
from gantrain.doctor.rules.lints import GD005A
from gantrain.doctor.rules.rule import (
    Examination,
    Hit,
    Params,
    Requirement,
    Rule,
    Severity,
    Threshold,
    number,
)

# ---- GD301, GD302: spectra -------------------------------------------------------------------------------


PEAK_SPREADS = 3  # a peak is the largest of few frequencies: its null is wide


def checkerboard(at: Examination, params: Params) -> Hit | None:
    """The period whose frequencies stand out most, above what the real pictures have there.

    A peak is measured against the frequencies around it. Where the fakes have less of those than the reals
    (soft pictures: `detail` below 0), the same peak is as much weaker in the picture, and counts for less.
    A peak counts if the second witness agrees, pixels that differ by their place in the lattice; without it
    only an overwhelming one does. Where the untrained generator drew the pattern, neither is asked.
    """
    nulls = {period: at.nulls[f"lattice_{period}"] for period in (2, 4)}
    excess = {period: at.get(f"lattice_{period}") - null.mean for period, null in nulls.items()}
    period = max(excess, key=lambda period: excess[period])
    null, value, found = nulls[period], at.get(f"lattice_{period}"), excess[period]
    softness = max(0.0, -at.get("detail", 0.0))
    phase_bound = highest(at.nulls["phase_energy"], params["phase_excess"])
    agreed = at.get("phase_energy") > phase_bound
    bound = highest(null, params["excess" if agreed else "excess_alone"], PEAK_SPREADS) + softness
    if at.get("lattice_before", 0.0) > params["excess_born"]:
        bound = min(bound, highest(null, params["excess_born"], PEAK_SPREADS))
    if value <= bound:
        return None
    message = (
        f"a pattern of period {period} stands out {10**found:.2g} times as much as in real pictures "
        f"(log10 {value:.2f}, real {usual(null)})"
    )
    evidence = (against(at, f"lattice_{period}", bound), against(at, "phase_energy", phase_bound))
    return Hit("warning", message, evidence)


GD301 = Rule(
    id="GD301",
    title="Checkerboard",
    severities=("warning",),
    tier="T2",
    needs=("lattice_2", "lattice_4", "phase_energy"),
    uses=("detail", "variety", "precision", "lattice_before"),
    nulls=("lattice_2", "lattice_4", "phase_energy"),
    requires=(UPSAMPLES, VARIED, PRECISE),
    thresholds={
        "excess": Threshold(0.6, "log10 of the power at the lattice's frequencies, above the real pictures'"),
        "phase_excess": Threshold(0.04, "of phase_energy, the second witness, above the real pictures'"),
        "excess_alone": Threshold(1.5, "the lattice's power, where the second witness does not agree"),
        "excess_born": Threshold(GD005A.params["excess"], "where the untrained generator has as much, too"),
        "variety_min": VARIETY_MIN,
        "precision_min": ANY_PRECISION,
    },
    test=checkerboard,
    silenced_by=("GD201",),
    rooted_in=("GD005a",),
    apart_from=("GD202", "GD401", "GD402"),
    why="The upsampling layers make neighbouring pixels by different weights, and every doubling leaves "
    "its period in the picture (Odena et al. 2016). Training hides it on average, but not in each picture.",
    remedies=remedies("GD301"),
)


def _without_lattice(at: Examination, params: Params) -> bool:
    excess = (at.get(name) - at.nulls[name].mean for name in ("lattice_2", "lattice_4") if name in at.nulls)
    return not any(found > GD301.params["excess"] for found in excess)


def too_smooth(at: Examination, params: Params) -> Hit | None:
    value, null = at.get("detail"), at.nulls["detail"]
    bound = lowest(null, params["loss_min"])
    if value >= bound:
        return None
    message = (
        f"the finest detail has {10**-value:.2g} times less energy than in real pictures (log10 "
        f"{value:.2f}, real {usual(null)})"
    )
    return Hit("info", message, (against(at, "detail", bound),))


GD302B = Rule(
    id="GD302b",
    title="Too smooth",
    severities=("info",),
    tier="T2",
    needs=("detail",),
    uses=("variety", "lattice_2", "lattice_4"),
    nulls=("detail",),
    requires=(VARIED, Requirement(_without_lattice, "a pattern stands out, which is not smooth")),
    thresholds={
        "loss_min": Threshold(0.7, "log10 of the energy lost in the top quarter of frequencies"),
        "variety_min": VARIETY_MIN,
    },
    test=too_smooth,
    silenced_by=("GD201",),
    why="A young generator has not learnt the finest detail yet; one that enlarges bilinearly cannot. "
    "Such pictures look soft, and distances on pixels do not mind.",
    remedies=remedies("GD302b"),
)


def streaked(at: Examination, params: Params) -> Hit | None:
    value, null = at.get("streaks"), at.nulls["streaks"]
    bound = highest(null, params["excess"])
    if value <= bound:
        return None
    message = (
        f"straight lines along rows and columns stand out {10**value:.2g} times as much as in real pictures "
        f"(log10 {value:.2f}, real {usual(null)})"
    )
    return Hit("info", message, (against(at, "streaks", bound),))


GD302C = Rule(
    id="GD302c",
    title="Streaks along rows and columns",
    severities=("info",),
    tier="T2",
    needs=("streaks",),
    uses=("variety",),
    nulls=("streaks",),
    requires=(UPSAMPLES, VARIED),
    thresholds={
        "excess": Threshold(0.35, "log10 of the power along the axes over that beside them, above reals'"),
        "variety_min": VARIETY_MIN,
    },
    test=streaked,
    silenced_by=("GD201",),
    why="Enlarged maps repeat what is coarse along rows and columns, and a young generator has hardly learnt "
    "to make other shapes of it: the pictures look woven. On some data more steps cured it, on others "
    "interpolation did.",
    remedies=remedies("GD302c"),
)


def marked(at: Examination, params: Params) -> Hit | None:
    value, null, share = at.get("plainness"), at.nulls["plainness"], number(at.facts, "plain_share", 1)
    bound = lowest(null, 1 - params["share"])
    if value >= bound:
        return None
    message = (
        f"{percent(round(share * value, 3))} of the picture is plain, neighbouring pixels alike, and of real "
        f"pictures {percent(round(share, 3))}: what should be plain has marks or texture"
    )
    return Hit("info", message, (against(at, "plainness", bound),))


GD302D = Rule(
    id="GD302d",
    title="Marks on plain areas",
    severities=("info",),
    tier="T2",
    needs=("plainness",),
    uses=("variety",),
    nulls=("plainness",),
    requires=(at_least("plain_share", "plain_min", "hardly anything in the data is plain"), VARIED),
    thresholds={
        "share": Threshold(0.25, "plain area of the fakes, over that of the reals"),
        "plain_min": Threshold(0.2, "share of the real pictures that is plain, to be asked"),
        "variety_min": VARIETY_MIN,
    },
    test=marked,
    silenced_by=("GD201",),
    why="What is even in real pictures is the hardest to draw: every layer has to add nothing, everywhere. "
    "A young generator leaves dots, scratches or waves there, and so does one whose D knows its few pictures "
    "by heart; distances on averages hardly see them.",
    remedies=remedies("GD302d"),
)

# ---- GD303, GD304: places --------------------------------------------------------------------------------


def border(at: Examination, params: Params) -> Hit | None:
    value, null = at.get("border"), at.nulls["border"]
    bounds = lowest(null, params["contrast"]), highest(null, params["contrast"])
    if bounds[0] <= value <= bounds[1]:
        return None
    message = (
        f"the outermost ring of pixels has {percent(round(abs(2**value - 1), 2))} "
        f"{'less' if value < 0 else 'more'} contrast than the third one, compared with real pictures (log2 "
        f"{value:.2f}, real {usual(null)})"
    )
    return Hit("warning", message, (against(at, "border", bounds[value > bounds[1]]),))


GD303 = Rule(
    id="GD303",
    title="The border is marked",
    severities=("warning",),
    tier="T2",
    needs=("border",),
    uses=("variety", "precision"),
    nulls=("border",),
    requires=(
        at_least("border_flatness", "flatness_min", "the data have too little contrast at their border"),
        VARIED,
        PRECISE,
    ),
    thresholds={
        "contrast": Threshold(
            0.15, "log2 of the ring's contrast over the third one's, against real pictures"
        ),
        "flatness_min": Threshold(
            0.7, "contrast of the real pictures' border over their inside, to be asked"
        ),
        "variety_min": VARIETY_MIN,
        "precision_min": ANY_PRECISION,
    },
    test=border,
    yields_to=("GD301",),  # a pattern from before training marks the border as well
    silenced_by=("GD201",),
    apart_from=("GD202", "GD401", "GD402"),
    why="A frame of zeros around every map tells the convolutions where the picture ends. G learns the "
    "border as something of its own, and more so where convolutions have biases.",
    remedies=remedies("GD303"),
)


def speckled(at: Examination, params: Params) -> Hit | None:
    """Of a network without convolutions the fault itself, of another one a sign that it has hardly learnt, if
    its pictures also lie apart from real ones; but nearly equal pictures are noisy for another reason.
    """
    value, null = at.get("speckle"), at.nulls["speckle"]
    bound = highest(null, params["share"])
    if value <= bound:
        return None
    message = (
        f"{percent(value)} of what is constant in real pictures is not so in the fakes "
        f"(normal {percent(null.mean)})"
    )
    strange = at.get("precision", 0.0) < params["precision_max"]
    unlearnt = strange and value > highest(null, params["share_unlearnt"]) and VARIED.holds(at, params)
    severity: Severity = "warning" if unlearnt or not is_convolutional(at.facts) else "info"
    return Hit(severity, message, (against(at, "speckle", bound),))


GD304 = Rule(
    id="GD304",
    title="Speckle in the background",
    severities=("info", "warning"),
    tier="T2",
    needs=("speckle",),
    uses=("fd_improving", "variety", "precision"),
    nulls=("speckle",),
    requires=(
        at_least("quiet_share", "quiet_min", "hardly any place is the same in all pictures of the data"),
        SETTLED_OR_OVER,
    ),
    thresholds={
        "share": Threshold(0.1, "of the values at quiet places that deviate by more than 0.2"),
        "share_unlearnt": Threshold(0.3, "the same of a network with convolutions; a warning above it ..."),
        "precision_max": Threshold(0.8, "... if fewer of its pictures lie among the real ones ..."),
        "variety_min": Threshold(0.3, "... and the variety is not below this: GD201"),
        "quiet_min": Threshold(0.02, "share of the picture where real ones hardly vary, to be asked"),
    },
    test=speckled,
    why="A background of noise means that G has hardly learnt. Without convolutions (model=mlp) it lasts: "
    "every pixel has weights of its own, and each has to learn its black alone.",
    remedies=remedies("GD304"),
)
