from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from gantrain.data import sources
from gantrain.data.store import to_signed, to_uint8
from gantrain.errors import GantrainError
from gantrain.metrics import likeness, reference
from gantrain.metrics.reference import Reference

SIGNALS = {
    "vendi_ratio", "variety", "near_pair_ratio", "precision", "recall", "density", "coverage", "fd_pca64",
    "lattice_2", "lattice_4", "phase_energy", "border", "detail", "streaks", "plainness",
    "range_distance", "range_overlap", "saturation", "speckle",
}  # fmt: skip
"""What the rules of the middle tier ask for."""


def pattern(count: int, channels: int = 1, side: int = 16, seed: int = 0) -> Tensor:
    """Random smooth pictures, uint8."""
    coarse = torch.randn(count, channels, 4, 4, generator=Generator().manual_seed(seed))
    smooth = F.interpolate(coarse, (side, side), mode="bicubic")
    fine = torch.randn(count, channels, side, side, generator=Generator().manual_seed(seed + 1))
    return to_uint8(0.4 * smooth + 0.1 * fine)


def made(images: Tensor, members: Tensor | None = None, **options: object) -> Reference:
    labels, split, count, device = (
        options.get(key, default)
        for key, default in (("labels", None), ("split", "train"), ("count", 512), ("device", "cpu"))
    )
    everything = torch.arange(len(images)) if members is None else members
    return Reference(images, labels, everything, split, count, options.get("spaces", ()), device)  # type: ignore[arg-type]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and its folder of references."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "gantrain" / "references"


def contents(found: Reference, *names: str) -> dict[str, object]:
    """Everything that is measured, as plain values."""
    spaces = {name: (found.space(name).hash, found.features(name).tolist()) for name in ("pca64", *names)}
    side = {key: v.tolist() if isinstance(v, Tensor) else v for key, v in found.side.state().items()}
    return {"spaces": spaces, "side": side, "nulls": found.nulls, "n": found.n}


# Which pictures


def test_only_members_are_used_evenly_and_in_random_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "MOST", 100)
    images = pattern(1000)
    members = torch.arange(0, 1000, 2)
    found = made(images, members)
    assert found.count == len(found.rows) == 100
    assert found.rows.sort().values.tolist() == list(range(0, 1000, 10))
    assert (found.rows[:50] < 500).sum() in range(15, 36), "sorted data would give the first class only"
    assert torch.equal(found.pictures(slice(3, 5)), images[found.rows[3:5]])
    assert torch.equal(found.pictures(torch.tensor([7, 2])), images[found.rows[[7, 2]]])
    assert made(images, members).rows.tolist() == found.rows.tolist()


def test_features_are_those_of_the_rows(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "GATHERED", 7 * 16 * 16)
    images = pattern(60)
    found = made(images, torch.arange(10, 60))
    for name in ("pca64", "rand"):
        expected = found.space(name)(images[found.rows])
        assert_close(found.features(name), expected, rtol=1e-4, atol=1e-5)


def test_labels_follow_the_rows(cache: Path) -> None:
    images, labels = pattern(80), torch.arange(80) % 5
    found = made(images, torch.arange(40, 80), labels=labels)
    assert found.labels is not None
    assert torch.equal(found.labels, labels[found.rows])
    assert found.num_classes == 5
    assert found.available == ("pca64", "rand", "cls")
    assert made(images).available == ("pca64", "rand")
    assert made(images).num_classes == 0


