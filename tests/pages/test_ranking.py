"""What differs, which is better, and whether the sentence is true."""

from __future__ import annotations

import json
import math
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from made import CHECKERBOARD, STAMP, keep_multirun, make_run, sweep
from markupsafe import escape
from scipy.stats import ttest_ind

from gantrain import files
from gantrain.errors import GantrainError
from gantrain.pages.candidates import Candidate, Spread, apart
from gantrain.pages.caveats import caveat
from gantrain.pages.phrases import UNLIKE
from gantrain.pages.ranking import TURNED, Comparison, compare
from gantrain.pages.records import Record, jobs_of, records_of
from gantrain.pages.settings import differing, typed_as
from gantrain.pages.writing import comparison_of, write_comparison

BCE = {"overrides": ["loss=bce"], "choices": {"loss": "bce"}}
HINGE = {"overrides": ["loss=hinge"], "choices": {"loss": "hinge"}}
WGAN = {"overrides": ["loss=wgan"], "choices": {"loss": "wgan", "penalty": "clip"}}
LSGAN = {"overrides": ["loss=lsgan"], "choices": {"loss": "lsgan"}}


SURER = "more seeds would make it surer: seed=2,3 in another sweep, and gantrain compare with both"


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


def test_an_experiment_that_was_swept_is_what_differs(tmp_path: Path) -> None:
    runs = (
        {"overrides": [f"experiment={name}"], "choices": {"experiment": name, "penalty": penalty}}
        for name, penalty in (("wgan", "clip"), ("wgan_gp", "wgan_gp"))
    )
    assert differing(sweep(tmp_path, *runs)) == ("experiment",)


def test_of_runs_that_are_no_sweep_everything_is_told(tmp_path: Path) -> None:
    a = make_run(tmp_path / "12-00-00-a", ["loss=wgan"], choices={"loss": "wgan", "penalty": "clip"})
    b = make_run(tmp_path / "12-01-00-b", config={"model": {"width": 16}})
    found = differing([Record(a, "a"), Record(b, "b")])
    assert found == ("loss", "penalty", "model.width")


def test_what_a_section_hands_down_is_told_once(tmp_path: Path) -> None:
    def model(width: int, own: int) -> dict[str, object]:
        networks = {"generator": {"width": width}, "discriminator": {"width": own}}
        return {"config": {"model": {"width": width, **networks}}}

    runs = [make_run(tmp_path / name, **model(n, n)) for name, n in (("a-run", 16), ("b-run", 32))]  # type: ignore[arg-type]
    assert differing([Record(run, run.name) for run in runs]) == ("model.width",)
    runs.append(make_run(tmp_path / "c-run", **model(32, 8)))  # type: ignore[arg-type]
    assert differing([Record(run, run.name) for run in runs]) == ("model.width", "model.discriminator.width")


def test_precision_changes_what_is_trained(tmp_path: Path) -> None:
    runs = (
        {"overrides": [f"runtime.precision={p}"], "config": {"runtime": {"precision": p}}}
        for p in ("fp32", "bf16")
    )
    assert differing(sweep(tmp_path, *runs)) == ("runtime.precision",)


def test_runs_of_two_folders_of_pictures_differ(tmp_path: Path) -> None:
    """Though a resume may change where pictures lie."""
    runs = ({"overrides": [f"data.root={r}"], "config": {"data": {"root": r}}} for r in ("cats", "dogs"))
    assert differing(sweep(tmp_path, *runs)) == ("data.root",)


def test_one_value_typed_in_two_ways_is_one(tmp_path: Path) -> None:
    """A job that was refused has left what was typed, and no configuration."""
    refused = {"overrides": ["penalty=wgan_gp", "optim.lr_d=1e-4"], "status": "failed", "fd": []}
    ran = {"overrides": ["penalty=none", "optim.lr_d=1e-4"], "config": {"optim": {"lr_d": 1e-4}}}
    runs = sweep(
        tmp_path, {**ran, "choices": {"penalty": "none"}}, {**refused, "choices": {"penalty": "wgan_gp"}}
    )
    (tmp_path / "1" / files.CONFIG).unlink()
    assert differing(runs) == ("penalty",)


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
        "`loss=hinge upsample=nearest` seems best on fd_rand (lower is better), 0.11 ± 0.014 over 2 seeds; "
        f"{SURER}. "
        "`loss=hinge upsample=transpose` seems worst, 0.51 ± 0.014 over 2 seeds: checkerboard (GD301)."
    )
    more = [{**run, "seed": 2} for run in (runs[0], runs[2], runs[4])]
    told = compared(tmp_path / "three", *runs, *more).verdict
    assert "`loss=hinge upsample=nearest` is best on" in told
    assert "`loss=hinge upsample=transpose` is worst, " in told


def test_the_best_may_have_a_fault_as_well(tmp_path: Path) -> None:
    told = compared(
        tmp_path, *seeds(HINGE, 0.1, 0.11, findings=[CHECKERBOARD]), *seeds(BCE, 0.3, 0.31)
    ).verdict
    assert told == (
        "`loss=hinge` seems best on fd_rand (lower is better), 0.105 ± 0.0071 over 2 seeds, before "
        f"`loss=bce`, 0.305 ± 0.0071 over 2 seeds; {SURER}. "
        "The doctor says of `loss=hinge`: checkerboard (GD301)."
    )


def test_a_fault_of_the_second_does_not_decide_what_chance_may_have(tmp_path: Path) -> None:
    told = compared(
        tmp_path, *seeds(HINGE, 0.1, 0.3), *seeds(BCE, 0.15, 0.35, findings=[CHECKERBOARD])
    ).verdict
    assert "too close to call" in told
    assert told.endswith(" The doctor says of `loss=bce`: checkerboard (GD301).")
    assert "is last" not in told


