"""How fast is a training step? gantrain against a plain loop in the tutorial's style, paired.

    python benchmarks/training_step.py                      # the processor: 28, 64 and 128 pixels
    python benchmarks/training_step.py --device cuda --batch 64 1024
    python benchmarks/training_step.py --sizes 64 --only tutorial_loop alternating shared --rounds 9

Everybody trains the same networks (DCGAN, width 64, transposed convolutions) on the same images with the same
batch. One process measures A B C ... A B C ..., so that a machine that slows down slows all of them; a ratio
is the median over the rounds of (images/s of a row) / (images/s of the plain loop in the same round). The
first step and the peak of memory come from a fresh process for each row.

GFLOP/s counts what the row's own step computes (convolutions and matrix products), and stands beside the
rate at which this machine multiplies large matrices of the row's precision.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gantrain import build, checks, runtime
from gantrain.compose import composed
from gantrain.data.store import ImageSet, Store
from gantrain.train.loop import one_step

Step = Callable[[], None]
NETWORKS = ("model=dcgan_tutorial", "upsample=transpose", "downsample=stride", "padding=zeros")
CHANNELS = {28: 1}  # as Fashion-MNIST; else three
COUNT = 512  # images; which ones does not matter for the time
WARM_UP = 5  # steps; a CUDA graph is recorded in the fourth
TARGET_SECONDS = 1.0  # of a row in a round
COLUMNS = (
    *("step", "images/s", "ratio", "lowest..highest", "GFLOP a step", "GFLOP/s", "of the matrix rate"),
    *("first step", "peak memory"),
)
MATRIX = {"cpu": 2048, "cuda": 8192}


@dataclass(frozen=True)
class Row:
    """Overrides of a gantrain run; none: the plain loop. `compiled` hands its networks to torch.compile."""

    overrides: tuple[str, ...] | None
    compiled: bool = False
    cuda_only: bool = False


ROWS = {
    "tutorial_loop": Row(None),
    "tutorial_loop_compiled": Row(None, compiled=True),
    "alternating": Row(()),  # gantrain's defaults
    "tutorial": Row(("schedule=tutorial",)),
    "shared": Row(("schedule=shared",)),
    "alternating_fp32": Row(("runtime.precision=fp32",)),
    "tutorial_fp32": Row(("schedule=tutorial", "runtime.precision=fp32")),
    "shared_fp32": Row(("schedule=shared", "runtime.precision=fp32")),
    "alternating_contiguous": Row(("runtime.memory_format=contiguous",)),
    "alternating_unfused": Row(("+optim.fused=false",)),
    "alternating_compiled": Row((), compiled=True),
    "alternating_graphs": Row(("runtime.compile=cudagraphs",), cuda_only=True),
    "tutorial_graphs": Row(("schedule=tutorial", "runtime.compile=cudagraphs"), cuda_only=True),
    "shared_graphs": Row(("schedule=shared", "runtime.compile=cudagraphs"), cuda_only=True),
}


def configuration(row: Row, size: int, batch: int, device: torch.device) -> DictConfig:
    common = (*NETWORKS, f"data.image_size={size}", f"train.batch_size={batch}")
    cfg = checks.resolved(composed([*common, f"runtime.device={device}", *(row.overrides or ())]))
    checks.check(cfg)
    runtime.settle(cfg, device)
    return cfg


def pictures(size: int) -> ImageSet:
    shape = (COUNT, CHANNELS.get(size, 3), size, size)
    return ImageSet("noise", torch.randint(0, 256, shape, dtype=torch.uint8))


def step_of(row: Row, size: int, batch: int, device: torch.device) -> Step:
    """A function that trains one step."""
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    cfg, images = configuration(row, size, batch, device), pictures(size)
    if row.overrides is None:
        return tutorial_loop(cfg, images, device, row.compiled)
    state, game = build.assemble(cfg, images, device)
    if row.compiled:
        state.nets.generator.compile()
        state.nets.discriminator.compile()
    return lambda: one_step(state, game)


def tutorial_loop(cfg: DictConfig, images: ImageSet, device: torch.device, compiled: bool) -> Step:
    """The step that tutorials teach: nothing frozen, plain Adam, fp32, and numbers read in every step."""
    cfg = cfg.copy()
    cfg.runtime.memory_format = "contiguous"
    nets = build.make_networks(cfg, build.DataFacts.of(images), device)
    G, D, batch = nets.generator, nets.discriminator, cfg.train.batch_size
    if compiled:
        G.compile()
        D.compile()
    optimiser_d = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimiser_g = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    criterion = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(batch, device=device), torch.zeros(batch, device=device)
    store, noise = Store(images, device), torch.Generator(device)

    def score(images: Tensor, target: Tensor) -> tuple[Tensor, float]:
        logits = D(images)
        loss = criterion(logits, target)
        loss.backward()
        return loss, logits.sigmoid().mean().item()

    def step() -> None:
        real, _ = store.batch(torch.randint(COUNT, (batch,)), noise)
        D.zero_grad()
        loss_real, _ = score(real, ones)
        fake = G(torch.randn(batch, cfg.latent.dim, device=device))
        loss_fake, _ = score(fake.detach(), zeros)
        (loss_real + loss_fake).item()
        optimiser_d.step()
        G.zero_grad()
        score(fake, ones)[0].item()
        optimiser_g.step()

    return step


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(step: Step, times: int, device: torch.device) -> float:
    """Of one step, the mean of `times`."""
    wait(device)
    start = time.perf_counter()
    for _ in range(times):
        step()
    wait(device)
    return (time.perf_counter() - start) / times


def matrix_rate(dtype: torch.dtype, device: torch.device) -> float:
    """GFLOP/s of a product of large square matrices: the best of five."""
    n = MATRIX[device.type]
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    torch.mm(a, b)
    return 2 * n**3 / 1e9 / min(seconds(lambda: torch.mm(a, b), 1, device) for _ in range(5))


def gigaflops(row: Row, size: int, batch: int, device: torch.device) -> float:
    """Of one step, as PyTorch counts them."""
    step = step_of(
        Row(row.overrides and tuple(o for o in row.overrides if "compile" not in o)), size, batch, device
    )
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops() / 1e9


def alone(name: str, size: int, batch: int, device: str) -> dict[str, float]:
    """First step (from a built network on) and peak memory, in a process of its own."""
    words = [sys.executable, __file__, "--alone", name, "--sizes", str(size), "--batch", str(batch)]
    done = subprocess.run([*words, "--device", device], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_alone(row: Row, size: int, batch: int, device: torch.device) -> dict[str, float]:
    step = step_of(row, size, batch, device)
    first = seconds(step, 1, device)
    for _ in range(WARM_UP):
        step()
    wait(device)
    cuda = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated(device) / 2**20 if cuda else peak_of_this_process()
    return {"first": first, "peak": peak}


def peak_of_this_process() -> float:
    """MiB. From /proc, since getrusage starts with what the parent had; NaN where there is none."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), math.nan)


