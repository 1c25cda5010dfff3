"""The measuring of the field notes' claims: its runs, its numbers, its rule and its page."""

from __future__ import annotations

import functools
import io
import itertools
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from omegaconf import DictConfig
from PIL import Image
from torch.testing import assert_close

from benchmarks import run_many
from benchmarks.findings import claims, numbers, page, rows, sheets
from benchmarks.findings.__main__ import PAGE, PICTURES
from benchmarks.findings.claims import Claim, Run, Study
from benchmarks.findings.numbers import Files
from benchmarks.findings.verdicts import NEARER, RELATIONS, judged, judged_by, verdict
from gantrain import checks, pictures
from gantrain.compose import beside, composed
from gantrain.config import refuse
from gantrain.networks.layers import NORM, Layers

ROOT = Path(__file__).parent.parent
STUDY = claims.load()
RUNS = {run.name: run for run in STUDY.runs() if run.words["seed"] == "0"}
TYPED = {
    f"{claim.slug} {part.name} {option}": (part.words | part.options[option] | {"seed": "0"}, runs[0])
    for claim in STUDY.claims
    for part in claim.parts
    for option, runs in part.runs.items()
}
DEFAULTS = claims.typed(claims.parsed(yaml.safe_load(claims.CLAIMS.read_text())["defaults"]))
NOTES = (
    *("N0.3", "N0.4", "N0.6", "N0.7", "N1.3", "N1.4", "N1.7", "N1.8"),
    *("N2.4", "N2.5", "N4.4", "N2.6", "N3.3", "N4.1", "N4.5"),
)
WATCHING = ("tracking", "metrics", "checkpoint", "runtime")  # sections that change nothing about training
Row = dict[str, Any]


# ---- The claims ------------------------------------------------------------------------------------------


@functools.cache
def configuration(run: Run, overrides: tuple[str, ...]) -> DictConfig:
    return composed([*beside(run.job.argv[1] if run.job.argv else None), *overrides])


@pytest.mark.parametrize("name", RUNS)
def test_every_option_composes_and_passes_the_check(name: str) -> None:
    cfg = checks.resolved(configuration(RUNS[name], RUNS[name].overrides))
    refuse(checks.check(cfg))


@pytest.mark.parametrize(
    "what", [what for what, (words, _) in TYPED.items() if {*DEFAULTS} & {*claims.typed(words)}]
)
def test_what_a_run_leaves_out_is_the_default(what: str) -> None:
    """As the reader types it, and as the run is made: the same configuration."""
    words, run = TYPED[what]
    watched = {key: value for key, value in run.words.items() if key.partition(".")[0] in WATCHING}
    assert configuration(run, claims.typed(watched | words)) == configuration(run, run.overrides)


def test_all_notes_are_there_within_the_budget() -> None:
    assert sorted(id for claim in STUDY.claims for id in claim.id.split(", ")) == sorted(NOTES)
    assert 100 < len(STUDY.runs()) < 150
    assert STUDY.seeds == (0, 1, 2)
    for claim in STUDY.claims:
        for part in claim.parts:
            assert part.expect, f"{claim.id}: {part.name}"
            assert set(part.numbers) <= set(numbers.NUMBERS)
            assert {one.relation for one in part.expect} <= {*RELATIONS, NEARER}


def test_claims_share_runs() -> None:
    of = {claim.id: {run.name for run in claim.runs} for claim in STUDY.claims}
    assert {f"fashion_mnist-s{seed}" for seed in STUDY.seeds} <= of["N0.4"] & of["N1.4"] & of["N2.4"]
    assert len(STUDY.runs(["N0.6", "N0.7"])) == 4 * 3
    with pytest.raises(ValueError, match=r"no such claim: N9\.9; there are: N0\.3"):
        STUDY.runs(["N9.9"])


@pytest.mark.parametrize("claim", STUDY.claims, ids=lambda claim: claim.slug)
def test_the_command_that_is_shown_trains_these_runs(claim: Claim) -> None:
    """Each line, its sweeps multiplied out, against the runs' own overrides, but for what only looks on."""
    for part in claim.parts:
        shown = []
        for line in page.commands(part, STUDY.seeds):
            command, sweep, *words = shlex.split(line)
            assert (command, sweep) == ("gantrain", "-m")
            if words[0] == "--config-dir":
                assert (ROOT / words[1] / "data" / "crops.yaml").is_file()
                words = words[2:]
            choices = [[f"{w.partition('=')[0]}={v}" for v in w.partition("=")[2].split(",")] for w in words]
            shown += [set(chosen) for chosen in itertools.product(*choices)]
        runs = [set(run.overrides) for runs in part.runs.values() for run in runs]
        assert sorted(map(decisive, (words - {*DEFAULTS} for words in shown))) == sorted(map(decisive, runs))


