"""What do logging, pictures, checkpoints, metrics, doctor, average and data cost beside the bare step?

    python benchmarks/whole_program.py                  # Fashion-MNIST at 28 and the digits at 64 pixels
    python benchmarks/whole_program.py --steps 1000

Bare: the phases of a step on one batch that is always the same, and nothing else. Program: what `gantrain`
runs, with its default cadences, in a real directory. Both train the same networks in one process, in turns of
50 steps, so that a machine that slows down slows both; a row is one stretch of `--steps` steps.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from gantrain import build, checks, runtime
from gantrain.commands.train import onlookers
from gantrain.compose import composed
from gantrain.saved import recorded
from gantrain.train.loop import Game, play, run
from gantrain.train.state import TrainingState

CASES = {
    "28": ("data=fashion_mnist", "train.batch_size=64"),
    "64": ("data=digits", "data.image_size=64", "train.batch_size=64"),
}
TURN = 50


class Never:
    requested = False


def settled(overrides: tuple[str, ...], steps: int, device: torch.device) -> DictConfig:
    cfg = checks.resolved(composed([*overrides, f"train.steps={steps}", f"runtime.device={device}"]))
    checks.check(cfg)
    runtime.settle(cfg, device)
    return cfg


def bare(state: TrainingState, game: Game, indices: list[Tensor], steps: int) -> None:
    """As `loop.one_step` without sampler, gather, statistics and average."""
    batch = game.store.batch(indices[0], state.noise)
    still = Game(game.store, game.rules, game.schedule)
    still.store = Still(batch)  # type: ignore[assignment]
    phases = game.schedule.phases(0, {})
    for _ in range(steps):
        state.launch("bare", partial(play, state, still, phases), indices)


class Still:
    """A store that always hands out the same batch."""

    def __init__(self, batch: tuple[Tensor, Tensor | None]) -> None:
        self.always = batch

    def batch(self, indices: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        return self.always


def compare(name: str, steps: int, device: torch.device) -> float:
    """Prints a row; gives program / bare, in images/s."""
    cfg = settled(CASES[name], steps, device)
    images = build.load_data(cfg)
    state, game = build.assemble(cfg, images, device)
    other, _ = build.assemble(cfg, images, device)
    indices = [next(other.sampler)]
    bare(other, game, indices, 5)
    spent = {"bare": 0.0, "program": 0.0}
    with tempfile.TemporaryDirectory() as scratch:
        config = recorded(cfg, build.DataFacts.of(images))
        watching = onlookers(cfg, Path(scratch), state, game, config, images)
        while state.step < steps:
            turn = min(TURN, steps - state.step)
            for who, work in (
                ("bare", partial(bare, other, game, indices, turn)),
                ("program", partial(run, state, game, state.step + turn, watching.all, Never())),
            ):
                start = time.perf_counter()
                work()
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                spent[who] += time.perf_counter() - start
        watching.tracker.close()
    rate = {who: steps * cfg.train.batch_size / seconds for who, seconds in spent.items()}
    share = rate["program"] / rate["bare"]
    print(f"| {name} px | {rate['bare']:.0f} | {rate['program']:.0f} | {share:.1%} |", flush=True)
    return share


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--sizes", nargs="+", choices=CASES, default=list(CASES))
    given = parser.parse_args()
    print("| pictures | bare step, images/s | whole program, images/s | program / bare |\n|---|---|---|---|")
    for name in given.sizes:
        shares = [compare(name, given.steps, torch.device(given.device)) for _ in range(given.repeats)]
        print(f"| {name} px, median of {len(shares)} | | | {statistics.median(shares):.1%} |")


if __name__ == "__main__":
    main()
