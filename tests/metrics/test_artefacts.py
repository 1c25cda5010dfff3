"""Artefacts of known size, planted into pictures."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from gantrain.metrics import artefacts
from gantrain.metrics.artefacts import (
    Background,
    along_axes,
    background,
    border_contrast,
    border_flatness,
    detail,
    lattice_peak,
    phase_difference,
    phase_energy,
    plain_share,
    plainness,
    power_spectrum,
    quantiles,
    radial_profile,
    range_distance,
    range_overlap,
    ring_contrast,
    saturation,
    speckle,
    streaks,
)

SIZES = pytest.mark.parametrize("size", [16, 20, 28, 32, 36, 56])
PERIODS = pytest.mark.parametrize("period", [2, 4])


def noise(*shape: int, seed: int = 0, sd: float = 0.2) -> Tensor:
    return sd * torch.randn(*shape, generator=Generator().manual_seed(seed))


def waves(size: int, period: int, amplitude: float) -> Tensor:
    """A pattern across, of the given period: 1 x 1 x H x W."""
    column = torch.cos(2 * math.pi * torch.arange(size) / period)
    return amplitude * column.expand(1, 1, size, size)


def doubled(images: Tensor, mode: str) -> Tensor:
    return F.interpolate(images, scale_factor=2, mode=mode)


# ---- Spectrum --------------------------------------------------------------------------------------------


@SIZES
def test_white_noise_has_its_variance_at_every_frequency(size: int) -> None:
    found = power_spectrum(noise(400, 3, size, size))
    assert found.shape == (size, size)
    assert found.dtype == torch.float64
    away = found[3:-2, 3:-2]  # the mean that was removed is missing around zero
    assert away.mean() == pytest.approx(0.04, rel=0.02)
    assert_close(away, torch.full_like(away, 0.04), rtol=0.2, atol=0)


def test_spectrum_of_a_wave() -> None:
    """A^2/4 (sum w)^2 / sum w^2 at +-f, a quarter of it at one step, and nothing at two."""
    size, u, amplitude = 32, 8, 0.3
    found = power_spectrum(waves(size, size // u, amplitude))
    window = torch.hann_window(size).double()
    expected = amplitude**2 / 4 * (window.sum() ** 2 / window.square().sum()) ** 2
    assert found[0, u] == pytest.approx(float(expected), rel=1e-5)
    assert found[0, -u] == pytest.approx(float(expected), rel=1e-5)
    assert found[0, u + 1] == pytest.approx(float(expected) / 4, rel=1e-5)
    assert found[1, u] == pytest.approx(float(expected) / 4, rel=1e-5)
    assert found[0, u + 2] < 1e-10
    assert found[2, u] < 1e-10


def test_spectrum_is_the_mean_over_pictures_and_channels_less_their_own_means(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = noise(7, 3, 16, 16)
    expected = torch.stack([power_spectrum(channel[None, None]) for channel in images.flatten(0, 1)]).mean(0)
    assert_close(power_spectrum(images), expected)
    assert_close(power_spectrum(images + torch.rand(7, 3, 1, 1)), expected, rtol=1e-5, atol=1e-8)
    monkeypatch.setattr(artefacts, "HELD", 2 * images[0].numel())  # in blocks of two pictures
    assert_close(power_spectrum(images), expected)


def test_lattice_peak_compares_with_the_typical_power_at_two_and_three_steps() -> None:
    """Neither the line's own foot, which the window makes, nor strong lines nearby count."""
    spectrum = torch.full((16, 16), 2.0).double()
    spectrum[-1, 7:10] = spectrum[:2, 7:10] = 500
    spectrum[0, 8] = 2000
    spectrum[3, 5:12] = spectrum[-3, 5:12] = spectrum[2, 7:9] = spectrum[-2, 7:9] = 1e9  # 18 of the 40 around
    assert lattice_peak(spectrum, 2) == pytest.approx(3)