def decisive(words: set[str]) -> list[str]:
    return sorted(word for word in words if word.partition(".")[0] not in WATCHING)


def test_words_are_laid_onto_others() -> None:
    assert claims.parsed("a=2 ~b c.d=3", onto={"a": "1", "b": "1"}) == {"a": "2", "c.d": "3"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("of: entangled", "of: tangled", "N1.3: one lacks what it expects of fd_rand"),
        ("number: fd_rand", "number: vendi_ratio", "N1.3: one lacks what it expects of vendi_ratio"),
        ("data=digits", "data=digits ~train.steps", "another run has the name digits-s0"),
    ],
)
def test_mistakes_in_the_claims_are_refused(small: Path, old: str, new: str, message: str) -> None:
    text = small.read_text()
    if message.startswith("another"):  # the second part differs in what its name does not tell
        text += "      - {name: two, with: " + new + "}\n"
    else:
        assert old in text
        text = text.replace(old, new, 1)
    small.write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)):
        claims.load(small)


# ---- The rule --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("relation", "a", "b", "outcome"),
    [
        ("lower", [1, 2, 3], [4, 5, 6], "yes"),
        ("lower", [1, 2, 4], [4, 5, 6], "no difference"),  # 4 is not below 4
        ("lower", [4, 5, 6], [1, 2, 3], "the other way round"),
        ("higher", [4, 5, 6], [1, 2, 3], "yes"),
        ("higher", [1, 9, 9], [2, 3, 4], "no difference"),
        ("like", [1, 2, 4], [3, 5, 6], "yes"),
        ("like", [1, 2, 3], [4, 5, 6], "no"),
        ("like", [4, 5, 6], [1, 2, 3], "no"),
        ("not higher", [1, 2, 3], [4, 5, 6], "yes"),
        ("not higher", [3, 4, 5], [2, 3, 4], "yes"),
        ("not higher", [4, 5, 6], [1, 2, 3], "no"),
        ("not lower", [4, 5, 6], [1, 2, 3], "yes"),
        ("not lower", [1, 2, 3], [4, 5, 6], "no"),
        ("lower", [], [1, 2, 3], "not measured"),
        (NEARER, [1, 2], [3, 4], "not measured"),
    ],
)
def test_one_rule_for_two_options(relation: str, a: list[float], b: list[float], outcome: str) -> None:
    assert judged(relation, a, b) == outcome


def test_nearer_is_nearer_to_the_real_pictures_from_either_side() -> None:
    assert judged(NEARER, [0.1, -0.1], [-0.4, -0.5], real=0.0) == "yes"
    assert judged(NEARER, [0.1, -0.1], [-0.4, -0.5], real=-0.45) == "the other way round"
    assert judged(NEARER, [0.1, -0.45], [-0.4, -0.5], real=0.0) == "no difference"


def test_a_bound_is_kept_by_every_seed() -> None:
    assert judged_by("lower", [0.1, 0.2], 0.5) == "yes"
    assert judged_by("lower", [0.1, 0.6], 0.5) == "no"
    assert judged_by("higher", [0.1, 0.2], 0.5) == "the other way round"
    assert judged_by("higher", [], 0.5) == "not measured"


def test_chance_does_it_once_in_twenty() -> None:
    """Six values dealt into two hands of three: what the page says of its rule."""
    hands = list(itertools.combinations(range(6), 3))
    lower = [judged("lower", hand, [v for v in range(6) if v not in hand]) for hand in hands]
    assert (lower.count("yes"), len(lower)) == (1, 20)


def test_the_verdict_is_all_none_or_some() -> None:
    assert verdict(["yes", "yes"], "x").word == "holds"
    assert verdict(["no", "the other way round", "no difference"], "x").word == "does not hold here"
    assert verdict(["yes", "no difference"], "the data").word == "depends on the data"
    assert verdict(["yes", "not measured"], "x").word == "not measured yet"
    assert verdict([], "x").word == "not measured yet"


# ---- The numbers -----------------------------------------------------------------------------------------


