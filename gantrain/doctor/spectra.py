"""Pictures of frequencies: lattices, streaks, the loss of fine detail."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from gantrain.data.store import to_signed
from gantrain.doctor.drawing import MARK, arranged, captioned, curves, enlarged, heat, page
from gantrain.doctor.material import LARGE, Material, few, real
from gantrain.metrics import artefacts
from gantrain.metrics.likeness import PERIODS


def spectrum(fakes: Tensor, about: Material) -> Image.Image:
    """How far each frequency stands out, of fakes and reals, the lattice's ringed; and an example of each."""
    tiles = []
    for name, power in _powers(fakes := few(fakes), about).items():
        shown = enlarged(heat(_centred(_standing_out(power))), LARGE)
        peaks = (f"period {period} {artefacts.lattice_peak(power, period):+.2f}" for period in PERIODS)
        told = f"log10 of it: {', '.join(peaks)}"
        tiles.append(captioned(_ringed(shown, len(power) + 1), f"power over that around it, {name}", told))
    tiles.append(captioned(enlarged(_most_lattice(fakes), LARGE), "the fake that shows it most"))
    tiles.append(captioned(enlarged(real(about), LARGE), "a real picture"))
    title = "A pattern that repeats every 2 or 4 pixels is dark inside the rings (middle: slow changes)"
    return page(title, arranged(tiles, 2))


def directions(fakes: Tensor, about: Material) -> Image.Image:
    """How far each frequency exceeds the others at its distance, of both; and an example of each."""
    tiles = []
    for name, power in _powers(fakes := few(fakes), about).items():
        shown = enlarged(heat(_centred(_of_its_ring(power))), LARGE)
        told = f"log10 of it along the axes: {artefacts.along_axes(power):+.2f}"
        tiles.append(captioned(shown, f"power over that of all directions, {name}", told))
    streaks = [artefacts.along_axes(artefacts.power_spectrum(to_signed(fake[None]))) for fake in fakes]
    most = fakes[int(np.nanargmax(streaks))]
    tiles.append(captioned(enlarged(most, LARGE), "the fake that shows it most"))
    tiles.append(captioned(enlarged(real(about), LARGE), "a real picture"))
    return page("Lines along rows and columns are a dark cross (middle: slow changes)", arranged(tiles, 2))


def _of_its_ring(power: Tensor) -> Tensor:
    """log10 of the power over the mean power at its distance from frequency zero: H x W."""
    profile = artefacts.radial_profile(power)
    usual = profile[artefacts.distances(len(power)).clamp(max=len(profile) - 1)]
    return ((power + artefacts.SILENCE) / (usual + artefacts.SILENCE)).log10()


def _powers(fakes: Tensor, about: Material) -> dict[str, Tensor]:
    """Mean power of each frequency, H x W."""
    reals = about.reference.side.spectrum.cpu()
    return {"fakes": artefacts.power_spectrum(to_signed(fakes)), "reals": reals}


def _standing_out(power: Tensor) -> Tensor:
    """log10 of the power over the median of that at 2 to 3 steps, as in `lattice_peak`: H x W."""
    logs = (power + artefacts.SILENCE).log10()
    steps = range(-3, 4)
    around = [logs.roll((u, v), (0, 1)) for u in steps for v in steps if max(abs(u), abs(v)) > 1]
    return logs - torch.stack(around).median(0).values


def _centred(power: Tensor) -> Tensor:
    """H x W, zero frequency first -> (H + 1) x (H + 1), -H/2 .. H/2: the highest ones on both sides."""
    half = len(power) // 2
    index = torch.arange(-half, half + 1) % len(power)
    return power[index][:, index]


def _ringed(image: Image.Image, size: int) -> Image.Image:
    """Rings around the frequencies of PERIODS; `size`: of the map, the zero frequency in the middle."""
    pen, scale, middle = ImageDraw.Draw(image), image.width / size, size // 2
    lines = {k * (size - 1) // period - middle for period in PERIODS for k in range(period + 1)}
    for u in lines:
        for v in lines - ({0} if u == 0 else set()):
            x, y, r = (middle + u + 0.5) * scale, (middle + v + 0.5) * scale, max(1.6 * scale, 6)
            pen.ellipse((x - r, y - r, x + r, y + r), outline=MARK, width=2)
    return image


def _most_lattice(fakes: Tensor) -> Tensor:
    """The fake whose power at the lattice's frequencies exceeds that two steps away by the most."""
    signed, size = to_signed(fakes).mean(1), fakes.shape[-1]
    window = torch.hann_window(size)[:, None] * torch.hann_window(size)
    power = torch.fft.fft2((signed - signed.mean((1, 2), keepdim=True)) * window).abs().square()
    around = sum(power.roll(steps, axis) for steps in (-2, 2) for axis in (1, 2)) / 4
    lines = sorted({k * size // period for period in PERIODS for k in range(period)})
    excess = (power - around)[:, lines][:, :, lines].flatten(1)[:, 1:]  # without the zero frequency
    return fakes[excess.sum(1).argmax()]


def fine_detail(fakes: Tensor, about: Material) -> Image.Image | None:
    """Power by frequency, of fakes and reals, whatever the direction."""
    powers = _powers(few(fakes), about).items()
    profiles = {name: artefacts.radial_profile(power).tolist()[1:] for name, power in powers}
    series = {
        name: [(float(k), v + artefacts.SILENCE) for k, v in enumerate(profile, 1)]
        for name, profile in profiles.items()
    }
    return curves("Power by frequency: fine detail is on the right", "waves across the picture", series)
