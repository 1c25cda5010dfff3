"""The pictures of evidence show what they say, pixel by pixel where that can be said."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import Generator, Tensor
from torch.testing import assert_close

from gantrain.data.sources import digits
from gantrain.data.split import split
from gantrain.data.store import to_signed, to_uint8
from gantrain.doctor import drawing, exhibits, spectra
from gantrain.doctor.exhibits import EXHIBITS, exhibit
from gantrain.doctor.material import LARGE, SMALL, Material
from gantrain.doctor.rules.registry import RULES
from gantrain.metrics.artefacts import lattice_peak, power_spectrum
from gantrain.metrics.reference import Reference

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ROWS = [
    {
        "step": 50.0 * k,
        "loss_d": 1.4,
        "loss_g": 0.7,
        "loss_d_ratio": 1.0,
        "transmission": 10.0**k,
        "signal_g": 0.5,
    }
    | {"grad_norm_g": 3.0, "used_ratio_g": 0.0, "used_ratio_d": 1.4, "logit_sd": 0.0}
    | {"fd_pca64": 1.0 / (1 + k), "auc_train": 0.9, "auc_held_out": 0.9 - 0.1 * k}
    for k in range(4)
]


@pytest.fixture(scope="module")
def material() -> Material:
    """Fakes that are real digits without eights and nines, with a checkered pattern over them."""
    images = split(digits(image_size=16))
    assert images.labels is not None
    assert images.train is not None
    reference = Reference(images.images, images.labels, images.train, "train", 256)
    kept = (reference.labels < 8).nonzero().flatten()[:200]  # type: ignore[operator]
    fakes = reference.pictures(kept).clone()
    fakes[..., ::2, ::2] = fakes[..., ::2, ::2].clamp(max=215) + 40
    train = reference.pictures(slice(300))
    return Material(reference, fakes, lambda: train, ROWS, {"facts.class_names": NAMES})


def shown(rule: str, material: Material) -> Tensor:
    picture = exhibit(rule, material)
    assert picture is not None
    return picture


def places_of(tile: Tensor, page: Tensor) -> list[tuple[int, int]]:
    """(y, x) wherever the tile (uint8 C x h x w) stands on the page, enlarged as small pictures are."""
    image = as_tile(tile)
    h, w = image.shape[1:]
    rows, first = page.permute(1, 2, 0).contiguous(), image[:, 0].T.contiguous().numpy().tobytes()
    found = []
    for y in range(page.shape[1] - h + 1):
        line, x = rows[y].numpy().tobytes(), -1
        while (x := line.find(first, x + 1)) >= 0:
            if x % 3 == 0 and torch.equal(page[:, y : y + h, x // 3 : x // 3 + w], image):
                found.append((y, x // 3))
    return found


def as_tile(picture: Tensor) -> Tensor:
    """The enlargement by hand: every pixel becomes a square."""
    factor = round(SMALL / picture.shape[-1])
    return picture.repeat_interleave(factor, 1).repeat_interleave(factor, 2).expand(3, -1, -1)


def coloured(page: Tensor, colour: tuple[int, int, int]) -> Tensor:
    return (page == torch.tensor(colour, dtype=torch.uint8)[:, None, None]).all(0)


# ---- All of them -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", EXHIBITS)
def test_every_exhibit_is_a_picture(rule: str, material: Material) -> None:
    state = torch.get_rng_state()
    page = shown(rule, material)
    assert page.dtype == torch.uint8
    assert page.shape[0] == 3
    assert 150 < page.shape[1] < 900
    assert 300 < page.shape[2] < 900
    assert coloured(page, drawing.PAPER).float().mean() > 0.1
    assert coloured(page, drawing.INK).any()  # it has words
    assert torch.equal(page, shown(rule, material))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("rule", EXHIBITS)
def test_without_material_there_is_no_picture(rule: str, material: Material) -> None:
    assert exhibit(rule, Material(material.reference)) is None


def test_exhibits_belong_to_rules() -> None:
    assert EXHIBITS.keys() <= {rule.id for rule in RULES}


def test_a_rule_without_a_picture_has_none(material: Material) -> None:
    assert exhibit("GD501", material) is None


def test_colour_and_large_pictures_are_drawn_as_well() -> None:
    noise = torch.randint(0, 256, (60, 3, 128, 128), dtype=torch.uint8, generator=Generator().manual_seed(0))
    reference = Reference(noise, None, torch.arange(60), "train", 60)
    large = Material(reference, noise[:40], lambda: noise)
    for rule in EXHIBITS:
        page = exhibit(rule, large)
        assert page is None or max(page.shape) < 900
    assert exhibit("GD202", large) is None  # no labels


# ---- One by one ------------------------------------------------------------------------------------------


def test_nearest_pairs_stand_side_by_side(material: Material) -> None:
    assert material.fakes is not None
    fakes = material.fakes.clone()
    fakes[7] = fakes[90]
    page = shown("GD201", replace(material, fakes=fakes))
    places = places_of(fakes[7], page)
    assert len(places) == 2
    (y, x), (other_y, other_x) = places
    assert y == other_y
    assert other_x - x == as_tile(fakes[7]).shape[2] + 2


def test_closest_pairs_by_brute_force() -> None:
    features = torch.randn(30, 5, dtype=torch.float64, generator=Generator().manual_seed(1))
    every = sorted(
        (float((features[i] - features[j]).norm()), i, j) for i in range(30) for j in range(i + 1, 30)
    )
    expected: list[tuple[float, int, int]] = []
    for distance, i, j in every:
        if not {i, j} & {k for _, *pair in expected for k in pair}:
            expected.append((distance, i, j))
    assert_close(exhibits._closest(features, 4), expected[:4])


def test_a_copy_stands_above_its_original(material: Material) -> None:
    assert material.fakes is not None
    assert material.train is not None
    train = material.train()
    fakes = material.fakes.clone()
    fakes[3] = train[11]
    page = shown("GD402", replace(material, fakes=fakes))
    above, below = places_of(train[11], page)
    assert above[1] == below[1]
    assert below[0] - above[0] == as_tile(train[11]).shape[1] + 2
    assert exhibit("GD402", replace(material, train=None)) is None


def test_missing_classes_are_shown_by_real_pictures(material: Material) -> None:
    page, reference = shown("GD202", material), material.reference
    assert reference.labels is not None
    for number, there in [(8, True), (9, True), (1, False)]:
        first = reference.pictures((reference.labels == number).nonzero().flatten()[:1])[0]
        assert bool(places_of(first, page)) == there
    complete = replace(material, fakes=reference.pictures(slice(400)))
    assert exhibit("GD202", complete) is None


@pytest.mark.parametrize("period", [2, 4])
def test_what_stands_out_is_what_the_rule_measures(period: int, material: Material) -> None:
    assert material.fakes is not None
    power = power_spectrum(to_signed(material.fakes))
    out, size = spectra._standing_out(power), len(power)
    lines = [k * size // period for k in range(period)]
    most = max(float(out[u, v]) for u in lines for v in lines if (u, v) != (0, 0))
    assert_close(most, lattice_peak(power, period), rtol=0, atol=1e-6)


def test_the_spectrum_is_dark_inside_its_rings(material: Material) -> None:
    """The checkered pattern: at half the sampling frequency, that is at the corners of the map."""
    page = shown("GD301", material)
    rings = coloured(page, drawing.MARK).nonzero()
    top, left = rings.min(0).values.tolist()
    assert page[:, top + 3, left + 3].float().mean() < 110 < page[:, top + 3, left + 30].float().mean()


def test_the_fake_with_the_strongest_pattern_is_chosen() -> None:
    fakes = torch.full((6, 1, 16, 16), 100, dtype=torch.uint8)
    fakes[..., :8] += 90  # contrast, but no pattern
    fakes[4, ..., ::2] += 30
    assert torch.equal(spectra._most_lattice(fakes), fakes[4])


def test_the_map_is_centred() -> None:
    power = torch.zeros(8, 8)
    power[0, 0], power[4, 1] = 1.0, 2.0
    centred = spectra._centred(power)
    assert centred[4, 4] == 1.0
    assert centred[0, 5] == centred[8, 5] == 2.0
    assert centred.sum() == 5.0


def test_speckle_is_dark_where_all_fakes_have_it() -> None:
    reals = torch.randint(0, 256, (120, 1, 16, 16), dtype=torch.uint8, generator=Generator().manual_seed(0))
    reals[..., :8, :] = 0
    fakes = reals.clone()
    fakes[:, :, 2, 5] = 200
    fakes[:60, :, 4, 5] = 200
    reference = Reference(reals, None, torch.arange(120), "train", 60)
    page = shown("GD304", Material(reference, fakes))
    for share in (1.0, 0.5):
        colour = drawing.heat(torch.tensor([[share]]))[:, 0, 0]
        assert coloured(page, tuple(colour.tolist())).sum() == (LARGE // 16) ** 2  # type: ignore[arg-type]


def test_plain_places_are_red() -> None:
    reals = torch.full((120, 1, 16, 16), 90, dtype=torch.uint8)
    fakes = reals.clone()
    for place, fake in enumerate(fakes):
        fake[:, : place % 12, ::2] = 200  # the upper rows are striped, five of the median fake
    page = shown("GD302d", Material(Reference(reals, None, torch.arange(120), "train", 60), fakes))
    red = tuple(drawing.heat(torch.tensor([[0.6]]))[:, 0, 0].tolist())
    rows = (14 - 5) + 14  # of 14, whose neighbours are inside, those of the fake and of the real picture
    assert coloured(page, red).sum() == rows * 14 * (LARGE // 14) ** 2  # type: ignore[arg-type]


def test_bars_are_as_high_as_their_values() -> None:
    chart = drawing.bars(
        "t", ["a", "b"], {"x": (drawing.FAKE, [1.0, 0.25]), "y": (drawing.REAL, [0.5, 40.0])}
    )
    tall = {
        colour: coloured(exhibits.as_tensor(chart), colour).sum(0) for colour in (drawing.FAKE, drawing.REAL)
    }
    assert abs(int(tall[drawing.REAL].max()) - drawing.HIGH) < 25  # 40 of 40, and its number above it
    half = drawing.LEFT + drawing.WIDE // 2
    y = drawing.Axis.of([0.0, 40.0])
    for colour, columns, value in [
        (drawing.FAKE, slice(drawing.LEFT, half), 1.0),
        (drawing.REAL, slice(drawing.LEFT, half), 0.5),
    ]:
        heights = tall[colour][columns]
        expected = drawing.row_of(y, 0) - drawing.row_of(y, value)
        assert abs(float(heights[heights > 0].median()) - expected) < 3


def test_bars_go_below_zero_as_well() -> None:
    chart = drawing.bars("t", ["a"], {"x": (drawing.FAKE, [-2.0])})
    assert coloured(exhibits.as_tensor(chart), drawing.FAKE).sum() > 1000


@pytest.mark.parametrize("values", [[0.0, 5.0, 2.0, 4.0], [0.01, 1.0, 10.0, 0.1]])
def test_lines_go_through_their_points(values: list[float]) -> None:
    points = [(100.0 * k, value) for k, value in enumerate(values)]
    chart = drawing.curves("t", "step", {"x": points})
    assert chart is not None
    drawn, y = coloured(exhibits.as_tensor(chart), drawing.FAKE), drawing.Axis.of(values)
    assert y.log == (values[0] > 0)
    for number, (_, value) in enumerate(points):
        x, row = drawing.LEFT + drawing.WIDE * number // 3, round(drawing.row_of(y, value))
        assert drawn[row - 2 : row + 3, x - 2 : x + 3].any(), (number, value)


def test_a_single_place_is_no_line() -> None:
    assert drawing.curves("t", "step", {"x": [(3.0, 1.0)]}) is None
    assert drawing.curves("t", "step", {}) is None


def test_what_was_measured_once_is_shown_by_bars(material: Material) -> None:
    first = replace(material, history=[{"step": 25.0, "used_ratio_g": 0.0, "used_ratio_d": 1.4}])
    page = shown("GD004", first)
    assert coloured(page, drawing.FAKE).sum() > 1000
    assert exhibit("GD004", replace(material, history=[{"step": 25.0, "used_ratio_g": math.nan}])) is None
    three = [{"step": 50.0, "used_ratio_g": value, "used_ratio_d": 1.0} for value in (0.1, 1.7, 0.4)]
    one = [{"step": 50.0, "used_ratio_g": 0.4, "used_ratio_d": 1.0}]
    drawn = [exhibit("GD004", replace(material, history=[*first.history, *last])) for last in (three, one)]
    torch.testing.assert_close(drawn[0], drawn[1], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("span", "step"), [(1.0, 0.2), (10.0, 2.0), (7.0, 2.0), (0.03, 0.01), (2.6, 1.0), (50.0, 10.0)]
)
def test_round_steps(span: float, step: float) -> None:
    assert_close(drawing.round_step(span), step)


def test_axes_begin_at_zero_or_are_logarithmic() -> None:
    plain = drawing.Axis.of([2.0, 9.0])
    assert (plain.low, plain.high, plain.log) == (0.0, 10.0, False)
    assert_close(plain.marks, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0])
    assert plain.place(5.0) == 0.5
    log = drawing.Axis.of([0.02, 50.0])
    assert_close((log.low, log.high), (0.01, 100.0))
    assert_close(log.marks, [0.01, 0.1, 1.0, 10.0, 100.0])
    assert_close(log.place(1.0), 0.5)
    assert drawing.Axis.of([-3.0, 1.0]).low == -3.0
    assert drawing.Axis.of([0.0, 0.0]).high > 0


def test_heat_goes_from_paper_to_dark() -> None:
    colours = drawing.heat(torch.tensor([[-1.0, 0.0, 1 / 3, 1.0, 2.0]])).permute(1, 2, 0)[0].tolist()
    assert colours[0] == colours[1] == list(drawing.HEAT[0])
    assert colours[2] == list(drawing.HEAT[1])
    assert colours[3] == colours[4] == list(drawing.HEAT[-1])


def test_pictures_are_enlarged_by_whole_factors_and_large_ones_averaged() -> None:
    small = torch.randint(0, 256, (1, 16, 16), dtype=torch.uint8)
    assert torch.equal(exhibits.as_tensor(drawing.enlarged(small, SMALL)), as_tile(small))
    large = to_uint8(torch.zeros(3, 2 * SMALL, 2 * SMALL))
    assert drawing.enlarged(large, SMALL).size == (SMALL, SMALL)


def test_tiles_are_arranged_in_rows() -> None:
    tiles = [Image.new("RGB", (width, 10), (width, 0, 0)) for width in (20, 30, 40)]
    whole = drawing.arranged(tiles, 2, gap=5)
    assert whole.size == (40 + 5 + 30, 10 + 5 + 10)
    assert [whole.getpixel(place) for place in ((0, 0), (45, 0), (0, 15))] == [
        (w, 0, 0) for w in (20, 30, 40)
    ]
