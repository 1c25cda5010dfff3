"""The rules on recorded runs: a broken one makes its rule fire, and its healthy twin does not.

`python -m benchmarks.doctorbench.traces` records them.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.doctorbench.traces import PAIRS
from gantrain.doctor.finding import Finding
from gantrain.doctor.rules.registry import RULES
from gantrain.doctor.rules.rule import Examination, Null
from gantrain.doctor.watch import Watch

TRACES = Path(__file__).parent / "traces"
LIVE = {"GD302a", "GD501", *(rule.id for rule in RULES if rule.page == "GD005")}  # commands/test_doctor.py


@functools.cache
def findings(run: str) -> tuple[Finding, ...]:
    """All that began, changed or ended while the recorded looks were judged, in order."""
    recorded: dict[str, Any] = json.loads((TRACES / f"{run}.json").read_text(encoding="utf-8"))
    nulls = {name: Null(*null) for name, null in recorded["nulls"].items()}
    looks = [
        Examination(int(look["step"]), recorded["total"], look, nulls, recorded["facts"])
        for look in recorded["looks"]
    ]
    watch, found = Watch(), []
    for look in looks:
        if look.step < look.total:
            found += watch.examine(look)
    if closing := [look for look in looks if look.step == look.total]:
        found += watch.conclude(closing)
    return tuple(found)


def test_every_rule_has_a_trace_or_is_tried_live() -> None:
    assert {*PAIRS, *LIVE} == {rule.id for rule in RULES}


@pytest.mark.parametrize("rule", PAIRS)
def test_fires_on_the_broken_run(rule: str) -> None:
    found = [finding for finding in findings(PAIRS[rule].broken) if finding["rule"] == rule]
    assert found
    assert found[0]["event"] == "began"
    assert found[-1]["state"] == "active", "and stands at the end"


@pytest.mark.parametrize("rule", PAIRS)
def test_is_silent_on_the_healthy_twin(rule: str) -> None:
    assert rule not in {finding["rule"] for finding in findings(PAIRS[rule].healthy)}


@pytest.mark.parametrize("run", sorted({pair.healthy for pair in PAIRS.values()}))
def test_a_healthy_run_is_told_nothing_alarming(run: str) -> None:
    assert {finding["severity"] for finding in findings(run)} <= {"info"}
