"""What differs, which is better, and whether the sentence is true."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from made import CHECKERBOARD, STAMP, sweep

from gantrain.pages.ranking import Comparison, Spread, compare
from gantrain.pages.settings import differing, typed_as

BCE = {"overrides": ["loss=bce"], "choices": {"loss": "bce"}}
HINGE = {"overrides": ["loss=hinge"], "choices": {"loss": "hinge"}}
WGAN = {"overrides": ["loss=wgan"], "choices": {"loss": "wgan", "penalty": "clip"}}


def seeds(one: dict, *values: float, **more: object) -> list[dict]:
    return [{**one, "seed": seed, "fd": [0.9, value], **more} for seed, value in enumerate(values)]


def compared(root: Path, *runs: dict) -> Comparison:
    return compare(sweep(root, *runs))


# ---- What differs ------------------------------------------------------------------------------------------


def test_what_was_swept_differs_and_what_follows_from_it_does_not(tmp_path: Path) -> None:
    """loss=wgan brings penalty=clip: told once."""
    assert differing(sweep(tmp_path, *seeds(BCE, 0.3, 0.3), *seeds(WGAN, 0.2, 0.2))) == ("loss",)


def test_the_seed_is_no_setting(tmp_path: Path) -> None:
    assert differing(sweep(tmp_path, *seeds(BCE, 0.3, 0.2))) == ()


def test_a_default_counts_as_much_as_a_typed_value(tmp_path: Path) -> None:
    typed = {"overrides": ["optim.lr_d=1e-3"], "config": {"optim": {"lr_d": 1e-3}}}
    left = {"overrides": [], "config": {"optim": {"lr_d": 2e-4}}}
    comparison = compared(tmp_path, typed, left)
    assert comparison.keys == ("optim.lr_d",)
    assert {typed_as(c.settings) for c in comparison.candidates} == {"optim.lr_d=0.001", "optim.lr_d=0.0002"}


def test_what_nobody_typed_is_found_all_the_same(tmp_path: Path) -> None:
    """Runs of two versions, or of two folders of options."""
    a, b = ({"config": {"model": {"width": width}}} for width in (16, 32))
    assert differing(sweep(tmp_path, a, b)) == ("model.width",)


def test_how_a_run_is_watched_is_no_setting(tmp_path: Path) -> None:
    a, b = ({"overrides": [f"tracking.every={n}"], "config": {"tracking": {"every": n}}} for n in (1, 2))
    assert differing(sweep(tmp_path, a, b)) == ()


# ---- Which is better ---------------------------------------------------------------------------------------


def test_mean_and_spread_over_seeds() -> None:
    spread = Spread((0.1, 0.2, 0.3))
    assert spread.mean == pytest.approx(0.2)
    assert spread.sd == pytest.approx(0.1)  # with n - 1
    assert str(spread) == "0.2 ± 0.1"
    assert str(Spread((0.25,))) == "0.25"


def test_the_best_look_counts(tmp_path: Path) -> None:
    comparison = compared(tmp_path, {"fd": [0.1, 0.4]}, {"fd": [0.3, 0.2], "seed": 1})
    assert [run.name for run in comparison.ranked] == ["0", "1"]
    assert comparison.measured["0"]["step"] == 10


@pytest.mark.parametrize(("metric", "first"), [("fd_rand", "1"), ("coverage_rand", "0"), ("vendi_rand", "1")])
def test_the_metric_says_which_way_is_better(tmp_path: Path, metric: str, first: str) -> None:
    """0.9 and 0.6; a Vendi ratio of 1.6 is worse than one of 0.9."""
    runs = sweep(tmp_path, {"fd": [1.6 if metric == "vendi_rand" else 0.9]}, {"fd": [0.6], "seed": 1})
    for run in runs:
        for row in run.evaluations:
            row["metrics"][metric] = row["metrics"]["fd_rand"]
    assert compare(runs, metric).ranked[0].name == first


def test_the_verdict_names_best_and_worst(tmp_path: Path) -> None:
    transposed = {
        "overrides": ["loss=hinge", "upsample=transpose"],
        "choices": {"loss": "hinge", "upsample": "transpose"},
    }
    usual = {"upsample": "nearest"}
    runs = [
        *seeds({**HINGE, "choices": {"loss": "hinge"} | usual}, 0.10, 0.12),
        *seeds({**BCE, "choices": {"loss": "bce"} | usual}, 0.30, 0.32),
        *seeds(transposed, 0.50, 0.52, findings=[CHECKERBOARD]),
    ]
    assert compared(tmp_path, *runs).verdict == (
        "`loss=hinge upsample=nearest` is best on fd_rand (lower is better), 0.11 ± 0.014 over 2 seeds. "
        "`loss=hinge upsample=transpose` is worst, 0.51 ± 0.014 over 2 seeds: checkerboard (GD301)."
    )


def test_a_lead_within_chance_is_not_called_one(tmp_path: Path) -> None:
    told = compared(tmp_path, *seeds(HINGE, 0.1, 0.3), *seeds(BCE, 0.15, 0.35)).verdict
    assert "too close to call before `loss=bce`, 0.25 ± 0.14 over 2 seeds." in told
    told = compared(tmp_path / "apart", *seeds(HINGE, 0.10, 0.11), *seeds(BCE, 0.25, 0.26)).verdict
    assert "too close" not in told


def test_one_seed_each_says_so(tmp_path: Path) -> None:
    assert compared(tmp_path, *seeds(HINGE, 0.1), *seeds(BCE, 0.2)).verdict == (
        "`loss=hinge` is best on fd_rand (lower is better), 0.1 with one seed; next is `loss=bce`, 0.2 with "
        "one seed (more seeds would tell how much of it is chance)."
    )


def test_failed_and_unfinished_runs_are_counted(tmp_path: Path) -> None:
    lost = {**WGAN, "fd": [], "status": "failed", "error": "generator: not finite\nmore"}
    going = {**BCE, "seed": 1, "fd": [0.3], "status": "running"}
    comparison = compared(tmp_path, *seeds(HINGE, 0.1), *seeds(BCE, 0.2), lost, going)
    assert comparison.verdict.endswith("1 of 4 runs failed; 1 of 4 runs still going.")
    assert comparison.ranked[-1].error == "generator: not finite"
    assert comparison.candidates[-1].spread is None


def test_numbers_measured_otherwise_are_left_out(tmp_path: Path) -> None:
    other = {**WGAN, "fd": [0.01], "stamp": {**STAMP, "extractor": "of other data"}}
    comparison = compared(tmp_path, *seeds(HINGE, 0.1), *seeds(BCE, 0.2), other)
    assert comparison.unlike == ["2"]
    assert comparison.ranked[0].name == "0"
    assert "1 measured on other pictures and left out of the ranking" in comparison.verdict


def test_without_a_number_nothing_is_better(tmp_path: Path) -> None:
    comparison = compared(tmp_path, {**HINGE, "fd": []}, {**BCE, "fd": []})
    assert comparison.verdict == "No run has measured fd_rand yet, so none is called better."
    assert comparison.effects == []


def test_not_a_number_is_no_look(tmp_path: Path) -> None:
    comparison = compared(tmp_path, {**HINGE, "fd": [math.nan]}, {**BCE, "fd": [0.2]})
    assert list(comparison.measured) == ["1"]


# ---- Main effects ------------------------------------------------------------------------------------------


def test_main_effects_are_means_over_everything_else(tmp_path: Path) -> None:
    runs = [
        {
            "overrides": [f"loss={loss}", f"padding={padding}"],
            "choices": {"loss": loss, "padding": padding},
            "fd": [value],
        }
        for loss, padding, value in (
            ("bce", "zeros", 0.4), ("bce", "reflect", 0.2),
            ("hinge", "zeros", 0.3), ("hinge", "reflect", 0.1),
        )
    ]  # fmt: skip
    effects = {effect.key: effect for effect in compared(tmp_path, *runs).effects}
    assert {o: s.mean for o, s in effects["loss"].options.items()} == pytest.approx(
        {"bce": 0.3, "hinge": 0.2}
    )
    assert {o: s.mean for o, s in effects["padding"].options.items()} == pytest.approx(
        {"zeros": 0.35, "reflect": 0.15}
    )
    assert all(effect.balanced for effect in effects.values())


def test_an_uneven_sweep_says_so(tmp_path: Path) -> None:
    lost = {**WGAN, "seed": 1, "fd": [], "status": "failed"}
    (effect,) = compared(tmp_path, *seeds(HINGE, 0.1, 0.1), *seeds(WGAN, 0.2), lost).effects
    assert not effect.balanced