@SIZES
@PERIODS
def test_lattice_peak_of_a_wave_in_noise(size: int, period: int) -> None:
    """Its power over that of the noise, when the pattern is in every picture."""
    variance, amplitude = 0.04, 0.5
    images = noise(300, 1, size, size) + waves(size, period, amplitude)
    window = torch.hann_window(size).double()
    of_wave = amplitude**2 * (window.sum() ** 2 / window.square().sum()) ** 2 / (4 if period > 2 else 1)
    expected = math.log10(1 + float(of_wave) / variance)
    assert lattice_peak(power_spectrum(images), period) == pytest.approx(expected, abs=0.15)


@SIZES
@PERIODS
def test_white_noise_has_no_lattice_peak(size: int, period: int) -> None:
    found = lattice_peak(power_spectrum(noise(300, 1, size, size)), period)
    assert -0.1 < found < 0.15  # the largest of a few numbers around zero


def test_the_shorter_period_is_among_the_frequencies_of_the_longer_only() -> None:
    fine = power_spectrum(noise(100, 1, 32, 32) + waves(32, 2, 0.5))
    coarse = power_spectrum(noise(100, 1, 32, 32) + waves(32, 4, 0.5))
    assert lattice_peak(fine, 4) == lattice_peak(fine, 2) > 2
    assert lattice_peak(coarse, 4) > 2
    assert lattice_peak(coarse, 2) < 0.3
    across = power_spectrum((noise(100, 1, 32, 32) + waves(32, 2, 0.5)).transpose(2, 3))
    assert lattice_peak(across, 2) > 2


def test_lattice_peak_grows_with_the_square_of_the_amplitude() -> None:
    peaks = [
        lattice_peak(power_spectrum(noise(300, 1, 32, 32) + waves(32, 2, amplitude)), 2)
        for amplitude in (0.1, 0.2, 0.4)
    ]
    assert peaks[1] - peaks[0] == pytest.approx(math.log10(4), abs=0.1)
    assert peaks[2] - peaks[1] == pytest.approx(math.log10(4), abs=0.1)


def test_lattice_peak_does_not_ask_where_the_pattern_begins() -> None:
    texture = noise(200, 1, 32, 32)
    found = [
        lattice_peak(power_spectrum(texture + waves(32, 4, 0.3).roll(shift, 3)), 4) for shift in range(4)
    ]
    assert found == pytest.approx([found[0]] * 4, abs=0.05)


def test_lattice_peak_of_only_some_multiples() -> None:
    """30 pixels have no whole quarter, so at period 4 only the half counts; 27 have neither."""
    spectrum = power_spectrum(noise(50, 1, 30, 30))
    assert lattice_peak(spectrum, 4) == lattice_peak(spectrum, 2)
    assert math.isnan(lattice_peak(power_spectrum(noise(50, 1, 27, 27)), 2))


def test_lattice_peak_sees_dropped_kernels_but_not_nearest_doubling() -> None:
    """Zeros between the pixels, as in a transposed convolution, against a box filter, which is zero there."""
    small = noise(200, 1, 16, 16)
    holes = torch.zeros(200, 1, 32, 32)
    holes[:, :, ::2, ::2] = small + 0.5
    assert lattice_peak(power_spectrum(holes), 2) > 1.5
    assert lattice_peak(power_spectrum(doubled(small, "nearest")), 2) < 0
    assert lattice_peak(power_spectrum(doubled(small, "bilinear")), 2) < 0


@SIZES
def test_constant_pictures_have_no_spectrum(size: int) -> None:
    found = power_spectrum(torch.full((9, 3, size, size), 0.3))
    assert found.max() < 1e-20
    for period in (2, 4):
        assert lattice_peak(found, period) == pytest.approx(0, abs=1e-6)
    assert lattice_peak(torch.zeros(size, size).double(), 2) == 0
    textured = power_spectrum(noise(9, 3, size, size))
    assert detail(found, found) == pytest.approx(0, abs=1e-6)
    assert -12 < detail(found, textured) < -8
    assert 8 < detail(textured, found) < 12


def test_a_pattern_alone_has_a_finite_peak() -> None:
    assert 10 < lattice_peak(power_spectrum(waves(32, 2, 1.0)), 2) < 16