def compare(names: list[str], size: int, batch: int, device: torch.device, rounds: int) -> None:
    """Prints one table."""
    steps = {name: step_of(ROWS[name], size, batch, device) for name in names}
    times = {}
    for name, step in steps.items():
        seconds(step, WARM_UP, device)
        times[name] = max(1, round(TARGET_SECONDS / seconds(step, 2, device)))
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, step in steps.items():
            found[name].append(seconds(step, times[name], device))
    rates = {"fp32": matrix_rate(torch.float32, device)}
    print(f"\n### {CHANNELS.get(size, 3)} x {size} x {size}, batch {batch}\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for name in names:
        row = ROWS[name]
        precision = (
            "fp32" if row.overrides is None else configuration(row, size, batch, device).runtime.precision
        )
        rate = rates.setdefault(precision, matrix_rate(runtime.DTYPES[precision], device))
        ratios = [base / mine for base, mine in zip(found["tutorial_loop"], found[name], strict=True)]
        typical, work = statistics.median(found[name]), gigaflops(row, size, batch, device)
        own = alone(name, size, batch, str(device))
        print(
            f"| {name} ({precision}) | {batch / typical:.1f} | {statistics.median(ratios):.2f} "
            f"| {min(ratios):.2f}..{max(ratios):.2f} | {work:.1f} | {work / typical:.0f} "
            f"| {work / typical / rate:.0%} | {own['first']:.2f} s | {own['peak']:.0f} MiB |",
            flush=True,
        )
    print("\nmatrix rate: " + ", ".join(f"{name} {rate:.0f} GFLOP/s" for name, rate in rates.items()))


def describe_machine(device: torch.device) -> str:
    has = getattr(torch.cpu, "get_capabilities", dict)()
    units = [name for name in ("avx2", "avx512_f", "avx512_bf16", "amx_bf16") if has.get(name)]
    return (
        f"{platform.machine()} {has.get('cpu_name', platform.processor())} ({', '.join(units)}), "
        f"{torch.get_num_threads()} threads, {runtime.describe_device(device)}, "
        f"PyTorch {torch.__version__}, Python {platform.python_version()}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sizes", type=int, nargs="+", default=[28, 64, 128])
    parser.add_argument("--batch", type=int, nargs="+", default=[64])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=ROWS, help="rows; tutorial_loop is always measured")
    parser.add_argument("--alone", choices=ROWS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    device = torch.device(given.device)
    if given.alone:
        print(json.dumps(measure_alone(ROWS[given.alone], given.sizes[0], given.batch[0], device)))
        return
    wanted = given.only or [name for name, row in ROWS.items() if device.type == "cuda" or not row.cuda_only]
    names = ["tutorial_loop", *(name for name in wanted if name != "tutorial_loop")]
    print(describe_machine(device))
    for size in given.sizes:
        for batch in given.batch:
            compare(names, size, batch, device, given.rounds)


if __name__ == "__main__":
    main()