def test_labels_like_those_of_the_pictures(cache: Path) -> None:
    """Nine of ten are of one class, and so are nine of ten fakes."""
    labels = torch.cat([torch.zeros(90, dtype=torch.int64), torch.ones(10, dtype=torch.int64)])
    found = made(pattern(100), labels=labels)
    for count in (100, 200):
        drawn = found.labels_like(count)
        assert drawn is not None
        assert torch.bincount(drawn).tolist() == [count * 9 // 10, count // 10]
    assert made(pattern(100)).labels_like(100) is None


def test_pictures_are_compared_in_the_basis_that_is_kept(cache: Path) -> None:
    """Another machine may have fitted pca64.pt anew, with other signs, and left likeness.pt."""
    images = pattern(200)
    made(images)
    (path,) = cache.rglob("pca64.pt")
    content = torch.load(path, weights_only=True)
    content["features"] = -content["features"]
    torch.save(content, path)
    found = made(images)
    assert torch.equal(found.side.features, found.features("pca64")[: found.n])
    assert torch.equal(found.side.features, content["features"][: found.n])


def test_a_space_that_cannot_be(cache: Path) -> None:
    found = made(pattern(20))
    with pytest.raises(GantrainError, match="needs labels, and these data have none"):
        found.space("cls")
    with pytest.raises(GantrainError, match="no such feature space\n  there is: pca64, rand"):
        found.features("inception")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory from /proc")
def test_a_mapped_set_is_never_read_as_a_whole(cache: Path, tmp_path: Path) -> None:
    """800,000 pictures of 32 px RGB, 2.5 GB, in a file without content."""
    shape = (800_000, 3, 32, 32)
    path = tmp_path / "images"
    with open(path, "wb") as file:
        file.truncate(math.prod(shape))
    images = torch.from_file(str(path), size=math.prod(shape), dtype=torch.uint8).view(shape)
    members = torch.arange(300) * 2000

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    made(images, members)
    assert resident() - before < 600e6


# The cache


def test_a_second_start_finds_everything(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = pattern(120), torch.arange(120) % 3
    first = made(images, labels=labels, spaces=("rand", "cls"))
    assert {path.name for path in (cache / first.digest).iterdir()} == {
        "pca64.pt", "likeness.pt", "rand.pt", "cls.pt",
    }  # fmt: skip
    monkeypatch.setattr(reference.PixelPCA, "fit", None)
    monkeypatch.setattr(reference.RandomConv, "fit", None)
    monkeypatch.setattr(reference, "train_classifier", None)
    monkeypatch.setattr(likeness, "nulls", None)
    again = made(images, labels=labels)
    assert contents(again, "rand", "cls") == contents(first, "rand", "cls")
    fakes = pattern(60, seed=9)
    assert again.compare(fakes) == first.compare(fakes)


def test_spaces_asked_for_later_are_added(cache: Path) -> None:
    found = made(pattern(120))
    assert not (cache / found.digest / "rand.pt").exists()
    assert found.features("rand").shape == (120, 64)
    assert (cache / found.digest / "rand.pt").exists()


def test_what_decides_the_entry(cache: Path) -> None:
    images, labels = pattern(60), torch.arange(60) % 2
    altered = images.clone()
    altered[33, 0, 5, 5] ^= 1
    others = [
        made(images),
        made(altered),
        made(images, labels=labels),
        made(images, labels=1 - labels),
        made(images, split="all"),
        made(images, count=20),
        made(images, torch.arange(59)),
    ]
    assert len({found.digest for found in others}) == len(others)


def test_what_does_not_decide_the_entry(cache: Path) -> None:
    """Pictures that are not members: a set may grow, or stand in another order."""
    images = pattern(60)
    longer = torch.cat([pattern(5, seed=4), images])
    assert made(images).digest == made(longer, torch.arange(5, 65)).digest


def test_digests_of_large_sets_read_less_but_of_every_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "HASHED", 60 * 16 * 4)
    images = pattern(60)
    digests = [made(images).digest]
    for picture in (0, 31, 59):
        altered = images.clone()
        altered[picture] ^= 1
        digests.append(made(altered).digest)
    assert len(set(digests)) == 4


def test_of_large_sets_only_the_rows_of_pixels_that_count_are_gathered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reference, "HASHED", 60 * 16 * 4)  # a quarter of 60 pictures of 16 x 16
    images = pattern(60)
    first = made(images).digest
    for row, counts in [(4, True), (5, False)]:
        altered = images.clone()
        altered[:, :, row] ^= 1
        assert (made(altered).digest != first) == counts