def finished(directory: Path, status: str = "finished", **signals: list[float]) -> Files:
    """A run of 4 steps: one look while it trained, then one row of signals for each value."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "summary.json").write_text(json.dumps({"status": status, "step": 4}))
    looks = [{"step": 0, "untrained_phase_difference": 0.25}, {"step": 2, "signal_g": 0.1, "border": 9.0}]
    looks += [
        dict(zip(signals, values, strict=True)) | {"step": 4}
        for values in zip(*signals.values(), strict=True)
    ]
    write(directory / "signals.jsonl", looks)
    write(directory / "metrics.jsonl", [logged(step, loss) for step, loss in ((1, 1.0), (2, 3.0), (4, 1.0))])
    fd = [
        {"step": s, "metrics": {"fd_rand": {"value": v, "null_mean": 0.01}}} for s, v in ((2, 0.8), (4, 0.4))
    ]
    write(directory / "evaluations.jsonl", [fill(look) for look in fd])
    nulls = {"lattice_2": (0.3, 0.1), "lattice_4": (0.5, 0.1), "border": (0.02, 0.01)}
    return Files(directory, nulls)


def logged(step: int, loss: float) -> Row:
    return {
        "step": step,
        "seconds": 0.5 * step,
        "loss_d": loss,
        "loss_g": 2.0,
        "images_per_second": 60.0 + step,
    }


def fill(look: Row) -> Row:
    for key in ("coverage_rand", "vendi_rand"):
        look["metrics"][key] = {"value": 0.5, "null_mean": 0.97}
    return look


def write(path: Path, lines: list[Row]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_closing_looks_are_averaged_and_the_earlier_ones_are_not(tmp_path: Path) -> None:
    run = finished(tmp_path, border=[0.1, 0.2, 0.6], lattice_2=[1.0, 1.0, 1.3], lattice_4=[0.6, 0.6, 0.6])
    row = numbers.measured(run)
    expected = {
        "border": 0.3,
        "lattice": 0.8,  # 1.1 - 0.3, the stronger one
        "lattice_2": 1.1,
        "untrained_phase": 0.25,
        "signal_g_early": 0.1,
        "fd_rand": 0.4,
        "first_loss_d": 1.0,
        "ms_per_step": 500.0,
        "images_per_second": 62.0,
        "coverage_rand": 0.5,
    }
    assert {name: row["numbers"][name] for name in expected} == pytest.approx(expected)
    assert row["real"]["border"] == 0.02
    assert row["real"]["fd_rand"] == 0.01
    assert row["curve"] == [[2.0, 1.0, 0.8], [4.0, 2.0, 0.4]]
    assert "used_ratio_g" not in row["numbers"]


def test_a_run_that_did_not_finish_has_no_closing_numbers(tmp_path: Path) -> None:
    row = numbers.measured(finished(tmp_path, status="failed", border=[0.1, 0.2, 0.6]))
    assert not {"border", "fd_rand"} & set(row["numbers"])
    assert numbers.measured(Files(tmp_path / "nothing", {}))["numbers"] == {}


def test_a_wobble_is_what_bends() -> None:
    assert numbers.wobble([1.0, 2.0, 3.0, 4.0]) == pytest.approx(0.0)  # a trend is none
    assert numbers.wobble([1.0, 3.0, 1.0, 3.0]) == pytest.approx(2.0)  # |second difference| 4, mean 2
    assert numbers.wobble([10.0, 30.0, 10.0, 30.0]) == pytest.approx(2.0)  # whatever the scale
    assert numbers.wobble([1.0, 2.0]) is None


def test_a_logged_wobble_is_of_windows_however_often_rows_were_written(tmp_path: Path) -> None:
    """Windows of 25 steps with means 1, 3, 1: |1 - 6 + 1| / (5/3)."""
    means = (1.0, 3.0, 1.0)
    every_step = [
        {"step": s, "loss_d": means[(s - 1) // 25] + (-1) ** s * (s % 25 != 0)} for s in range(1, 76)
    ]
    every_window = [{"step": 25 * (n + 1), "loss_d": mean} for n, mean in enumerate(means)]
    for name, lines in (("step", every_step), ("window", every_window)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "metrics.jsonl", lines)
        found = numbers.wobble_logged("loss_d", Files(tmp_path / name, {}))
        assert found == pytest.approx(4 / (5 / 3))


def test_curves_are_compared_at_equal_steps_and_at_equal_times() -> None:
    slow, fast = [[2, 10.0, 0.8], [4, 20.0, 0.4]], [[2, 1.0, 0.9], [4, 2.0, 0.7], [60, 15.0, 0.1]]
    assert numbers.last_common_step([slow, fast]) == 4
    assert numbers.at_step(fast, 4) == 0.7
    assert numbers.shortest_time([slow, fast]) == 15.0
    assert numbers.at_time(slow, 15.0) == pytest.approx(0.6)
    assert numbers.at_time(fast, 15.0) == pytest.approx(0.1)
    assert numbers.at_time(slow, 5.0) is None


# ---- The rows --------------------------------------------------------------------------------------------

SMALL = """\
seeds: [0, 1]
common: train.steps=300
recording: tracking.every=25
defaults: schedule=alternating
not_measured: [the rest]
claims:
  - id: N1.3
    title: The gradients cancel
    note: It cannot work.
    varies: the loss
    numbers: [fd_rand, used_ratio_g]
    options: {alternating: schedule=alternating, entangled: schedule=entangled}
    expect:
      - {number: fd_rand, of: entangled, is: higher, than: [alternating]}
      - {number: used_ratio_g, of: entangled, is: lower, than: 0.5}
    parts:
      - {name: one, with: data=digits, curve: true}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "claims.yaml"
    path.write_text(SMALL)
    return path


