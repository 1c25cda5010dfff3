"""Does any choice combine with any other? Draws random combinations and lets each train three real steps.

    python benchmarks/random_combinations.py --count 200 --seed 0

A combination trains (finite weights that moved, and a finite picture in eval mode), or it is refused as a
user would see it: exit code 2 with a key and a reason. Anything else is a failure, which is printed with the
overrides that repeat it; the exit code is then 1. The data are the real digits, the networks are narrow.
"""

from __future__ import annotations

import argparse
import functools
import random
import re
import sys
import time
import typing
from collections import Counter
from pathlib import Path

import torch
from omegaconf import DictConfig

from gantrain import build, checks, runtime
from gantrain.compose import composed
from gantrain.config import refuse, warnings
from gantrain.data.store import ImageSet
from gantrain.errors import USER_INPUT, GantrainError
from gantrain.keys import config_dir
from gantrain.networks.layers import ActivationName, NormName
from gantrain.train.ema import evaluating
from gantrain.train.loop import one_step
from gantrain.train.state import TrainingState

STEPS = 3
WIDTH = "model.width=8"  # at 2 or 4 all ReLUs of a layer may be dead from the start
GROUPS = (
    *("model", "loss", "penalty", "optim", "schedule", "latent"),
    *("upsample", "downsample", "padding", "condition", "augment"),
)
KEYS: dict[str, tuple[object, ...]] = {
    "data.image_size": (16, 20, 24, 28, 32, 40, 64, 30, 8),  # the last two are no size
    "data.flip": (False, True),
    "train.batch_size": (4, 8, 1),
    "latent.dim": (16, 32, 100, 2),
    "model.generator.norm": typing.get_args(NormName),
    "model.discriminator.norm": typing.get_args(NormName),
    "model.generator.activation": typing.get_args(ActivationName),
    "model.discriminator.activation": typing.get_args(ActivationName),
    "schedule.split_batches": (True, False),
    "ema.half_life_images": (10_000, 0),
}
CHANCE_OF_A_KEY = 0.4  # else what the option brings


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (Path(config_dir()) / group).glob("*.yaml"))


def draw(luck: random.Random) -> list[str]:
    """One option of every group, and some of the keys."""
    chosen = [f"{group}={luck.choice(options(group))}" for group in GROUPS]
    keys = [f"{key}={luck.choice(v)}" for key, v in KEYS.items() if luck.random() < CHANCE_OF_A_KEY]
    keys = keys if any(key.startswith("train.batch_size") for key in keys) else ["train.batch_size=4", *keys]
    return [*chosen, *keys]


@functools.cache
def digits(image_size: int, flip: bool) -> ImageSet:
    """The real data, enlarged once per size."""
    return build.load_data(composed([f"data.image_size={image_size}", f"data.flip={flip}"]))


def train(overrides: list[str]) -> None:
    """As `gantrain` does it, without files.

    Raises:
        GantrainError: the combination is refused.
    """
    cfg = checks.resolved(composed([WIDTH, *overrides]))
    facts = checks.check(cfg)
    torch.manual_seed(0)
    device, images = torch.device("cpu"), digits(cfg.data.image_size, cfg.data.flip)
    data = build.DataFacts.of(images)
    facts |= checks.facts_of_data(data)
    refuse(facts)
    warnings(facts)
    runtime.settle(cfg, device)
    state, game = build.assemble(cfg, images, device)
    nets = state.nets
    before = {player: [p.clone() for p in nets[player].parameters()] for player in state.optimisers}
    for _ in range(STEPS):
        one_step(state, game)
    for player, old in before.items():
        new = list(nets[player].parameters())
        assert all(bool(p.isfinite().all()) for p in new), f"the {player} has weights that are not finite"
        moved = any(not torch.equal(p, q) for p, q in zip(new, old, strict=True))
        # entangled gradients cancel, with loss=wgan to the last bit: that is what it demonstrates (N1.3)
        assert moved or cfg.schedule.get("entangled"), f"the {player} did not move"
    check_picture(cfg, state, data)


def check_picture(cfg: DictConfig, state: TrainingState, data: build.DataFacts) -> None:
    """What the averaged generator draws has the shape of the data, and its latents can be walked."""
    latent = build.make_latent(cfg)
    z = latent(3, torch.Generator().manual_seed(0))
    labels = (torch.arange(3),) if cfg.condition.kind == "class" else ()
    with torch.no_grad(), evaluating(state.ema.network) as generator:
        drawn = generator(latent.interpolate(z, z.flip(0), torch.full((3, 1), 0.3)), *labels)
    assert drawn.shape == (3, data.channels, data.image_size, data.image_size), tuple(drawn.shape)
    assert bool(drawn.isfinite().all()), "the picture is not finite"


def outcome(overrides: list[str]) -> tuple[str, str]:
    """("trained" | "refused" | "failed", why)."""
    try:
        train(overrides)
    except GantrainError as error:
        if error.exit_code == USER_INPUT and error.key and error.reason:
            return "refused", f"{error.key}: {error.reason}"
        return "failed", f"exit code {error.exit_code}: {error}"
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"
    return "trained", ""


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--count", type=int, default=200, help="combinations (200)")
    arguments.add_argument("--seed", type=int, default=0, help="same seed, same combinations (0)")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    luck, start = random.Random(given.seed), time.perf_counter()
    results: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for number in range(given.count):
        overrides = draw(luck)
        result, why = outcome(overrides)
        results[result] += 1
        if result == "refused":
            reasons[re.sub(r"\d+", "N", why)] += 1
        elif result == "failed":
            print(f"failed ({number}): {why}\n  gantrain {WIDTH} {' '.join(overrides)}")
        if (number + 1) % 50 == 0:
            print(f"... {number + 1} of {given.count}, {time.perf_counter() - start:.0f} s", file=sys.stderr)
    print(f"trained {results['trained']}, refused {results['refused']}, failed {results['failed']}")
    for reason, times in reasons.most_common():
        print(f"  refused {times:3d}  {reason}")
    sys.exit(1 if results["failed"] else 0)


if __name__ == "__main__":
    main()