def test_a_lead_within_chance_is_not_called_one(tmp_path: Path) -> None:
    told = compared(tmp_path, *seeds(HINGE, 0.1, 0.3), *seeds(BCE, 0.15, 0.35)).verdict
    assert told == (
        "`loss=hinge` leads on fd_rand (lower is better), 0.2 ± 0.14 over 2 seeds; against "
        "`loss=bce` (0.25 ± 0.14 over 2 seeds) it is too close to call without more seeds: "
        "seed=2,3 in another sweep, and gantrain compare with both."
    )
    told = compared(tmp_path / "apart", *seeds(HINGE, 0.10, 0.11), *seeds(BCE, 0.25, 0.26)).verdict
    assert told == (
        "`loss=hinge` seems best on fd_rand (lower is better), 0.105 ± 0.0071 over 2 seeds, before "
        f"`loss=bce`, 0.255 ± 0.0071 over 2 seeds; {SURER}."
    )
    told = compared(tmp_path / "more", *seeds(HINGE, 0.10, 0.11, 0.12), *seeds(BCE, 0.25, 0.26, 0.27)).verdict
    assert told == (
        "`loss=hinge` is best on fd_rand (lower is better), 0.11 ± 0.01 over 3 seeds, before `loss=bce`, "
        "0.26 ± 0.01 over 3 seeds."
    )


def test_a_setting_with_a_blank_can_be_pasted(tmp_path: Path) -> None:
    assert typed_as((("data.root", "My photos"), ("optim.betas", "[0.5, 0.9]"), ("loss", "bce"))) == (
        "'data.root=My photos' 'optim.betas=[0.5, 0.9]' loss=bce"
    )


def test_mirrored_runs_are_said_to_be_judged_too_hard(tmp_path: Path) -> None:
    plain, mirrored = (
        {"overrides": [f"data.flip={said}"], "config": {"data": {"flip": flip}, "train": {"steps": 800}}}
        for said, flip in (("false", False), ("true", True))
    )
    both = compared(tmp_path, *seeds(plain, 0.1), *seeds(mirrored, 0.2))
    assert "where left and right differ, data.flip=true ends farther off" in caveat(both)


def test_runs_that_still_get_better_may_rank_otherwise(tmp_path: Path) -> None:
    """Where most of them do; a last look that is better by less than 5 % is noise."""
    long = {"config": {"train": {"steps": 800}}}

    def said(name: str, *lasts: float) -> str:
        runs = ({**HINGE, **long, "seed": seed, "fd": [0.9, 0.3, last]} for seed, last in enumerate(lasts))
        return caveat(compared(tmp_path / name, *runs))

    assert said("most", 0.2, 0.1, 0.29) == (
        "2 of the 3 ranked runs were still getting better: longer ones may rank otherwise."
    )
    assert said("all", 0.2, 0.1).startswith("All 2 ranked runs were still getting better")
    assert "getting better" not in said("few", 0.2, 0.29, 0.4)
    assert "getting better" not in said("alone", 0.1), "its own last line says so"


@pytest.mark.parametrize(("steps", "offered"), [(400, 800), (800, 1600)])
def test_more_steps_are_a_command_where_they_may_rank_otherwise(
    steps: int, offered: int, tmp_path: Path
) -> None:
    """In the jobs' own folders: they go on."""
    young = {"config": {"train": {"steps": steps}}}
    runs = ({**HINGE, **young, "seed": seed, "fd": [0.9, 0.3, 0.1]} for seed in (0, 1))
    sweep(tmp_path, *runs, *seeds(BCE, 0.4, 0.5))
    keep_multirun(tmp_path, ["loss=bce,hinge", "seed=0,1", f"train.steps={steps}"])
    (again,) = re.findall("more steps: (.*)", told := write_comparison([str(tmp_path)]))
    *words, folder = shlex.split(again)
    assert words == ["gantrain", "-m", "loss=bce,hinge", "seed=0,1", f"train.steps={offered}"]
    assert folder == f"hydra.sweep.dir={tmp_path}"
    assert told.index("more seeds:") < told.index("more steps:")
    assert str(escape(again)) in (tmp_path / files.COMPARISON).read_text()


def test_short_runs_are_called_short(tmp_path: Path) -> None:
    short = compared(tmp_path / "short", *seeds(HINGE, 0.1), *seeds(BCE, 0.2))
    assert caveat(short) == (
        "None of the ranked runs has 800 steps, which good pictures take: longer ones (train.steps=800) "
        "may rank otherwise, which more seeds of these do not tell."
    )
    long = [one | {"config": {"train": {"steps": 800}}} for one in (*seeds(HINGE, 0.1), *seeds(BCE, 0.2))]
    assert "None of the ranked" not in caveat(compared(tmp_path / "long", *long))


def test_other_metrics_that_say_otherwise_in_every_run_are_named(tmp_path: Path) -> None:
    """At the looks that rank: at its best by coverage alone the first would be as good."""
    runs = sweep(tmp_path, *seeds(HINGE, 0.1, 0.12), *seeds(BCE, 0.15, 0.17))
    for run, coverage in zip(runs, (0.4, 0.45, 0.7, 0.75), strict=True):
        for row, value in zip(run.evaluations, (0.9, coverage), strict=True):
            row["metrics"]["coverage_rand"] = row["metrics"]["fd_rand"] | {"value": value}
            row["metrics"]["vendi_rand"] = row["metrics"]["fd_rand"] | {"value": 1.0}
    said = "By coverage_rand every run of `loss=bce` is better than those of `loss=hinge`."
    assert caveat(compare(runs)).startswith(said)
    assert said not in caveat(compare([*runs[:2], runs[2]])), "one run is none to go by"
    for nearly_equal in (0.46, 0.45):
        runs[3].evaluations[1]["metrics"]["coverage_rand"]["value"] = nearly_equal
        assert said not in caveat(compare(runs))


CUT_SHORT = ({"status": "interrupted"}, {"status": "running"})


