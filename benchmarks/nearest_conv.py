"""Nearest-neighbour doubling and a 3 x 3 convolution: as two layers, or folded into one.

    python benchmarks/nearest_conv.py --rounds 9

Forward and backward of both, in turn, channels-last, on the maps of this project's generators; medians.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import Tensor, nn

from gantrain.networks.layers import NearestConv2d

SHAPES = (
    (32, 128, 64, 4),
    (32, 64, 32, 8),
    (32, 32, 16, 16),
    (64, 256, 128, 4),
    (64, 64, 32, 16),
    (64, 32, 16, 32),
)


def seconds(net: nn.Module, x: Tensor, weight: Tensor) -> float:
    start = time.perf_counter()
    torch.autograd.grad(net(x).sum(), (x, weight))
    if x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    print("| batch, in, out, side | two layers, ms | folded, ms | ratio |\n|---|---|---|---|")
    for count, inside, outside, side in SHAPES:
        folded = NearestConv2d(inside, outside, bias=False, padding_mode="zeros")
        plain = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
        plain.load_state_dict(folded.state_dict())
        layout = {"device": given.device, "memory_format": torch.channels_last}
        folded, plain = folded.to(**layout), plain.to(**layout)
        double = nn.Upsample(scale_factor=2, mode="nearest")
        x = torch.randn(count, inside, side, side).to(**layout).requires_grad_()
        pairs = []
        for _ in range(given.rounds + 1):
            two = seconds(nn.Sequential(double, plain), x, plain.weight)
            pairs.append((two, seconds(folded, x, folded.weight)))
        two, one = (statistics.median(column) * 1e3 for column in zip(*pairs[1:], strict=True))
        ratio = statistics.median(two / one for two, one in pairs[1:])
        print(f"| {count}, {inside}, {outside}, {side} | {two:.2f} | {one:.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
