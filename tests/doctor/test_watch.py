"""The state machine of findings, and what is derived from the past."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from gantrain.doctor.finding import Finding
from gantrain.doctor.rules.registry import RULES
from gantrain.doctor.rules.rule import Evidence, Examination, Hit, Params, Requirement, Rule, Threshold
from gantrain.doctor.watch import SELDOM, Watch

TOTAL = 2000


def rule(id: str, signal: str, **changes: Any) -> Rule:
    """Warns above 1, an error above 2."""

    def test(at: Examination, params: Params) -> Hit | None:
        value = at.get(signal)
        if value <= params["limit"]:
            return None
        severity: Any = "error" if value > 2 else "warning"
        return Hit(severity, f"{signal} is {value:g}", (Evidence(signal, value, 0.0, None, 1.0),))

    made = Rule(
        id=id,
        title=f"Too much of {signal}",
        severities=("warning", "error"),
        tier="T2",
        needs=(signal,),
        thresholds={"limit": Threshold(1.0, "the most there may be")},
        test=test,
        why="One. Two.",
        remedies=lambda facts: (),
    )
    return replace(made, **changes)


A, B = rule("GD901", "a"), rule("GD902", "b")


def look(watch: Watch, step: int, facts: Mapping[str, Any] = {}, **signals: float) -> list[Finding]:
    return watch.examine(Examination(step, TOTAL, signals, {}, facts))


def events(changes: Sequence[Finding]) -> list[tuple[str, str, str]]:
    return [(finding["rule"], finding["event"], finding["severity"]) for finding in changes]


def looks(watch: Watch, steps: range, **signals: float) -> list[tuple[str, str, str]]:
    return [event for step in steps for event in events(look(watch, step, **signals))]


def test_begins_after_three_hits_in_a_row_and_knows_the_first() -> None:
    watch = Watch(rules=[A])
    assert looks(watch, range(300, 500, 100), a=1.5) == []
    assert looks(watch, range(500, 600, 100), a=0.5) == []
    assert looks(watch, range(600, 800, 100), a=1.5) == []
    (began,) = look(watch, 800, a=1.7)
    assert (began["onset"], began["step"], began["message"]) == (600, 800, "a is 1.7")
    assert began["evidence"] == [
        {"signal": "a", "value": 1.7, "normal": 0.0, "spread": None, "threshold": 1.0}
    ]
    assert began["primary"]
    assert (began["state"], began["event"], began["severity"]) == ("active", "began", "warning")


def test_ends_after_three_misses_in_a_row() -> None:
    watch = Watch(rules=[A])
    looks(watch, range(300, 600, 100), a=1.5)
    assert looks(watch, range(600, 800, 100), a=0.5) == []
    assert looks(watch, range(800, 900, 100), a=1.5) == []
    assert looks(watch, range(900, 1100, 100), a=0.5) == []
    (ended,) = look(watch, 1100, a=0.5)
    assert (ended["state"], ended["event"], ended["step"], ended["onset"]) == ("resolved", "ended", 1100, 300)
    assert not ended["primary"]
    assert watch.active == []
    assert [finding["rule"] for finding in watch.resolved] == ["GD901"]


def test_begins_anew_with_a_new_onset() -> None:
    watch = Watch(rules=[A])
    looks(watch, range(300, 600, 100), a=1.5)
    looks(watch, range(600, 900, 100), a=0.5)
    assert looks(watch, range(900, 1200, 100), a=1.5) == [("GD901", "began", "warning")]
    assert watch.active[0]["onset"] == 900
    assert watch.resolved == []


def test_nothing_is_judged_before_the_warm_up() -> None:
    """The later of 200 steps and 5 %; hits before it do not count."""
    watch = Watch(rules=[A])
    assert looks(watch, range(50, 200, 50), a=1.5) == []
    assert watch.unchecked == {"GD901": "is not judged before step 200"}
    assert looks(watch, range(200, 300, 50), a=1.5) == []
    assert looks(watch, range(300, 350, 50), a=1.5) == [("GD901", "began", "warning")]
    assert watch.active[0]["onset"] == 200
    long = Watch(rules=[A])
    for step in range(100, 1000, 100):
        assert long.examine(Examination(step, 20_000, {"a": 1.5})) == []
    assert long.unchecked == {"GD901": "is not judged before step 1000"}


def test_exact_rules_need_one_hit_at_any_step() -> None:
    watch = Watch(rules=[replace(A, exact=True)])
    assert looks(watch, range(25, 26), a=1.5) == [("GD901", "began", "warning")]


def test_before_training_there_is_no_second_look() -> None:
    watch = Watch(rules=[A])
    assert looks(watch, range(0, 1), a=1.5) == [("GD901", "began", "warning")]


def test_a_rule_that_is_not_asked_is_left_as_it_is() -> None:
    watch = Watch(rules=[A, B])
    looks(watch, range(300, 500, 100), a=1.5)
    assert looks(watch, range(500, 1000, 100), b=0.0) == []
    assert watch.records["GD901"].hits == 2
    assert looks(watch, range(1000, 1100, 100), a=1.5, b=math.nan) == [("GD901", "began", "warning")]
    assert watch.checked == ["GD901", "GD902"]


def test_severity_changes_after_three_looks_that_agree() -> None:
    watch = Watch(rules=[A])
    looks(watch, range(300, 600, 100), a=1.5)
    for step in range(600, 1200, 200):  # to and fro: nothing to say
        assert looks(watch, range(step, step + 100, 100), a=2.5) == []
        assert watch.active[0]["message"] == "a is 2.5; by this look alone it would be an error"
        assert watch.active[0]["severity"] == "warning"
        assert looks(watch, range(step + 100, step + 200, 100), a=1.5) == []
    assert looks(watch, range(1200, 1500, 100), a=2.5) == [("GD901", "changed", "error")]
    assert watch.active[0]["message"] == "a is 2.5"
    assert looks(watch, range(1500, 1600, 100), a=1.5) == []
    assert watch.active[0]["message"] == "a is 1.5; but the looks before found an error"
    assert looks(watch, range(1600, 1800, 100), a=1.5) == [("GD901", "changed", "warning")]
    assert watch.active[0]["onset"] == 300


def test_the_first_in_the_order_is_the_cause() -> None:
    watch = Watch(rules=[A, B])
    looks(watch, range(300, 600, 100), b=1.5)
    assert watch.primary == "GD902"
    changes = [change for step in range(600, 900, 100) for change in look(watch, step, a=1.5, b=1.5)]
    assert events(changes) == [("GD901", "began", "warning"), ("GD902", "changed", "warning")]
    assert [(f["primary"], f["because_of"]) for f in changes] == [(True, []), (False, ["GD901"])]
    assert changes[1]["step"] == 800
    assert sum(finding["primary"] for finding in watch.active) == 1
    assert looks(watch, range(900, 1200, 100), a=0.0, b=1.5) == [
        ("GD901", "ended", "warning"),
        ("GD902", "changed", "warning"),
    ]
    assert watch.active[0]["primary"]


def test_a_rule_yields_to_one_that_knows_better() -> None:
    watch = Watch(rules=[replace(A, yields_to=("GD902",)), B])
    looks(watch, range(300, 600, 100), a=1.5)
    assert watch.primary == "GD901"
    looks(watch, range(600, 900, 100), a=1.5, b=1.5)
    assert watch.primary == "GD902"
    assert [finding["because_of"] for finding in watch.active] == [["GD902"], []]


def test_what_stood_before_training_is_nobodys_symptom() -> None:
    root = replace(
        A, id="GD900", severities=("info",), test=lambda at, params: Hit("info", "by nature"), needs=("r",)
    )
    rules = [root, replace(A, yields_to=("GD902",)), replace(B, rooted_in=("GD900",))]
    for before, expected in ((0.0, [[], ["GD902"], []]), (None, [[], ["GD901"]])):
        watch = Watch(rules=rules)
        if before is not None:
            looks(watch, [0], r=before)
        looks(watch, range(300, 600, 100), a=1.5, b=1.5)
        assert watch.primary == ("GD901" if before is None else "GD902")
        assert [finding["because_of"] for finding in watch.active] == expected[-len(watch.active) :]
    firm = Watch(rules=[root, replace(A, yields_to=("GD902",), rooted_in=("GD900",)), B])
    looks(firm, [0], r=0.0)
    looks(firm, range(300, 600, 100), a=1.5, b=1.5)
    assert firm.primary == "GD901", "whatever it would yield to else"
    grave = Watch(rules=[root, A, replace(B, rooted_in=("GD900",))])  # it yields to nobody
    looks(grave, [0], r=0.0)
    looks(grave, range(300, 600, 100), a=1.5, b=1.5)
    assert grave.primary == "GD901"
    assert [finding["because_of"] for finding in grave.active] == [[], [], []]


def test_what_a_rule_is_apart_from_is_not_its_cause() -> None:
    watch = Watch(rules=[A, replace(B, apart_from=("GD901",))])
    looks(watch, range(300, 600, 100), a=1.5, b=1.5)
    assert watch.primary == "GD901"
    assert [finding["because_of"] for finding in watch.active] == [[], []]


def test_an_info_is_neither_cause_nor_symptom() -> None:
    remark = replace(
        A, id="GD900", severities=("info",), test=lambda at, params: Hit("info", "by the way"), needs=()
    )
    watch = Watch(rules=[remark, B])
    looks(watch, range(300, 600, 100), b=0.0)
    assert watch.primary is None
    assert [finding["primary"] for finding in watch.active] == [False]
    looks(watch, range(600, 900, 100), b=1.5)
    assert watch.primary == "GD902"
    assert [finding["because_of"] for finding in watch.active] == [[], []]


def test_an_error_silences_what_it_makes_meaningless() -> None:
    watch = Watch(rules=[A, replace(B, silenced_by=("GD901",))])
    assert looks(watch, range(300, 600, 100), a=2.5, b=1.5) == [("GD901", "began", "error")]
    assert looks(watch, range(600, 900, 100), a=2.5, b=1.5) == []
    assert watch.unchecked == {}, "it was asked before"
    assert looks(watch, range(900, 1200, 100), a=1.5, b=0.0) == [("GD901", "changed", "warning")]
    assert looks(watch, range(1200, 1500, 100), a=1.5, b=1.5) == [("GD902", "began", "warning")]
    quiet = Watch(rules=[replace(A, exact=True), replace(B, silenced_by=("GD901",))])
    looks(quiet, range(300, 600, 100), a=2.5, b=1.5)
    assert quiet.unchecked == {"GD902": "its numbers mean nothing while GD901 is an error"}


def test_ignored_rules_are_not_asked() -> None:
    a, other = replace(A, id="GD901a"), replace(B, id="GD901b")
    assert looks(Watch(ignore=["GD901a"], rules=[a, other]), range(300, 600, 100), a=2.5, b=1.5) == [
        ("GD901b", "began", "warning")
    ]
    watch = Watch(ignore=["GD901"], rules=[a, other])
    assert looks(watch, range(300, 600, 100), a=2.5, b=1.5) == []
    assert watch.unchecked == {"GD901a": "doctor.ignore names it", "GD901b": "doctor.ignore names it"}


def test_parameters_replace_the_defaults() -> None:
    watch = Watch(params={"GD901": {"limit": 1.6}}, rules=[A])
    assert looks(watch, range(300, 900, 100), a=1.5) == []
    assert looks(watch, range(900, 1200, 100), a=1.7) == [("GD901", "began", "warning")]


def test_says_why_it_was_never_asked() -> None:
    needs = replace(B, requires=(Requirement(lambda at, params: "eyes" in at.facts, "needs eyes"),))
    watch = Watch(rules=[A, needs])
    assert watch.checked == []
    assert watch.unchecked == {"GD901": "was not asked yet", "GD902": "was not asked yet"}
    look(watch, 300, b=0.0)
    assert watch.unchecked == {"GD901": "a has not been measured", "GD902": "needs eyes"}
    look(watch, 400, {"eyes": 2}, a=0.0, b=0.0)
    assert watch.unchecked == {}
    look(watch, 500, b=0.0)
    assert watch.checked == ["GD901", "GD902"]


def test_a_picture_stays_with_its_finding() -> None:
    watch = Watch(rules=[A])
    looks(watch, range(300, 600, 100), a=1.5)
    assert watch.active[0]["picture"] is None
    watch.illustrate("GD901", "doctor/a.png")
    looks(watch, range(600, 700, 100), a=1.7)
    assert watch.active[0]["picture"] == "doctor/a.png"
    looks(watch, range(700, 1000, 100), a=0.0)
    assert watch.resolved[0]["picture"] == "doctor/a.png"
    looks(watch, range(1000, 1300, 100), a=1.7)
    assert watch.active[0]["picture"] is None


# ---- The closing verdict ---------------------------------------------------------------------------------


def close(watch: Watch, *values: float, signal: str = "a") -> list[tuple[str, str, str]]:
    return events(watch.conclude([Examination(TOTAL, TOTAL, {signal: value}) for value in values]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1.5, 1.5, 0.5), [("GD901", "began", "warning")]),
        ((1.5, 0.5, 0.5), []),
        ((2.5, 2.5, 1.5), [("GD901", "began", "error")]),
        ((2.5, 1.5, 0.5), [("GD901", "began", "warning")]),
        ((1.5, math.nan, math.nan), [("GD901", "began", "warning")]),
        ((1.5, 0.5, math.nan), []),
    ],
)
def test_pictures_are_judged_by_the_majority(values: tuple[float, ...], expected: list[Any]) -> None:
    watch = Watch(rules=[A])
    assert close(watch, *values) == expected
    assert all(finding["onset"] == TOTAL for finding in watch.active)


def test_what_was_found_and_is_not_there_at_the_end_is_over() -> None:
    watch = Watch(rules=[A])
    looks(watch, range(300, 600, 100), a=1.5)
    assert close(watch, 0.5, 1.5, 0.5) == [("GD901", "ended", "warning")]
    assert watch.resolved[0]["step"] == TOTAL


def test_what_is_still_there_keeps_its_onset_and_gets_the_closing_numbers() -> None:
    watch = Watch(rules=[A])
    looks(watch, range(300, 600, 100), a=1.5)
    assert close(watch, 2.5, 2.6, 2.7) == [("GD901", "changed", "error")]
    assert (watch.active[0]["onset"], watch.active[0]["message"]) == (300, "a is 2.7"), (
        "of which the pictures are"
    )


def test_hits_on_the_way_give_the_closing_finding_its_onset() -> None:
    watch = Watch(rules=[A])
    looks(watch, range(1800, 2000, 100), a=1.5)
    close(watch, 1.5, 1.5, 1.5)
    assert watch.active[0]["onset"] == 1800


def test_what_cannot_be_asked_at_the_end_stays() -> None:
    watch = Watch(rules=[A])
    looks(watch, range(300, 600, 100), a=1.5)
    assert close(watch, 0.5, 0.5, 0.5, signal="b") == []
    assert [finding["rule"] for finding in watch.active] == ["GD901"]


def test_the_last_moment_of_the_game_is_one_look_of_many() -> None:
    """A minimax G that got a gradient in its very last step is not healed, and one blow is no blow-up."""
    game = replace(A, tier="T1")
    watch = Watch(rules=[game])
    looks(watch, range(300, 600, 100), a=1.5)
    assert close(watch, 0.5, 0.5, 0.5) == []
    assert [finding["rule"] for finding in watch.active] == ["GD901"]
    fresh = Watch(rules=[game])
    assert close(fresh, 1.5, 1.5, 1.5) == []
    assert fresh.checked == []
    assert fresh.unchecked["GD901"] == f"was looked at 1 of the 3 times that it takes{SELDOM}"
    looks(watch := Watch(rules=[game]), range(1800, 2000, 100), a=1.5)
    assert close(watch, 1.5, 1.5, 0.5) == [("GD901", "began", "warning")]


def test_a_run_shorter_than_the_warm_up_is_not_judged() -> None:
    watch = Watch(rules=[A])
    assert events(watch.conclude([Examination(100, 100, {"a": 1.5})] * 3)) == []
    assert watch.unchecked == {"GD901": "is not judged before step 200"}


def test_without_closing_looks_nothing_changes() -> None:
    watch = Watch(rules=[A])
    looks(watch, range(300, 600, 100), a=1.5)
    assert watch.conclude([]) == []
    assert len(watch.active) == 1


# ---- Saving ----------------------------------------------------------------------------------------------

STORY = [
    *({"a": 1.5, "b": 0.0},) * 4,
    *({"a": 2.5, "b": 1.5},) * 5,
    *({"b": 1.5},) * 2,
    *({"a": 0.0, "b": 1.5},) * 4,
    *({"a": 1.2, "b": 0.0},) * 5,
]


@pytest.mark.parametrize("middle", range(0, len(STORY), 3))
def test_a_watch_goes_on_where_it_was(middle: int, tmp_path: Any) -> None:
    rules = [A, replace(B, silenced_by=("GD901",))]
    whole, first, second = Watch(rules=rules), Watch(rules=rules), Watch(rules=rules)
    said = [look(whole, 200 + 50 * at, **signals) for at, signals in enumerate(STORY)]
    parts = [look(first, 200 + 50 * at, **STORY[at]) for at in range(middle)]
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    parts += [look(second, 200 + 50 * at, **STORY[at]) for at in range(middle, len(STORY))]
    assert parts == said
    assert any(said)
    assert second.state_dict() == whole.state_dict()


def test_a_state_is_not_changed_by_what_comes_after() -> None:
    watch = Watch(rules=[A])
    looks(watch, range(300, 600, 100), a=1.5)
    state = watch.state_dict()
    text = json.dumps(state)
    other = Watch(rules=[A])
    other.load_state_dict(state)
    looks(other, range(600, 900, 100), a=0.0)
    assert json.dumps(state) == text


def test_a_state_of_another_version_is_taken_as_far_as_it_goes() -> None:
    watch = Watch(rules=[A])
    looks(watch, range(300, 600, 100), a=1.5)
    other = Watch(rules=[A, B])
    other.load_state_dict(watch.state_dict() | {"GD999": {"hits": 3}})
    assert [finding["rule"] for finding in other.active] == ["GD901"]
    assert looks(other, range(600, 900, 100), b=1.5) == [("GD902", "began", "warning")]


def test_findings_are_plain_values() -> None:
    watch = Watch()
    watch.examine(Examination(0, 100, {}, {}, {"model.generator.output": "sigmoid"}))
    assert [finding["rule"] for finding in watch.active] == ["GD003"]
    assert json.loads(json.dumps(watch.state_dict())) == watch.state_dict()
    assert set(watch.state_dict()) == {rule.id for rule in RULES}
