"""What does a folder of pictures cost: our store, built once, or a DataLoader that decodes in every epoch?

    python benchmarks/folder_store.py 20000 --rounds 3

Makes that many real pictures (crops of scikit-learn's two photographs, 80 to 500 pixels a side, 70% JPEG, 20%
PNG, 10% WebP) in ten class folders, then measures in turn, each in a fresh process and without its imports:

  a  our first start: finding the pictures, decoding them into the store, which is on the disk at the end
  b  one epoch of ImageFolder, Resize, CenterCrop, ToTensor, Normalize and a DataLoader with two workers
  c  our later start: finding the store
  d  one epoch of batches from our store, as float tensors

Prints a Markdown table with medians over the rounds. Peaks of memory are read from /proc: Linux only.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

SIZE, BATCH, CLASSES, WORKERS = 64, 64, 10, 2
ENDINGS = (*("jpg",) * 7, *("png",) * 2, "webp")
SAVED_WITH: dict[str, dict[str, Any]] = {
    "jpg": {"quality": 90},
    "png": {"compress_level": 3},
    "webp": {"quality": 85, "method": 2},
}
MEASURES = {
    "build": "a: our first start (the store is built)",
    "loader": f"b: an epoch of ImageFolder + DataLoader ({WORKERS} workers)",
    "find": "c: our later start (the store is found)",
    "gather": "d: an epoch of batches from our store",
}


def make_pictures(root: Path, count: int) -> None:
    """The same pictures every time."""
    from sklearn.datasets import load_sample_images

    photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]

    def make(number: int) -> None:
        random = np.random.default_rng(number)
        width, height = (int(side) for side in random.integers(80, 501, 2))
        photograph = photographs[number % len(photographs)]
        scale = random.uniform(0.3, 1) * min(photograph.width / width, photograph.height / height)
        left = random.uniform(0, photograph.width - scale * width)
        top = random.uniform(0, photograph.height - scale * height)
        box = (left, top, left + scale * width, top + scale * height)
        picture = photograph.resize((width, height), Image.Resampling.BICUBIC, box)
        ending = ENDINGS[int(random.integers(len(ENDINGS)))]
        picture.save(root / str(number % CLASSES) / f"{number:06}.{ending}", **SAVED_WITH[ending])

    for number in range(CLASSES):
        (root / str(number)).mkdir(parents=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(make, range(count)))


def measure(what: str, root: Path) -> dict[str, float]:
    """Seconds after the imports, and peaks of memory in MB: of this process, and of the largest worker."""
    if what == "loader":
        return loader_epoch(root)
    from gantrain.data.sampler import Sampler
    from gantrain.data.sources import folder
    from gantrain.data.store import Store

    start = time.perf_counter()
    images = folder(str(root), SIZE, "rgb", flip=False)
    if what == "gather":
        store, sampler = Store(images, torch.device("cpu")), Sampler(images.count, BATCH, seed=0)
        generator = torch.Generator()
        start = time.perf_counter()
        for _ in range(-(-images.count // BATCH)):
            store.batch(next(sampler), generator)
    return {"seconds": time.perf_counter() - start, "peak": peak_megabytes(), "worker": 0.0}


def loader_epoch(root: Path) -> dict[str, float]:
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    start = time.perf_counter()
    steps = [
        transforms.Resize(SIZE),
        transforms.CenterCrop(SIZE),
        transforms.ToTensor(),
        transforms.Normalize((0.5,) * 3, (0.5,) * 3),
    ]
    loader = DataLoader(
        datasets.ImageFolder(str(root), transforms.Compose(steps)), BATCH, shuffle=True, num_workers=WORKERS
    )
    for number, _ in enumerate(loader, 1):
        if number == len(loader):  # the last batch: the workers have done everything and are still there
            worker = max(peak_megabytes(child.pid) for child in multiprocessing.active_children())
    return {"seconds": time.perf_counter() - start, "peak": peak_megabytes(), "worker": worker}


def peak_megabytes(process: int | str | None = "self") -> float:
    """Of one process alone; `ru_maxrss` would start from its parent's."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def measure_apart(what: str, root: Path, cache: Path) -> dict[str, float]:
    repository = Path(__file__).resolve().parents[1]
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(repository)}
    command = [sys.executable, __file__, "0", "--measure", what, "--root", str(root)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("count", type=int, nargs="?", default=20_000, help="pictures (20000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.root)))
        return
    if sys.platform != "linux":
        parser.error("reads the peaks of memory from /proc, so it needs Linux")
    results: dict[str, list[dict[str, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="gantrain-folder-") as scratch:
        root, cache = Path(scratch) / "pictures", Path(scratch) / "cache"
        make_pictures(root, options.count)
        for _ in range(options.rounds):
            shutil.rmtree(cache, ignore_errors=True)
            for what in MEASURES:
                results[what].append(measure_apart(what, root, cache))
                print(what, results[what][-1], file=sys.stderr)
    print(f"{options.count:,} pictures at {SIZE} x {SIZE}, medians of {options.rounds} rounds\n")
    print(
        "| | seconds | pictures a second | peak memory, MB | of each worker, MB |\n|---|---:|---:|---:|---:|"
    )
    for what, title in MEASURES.items():
        seconds, peak, worker = (
            statistics.median(result[key] for result in results[what])
            for key in ("seconds", "peak", "worker")
        )
        shown = f"{worker:.0f}" if worker else ""
        print(f"| {title} | {seconds:.2f} | {options.count / seconds:,.0f} | {peak:.0f} | {shown} |")


if __name__ == "__main__":
    main()
