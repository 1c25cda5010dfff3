"""What people read, word for word: console lines, report.md, the terminal's report, the rules' pages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gantrain.doctor.finding import Finding, finding_of, judged
from gantrain.doctor.pages import pages
from gantrain.doctor.report import Diagnosis, console_line, in_brief, in_full, markdown, verdict
from gantrain.doctor.rules.common import SHORT
from gantrain.doctor.rules.registry import BY_ID
from gantrain.doctor.rules.rule import MAYBE_YOUNG, Examination, Null

PAGES = Path(__file__).parents[2] / "docs" / "rules"
FACTS: dict[str, Any] = {
    "loss": "BCE",
    "optim": "Adam",
    "optim.lr_d": 2e-4,
    "optim.lr_g": 2e-4,
    "schedule": "Joint",
    "schedule.entangled": True,
    "model.generator._target_": "gantrain.networks.dcgan.Generator",
    "upsample.mode": "nearest",
}
AT = Examination(
    300,
    300,
    {
        **{"used_ratio_g": 0.001, "used_cosine_g": 0.0},
        **{"vendi_ratio": 0.06, "variety": 0.05, "near_pair_ratio": 0.1, "detail": -1.0},
    },
    {"vendi_ratio": Null(1.0, 0.02), "near_pair_ratio": Null(1.0, 0.03), "detail": Null(0.0, 0.02)}
    | {"variety": Null(1.0, 0.01)},
    FACTS,
)


def found(id: str, since: int, primary: str | None, **more: Any) -> Finding:
    rule = BY_ID[id]
    hit = rule.test(AT, rule.params)
    assert hit is not None
    return {**judged(finding_of(rule, hit, AT, since), primary), **more}  # type: ignore[typeddict-item]


CAUSE = found("GD004", 25, "GD004")
SYMPTOM = found("GD201", 200, "GD004", picture="exhibits/GD201-00000300.png")
REMARK = found("GD302b", 300, "GD004")
RATES: Finding = {**REMARK, "rule": "GD005c", "remedy": ["optim.lr_g=2e-4"]}
BORDER: Finding = {
    **judged(SYMPTOM, "GD303"), "rule": "GD303", "title": "Border", "severity": "warning", "remedy": ["a=1"]
}  # fmt: skip
EDGES, MEND = "border (GD303)", "the players' rates or pace are unusual (GD005c): mend that first"
OVER = found("GD201", 200, None, state="resolved", event="ended")
BROKEN = Diagnosis(
    [SYMPTOM, CAUSE, REMARK],
    ["GD004", "GD201"],
    {
        "GD101": "loss_d_ratio has not been measured",
        "GD301": "the fakes are too much alike",
        "GD102": "signal_g has not been measured",
    },
    step=300,
    total=300,
    share=0.0123,
    facts=FACTS,
)
WAITING = f"GD101 {BY_ID['GD101'].title}, GD102 {BY_ID['GD102'].title}"
HEALTHY = Diagnosis([], ["GD004"], {}, step=800, total=800)


def test_one_line_when_a_finding_begins_changes_and_ends() -> None:
    assert console_line(CAUSE) == (
        "step 300: GD004 The players' gradients cancel (error): 99.9 % of G's gradient is cancelled by D's "
        "loss (|used| / |own| = 0.001, cosine 0.00, normal 1); try: schedule=alternating"
    )
    assert console_line(SYMPTOM).endswith("; try, once GD004 is cured: optim.lr_d=0.0004 optim.lr_g=0.0001")
    changed: Finding = {**SYMPTOM, "event": "changed"}
    assert console_line(changed) == "step 300: GD201 Mode collapse is now an error, because of GD004"
    assert console_line({**CAUSE, "event": "changed"}).endswith("is now an error, the cause")
    assert console_line(OVER) == "step 300: GD201 Mode collapse: over"


@pytest.mark.parametrize(
    ("diagnosis", "sentence"),
    [
        (BROKEN, "unhealthy: the players' gradients cancel (GD004) is the cause of the rest"),
        (replace(BROKEN, step=100),
         "unhealthy so far (step 100 of 300): the players' gradients cancel (GD004) is the cause of the "
         "rest"),
        (replace(BROKEN, findings=[{**CAUSE, "severity": "warning"}, {**SYMPTOM, "severity": "warning"}]),
         "suspicious: the players' gradients cancel (GD004) is the cause of the rest"),
        (replace(BROKEN, findings=[{**CAUSE, "rule": "GD401"}, {**SYMPTOM, "because_of": ["GD401"]}]),
         "unhealthy: the players' gradients cancel (GD401) is probably the cause of the rest"),
        (replace(BROKEN, findings=[CAUSE, REMARK]), "unhealthy: the players' gradients cancel (GD004)"),
        (HEALTHY, "healthy: nothing wrong was found"),
        (replace(HEALTHY, findings=[REMARK, OVER]), "healthy: nothing worse than a remark was found"),
        (replace(HEALTHY, findings=[OVER]), "healthy: nothing wrong was found"),
        (replace(HEALTHY, step=250), "healthy so far (step 250 of 800): nothing wrong was found"),
        (replace(HEALTHY, step=300, total=300),
         "healthy as far as so short a run can tell: nothing wrong was found, but good pictures take 800 "
         "steps or more"),
        (replace(BROKEN, step=0, findings=[{**CAUSE, "severity": "warning"}]),
         "suspicious before training: the players' gradients cancel (GD004)"),
        (replace(BROKEN, findings=[judged(SYMPTOM, "GD201")]),
         f"unhealthy: mode collapse (GD201); but {SHORT}"),
        (replace(BROKEN, total=800, step=800, findings=[BORDER, RATES]), f"suspicious: {EDGES}; but {MEND}"),
        (replace(BROKEN, findings=[BORDER, RATES]), f"suspicious: {EDGES}; but {SHORT} and {MEND}"),
        (replace(BROKEN, findings=[CAUSE, RATES]), "unhealthy: the players' gradients cancel (GD004)"),
        (replace(BROKEN, total=800, step=800, findings=[{**BORDER, "remedy": ["optim.lr_g=1e-4"]}, RATES]),
         f"suspicious: {EDGES}"),
        (replace(HEALTHY, step=60, total=60), "too early to judge: most rules wait for step 200"),
        (replace(HEALTHY, step=4000, total=100_000),
         "too early to judge so far (step 4000 of 100000): most rules wait for step 5000"),
        (replace(HEALTHY, step=0), "nothing wrong was found before training"),
        (replace(HEALTHY, findings=[REMARK], step=0),
         "nothing wrong was found before training, but see the remarks"),
        (replace(HEALTHY, checked=[]), "not judged: nothing could be checked"),
    ],
)  # fmt: skip
def test_one_sentence_says_what_is_the_matter(diagnosis: Diagnosis, sentence: str) -> None:
    assert verdict(diagnosis) == sentence


def test_the_report_in_full() -> None:
    text = markdown(replace(BROKEN, findings=[*BROKEN.findings, OVER]))
    head, cause, symptom, rest = text.split("\n## ", 3)
    assert head == (
        "# Unhealthy: the players' gradients cancel (GD004) is the cause of the rest\n\n"
        "Step 300 of 300, finished.\n"
    )
    rule = BY_ID["GD004"]
    assert cause.splitlines() == [
        "GD004 The players' gradients cancel",
        "",
        "Error, first seen at step 25, the cause.",
        "",
        f"**{CAUSE['message']}.**",
        "",
        "| measured | value | normal for these data | threshold |",
        "|---|---|---|---|",
        "| `used_ratio_g` | 0.001 | 1 | 0.5 |",
        "| `used_cosine_g` | 0 | 1 | 0.9 |",
        "",
        f"Why: {rule.why}",
        "",
        "Try: `schedule=alternating`",
        "",
        *(f"- {text}" for text in texts_of("GD004", 0)),
        "",
        "Or: `schedule=shared`",
        "",
        *(f"- {text}" for text in texts_of("GD004", 1)),
    ]
    assert (
        "Error, first seen at step 200, may be a consequence of GD004: look again once that is cured."
        in symptom
    )
    assert [line for line in symptom.splitlines() if "`" in line and line[0] != "|"] == [
        "If it is still there once GD004 is cured: `optim.lr_d=0.0004 optim.lr_g=0.0001`",
        "Or: `optim.lr_g=0.0001`",
    ]
    assert "| `variety` | 0.05 | 1 ± 0.01 | 0.4 |" in symptom
    assert "![Mode collapse](exhibits/GD201-00000300.png)" in symptom
    assert rest.split("\n\n") == [
        "Remarks",
        f"- GD302b Too smooth: {REMARK['message']}",
        "## Was found, and is over",
        "- GD201 Mode collapse: from step 200 to 300",
        "## Checked",
        "- GD004 The players' gradients cancel\n- GD201 Mode collapse",
        "## Not checked",
        f"- {WAITING}: what it goes by was not measured\n- GD301 Checkerboard: the fakes are too much alike",
        "The doctor took 1.2 % of the training time.\n",
    ]


def texts_of(id: str, number: int) -> tuple[str, ...]:
    remedy = BY_ID[id].remedies(FACTS)[number]
    return remedy.why, f"Price: {remedy.price}", remedy.not_when


def test_the_terminal_gets_the_same_shorter() -> None:
    lines = in_full(BROKEN).splitlines()
    assert lines[0] == "Unhealthy: the players' gradients cancel (GD004) is the cause of the rest"
    assert lines[2] == "GD004 The players' gradients cancel (an error, the cause, first seen at step 25)"
    assert "  Try: schedule=alternating" in lines
    assert "  If it is still there once GD004 is cured: optim.lr_d=0.0004 optim.lr_g=0.0001" in lines
    assert not [line for line in lines if "See " in line], "nobody says where it is"
    placed = in_full(replace(BROKEN, run=Path("outputs/my run"))).splitlines()
    assert "  See 'outputs/my run/exhibits/GD201-00000300.png'" in placed
    assert lines[-5:] == [
        "Checked for: GD004 The players' gradients cancel, GD201 Mode collapse",
        f"Not checked: {WAITING}: what it",
        "  goes by was not measured",
        "Not checked: GD301 Checkerboard: the fakes are too much alike",
        "The doctor took 1.2 % of the training time.",
    ]
    assert max(map(len, lines)) <= 100


def test_a_finding_alone_is_nobodys_cause() -> None:
    alone = replace(BROKEN, findings=[CAUSE, REMARK])
    assert "\nError, first seen at step 25.\n" in markdown(alone)
    assert "GD004 The players' gradients cancel (an error, first seen at step 25)" in in_full(alone)


def test_a_finding_that_later_looks_missed_says_when_it_was_last_seen() -> None:
    missed: Finding = {**CAUSE, "step": BROKEN.step - 1}
    assert missed["onset"] < missed["step"]
    seen = f"first seen at step {missed['onset']}, last at step {missed['step']}"
    told = replace(BROKEN, findings=[missed])
    assert f"\nError, {seen}.\n" in markdown(told)
    assert f"(an error, {seen})" in in_full(told)


def test_a_finding_without_an_override_says_so() -> None:
    own: Finding = {**CAUSE, "remedy": [], "price": "", "not_when": ""}
    text = markdown(replace(BROKEN, findings=[own]))
    assert "There is no override that would help: look at the code of your own classes." in text
    assert "Try:" not in text


def test_a_healthy_report_says_what_was_checked() -> None:
    assert in_full(HEALTHY).splitlines() == [
        "Healthy: nothing wrong was found",
        "Said of the training; how good the pictures are by now is told by their quality (fd_rand, ...)",
        "",
        "Checked for: GD004 The players' gradients cancel",
    ]
    assert "\n\nSaid of the training; " in markdown(HEALTHY)
    assert "Said of the training" not in in_full(replace(HEALTHY, total=2 * HEALTHY.total))


def test_where_a_report_names_everything_the_terminal_names_what_is_worse_than_a_remark() -> None:
    at = replace(HEALTHY, checked=["GD001", "GD004", "GD005a", "GD302b"], run=Path("run"))
    assert in_full(at).splitlines()[3:] == [
        "Checked for: a number is not finite, the players' gradients cancel, 2 things worth a remark at most"
    ]


def test_what_a_remark_would_change_waits_for_the_cause() -> None:
    """But for a remark on the configuration: that may be the cause."""
    rates: Finding = {**REMARK, "rule": "GD005c", "message": "D is slow", "remedy": ["optim.lr_d=0.0002"]}
    smooth: Finding = {**REMARK, "remedy": ["train.steps=1600"]}
    sick = in_full(replace(BROKEN, findings=[CAUSE, smooth, rates]))
    healthy = in_full(replace(HEALTHY, findings=[smooth, rates]))
    for text, waits in ((sick, True), (healthy, False)):
        joined = " ".join(text.split())
        assert (f"{REMARK['message']}; to change it, once GD004 is cured: " in joined) == waits
        assert (f"{REMARK['message']}; to change it: " in joined) != waits
        assert f"{rates['message']}; to change it: " in joined


def test_the_verdict_has_the_doubt_that_the_finding_ends_with() -> None:
    """Somebody who reads one sentence shall not take a young run for a collapsed one."""
    young: Finding = {**CAUSE, "rule": "GD201", "title": "Mode collapse", "severity": "warning"}
    young["message"] = f"few kinds; but they came nearer, {MAYBE_YOUNG}"
    told = in_brief(replace(BROKEN, findings=[young], step=900, total=900))
    assert told == "Suspicious: mode collapse, or only young pictures (GD201)"


def test_in_brief_is_the_verdict() -> None:
    assert in_brief(BROKEN) == in_full(BROKEN).splitlines()[0]


@pytest.mark.parametrize(
    ("step", "words"),
    [(0, "2 rules that look at the training, or do not apply"),
     (30, "2 rules that wait for step 200, or do not apply")],
)  # fmt: skip
def test_a_run_hardly_begun_does_not_say_why_of_each_rule(step: int, words: str) -> None:
    """The reasons would be those of a look before training: "the pictures still improve"."""
    young = replace(HEALTHY, step=step, total=30, unchecked={"GD301": "x", "GD201": "y"})
    assert in_full(young).splitlines()[-1] == f"Not checked: {words}"


def test_the_pages_of_the_rules_are_those_of_the_code() -> None:
    """python -m gantrain.doctor.pages docs/rules"""
    assert {path.name: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")} == pages()
