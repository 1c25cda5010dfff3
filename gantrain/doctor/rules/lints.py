"""What a configuration, or an untrained generator, shows by itself: remarks before a step is paid for."""

from __future__ import annotations

from gantrain.doctor.rules.advice import remedies
from gantrain.doctor.rules.common import UPSAMPLES, percent
from gantrain.doctor.rules.facts import FEW, HARDLY_ANY_OF_A_CLASS, is_unbounded, of_each
from gantrain.doctor.rules.rates import LEAST_PACE, MOST_PACE, USUAL_RATES, pace, rates_are_usual
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

# ---- What the untrained generator draws --------------------------------------------------------------------


def marked_from_birth(at: Examination, params: Params) -> Hit | None:
    found = {period: at.get(f"untrained_lattice_{period}", 0.0) for period in (2, 4)}
    period = max(found, key=lambda period: found[period])
    if found[period] <= params["excess"]:
        return None
    times, taken = 10 ** found[period], at.facts.get("model.generator.upsample")
    against = f"upsample={taken}" if taken else "the generator's own upsampling"
    message = (
        f"before training the generator already draws a pattern of period {period}, {times:.0f} times as "
        f"strong as in real pictures: training has to work against {against}"
    )
    signal = f"untrained_lattice_{period}"
    return Hit("info", message, (Evidence(signal, found[period], 0.0, None, params["excess"]),))


def _measured_untrained(at: Examination, params: Params) -> bool:
    return at.has("untrained_lattice_2") or at.has("untrained_lattice_4")


GD005A = Rule(
    id="GD005a",
    title="The untrained generator already shows a pattern",
    severities=("info",),
    tier="preflight",
    uses=("untrained_lattice_2", "untrained_lattice_4"),
    requires=(UPSAMPLES, Requirement(_measured_untrained, "needs a look at the untrained generator")),
    thresholds={"excess": Threshold(0.8, "log10 of the pattern's power over that of the real pictures")},
    test=marked_from_birth,
    exact=True,
    why="An upsampling layer whose pixels are made by different weights starts with a pattern of its own "
    "period. Training can remove it, but rarely does so altogether.",
    remedies=remedies("GD005a"),
)


def few_updates(at: Examination, params: Params) -> Hit | None:
    batch = number(at.facts, "train.batch_size", 1)
    updates = number(at.facts, "train.steps", 0) * number(at.facts, "schedule.g_steps", 1)
    if updates >= params["updates_usual"] or batch <= params["batch_usual"]:
        return None
    grave = updates < params["updates_few"] and batch > params["batch_large"]
    message = (
        f"the generator is updated {updates:.0f} times only, with batches of {batch:.0f}: GANs take "
        f"{params['updates_usual']:.0f} updates or more"
    )
    evidence = (Evidence("updates", updates, None, None, params["updates_usual"]),)
    return Hit("warning" if grave else "info", message, evidence)


GD005B = Rule(
    id="GD005b",
    title="Large batches leave few updates",
    severities=("info", "warning"),
    tier="preflight",
    thresholds={
        "updates_usual": Threshold(2000, "updates of the generator below which it is remarked on"),
        "batch_usual": Threshold(512, "batch size up to which few updates are nobody's fault: a short trial"),
        "updates_few": Threshold(200, "updates below which, with batches above batch_large, it is a warning"),
        "batch_large": Threshold(1000, "batch size of that warning"),
    },
    test=few_updates,
    exact=True,
    why="The batch size decides how many updates the same pictures give, and a forgotten batch of 10000 "
    "has ruined a run. A GAN needs many small moves of both players rather than a few exact ones.",
    remedies=remedies("GD005b"),
)


def odd_rates(at: Examination, params: Params) -> Hit | None:
    if rates_are_usual(at.facts):
        return None
    lr_d, lr_g = (number(at.facts, f"optim.{key}", 0) for key in ("lr_d", "lr_g"))
    usual, ahead = USUAL_RATES[at.facts["optim"]], pace(at.facts)
    rates, excess = f"they are optim.lr_d={lr_d:g} and optim.lr_g={lr_g:g}", max(lr_d, lr_g) / usual.highest
    said = []
    if excess > 1 or min(lr_d, lr_g) < usual.lowest:
        times = (
            f", and {max(lr_d, lr_g):g} is {float(f'{excess:.3g}'):g} times the highest" if excess > 1 else ""
        )
        said.append(f"usual are {usual.lowest:g} to {usual.highest:g}{times}")
    if not LEAST_PACE <= ahead <= MOST_PACE:
        said.append(
            f"D learns {float(f'{ahead:.3g}'):g} times as fast as G, its steps counted; usual are "
            f"{LEAST_PACE:g} to {MOST_PACE:g} times"
        )
    bound = LEAST_PACE if ahead < LEAST_PACE else MOST_PACE
    return Hit("info", f"{rates}: {'; '.join(said)}", (Evidence("pace", ahead, 1.0, None, bound),))