def row(run: Run, fd: float, ratio: float) -> Row:
    taken = {"fd_rand": fd, "used_ratio_g": ratio}
    head = {"run": run.name, "overrides": list(run.overrides), "code": 0, "status": "finished", "step": 300}
    return head | {"numbers": taken, "real": {"fd_rand": 0.004}, "curve": [[300.0, 30.0, fd]]}


def handmade(study: Study) -> dict[str, Row]:
    part = study.claims[0].parts[0]
    values = {"alternating": [(0.5, 1.0), (0.7, 1.0)], "entangled": [(0.8, 0.125), (1.0, 0.135)]}
    return {
        run.name: row(run, *value)
        for option, of_option in values.items()
        for run, value in zip(part.runs[option], of_option, strict=True)
    }


def ended(run: Run, home: Path) -> None:
    """What the queue and gantrain leave of a finished run."""
    finished(home / run.name, used_ratio_g=[0.9, 1.0, 1.1])
    run_many.write_record(run.job, home, code=0, seconds=1.0, stderr="")


def test_measuring_keeps_rows_of_elsewhere_and_drops_stale_ones(small: Path, tmp_path: Path) -> None:
    study, home, results = claims.load(small), tmp_path / "home", tmp_path / "results.jsonl"
    runs, before = study.runs(), handmade(study)
    before[runs[2].name]["overrides"][-1] = "seed=9"  # made in another way than the claim has it now
    write(results, [*before.values(), {"run": "gone", "overrides": []}])
    home.mkdir()
    ended(runs[0], home)
    said: list[str] = []
    found = rows.measure(runs, home, results, said.append)
    assert list(found) == [runs[0].name, runs[1].name, runs[3].name]
    assert found == rows.read(results)
    assert found[runs[0].name]["numbers"]["used_ratio_g"] == 1.0
    assert found[runs[1].name] == before[runs[1].name]
    assert said == [f"3 of 4 runs have not ended under {home}: rows of theirs stay as they were"]


# ---- The page --------------------------------------------------------------------------------------------


def test_the_page_of_a_small_study(small: Path, tmp_path: Path) -> None:
    study = claims.load(small)
    (tmp_path / "N1.3.png").write_bytes(b"")
    text = page.render(study, handmade(study), tmp_path)
    for line in (
        "| [N1.3](#n1-3) | The gradients cancel | holds | 2 of 2 |",
        "> It cannot work.",
        "gantrain -m train.steps=300 data=digits schedule=alternating,entangled seed=0,1",
        "| alternating | 0.600 (0.500..0.700) | 1.000 (1.000..1.000) |",
        "| entangled | 0.900 (0.800..1.000) | 0.130 (0.125..0.135) |",
        "| real pictures | 0.004 |  |",
        "| entangled | 0.900 (30 s) | 0.900 (30 s), step 300 |",
        "![Samples of seed 0: alternating; entangled](images/findings/N1.3.png)",
        "**Verdict: holds.**",
        "- fd_rand of *entangled* higher than *alternating*: **yes** (0.900 against 0.600)",
        "- gradient used of *entangled* lower than 0.5: **yes** (0.130 against 0.5)",
        "- the rest",
    ):
        assert line in text.splitlines(), line


