"""What is wrong with pictures as such: lattices, missing detail, borders, plain places, speckle, range.

Pictures are float N x C x H x W in [-1, 1], H == W. A number is compared with the same number of the reals.
Where a picture is not finite the number is nan. Pictures are averaged over in blocks: memory stays flat.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gantrain.metrics.distances import all_finite, as_double

HELD = 2**15
"""Values of pictures that are worked on at a time."""
SILENCE = 1e-12
"""Power that stands for none: the square of a millionth of a picture's range. Keeps logarithms finite."""
STILL = 1e-4
"""Contrast that stands for none."""
QUIET, DEVIATES = 0.06, 0.2  # standard deviation of the reals at a place; distance of a fake from their mean
SATURATED = 0.98
PLAIN = 0.08
"""Range of values, ten of 256 grey levels, within which neighbouring pixels look alike."""
VALUES = 2**17
"""Values, at most, that are sorted for quantiles."""


def _blocks(images: Tensor) -> Iterator[Tensor]:
    return map(as_double, torch.split(images, max(1, HELD // images[0].numel())))


def _averaged(images: Tensor, what: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean over N of what(pictures), N x ..., in blocks; on the CPU, since it is read value by value."""
    total = sum((what(block).sum(0) for block in _blocks(images)), start=torch.zeros(()))
    return (total / len(images)).cpu()


# Spectrum


def power_spectrum(images: Tensor) -> Tensor:
    """|FFT|^2 of each picture and channel less its mean, under a Hann window, averaged over N and C.

    float64 H x W on the CPU, zero frequency first, scaled so that white noise of variance v has v everywhere.
    """
    window = torch.hann_window(images.shape[-1], dtype=torch.float64)
    window = window[:, None] * window

    def spectra(x: Tensor) -> Tensor:
        centred = x - x.mean((2, 3), keepdim=True)
        return torch.fft.fft2(centred * window.to(x.device)).abs().square().mean(1)

    return _averaged(images, spectra) / window.square().sum()


def lattice_peak(spectrum: Tensor, period: int) -> float:
    """How far the frequencies of a pattern of this period stand out: 0 none, 1 ten times the power around.

    max over (u, v) in {k H / s}^2 without (0, 0) of log10(P(u, v) / median of P at 2 to 3 steps from there).
    Only whole k H / s count: none at all (an odd H at period 2) gives nan.
    """
    spectrum, size = spectrum.cpu(), len(spectrum)
    lines = [k * size // period for k in range(period) if k * size % period == 0]
    peaks = [_stands_out(spectrum, u, v) for u in lines for v in lines if (u, v) != (0, 0)]
    return max(peaks) if peaks and all_finite(spectrum) else math.nan


def _stands_out(spectrum: Tensor, u: int, v: int) -> float:
    steps = torch.arange(-3, 4)
    patch = spectrum[(u + steps)[:, None] % len(spectrum), (v + steps) % len(spectrum)]
    # Hann's window spreads a line over its neighbours at 1 step, and no further
    around = patch[(steps.abs()[:, None] > 1) | (steps.abs() > 1)]
    return math.log10((float(patch[3, 3]) + SILENCE) / (float(around.median()) + SILENCE))


def distances(size: int) -> Tensor:
    """int64 H x W: how far each frequency is from zero, which comes first, in whole steps."""
    steps = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
    return torch.hypot(steps[:, None], steps).round().long()


def radial_profile(spectrum: Tensor) -> Tensor:
    """Mean power at each whole distance 0 .. H // 2 from frequency zero (Durall et al. 2020)."""
    size, radius = len(spectrum), distances(len(spectrum)).flatten()
    totals = torch.bincount(radius, spectrum.cpu().flatten())
    return (totals / torch.bincount(radius))[: size // 2 + 1]


def detail(fake_spectrum: Tensor, real_spectrum: Tensor) -> float:
    """Mean log10 ratio, fake / real, of the radial profiles over the highest quarter of frequencies.

    -1: a tenth of the fine structure's power.
    """
    fake, real = radial_profile(fake_spectrum) + SILENCE, radial_profile(real_spectrum) + SILENCE
    return float((fake / real).log10()[-(len(real) // 4) :].mean())


def along_axes(spectrum: Tensor) -> float:
    """Mean log10 ratio of the power along the two axes of frequency over that beside them, at equal distances
    H / 8 .. H / 2 from frequency zero: structure that follows rows or columns of pixels.

    0 for noise; above it for what is drawn by straight lines. nan for pictures too small to have both.
    """
    size = len(spectrum)
    steps = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64).abs()
    u, v = steps[:, None].expand(size, size), steps.expand(size, size)
    radius, logs = distances(size), (spectrum.cpu() + SILENCE).log10()

    def by_radius(where: Tensor) -> Tensor:
        totals = torch.bincount(radius[where], logs[where], size)
        return totals / torch.bincount(radius[where], minlength=size)  # nan, where there is none

    axes = (u <= 1) | (v <= 1)  # Hann's window spreads a line over its neighbours
    ratios = by_radius(axes) - by_radius((u > 2) & (v > 2))
    return float(ratios[size // 8 : size // 2 + 1].nanmean()) if all_finite(spectrum) else math.nan


def streaks(fake_spectrum: Tensor, real_spectrum: Tensor) -> float:
    """How much more of the structure follows rows and columns than in the reals: log10, see `along_axes`."""
    return along_axes(fake_spectrum) - along_axes(real_spectrum)


# Phases: what depends on where in a period of s pixels a pixel stands


def phase_energy(images: Tensor, period: int) -> float:
    """Coefficient of variation, over the s x s phases, of the mean |Laplacian| (after Gallagher 2005).

    0: a pixel's place in the period does not matter. 0 for constant pictures.
    """
    inside = _whole_periods(images, period)

    def energy(x: Tensor) -> Tensor:
        sides = x.roll(1, 2) + x.roll(-1, 2) + x.roll(1, 3) + x.roll(-1, 3)
        return (4 * x - sides).abs()[:, :, inside, inside].mean(1)

    phases = _averaged(images, energy)
    periods = len(phases) // period
    phases = phases.reshape(periods, period, periods, period).mean((0, 2))
    return _over_mean(phases.std(correction=0), phases)


def phase_difference(images: Tensor, period: int) -> float:
    """(max - min) / mean, over the s phases, of the mean |right - x| by column plus |below - x| by row.

    Tells blocks, which have no difference inside, from a checkered pattern, which has the same everywhere: 2
    for pictures of doubled pixels, about 0 for a checkerboard. 0 for constant pictures.
    """
    inside = _whole_periods(images, period)

    def differences(x: Tensor) -> Tensor:
        right, below = (x.roll(-1, 3) - x).abs(), (x.roll(-1, 2) - x).abs()
        return (right.mean((1, 2)) + below.mean((1, 3)))[:, inside]

    phases = _averaged(images, differences).reshape(-1, period).mean(0)
    return _over_mean(phases.max() - phases.min(), phases)


def _whole_periods(images: Tensor, period: int) -> slice:
    """Pixels that have both neighbours, as many of each phase; the outermost period is left out."""
    last = (images.shape[-1] - 1) // period
    assert last > 1, (images.shape, period)
    return slice(period, last * period)


def _over_mean(value: Tensor, phases: Tensor) -> float:
    mean = phases.mean()
    return float(value / mean) if mean != 0 else 0.0


# Border


def ring_contrast(images: Tensor, rings: int = 4) -> Tensor:
    """Standard deviation, over N, C and pixels, in the outermost ring, the next, ..., and in the interior.

    float64, rings + 1 values, on the CPU.
    """
    size = images.shape[-1]
    assert 2 * rings < size, (rings, size)
    mean, square = _averaged(images, lambda x: torch.stack([x, x.square()], 1).mean(2))
    edge = torch.arange(size)
    edge = torch.minimum(edge, size - 1 - edge)
    ring = torch.minimum(edge[:, None], edge).clamp(max=rings)
    variances = [square[ring == k].mean() - mean[ring == k].mean().square() for k in range(rings + 1)]
    return torch.stack(variances).clamp(min=0).sqrt()


def border_contrast(fake_rings: Tensor, real_rings: Tensor) -> float:
    """B = rho_0 - rho_2, rho_k = log2(fake_k / real_k): octaves of contrast that the border has too much."""
    rho = (fake_rings.clamp(min=STILL) / real_rings.clamp(min=STILL)).log2()
    return float(rho[0] - rho[2])


def border_flatness(real_rings: Tensor) -> float:
    """Contrast of the outermost ring over that of the interior; near 0 for pictures with a plain frame."""
    return float(real_rings[0] / real_rings[-1].clamp(min=STILL))


# Plain places


def plain(images: Tensor) -> Tensor:
    """bool N x (H - 2) x (W - 2): where the values of 3 x 3 pixels span less than PLAIN in every channel."""
    span = F.max_pool2d(images, 3, 1) + F.max_pool2d(-images, 3, 1)
    return span.amax(1) < PLAIN


def plain_share(images: Tensor) -> float:
    """Share of the inner pixels that stand in a plain place, 0..1; nan where a value is not finite."""
    return float(_averaged(images, lambda x: plain(x).double().mean((1, 2)) + 0 * x.mean((1, 2, 3))))


def plainness(fake_share: float, real_share: float) -> float:
    """How much of the reals' plain area the fakes have: 1 as much, 0 none. nan if the reals have none."""
    return fake_share / real_share if real_share else math.nan


# Range


class Background(NamedTuple):
    """C x H x W each: the mean real picture, and where the reals hardly differ (sd < QUIET)."""

    mean: Tensor
    quiet: Tensor


def background(real: Tensor) -> Background:
    """Where the real pictures are always the same; nowhere, if there is but one."""
    mean, square = _averaged(real, lambda x: torch.stack([x, x.square()], 1))
    variance = (square - mean.square()).clamp(min=0)
    return Background(mean, (variance.sqrt() < QUIET) & (len(real) > 1))


def speckle(fake: Tensor, background: Background) -> float:
    """Share of the values at quiet places that deviate from the real mean by more than DEVIATES, 0..1.

    0 if there is no quiet place.
    """
    mean, quiet = background
    if not quiet.any():
        return 0.0
    at, expected = quiet.cpu(), mean.cpu()[quiet.cpu()]
    return _share(fake, lambda x: x[:, at.to(x.device)] - expected.to(x.device), DEVIATES)


def quantiles(images: Tensor) -> Tensor:
    """101 quantiles of the values, at levels evenly spaced from 0.5 % to 99.5 %: float64, on the CPU.

    Of more than VALUES values every n-th is taken.
    """
    values = images.flatten()
    stride = -(-len(values) // VALUES)
    while math.gcd(stride, images[0].numel()) > 1:  # or it would visit some pixels only
        stride += 1
    levels = torch.linspace(0.005, 0.995, 101, dtype=torch.float64)
    return as_double(values[::stride]).cpu().quantile(levels)


def range_distance(fake_q: Tensor, real_q: Tensor, real_std: float) -> float:
    """1-Wasserstein distance of the values, from their quantiles, over the reals' standard deviation."""
    return float((fake_q - real_q).abs().mean()) / real_std if real_std else math.nan


def range_overlap(fake_q: Tensor, real_q: Tensor) -> float:
    """How much of the reals' range (0.5 % to 99.5 %) the fakes' range covers, 0..1."""
    if not all_finite(fake_q, real_q) or real_q[-1] == real_q[0]:
        return math.nan
    common = torch.minimum(fake_q[-1], real_q[-1]) - torch.maximum(fake_q[0], real_q[0])
    return float(common.clamp(min=0) / (real_q[-1] - real_q[0]))


def saturation(images: Tensor) -> float:
    """Share of values with |x| > SATURATED, 0..1."""
    return _share(images, lambda x: x.flatten(1), SATURATED)


def _share(images: Tensor, what: Callable[[Tensor], Tensor], limit: float) -> float:
    """Share of the values of what(pictures), N x ..., beyond +- limit."""

    def shares(x: Tensor) -> Tensor:
        size = what(x).abs()
        return ((size > limit) + 0 * size).mean(1)  # nan, where a value is not finite

    return float(_averaged(images, shares))
