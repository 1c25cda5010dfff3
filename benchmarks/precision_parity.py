"""Does bf16 train as well as fp32? Fashion-MNIST, 2,000 steps, three seeds of each.

    python benchmarks/precision_parity.py

Reports the losses and D's accuracy over the last 200 steps and the Frechet distance of 5,000 samples of the
averaged generator to the real images in their first 64 principal components (total real variance 1).

Where the processor has no bf16 arithmetic, PyTorch would emulate it about a hundred times slower. There the
products (convolutions and matrix products, forward and backward) are computed in fp32 from bf16 numbers and
rounded to bf16, which is what a bf16 unit does; everything else is the bf16 path itself. The first line says
which of the two it was.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from gantrain import build, checks, pictures, runtime
from gantrain.compose import composed
from gantrain.metrics.distances import frechet_distance
from gantrain.metrics.features import PixelPCA
from gantrain.process import prepare_process
from gantrain.train.loop import one_step

PRODUCTS = {
    torch.ops.aten.convolution.default,
    torch.ops.aten.convolution_backward.default,
    torch.ops.aten.mm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.bmm.default,
}
SAMPLES = 5_000
LAST = 200


class ProductsInFp32(TorchDispatchMode):
    """Products of bf16 numbers, summed in fp32 and rounded to bf16: the arithmetic of a bf16 unit."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [a for a in args if isinstance(a, Tensor)]
        if func not in PRODUCTS or not any(t.dtype == torch.bfloat16 for t in tensors):
            return func(*args, **kwargs)
        found = func(*tree_map_only(Tensor, lambda t: t.float(), args), **kwargs)
        return tree_map_only(Tensor, lambda t: t.bfloat16(), found)


def train(seed: int, precision: str, steps: int, overrides: list[str]) -> dict[str, float]:
    given = [*overrides, f"seed={seed}", f"runtime.precision={precision}", f"train.steps={steps}"]
    cfg = checks.resolved(composed(["data=fashion_mnist", "train.batch_size=64", *given]))
    checks.check(cfg)
    device = runtime.choose_device(cfg.runtime.device)
    runtime.settle(cfg, device)
    prepare_process(cfg)
    images = build.load_data(cfg)
    state, game = build.assemble(cfg, images, device)
    emulated = precision == "bf16" and runtime.best_precision(device).value != "bf16"
    with ProductsInFp32() if emulated else nullcontext():
        while state.step < steps:
            if state.step == steps - LAST:
                state.averages.take()
            one_step(state, game)
    found = state.averages.take()
    blocks = pictures.latent_blocks(game.rules.latent, SAMPLES, 1, device)
    fake = torch.cat([pictures.draw(state.ema.network, z, None).cpu() for z in blocks])
    space = PixelPCA.fit(images.images)
    found["fd_pca64"] = frechet_distance(space(images.images), space(fake))
    return {name: found[name] for name in ("loss_d", "loss_g", "acc_real", "acc_fake", "fd_pca64")}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--precisions", nargs="+", choices=["fp32", "bf16"], default=["fp32", "bf16"])
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args()
    native = runtime.best_precision(runtime.choose_device("auto")).value == "bf16"
    print("bf16: " + ("this machine's own" if native else "products in fp32, rounded to bf16"), flush=True)
    found: dict[str, dict[str, list[float]]] = {p: defaultdict(list) for p in given.precisions}
    print(
        "| precision | seed | loss of D | loss of G | accuracy on real | on fake | fd_pca64 |\n|" + "---|" * 7
    )
    for seed in given.seeds:
        for precision in given.precisions:
            values = train(seed, precision, given.steps, given.overrides)
            for name, value in values.items():
                found[precision][name].append(value)
            numbers = " | ".join(f"{value:.3f}" for value in values.values())
            print(f"| {precision} | {seed} | {numbers} |", flush=True)
    for precision, columns in found.items():
        numbers = " | ".join(
            f"{statistics.mean(v):.3f} ({min(v):.3f}..{max(v):.3f})" for v in columns.values()
        )
        print(f"| {precision} | mean (lowest..highest) | {numbers} |")


if __name__ == "__main__":
    main()
