"""What do the metrics of many samples cost, in time and in memory?

    OMP_NUM_THREADS=2 python benchmarks/metrics_speed.py 10000

Holds that many real pictures (28 x 28 grey crops of scikit-learn's photographs) against as many fakes
(blurred crops), and 64 features of each, by every function of gantrain.metrics, each in a fresh process.
Prints a Markdown table: seconds, and by how much the memory that the process holds grew at most. The last
lines are the whole: as many pictures of Fashion-MNIST against as many others, in all spaces, with nulls;
with an empty cache (the classifier is trained, too) and with what that left there. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from gantrain.data.sources import fashion_mnist
from gantrain.data.store import to_uint8
from gantrain.metrics import artefacts, coverage, distances
from gantrain.metrics.evaluation import evaluate
from gantrain.metrics.features import PixelPCA, RandomConv
from gantrain.metrics.reference import Reference

SIZE, DIMENSIONS, CLASSES = 28, 64, 10


class Data(NamedTuple):
    """Two sets of pictures in [-1, 1], and their features."""

    real: Tensor
    fake: Tensor
    real_features: Tensor
    fake_features: Tensor


def make_data(count: int) -> Data:
    from sklearn.datasets import load_sample_images

    generator = Generator().manual_seed(0)
    photographs = [torch.tensor(pixels).float().mean(2) for pixels in load_sample_images().images]

    def crops(number: int) -> Tensor:
        found = []
        for _ in range(number):
            photograph = photographs[int(torch.randint(len(photographs), (), generator=generator))]
            corners = [int(torch.randint(side - SIZE, (), generator=generator)) for side in photograph.shape]
            found.append(photograph[corners[0] : corners[0] + SIZE, corners[1] : corners[1] + SIZE])
        return torch.stack(found)[:, None] / 127.5 - 1

    real, fake = crops(count), F.avg_pool2d(crops(count), 3, 1, 1)
    space = PixelPCA.fit(to_uint8(real))
    return Data(real, fake, space(to_uint8(real)), space(to_uint8(fake)))


def of_space(kind: type[PixelPCA] | type[RandomConv]) -> Callable[[Data], Any]:
    """Fitting, and the features of both sets."""

    def features(data: Data) -> list[Tensor]:
        real, fake = to_uint8(data.real), to_uint8(data.fake)
        space = kind.fit(real)
        return [space(real), space(fake)]

    return features


def of_features(function: Callable[[Tensor, Tensor], Any]) -> Callable[[Data], Any]:
    return lambda data: function(data.real_features, data.fake_features)


def of_spectra(data: Data) -> list[float]:
    real, fake = artefacts.power_spectrum(data.real), artefacts.power_spectrum(data.fake)
    return [artefacts.detail(fake, real), *(artefacts.lattice_peak(fake, period) for period in (2, 4))]


def of_phases(data: Data) -> list[float]:
    measures = (artefacts.phase_energy, artefacts.phase_difference)
    return [measure(data.fake, period) for measure in measures for period in (2, 4)]


def of_borders(data: Data) -> list[float]:
    real, fake = artefacts.ring_contrast(data.real), artefacts.ring_contrast(data.fake)
    return [artefacts.border_contrast(fake, real), artefacts.border_flatness(real)]


def of_range(data: Data) -> list[float]:
    real, fake = artefacts.quantiles(data.real), artefacts.quantiles(data.fake)
    distance = artefacts.range_distance(fake, real, float(data.real.std()))
    return [distance, artefacts.range_overlap(fake, real), artefacts.saturation(data.fake)]


MEASURES: dict[str, Callable[[Data], Any]] = {
    "PixelPCA": of_space(PixelPCA),
    "RandomConv": of_space(RandomConv),
    "frechet_distance": of_features(distances.frechet_distance),
    "kernel_distance": of_features(distances.kernel_distance),
    "sliced_wasserstein": of_features(distances.sliced_wasserstein),
    "overlap": of_features(coverage.overlap),
    "vendi_ratio (median_distance, vendi)": of_features(coverage.vendi_ratio),
    "near_pair_ratio": of_features(coverage.near_pair_ratio),
    "class_shares": lambda data: coverage.class_shares(torch.arange(len(data.fake)) % CLASSES, CLASSES),
    "power_spectrum, lattice_peak, radial_profile, detail": of_spectra,
    "phase_energy, phase_difference": of_phases,
    "ring_contrast, border_contrast, border_flatness": of_borders,
    "plain_share": lambda data: artefacts.plain_share(data.fake),
    "background, speckle": lambda data: artefacts.speckle(data.fake, artefacts.background(data.real)),
    "quantiles, range_distance, range_overlap, saturation": of_range,
}


WHOLE = ("Reference", "evaluate", "Reference, again", "evaluate, again")


def measure_whole(count: int) -> dict[str, tuple[float, float]]:
    """The lines of WHOLE: seconds, and megabytes more than before the first of them."""
    clothes = fashion_mnist()
    assert clothes.labels is not None
    order = torch.randperm(clothes.count, generator=Generator().manual_seed(0))
    fakes = clothes.images[order[count : 2 * count]]
    before, found = held_megabytes("VmRSS"), {}
    for made, evaluated in (WHOLE[:2], WHOLE[2:]):
        Path("/proc/self/clear_refs").write_text("5")
        start = time.perf_counter()
        judge = Reference(clothes.images, clothes.labels, order[:count], "train")
        found[made] = time.perf_counter() - start, held_megabytes("VmHWM") - before
        start = time.perf_counter()
        evaluate(fakes, judge)
        found[evaluated] = time.perf_counter() - start, held_megabytes("VmHWM") - before
    return found


def held_megabytes(field: str) -> float:
    """Of this process: VmRSS now, VmHWM at most since it was last reset."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(field))) / 1024