@pytest.mark.parametrize("limit", [1_000, 70_000, 200_000])
def test_a_cache_whose_disk_is_full_costs_only_time(limit: int, cache: Path) -> None:
    """Within a file torch tells it by an error of its own."""
    resource = pytest.importorskip("resource", reason="limits the size of files on Unix only")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, usual[1]))
    try:
        found = made(pattern(1200))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert contents(found) == contents(made(pattern(1200)))
    assert not list(cache.rglob("*.partial"))


@pytest.mark.parametrize("name", ["pca64.pt", "likeness.pt"])
@pytest.mark.parametrize("damage", ["cut off", "a byte", "empty", "other content", "a folder"])
def test_damaged_entries_are_made_again(name: str, damage: str, cache: Path) -> None:
    images = pattern(120)
    first = made(images)
    path = cache / first.digest / name
    whole = path.read_bytes()
    if damage == "cut off":
        path.write_bytes(whole[:-100])
    elif damage == "a byte":
        path.write_bytes(whole[:2000] + bytes([whole[2000] ^ 255]) + whole[2001:])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "other content":
        torch.save({"space": 1}, path)
    else:
        path.unlink()
        path.mkdir()
    again = made(images)
    assert contents(again) == contents(first)
    if damage != "a folder":  # in whose place nothing can be put
        assert len(path.read_bytes()) == len(whole), "mended"


def test_a_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gantrain").write_text("a file, where the cache would have its folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = made(pattern(120))
    assert found.nulls
    assert found.features("rand").shape == (120, 64)


def test_two_processes_at_once(cache: Path) -> None:
    program = (
        "import torch; from test_reference import made, pattern; "
        "found = made(pattern(120), spaces=('rand',)); print(found.digest, found.nulls['coverage'])"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    both = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1]
    (entry,) = cache.iterdir()
    assert {path.name for path in entry.iterdir()} == {"pca64.pt", "likeness.pt", "rand.pt"}, "no leftovers"


def test_the_global_random_state_is_left_alone(cache: Path) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    found = made(pattern(120), labels=torch.arange(120) % 3, spaces=("rand", "cls"))
    found.compare(pattern(60, seed=5))
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_remembered_is_made_once(cache: Path) -> None:
    images = pattern(60)
    calls = []

    def make() -> dict[str, object]:
        calls.append(1)
        return {"fd": (1.0, 2.0), "x": torch.ones(3)}

    found = made(images)
    assert found.remembered("null-x", make) is found.remembered("null-x", make)
    again = made(images).remembered("null-x", make)
    assert again["fd"] == (1.0, 2.0)
    assert again["x"].tolist() == [1, 1, 1]
    assert len(calls) == 1


# Real against real


@pytest.fixture(scope="module")
def digits() -> Tensor:
    images = sources.digits(16).images
    return images[torch.randperm(len(images), generator=Generator().manual_seed(0))]


@pytest.fixture(scope="module")
def judge(digits: Tensor) -> Reference:
    """Of 1,200 digits; the others are what a perfect generator would draw."""
    return made(digits, torch.arange(1200))


def deviation(name: str, numbers: dict[str, float], judge: Reference) -> float:
    mean, sd = judge.nulls[name]
    return abs(numbers[name] - mean) / max(sd, 1e-3)


def test_every_signal_has_a_null(judge: Reference) -> None:
    assert judge.n == 512
    assert judge.nulls.keys() == SIGNALS
    assert judge.compare(judge.pictures(slice(512))).keys() == SIGNALS
    assert all(math.isfinite(value) and sd >= 0 for pair in judge.nulls.values() for value, sd in [pair])