def test_radial_profile() -> None:
    spectrum = torch.zeros(8, 8).double()
    spectrum[0, 0], spectrum[0, 2], spectrum[-2, 0], spectrum[4, 4] = 5, 3, 1, 100
    found = radial_profile(spectrum)
    # radius 2: (0, +-2), (+-2, 0) and (+-1, +-2), (+-2, +-1), whose 2.24 is nearer to 2 than to 3
    assert_close(found, torch.tensor([5, 0, 4 / 12, 0, 0]).double())
    assert_close(radial_profile(torch.ones(28, 28).double()), torch.ones(15).double())


def test_detail_is_the_power_of_the_highest_quarter() -> None:
    images = noise(300, 1, 32, 32)
    spectrum = power_spectrum(images)
    assert detail(spectrum, spectrum) == 0
    assert detail(power_spectrum(images * 0.1), spectrum) == pytest.approx(-2, abs=1e-4)
    low = torch.ones(32, 32).double()
    low[:9, :9] = 100  # nothing at a distance above 12
    assert detail(spectrum * low, spectrum) == 0
    blurred = F.avg_pool2d(images, 3, 1, 1)
    assert detail(power_spectrum(blurred), spectrum) < -0.7


# ---- Phases ----------------------------------------------------------------------------------------------


@SIZES
@PERIODS
def test_noise_has_no_phases(size: int, period: int) -> None:
    images = noise(400, 1, size, size)
    assert phase_energy(images, period) < 0.03
    assert phase_difference(images, period) < 0.03


@SIZES
@PERIODS
def test_constant_pictures_have_no_phases(size: int, period: int) -> None:
    images = torch.full((2, 3, size, size), 0.3)
    assert phase_energy(images, period) == 0
    assert phase_difference(images, period) == 0