GD005C = Rule(
    id="GD005c",
    title="Unusual learning rates",
    severities=("info",),  # at 50 times the highest rate pictures may still come out well (docs/log.md)
    tier="preflight",
    requires=(
        Requirement(
            lambda at, params: at.facts.get("optim") in USUAL_RATES,
            "needs an optimiser whose usual rates are known",
        ),
    ),
    test=odd_rates,
    exact=True,
    why="With an adaptive optimiser the learning rate is the size of a step, whatever the loss. Outside of "
    "a narrow range, or with one player much faster than the other, most GANs do not train.",
    remedies=remedies("GD005c"),
)


def sparse_gradients(at: Examination, params: Params) -> Hit | None:
    pools = at.facts.get("downsample.mode") == "maxpool" and "model.discriminator.downsample" in at.facts
    kills = at.facts.get("model.discriminator.activation") == "relu"
    if not (pools or kills):
        return None
    what = " and ".join(["max pooling"] * pools + ["ReLU"] * kills)
    return Hit(
        "info", f"the discriminator has {what}, so that part of it passes no gradient to the generator"
    )


GD005D = Rule(
    id="GD005d",
    title="Sparse gradients from the discriminator",
    severities=("info",),
    tier="preflight",
    test=sparse_gradients,
    exact=True,
    why="Max pooling hands the gradient to one pixel in four, and a ReLU that is off to none. It is "
    "seldom the reason why a run fails, but costs nothing to avoid.",
    remedies=remedies("GD005d"),
)


def few_pictures(at: Examination, params: Params) -> Hit | None:
    count, each = number(at.facts, "facts.count", params["pictures_min"]), of_each(at.facts)
    if at.facts.get("condition.kind") == "class" and each < params["of_each_min"]:
        message = (
            f"there are {each:.0f} pictures of each class on average: all of a class may become one picture"
        )
        return Hit("info", message, (Evidence("of_each", each, None, None, params["of_each_min"]),))
    if count >= params["pictures_min"] or at.facts.get("augment._target_") != "torch.nn.Identity":
        return None
    message = f"there are {count:.0f} pictures to train on, few enough for D to learn them by heart"
    return Hit("info", message, (Evidence("pictures", count, None, None, params["pictures_min"]),))


GD005E = Rule(
    id="GD005e",
    title="Few pictures",
    severities=("info",),
    tier="preflight",
    thresholds={
        "pictures_min": Threshold(FEW, "pictures to train on, where they are not augmented"),
        "of_each_min": Threshold(
            HARDLY_ANY_OF_A_CLASS, "pictures of a class on average, where G is told the class"
        ),
    },
    test=few_pictures,
    exact=True,
    why="A discriminator that has seen every picture a hundred times recognises them one by one. It then "
    "tells G nothing about what real pictures have in common.",
    remedies=remedies("GD005e"),
)


def boundless_output(at: Examination, params: Params) -> Hit | None:
    if at.facts.get("model.generator.output") != "linear":
        return None
    return Hit("info", "the generator's output has no bounds, while real pictures span -1..1")


GD005F = Rule(
    id="GD005f",
    title="An output without bounds",
    severities=("info",),
    tier="preflight",
    test=boundless_output,
    exact=True,
    why="Values outside of -1..1 are no pictures, and D learns to see them first. tanh rules them out.",
    remedies=remedies("GD005f"),
)


def boundless_critic(at: Examination, params: Params) -> Hit | None:
    if not is_unbounded(at.facts):
        return None
    return Hit(
        "warning",
        "nothing bounds the critic: loss=wgan has neither a penalty, nor clipping, nor spectral norm",
    )


GD005G = Rule(
    id="GD005g",
    title="A critic without bounds",
    severities=("warning",),
    tier="preflight",
    requires=(
        Requirement(
            lambda at, params: at.facts.get("model.discriminator.norm") is not None,
            "needs a discriminator whose norm is known",
        ),
    ),
    test=boundless_critic,
    exact=True,
    why="The difference of a critic's means is a distance only while its slope is bounded (Arjovsky et al. "
    "2017). Without a bound the critic grows as long as it trains, and G's gradient with it, however good "
    "the pictures are for a while.",
    remedies=remedies("GD005g"),
)


def blocky_from_birth(at: Examination, params: Params) -> Hit | None:
    value = at.get("untrained_phase_difference")
    if value <= params["difference"]:
        return None
    message = (
        f"before training the generator draws blocks: neighbouring pixels differ {percent(value)} more at "
        "some places of the grid than at others, compared with real pictures"
    )
    return Hit(
        "info", message, (Evidence("untrained_phase_difference", value, 0.0, None, params["difference"]),)
    )


GD302A = Rule(
    id="GD302a",
    title="The untrained generator draws blocks",
    severities=("info",),
    tier="preflight",
    needs=("untrained_phase_difference",),
    requires=(UPSAMPLES,),
    thresholds={"difference": Threshold(0.25, "(max - min) / mean over the grid, above the real pictures'")},
    test=blocky_from_birth,
    exact=True,
    why="Repeated pixels make blocks that the layers after them have to smooth. A trained generator mostly "
    "has learnt to, so this is a remark, not a fault.",
    remedies=remedies("GD302a"),
)

LINTS = (GD302A, GD005A, GD005B, GD005C, GD005D, GD005E, GD005F)