@pytest.mark.parametrize("short", CUT_SHORT, ids=lambda short: short["status"])
def test_nothing_is_best_while_a_run_has_steps_to_go(tmp_path: Path, short: dict) -> None:
    """At the steps that both have the one that was cut short is better."""
    whole = [{**HINGE, "seed": seed, "fd": [0.5, 0.1 + seed / 100]} for seed in (0, 1)]
    cut = [{**BCE, "seed": seed, "fd": [0.3 + seed / 100], **short} for seed in (0, 1)]
    comparison = compared(tmp_path, *whole, *cut)
    assert comparison.verdict.startswith(
        "`loss=hinge` leads so far on fd_rand (lower is better), 0.105 ± 0.0071 over 2 seeds, before "
        "`loss=bce`, 0.305 ± 0.0071 over 2 seeds. 2 of 4 runs "
    )
    alone = compared(tmp_path / "alone", *cut).verdict
    assert alone.startswith("These settings: fd_rand 0.305 ± 0.0071 over 2 seeds, so far. 2 of 2 runs ")
    (effect,) = comparison.effects
    assert (effect.balanced, effect.care) == (False, "not every run has trained all its steps")
    third = [{**WGAN, "seed": seed, "fd": [0.8 + seed / 100], **short} for seed in (0, 1)]
    told = compared(tmp_path / "three", *whole, *cut, *third).verdict
    assert "`loss=wgan` is last so far, 0.805 ± 0.0071 over 2 seeds." in told


def test_a_run_that_ended_by_itself_is_through(tmp_path: Path) -> None:
    """train.stop_when_worse: finished before its last step."""
    runs = sweep(tmp_path, *seeds(HINGE, 0.10, 0.11), *seeds(BCE, 0.25, 0.26))
    for run in runs[2:]:
        files.update_summary(run.directory, step=10)
    assert "`loss=hinge` seems best on" in compare(runs).verdict
    assert all(effect.balanced for effect in compare(runs).effects)


def test_a_run_that_was_killed_after_its_last_step_is_through(tmp_path: Path) -> None:
    runs = sweep(tmp_path, *seeds(HINGE, 0.10, 0.11), *seeds(BCE, 0.25, 0.26, status="running"))
    for run in runs[2:]:
        files.update_summary(run.directory, step=20)
    assert "`loss=hinge` seems best on" in compare(runs).verdict


def test_all_that_are_too_close_are_counted(tmp_path: Path) -> None:
    rivals = (*seeds(BCE, 0.15, 0.35), *seeds(WGAN, 0.16, 0.36))
    told = compared(tmp_path, *seeds(HINGE, 0.1, 0.3), *rivals).verdict
    both = "(0.25 ± 0.14 over 2 seeds) and `loss=wgan` (0.26 ± 0.14 over 2 seeds) it is too close to call"
    assert both in told
    third = seeds(LSGAN, 0.17, 0.37)
    told = compared(tmp_path / "more", *seeds(HINGE, 0.1, 0.3), *rivals, *third).verdict
    assert "(0.25 ± 0.14 over 2 seeds) and 2 other choices it is too close to call" in told


def test_a_runner_up_that_is_clearly_behind_is_named(tmp_path: Path) -> None:
    """Not only the one further off that scatters so much that nothing can be said of it."""
    runs = (*seeds(HINGE, 0.10, 0.11), *seeds(BCE, 0.25, 0.26), *seeds(WGAN, 0.1, 0.9))
    told = compared(tmp_path, *runs).verdict
    assert "`loss=hinge` leads on fd_rand" in told
    assert ", clearly before `loss=bce` (0.255 ± 0.0071 over 2 seeds); against `loss=wgan`" in told


def test_one_clearly_behind_between_two_that_are_too_close_is_named(tmp_path: Path) -> None:
    rivals = (*seeds(BCE, 0.11, 0.13), *seeds(WGAN, 0.25, 0.26), *seeds(LSGAN, 0.1, 0.9))
    told = compared(tmp_path, *seeds(HINGE, 0.10, 0.11), *rivals).verdict
    close = "against `loss=bce` (0.12 ± 0.014 over 2 seeds) and `loss=lsgan` (0.5 ± 0.57 over 2 seeds)"
    assert f", clearly before `loss=wgan` (0.255 ± 0.0071 over 2 seeds); {close} it is too close" in told


def test_the_worse_option_of_a_setting_that_decides_is_not_too_close(tmp_path: Path) -> None:
    """Of two seeds each alone none is apart; all four pairs say that one optimiser is better."""
    values = {
        ("bce", "strategy1"): (0.12, 0.15),
        ("hinge", "strategy1"): (0.125, 0.14),
        ("bce", "ttur"): (0.3, 0.6),
        ("hinge", "ttur"): (0.35, 0.65),
    }
    runs = []
    for (loss, optim), found in values.items():
        both = {"loss": loss, "optim": optim}
        runs += seeds(
            {"overrides": [f"{key}={value}" for key, value in both.items()], "choices": both}, *found
        )
    told = compared(tmp_path, *runs).verdict
    assert "On average over the rest, `optim=strategy1` is better than `optim=ttur`" in told
    (close,) = re.findall("; against (.*) it is too close to call", told)
    assert re.findall("`(.*?)`", close) == ["loss=bce optim=strategy1"]
    assert "other choices" not in close


def test_what_is_wrong_with_some_of_the_others_too_is_said(tmp_path: Path) -> None:
    """Whoever reads of the second alone takes the first to be free of it."""
    first = seeds(HINGE, 0.1, 0.11)
    first[1]["findings"] = [CHECKERBOARD]
    told = compared(tmp_path, *first, *seeds(BCE, 0.12, 0.13, findings=[CHECKERBOARD])).verdict
    assert "The doctor says of `loss=bce`: checkerboard (GD301), as in 1 of the other runs." in told


