"""DoctorBench itself: its matrix, its oracle on sets whose numbers are known, the arithmetic of its table."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from benchmarks.doctorbench import cases, oracle, prescribe, records, table, verdict
from benchmarks.doctorbench.crops import crops
from benchmarks.doctorbench.half import half_classes
from benchmarks.run_many import Ended, Job, StaleError, run_many
from gantrain import checks
from gantrain.compose import beside, composed
from gantrain.data import sources
from gantrain.data.split import split
from gantrain.errors import GantrainError

CASES = cases.load()
KINDS = {case.name.split("-", 2)[2]: case for case in CASES}  # whatever the data set and the seed
Row = dict[str, Any]


# ---- The matrix --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_case_composes_and_passes_the_check(kind: str) -> None:
    case = KINDS[kind]
    cfg = composed([*beside(str(cases.CONFIGS)), *case.overrides])
    if case.refused is None:
        checks.check(checks.resolved(cfg))
        return
    with pytest.raises(GantrainError) as refusal:
        checks.check(checks.resolved(cfg))
    assert refusal.value.key == case.refused


def test_what_is_reported_was_not_tuned_on() -> None:
    """Other seeds everywhere, mostly other data, over 120 runs of 800 steps or more, half of them healthy."""
    tune, held_out = cases.of_set("tune"), cases.of_set("held_out")
    assert len(held_out) >= 120
    known = {(c.data, c.seed) for c in CASES if c.set != "held_out"}
    assert not known & {(c.data, c.seed) for c in held_out}
    new = [c for c in held_out if c.data not in {data for data, _ in known}]
    assert len(new) >= 100
    assert {c.data for c in CASES} == set(oracle.REAL_SETS)
    for chosen in (tune, held_out):
        seeded = Counter(c.fault is not None for c in chosen)
        assert 0.8 < seeded[True] / seeded[False] < 1.25
        assert all({"train.steps=800", "train.steps=1600"} & set(c.overrides) for c in chosen)
        assert all(c.expect for c in chosen if c.fault)


def test_a_twin_is_the_case_without_its_fault() -> None:
    case = KINDS["minimax-strong"]
    assert "loss=minimax" in case.twin
    assert set(case.overrides) - set(case.twin) - set(case.common) == set(case.seeded)


def test_two_cases_of_one_name_are_refused(tmp_path: Path) -> None:
    text = cases.MATRIX.read_text(encoding="utf-8").replace("name: minimax", "name: dominated")
    (tmp_path / "matrix.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"several runs named .*dominated-strong"):
        cases.load(tmp_path / "matrix.yaml")


@pytest.mark.parametrize(
    ("own", "remedy", "merged"),
    [
        # the same key is replaced, the others stay
        (("loss=wgan", "optim.lr_d=1e-3"), ("optim.lr_d=2e-4",), ("loss=wgan", "optim.lr_d=2e-4")),
        # a new choice of a group replaces the old one, with the old one's keys
        (("penalty=clip", "penalty.clip_value=1", "seed=5"), ("penalty=r1",), ("seed=5", "penalty=r1")),
        # a group stands before its keys, wherever the remedy names it
        (("seed=5",), ("optim.lr_g=1e-4", "optim=ttur"), ("seed=5", "optim=ttur", "optim.lr_g=1e-4")),
        # a key is not the group of a longer name
        (("train.steps=800",), ("train.step=1",), ("train.steps=800", "train.step=1")),
        (("+optim.fused=true",), ("++optim.fused=false",), ("++optim.fused=false",)),
    ],
)
def test_a_remedy_is_merged_by_key(
    own: tuple[str, ...], remedy: tuple[str, ...], merged: tuple[str, ...]
) -> None:
    assert cases.merge(own, remedy) == merged


def test_a_remedy_leaves_the_size_of_the_bench_alone() -> None:
    """model=dcgan does away with the case's own model.width, and the common one comes back."""
    case = KINDS["mlp-strong"]
    assert "model.width=64" in case.overrides
    prescribed = case.prescribed(("model=dcgan",))
    assert "model.width=16" in prescribed
    assert not {"model=mlp", "model.width=64"} & set(prescribed)
    assert "train.images=null" in KINDS["few-images-strong"].prescribed(("train.images=null",))


