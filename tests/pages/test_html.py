"""The pages as text: whole, within their size, and asking nothing of any network."""

from __future__ import annotations

import json
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made import CHECKERBOARD, make_run, sweep
from PIL import Image

from gantrain import files
from gantrain.pages.html import compare_page, in_code, report_page
from gantrain.pages.ranking import compare
from gantrain.pages.records import Record, records_of
from gantrain.pages.tables import verdict_of
from gantrain.pages.writing import write_report

NASTY = "</script><b>&'\""


def data_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


class References(HTMLParser):
    """What a browser would go and get, or could be sent to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")
        ]


def test_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    page = compare_page(compare(sweep(tmp_path, {"findings": [CHECKERBOARD]}, {"seed": 1})), "Sweep")
    found = References(page).found
    assert found
    assert [reference for reference in found if not reference.startswith(("data:", "#"))] == []
    assert not re.search(r"url\((?!data:)", page)
    assert "default-src 'none'" in page
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|import)\(", page)


def test_a_report_tells_of_the_best_look_and_of_the_last(tmp_path: Path) -> None:
    improved, past = sweep(tmp_path, {"fd": (0.3, 0.2)}, {"fd": (0.2, 0.3)})
    past.summary["best"] = {"past_best": True}
    assert "; still getting better." in report_page(improved)
    assert "the last look" not in report_page(improved)
    assert "; probably past its best." in report_page(past)
    assert re.search(r"> 0.2 <small>at step 10[^<]*; 0.3 at step 20, the last look<", report_page(past))


def test_a_slider_that_cannot_move_says_why(tmp_path: Path) -> None:
    hint = "with a smaller tracking.samples_every"
    assert hint not in compare_page(compare(sweep(tmp_path / "two", {"pictures": 2})), "Sweep")
    assert hint in compare_page(compare(sweep(tmp_path / "one", {"pictures": 1})), "Sweep")


def test_a_large_sweep_stays_under_ten_megabytes(tmp_path: Path) -> None:
    """24 runs of ten grids of noise, 400 rows of curves, each with the picture of a finding."""
    found = [CHECKERBOARD | {"picture": "findings/GD301.png"}]
    records = sweep(
        tmp_path, *({"seed": n, "pictures": 10, "findings": found, "rows": 400} for n in range(24))
    )
    for record in records:
        (record.directory / files.EXHIBITS).mkdir()
        Image.open(record.grids[20]).resize((900, 700)).save(record.directory / files.EXHIBITS / "GD301.png")
    page = compare_page(compare(records), "Sweep")
    assert len(page.encode()) < 10_000_000
    assert page.count('class="exhibit"') == 24


def test_names_cannot_break_out(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run",
        [f"data.root={NASTY}"],
        config={"data": {"root": NASTY}},
        findings=[CHECKERBOARD | {"message": NASTY}],
        status="failed",
        error=NASTY,
    )
    page = compare_page(compare([Record(run, NASTY)]), NASTY)
    assert NASTY not in page
    assert data_of(page)["runs"][0]["name"] == NASTY


def test_every_picture_travels_once(tmp_path: Path) -> None:
    page = compare_page(compare(sweep(tmp_path, {"pictures": 2}, {"seed": 1, "pictures": 2})), "Sweep")
    film = data_of(page)["film"]
    assert page.count("data:image/webp") == 5, "four of the runs, and the real ones"
    assert film["runs"]["1"] == [[2, 10], [3, 20]]
    assert [bool(uri) for uri, _, _ in film["frames"]] == [True, False, True, False], (
        "the last stand in the page"
    )
    assert {tuple(size) for _, *size in film["frames"]} == {(242, 242)}
    assert film["moments"] == [10, 20]


def test_a_run_that_left_next_to_nothing_has_a_row(tmp_path: Path) -> None:
    """Refused before it had a configuration."""
    bare = tmp_path / "7"
    bare.mkdir()
    (bare / files.SUMMARY).write_text(json.dumps({"status": "failed", "error": "loss: no such option"}))
    records = [*sweep(tmp_path, {}), Record(bare, "7")]
    page = compare_page(compare(records), "Sweep")
    assert "failed: loss: no such option" in page


@pytest.mark.parametrize("damage", [files.SUMMARY, files.CONFIG, files.METRICS])
def test_damaged_files_end_in_a_page(tmp_path: Path, damage: str) -> None:
    run = make_run(tmp_path / "run")
    (run / damage).write_text('{"cut": ')
    compare_page(compare([Record(run, "run")]), "Sweep")
    report_page(Record(run, "run"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' file names are text")
def test_a_folder_whose_name_is_no_text_has_its_film_and_its_report(tmp_path: Path) -> None:
    """The page's script finds pictures by the name that stands in the table."""
    run = make_run(tmp_path / os.fsdecode(b"odd\xff"))
    page = compare_page(compare(records_of([str(run)])[0]), "One run")
    (name,) = re.findall(r'<tr data-run="(.*?)"', page)
    assert name == "odd\\udcff"
    assert list(data_of(page)["film"]["runs"]) == [name]
    write_report(run)
    assert (run / files.PAGE).is_file()
    assert list(data_of((run / files.PAGE).read_text(encoding="utf-8"))["film"]["runs"]) == [name]


