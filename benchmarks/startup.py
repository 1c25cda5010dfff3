"""Where does the time go between Enter and the first training step on the digits?

    python benchmarks/startup.py --runs 5

Runs `gantrain train.steps=1` as a user would and, in processes of their own, notes when each stage of the
same start was reached. Medians over the runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STAGES = (
    "Python and the command line",
    "configuration composed",
    "PyTorch imported",
    "gantrain's own modules imported",
    "configuration checked",
    "digits loaded",
    "networks and optimisers built",
    "log, TensorBoard and first pictures",
    "first step",
)


def stages(started: float, directory: Path) -> dict[str, float]:
    """Seconds each stage took, in this process, which began at `started` (time.time())."""
    marks = [started]

    def mark() -> None:
        marks.append(time.time())

    import gantrain.cli

    assert gantrain.cli
    mark()
    from gantrain.compose import composed

    cfg = composed(["train.steps=1"])
    mark()
    import torch

    mark()
    from gantrain import build, checks, runtime
    from gantrain.commands.train import play
    from gantrain.saved import recorded

    mark()
    cfg = checks.resolved(cfg)
    checks.check(cfg)
    mark()
    images = build.load_data(cfg)
    mark()
    device = torch.device("cpu")
    runtime.settle(cfg, device)
    state, game = build.assemble(cfg, images, device)
    mark()
    config = recorded(cfg, build.DataFacts.of(images))
    cfg.train.steps = 0
    play(cfg, directory, state, game, config, images)
    mark()
    from gantrain.train.loop import one_step

    one_step(state, game)
    mark()
    return {name: marks[i + 1] - marks[i] for i, name in enumerate(STAGES)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--stages", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if given.stages:
            print(json.dumps(stages(given.stages, Path(scratch))))
            return
        whole, found = [], []
        for run in range(given.runs + 1):
            command = [sys.executable, "-m", "gantrain", "train.steps=1", f"hydra.run.dir={scratch}/{run}"]
            start = time.time()
            subprocess.run(command, check=True, capture_output=True)
            whole.append(time.time() - start)
            command = [sys.executable, __file__, "--stages", str(time.time())]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
    print("| stage | seconds |\n|---|---|")
    for name in STAGES:
        print(f"| {name} | {statistics.median(one[name] for one in found[1:]):.2f} |")
    print(f"| all of these | {statistics.median(sum(one.values()) for one in found[1:]):.2f} |")
    print(f"| `gantrain train.steps=1`, Enter to prompt | {statistics.median(whole[1:]):.2f} |")


if __name__ == "__main__":
    main()