def test_what_sets_a_choice_apart_is_said_beside_the_cause(tmp_path: Path) -> None:
    """Dropped modes, which another choice has as well, are the cause; the pattern is its own."""
    modes = CHECKERBOARD | {"rule": "GD202", "title": "Part of the data is missing"}
    pattern = CHECKERBOARD | {"primary": False}
    last = seeds(BCE, 0.12, 0.13, findings=[modes, pattern])
    first = seeds(HINGE, 0.1, 0.11)
    first[1]["findings"] = [modes]
    told = compared(tmp_path / "apart", *first, *last).verdict
    assert (
        "of `loss=bce`: part of the data is missing (GD202), as in 1 of the other runs, and checkerboard "
        "(GD301), which no other choice has." in told
    )
    first[0]["findings"] = [pattern]
    assert "(GD202), as in 1 of the other runs." in (
        both := compared(tmp_path / "both", *first, *last).verdict
    )
    assert "which no other" not in both
    last = seeds(BCE, 0.12, 0.13, findings=[modes, pattern | {"because_of": ["GD202"]}])
    assert "GD301" not in compared(tmp_path / "symptom", *first[1:], *last).verdict


def test_a_fault_of_single_runs_is_told_of_them(tmp_path: Path) -> None:
    first, second = seeds(HINGE, 0.1, 0.11), seeds(BCE, 0.12, 0.13)
    first[1]["findings"] = [CHECKERBOARD]
    told = compared(tmp_path, *first, *second).verdict
    assert told.endswith("The doctor says of 1 of 2 runs of `loss=hinge`: checkerboard (GD301).")
    second[0]["findings"] = [CHECKERBOARD]
    told = compared(tmp_path / "both", *first, *second).verdict
    assert told.endswith("The doctor says of 2 of 4 runs: checkerboard (GD301).")
    told = compared(tmp_path / "one", *first).verdict
    assert told.endswith("The doctor says of 1 of 2 runs: checkerboard (GD301).")


def test_best_means_better_than_every_other(tmp_path: Path) -> None:
    """The second is far behind and steady, the third is anywhere."""
    runs = (*seeds(HINGE, 0.10, 0.11), *seeds(BCE, 0.25, 0.26), *seeds(WGAN, 0.1, 0.9))
    told = compared(tmp_path, *runs).verdict
    assert "leads on" in told
    assert "against `loss=wgan` (0.5 ± 0.57 over 2 seeds) it is too close to call" in told
    assert "`loss=wgan` is last, " in told


def test_of_distances_chance_is_a_share(tmp_path: Path) -> None:
    """Seeds scatter a bad choice wider than a good one, which is no reason to doubt the good one."""
    ours, theirs = (0.09, 0.12), (0.3, 0.45)
    assert ttest_ind(ours, theirs).pvalue > 0.05 > ttest_ind(np.log(ours), np.log(theirs)).pvalue
    told = compared(tmp_path / "distance", *seeds(HINGE, *ours), *seeds(BCE, *theirs)).verdict
    assert "`loss=hinge` seems best" in told


@pytest.mark.filterwarnings("ignore:Precision loss")  # of equal values
@pytest.mark.parametrize("ours", [(0.1, 0.2), (0.1, 0.11, 0.13), (0.2, 0.2)])
@pytest.mark.parametrize("theirs", [(0.22, 0.3), (0.2, 0.21, 0.3, 0.22), (0.2, 0.2), (0.4,)])
def test_apart_is_the_t_test(ours: tuple[float, ...], theirs: tuple[float, ...]) -> None:
    a, b = (Candidate((), (), *[Spread(values)] * 3) for values in (ours, theirs))
    with np.errstate(invalid="ignore"):
        expected = ttest_ind(ours, theirs).pvalue < 0.05
    assert apart(a, b) == expected
    assert not apart(b, a)


def test_equal_runs_are_too_close_to_call(tmp_path: Path) -> None:
    told = compared(tmp_path, *seeds(HINGE, 0.1, 0.1), *seeds(BCE, 0.1, 0.1)).verdict
    assert "leads on" in told
    assert "too close to call" in told


def test_a_choice_that_diverges_is_not_best_by_the_seed_that_survived(tmp_path: Path) -> None:
    lost = {"status": "failed", "error": "not finite", "diverged": True}
    runs = [*seeds(HINGE, 0.1), *({**HINGE, "seed": seed, "fd": [0.01], **lost} for seed in (1, 2))]
    comparison = compared(tmp_path, *runs, *seeds(BCE, 0.2, 0.21, 0.22))
    assert [run.name for run in comparison.ranked][:4] == ["0", "3", "4", "5"]
    assert [candidate.name for candidate in comparison.candidates] == ["loss=bce", "loss=hinge"]
    assert comparison.verdict == (
        "`loss=bce` is best on fd_rand (lower is better), 0.21 ± 0.01 over 3 seeds, before `loss=hinge`, "
        "0.1 with one seed, 2 of 3 diverged. 2 of 6 runs failed (`loss=hinge`): not finite."
    )


def test_a_full_disk_is_not_held_against_a_choice(tmp_path: Path) -> None:
    lost = {**HINGE, "seed": 2, "fd": [0.5], "status": "failed", "error": "no space left on device"}
    comparison = compared(tmp_path, *seeds(HINGE, 0.1, 0.11), lost, *seeds(BCE, 0.2, 0.21, 0.22))
    assert comparison.verdict == (
        "`loss=hinge` seems best on fd_rand (lower is better), 0.105 ± 0.0071 over 2 seeds, before "
        f"`loss=bce`, 0.21 ± 0.01 over 3 seeds; {SURER.replace('2,3', '3,4')}. "
        "1 of 6 runs failed (`loss=hinge`): no space left on device."
    )


