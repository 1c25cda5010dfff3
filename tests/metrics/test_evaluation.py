from __future__ import annotations

import json
import math

import pytest
import torch
from torch import Generator, Tensor
from torch.testing import assert_close

from gantrain.data import sources
from gantrain.metrics.coverage import overlap
from gantrain.metrics.distances import frechet_distance, kernel_distance, sliced_wasserstein
from gantrain.metrics.evaluation import ClassShare, Measurement, classes_of, evaluate, features_of, measure
from gantrain.metrics.kinds import beside_real, of_real
from gantrain.metrics.reference import Reference
from gantrain.metrics.stamps import Stamp

KINDS = ("fd", "kd", "precision", "recall", "density", "coverage", "vendi", "swd")
SPACES = ("pca64", "rand", "cls")


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    """Real handwritten digits at 16 px and their labels, in random order."""
    found = sources.digits(16)
    order = torch.randperm(found.count, generator=Generator().manual_seed(0))
    assert found.labels is not None
    return found.images[order], found.labels[order]


@pytest.fixture(scope="module")
def judge(digits: tuple[Tensor, Tensor]) -> Reference:
    """Of the first 1,200 digits."""
    return Reference(*digits, torch.arange(1200), "train")


@pytest.fixture(scope="module")
def unseen(digits: tuple[Tensor, Tensor]) -> Tensor:
    return digits[0][1200:]


@pytest.fixture(scope="module")
def real_against_real(judge: Reference, unseen: Tensor) -> dict[str, Measurement]:
    return evaluate(unseen, judge)


def test_every_number_in_every_space(real_against_real: dict[str, Measurement]) -> None:
    assert set(real_against_real) == {f"{kind}_{space}" for kind in KINDS for space in SPACES}


def test_a_set_against_itself(judge: Reference) -> None:
    found = evaluate(judge.pictures(slice(None)), judge)
    for space in SPACES:
        for kind in ("fd", "swd"):
            assert found[f"{kind}_{space}"].value == pytest.approx(0, abs=1e-6)
        # unbiased: the pictures are left out against themselves in one half of the estimate only
        assert -0.2 < found[f"kd_{space}"].value <= 0
        for kind in ("precision", "recall", "coverage", "vendi"):
            assert found[f"{kind}_{space}"].value == pytest.approx(1, abs=1e-9)


def test_real_pictures_give_the_null(real_against_real: dict[str, Measurement]) -> None:
    for name, (value, mean, sd, _, _) in real_against_real.items():
        assert mean is not None
        assert sd is not None
        # of three halvings, which overlap: sd is a rough guess
        tolerance = {"fd": 0.02, "swd": 0.01, "kd": 0.05}.get(name.partition("_")[0], 0.1)
        assert abs(value - mean) < max(6 * sd, tolerance), name


def test_numbers_are_those_of_the_features(judge: Reference, unseen: Tensor) -> None:
    found = evaluate(unseen, judge, ["rand"])
    real, fake = judge.features("rand"), judge.space("rand")(unseen)
    assert found["fd_rand"].value == pytest.approx(frechet_distance(real, fake), rel=1e-6)
    scale = real.shape[1] ** 0.5
    expected_kd = kernel_distance(scale * real, scale * fake)
    assert found["kd_rand"].value == pytest.approx(expected_kd, rel=1e-6)
    assert found["swd_rand"].value == pytest.approx(sliced_wasserstein(real, fake), rel=1e-6)
    expected = overlap(real[: len(fake)], fake)
    assert found["coverage_rand"].value == pytest.approx(expected.coverage, abs=2e-3)


