"""The picture that shows a finding, readable without the report beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gantrain.data.store import to_signed
from gantrain.doctor.drawing import (
    FAKE,
    REAL,
    arranged,
    bars,
    captioned,
    curves,
    enlarged,
    heat,
    page,
)
from gantrain.doctor.material import LARGE, SMALL, Material, few, few_reals, real
from gantrain.doctor.probes import CLEAREST
from gantrain.doctor.spectra import directions, fine_detail, spectrum
from gantrain.metrics import artefacts
from gantrain.metrics.evaluation import classes_of

SHOWN = 6  # pairs, or pictures of a class


def exhibit(rule: str, material: Material) -> Tensor | None:
    """uint8 3 x H x W on the CPU; None where there is nothing to show, or not what it takes."""
    draw = EXHIBITS.get(rule)
    made = draw(material) if draw is not None else None
    return None if made is None else as_tensor(made)


def as_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


# ---- Pictures of pictures --------------------------------------------------------------------------------


def nearest_pairs(fakes: Tensor, about: Material) -> Image.Image:
    """The fakes that are most alike, pair by pair, no fake twice."""
    features = _features(about, fakes)
    usual = about.reference.side.width or 1.0  # at 0 the reals are all alike
    pairs = _closest(features)
    tiles = [
        captioned(
            arranged([enlarged(fakes[i], SMALL), enlarged(fakes[j], SMALL)], 2, 2), f"{d / usual:.2f} apart"
        )
        for d, i, j in pairs
    ]
    nearest = _closest(about.reference.features("pca64")[: len(fakes)].cpu().double(), 1)[0][0] / usual
    least = f"at least {nearest:.2f}" if nearest > pairs[0][0] / usual else "though a few are nearly equal"
    title = f"The nearest pairs among {len(fakes)} fakes (real pictures: usually 1 apart, {least})"
    return page(title, arranged(tiles, 3))


def _closest(features: Tensor, count: int = SHOWN) -> list[tuple[float, int, int]]:
    """(distance, i, j), the smallest first; nothing occurs in two pairs."""
    distances = torch.pdist(features)
    i, j = torch.triu_indices(len(features), len(features), 1)
    found: list[tuple[float, int, int]] = []
    used: set[int] = set()
    for place in distances.argsort().tolist():
        one, other = int(i[place]), int(j[place])
        if not {one, other} & used:
            found.append((float(distances[place]), one, other))
            used |= {one, other}
        if len(found) == count:
            break
    return found


def nearest_training(fakes: Tensor, about: Material) -> Image.Image | None:
    """The fakes that come nearest to a training picture, each above it."""
    if about.train is None:
        return None
    train = about.train().cpu()
    distances = torch.cdist(_features(about, fakes), _features(about, train))
    nearest, which = distances.min(1)
    usual = about.reference.side.width or 1.0  # at 0 the reals are all alike
    first: dict[int, int] = {}  # of each training picture the fake that comes nearest to it
    for fake in nearest.argsort().tolist():
        first.setdefault(int(which[fake]), fake)
    tiles = []
    for original, fake in list(first.items())[: 2 * SHOWN]:
        pair = [enlarged(fakes[fake], SMALL), enlarged(train[original], SMALL)]
        tiles.append(captioned(arranged(pair, 1, 2), f"{float(nearest[fake]) / usual:.2f} apart"))
    title = "Fakes, and below each its nearest training picture (two real pictures: usually 1 apart)"
    return page(title, arranged(tiles, SHOWN))


def missing_classes(fakes: Tensor, about: Material) -> Image.Image | None:
    """Real pictures of the classes that the generator leaves out, with the shares."""
    labels, names = about.reference.labels, about.facts.get("facts.class_names") or ()
    if labels is None:
        return None
    features = {"cls": about.reference.space("cls")(fakes)}
    shares = enumerate(classes_of(features, about.reference, names, CLEAREST))
    missing = sorted((share for share in shares if share[1].dropped), key=lambda share: share[1].fake)
    rows = []
    for number, share in missing[:SHOWN]:
        places = (labels == number).nonzero().flatten()[:SHOWN]
        tiles = [enlarged(picture, SMALL) for picture in about.reference.pictures(places).cpu()]
        told = f"{share.name}: {share.fake:.1%} of the clear fakes, {share.real:.1%} of such real pictures"
        rows.append(captioned(arranged(tiles, SHOWN, 2), told))
    if not rows:
        return None
    return page("Real pictures of what the generator leaves out", arranged(rows, 1))


def ring_profile(fakes: Tensor, about: Material) -> Image.Image:
    """Contrast by distance from the border; and where in the picture it is."""
    sides = {"fakes": (FAKE, to_signed(few(fakes))), "reals": (REAL, to_signed(few_reals(about)))}
    rings = {name: (colour, artefacts.ring_contrast(x).tolist()) for name, (colour, x) in sides.items()}
    maps = {name: x.std(0).mean(0) for name, (_, x) in sides.items()}
    most = max(float(map_.max()) for map_ in maps.values()) or 1.0
    tiles = [
        captioned(enlarged(heat(map_ / most), LARGE), f"standard deviation of each pixel, {name}")
        for name, map_ in maps.items()
    ]
    groups = ["border", "2nd ring", "3rd ring", "4th ring", "inside"]
    chart = bars("contrast: standard deviation of the values", groups, rings)
    return page("The border against the inside", arranged([chart, arranged(tiles, 2)], 1))


def speckle_map(fakes: Tensor, about: Material) -> Image.Image:
    """Where the reals are always alike, how many fakes are not; and the worst of them."""
    side, fakes = about.reference.side, few(fakes)
    mean, quiet = side.mean.cpu(), side.quiet.cpu()
    beyond = ((to_signed(fakes) - mean).abs() > artefacts.DEVIATES) & quiet
    worst = fakes[beyond.flatten(1).sum(1).argmax()]
    tiles = [
        captioned(enlarged(heat(quiet.float().amax(0) * 0.3), LARGE), "where real pictures are constant"),
        captioned(enlarged(heat(beyond.float().mean(0).amax(0)), LARGE), "share of fakes that differ there"),
        captioned(enlarged(worst, LARGE), "the fake that differs most"),
        captioned(enlarged(real(about), LARGE), "a real picture"),
    ]
    return page("Speckle where real pictures are constant (darkest: every fake)", arranged(tiles, 2))


def plain_places(fakes: Tensor, about: Material) -> Image.Image:
    """Where a fake and a real picture are plain: of each kind the one that is so as much as most."""
    tiles = []
    for name, pictures in {"a fake": few(fakes), "a real picture": few_reals(about)}.items():
        plain = artefacts.plain(to_signed(pictures)).float()
        shares = plain.mean((1, 2))
        usual = int(shares.argsort()[len(shares) // 2])
        tiles.append(captioned(enlarged(pictures[usual], LARGE), name))
        tiles.append(
            captioned(enlarged(heat(0.6 * plain[usual]), LARGE), f"{float(shares[usual]):.0%} of it is plain")
        )
    return page("Where neighbouring pixels are alike: red", arranged(tiles, 2))


def value_range(fakes: Tensor, about: Material) -> Image.Image | None:
    """The values of the pixels, from darkest to brightest."""
    sides = {"fakes": artefacts.quantiles(to_signed(fakes)), "reals": about.reference.side.quantiles.cpu()}
    levels = torch.linspace(0.5, 99.5, 101).tolist()
    series = {name: list(zip(levels, found.tolist(), strict=True)) for name, found in sides.items()}
    return curves("Values of the pixels in order, -1 black to 1 white", "% of the pixels are darker", series)


def _by_step(values: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """One point a step: of the closing looks, which are several, the last, whose numbers are told."""
    return list({float(step): (float(step), float(value)) for step, value in values}.values())


def history(title: str, signals: Sequence[str], about: Material) -> Image.Image | None:
    """How signals went; at the first look, where they stand."""
    found = {
        name: _by_step((row["step"], row[name]) for row in about.history if _known(row.get(name)))
        for name in signals
    }
    found = {name: points for name, points in found.items() if points}
    steps = {step for points in found.values() for step, _ in points}
    if len(steps) == 1:
        values = [points[0][1] for points in found.values()]
        return bars(title, list(found), {f"step {min(steps):g}": (FAKE, values)})
    return curves(title, "step", found)


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _features(about: Material, images: Tensor) -> Tensor:
    return about.reference.space("pca64")(images).cpu().double()


# ---- Which rule is shown by what -------------------------------------------------------------------------

Drawn = Callable[[Material], Image.Image | None]


def of_fakes(draw: Callable[[Tensor, Material], Image.Image | None]) -> Drawn:
    return lambda about: None if about.fakes is None else draw(about.fakes.cpu(), about)


def by_step(title: str, *signals: str) -> Drawn:
    return partial(history, title, signals)


EXHIBITS: dict[str, Drawn] = {
    "GD001": by_step("The losses until they were no numbers any more", "loss_d", "loss_g"),
    "GD002": by_step("What D hands on, and the size of G's gradient", "transmission", "grad_norm_g"),
    "GD003": of_fakes(value_range),
    "GD004": by_step(
        "Gradient that moved a player, over that of its own loss", "used_ratio_g", "used_ratio_d"
    ),
    "GD101": by_step("D's loss over its value at equilibrium", "loss_d_ratio"),
    "GD102": by_step("What G's loss still says, and what D hands on", "signal_g", "transmission"),
    "GD103": by_step("How far D's answers differ", "logit_sd"),
    "GD104": by_step("The losses", "loss_d", "loss_g"),
    "GD201": of_fakes(nearest_pairs),
    "GD202": of_fakes(missing_classes),
    "GD203": by_step("Distance between the fakes and the real pictures (fd_pca64)", "fd_pca64"),
    "GD301": of_fakes(spectrum),
    "GD302b": of_fakes(fine_detail),
    "GD302c": of_fakes(directions),
    "GD302d": of_fakes(plain_places),
    "GD303": of_fakes(ring_profile),
    "GD304": of_fakes(speckle_map),
    "GD401": by_step(
        "Training pictures ranked above unseen ones (0.5: by chance), and either above fakes",
        *("auc_seen", "auc_train", "auc_held_out"),
    ),
    "GD402": of_fakes(nearest_training),
}
"""Rule -> what draws its evidence."""