def measure(name: str, data: Data) -> tuple[float, float]:
    MEASURES[name](Data(*(x[:100] for x in data)))  # what is set up once, such as thread pools
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
    before = held_megabytes("VmRSS")
    start = time.perf_counter()
    MEASURES[name](data)
    return time.perf_counter() - start, held_megabytes("VmHWM") - before


def apart(count: int, scratch: Path, *options: str) -> Any:
    """What this program prints with these options, in a process of its own with an empty cache."""
    command = [sys.executable, __file__, str(count), *options]
    environment = os.environ | {"XDG_CACHE_HOME": str(scratch / "cache")}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("count", type=int, nargs="?", default=10_000, help="of each kind (10000)")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--whole", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.whole:
        print(json.dumps(measure_whole(options.count)))
        return
    if options.measure:
        print(json.dumps(measure(options.measure, Data(*torch.load(options.data)))))
        return
    if sys.platform != "linux":
        parser.error("reads the memory held from /proc, so it needs Linux")
    print(f"{options.count:,} real and as many fake pictures, {SIZE} x {SIZE}; {DIMENSIONS} features\n")
    print("| | seconds | memory grew by, MB |\n|---|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="gantrain-metrics-") as scratch:
        path = Path(scratch) / "data.pt"
        torch.save(list(make_data(options.count)), path)
        found = {name: apart(0, Path(scratch), "--measure", name, "--data", str(path)) for name in MEASURES}
        whole = apart(options.count, Path(scratch), "--whole")
    for name, (seconds, megabytes) in found.items():
        print(f"| {name} | {seconds:.3f} | {megabytes:.0f} |")
    print(f"| all | {sum(s for s, _ in found.values()):.1f} | {max(m for _, m in found.values()):.0f} |")
    print(f"\nFashion-MNIST, {options.count:,} against {options.count:,}, three spaces with nulls\n")
    print("| | seconds | memory grew by, MB |\n|---|---:|---:|")
    for name, (seconds, megabytes) in whole.items():
        print(f"| {name} | {seconds:.2f} | {megabytes:.0f} |")


if __name__ == "__main__":
    main()
