"""What a verdict leaves out, said below it. No torch here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gantrain.doctor.rules.rule import GOOD_PICTURES
from gantrain.metrics.kinds import badness
from gantrain.pages.candidates import Candidate
from gantrain.pages.phrases import quoted
from gantrain.pages.ranking import Comparison
from gantrain.pages.records import SHOWN_METRICS


def caveat(comparison: Comparison) -> str:
    """Other metrics that say otherwise; runs of unlike length, too short for good pictures, still getting
    better, or mirrored; "" if none.
    """
    said = (caution(comparison) for caution in (_contrary, _uneven, _short, _young, _mirrored))
    return " ".join(filter(None, said))


def _contrary(comparison: Comparison) -> str:
    """By what else was measured, at the same looks, all runs of the second choice are before the first's, and
    by no less than either's runs differ among themselves: of nearly equal numbers one is better by chance.
    """
    if len(comparison.judged) < 2:
        return ""
    first, second = comparison.judged[:2]
    names = []
    for metric in SHOWN_METRICS:
        ours, theirs = (tuple(_badness(comparison, one, metric)) for one in (first, second))
        if min(len(ours), len(theirs)) > 1 and min(ours) - max(theirs) > max(map(_width, (ours, theirs))):
            names.append(metric)
    if not names:
        return ""
    return f"By {' and '.join(names)} every run of {quoted(second)} is better than those of {quoted(first)}."


def _badness(comparison: Comparison, candidate: Candidate, metric: str) -> Iterator[float]:
    for record in candidate.records:
        best = comparison.measured.get(record.name)
        if best and (look := record.measured(metric, best["step"])):
            yield badness(metric, look["value"])


def _width(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _steps(comparison: Comparison) -> list[int]:
    return [run.total for run in comparison.records if run.name in comparison.measured and run.total]


def _uneven(comparison: Comparison) -> str:
    steps = _steps(comparison)
    if "train.steps" in comparison.keys or len(set(steps)) < 2:
        return ""
    span = f"{min(steps)} to {max(steps)} steps"
    return f"The ranked runs have {span}: some may be ahead by their steps alone."


def longer(comparison: Comparison) -> int | None:
    """The steps with which these runs may rank otherwise: enough for good pictures, or twice as many where
    most were still getting better; None: as many as they have will do.
    """
    if _are_short(comparison):
        return GOOD_PICTURES
    better, ranked = _getting_better(comparison)
    return 2 * max(_steps(comparison)) if 2 * better > ranked > 1 else None


def _are_short(comparison: Comparison) -> bool:
    steps = _steps(comparison)
    return len(steps) > 1 and max(steps) < GOOD_PICTURES


def _getting_better(comparison: Comparison) -> tuple[int, int]:
    """How many of how many runs that are ranked."""
    ranked = [run for run in comparison.records if run.name in comparison.measured and run.total]
    return sum(run.gets_better for run in ranked), len(ranked)


def _short(comparison: Comparison) -> str:
    if not _are_short(comparison):
        return ""
    return (
        f"None of the ranked runs has {GOOD_PICTURES} steps, which good pictures take: longer ones "
        f"(train.steps={GOOD_PICTURES}) may rank otherwise, which more seeds of these do not tell."
    )


def _young(comparison: Comparison) -> str:
    if _are_short(comparison) or longer(comparison) is None:
        return ""
    better, ranked = _getting_better(comparison)
    runs = f"{'All' if better == ranked else f'{better} of the'} {ranked} ranked runs"
    return f"{runs} were still getting better: longer ones may rank otherwise."


def _mirrored(comparison: Comparison) -> str:
    if "data.flip" not in comparison.keys:
        return ""
    return (
        "All are measured against pictures that are not mirrored: where left and right differ, "
        "data.flip=true ends farther off however well it draws."
    )
