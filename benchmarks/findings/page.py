"""docs/findings.md, from claims.yaml and results.jsonl."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmarks.findings.claims import HERE, OWN_DATA, Claim, Expectation, Part, Study, typed
from benchmarks.findings.numbers import COMPARED, NUMBERS, Row
from benchmarks.findings.rows import current
from benchmarks.findings.verdicts import NEARER, Outcome, Verdict, judged, judged_by, verdict

PICTURES = "images/findings"  # beside the page
NOTHING = "-"
PHRASES = {"like": "like that of {}", NEARER: "nearer than that of {} to what real pictures have"}

HEAD = HERE / "head.md"


@dataclass(frozen=True)
class Measured:
    """The numbers of one part, by option, in the order of the seeds."""

    part: Part
    rows: Mapping[str, Sequence[Row | None]]

    def values(self, number: str, option: str) -> list[float]:
        """Of the runs that have it; none at all while one is still to be run."""
        rows = self.rows[option]
        if any(row is None for row in rows):
            return []
        found = self._compared(number, option) if number in COMPARED else self._taken(number, option)
        return [value for value in found if value is not None]

    def _taken(self, number: str, option: str) -> list[float | None]:
        return [row["numbers"].get(number) for row in self.rows[option] if row]

    def _compared(self, number: str, option: str) -> list[float | None]:
        curves = {name: [row["curve"] for row in rows if row] for name, rows in self.rows.items()}
        where, value = COMPARED[number]
        everybody = [curve for found in curves.values() for curve in found]
        place = where(everybody) if all(everybody) and everybody else None
        return [] if place is None else [value(curve, place) for curve in curves[option]]

    def real(self, number: str) -> float | None:
        """What real pictures have, over all runs that say."""
        rows = [row for rows in self.rows.values() for row in rows if row]
        found = [row["real"][number] for row in rows if number in row["real"]]
        return fmean(found) if found else None

    def outcome(self, one: Expectation) -> Outcome:
        mine = self.values(one.number, one.of)
        if isinstance(one.than, str):
            return judged(one.relation, mine, self.values(one.number, one.than), self.real(one.number))
        return judged_by(one.relation, mine, one.than) if mine else "not measured"


def render(study: Study, rows: Mapping[str, Row], pictures: Path) -> str:
    """The page. pictures: the folder where the claims' pictures are, if there are any."""
    rows = current(rows, study.runs())
    claims = [(claim, [measured(part, rows) for part in claim.parts]) for claim in study.claims]
    judged_claims = [(claim, parts, verdict_of(claim, parts)) for claim, parts in claims]
    lines = [head(study), *summary(study, judged_claims)]
    for claim, parts, said in judged_claims:
        lines += ["", *section(claim, parts, said, study, pictures)]
    return "\n".join([*lines, "", *legend(study)]) + "\n"


def measured(part: Part, rows: Mapping[str, Row]) -> Measured:
    return Measured(part, {o: [rows.get(run.name) for run in runs] for o, runs in part.runs.items()})


def verdict_of(claim: Claim, parts: Sequence[Measured]) -> Verdict:
    return verdict([found.outcome(one) for found in parts for one in found.part.expect], claim.varies)


def head(study: Study) -> str:
    return HEAD.read_text(encoding="utf-8").format(
        runs=len(study.runs()),
        common=" ".join(typed(study.common)),
        seeds=", ".join(map(str, study.seeds)),
        expectations=sum(len(part.expect) for claim in study.claims for part in claim.parts),
        not_measured="\n".join(f"- {line}" for line in study.not_measured),
    )


def summary(study: Study, claims: Sequence[tuple[Claim, Sequence[Measured], Verdict]]) -> Iterator[str]:
    yield "| note | claim | verdict | expectations met |"
    yield "|---|---|---|---|"
    for claim, _, said in claims:
        met = f"{said.outcomes.count('yes')} of {len(said.outcomes)}"
        yield f"| [{claim.id}](#{anchor(claim)}) | {claim.title} | {said.word} | {met} |"


def anchor(claim: Claim) -> str:
    return claim.slug.lower().replace(".", "-")


# ---- One claim ------------------------------------------------------------------------------------------


def section(
    claim: Claim, parts: Sequence[Measured], said: Verdict, study: Study, pictures: Path
) -> Iterator[str]:
    yield f'<a id="{anchor(claim)}"></a>'
    yield f"## {claim.id}: {claim.title}"
    yield f"\n> {claim.note}\n"
    if claim.built_in:
        yield f"Built in: {claim.built_in}\n"
    for found in parts:
        if len(parts) > 1:
            yield f"**{found.part.name}**\n"
        yield from ("```", *commands(found.part, study.seeds), "```", "")
        yield from (*table(found), "")
        if found.part.curve:
            yield from curve_table(found)
    if (pictures / f"{claim.slug}.png").is_file():
        options = "; ".join(dict.fromkeys(option for found in parts for option in found.part.options))
        yield f"![Samples of seed {study.seeds[0]}: {options}]({PICTURES}/{claim.slug}.png)\n"
    yield f"**Verdict: {said.word}.** {claim.reading}".rstrip() + "\n"
    for found in parts:
        yield from answers(found, with_name=len(parts) > 1)