def test_a_report_repeats_the_doctor_and_the_command(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ["loss=hinge", "+x=a b"], findings=[CHECKERBOARD])
    (run / files.REPORT).write_text("# Suspicious: checkerboard (GD301)\n\nmore\n")
    page = report_page(Record(run, "run"))
    assert "<h1>Suspicious: checkerboard (GD301)</h1>" in page
    assert "gantrain loss=hinge &#39;+x=a b&#39; seed=0" in page
    assert "GD301 Checkerboard" in page
    assert "upsample=nearest" in page


def test_a_card_says_which_of_several_findings_is_the_cause(tmp_path: Path) -> None:
    alone = make_run(tmp_path / "alone", findings=[CHECKERBOARD])
    assert "as told at step 20</small>" in report_page(Record(alone, "alone"))
    follows = CHECKERBOARD | {"rule": "GD302b", "primary": False, "because_of": ["GD301"]}
    both = make_run(tmp_path / "both", findings=[CHECKERBOARD, follows])
    page = report_page(Record(both, "both"))
    assert page.count("as told at step 20, the cause</small>") == 1
    assert page.count("as told at step 20, may follow from GD301</small>") == 1
    assert page.count("<p>Try <code") == page.count("<p>If it is still there once GD301 is cured: <code") == 1


def test_a_comparison_says_of_each_run_what_its_doctor_said(tmp_path: Path) -> None:
    """Also of one that was looked at only afterwards, or never: not "nothing wrong"."""
    records = sweep(tmp_path, {"findings": [CHECKERBOARD]}, {"seed": 1})
    (tmp_path / "0" / files.REPORT).write_text("# Suspicious: checkerboard (GD301)\n")
    page = compare_page(compare(records), "Sweep")
    assert "<p>Suspicious: checkerboard (GD301)</p>" in page
    assert "<p>Not judged: finished</p>" in page


def test_without_a_report_a_run_is_not_called_healthy(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", status="failed", error="no space left on device")
    assert verdict_of(Record(run, "run")) == "Not judged: failed: no space left on device"


@pytest.mark.parametrize(
    ("typed", "repeated"),
    [
        (["loss=hinge", "optim.betas=[0.5,0.9]"], "gantrain loss=hinge 'optim.betas=[0.5,0.9]' seed=0"),
        (["+sweep=losses", "loss=bce"], "gantrain +sweep=losses loss=bce seed=0 hydra.mode=RUN"),
        (["hydra.launcher.n_jobs=2", "loss=bce"], "gantrain loss=bce seed=0"),
    ],
)
def test_the_command_repeats_one_run(tmp_path: Path, typed: list[str], repeated: str) -> None:
    assert Record(make_run(tmp_path / "run", typed), "run").command == repeated


def test_threads_that_a_launcher_allowed_are_part_of_the_command(tmp_path: Path) -> None:
    """Others compute other last bits; typed ones are there already."""
    for place, typed in (("alone", []), ("typed", ["runtime.threads=2"])):
        run = make_run(tmp_path / place, typed)
        files.update_summary(run, threads=1)
        command = Record(run, "run").command
        assert (
            command == f"gantrain {' '.join([*typed, 'seed=0', *(() if typed else ['runtime.threads=1'])])}"
        )


def test_a_trial_of_a_search_is_changed_alone(tmp_path: Path) -> None:
    """Not by another search."""
    trial = Record(make_run(tmp_path / "run", ["optim.lr_d=1e-3", "+sweep=search_rates"]), "run")
    assert trial.command_with(["optim.lr_d=2e-4"]) == (
        "gantrain +sweep=search_rates seed=0 optim.lr_d=2e-4 hydra.mode=RUN"
    )


def test_a_run_that_does_not_say_what_was_typed_has_no_command(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / files.SUMMARY).write_text("{}")
    assert Record(run, "run").command is None
    assert "Repeat it" not in compare_page(compare([Record(run, "run")]), "Sweep")


def test_backticks_become_code() -> None:
    assert in_code("`a<b` is best") == "<code>a&lt;b</code> is best"


def test_the_report_says_of_the_quality_what_the_terminal_says(tmp_path: Path) -> None:
    """Healthy is said of the training: how far off the pictures are stands beside it."""
    (run,) = sweep(tmp_path, {"fd": [0.8, 0.4]})
    meant = "Said of the training; how good the pictures are is told by their quality."
    told = (
        f"# Healthy: nothing wrong was found\n\nStep 20 of 20, finished.\n\n{meant}\n\n## Remarks\n\n- one\n"
    )
    (run.directory / files.REPORT).write_text(told)
    page = report_page(run)
    assert f"finished; still getting better. {meant}</p>" in page
    assert "at step 20, 10 times what real pictures give (at most 0.04)" not in page
    assert "at step 20, 10 times what real pictures give (0.04)" in page
    assert "- one" not in page