def test_where_one_is_ideal_seeds_on_both_sides_of_it_do_not_make_up_for_each_other(tmp_path: Path) -> None:
    runs = sweep(tmp_path, *seeds(HINGE, 0.6, 1.4), *seeds(BCE, 0.95, 0.97))
    for run in runs:
        for row in run.evaluations:
            row["metrics"] = {"vendi_rand": row["metrics"]["fd_rand"]}
    for row in (row for run in runs for row in run.evaluations[:1]):
        row["metrics"]["vendi_rand"] = row["metrics"]["vendi_rand"] | {"value": None}
    assert compare(runs, "vendi_rand").candidates[0].name == "loss=bce"


def test_a_complaint_is_what_most_runs_were_told(tmp_path: Path) -> None:
    other = CHECKERBOARD | {"rule": "GD201", "title": "Collapse"}
    runs = seeds(HINGE, 0.1, 0.1, 0.1)
    runs[0]["findings"], runs[1]["findings"] = [CHECKERBOARD], [other]
    (candidate,) = compared(tmp_path / "split", *runs).candidates
    assert candidate.complaint is None
    runs[2]["findings"] = [other]
    (candidate,) = compared(tmp_path, *runs).candidates
    assert candidate.complaint is not None
    assert candidate.complaint["rule"] == "GD201"


def test_a_complaint_need_not_be_called_the_cause_in_each_run(tmp_path: Path) -> None:
    """Both are collapsed; the one is checkered besides, which is its cause."""
    collapse = CHECKERBOARD | {"rule": "GD201", "title": "Collapse"}
    runs = seeds(HINGE, 0.1, 0.1)
    runs[0]["findings"], runs[1]["findings"] = [collapse], [CHECKERBOARD, collapse | {"primary": False}]
    (candidate,) = compared(tmp_path / "one", *runs).candidates
    assert candidate.complaint is not None
    assert candidate.complaint["rule"] == "GD201"
    runs[0]["findings"] = [collapse | {"primary": False}, CHECKERBOARD]
    (candidate,) = compared(tmp_path / "both", *runs).candidates
    assert candidate.complaint is not None
    assert candidate.complaint["rule"] == CHECKERBOARD["rule"]


def test_the_same_seed_twice_is_no_evidence(tmp_path: Path) -> None:
    """The second is a copy of the first, bit for bit."""
    assert "0.2 with one seed" in compared(tmp_path / "one", HINGE, HINGE).verdict
    told = compared(tmp_path, *2 * seeds(HINGE, 0.1), *seeds(BCE, 0.2)).verdict
    assert told == (
        "`loss=hinge` leads on fd_rand (lower is better), 0.1 with one seed; next is `loss=bce`, 0.2 with "
        "one seed (more seeds would tell how much of it is chance)."
    )
    told = compared(tmp_path / "more", *2 * seeds(HINGE, 0.1), *seeds(BCE, 0.11, 0.2)).verdict
    assert "it is too close to call" in told


def test_worst_means_worse_than_every_other(tmp_path: Path) -> None:
    """The last two are equal but for chance."""
    runs = (*seeds(HINGE, 0.10, 0.11), *seeds(BCE, 0.4, 0.6), *seeds(WGAN, 0.41, 0.61))
    told = compared(tmp_path, *runs).verdict
    assert told.endswith(" `loss=wgan` is last, 0.51 ± 0.14 over 2 seeds.")


def test_what_diverged_or_goes_on_elsewhere_is_not_better_on_average(tmp_path: Path) -> None:
    """hinge is better wherever it survived; its runs with padding=reflect became infinite, or train on."""
    lost = {"status": "failed", "error": "not finite", "diverged": True}

    def told(place: Path, **how: object) -> str:
        grid = [
            {"overrides": [f"loss={loss}", f"padding={padding}"], "seed": seed, "fd": [fd + seed / 100],
             "choices": {"loss": loss, "padding": padding},
             **(how if (loss, padding) == ("hinge", "reflect") else {})}
            for loss, fd in (("bce", 0.5), ("hinge", 0.1))
            for padding in ("zeros", "circular", "reflect") for seed in (0, 1)
        ]  # fmt: skip
        return compared(place, *grid).verdict

    assert "On average over the rest, `loss=hinge` is better than `loss=bce`" in told(tmp_path / "all")
    assert "On average over the rest, `loss=" not in told(tmp_path / "lost", **lost)
    assert "On average over the rest, `loss=" not in told(tmp_path / "going", status="running")


def test_better_than_every_other_says_if_one_has_no_number(tmp_path: Path) -> None:
    def run(loss: str, padding: str, seed: int, fd: list[float]) -> dict:
        choices = {"loss": loss, "padding": padding}
        return {
            "overrides": [f"{k}={v}" for k, v in choices.items()],
            "choices": choices,
            "seed": seed,
            "fd": fd,
        }

    losses = {"hinge": 0.1, "bce": 0.5, "lsgan": 0.6}
    grid = [
        run(loss, padding, seed, [fd + seed / 100])
        for loss, fd in losses.items() for padding in ("zeros", "reflect") for seed in (0, 1)
    ]  # fmt: skip
    young = run("wgan", "zeros", 0, [])
    assert "better than every other `loss`: " in compared(tmp_path / "a", *grid).verdict
    assert "every other `loss` that was measured: " in compared(tmp_path / "b", *grid, young).verdict


def test_a_refused_run_does_not_choose_the_metric(tmp_path: Path) -> None:
    refused = {"overrides": ["optim.lr_d=-1"], "status": "failed", "fd": []}
    runs = sweep(tmp_path, refused, {"config": {"metrics": {"best": "coverage_rand"}}})
    (tmp_path / "0" / files.CONFIG).unlink()
    assert compare(runs).metric == "coverage_rand"
    assert compare(runs[:1]).metric == "fd_rand"


def test_the_winner_is_the_best_run_of_the_best_choice(tmp_path: Path) -> None:
    lost = {"status": "failed", "error": "not finite", "diverged": True}
    runs = [*seeds(HINGE, 0.1), {**HINGE, "seed": 1, **lost}, *seeds(BCE, 0.25, 0.2)]
    winner = compared(tmp_path, *runs).winner
    assert winner is not None
    assert winner.name == "3"
    assert compared(tmp_path / "none", {"fd": []}).winner is None


