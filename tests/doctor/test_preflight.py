"""What untrained generators show."""

from __future__ import annotations

import copy
import importlib
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.testing import assert_close

from gantrain.data.store import to_signed
from gantrain.doctor.preflight import untrained
from gantrain.losses.adversarial import BCE
from gantrain.losses.penalties import Penalty
from gantrain.metrics.artefacts import lattice_peak, phase_difference, power_spectrum
from gantrain.metrics.reference import Reference
from gantrain.networks.init import initialise
from gantrain.networks.latent import Normal
from gantrain.train.step import Rules

SIZE, LATENT = 32, 8


@pytest.fixture(scope="module")
def rules() -> Rules:
    return Rules(BCE(), Penalty(), Normal(LATENT), nn.Identity())


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Coloured noise: smooth enough to have no lattice, and the same at every place of a period."""
    noise = torch.randn(200, 3, SIZE, SIZE, generator=Generator().manual_seed(0))
    smooth = nn.functional.avg_pool2d(nn.functional.pad(noise, (1,) * 4, "circular"), 3, 1)
    pixels = (smooth * 60 + 127).clamp(0, 255).to(torch.uint8)
    return Reference(pixels, None, torch.arange(200), "train", 128)


def network(family: str, classes: int = 0, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    made = importlib.import_module(f"gantrain.networks.{family}").Generator(
        LATENT, 3, SIZE, classes, 3, width=16, **options
    )
    initialise(made, "dcgan")
    return made


def looked_at(made: nn.Module, rules: Rules, reference: Reference, labels: Tensor | None = None) -> Any:
    return untrained(made, rules, reference, labels, Generator().manual_seed(1))


@pytest.mark.parametrize("upsample", ["transpose", "pixelshuffle"])
def test_an_untrained_generator_shows_its_checkerboard(
    upsample: str, rules: Rules, reference: Reference
) -> None:
    assert looked_at(network("dcgan", upsample=upsample), rules, reference)["untrained_lattice_2"] > 1


@pytest.mark.parametrize("upsample", ["nearest", "bilinear"])
def test_resizing_leaves_no_checkerboard(upsample: str, rules: Rules, reference: Reference) -> None:
    found = looked_at(network("dcgan", upsample=upsample), rules, reference)
    assert max(found["untrained_lattice_2"], found["untrained_lattice_4"]) < 0.4


def test_blocks_show_as_a_difference_of_phases(rules: Rules, reference: Reference) -> None:
    """The last layer of this family paints what nearest-neighbour doubling has just enlarged."""
    blocky = looked_at(network("dcgan_mnist", upsample="nearest"), rules, reference)
    smooth = looked_at(network("dcgan_mnist", upsample="bilinear"), rules, reference)
    assert blocky["untrained_phase_difference"] > 0.25 > smooth["untrained_phase_difference"] + 0.1


class Copies(nn.Module):
    """Draws the reals themselves, whatever it is asked."""

    def __init__(self, pictures: Tensor) -> None:
        super().__init__()
        self.pictures = pictures
        self.asked: list[int] = []

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        start = sum(self.asked)
        self.asked.append(len(z))
        return self.pictures[start : start + len(z)]


def test_the_numbers_are_excesses_over_the_reals(rules: Rules, reference: Reference) -> None:
    pictures = to_signed(reference.pictures(slice(128)))
    reals = looked_at(Copies(pictures), rules, reference)
    assert all(abs(value) < 0.15 for value in reals.values()), reals
    checkered = pictures.clone()
    checkered[..., ::2, ::2] += 0.5
    found, spectrum = looked_at(Copies(checkered), rules, reference), power_spectrum(checkered)
    for period in (2, 4):
        excess = lattice_peak(spectrum, period) - lattice_peak(reference.side.spectrum, period)
        assert_close(found[f"untrained_lattice_{period}"], excess)
    differences = [phase_difference(checkered, p) - phase_difference(pictures, p) for p in (2, 4)]
    assert_close(found["untrained_phase_difference"], max(differences))


def test_large_pictures_are_few(rules: Rules) -> None:
    pixels = torch.randint(0, 256, (100, 1, 128, 128), dtype=torch.uint8)
    large = Reference(pixels, None, torch.arange(100), "train", 50)
    drawn = Copies(to_signed(pixels))
    looked_at(drawn, rules, large)
    assert drawn.asked == [32]


def test_an_untrained_generator_stays_untrained(rules: Rules, reference: Reference) -> None:
    made = network("dcgan", classes=3).eval()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    noise = torch.get_rng_state()
    found = looked_at(made, rules, reference, torch.arange(3))
    assert found == looked_at(made, rules, reference, torch.arange(3))
    assert found == looked_at(copy.deepcopy(made).train(), rules, reference, torch.arange(3))
    assert_close(dict(made.state_dict()), before, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), noise)
    assert not any(module.training for module in made.modules())
    assert found != looked_at(made, rules, reference, torch.tensor([1]))