def test_stamps(judge: Reference, unseen: Tensor, real_against_real: dict[str, Measurement]) -> None:
    count = len(unseen)
    for space in SPACES:
        expected = Stamp(space, judge.space(space).hash, 1200, count, "train", True, True, "none")
        assert real_against_real[f"fd_{space}"].stamp == expected
        equal = real_against_real[f"coverage_{space}"].stamp
        assert (equal.n_real, equal.n_fake) == (count, count), "density and coverage need equal numbers"
        few = real_against_real[f"vendi_{space}"].stamp
        assert (few.n_real, few.n_fake) == (512, 512)
    found = evaluate(unseen, judge, ["pca64"], ema=False, eval_mode=None)
    assert (found["fd_pca64"].stamp.ema, found["fd_pca64"].stamp.eval_mode) == (False, None)


def test_nulls_say_how_many(judge: Reference, unseen: Tensor) -> None:
    found = evaluate(unseen, judge, ["pca64"])
    assert found["fd_pca64"].null_n == (603, 597)
    assert found["coverage_pca64"].null_n == (597, 597)
    assert evaluate(unseen[:100], judge, ["pca64"])["fd_pca64"].null_n == (1100, 100)


def test_quick_looks_take_as_many_reals_as_fakes(judge: Reference, unseen: Tensor) -> None:
    found = evaluate(unseen[:200], judge, ["rand"], n_real=200)
    assert (found["fd_rand"].stamp.n_real, found["fd_rand"].stamp.n_fake) == (200, 200)
    assert found["fd_rand"].null_n == (200, 200)
    fake = judge.space("rand")(unseen[:200])
    assert found["fd_rand"].value == pytest.approx(
        frechet_distance(judge.features("rand")[:200], fake), rel=1e-6
    )


def test_halves_of_a_small_set_are_farther_apart_than_the_set_would_be(
    digits: tuple[Tensor, Tensor], unseen: Tensor
) -> None:
    """So what they give is said to be a bound; shares and counts are not distances."""
    few = Reference(digits[0], None, torch.arange(200), "train", spaces=("pca64",))
    found = evaluate(unseen, few, ["pca64"])
    distance = found["fd_pca64"]
    assert distance.null_n == (100, 100)
    assert distance.null_mean is not None
    assert distance.value < 0.8 * distance.null_mean, "real pictures as well, but more of them"
    assert of_real("fd_pca64", distance.plain()) == f"at most {distance.null_mean:.3g}"
    for unbiased in ("coverage_pca64", "kd_pca64"):
        assert of_real(unbiased, found[unbiased].plain()) == f"{found[unbiased].null_mean:.3g}"
    assert beside_real("fd_pca64", distance.plain() | {"value": 4 * distance.null_mean}) == (
        f", at least 4 times what real pictures give (at most {distance.null_mean:.3g})"
    )


def test_of_enough_pictures_halves_are_no_bound(judge: Reference, unseen: Tensor) -> None:
    distance = evaluate(unseen[:100], judge, ["pca64"])["fd_pca64"]
    assert of_real("fd_pca64", distance.plain()) == f"{distance.null_mean:.3g}"
    assert of_real("fd_pca64", distance.plain() | {"null_mean": None}) == ""


def test_blocks_are_as_good_as_one_set(judge: Reference, unseen: Tensor) -> None:
    blocks = iter(torch.split(unseen, 100))
    for name, found in features_of(blocks, judge, ["pca64", "rand"]).items():
        assert_close(found, judge.space(name)(unseen), rtol=1e-4, atol=1e-5)
    assert evaluate(torch.split(unseen, 100), judge, ["pca64"]).keys() == {f"{kind}_pca64" for kind in KINDS}


def test_too_few_reals_for_a_null() -> None:
    images = torch.randint(0, 256, (60, 1, 16, 16), dtype=torch.uint8, generator=Generator().manual_seed(0))
    judge = Reference(images, None, torch.arange(60), "all")
    found = evaluate(images[:20], judge)
    assert set(found) == {f"{kind}_{space}" for kind in KINDS for space in ("pca64", "rand")}
    for measured in found.values():
        assert (measured.null_mean, measured.null_sd, measured.null_n) == (None, None, None)
        assert math.isfinite(measured.value)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_hardly_any_fakes(count: int, judge: Reference, unseen: Tensor) -> None:
    for measured in evaluate(unseen[:count], judge, ["pca64"]).values():
        json.dumps(measured.plain(), allow_nan=False)