def test_every_table_of_the_page_is_one() -> None:
    """With the real claims, before anything is measured: as many cells in a line as in its head."""
    text = page.render(STUDY, {}, Path("nowhere"))
    tables = [block.splitlines() for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]
    parts = [part for claim in STUDY.claims for part in claim.parts]
    assert len(tables) == len(parts) + sum(part.curve for part in parts) + 2  # summary and legend
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1, lines
    assert text.count("**Verdict: not measured yet.**") == len(STUDY.claims)
    assert set(re.findall(r"\(#([\w-]+)\)", text)) == set(re.findall(r'<a id="([\w-]+)">', text))


def test_no_verdict_while_a_seed_is_missing_and_a_failed_one_is_named(small: Path, tmp_path: Path) -> None:
    study = claims.load(small)
    found = handmade(study)
    last = found.popitem()[1]
    assert "**Verdict: not measured yet.**" in page.render(study, found, tmp_path)
    failed = last | {"code": 3, "status": "failed", "numbers": {}, "real": {}, "curve": []}
    text = page.render(study, found | {last["run"]: failed}, tmp_path)
    assert "| entangled (1 of 2 non-finite) | 0.800 (0.800..0.800) | 0.125 (0.125..0.125) |" in text


def test_numbers_are_shown_with_sensible_digits() -> None:
    assert [page.shown(x) for x in (0.12345, -1.5, 12.34, 1234.5, -0.0001)] == [
        *("0.123", "-1.500", "12.3", "1,234", "0.000"),
    ]


def test_the_page_in_the_repository_is_fresh() -> None:
    if not rows.RESULTS.is_file():
        pytest.skip("benchmarks/findings/results.jsonl is not there: nothing has been measured yet")
    assert PAGE.read_text(encoding="utf-8") == page.render(STUDY, rows.read(), PICTURES)
    for claim in STUDY.claims:
        assert (PICTURES / f"{claim.slug}.png").stat().st_size < sheets.LARGEST


# ---- The pictures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sheet_shows_the_samples_themselves(small: Path, tmp_path: Path, channels: int) -> None:
    """Noise, the worst there is to compress: fewer pictures then, but pixel by pixel, below 120 kB."""
    study = claims.load(small)
    (claim,), grids = study.claims, {}
    for number, (option, runs) in enumerate(claim.parts[0].runs.items()):
        noise = torch.Generator().manual_seed(number)
        samples = torch.randint(
            0, 256, (sheets.SAMPLES, channels, 28, 28), generator=noise, dtype=torch.uint8
        )
        grids[option] = pictures.grid(samples, pictures.columns_for(sheets.SAMPLES))
        pictures.save(grids[option], tmp_path / runs[0].name / "samples" / "00000300.png")
        pictures.save(grids[option], tmp_path / runs[0].name / "samples" / "real.png")
        pictures.save(grids[option] // 2, tmp_path / runs[0].name / "samples" / "00000100.png")
    png = sheets.sheet(claim, tmp_path)
    assert png is not None
    assert len(png) < sheets.LARGEST
    sheet = Image.open(io.BytesIO(png))
    assert sheet.mode == ("L" if channels == 1 else "RGB")
    size = (sheet.width - 3 * sheets.GAP) // 2, sheet.height - sheets.HEADING - 3 * sheets.GAP
    for number, grid in enumerate(grids.values()):
        x, y = sheets.GAP + number * (size[0] + sheets.GAP), sheets.GAP + sheets.HEADING
        shown = sheet.crop((x, y, x + size[0], y + 2 * 90)).resize(
            (size[0] // 3, 60), Image.Resampling.NEAREST
        )
        assert shown.tobytes() == pictures.to_image(grid[:, :60, : size[0] // 3]).tobytes()


def test_no_sheet_without_samples(tmp_path: Path) -> None:
    assert sheets.sheet(STUDY.claims[0], tmp_path) is None


# ---- What is built in ------------------------------------------------------------------------------------


def test_biases_under_padding_are_as_the_page_says() -> None:
    """N0.6: on an empty map a biased convolution answers with its bias; the norms named have none."""
    (said,) = [claim.built_in for claim in STUDY.claims if claim.id == "N0.6"]
    without = {name for name, norm in NORM.items() if not norm.conv_bias}
    assert without == {"spectral", "batch", "instance"}
    assert all(name in said for name in NORM)
    empty = torch.zeros(1, 2, 4, 4)
    for name in NORM:
        conv = Layers(norm=name).conv(2, 3)
        expected = torch.zeros(3) if name in without else conv.bias
        assert_close(conv(empty), expected.view(1, 3, 1, 1).expand(1, 3, 4, 4))