# ---- The queue ---------------------------------------------------------------------------------------------


def test_the_queue_goes_on_and_never_mixes_runs(tmp_path: Path) -> None:
    jobs = [Job("no-such-loss", ("loss=nope",)), Job("no=such,key", ("train.nope=1",))]
    said: list[str] = []
    ended = {e.job.name: e for e in run_many(jobs, tmp_path, workers=2, say=said.append)}
    assert {e.code for e in ended.values()} == {2}
    assert "loss=nope: no such option" in ended["no-such-loss"].stderr
    assert "train.nope: no such option" in ended["no=such,key"].stderr
    assert len(said) == 2

    again = list(run_many(jobs, tmp_path, say=said.append))
    assert [e.job.name for e in again] == [job.name for job in jobs]
    assert all(e.skipped and e.stderr == ended[e.job.name].stderr for e in again)
    assert "2 of 2 runs have ended before: skipped" in said

    changed = replace(jobs[0], overrides=("loss=other",))
    with pytest.raises(StaleError, match=r"rm -r .*no-such-loss"):
        list(run_many([changed], tmp_path, say=said.append))
    record = json.loads((tmp_path / "no-such-loss.exit.json").read_text())
    assert record["command"] == ["loss=nope"]


# ---- The data ----------------------------------------------------------------------------------------------


def test_half_the_classes_are_held_out_only() -> None:
    half = half_classes("digits", keep=5, image_size=32)
    images, whole = split(half), sources.digits()
    assert images.train is not None
    assert images.held_out is not None
    assert images.labels is not None
    assert images.labels[images.train].unique().tolist() == [0, 1, 2, 3, 4]
    assert images.labels[images.held_out].unique().tolist() == list(range(10))
    assert len(images.held_out) == whole.count // 4
    assert half.class_names == whole.class_names


def test_crops_are_the_same_pictures_every_time() -> None:
    images = crops(count=64)
    assert images.images.shape == (64, 3, 32, 32)
    assert torch.equal(images.images, crops(count=64).images)
    assert float(images.images.float().std()) > 40, "colourful"
    assert len(images.images.unique(dim=0)) == 64


# ---- The oracle --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> oracle.Real:
    return oracle.real_set("digits")


@pytest.fixture(scope="module")
def digits() -> Tensor:
    return sources.digits().images


def test_the_real_pictures_themselves_are_healthy(real: oracle.Real, digits: Tensor) -> None:
    numbers = oracle.measure(digits[::2], real)
    assert abs(numbers["energy"]) < 0.01
    assert numbers["classes"] == 10
    assert numbers["variety"] == pytest.approx(1, abs=0.02)
    assert numbers["spread"] == pytest.approx(1, abs=0.02)
    assert numbers["copies"] < 0.05


def test_missing_classes_are_seen(real: oracle.Real, digits: Tensor) -> None:
    labels = sources.digits().labels
    assert labels is not None
    numbers = oracle.measure(digits[labels < 5], real)
    assert numbers["classes"] == 5
    assert numbers["variety"] == pytest.approx(0.5, abs=0.05)


def test_copies_are_seen(real: oracle.Real, digits: Tensor) -> None:
    """A third of the set twice; a change of one grey level makes no new picture."""
    again = (digits[:150].float() + 1).clamp(max=255).to(torch.uint8)
    numbers = oracle.measure(torch.cat([digits[:600], again]), real)
    assert numbers["copies"] == pytest.approx(300 / 750, abs=0.03)


