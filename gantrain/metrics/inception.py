"""The published numbers: FID, KID, Inception score, precision and recall in Inception-v3's features.

By torch-fidelity (the extra gantrain[fid]), with weights in a file that the user has: nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from gantrain.errors import GantrainError
from gantrain.metrics.evaluation import Measurement
from gantrain.metrics.reference import Reference
from gantrain.metrics.stamps import Stamp

KEY = "metrics.inception_weights"
FILE = "weights-inception-2015-12-05-6726825d.pth"
PUBLISHED = "6726825d"  # what the hash of the file behind all published numbers begins with
FEWEST = 50  # pictures on each side
NAMES = {
    "fid": "frechet_inception_distance",
    "kid": "kernel_inception_distance_mean",
    "inception_score": "inception_score_mean",
    "precision_inception": "precision",
    "recall_inception": "recall",
}
"""Ours -> torch-fidelity's."""


def evaluate_inception(
    fakes: Tensor,
    reference: Reference,
    weights: Path | str | None,
    ema: bool | None = True,
    eval_mode: bool | None = True,
) -> dict[str, Measurement]:
    """fid, kid, inception_score, precision_inception and recall_inception; without nulls.

    Grey pictures are shown to the network as RGB. Ten thousand on each side take minutes on a processor.

    Args:
        fakes: uint8 N x C x H x W, at least 50.
        reference: the real side, all of it.
        weights: torch-fidelity's file of Inception-v3's weights.
        ema, eval_mode: for the stamps, as `evaluation.evaluate` takes them.

    Raises:
        GantrainError: no file, not such a file, torch-fidelity is not installed, or too few pictures.
    """
    path = _checked(weights)
    if min(len(fakes), reference.count) < FEWEST:
        reason = f"{len(fakes)} pictures against {reference.count} real ones are too few for an FID"
        raise GantrainError(KEY, reason, f"at least {FEWEST} on both sides")
    try:
        fidelity = importlib.import_module("torch_fidelity")  # an extra, so no import statement
    except ImportError as error:
        raise GantrainError(KEY, f"needs torch-fidelity ({error})", "pip install 'gantrain[fid]'") from error
    kid_subset = min(1000, len(fakes), reference.count)
    with torch.random.fork_rng(devices=[]):  # building the network draws weights before it reads the file
        try:
            found = fidelity.calculate_metrics(
                input1=_Pictures(len(fakes), lambda place: fakes[place]),
                input2=_Pictures(
                    reference.count, lambda place: reference.pictures(slice(place, place + 1))[0]
                ),
                feature_extractor="inception-v3-compat",
                feature_extractor_weights_path=str(path),
                **dict.fromkeys(("isc", "fid", "kid", "prc"), True),
                kid_subset_size=kid_subset,
                cuda=reference.device.type == "cuda",
                cache=False,
                save_cpu_ram=True,
                verbose=False,
            )
        except RuntimeError as error:
            if "state_dict" not in str(error):
                raise
            raise _not_the_weights(path) from error
    stamp = Stamp(
        space="inception",
        extractor=hashlib.sha256(path.read_bytes()).hexdigest()[:12],
        n_real=reference.count,
        n_fake=len(fakes),
        split=reference.split,
        ema=ema,
        eval_mode=eval_mode,
        resize="to 299 px, bilinear as in TensorFlow 1",
    )
    return {name: Measurement(float(found[key]), None, None, None, stamp) for name, key in NAMES.items()}


class _Pictures(Dataset[Tensor]):
    """uint8 3 x H x W each, on the CPU, as torch-fidelity wants them."""

    def __init__(self, count: int, picture: Callable[[int], Tensor]) -> None:
        self.count, self.picture = count, picture

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> Tensor:
        picture = self.picture(place).cpu()
        return picture.expand(3, -1, -1)


def _checked(weights: Path | str | None) -> Path:
    """The file, if it is there and holds named tensors only: torch-fidelity would run code that it holds."""
    if weights is None:
        reason = "FID needs the weights of Inception-v3, and gantrain downloads none"
        raise GantrainError(KEY, reason, f"{KEY}=PATH of {FILE}, from the releases of torch-fidelity")
    path = Path(weights).expanduser()
    if not path.is_file():
        raise GantrainError(KEY, f"there is no file {path}", f"{KEY}=PATH of {FILE}")
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever it is, these are no weights
        raise _not_the_weights(path) from error
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise _not_the_weights(path)
    return path


def _not_the_weights(path: Path) -> GantrainError:
    reason = f"{path} does not hold Inception-v3's weights in torch-fidelity's form"
    return GantrainError(KEY, reason, f"{KEY}=PATH of {FILE}, from the releases of torch-fidelity")
