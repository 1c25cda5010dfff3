"""What a remedy says: each change with its reason, its price and when to leave it alone. No torch here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gantrain.doctor.rules import changes
from gantrain.doctor.rules.changes import Change, fixed, if_taken, penalised, scaled, slower
from gantrain.doctor.rules.facts import FEW_OF_A_CLASS, HARDLY_ANY_OF_A_CLASS
from gantrain.doctor.rules.rule import GOOD_PICTURES, Facts


@dataclass(frozen=True)
class Advice:
    """A change as a function of the facts, and its texts. `shown`: an example, for the page of a rule."""

    shown: str
    change: Callable[[Facts], Change]
    why: str
    price: str
    not_when: str


# ---- The players' strength -------------------------------------------------------------------------------

USUAL_RATES = Advice(
    "optim.lr_d=0.0002 optim.lr_g=0.0002 schedule.d_steps=1",
    changes.usual_rates,
    "A learning rate, or D's pace against G's, is not known to train; this pair is, with this optimiser.",
    "A run tuned for other rates starts over with these.",
    "Not if the rates were chosen by a sweep on the same data.",
)
USUAL_GAME = Advice(
    "optim.lr_d=0.0002 optim.lr_g=0.0002 model.generator.norm=batch",
    changes.usual_game,
    "The rates, or one player's pace against the other's, lie outside of what is known to train; at the "
    "usual ones a convolutional generator needs a norm as well.",
    "A run tuned for other rates starts over with these.",
    "Not if the rates were chosen by a sweep on the same data.",
)
SLOWER_D = Advice(
    "optim.lr_d=0.0001",
    slower("optim.lr_d"),
    "A slower discriminator leaves the generator time to follow.",
    "Slower progress, if D was not the trouble.",
    "Not together with a higher optim.lr_g: while D wins, a faster G only runs further astray.",
)
FEWER_D_STEPS = Advice(
    "schedule.d_steps=1",
    changes.fewer_steps_of_d,
    "One step of D for each of G evens the game.",
    "None; a round becomes cheaper.",
    "Not with loss=wgan, whose critic should be trained well.",
)
SPECTRAL = Advice(
    "model.discriminator.norm=spectral",
    changes.if_taken("model.discriminator.norm", {"model.discriminator.norm": "spectral"}),
    "Spectral norm bounds how steep D can be, so that it cannot be sure of itself.",
    "D learns far more slowly: a thousand steps may come to nothing. About a tenth more time a step.",
    "Not if D already loses, nor in a short run.",
)
R1 = Advice(
    "penalty=r1 model.discriminator.norm=layer",
    penalised("r1"),
    "R1 makes D flat around the real pictures, the one penalty with a proof of convergence.",
    "About twice the time a step of D; batch norm in D has to go, since it mixes the samples.",
    "Not if D already loses.",
)
R1_FOR_LONGER = replace(R1, shown=f"{R1.shown} train.steps=3200", change=changes.with_more_steps(R1.change))
HEAVIER_PENALTY = Advice(
    "penalty.weight=10.0",
    changes.heavier_penalty,
    "A heavier penalty holds D closer to the ground.",
    "D learns more slowly, and the pictures may be softer.",
    "Not if D already loses.",
)
TTUR = Advice(
    "optim.lr_d=0.0004 optim.lr_g=0.0001",
    changes.two_time_scales,
    "With D four times as fast as G, D keeps up with what G shows it (two time scales, Heusel et al. 2017).",
    "G learns half as fast: give it more steps.",
    "Not while D wins.",
)
FASTER_D = Advice(
    "optim.lr_d=0.0008",
    scaled("optim.lr_d", 4.0, 0.0, 1e-3),
    "A faster discriminator finds out again what is wrong with the fakes.",
    "It may come to dominate instead.",
    "Not while D wins.",
)
SLOWER_G = Advice(
    "optim.lr_g=0.0001",
    slower("optim.lr_g"),
    "A slower generator cannot run to the one picture that D likes at the moment.",
    "G learns more slowly: give it more steps.",
    "Not while D wins: it would only be left behind further.",
)
SLOWER_BOTH = Advice(
    "optim.lr_d=0.0001 optim.lr_g=0.0001",
    slower("optim.lr_d", "optim.lr_g"),
    "Smaller steps of both players, where the present ones jump back and forth.",
    "Two to four times the steps for the same way.",
    "Not if the losses move smoothly.",
)
LIGHTER_PENALTY = Advice(
    "penalty.weight=1.0",
    changes.lighter_penalty,
    "The penalty is so heavy that D cannot tell anything apart.",
    "D may become too sure of itself.",
    "Not while D wins.",
)
FEWER_G_STEPS = Advice(
    "schedule.g_steps=1",
    changes.if_taken("schedule.g_steps", {"schedule.g_steps": 1}),
    "One step of G for each of D leaves D time to learn.",
    "None; a round becomes cheaper.",
    "Not while D wins.",
)

# ---- The game --------------------------------------------------------------------------------------------

NON_SATURATING = Advice(
    "loss=bce",
    changes.non_saturating,
    "The non-saturating loss has its largest gradient where minimax has none: when D rejects the fakes.",
    "None known.",
    "Not if the point is to show that minimax saturates.",
)
LEAST_SQUARES = Advice(
    "loss=lsgan",
    changes.least_squares,
    "The least-squares loss pulls at fakes that D has put far away, too.",
    "Other rates may suit it better.",
    "Not if pictures are good already.",
)
GRADIENT_PENALTY = Advice(
    "penalty=wgan_gp model.discriminator.norm=layer",
    changes.bounded(penalised("wgan_gp")),
    "The gradient penalty keeps the critic's slope near 1, which is what makes its difference a distance.",
    "About twice the time a step of D; batch norm in D has to go, since it mixes the samples.",
    "Not under a tight budget of time: penalty=clip costs nothing.",
)
CLIPPING = Advice(
    "penalty=clip",
    changes.bounded(fixed(penalty="clip")),
    "Clipped weights keep the critic's slope finite, as in the first paper.",
    "Slow, and the pictures are simple: a clipped critic can say little.",
    "Not where the time of a gradient penalty can be spent.",
)
ALTERNATING = Advice(
    "schedule=alternating",
    changes.disentangled,
    "Each player moves by its own loss alone, with the other frozen.",
    "Two passes through G a step instead of one.",
    "Not if the point is to show the entangled step.",
)
SHARED = Advice(
    "schedule=shared",
    changes.shared,
    "One forward pass, and still each loss is differentiated by its own player only.",
    "None; both players see the same noise.",
    "Not if the point is to show the entangled step.",
)
FULL_PRECISION = Advice(
    "runtime.precision=fp32",
    changes.full_precision,
    "bf16 keeps three digits, which small differences of large logits do not survive.",
    "Slower where the hardware has bf16.",
    "Not if fp32 fails as well.",
)

# ---- The data --------------------------------------------------------------------------------------------

ALL_PICTURES = Advice(
    "train.images=null",
    changes.all_pictures,
    "Training sees only the part of the pictures that train.images allows.",
    "None.",
    "Not if the point is to train on few.",
)
AUGMENTED = Advice(
    "augment=diffaug train.steps=3200",
    changes.with_more_steps(changes.augmented),
    "D never sees the same picture twice, so it cannot know them by heart (Zhao et al. 2020).",
    "Many more steps, each a few per cent dearer: after fewer the pictures may be worse than without.",
    "Not with thousands of pictures and no gap.",
)
MIRRORED = Advice(
    "data.flip=true",
    changes.mirrored,
    "Mirrored pictures are twice as many.",
    "The fakes will be mirrored, too, and are measured against pictures that are not.",
    "Not for letters, digits or anything with a left and a right.",
)
STOPS_IN_TIME = Advice(
    "train.stop_when_worse=true metrics.every=50",
    changes.watched,
    "The copies come late: the best checkpoint lies before them.",
    "The run may end before its last step.",
    "Not if the quality still rises.",
)
GOES_ON = Advice(
    "train.steps=3200 train.stop_when_worse=true metrics.every=100",
    changes.watched_further,
    "D has not seen each picture so often that the fakes must suffer: go on, and end when they get worse.",
    "The time of the steps; the run may end before its last one.",
    "Not if the pictures get worse already: then more of them, or augment=diffaug.",
)
TOLD_THE_CLASS = Advice(
    "condition=class",
    changes.told_the_class_of_many,
    "A generator that is told which class to draw cannot leave one out unseen.",
    "It has to be told the class when sampling, too.",
    "Not if the labels are not what should vary, if the training pictures lack the missing class, or with "
    "few pictures of each: then every class may become one picture.",
)
TOLD_THE_CLASS_OF_FEW = replace(TOLD_THE_CLASS, change=changes.told_the_class)
NOT_TOLD_THE_CLASS = Advice(
    "condition=none",
    changes.unconditioned(FEW_OF_A_CLASS),
    "With few pictures of each class every class may become one picture, whatever the noise.",
    "A class can no longer be asked for.",
    "Not with thousands of pictures of each class.",
)
NOT_TOLD_THE_CLASS_OF_FEW = replace(NOT_TOLD_THE_CLASS, change=changes.unconditioned(HARDLY_ANY_OF_A_CLASS))

# ---- The pictures ----------------------------------------------------------------------------------------

NEAREST = Advice(
    "upsample=nearest",
    if_taken("model.generator.upsample", {"upsample": "nearest"}),
    "Every new pixel is made of the same number of weights, so none can stand out (Odena et al. 2016).",
    "Fine texture comes from one convolution and may look blocky or woven at first.",
    "Not if blocks are the complaint.",
)
EVENLY = replace(
    NEAREST,
    change=changes.evenly_upsampled,
    why="Transposed convolutions draw a pattern before training, which G has to unlearn first.",
    not_when="Not if transposed convolutions are what is being compared.",
)
BILINEAR = Advice(
    "upsample=bilinear",
    if_taken("model.generator.upsample", {"upsample": "bilinear"}),
    "Interpolated pixels have no pattern of their own.",
    "The softest: about ten times less energy in the finest detail.",
    "Not if blur is the complaint.",
)
REFLECT_STEM = Advice(
    "padding=reflect_stem",
    changes.padded("reflect_stem"),
    "Only the picture itself is mirrored; the zeros further inside stay, which tell G where it draws.",
    "About half the speed: a convolution of 7 x 7 at full size in either network.",
    "Not where a mark that nobody sees is not worth the time.",
)
REFLECT = Advice(
    "padding=reflect",
    changes.padded("reflect"),
    "A mirrored border looks like the inside, so G is not told where the picture ends.",
    "Without zeros G loses the code of position: short runs came far less far, some collapsed.",
    "Not for pictures whose place in the frame matters, such as centred faces.",
)
CIRCULAR = Advice(
    "padding=circular",
    changes.padded("circular"),
    "Wrapping around has no border that could be marked, and a deterministic gradient everywhere.",
    "Dearer than zeros; what leaves the picture on one side enters it on the other.",
    "Not for pictures whose place in the frame matters, such as centred faces.",
)
CONVOLUTIONAL = Advice(
    "model=dcgan",
    changes.convolutional,
    "Convolutions share what they learn over the picture; without them every pixel learns its own black.",
    "More time a step.",
    "Not if the point is the fully connected GAN.",
)
TANH = Advice(
    "model.generator.output=tanh",
    changes.if_taken("model.generator.output", {"model.generator.output": "tanh"}),
    "The data span -1..1, and tanh gives exactly that.",
    "None.",
    "Not if the pictures were scaled to another range on purpose.",
)
LONGER = Advice(
    "train.steps=3200",
    changes.longer,
    "What is still getting better only needs more steps.",
    "The time of the steps.",
    "Not if the quality has stopped rising.",
)
LONG_ENOUGH = Advice(
    f"train.steps={GOOD_PICTURES}",
    changes.long_enough,
    "The run is shorter than good pictures take, and after few steps all pictures are alike.",
    "The time of the steps.",
    "Not if the quality has stopped rising.",
)
WIDER = Advice(
    "model.width=64",
    scaled("model.width", 2, 1, 128),
    "Wider networks can draw more of what the data hold.",
    "Three to four times the time of a step, and twice the memory.",
    "Not while more steps still help.",
)
SMALLER_BATCHES = Advice(
    "train.batch_size=64 train.steps=16000",
    changes.in_smaller_batches,
    "The same pictures in smaller batches are many more updates.",
    "Less work for the hardware at a time: more seconds for as many pictures.",
    "Not if the number of steps is enough as it is.",
)
STRIDED = Advice(
    "downsample=stride",
    changes.strided,
    "A strided convolution passes the gradient on to every pixel.",
    "None.",
    "Not if pooling is what is being compared.",
)
LEAKY = Advice(
    "model.discriminator.activation=leaky_relu",
    changes.if_taken("model.discriminator.activation", {"model.discriminator.activation": "leaky_relu"}),
    "A leaky unit passes a gradient where a plain one is silent for good.",
    "None.",
    "Not if the activation is what is being compared.",
)

# ---- The measurement -------------------------------------------------------------------------------------

MORE_SAMPLES = Advice(
    "metrics.count=1000",
    changes.measured_on_enough,
    "A thousand pictures make the distances steady.",
    "A second or two more for a look.",
    "Not for tiny trial runs.",
)
HELD_OUT = Advice(
    "metrics.held_out=null",
    changes.held_out,
    "Pictures that training never saw are what a copy betrays itself by.",
    "A tenth of the pictures is not trained on.",
    "Not with so few pictures that each one is needed.",
)
AVERAGED = Advice(
    "ema.half_life_images=10000.0",
    changes.averaged,
    "An averaged generator changes slowly, so the statistics of its norms fit.",
    "Memory for one more generator.",
    "Not if the live generator is what is asked for.",
)