def test_a_frame_is_measured_where_the_pictures_have_none() -> None:
    """Half of the outermost ring's swing is a quarter of its variance; noise has one variance everywhere."""
    random = torch.Generator().manual_seed(0)
    real, fake = torch.randint(0, 256, (2, 2000, 3, 16, 16), dtype=torch.uint8, generator=random)
    assert oracle.frame(fake, real) == pytest.approx(0, abs=0.01)
    framed = fake // 2
    framed[..., 1:-1, 1:-1] = fake[..., 1:-1, 1:-1]
    assert oracle.frame(framed, real) == pytest.approx(0.75, abs=0.01)
    assert oracle.frame(fake, framed) == 0, "a margin of their own: nothing to judge"


def test_far_off_and_alike_is_seen(real: oracle.Real, digits: Tensor) -> None:
    """Energy distances have closed forms at the ends: E|X - X'| of one repeated picture is 0."""
    black = torch.zeros_like(digits[:200])
    numbers = oracle.measure(black, real)
    points, own = oracle.coarse(real.images), oracle.mean_distance(oracle.coarse(real.images))
    expected = (2 * float(torch.cdist(points, oracle.coarse(black[:1])).mean()) - own) / own
    assert numbers["energy_coarse"] == pytest.approx(expected, rel=1e-4)
    assert numbers["spread"] == 0
    assert numbers["copies"] == 1
    noise = torch.randint(0, 256, (200, 1, 32, 32), dtype=torch.uint8)
    assert oracle.measure(noise, real)["energy"] > 1


def test_energy_distance_by_hand() -> None:
    """E|X - Y| = (1 + 2 + 1 + 0) / 4, E|X - X'| = 2, E|Y - Y'| = 1, over pairs of different members."""
    x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [2.0]])
    assert oracle.energy_distance(x, y) == pytest.approx((2 * 1 - 2 - 1) / 1)


def test_gradients_know_directions() -> None:
    """Upright stripes change along x only, lying ones along y: other bins of the histogram."""
    stripes = (torch.arange(32) // 4 % 2 * 255).to(torch.uint8).expand(1, 1, 32, 32)
    upright, lying = oracle.gradients(stripes), oracle.gradients(stripes.mT)
    assert upright.view(8, 16).sum(1).nonzero().flatten().tolist() == [0]
    assert lying.view(8, 16).sum(1).nonzero().flatten().tolist() == [4]


def test_a_discriminator_that_knows_its_pictures_is_told_apart() -> None:
    """Logits by the mean of the picture: all seen ones bright, half of the unseen ones dark."""

    class Mean(torch.nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.mean((1, 2, 3))

    class Echo(torch.nn.Module):
        def forward(self, images: Tensor, labels: Tensor) -> Tensor:
            return labels.float()

    grey = torch.tensor([200] * 32 + [200] * 16 + [10] * 16 + [0] * 32, dtype=torch.uint8)
    pictures = grey.view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    seen, unseen, fake = pictures.split(32)
    assert oracle.gap(*(oracle.judged(Mean(), each, batch=8) for each in (seen, unseen, fake))) == 0.5
    assert len(oracle.judged(Mean(), pictures[:30], batch=8)) == 24, "whole batches only"
    labels = torch.arange(30)
    asked = oracle.judged(Echo(), pictures[:30], labels, batch=8)
    assert_close(asked, labels[:24].float())  # a conditional one is told the class of each
    few = oracle.drawn(torch.tensor([3, 7]), 5)
    assert sorted(few.unique().tolist()) == [3, 7]
    assert len(few) == 5


# ---- The verdict -------------------------------------------------------------------------------------------

NORMAL = {
    **{"energy": 0.1, "classes": 10.0, "variety": 0.8, "spread": 0.8},
    **{"frame": 0.05, "copies": 0.0, "by_heart": 0.02},
}


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ({"energy": 0.31}, "far from the real pictures"),
        ({"classes": 7.0}, "classes are missing"),
        ({"variety": 0.59}, "few kinds make up most"),
        ({"spread": 0.39}, "the samples are alike"),
        ({"copies": 0.21}, "the samples repeat"),
        ({"frame": 0.21}, "a frame at the border"),
        ({"by_heart": 0.28}, "D knows its pictures by heart"),
    ],
)
def test_each_way_to_be_broken(numbers: dict[str, float], reason: str) -> None:
    assert verdict.reasons(0, NORMAL, NORMAL) == []
    assert verdict.reasons(0, NORMAL | numbers, NORMAL) == [reason]