def commands(part: Part, seeds: Sequence[int]) -> Iterator[str]:
    """What a reader types: one sweep where the options differ in a single key, else one for each."""
    own = ["--config-dir benchmarks/doctorbench/configs"] if set(OWN_DATA) & set(typed(part.words)) else []
    begin, end = ["gantrain -m", *own, *typed(part.words)], f"seed={','.join(map(str, seeds))}"
    keys = {tuple(words) for words in part.options.values()}
    if len(keys) == 1 and len(only := next(iter(keys))) == 1:
        values = ",".join(words[only[0]] for words in part.options.values())
        yield " ".join([*begin, f"{only[0]}={values}", end])
        return
    for words in part.options.values():
        yield " ".join([*begin, *typed(words), end])


def table(found: Measured) -> Iterator[str]:
    numbers = found.part.numbers
    yield "| |" + "".join(f" {NUMBERS[number].title} |" for number in numbers)
    yield "|---|" + "---|" * len(numbers)
    for option, rows in found.rows.items():
        cells = [spread(found.values(number, option)) for number in numbers]
        yield f"| {option}{ended_badly(rows)} |" + "".join(f" {cell} |" for cell in cells)
    reals = [found.real(number) for number in numbers]
    if any(real is not None for real in reals):
        yield "| real pictures |" + "".join(f" {'' if r is None else shown(r)} |" for r in reals)


def ended_badly(rows: Sequence[Row | None]) -> str:
    """Says it where runs of an option have no numbers because they did not get to their end."""
    kinds = Counter({2: "refused", 3: "non-finite"}.get(row["code"], "") for row in rows if row)
    return "".join(f" ({count} of {len(rows)} {kind})" for kind, count in kinds.items() if kind)


def curve_table(found: Measured) -> Iterator[str]:
    """fd_rand by step and second, mean over the seeds: at the looks that all runs have, and at the end."""
    curves = {option: [row["curve"] for row in rows if row] for option, rows in found.rows.items()}
    looks = [{point[0] for point in curve} for seeds in curves.values() for curve in seeds]
    steps = sorted(set.intersection(*looks)) if looks else []
    yield "fd_rand by step, and in brackets after how many seconds of training:\n"
    yield "| |" + "".join(f" {step:.0f} |" for step in steps) + " at its end |"
    yield "|---|" + "---|" * (len(steps) + 1)
    for option, seeds in curves.items():
        ends = [curve[-1] for curve in seeds if curve]
        cells = [timed([p for curve in seeds for p in curve if p[0] == step]) for step in steps]
        cells.append(f"{timed(ends)}, step {ends[0][0]:.0f}" if ends else NOTHING)
        yield f"| {option} |" + "".join(f" {cell} |" for cell in cells)
    yield ""


def timed(points: Sequence[Sequence[float]]) -> str:
    return f"{shown(fmean(p[2] for p in points))} ({fmean(p[1] for p in points):.0f} s)"


def answers(found: Measured, with_name: bool) -> Iterator[str]:
    """Every expectation, what was measured and whether it is met."""
    name = f"{found.part.name}: " if with_name else ""
    for one in found.part.expect:
        mine, title = average(found.values(one.number, one.of)), NUMBERS[one.number].title
        if isinstance(one.than, str):
            other, theirs = f"*{one.than}*", average(found.values(one.number, one.than))
        else:
            other = theirs = f"{one.than:g}"
        relation = PHRASES.get(one.relation, f"{one.relation} than {{}}").format(other)
        yield f"- {name}{title} of *{one.of}* {relation}: **{found.outcome(one)}** ({mine} against {theirs})"


def legend(study: Study) -> Iterator[str]:
    used = {number for claim in study.claims for part in claim.parts for number in part.numbers}
    yield "## The numbers\n"
    yield "| number | what it is | better |"
    yield "|---|---|---|"
    for name, number in NUMBERS.items():
        if name in used:
            yield f"| {number.title} | {number.meaning} | {number.better} |"


# ---- Numbers as text ------------------------------------------------------------------------------------


def shown(value: float) -> str:
    """Three decimals below 10, one below 100, none above."""
    size = abs(value)
    text = f"{value:.3f}" if size < 10 else f"{value:.1f}" if size < 100 else f"{value:,.0f}"
    return text.removeprefix("-") if not any(digit in text for digit in "123456789") else text


def average(values: Sequence[float]) -> str:
    return shown(fmean(values)) if values else NOTHING


def spread(values: Sequence[float]) -> str:
    """ "0.123 (0.110..0.140)"."""
    if not values:
        return NOTHING
    return f"{shown(fmean(values))} ({shown(min(values))}..{shown(max(values))})"