def test_nulls_are_where_equal_distributions_are(judge: Reference) -> None:
    means = {name: mean for name, (mean, _) in judge.nulls.items()}
    n = judge.n
    expected = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, 6))  # Naeem et al. 2020
    assert means["coverage"] == pytest.approx(expected, abs=0.02)
    assert means["density"] == pytest.approx(1, abs=0.1)
    for name in ("vendi_ratio", "variety", "near_pair_ratio", "range_overlap"):
        assert means[name] == pytest.approx(1, abs=0.05)
    for name in ("border", "detail", "fd_pca64", "range_distance"):
        assert means[name] == pytest.approx(0, abs=0.06)
    saturated = (to_signed(judge.pictures(slice(None))).abs() > 0.98).float().mean()
    assert means["saturation"] == pytest.approx(float(saturated), abs=0.01)


def test_unseen_real_pictures_lie_within_the_nulls(judge: Reference, digits: Tensor) -> None:
    numbers = judge.compare(digits[1200:])
    assert {
        name: deviation(name, numbers, judge) for name in SIGNALS if deviation(name, numbers, judge) > 5
    } == {}


def test_the_reals_against_themselves(judge: Reference) -> None:
    numbers = judge.compare(judge.pictures(slice(judge.n)))
    for name in ("fd_pca64", "border", "detail", "range_distance"):
        assert numbers[name] == pytest.approx(0, abs=1e-6)
    ratios = ("vendi_ratio", "variety", "near_pair_ratio", "precision", "recall", "coverage", "range_overlap")
    for name in ratios:
        assert numbers[name] == pytest.approx(1, abs=1e-6)


def test_one_picture_over_and_over_has_no_variety(judge: Reference) -> None:
    """log 1 / log V: 0, whatever V; its Vendi ratio is 1 / V."""
    numbers = judge.compare(judge.pictures(slice(1)).repeat(judge.n, 1, 1, 1))
    assert numbers["variety"] == pytest.approx(0, abs=1e-6)
    assert numbers["vendi_ratio"] == pytest.approx(1 / judge.side.distinct)


def checkered(images: Tensor) -> Tensor:
    board = torch.ones(16, 16)
    board[::2, ::2] = 0.6
    return to_uint8((to_signed(images) + 1) * board - 1)


def dim_border(images: Tensor) -> Tensor:
    signed = to_signed(images)
    signed[..., 0] = signed[..., 0] * 0.2
    return to_uint8(signed)