def test_rounds_that_measured_no_frame_are_judged_without_it() -> None:
    known = {name: value for name, value in NORMAL.items() if name != "frame"}
    assert verdict.reasons(0, NORMAL | {"frame": 0.9, "energy": 0.31}, known) == [
        "far from the real pictures"
    ]


def test_labels_go_by_outcome_unless_the_fault_is_structural() -> None:
    row: Row = {"code": 0, "numbers": NORMAL, "structural": False}
    assert verdict.label(row, NORMAL)["label"] == "healthy", "a fault that did not bite"
    assert verdict.label(row | {"structural": True}, NORMAL)["reasons"] == ["by construction"]
    assert verdict.label(row | {"code": 3, "numbers": {}}, NORMAL)["reasons"] == ["it became infinite"]


@pytest.mark.parametrize(
    ("number", "line", "further"),
    [
        ("energy", verdict.FAR, 1),
        ("classes", verdict.FEW, -1),
        ("variety", verdict.FEW, -1),
        ("spread", verdict.ALIKE, -1),
    ],
)
def test_a_fifth_of_a_line_to_either_side_is_undecided(number: str, line: float, further: int) -> None:
    for off, expected, letter in (
        (1.21, "broken", "broken"),
        (1.19, "undecided", "broken"),
        (0.81, "undecided", "healthy"),
        (0.79, "healthy", "healthy"),
    ):
        share = line * off if further > 0 else line * (2 - off)
        row: Row = {"code": 0, "numbers": NORMAL | {number: share * NORMAL[number]}, "structural": False}
        judged = verdict.label(row, NORMAL)
        assert (judged["label"], judged["by_the_letter"]) == (expected, letter), (number, off)
        assert verdict.label(row | {"structural": True}, NORMAL)["label"] == "broken"


def test_the_normal_is_the_median_of_the_healthy_runs() -> None:
    rows = [{"data": "digits", "fault": None, "numbers": {"energy": e}} for e in (0.1, 0.2, 9.0)]
    rows += [{"data": "digits", "fault": "collapse", "numbers": {"energy": 5.0}}]
    assert verdict.normals(rows) == {"digits": {"energy": 0.2}}
    with pytest.raises(ValueError, match="digits: 1 healthy runs have ended"):
        verdict.normals(rows[:1])


# ---- What the doctor said ----------------------------------------------------------------------------------


def finding(
    rule: str, step: int, severity: str = "error", primary: bool = True, state: str = "active"
) -> Row:
    return {"rule": rule, "state": state, "severity": severity, "primary": primary, "step": step}


def test_the_cause_is_the_one_that_stands_at_the_end() -> None:
    began = finding("GD103", 200)
    symptom = finding("GD103", 400, primary=False)
    assert records.primary([began, finding("GD201", 400), symptom]) == finding("GD201", 400)
    over = finding("GD103", 600, primary=False, state="resolved")
    assert records.primary([began, over]) == began, "nothing stands: the last there was"
    assert records.primary([finding("GD104", 200, "info", primary=False)]) is None


def test_a_refusal_is_a_finding_with_its_remedy(tmp_path: Path) -> None:
    case = KINDS["sigmoid-strong"]
    with pytest.raises(GantrainError) as refusal:
        checks.check(checks.resolved(composed([*beside(str(cases.CONFIGS)), *case.overrides])))
    ended = Ended(records.job(case), tmp_path, 2, f"gantrain: error: {refusal.value}\n", 1.0)
    (told,) = records.told_by_refusal(case, ended)
    assert (told["rule"], told["step"], told["remedy"]) == ("GD003", 0, ["model.generator.output=tanh"])
    assert records.told_by_refusal(case, replace(ended, stderr="gantrain: error: seed: ...")) == []
    assert records.told_by_refusal(KINDS["healthy-default"], ended) == []