@SIZES
def test_phases_of_doubled_pixels(size: int) -> None:
    """Where each pixel stands twice the differences are d, 0: (max - min) / mean = 2."""
    blocky = doubled(noise(300, 1, size // 2, size // 2), "nearest")
    assert phase_difference(blocky, 2) == pytest.approx(2)
    assert phase_energy(blocky, 2) < 0.03  # each of the four has one neighbour of its own across and down
    smooth = doubled(noise(300, 1, size // 2, size // 2), "bilinear")
    assert 0.1 < phase_difference(smooth, 2) < 1.5


def test_phases_of_a_checkered_pattern() -> None:
    """One bright pixel in each 2 x 2: |Laplacian| is 4 there, 2 beside it and 0 across the corner."""
    dots = torch.zeros(1, 1, 28, 28)
    dots[:, :, ::2, ::2] = 1
    assert phase_energy(dots, 2) == pytest.approx(math.sqrt((2**2 + 0 + 0 + 2**2) / 4) / 2)
    assert phase_difference(dots, 2) == 0


def test_a_period_of_four_is_found_at_four() -> None:
    lines = noise(300, 1, 32, 32, sd=0.01)
    lines[:, :, :, ::4] += 0.5
    assert phase_energy(lines, 4) > 0.5
    # |Laplacian| is 1, 1/2, 0, 1/2 of twice the height: by two, 1/2 and 1/2
    assert phase_energy(lines, 2) < 0.05


@PERIODS
def test_a_frame_does_not_count_as_phase(period: int) -> None:
    framed = noise(300, 1, 32, 32)
    framed[:, :, 0], framed[:, :, -1], framed[:, :, :, 0], framed[:, :, :, -1] = 1, -1, -1, 1
    if period == 4:  # at period 2 the first pixel inside it is beside the frame
        assert phase_energy(framed, period) < 0.02
    assert phase_difference(framed, period) < 0.03


@SIZES
@PERIODS
def test_phases_are_those_of_the_picture_itself(size: int, period: int) -> None:
    """The numbers by pixel, as in their definition."""
    images = noise(3, 2, size, size).double()
    last = (size - 1) // period * period
    energy, difference = torch.zeros(period, period).double(), torch.zeros(period).double()
    for y in range(period, last):
        for x in range(period, last):
            at = images[:, :, y, x]
            around = images[:, :, y - 1, x] + images[:, :, y + 1, x]
            around = around + images[:, :, y, x - 1] + images[:, :, y, x + 1]
            energy[y % period, x % period] += (4 * at - around).abs().mean()
    for x in range(period, last):
        difference[x % period] += (images[..., x + 1] - images[..., x]).abs().mean()
        difference[x % period] += (images[..., x + 1, :] - images[..., x, :]).abs().mean()
    assert phase_energy(images, period) == pytest.approx(float(energy.std(correction=0) / energy.mean()))
    expected = float((difference.max() - difference.min()) / difference.mean())
    assert phase_difference(images, period) == pytest.approx(expected)


# ---- Border ----------------------------------------------------------------------------------------------


def with_rings(scales: list[float], size: int = 20) -> Tensor:
    """Noise of standard deviation 0.2, scaled ring by ring from the outside."""
    images = noise(500, 3, size, size)
    for ring, scale in reversed(list(enumerate(scales))):
        inner = images[:, :, ring + 1 : size - ring - 1, ring + 1 : size - ring - 1].clone()
        images[:, :, ring : size - ring, ring : size - ring] *= scale
        images[:, :, ring + 1 : size - ring - 1, ring + 1 : size - ring - 1] = inner
    return images


def test_ring_contrast_is_the_standard_deviation_of_each_ring() -> None:
    found = ring_contrast(with_rings([2, 0.5, 1, 3]) + 0.4)
    assert_close(found, torch.tensor([0.4, 0.1, 0.2, 0.6, 0.2]).double(), rtol=0.02, atol=0)
    images = noise(7, 3, 16, 16)
    frame = torch.ones(16, 16, dtype=torch.bool)
    frame[1:-1, 1:-1] = False
    assert ring_contrast(images)[0] == pytest.approx(float(images[:, :, frame].std(correction=0)))
    interior = images[:, :, 4:-4, 4:-4]
    assert ring_contrast(images)[4] == pytest.approx(float(interior.std(correction=0)))
    assert ring_contrast(images, rings=2)[2] == pytest.approx(
        float(images[:, :, 2:-2, 2:-2].std(correction=0))
    )


@pytest.mark.parametrize("factor", [0.5, 0.7, 1.0, 1.3])
def test_border_contrast_is_log2_of_the_factor_of_the_outermost_ring(factor: float) -> None:
    real, fake = with_rings([1]), with_rings([factor])
    found = border_contrast(ring_contrast(fake), ring_contrast(real))
    assert found == pytest.approx(math.log2(factor), abs=1e-6)
    # what all rings have in common is no matter of the border
    paler = border_contrast(ring_contrast(fake * 0.6), ring_contrast(real))
    assert paler == pytest.approx(math.log2(factor), abs=1e-6)


def test_border_flatness() -> None:
    assert border_flatness(ring_contrast(with_rings([0.4]))) == pytest.approx(0.4, rel=0.02)
    assert border_flatness(ring_contrast(torch.full((3, 1, 16, 16), 0.3))) < 1e-2


def test_rings_of_a_plain_frame_stay_finite() -> None:
    real = noise(50, 1, 16, 16)
    real[:, :, 0], real[:, :, -1], real[:, :, :, 0], real[:, :, :, -1] = -1, -1, -1, -1
    assert border_flatness(ring_contrast(real)) < 1e-3
    assert border_contrast(ring_contrast(real), ring_contrast(real)) == 0
    assert math.isfinite(border_contrast(ring_contrast(noise(50, 1, 16, 16)), ring_contrast(real)))


# ---- Background and range --------------------------------------------------------------------------------


def test_background_is_where_the_reals_are_all_alike() -> None:
    real = noise(300, 1, 16, 16, sd=0.3)
    real[:, :, :4] = noise(300, 1, 4, 16, sd=0.05) - 0.8
    found = background(real)
    assert found.quiet[:, :4].all()
    assert not found.quiet[:, 4:].any()
    assert_close(found.mean, real.double().mean(0))
    assert not background(real[:1]).quiet.any(), "one picture says nothing of what is always the same"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_speckle_is_the_share_that_was_planted(share: float) -> None:
    quiet = torch.zeros(1, 16, 16, dtype=torch.bool)
    quiet[:, :5] = True
    planted = (
        torch.rand(100, 1, 16, 16, generator=Generator().manual_seed(0)).argsort(0).argsort(0) < 100 * share
    )
    fake = torch.where(planted, -0.7, -0.95)  # in exactly that share of the pictures, at every place
    fake[:, :, 5:] = 1
    assert speckle(fake, Background(torch.full((1, 16, 16), -1.0), quiet)) == pytest.approx(share)


def test_without_a_quiet_place_there_is_no_speckle() -> None:
    images = noise(50, 3, 16, 16)
    assert speckle(torch.ones(9, 3, 16, 16), background(images)) == 0


def test_quantiles_of_evenly_spread_values() -> None:
    images = torch.linspace(-1, 1, 40 * 256).view(40, 1, 16, 16)
    assert_close(quantiles(images), torch.linspace(-0.99, 0.99, 101).double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_quantiles_of_many_values_are_those_of_some_at_every_place(
    channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artefacts, "VALUES", 4096)
    columns = torch.linspace(-1, 1, 16).expand(128 // channels, channels, 16, 16)  # every 16th would be alike
    assert_close(quantiles(columns), quantiles(columns[:4]), rtol=0, atol=0.14)  # one step


def test_range_distance_of_a_shift_and_of_a_scale() -> None:
    real = noise(100, 1, 16, 16)
    q = quantiles(real)
    std = float(real.std())
    assert range_distance(q, q, std) == 0
    assert range_distance(quantiles(real + 0.3), q, std) == pytest.approx(0.3 / std, rel=1e-4)
    half = range_distance(quantiles(real / 2), q, std)  # E |x| / 2 = sqrt(2 / pi) / 2, less the tails
    assert half == pytest.approx(math.sqrt(2 / math.pi) / 2, rel=0.05)
    assert math.isnan(range_distance(q, q, 0.0))


def test_range_overlap() -> None:
    real = torch.linspace(-1, 1, 40 * 256).view(40, 1, 16, 16)
    q = quantiles(real)
    assert range_overlap(q, q) == 1
    assert range_overlap(quantiles(real * 3), q) == 1
    assert range_overlap(quantiles(real / 2), q) == pytest.approx(0.5)
    assert range_overlap(quantiles(real / 2 + 0.5), q) == pytest.approx(0.5, abs=0.01)  # a sigmoid's range
    assert range_overlap(quantiles(real + 5), q) == 0
    assert math.isnan(range_overlap(q, quantiles(torch.zeros_like(real))))


def test_saturation() -> None:
    images = torch.tensor([-1.0, -0.99, -0.97, 0.0, 0.5, 0.979, 0.981, 1.0]).repeat(32).view(1, 1, 16, 16)
    assert saturation(images) == pytest.approx(4 / 8)


# ---- Streaks ---------------------------------------------------------------------------------------------


def test_noise_has_no_direction() -> None:
    assert along_axes(power_spectrum(noise(400, 3, 32, 32))) == pytest.approx(0, abs=0.02)
    assert along_axes(power_spectrum(noise(400, 1, 15, 15))) == pytest.approx(0, abs=0.05)


def test_lines_along_rows_and_columns_stand_out_and_slanted_ones_do_not() -> None:
    fine = noise(64, 1, 32, 32, seed=3)
    down = fine + noise(64, 1, 1, 32, seed=4)
    across = fine + noise(64, 1, 32, 1, seed=4)
    slanted = fine + noise(64, 1, 1, 64, seed=4)[:, :, 0].unfold(2, 32, 1)[:, :, :32]  # a step a row
    found = [along_axes(power_spectrum(x)) for x in (down, across, slanted)]
    assert found[0] == pytest.approx(found[1], abs=0.05)
    assert found[0] > 0.5
    assert found[2] < 0


def test_streaks_are_what_the_reals_have_not() -> None:
    """Their logarithms are of ratios: the strength of all frequencies together does not count."""
    real, fake = noise(64, 1, 32, 32), noise(64, 1, 32, 32) + noise(64, 1, 1, 32)
    of_real, of_fake = power_spectrum(real), power_spectrum(fake)
    assert streaks(of_real, 9 * of_real) == pytest.approx(0, abs=1e-6)
    assert streaks(of_fake, of_real) == pytest.approx(along_axes(of_fake) - along_axes(of_real))
    assert math.isnan(streaks(of_fake * math.nan, of_real))


def test_along_axes_by_hand() -> None:
    """Ten times the power on the axes and beside them by one, at every distance; zero frequency left out."""
    steps = torch.fft.fftfreq(16, 1 / 16).abs()
    on = (steps[:, None] <= 1) | (steps <= 1)
    assert along_axes(torch.where(on, 10.0, 1.0).double()) == pytest.approx(1)


# ---- Plain places ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_a_place_is_plain_if_all_nine_pixels_are_alike(channels: int) -> None:
    """One pixel of one channel takes the 3 x 3 places around it."""
    images = torch.full((2, channels, 12, 12), 0.3)
    assert plain_share(images) == 1
    images[0, channels - 1, 5, 5] += 0.07
    assert plain_share(images) == 1, "within ten grey levels"
    images[0, channels - 1, 5, 5] += 0.02
    assert plain_share(images) == pytest.approx(1 - 9 / 200)
    images[1, 0, 0, 0] -= 0.09  # a corner is in one of them
    assert plain_share(images) == pytest.approx(1 - 10 / 200)


def test_a_slow_change_is_plain_and_a_fine_one_is_not() -> None:
    ramp = torch.linspace(-1, 1, 64).expand(4, 3, 64, 64)
    assert plain_share(ramp) == 1
    assert plain_share(ramp[..., ::2]) == 0
    assert plain_share(noise(4, 3, 32, 32)) == 0


def test_plainness_is_a_share_of_the_reals() -> None:
    assert plainness(0.1, 0.4) == pytest.approx(0.25)
    assert math.isnan(plainness(0.1, 0.0))


# ---- All of them -----------------------------------------------------------------------------------------


def all_numbers(images: Tensor) -> dict[str, Any]:
    """Every number there is, of one set of pictures."""
    reals = noise(40, *images.shape[1:], seed=5).to(images)
    reals[:, :, :2] = 0  # a quiet place
    spectrum, rings, q = power_spectrum(images), ring_contrast(images), quantiles(images)
    return {
        "lattice": [lattice_peak(spectrum, period) for period in (2, 4)],
        "detail": detail(spectrum, power_spectrum(reals)),
        "streaks": streaks(spectrum, power_spectrum(reals)),
        "plain": plain_share(images),
        "energy": [phase_energy(images, period) for period in (2, 4)],
        "difference": [phase_difference(images, period) for period in (2, 4)],
        "border": border_contrast(rings, ring_contrast(reals)),
        "flatness": border_flatness(rings),
        "speckle": speckle(images, background(reals)),
        "distance": range_distance(q, quantiles(reals), 0.2),
        "overlap": range_overlap(q, quantiles(reals)),
        "saturation": saturation(images),
    }


def flat(numbers: dict[str, Any]) -> dict[str, float]:
    lists = {name: value if isinstance(value, list) else [value] for name, value in numbers.items()}
    return {f"{name} {i}": value for name, values in lists.items() for i, value in enumerate(values)}


@SIZES
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size_has_every_number(size: int, channels: int) -> None:
    found = flat(all_numbers(noise(1, channels, size, size)))
    assert all(type(value) is float for value in found.values()), found
    assert all(map(math.isfinite, found.values())), found


@pytest.mark.parametrize("value", [-1.0, 0.0, 0.3, 1.0])
def test_constant_pictures_have_every_number(value: float) -> None:
    found = flat(all_numbers(torch.full((8, 3, 28, 28), value)))
    assert all(map(math.isfinite, found.values())), found


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_of_what_is_not_finite_nothing_is_said(value: float) -> None:
    images = noise(40, 1, 16, 16)
    images[7] = value
    found = flat(all_numbers(images))
    assert all(map(math.isnan, found.values())), found


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = noise(41, 3, 16, 16)
    monkeypatch.setattr(artefacts, "HELD", 10**9)
    at_once = flat(all_numbers(images))
    monkeypatch.setattr(artefacts, "HELD", 1)
    assert flat(all_numbers(images)) == pytest.approx(at_once, rel=1e-9)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_the_numbers_of_the_cpu() -> None:
    images = noise(100, 3, 32, 32)
    assert flat(all_numbers(images.cuda())) == pytest.approx(flat(all_numbers(images)), rel=1e-6)