def test_measurements_as_json(judge: Reference, real_against_real: dict[str, Measurement]) -> None:
    row = json.loads(json.dumps(real_against_real["fd_rand"].plain(), allow_nan=False))
    assert Stamp(**row["stamp"]) == real_against_real["fd_rand"].stamp
    assert row["value"] == real_against_real["fd_rand"].value
    assert row["null_n"] == [603, 597]
    broken = real_against_real["fd_rand"]._replace(value=math.nan)
    assert broken.plain()["value"] is None


def test_missing_classes_are_dropped(judge: Reference, digits: tuple[Tensor, Tensor], unseen: Tensor) -> None:
    labels = digits[1][1200:]
    features = features_of(unseen[(labels != 3) & (labels != 7)], judge, ["cls"])
    shares = classes_of(features, judge, [f"a {digit}" for digit in range(10)])
    assert [share.name for share in shares if share.dropped] == ["a 3", "a 7"]
    assert sum(share.fake for share in shares) == pytest.approx(1, abs=1e-5)
    real = torch.bincount(digits[1][:1200], minlength=10) / 1200
    assert_close(torch.tensor([share.real for share in shares]), real, rtol=0, atol=0.02)


def test_a_last_class_without_pictures_is_left_out(judge: Reference, unseen: Tensor) -> None:
    names = [f"digit {number}" for number in range(12)]
    shares = classes_of(features_of([unseen], judge), judge, names)
    assert [share.name for share in shares] == names[:10]


@pytest.mark.parametrize(
    ("share", "dropped"),
    [
        (ClassShare("none of 6.9", 0.069, 0.0, 100), False),  # Poisson: exp(-6.9) = 0.00101
        (ClassShare("none of 7", 0.07, 0.0, 100), True),  # 0.00091
        (ClassShare("1 of 9", 0.09, 0.01, 100), False),  # 10 exp(-9) = 0.00123
        (ClassShare("1 of 10", 0.1, 0.01, 100), True),  # 11 exp(-10) = 0.0005
        (ClassShare("a third of 60", 0.6, 0.2, 100), False),  # no chance, but not as good as missing either
    ],
)
def test_a_class_is_dropped_where_chance_would_not_leave_it_out(share: ClassShare, dropped: bool) -> None:
    assert share.dropped == dropped


def test_classes_without_a_classifier(judge: Reference, unseen: Tensor) -> None:
    assert classes_of(features_of(unseen[:20], judge, ["pca64"]), judge) == []
    assert [share.name for share in classes_of(features_of(unseen[:20], judge), judge)] == list("0123456789")


def test_a_kernel_distance_sees_more_than_the_mean(judge: Reference, unseen: Tensor) -> None:
    """A generator that always draws nearly the same is worse than one whose mean is a little off."""
    space = judge.space("pca64")
    features = space(unseen)
    off = torch.zeros(features.shape[1])
    off[0] = 0.1  # of a total variance of 1
    dull, shifted = (measure({"pca64": x}, judge) for x in (0.1 * features, features + off))
    assert dull["fd_pca64"].value > 10 * shifted["fd_pca64"].value
    assert dull["kd_pca64"].value > 3 * shifted["kd_pca64"].value


def test_worse_pictures_measure_worse(judge: Reference, unseen: Tensor) -> None:
    noise = torch.randint(0, 256, unseen.shape, dtype=torch.uint8, generator=Generator().manual_seed(0))
    good, bad = evaluate(unseen, judge), measure(features_of(noise, judge), judge)
    for space in SPACES:
        for kind in ("fd", "kd", "swd"):
            assert bad[f"{kind}_{space}"].value > 5 * abs(good[f"{kind}_{space}"].value)
        for kind in ("recall", "coverage"):
            assert bad[f"{kind}_{space}"].value < 0.1