def test_looks_made_otherwise_than_the_last_one_do_not_count(tmp_path: Path) -> None:
    """A resume may change metrics.count."""
    (run,) = sweep(tmp_path, {"fd": [0.1, 0.3]})
    run.evaluations[0]["metrics"]["fd_rand"]["stamp"]["n_fake"] = 100
    look = run.measured("fd_rand")
    assert look is not None
    assert look["value"] == 0.3


def test_one_seed_each_says_so(tmp_path: Path) -> None:
    assert compared(tmp_path, *seeds(HINGE, 0.1), *seeds(BCE, 0.2)).verdict == (
        "`loss=hinge` leads on fd_rand (lower is better), 0.1 with one seed; next is `loss=bce`, 0.2 with "
        "one seed (more seeds would tell how much of it is chance)."
    )


def test_failed_and_unfinished_runs_are_counted(tmp_path: Path) -> None:
    lost = {**WGAN, "fd": [], "status": "failed", "error": "generator: not finite\nmore"}
    going = {**BCE, "seed": 1, "fd": [0.3], "status": "running"}
    killed = {**HINGE, "seed": 1, "fd": [0.3], "status": "killed"}
    comparison = compared(tmp_path, *seeds(HINGE, 0.1), *seeds(BCE, 0.2), lost, going, killed)
    assert comparison.verdict.endswith(
        "1 of 5 runs failed (`loss=wgan`): generator: not finite; more. 1 of 5 runs killed, or training on "
        "another machine (`loss=hinge`). 1 of 5 runs not finished (`loss=bce`)."
    )
    assert comparison.ranked[-1].error == "generator: not finite"
    assert comparison.candidates[-1].spread is None


@pytest.mark.parametrize(
    ("typed", "params", "jobs"),
    [
        (["loss=hinge,bce", "seed=0,1,2", "train.steps=20"], None, 6),
        (["seed=range(0,4)"], {"loss": "hinge,bce", "seed": "0,1"}, 8),
        (["seed=7", "data.root=/photos"], {"seed": "0,1"}, 1),
    ],
)
def test_jobs_that_have_not_begun_are_counted(
    typed: list[str], params: dict[str, str] | None, jobs: int, tmp_path: Path
) -> None:
    """What is typed wins over what a ready-made sweep has."""
    make_run(tmp_path / "0", HINGE["overrides"])
    keep_multirun(tmp_path, typed, params=params)
    assert jobs_of(tmp_path) == jobs
    records, root = records_of([str(tmp_path)])
    verdict = comparison_of(records, None, root).verdict
    assert (f"{jobs - 1} of {jobs} jobs have not begun." in verdict) == (jobs > 1)


def test_an_option_that_is_first_only_with_some_others_is_read_with_care(tmp_path: Path) -> None:
    def run(loss: str, padding: str, value: float) -> dict:
        swept = {"loss": loss, "padding": padding}
        return {"overrides": [f"{k}={v}" for k, v in swept.items()], "choices": swept, "fd": [0.9, value]}

    places = [(loss, padding) for loss in ("bce", "hinge") for padding in ("zeros", "reflect")]
    turning, straight = (
        compared(tmp_path / name, *(run(*place, value) for place, value in zip(places, values, strict=True)))
        for name, values in (("turning", (0.1, 0.6, 0.4, 0.2)), ("straight", (0.1, 0.2, 0.4, 0.6)))
    )
    assert {effect.key: effect.care for effect in turning.effects} == {"loss": TURNED, "padding": TURNED}
    assert all(effect.balanced for effect in straight.effects)


def test_a_setting_decides_by_the_pairs_that_differ_in_it_alone(tmp_path: Path) -> None:
    """What another setting does to all of them is greater, and would blur it."""
    values = {"nearest": (0.108, 0.145, 1.12, 1.23), "bilinear": (0.853, 0.768, 1.65, 2.25)}

    def told(place: Path, values: dict) -> str:
        choices = [("strategy1", 0), ("strategy1", 1), ("ttur", 0), ("ttur", 1)]
        runs = []
        for upsample, found in values.items():
            for (optim, seed), value in zip(choices, found, strict=True):
                swept = {"optim": optim, "upsample": upsample}
                run = {"overrides": [f"{k}={v}" for k, v in swept.items()], "choices": swept}
                runs.append({**run, "seed": seed, "fd": [3, value]})
        return compared(place, *runs).verdict

    average = "On average over the rest, `upsample=nearest` is better than `upsample=bilinear`"
    assert average in told(tmp_path / "always", values)
    assert average not in told(tmp_path / "once", values | {"bilinear": (0.853, 0.1, 1.65, 2.25)})


def test_what_a_group_sets_is_not_told_beside_it(tmp_path: Path) -> None:
    """Of runs of several sweeps all that differs is told."""
    for name, sweep_name in (("nearest", "one"), ("bilinear", "other")):
        model = {"model": {"generator": {"upsample": name}}, "upsample": {"mode": name}}
        run = {"overrides": [f"upsample={name}"], "choices": {"upsample": name}, "config": model}
        sweep(tmp_path / sweep_name, run)
    records, _ = records_of([str(tmp_path / "one"), str(tmp_path / "other")])
    assert differing(records) == ("upsample",)


