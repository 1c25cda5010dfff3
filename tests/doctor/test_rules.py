"""Every rule fires on the numbers of its broken run, in exact words, and is silent on the healthy twin's.

The numbers are of real runs: Fashion-MNIST at 28 px and colour crops at 32 px, 800 to 1500 steps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from gantrain.doctor.rules.registry import BY_ID, PAGES, RULES, check_params
from gantrain.doctor.rules.rule import SEVERITIES, Examination, Hit, Null, Rule, unchecked
from gantrain.doctor.watch import Watch
from gantrain.errors import GantrainError

FACTS: dict[str, Any] = {
    "loss": "BCE",
    "penalty": "Penalty",
    "schedule": "Alternating",
    "optim": "Adam",
    "optim.lr_d": 2e-4,
    "optim.lr_g": 2e-4,
    "optim.betas": [0.5, 0.999],
    "schedule.d_steps": 1,
    "schedule.g_steps": 1,
    "upsample.mode": "nearest",
    "downsample.mode": "stride",
    "padding.mode": "zeros",
    "model.generator._target_": "gantrain.networks.dcgan.Generator",
    "model.generator.output": "tanh",
    "model.discriminator.norm": "batch",
    "model.discriminator.activation": "leaky_relu",
    "model.discriminator.downsample": "stride",
    "augment._target_": "torch.nn.Identity",
    "train.batch_size": 32,
    "train.steps": 1600,
    "metrics.count": 1000,
    "facts.count": 8_000,
    "facts.held_out": 2000,
    "facts.num_classes": 10,
    "border_flatness": 0.95,
    "quiet_share": 0.2,
    "plain_share": 0.55,
}
NULLS = {
    "vendi_ratio": Null(1.0, 0.02),
    "variety": Null(1.0, 0.01),
    "near_pair_ratio": Null(1.0, 0.03),
    "precision": Null(0.92, 0.02),
    "recall": Null(0.9, 0.02),
    "density": Null(1.0, 0.03),
    "coverage": Null(0.97, 0.01),
    "lattice_2": Null(0.35, 0.02),
    "lattice_4": Null(0.40, 0.03),
    "phase_energy": Null(0.008, 0.002),
    "border": Null(0.0, 0.01),
    "detail": Null(0.0, 0.02),
    "streaks": Null(0.0, 0.02),
    "plainness": Null(1.0, 0.02),
    "speckle": Null(0.004, 0.002),
}
HEALTHY = {
    "finite_d": 1.0,
    "finite_g": 1.0,
    "loss_d": 0.86,
    "loss_d_ratio": 0.62,
    "d_real": 0.7,
    "grad_norm_g": 3.2,
    "grad_norm_g_change": 2.0,
    "logit_real": 1.4,
    "logit_fake": -1.3,
    "flatness": 0.1,
    "fd_improving": 1.0,
    "fd_latest": 0.12,
    "speckle_latest": 0.01,
    "used_ratio_g": 1.0,
    "used_cosine_g": 1.0,
    "used_ratio_d": 1.0,
    "used_cosine_d": 1.0,
    "signal_g": 0.63,
    "transmission": 0.8,
    "logit_sd": 0.66,
    "auc_train": 0.97,
    "auc_held_out": 0.97,
    "auc_gap": 0.0,
    "auc_seen": 0.51,
    "vendi_ratio": 0.83,
    "variety": 0.94,
    "near_pair_ratio": 0.98,
    "precision": 0.7,
    "recall": 0.6,
    "density": 0.46,
    "coverage": 0.41,
    "lattice_2": 0.04,
    "lattice_4": 0.32,
    "phase_energy": 0.02,
    "border": 0.01,
    "detail": -0.3,
    "streaks": 0.2,
    "plainness": 0.6,
    "range_distance": 0.05,
    "range_overlap": 1.0,
    "speckle": 0.01,
    "class_share_min": 0.4,
    "class_confidence": 0.8,
    "nearer_train": 0.51,
    "nearest_ratio": 1.9,
    "nearer_spread": 0.03,
    "copy_ratio": 4.0,
    "mode_gap": 1.1,
    "untrained_lattice_2": -0.7,
    "untrained_lattice_4": -0.6,
    "untrained_phase_difference": 0.12,
}


MLP = {"model.generator._target_": "gantrain.networks.mlp.Generator"}


class Broken(NamedTuple):
    """What differs from the healthy run, and what is to be said."""

    rule: str
    signals: Mapping[str, float]
    severity: str
    message: str
    facts: Mapping[str, Any] = {}


BROKEN = (
    Broken(
        "GD001",
        {"finite_d": 0.0},
        "fatal",
        "the loss or gradient of the discriminator is not finite at step 801; the weights were not moved",
    ),
    Broken(
        "GD001",
        {"finite_d": 0.0, "finite_g": 0.0},
        "fatal",
        "the loss or gradient of the discriminator and the generator is not finite at step 801; "
        "the weights were not moved",
    ),
    Broken(
        "GD002",
        {"grad_norm_g": 1620.0, "transmission": 225.0},
        "error",
        "the critic is unbounded: the norm of G's gradient is 1.62e+03 (healthy: at most 1000)",
        {"loss": "WGAN"},
    ),
    Broken(
        "GD002",
        {"transmission": 7.9},
        "warning",
        "the critic is unbounded: its slope at the fakes is 7.9 (of a bounded one about 1)",
        {"loss": "WGAN"},
    ),
    Broken(
        "GD002",
        {"logit_real": 46.0},
        "error",
        "training blows up: D's mean logit of real pictures is 46 (healthy: at most 20)",
    ),
    Broken(
        "GD002",
        {"logit_fake": -25.0},
        "error",
        "training blows up: D's mean logit of fakes is -25 (healthy: at most 20)",
    ),
    Broken(
        "GD002",
        {"transmission": 210.0},
        "error",
        "training blows up: D's slope at the fakes is 210 (healthy: at most 100)",
    ),
    Broken(
        "GD002",
        {"speckle_latest": 0.52, "fd_improving": math.nan},
        "error",
        "the steps of both players are too large: optim.lr_d=0.02 and optim.lr_g=0.005, "
        "and 52 % of what is constant in real pictures is noise",
        {"optim.lr_d": 2e-2, "optim.lr_g": 5e-3},
    ),
    Broken(
        "GD002",
        {"fd_latest": 2.61, "fd_improving": 0.0},
        "error",
        "the steps of both players are too large: optim.lr_d=0.02 and optim.lr_g=0.02, "
        "and the pictures are far off (fd_pca64 2.6)",
        {"optim.lr_d": 2e-2, "optim.lr_g": 2e-2},
    ),
    Broken(
        "GD002",
        {"loss_d_ratio": 1.13, "auc_train": 0.92, "flatness": 0.1},
        "error",
        "D makes confident mistakes: it ranks 92 % of real and fake pictures rightly, "
        "and its loss is still 1.13 times that of guessing",
    ),
    Broken(
        "GD003",
        {},
        "error",
        "the data span -1..1 and the generator can only give 0..1 (50 % of it)",
        {"model.generator.output": "sigmoid"},
    ),
    Broken(
        "GD003",
        {"range_overlap": 0.5, "range_distance": 0.9, "fd_improving": 0.0},
        "error",
        "the generator's values cover 50 % of the range of the real ones, lie 0.90 of their standard "
        "deviation off, and improve no more",
        {"model.generator.output": None},
    ),
    Broken(
        "GD004",
        {"used_ratio_g": 0.001, "used_cosine_g": 0.0},
        "error",
        "99.9 % of G's gradient is cancelled by D's loss (|used| / |own| = 0.001, cosine 0.00, normal 1)",
    ),
    Broken(
        "GD004",
        {"used_ratio_g": 0.13, "used_cosine_g": -0.998},
        "error",
        "87 % of G's gradient is cancelled by D's loss (|used| / |own| = 0.130, cosine -1.00, normal 1)",
    ),
    Broken(
        "GD004",
        {"used_ratio_d": 1.6, "used_cosine_d": 0.6},
        "error",
        "D is moved by G's loss as well as by its own (|used| / |own| = 1.600, cosine 0.60, normal 1)",
    ),
    Broken(
        "GD005a",
        {"untrained_lattice_2": 1.8, "untrained_lattice_4": 0.9},
        "info",
        "before training the generator already draws a pattern of period 2, 63 times as strong as in real "
        "pictures: training has to work against upsample=transpose",
        {"upsample.mode": "transpose", "model.generator.upsample": "transpose"},
    ),
    Broken(
        "GD005a",
        {"untrained_lattice_2": 1.8, "untrained_lattice_4": 0.9},
        "info",
        "before training the generator already draws a pattern of period 2, 63 times as strong as in real "
        "pictures: training has to work against the generator's own upsampling",
    ),
    Broken(
        "GD005b",
        {},
        "info",
        "the generator is updated 1600 times only, with batches of 1024: GANs take 2000 updates or more",
        {"train.batch_size": 1024},
    ),
    Broken(
        "GD005b",
        {},
        "warning",
        "the generator is updated 30 times only, with batches of 10000: GANs take 2000 updates or more",
        {"train.batch_size": 10_000, "train.steps": 30},
    ),
    Broken(
        "GD005c",
        {},
        "info",
        "they are optim.lr_d=0.002 and optim.lr_g=1e-05: usual are 0.0001 to 0.001, "
        "and 0.002 is 2 times the highest; "
        "D learns 600 times as fast as G, its steps counted; usual are 0.5 to 8 times",
        {"optim.lr_d": 2e-3, "optim.lr_g": 1e-5, "schedule.d_steps": 3},
    ),
    Broken(
        "GD005c",
        {},
        "info",
        "they are optim.lr_d=0.05 and optim.lr_g=0.05: usual are 0.0001 to 0.001, "
        "and 0.05 is 50 times the highest",
        {"optim.lr_d": 0.05, "optim.lr_g": 0.05},
    ),
    Broken(
        "GD005c",
        {},
        "info",
        "they are optim.lr_d=0.0001 and optim.lr_g=0.001: D learns 0.1 times as fast as G, its steps "
        "counted; usual are 0.5 to 8 times",
        {"optim.lr_d": 1e-4, "optim.lr_g": 1e-3},
    ),
    Broken(
        "GD005c",
        {},
        "info",
        "they are optim.lr_d=1e-05 and optim.lr_g=1e-05: usual are 0.0001 to 0.001",
        {"optim.lr_d": 1e-5, "optim.lr_g": 1e-5},
    ),
    Broken(
        "GD005d",
        {},
        "info",
        "the discriminator has max pooling and ReLU, so that part of it passes no gradient to the generator",
        {"downsample.mode": "maxpool", "model.discriminator.activation": "relu"},
    ),
    Broken(
        "GD005e",
        {},
        "info",
        "there are 20 pictures to train on, few enough for D to learn them by heart",
        {"facts.count": 20},
    ),
    Broken(
        "GD005e",
        {},
        "info",
        "there are 37 pictures of each class on average: all of a class may become one picture",
        {"facts.count": 597, "facts.num_classes": 16, "condition.kind": "class"},
    ),
    Broken(
        "GD005f",
        {},
        "info",
        "the generator's output has no bounds, while real pictures span -1..1",
        {"model.generator.output": "linear"},
    ),
    Broken(
        "GD005g",
        {},
        "warning",
        "nothing bounds the critic: loss=wgan has neither a penalty, nor clipping, nor spectral norm",
        {"loss": "WGAN"},
    ),
    Broken(
        "GD101",
        {"loss_d_ratio": 0.1, "fd_improving": 0.0},
        "warning",
        "D wins: its loss is 10 % of that of guessing (healthy: above 15 %), "
        "and the pictures did not improve over the doctor's last looks",
    ),
    Broken(
        "GD101",
        {"loss_d_ratio": 0.002, "fd_improving": 0.0},
        "error",
        "D wins: its loss is 0.2 % of that of guessing (healthy: above 15 %), "
        "and the pictures did not improve over the doctor's last looks",
    ),
    Broken(
        "GD101",
        {"loss_d_ratio": 0.04, "fd_improving": math.nan, "fd_latest": 0.93},
        "error",
        "D wins: its loss is 4 % of that of guessing (healthy: above 15 %), "
        "and the pictures are still far off (fd_pca64 0.93)",
    ),
    Broken(
        "GD101",
        {"loss_d_ratio": 0.196, "fd_improving": 0.0},
        "warning",
        "D wins: its loss is 19.6 % of that of guessing (healthy: above 30 %), "
        "and the pictures did not improve over the doctor's last looks",
        {"optim.lr_d": 1e-3, "optim.lr_g": 2e-5},
    ),
    Broken(
        "GD102",
        {"signal_g": 0.00087, "loss_d_ratio": 0.0004},
        "error",
        "G's gradient vanished: |dL_G / df|, the pull of G's loss on D's logits, is 0.00087 "
        "(healthy: above 0.02), while D is sure of itself",
    ),
    Broken(
        "GD102",
        {"signal_g": 0.12, "loss_d_ratio": 0.2},
        "warning",
        "G's gradient vanished: |dL_G / df|, the pull of G's loss on D's logits, is 0.12 "
        "(healthy: above 0.2), while D is sure of itself",
        {"loss": "Minimax"},
    ),
    Broken(
        "GD102",
        {"transmission": 0.005, "loss_d_ratio": 0.1},
        "error",
        "G's gradient vanished: D's slope at the fakes is 0.005 (healthy: above 0.01), "
        "while D is sure of itself",
    ),
    Broken(
        "GD102",
        {"grad_norm_g_change": 0.02, "loss_d_ratio": 0.1},
        "error",
        "G's gradient vanished: its norm, over that of the first steps, is 0.02 (healthy: above 0.033), "
        "while D is sure of itself",
    ),
    Broken(
        "GD103",
        {
            "logit_sd": 0.01,
            "loss_d_ratio": 1.001,
            "auc_train": 0.5,
            "transmission": 0.005,
            "fd_improving": 0.0,
            "fd_latest": 1.2,
        },
        "warning",
        "the losses look ideal because D sees nothing: its logits vary by 0.01 (healthy: above 0.05) "
        "and its loss is that of guessing",
    ),
    Broken(
        "GD103",
        {"logit_sd": 0.35, "loss_d_ratio": 3.19, "auc_train": 0.01},
        "warning",
        "D is too weak: its loss is 3.19 times that of guessing, "
        "and it ranks only 1 % of real and fake pictures rightly (chance: 50 %)",
    ),
    Broken(
        "GD104",
        {"loss_d": 0.6931, "flatness": 0.001, "d_real": 0.999},
        "info",
        "D's loss stands still at 0.693, a value with a meaning: real pictures are accepted and fakes "
        "undecided: the players' gradients cancel",
    ),
    Broken(
        "GD104",
        {"loss_d": 1.386, "flatness": 0.001},
        "info",
        "D's loss stands still at 1.386, a value with a meaning: D guesses: either the equilibrium, "
        "or a D that sees nothing (logit_sd tells which)",
    ),
    Broken(
        "GD104",
        {"loss_d": 1.0064, "flatness": 0.001},
        "info",
        "D's loss stands still at 1.006, a value with a meaning: a sigmoid before a loss that has its own",
    ),
    Broken(
        "GD104",
        {"loss_d": 27.63, "flatness": 0.001},
        "info",
        "D's loss stands still at 27.630, a value with a meaning: a probability that was cut off before its "
        "logarithm: D is sure of itself",
        {"loss": "MyOwn"},
    ),
    Broken(
        "GD201",
        {"vendi_ratio": 0.06, "variety": 0.05, "near_pair_ratio": 0.1},
        "error",
        "the generator varies no more than 1 distinct picture, where as many real ones are like 19 "
        "(Vendi ratio of the pixels 0.06, real 1.00 ± 0.02)",
    ),
    Broken(
        "GD201",
        {"vendi_ratio": 0.12, "variety": 0.36},
        "warning",
        "the generator varies no more than 3 distinct pictures, where as many real ones are like 27 "
        "(Vendi ratio of the pixels 0.12, real 1.00 ± 0.02)",
    ),
    Broken(
        "GD201",
        {"vendi_ratio": 0.17, "variety": 0.48, "recall": 0.004},
        "warning",
        "the generator varies no more than 5 distinct pictures, where as many real ones are like 30 "
        "(Vendi ratio of the pixels 0.17, real 1.00 ± 0.02), and 0.4 % of the real pictures lie among them",
    ),
    Broken(
        "GD201",
        {"variety": 0.49, "class_vendi_ratio": 0.08, "class_variety": 0.13},
        "error",
        "asked for a class, the generator varies no more than 1 distinct picture, where as many real ones "
        "are like 18",
    ),
    Broken(
        "GD201",
        {"fd_change": 0.18, "variety": 0.55, "class_vendi_ratio": 0.173, "class_variety": 0.005},
        "error",
        "asked for a class, the generator varies no more than 1 distinct picture, where as many real ones "
        "are like 6",
    ),
    Broken(
        "GD201",
        {"variety": 0.49, "class_vendi_ratio": 0.16, "class_variety": 0.36},
        "warning",
        "asked for a class, the generator varies no more than 3 distinct pictures, where as many real ones "
        "are like 18",
    ),
    Broken(
        "GD201",
        {"vendi_ratio": 0.17, "variety": 0.48, "recall": 0.004, "fd_change": 0.69},
        "warning",
        "the generator varies no more than 5 distinct pictures, where as many real ones are like 30 "
        "(Vendi ratio of the pixels 0.17, real 1.00 ± 0.02), and 0.4 % of the real pictures lie among them; "
        "but they came nearer over the doctor's last looks, so they may only be young",
    ),
    Broken(
        "GD201",
        {"vendi_ratio": 0.94, "near_pair_ratio": 0.0},
        "warning",
        "the generator repeats itself: its nearest pairs of pictures are 0.00 times as far apart "
        "as those of real ones (normal 1.00 ± 0.03)",
    ),
    Broken(
        "GD202",
        {"density": 0.8, "coverage": 0.59, "class_share_min": 0.02},
        "warning",
        "the generator leaves out part of the data (Bag, Coat): one class has 2 % of its real share, "
        "and in pca64 the fakes cover 59 % of the real pictures (normal 97 %)",
        {"missing_classes": ("Bag", "Coat")},
    ),
    Broken(
        "GD202",
        {"density": 0.8, "coverage": 0.59, "class_share_min": 0.02},
        "warning",
        "the generator leaves out part of the data: one class has 2 % of its real share, "
        "and in pca64 the fakes cover 59 % of the real pictures (normal 97 %)",
    ),
    Broken(
        "GD203",
        {"fd_latest": 0.36},
        "warning",
        "the run is over, and its pictures are still far from the real ones (fd_pca64 0.36; where training "
        "went well it ends below 0.35)",
    ),
    Broken(
        "GD203",  # faint grain in the white around letters
        {"fd_latest": 0.18, "fd_rand": 1.1},
        "info",
        "the run is over, and its pictures are still far from the real ones (fd_rand 1.1; where training "
        "went well it ends below 0.3)",
    ),
    Broken(
        "GD301",
        {"lattice_2": 1.05, "lattice_4": 0.6, "phase_energy": 0.2, "detail": -0.09},
        "warning",
        "a pattern of period 2 stands out 5 times as much as in real pictures (log10 1.05, real 0.35 ± 0.02)",
        {"upsample.mode": "transpose"},
    ),
    Broken(
        "GD301",
        {"lattice_2": 0.6, "lattice_4": 3.4},
        "warning",
        "a pattern of period 4 stands out 1e+03 times as much as in real pictures "
        "(log10 3.40, real 0.40 ± 0.03)",
        {"upsample.mode": "pixelshuffle"},
    ),
    Broken(
        "GD301",
        {"lattice_2": 0.97, "phase_energy": 0.068, "detail": 0.12},
        "warning",
        "a pattern of period 2 stands out 4.2 times as much as in real pictures "
        "(log10 0.97, real 0.35 ± 0.02)",
        {"upsample.mode": "transpose"},
    ),
    Broken(
        "GD301",  # dots that anybody sees, in pictures as soft as that; 90 times as strong before training
        {"lattice_2": 1.2, "lattice_4": 1.2, "phase_energy": 0.06, "detail": -0.87, "lattice_before": 1.96},
        "warning",
        "a pattern of period 2 stands out 7.1 times as much as in real pictures "
        "(log10 1.20, real 0.35 ± 0.02)",
        {"upsample.mode": "pixelshuffle"},
    ),
    Broken(
        "GD302a",
        {"untrained_phase_difference": 0.46},
        "info",
        "before training the generator draws blocks: neighbouring pixels differ 46 % more at some places of "
        "the grid than at others, compared with real pictures",
    ),
    Broken(
        "GD302b",
        {"detail": -1.0},
        "info",
        "the finest detail has 10 times less energy than in real pictures (log10 -1.00, real 0.00 ± 0.02)",
        {"upsample.mode": "bilinear"},
    ),
    Broken(
        "GD302c",
        {"streaks": 0.94},
        "info",
        "straight lines along rows and columns stand out 8.7 times as much as in real pictures "
        "(log10 0.94, real 0.00 ± 0.02)",
    ),
    Broken(
        "GD302d",
        {"plainness": 0.04},
        "info",
        "2.2 % of the picture is plain, neighbouring pixels alike, and of real pictures 55 %: what should be "
        "plain has marks or texture",
    ),
    Broken(
        "GD303",
        {"border": -0.49},
        "warning",
        "the outermost ring of pixels has 29 % less contrast than the third one, compared with real pictures "
        "(log2 -0.49, real 0.00 ± 0.01)",
    ),
    Broken(
        "GD303",
        {"border": 0.3},
        "warning",
        "the outermost ring of pixels has 23 % more contrast than the third one, compared with real pictures "
        "(log2 0.30, real 0.00 ± 0.01)",
    ),
    Broken(
        "GD304",
        {"speckle": 0.46},
        "warning",
        "46 % of what is constant in real pictures is not so in the fakes (normal 0.4 %)",
        MLP,
    ),
    Broken(
        "GD304",
        {"speckle": 0.21},
        "info",
        "21 % of what is constant in real pictures is not so in the fakes (normal 0.4 %)",
    ),
    Broken(
        "GD304",
        {"speckle": 0.68, "precision": 0.99},  # a tint, and strokes beside the drawing: pictures all the same
        "info",
        "68 % of what is constant in real pictures is not so in the fakes (normal 0.4 %)",
    ),
    Broken(
        "GD304",
        {"speckle": 0.69, "precision": 0.66},
        "warning",
        "69 % of what is constant in real pictures is not so in the fakes (normal 0.4 %)",
    ),
    Broken(
        "GD401",
        {"loss_d_ratio": 0.009},
        "error",
        "D knows its 20 training pictures by heart: it has seen each of them 640 times, "
        "and its loss is 0.9 % of that of guessing",
        {"facts.count": 20, "train.batch_size": 16},
    ),
    Broken(
        "GD401",
        {"auc_seen": 0.9, "auc_gap": 0.0, "fd_latest": 0.5},
        "error",
        "D knows its training pictures by heart: it ranks 90 % of them above real ones that it has never "
        "seen (normal 50 %)",
    ),
    Broken(
        "GD401",
        {"auc_seen": 0.9, "auc_gap": 0.0, "fd_latest": 0.17},
        "warning",
        "D knows its training pictures by heart: it ranks 90 % of them above real ones that it has never "
        "seen (normal 50 %), but tells fakes from either alike (gap 0.00), and they are near the real ones "
        "(fd_pca64 0.17 at the doctor's last look): it may be harmless so far",
    ),
    Broken(
        "GD401",
        {"auc_seen": 0.74, "auc_gap": 0.05, "fd_latest": 0.5},
        "warning",
        "D begins to know its training pictures: it ranks 74 % of them above real ones that it has never "
        "seen (normal 50 %)",
    ),
    Broken(
        "GD401",
        {"auc_seen": 0.9, "auc_gap": 0.05, "fd_latest": math.nan},
        "warning",
        "D knows its training pictures by heart: it ranks 90 % of them above real ones that it has never "
        "seen (normal 50 %), but tells fakes from either alike (gap 0.05); how near those are to the real "
        "ones was not looked at yet",
    ),
    Broken(
        "GD401",
        {"auc_gap": 0.58, "auc_train": 0.93, "auc_held_out": 0.35},
        "error",
        "D knows its training pictures by heart: it ranks 93 % of them above fakes, but only 35 % of unseen "
        "ones (gap 0.58, normal 0)",
    ),
    Broken(
        "GD401",
        {"auc_gap": 0.12, "auc_train": 0.93, "auc_held_out": 0.81},
        "warning",
        "D begins to know its training pictures: it ranks 93 % of them above fakes, but only 81 % of unseen "
        "ones (gap 0.12, normal 0)",
    ),
    Broken(
        "GD402",
        {"nearer_train": 0.74, "nearest_ratio": 1.13, "copy_ratio": 2.9},
        "warning",
        "74 % of the fakes are nearer to a training picture than to an unseen one (normal 50 %), "
        "at 1.13 times the distance of unseen pictures",
    ),
    Broken(
        "GD402",
        {"nearer_train": 0.7, "nearest_ratio": 1.5, "copy_ratio": 0.7, "nearer_spread": 0.09},
        "warning",
        "70 % of the fakes are nearer to a training picture than to an unseen one (normal 50 %), "
        "at 1.50 times the distance of unseen pictures",
    ),
    Broken(
        "GD501",
        {"mode_gap": 8.0},
        "info",
        "the quality numbers are to be read with care: the generator draws other pictures in training mode "
        "than in eval mode (8 times the normal distance)",
    ),
    Broken(
        "GD501",
        {},
        "info",
        "the quality numbers are to be read with care: the numbers rest on 100 pictures and "
        "there are no held-out pictures",
        {"metrics.count": 100, "facts.held_out": 0},
    ),
    Broken(
        "GD501",
        {},
        "info",
        "the quality numbers are to be read with care: the numbers rest on 90 pictures",
        {"metrics.count": 1000, "facts.reference": 90.0},
    ),
)


def examination(
    signals: Mapping[str, float] = {}, facts: Mapping[str, Any] = {}, step: int = 800
) -> Examination:
    """The healthy run, with differences."""
    return Examination(step, 800, {**HEALTHY, **signals}, NULLS, {**FACTS, **facts})


def asked(id: str, at: Examination, **params: float) -> Hit | None:
    rule = BY_ID[id]
    assert unchecked(rule, at) is None
    return rule.test(at, rule.params | params)


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: f"{case.rule}-{case.severity}")
def test_fires_on_what_is_broken(case: Broken) -> None:
    hit = asked(case.rule, examination(case.signals, case.facts))
    assert hit is not None
    assert (hit.severity, hit.message) == (case.severity, case.message)
    assert hit.severity in BY_ID[case.rule].severities
    assert all(not math.isnan(item.value) for item in hit.evidence)


def test_every_rule_and_every_severity_has_a_broken_case() -> None:
    shown = {(case.rule, case.severity) for case in BROKEN}
    assert shown == {(rule.id, severity) for rule in RULES for severity in rule.severities}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_silent_on_the_healthy_twin(rule: Any) -> None:
    at = examination()
    assert unchecked(rule, at) is None
    assert rule.test(at, rule.params) is None


TWINS = (
    ("GD002", {"grad_norm_g": 275.0, "transmission": 43.0, "logit_real": 4.0}, {}),  # bilinear, TTUR
    ("GD002", {"grad_norm_g": 266.0, "grad_norm_g_change": 35.0, "fd_improving": 0.0}, {}),  # ends well
    ("GD002", {"speckle_latest": 0.9, "fd_latest": 2.0, "fd_improving": 0.0}, {"optim.lr_d": 2e-2}),
    ("GD002", {"loss_d_ratio": 1.2, "auc_train": 1.0}, {"optim.lr_d": 2e-5, "optim.lr_g": 2e-5}),
    # A drift is fine.
    ("GD002", {"logit_real": 60.0, "logit_fake": 50.0}, {"loss": "WGAN", "penalty": "WGANGP"}),
    ("GD002", {"transmission": 7.9}, {"loss": "WGAN", "penalty": "WGANGP"}),
    ("GD002", {"transmission": 7.9}, {"loss": "WGAN", "model.discriminator.norm": "spectral"}),
    ("GD002", {"loss_d_ratio": 1.2, "auc_train": 0.5}, {}),
    ("GD002", {"loss_d_ratio": 1.11, "auc_train": 1.0, "flatness": 0.02}, {}),  # a D that hardly moves
    ("GD003", {}, {"model.generator.output": "linear"}),
    (
        "GD003",
        {"range_overlap": 0.5, "range_distance": 0.5, "fd_change": 0.4},
        {"model.generator.output": None},
    ),  # still young
    ("GD005b", {}, {"train.steps": 100}),  # a short trial
    ("GD005b", {}, {"train.batch_size": 1024, "train.steps": 2000}),
    ("GD005c", {}, {"optim.lr_d": 8e-4}),  # N0.3
    ("GD005c", {}, {"loss": "WGAN", "schedule.d_steps": 5}),
    ("GD005c", {}, {"optim": "RMSprop", "optim.lr_d": 5e-5, "optim.lr_g": 5e-5}),
    ("GD005e", {}, {"facts.count": 1541, "facts.num_classes": 10, "condition.kind": "class"}),
    ("GD005e", {}, {"facts.count": 20, "augment._target_": "gantrain.augment.diffaug.DiffAugment"}),
    ("GD005g", {}, {"loss": "WGAN", "penalty": "WGANGP"}),
    ("GD005g", {}, {"loss": "WGAN", "model.discriminator.norm": "spectral"}),
    ("GD101", {"loss_d_ratio": 0.28, "fd_improving": 0.0}, {}),  # SN-hinge
    ("GD101", {"loss_d_ratio": 0.01}, {}),  # and still improving
    ("GD101", {"loss_d_ratio": 0.127, "fd_improving": math.nan, "fd_latest": 0.524}, {}),  # ended at 0.28
    (
        "GD101",
        {"loss_d_ratio": 0.099, "fd_improving": math.nan, "fd_latest": 0.75, "fd_change": 0.62},
        {},
    ),  # the second look of a young run
    ("GD101", {"loss_d_ratio": 0.01, "fd_improving": math.nan}, {}),  # good pictures already
    ("GD101", {"loss_d_ratio": 0.01, "fd_latest": 0.9}, {}),  # far off, and coming nearer
    ("GD102", {"signal_g": 0.001, "loss_d_ratio": 0.9}, {}),  # D is fooled, not sure
    ("GD102", {"transmission": 0.001, "loss_d_ratio": 1.0}, {}),  # GD103
    ("GD101", {"loss_d_ratio": 0.2, "fd_improving": 0.0}, {}),
    ("GD103", {"logit_sd": 0.01, "loss_d_ratio": 0.5}, {}),
    ("GD103", {"loss_d_ratio": 1.2, "auc_train": 0.92}, {}),  # GD002
    ("GD104", {"loss_d": 0.6931, "flatness": 0.001, "d_real": 0.5}, {}),
    ("GD104", {"loss_d": 0.25, "flatness": 0.001}, {}),  # that is a value of least squares
    ("GD102", {"signal_g": 0.12, "loss_d_ratio": 0.2}, {}),  # only a saturating loss pulls at all fakes alike
    (
        "GD103",
        {"logit_sd": 0.01, "loss_d_ratio": 1.0, "fd_latest": 0.9},
        {},
    ),  # and G learns from it: SN-hinge
    ("GD103", {"logit_sd": 0.01, "loss_d_ratio": 1.0, "fd_improving": math.nan}, {}),  # the equilibrium
    ("GD201", {"vendi_ratio": 0.41, "variety": 0.69, "near_pair_ratio": 0.83}, {}),  # young colour pictures
    ("GD201", {"vendi_ratio": 0.2, "variety": 0.45, "near_pair_ratio": 0.42}, {}),  # the youngest of them
    ("GD201", {"vendi_ratio": 0.2, "variety": 0.45, "recall": 0.027}, {}),
    ("GD201", {"vendi_ratio": 0.5, "variety": 0.7, "recall": 0.0}, {}),  # varied, and bad
    ("GD201", {"class_vendi_ratio": 0.59, "class_variety": 0.68}, {}),  # clothes of one kind, half way
    ("GD202", {"density": 0.1, "coverage": 0.08, "class_share_min": 0.02}, {}),  # bad pictures
    ("GD202", {"density": 0.8, "coverage": 0.59}, {}),
    ("GD202", {"density": 0.8, "coverage": 0.59, "class_share_min": 0.02, "class_confidence": 0.4}, {}),
    ("GD203", {"fd_latest": 0.34, "fd_rand": 0.29}, {}),  # the worst healthy one
    ("GD301", {"lattice_2": 0.73, "lattice_4": 0.78}, {"upsample.mode": "bilinear"}),  # the worst healthy one
    ("GD301", {"lattice_2": 0.35, "phase_energy": 0.09}, {}),  # a nearest one, still young
    ("GD301", {"lattice_2": 1.2, "phase_energy": 0.06, "detail": -0.87, "lattice_before": 0.5}, {}),
    ("GD301", {"lattice_2": 1.1, "phase_energy": 0.06, "lattice_before": 1.96}, {}),  # training has hidden it
    ("GD301", {"lattice_2": 1.4, "phase_energy": 0.06, "detail": -2.06}, {}),  # SN-hinge, far too smooth
    ("GD301", {"lattice_4": 1.42, "phase_energy": 0.01}, {}),  # pooled digits, whose own pictures are blocky
    ("GD301", {"lattice_4": 0.49, "phase_energy": 0.07}, {}),  # SN-hinge on Fashion-MNIST
    ("GD302c", {"streaks": 0.3}, {}),  # enlarged bilinearly, on the same photographs
    ("GD302d", {"plainness": 0.44}, {}),  # of 192 flags, augmented, 4,000 steps
    ("GD303", {"border": -0.1}, {}),
    ("GD401", {"auc_gap": 0.02}, {}),
    ("GD401", {"auc_seen": 0.6}, {}),
    ("GD401", {"auc_seen": 0.85, "auc_gap": 0.3}, {"facts.unseen": 6}),  # of so few chance says as much
    ("GD401", {"loss_d_ratio": 0.1}, {}),  # GD101: there are 8,000 pictures
    ("GD401", {}, {"facts.count": 20}),
    ("GD402", {"nearer_train": 0.74, "nearest_ratio": 1.9}, {}),
    ("GD402", {"nearer_train": 0.57, "nearest_ratio": 1.1, "copy_ratio": 0.7}, {}),
    ("GD402", {"nearer_train": 0.79, "nearest_ratio": 1.01, "nearer_spread": 0.18}, {}),  # few alike ones
    ("GD402", {"nearer_train": 0.7, "nearest_ratio": 1.14, "copy_ratio": 6.8}, {}),  # far from all of them
    (
        "GD402",  # pale ones
        {"nearer_train": 0.82, "nearest_ratio": 0.85, "copy_ratio": 2.4, "nearer_spread": 0.114},
        {},
    ),
    ("GD501", {"mode_gap": 2.9}, {}),
)


@pytest.mark.parametrize(("id", "signals", "facts"), TWINS)
def test_silent_just_beside_it(id: str, signals: dict[str, float], facts: dict[str, Any]) -> None:
    assert asked(id, examination(signals, facts)) is None


@pytest.mark.parametrize(
    ("id", "signals", "param"),
    [
        ("GD002", {"grad_norm_g": 1200.0}, {"grad_max": 2000}),
        ("GD101", {"loss_d_ratio": 0.1, "fd_improving": 0.0}, {"ratio_warn": 0.09}),
        ("GD201", {"variety": 0.3}, {"variety_warn": 0.24}),
        ("GD301", {"lattice_2": 1.3, "phase_energy": 0.1}, {"excess": 1.3}),
        ("GD401", {"auc_gap": 0.12}, {"gap_warn": 0.2}),
        ("GD401", {"auc_seen": 0.75}, {"seen_warn": 0.8}),
    ],
)
def test_a_parameter_moves_the_threshold(id: str, signals: dict[str, float], param: dict[str, float]) -> None:
    assert asked(id, examination(signals)) is not None
    assert asked(id, examination(signals), **param) is None


def test_a_wide_null_widens_what_is_normal() -> None:
    """value > mean + max(5 sd, least)"""
    at = examination({"lattice_2": 1.3, "phase_energy": 0.1})
    assert asked("GD301", at) is not None
    wide = Examination(at.step, at.total, at.signals, {**NULLS, "lattice_2": Null(0.35, 0.3)}, at.facts)
    assert asked("GD301", wide) is None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_threshold_is_used(rule: Any) -> None:
    """A rule asked without one of its parameters has to miss it somewhere among its cases."""
    cases = [examination(case.signals, case.facts) for case in BROKEN if case.rule == rule.id]
    cases += [examination(signals, facts) for id, signals, facts in TWINS if id == rule.id]
    for name in rule.thresholds:
        params = {key: value for key, value in rule.params.items() if key != name}
        with pytest.raises(KeyError, match=name):
            ask_of_all(rule, cases, params)


def ask_of_all(rule: Rule, cases: list[Examination], params: dict[str, float]) -> None:
    for at in cases:
        unchecked(rule, at, params)
        rule.test(at, params)


# ---- What cannot be asked --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id", "signals", "facts", "reason"),
    [
        ("GD401", {"auc_seen": math.nan}, {"facts.held_out": 0}, "needs held-out pictures"),
        ("GD401", {"auc_seen": math.nan}, {}, "auc_seen has not been measured"),
        ("GD402", {"nearest_ratio": math.nan}, {"facts.held_out": 0}, "needs held-out pictures"),
        ("GD301", {}, MLP, "needs an upsampling layer"),
        (
            "GD201", {"fd_change": 0.3}, {},
            "the pictures came nearer over the doctor's last looks: young ones are alike and noisy",
        ),
        ("GD301", {"variety": 0.08}, {}, "the fakes are too much alike"),
        ("GD302c", {}, {"upsample.mode": None}, "needs an upsampling layer"),
        ("GD402", {"precision": 0.05}, {}, "the fakes are too far from real pictures"),
        ("GD402", {}, {"facts.count": 20_000}, "too many training pictures to look for a copy among"),
        ("GD202", {}, {"data.flip": True}, "mirrored fakes (data.flip=true) may be taken for another class"),
        ("GD302d", {}, {"plain_share": 0.1}, "hardly anything in the data is plain"),
        ("GD303", {}, {"border_flatness": 0.43}, "the data have too little contrast at their border"),
        ("GD304", {}, {"quiet_share": 0.0}, "hardly any place is the same in all pictures of the data"),
        ("GD101", {"loss_d_ratio": math.nan}, {}, "needs a loss whose value at equilibrium is known"),
        ("GD302b", {"detail": -1.0, "lattice_2": 1.5}, {}, "a pattern stands out, which is not smooth"),
        ("GD102", {}, {"loss": "WGAN"}, "needs a loss that gives D's logits a scale"),
        (
            "GD202", {"class_share_min": math.nan}, {"facts.num_classes": 0},
            "needs labelled pictures of two classes or more",
        ),
        ("GD005c", {}, {"optim": "SGD"}, "needs an optimiser whose usual rates are known"),
        ("GD005g", {}, {"model.discriminator.norm": None}, "needs a discriminator whose norm is known"),
        (
            "GD003", {"range_overlap": math.nan}, {"model.generator.output": None},
            "needs to know the bounds of the generator's output",
        ),
        (
            "GD005a", {"untrained_lattice_2": math.nan, "untrained_lattice_4": math.nan}, {},
            "needs a look at the untrained generator",
        ),
    ],
)  # fmt: skip
def test_says_why_it_cannot_be_asked(
    id: str, signals: dict[str, float], facts: dict[str, Any], reason: str
) -> None:
    assert unchecked(BY_ID[id], examination(signals, facts)) == reason


@pytest.mark.parametrize(
    ("step", "total", "class_variety", "asked"),
    [
        (800, 800, 0.09, True),
        (800, 800, 0.11, False),
        (800, 800, math.nan, False),
        (799, 800, 0.0, False),  # not over
        (799, 799, 0.0, False),  # too short for good pictures
    ],
)
def test_youth_does_not_excuse_a_run_that_ends_with_one_picture_of_each_class(
    step: int, total: int, class_variety: float, asked: bool
) -> None:
    young = HEALTHY | {"fd_change": 0.3, "fd_improving": 1.0, "class_variety": class_variety}
    at = Examination(step, total, young, NULLS, FACTS)
    assert (unchecked(BY_ID["GD201"], at) is None) == asked


def test_without_nulls_nothing_is_known_to_be_normal() -> None:
    at = Examination(800, 800, HEALTHY, {}, FACTS)
    for rule in RULES:
        expected = "too few real pictures to know what is normal" if rule.nulls else None
        assert unchecked(rule, at) == expected


def test_bad_young_colour_pictures_still_show_their_checkerboard() -> None:
    """Healthy short runs on colour have next to no precision: only collapse silences the rule."""
    signals = {
        "lattice_2": 1.05,
        "phase_energy": 0.1,
        "detail": -0.09,
        "precision": 0.0,
        "coverage": 0.08,
        "variety": 0.54,
    }
    assert asked("GD301", examination(signals, {"upsample.mode": "transpose"})) is not None


# ---- The rules as a whole --------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "cause"), [(2.0, "GD301"), (-0.7, "GD303")])
def test_a_pattern_from_before_training_is_the_cause_of_a_marked_border(before: float, cause: str) -> None:
    """Transposed convolutions on photographs: mirroring the border made them worse, nearest cured both."""
    watch, transposed = Watch(), {"upsample.mode": "transpose"}
    untrained = {"untrained_lattice_2": before}
    watch.examine(examination(untrained, transposed, step=0))
    marked = untrained | {"border": -0.41, "lattice_2": 2.5, "phase_energy": 0.2}
    watch.conclude([examination(marked, transposed)] * 3)
    assert {"GD301", "GD303"} <= watch.standing.keys()
    assert watch.primary == cause


def test_causes_stand_before_their_symptoms() -> None:
    serious = [rule.id for rule in RULES if set(rule.severities) - {"info"} and rule.id != "GD005b"]
    assert " ".join(serious) == (
        "GD001 GD003 GD004 GD401 GD101 GD002 GD005g GD102 GD103 GD201 GD202 GD304 GD402 GD303 GD301 GD203"
    )
    ids = [rule.id for rule in RULES]
    assert all(ids.index(silencer) < ids.index(rule.id) for rule in RULES for silencer in rule.silenced_by)
    assert all(other in ids for rule in RULES for other in rule.yields_to)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_says_why_in_two_sentences(rule: Any) -> None:
    text = re.sub(r"et al\. ", "et al ", rule.why)
    assert len(re.findall(r"\.(?: |$)", text)) == 2, rule.why
    assert rule.severities == tuple(sorted(rule.severities, key=SEVERITIES.index))


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: f"{case.rule}-{case.severity}")
def test_a_message_is_one_plain_sentence(case: Broken) -> None:
    message = case.message
    assert message.replace("±", "").isascii()
    assert message[0].islower() or message[0] in "DG-" or message[0].isdigit()
    assert not re.search(r"\. [A-Z]|\.$|nan|None|\{", message)


@pytest.mark.parametrize(
    ("params", "ignore", "error"),
    [
        (
            {"GD2O1": {}},
            (),
            "doctor.params.GD2O1: no such rule\n  did you mean GD201? there are: GD001, GD002, GD003, GD004, "
            "GD005a, GD005b, GD005c, GD005d, GD005e, GD005f, GD005g, GD101, GD102, GD103, GD104, GD201, "
            "GD202, GD203, GD301, GD302a, GD302b, GD302c, GD302d, GD303, GD304, GD401, GD402, GD501",
        ),
        (
            {"GD201": {"variety_warm": 0.4}},
            (),
            "doctor.params.GD201.variety_warm: no such parameter\n  did you mean variety_warn? "
            "GD201 takes: variety_warn, variety_error, variety_doubt, class_alone, recall_min, near_warn",
        ),
        ({"GD005d": {"x": 1}}, (), "doctor.params.GD005d.x: no such parameter\n  GD005d has no parameters"),
        (
            {"GD201": {"variety_warn": "half"}},
            (),
            "doctor.params.GD201.variety_warn: must be a number, got half\n  "
            "doctor.params.GD201.variety_warn=0.4",
        ),
        (
            {"GD201": 0.4},
            (),
            "doctor.params.GD201: is a section of parameters, not a value\n  "
            "GD201 takes: variety_warn, variety_error, variety_doubt, class_alone, recall_min, near_warn",
        ),
    ],
)
def test_settings_that_do_not_exist(params: Any, ignore: tuple[str, ...], error: str) -> None:
    with pytest.raises(GantrainError) as caught:
        check_params(params, ignore)
    assert str(caught.value) == error


def test_a_rule_to_ignore_that_does_not_exist() -> None:
    with pytest.raises(GantrainError) as caught:
        check_params({}, ["GD3O1"])
    assert str(caught.value).startswith(
        "doctor.ignore=[GD3O1]: no such rule\n  did you mean GD301? there are: "
    )


def test_settings_that_exist() -> None:
    check_params({"GD201": {"variety_warn": 0.4, "near_warn": 0}}, [*PAGES, "GD005b"])