FAULTS = {
    "few pictures": (lambda x: x[:20].repeat(30, 1, 1, 1), {"near_pair_ratio", "coverage", "recall"}),
    "one picture": (
        lambda x: x[:1].repeat(500, 1, 1, 1),
        {"vendi_ratio", "variety", "coverage", "fd_pca64", "recall"},
    ),
    "checkered": (checkered, {"lattice_2", "phase_energy"}),
    "blurred": (
        lambda x: to_uint8(F.avg_pool2d(F.pad(to_signed(x), (1,) * 4, mode="reflect"), 3, 1)),
        {"detail"},
    ),
    "woven": (
        lambda x: to_uint8(
            to_signed(x) + 0.2 * torch.randn(*x.shape[:3], 1, generator=Generator().manual_seed(1))
        ),
        {"streaks"},
    ),
    "noisy": (
        lambda x: to_uint8(to_signed(x) + 0.05 * torch.randn(x.shape, generator=Generator().manual_seed(1))),
        {"plainness"},
    ),
    "half the range": (lambda x: x // 2 + 64, {"range_overlap", "range_distance", "saturation"}),
    "speckled": (
        lambda x: to_uint8(to_signed(x) + 0.4 * torch.randn(x.shape, generator=Generator().manual_seed(1))),
        {"speckle", "detail"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_lie_outside_the_nulls(fault: str, judge: Reference, digits: Tensor) -> None:
    alter, signals = FAULTS[fault]
    numbers = judge.compare(alter(digits[1200:]))
    for name in signals:
        assert deviation(name, numbers, judge) > 10, name


def test_fewer_fakes_than_reals(judge: Reference, digits: Tensor) -> None:
    """Density and coverage are then of as many reals."""
    numbers = judge.compare(digits[1200:1300])
    assert numbers["coverage"] == pytest.approx(judge.nulls["coverage"][0], abs=0.08)
    assert numbers["vendi_ratio"] == pytest.approx(1, abs=0.1)


def test_facts_of_the_data(cache: Path) -> None:
    images, none = pattern(120), pytest.approx(0, abs=0.01)
    uneven = {"border_flatness": pytest.approx(1, abs=0.2), "quiet_share": 0, "plain_share": none}
    assert made(images).facts == uneven
    images[..., :1], images[..., -1:] = 0, 0
    images[..., :1, :], images[..., -1:, :] = 0, 0
    framed = {"border_flatness": 0, "quiet_share": pytest.approx(60 / 256), "plain_share": none}
    assert made(images).facts == framed, "a plain frame, of one pixel"
    images[..., :8] = 0
    assert made(images).facts["plain_share"] == pytest.approx(6 / 14, abs=0.01)


# Sizes


@pytest.mark.parametrize(
    ("count", "wanted", "n"),
    [(1, 512, 1), (2, 512, 2), (20, 512, 20), (99, 512, 99), (100, 512, 50), (150, 60, 60)],
)
def test_small_sets(count: int, wanted: int, n: int, cache: Path) -> None:
    found = made(pattern(count, channels=3), count=wanted, spaces=("rand",))
    assert (found.count, found.n) == (count, n)
    assert bool(found.nulls) == (count >= 100)
    numbers = found.compare(pattern(20, channels=3, seed=8))
    assert numbers.keys() <= SIGNALS
    assert all(map(math.isfinite, numbers.values()))
    assert {"fd_pca64", "saturation", "lattice_2"} <= numbers.keys()


def test_pictures_that_are_all_equal(cache: Path) -> None:
    images = torch.full((120, 1, 16, 16), 9, dtype=torch.uint8)
    found = made(images, spaces=("rand",))
    assert found.compare(images)["fd_pca64"] == 0
    assert all(map(math.isfinite, found.compare(pattern(60)).values()))


def test_large_colour_pictures(cache: Path) -> None:
    found = made(pattern(130, channels=3, side=64), count=60)
    assert found.space("pca64").resize == "averaged to 32 px"
    assert found.space("rand").resize == "none"
    assert found.nulls.keys() >= SIGNALS - {"speckle", "plainness"}


def test_of_large_pictures_fewer_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "FEWEST", 5)
    monkeypatch.setattr(likeness, "VALUES", 20 * 16 * 16)
    monkeypatch.setattr(likeness, "SPECTRAL_VALUES", 16 * 16)
    images = pattern(40)
    other = torch.cat([images[:20], 255 - images[20:]])
    space = reference.PixelPCA.fit(images)
    side, same = likeness.real_side(images, space), likeness.real_side(other, space)
    assert_close(side.rings, same.rings)
    assert torch.equal(side.quantiles, same.quantiles)
    changed = torch.cat([images[:5], 255 - images[5:]])
    assert torch.equal(side.spectrum, likeness.real_side(changed, space).spectrum)
    assert not torch.equal(side.quantiles, likeness.real_side(changed, space).quantiles)


def test_what_is_measured_on_the_cpu_stays_there() -> None:
    """Rings and quantiles are a few numbers, which the artefacts' functions give on the CPU on any device."""
    side = likeness.real_side(pattern(10), reference.PixelPCA.fit(pattern(10)))
    moved = side.to(torch.device("meta"))
    assert moved.features.is_meta
    assert moved.quiet.is_meta
    assert torch.equal(moved.rings, side.rings)
    assert torch.equal(moved.quantiles, side.quantiles)