@pytest.mark.parametrize("name", ["sweep", "my sweep", "it's", "a=b,c"])
def test_the_next_sweep_of_a_doubt_is_a_command(name: str, tmp_path: Path) -> None:
    """The same grid with other seeds, by the same launcher, in a folder of its own; as it is pasted."""
    place = tmp_path / name
    sweep(place, *seeds(HINGE, 0.2, 0.3), *seeds(BCE, 0.2, 0.3))
    own = ["hydra/launcher=joblib", "hydra.sweep.dir=x", "hydra.mode=MULTIRUN"]
    keep_multirun(place, ["loss=bce,hinge", "seed=0,1", "data.root=my photos"], own)
    told = [line.strip() for line in write_comparison([str(place)]).splitlines()]
    (again,) = (line.removeprefix("more seeds: ") for line in told if line.startswith("more seeds:"))
    *words, folder = shlex.split(again)
    assert words == [
        *("gantrain", "-m", "loss=bce,hinge", "data.root=my photos", "hydra/launcher=joblib", "seed=2,3")
    ]
    read = OverridesParser.create().parse_override(folder)
    assert (read.key_or_group, read.value()) == ("hydra.sweep.dir", f"{place}-seed2-3")
    both = told[told.index(f"more seeds: {again}") + 1]
    assert shlex.split(both) == ["gantrain", "compare", str(place), f"{place}-seed2-3"]
    assert str(escape(both)) in (place / files.COMPARISON).read_text()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.2, 0.3, 0.9), "optim.lr_d=1e-4,0.0002 loss=bce,hinge"),  # nothing is known of chance
        ((0.2, 0.21, 0.9, 0.25, 0.18, 0.91), "optim.lr_d=1e-4,0.0002 loss=hinge"),
        ((0.2, 0.4, 0.9, 0.2001, 0.4001, 0.91), "optim.lr_d=1e-4,0.0002 loss=hinge"),  # of two seeds each
    ],
)
def test_what_has_lost_is_not_tried_again(values: tuple[float, ...], words: str, tmp_path: Path) -> None:
    """hinge at either rate, bce at the first; each with one seed or two."""
    choices = [("1e-4", "hinge"), ("0.0002", "hinge"), ("1e-4", "bce")]
    runs = []
    for seed in range(len(values) // 3):
        for (rate, loss), value in zip(choices, values[3 * seed :], strict=False):
            run: dict = {"overrides": [f"optim.lr_d={rate}", f"loss={loss}"], "choices": {"loss": loss}}
            run |= {"config": {"optim": {"lr_d": float(rate)}}, "seed": seed, "fd": [0.95, value]}
            runs.append(run)
    sweep(tmp_path, *runs)
    keep_multirun(tmp_path, ["optim.lr_d=1e-4,0.0002", "loss=bce,hinge"])
    told = write_comparison([str(tmp_path)])
    (again,) = re.findall(r"more seeds: gantrain -m (.*) seed=", told)
    assert again == words


@pytest.mark.parametrize(
    ("second", "offered"),
    [
        ("loss=hinge,bce", True),
        ("loss=hinge", True),  # what had lost was left out
        ("loss=hinge,wgan", False),
        ("loss=hinge,bce train.steps=9", False),
    ],
)
def test_two_sweeps_of_one_question_can_have_a_third(second: str, offered: bool, tmp_path: Path) -> None:
    for name, task, first in (("a", "loss=bce,hinge", 0), ("a-seed2-3", second, 2)):
        runs = [*seeds(HINGE, 0.2, 0.3), *seeds(BCE, 0.25, 0.3)]
        sweep(tmp_path / name, *(run | {"seed": run["seed"] + first} for run in runs))
        keep_multirun(tmp_path / name, [*task.split(), f"seed={first},{first + 1}"])
    told = write_comparison([str(tmp_path / "a"), str(tmp_path / "a-seed2-3")], out=tmp_path / "both.html")
    assert ("more seeds: gantrain -m" in told) == offered
    alone = write_comparison([str(tmp_path / "a-seed2-3")])
    assert (f"together: gantrain compare {tmp_path}/a {tmp_path}/a-seed2-3" in alone) == offered
    assert ("more seeds: gantrain" not in alone) == offered
    if offered:
        assert "loss=bce,hinge seed=4,5 " in told
        assert told.count(f"{tmp_path}/a-seed4-5") == 2
        assert f"gantrain compare {tmp_path}/a {tmp_path}/a-seed2-3 {tmp_path}/a-seed4-5" in told


def test_words_that_hydra_cannot_read_are_not_proposed_again(tmp_path: Path) -> None:
    """Of a file that somebody has edited."""
    sweep(tmp_path, HINGE, BCE)
    keep_multirun(tmp_path, ["loss=[a"])
    assert "more seeds:" not in write_comparison([str(tmp_path)])


def test_nothing_more_is_to_be_tried_where_all_is_clear(tmp_path: Path) -> None:
    sweep(tmp_path, *seeds(HINGE, 0.1, 0.11, 0.1), *seeds(BCE, 0.3, 0.31, 0.3))
    assert "more seeds:" not in write_comparison([str(tmp_path)])


@pytest.mark.parametrize("text", ["", "hydra: {}", "]", "hydra: {sweeper: {_target_: other.Sweeper}}"])
def test_of_how_many_jobs_nobody_knows(text: str, tmp_path: Path) -> None:
    (tmp_path / "multirun.yaml").write_text(text)
    assert jobs_of(tmp_path) is None


def test_a_finding_names_every_choice_that_has_it(tmp_path: Path) -> None:
    """Of which the last, where it is not clearly that, is one among others."""
    collapse = CHECKERBOARD | {"rule": "GD201", "title": "Mode collapse"}
    runs = [
        *seeds(HINGE, 0.1, 0.12),
        *seeds(BCE, 0.30, 0.32, findings=[collapse]),
        *seeds(WGAN, 0.31, 0.35, findings=[collapse]),
        *seeds(
            {"overrides": ["loss=lsgan"], "choices": {"loss": "lsgan"}}, 0.2, 0.4, findings=[CHECKERBOARD]
        ),
    ]
    assert "The doctor says of `loss=lsgan`: checkerboard (GD301); of `loss=bce` and `loss=wgan`: mode" in (
        compared(tmp_path, *runs).verdict
    )


def test_a_job_of_a_grid_that_was_resumed_is_the_same_choice(tmp_path: Path) -> None:
    """With more steps than the others: unless the grid has swept over them."""
    records = sweep(tmp_path, *seeds(HINGE, 0.1, 0.12), *seeds(BCE, 0.3, 0.32))
    longer = tmp_path / "0"
    summary = json.loads((longer / files.SUMMARY).read_text())
    summary["overrides"].append("train.steps=30")
    (longer / files.SUMMARY).write_text(json.dumps(summary))
    config = (longer / files.CONFIG).read_text().replace("steps: 20", "steps: 30")
    (longer / files.CONFIG).write_text(config)
    assert differing(records) == ("loss", "train.steps"), "nobody knows what was swept"

    keep_multirun(tmp_path, ["loss=hinge,bce", "seed=0,1", "train.steps=20,30"])
    assert differing(records_of([str(tmp_path)])[0]) == ("loss", "train.steps")
    keep_multirun(tmp_path, ["loss=hinge,bce", "seed=0,1", "train.steps=20"])
    comparison = compare(records_of([str(tmp_path)])[0])
    assert comparison.keys == ("loss",)
    assert caveat(comparison).startswith(
        "The ranked runs have 20 to 30 steps: some may be ahead by their steps alone. "
        "None of the ranked runs has 800"
    )


def test_what_the_doctor_says_of_all_is_said_once(tmp_path: Path) -> None:
    """It tells none of them from the others."""
    runs = [
        *seeds(HINGE, 0.1, 0.12, findings=[CHECKERBOARD]),
        *seeds(BCE, 0.3, 0.32, findings=[CHECKERBOARD]),
    ]
    assert compared(tmp_path, *runs).verdict == (
        "`loss=hinge` seems best on fd_rand (lower is better), 0.11 ± 0.014 over 2 seeds, before `loss=bce`, "
        f"0.31 ± 0.014 over 2 seeds; {SURER}. "
        "The doctor says of all of them, the best included: checkerboard (GD301)."
    )


def test_numbers_measured_otherwise_are_left_out(tmp_path: Path) -> None:
    other = {**WGAN, "fd": [0.01], "stamp": {**STAMP, "extractor": "of other data"}}
    comparison = compared(tmp_path, *seeds(HINGE, 0.1), *seeds(BCE, 0.2), other)
    assert comparison.unlike == ["2"]
    assert comparison.ranked[0].name == "0"
    assert comparison.verdict.endswith(f" {UNLIKE.capitalize()}: run `2`.")
    young = compared(tmp_path / "young", *seeds(HINGE, 0.1), {**BCE, "fd": []})
    assert young.verdict.endswith(" No look at fd_rand: run `1`.")


def test_without_a_number_nothing_is_better(tmp_path: Path) -> None:
    comparison = compared(tmp_path, {**HINGE, "fd": []}, {**BCE, "fd": []})
    assert comparison.verdict == "No run has measured fd_rand yet, so none is called better."
    assert comparison.effects == []


def test_runs_that_failed_after_they_were_measured_are_said_to_have_been(tmp_path: Path) -> None:
    lost = {"fd": [0.3], "status": "failed", "error": "not finite", "diverged": True}
    comparison = compared(tmp_path, HINGE | lost, BCE | lost)
    assert comparison.verdict.startswith(
        "Only runs that failed have measured fd_rand, so none is called better. 2 of 2 runs failed"
    )
    assert comparison_of(comparison.records, "fd_rand").verdict == comparison.verdict


def test_not_a_number_is_no_look(tmp_path: Path) -> None:
    comparison = compared(tmp_path, {**HINGE, "fd": [math.nan]}, {**BCE, "fd": [0.2]})
    assert list(comparison.measured) == ["1"]
    with pytest.raises(GantrainError, match=r"none of the runs has measured fd_rand\n.*metrics.every was 0"):
        comparison_of(comparison.records[:1], "fd_rand")


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


def test_an_option_that_is_not_shown_makes_no_sweep_uneven(tmp_path: Path) -> None:
    """All of its runs diverged; those of the others met the same seeds."""
    lost = [{**WGAN, "seed": seed, "fd": [], "status": "failed", "diverged": True} for seed in (0, 1)]
    (effect,) = compared(tmp_path, *seeds(HINGE, 0.1, 0.1), *seeds(BCE, 0.2, 0.2), *lost).effects
    assert list(effect.options) == ["hinge", "bce"]
    assert effect.balanced


def test_what_differs_in_everything_goes_by_its_name(tmp_path: Path) -> None:
    keys = ("a", "b", "c", "d", "e")
    runs = sweep(tmp_path, *({"overrides": [f"own.{key}={n}" for key in keys], "fd": [n]} for n in (1, 2)))
    assert compare(runs).verdict.startswith(
        "`0` leads on fd_rand (lower is better), 1 with one seed; next is `1`"
    )


def test_a_setting_that_decides_by_itself_is_told(tmp_path: Path) -> None:
    """Which loss is best stays open; that nearest is better than transposed does not."""
    values = {
        ("bce", "nearest"): 0.1,
        ("hinge", "nearest"): 0.11,
        ("bce", "transpose"): 0.3,
        ("hinge", "transpose"): 0.29,
    }
    runs = [
        {
            "overrides": [f"loss={loss}", f"upsample={upsample}"],
            "choices": {"loss": loss, "upsample": upsample},
            "fd": [value + 0.02 * seed],
            "seed": seed,
        }
        for (loss, upsample), value in values.items()
        for seed in (0, 1)
    ]
    told = compared(tmp_path, *runs).verdict
    assert (
        "On average over the rest, `upsample=nearest` is better than `upsample=transpose`: "
        "0.115 ± 0.013 over 4 runs against 0.305 ± 0.013 over 4 runs."
    ) in told
    assert "`loss=bce` is better" not in told
    assert "`loss=hinge` is better" not in told