def test_folk_numbers_come_from_the_log(tmp_path: Path) -> None:
    rows = [{"step": s, "loss_d": s / 10, "grad_norm_d": 1.0, "grad_norm_g": 200.0 - s} for s in range(8)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert records.folk_numbers(tmp_path) == {"loss_d": 0.65, "grad_norm": 200.0}


# ---- The table ---------------------------------------------------------------------------------------------


def row(name: str, label: str, findings: list[Row], expect: tuple[str, ...] = (), **more: Any) -> Row:
    return {
        "name": name,
        "data": "digits",
        "fault": "some" if expect else None,
        "label": label,
        "reasons": [],
        "code": 0,
        "total": 800,
        "expect": list(expect),
        "findings": findings,
        "remedy": ["loss=bce"] if findings else [],
        "share": 0.01,
        "folk": {"loss_d": 0.5, "grad_norm": 1.0},
        "numbers": {"energy": 0.1},
        "prescribed": None,
        **more,
    }


ROWS = [
    row("right", "broken", [finding("GD201", 200)], ("GD201", "GD103"), prescribed={"why_not": []}),
    row(
        "also-right",
        "broken",
        [finding("GD103", 400)],
        ("GD201", "GD103"),
        prescribed={"why_not": ["stands"]},
    ),
    row("wrong", "broken", [finding("GD301", 400), finding("GD101", 600, primary=False)], ("GD101",)),
    row(
        "missed", "broken", [finding("GD104", 400, "info", primary=False)], ("GD101",), folk={"loss_d": 0.01}
    ),
    row("surprise", "broken", []),
    row("fine", "healthy", []),
    row("blamed", "healthy", [finding("GD301", 400, "warning"), finding("GD201", 600, primary=False)]),
    row("did-not-bite", "healthy", [], ("GD401",)),
    row(
        "blown", "broken", [finding("GD001", 8, "fatal")], ("GD001",), code=3, numbers={}, folk={}, share=0.03
    ),
]


def test_the_headline_is_counted_right() -> None:
    counted = {share.name: (share.k, share.n) for share in table.shares(ROWS)}
    assert counted == {
        "broken runs detected": (4, 6),
        "primary cause right, of broken runs with a known cause": (3, 5),
        "... of those detected": (3, 4),
        "false alarms per healthy run": (2, 3),
        "... per run without a seeded fault": (2, 2),
        "... per run whose fault did not bite": (0, 1),
        "recovered by the first remedy": (1, 2),
    }


def test_precision_and_recall_of_each_rule() -> None:
    found = {rule: ((p.k, p.n), (r.k, r.n)) for rule, (p, r) in table.per_rule(ROWS).items()}
    assert found == {
        "GD001": ((1, 1), (1, 1)),
        "GD101": ((0, 0), (0, 2)),
        "GD103": ((1, 1), (0, 0)),
        "GD201": ((1, 1), (2, 2)),
        "GD301": ((0, 2), (0, 0)),
    }
    assert table.f1(table.Share("", 1, 2), table.Share("", 1, 1)) == pytest.approx(2 / 3)
    assert table.f1(table.Share("", 0, 0), table.Share("", 0, 2)) == 0


def test_latency_goes_by_the_first_true_finding() -> None:
    assert [table.latency(each) for each in ROWS[:5]] == [0.25, 0.5, 0.75, None, None]


def test_the_page_names_every_miss_and_whether_goals_are_met() -> None:
    page = table.render(ROWS, "a trial")
    for line in (
        "9 runs of 800 steps: 6 broken, 3 healthy.",
        "| broken runs detected | 4 / 6 | 66.7% | >= 95%: missed |",
        "| false alarms per healthy run | 2 / 3 | 0.667 | <= 0.05: missed |",
        "| first true finding, as a share of the run | 37.5% | 75.0% | 4 |",
        "| the doctor's share of the time (goal: 2 % at most) | 1.00% | 3.00% | 9 |",
        "| D's loss below 0.05, over the last quarter | 1 / 6 | 0 / 3 |",
        "| any of these | 2 / 6 | 0 / 3 |",
        "- wrong (): GD301 instead of GD101",
        "- blamed: GD301 at step 400, GD201 at step 600",
        "- also-right: loss=bce: stands",
        "## Seeded faults that did not bite: healthy (1)",
        "## Runs without a fault that came out broken (1)",
    ):
        assert line in page, page
    assert table.Share("", 19, 20, 0.95).wanted() == ">= 95%: met"
    assert table.Share("none", 0, 0, 0.95).line() == "| none | 0 / 0 | - |  |"
    assert table.Share("", 1, 20, 0.05, at_most=True, as_ratio=True).wanted() == "<= 0.05: met"


def test_the_undecided_are_counted_apart_and_by_the_letter() -> None:
    close = [
        row("close-broken", "undecided", [], by_the_letter="broken"),
        row("close-blamed", "undecided", [finding("GD201", 400)], by_the_letter="healthy"),
    ]
    rows = [each | {"by_the_letter": each["label"]} for each in ROWS] + close
    counted = {share.name: (share.k, share.n) for share in table.shares(rows)}
    assert counted["broken runs detected"] == (4, 6)
    assert counted["false alarms per healthy run"] == (2, 3)
    assert counted["with the undecided, by the letter: detected"] == (4, 7)
    assert counted["with the undecided, by the letter: false alarms"] == (3, 4)
    page = table.render(rows, "a trial")
    assert "6 broken, 3 healthy, 2 too close to a line to be either." in page
    assert "- close-blamed (): GD201" in page


def test_remedies_go_by_the_rows_alone(tmp_path: Path) -> None:
    """The runs they tell of may be gone, and what is known already is not tried again."""
    case = next(case for case in cases.of_set("tune") if case.fault == "collapse")
    told = row(case.name, "broken", [finding("GD201", 200)], case.expect)
    rows = [told, *(row(f"healthy-{n}", "healthy", []) for n in range(3))]
    known = {case.name: case}
    ((_, job),) = prescribe.reruns(rows, known)
    assert "loss=bce" in job.overrides
    assert prescribe.with_outcomes(rows, known, tmp_path, 1)[0]["prescribed"] is None
    done = [told | {"prescribed": {"why_not": []}}, *rows[1:]]
    assert not list(prescribe.reruns(done, known))
    assert prescribe.with_outcomes(done, known, tmp_path, 1) == done


def test_a_remedy_has_helped_when_the_rule_is_silent_and_the_pictures_are_good() -> None:
    seeded: Row = {"structural": False, "numbers": {"energy": 2.0}}
    assert prescribe.why_not(seeded, 0, NORMAL, NORMAL) == []
    assert prescribe.why_not(seeded, 0, NORMAL | {"energy": 0.9}, NORMAL) == ["far from the real pictures"]
    assert prescribe.why_not(seeded, 2, {}, NORMAL) == ["the remedy is refused"]
    structural: Row = {"structural": True, "numbers": {"energy": 1.0}}
    assert prescribe.why_not(structural, 0, NORMAL | {"energy": 1.19}, NORMAL) == []
    assert prescribe.why_not(structural, 0, NORMAL | {"energy": 1.21}, NORMAL) == [
        "the pictures became worse"
    ]
    assert prescribe.why_not(structural, 3, {}, NORMAL) == ["it became infinite"]


def test_rows_survive_being_written(tmp_path: Path) -> None:
    path = tmp_path / "results" / "tune.jsonl"
    records.write_rows(ROWS, path)
    assert records.read_lines(path) == ROWS
    assert len(path.read_text().splitlines()) == len(ROWS)
