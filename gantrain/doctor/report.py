"""What people read: one line in the console, and the report of a run."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gantrain.doctor.finding import Finding, article
from gantrain.doctor.rules.common import SHORT
from gantrain.doctor.rules.lints import GD005C
from gantrain.doctor.rules.registry import BY_ID
from gantrain.doctor.rules.rule import GOOD_PICTURES, UNMEASURED, Facts, Remedy, within_a_sentence
from gantrain.doctor.watch import WARM_UP_STEPS, warm_up
from gantrain.files import from_here
from gantrain.keys import key_of

WIDTH = 100  # of the terminal's lines
MORE = 2  # remedies beside the first
OF_PICTURES = ("T2", "T3")


@dataclass(frozen=True)
class Diagnosis:
    """All that a report is written from.

    findings: `Watch.active` and `Watch.resolved`, in their order. checked, unchecked: of the watch. step: the
    last one examined. status: of summary.json ("finished", "running", ...). share: of the training time that
    the doctor took; None if unknown. run: where the findings' pictures are; None: they are not kept. warned:
    something was said of the configuration already.
    """

    findings: Sequence[Finding]
    checked: Sequence[str]
    unchecked: Mapping[str, str]
    step: int
    total: int
    status: str = "finished"
    share: float | None = None
    facts: Facts = field(default_factory=dict)
    run: Path | None = None
    warned: bool = False

    @property
    def serious(self) -> list[Finding]:
        """What is wrong: the cause first, then the others."""
        found = [f for f in self.findings if f["state"] == "active" and f["severity"] != "info"]
        return sorted(found, key=lambda finding: not finding["primary"])

    @property
    def remarks(self) -> list[Finding]:
        return [f for f in self.findings if f["state"] == "active" and f["severity"] == "info"]

    @property
    def short(self) -> bool:
        """Too short a run for good pictures."""
        return self.total < GOOD_PICTURES

    @property
    def over(self) -> list[Finding]:
        return [f for f in self.findings if f["state"] == "resolved"]


# ---- Lines -----------------------------------------------------------------------------------------------

MEANT_BY_HEALTHY = (
    "Said of the training; how good the pictures are by now is told by their quality (fd_rand, ...)"
)


def console_line(finding: Finding) -> str:
    """The one line for a finding that began, changed or ended."""
    head = f"{finding['rule']} {finding['title']}"
    if finding["event"] == "ended":
        return f"step {finding['step']}: {head}: over"
    if finding["event"] == "changed":
        return f"step {finding['step']}: {head} is now {_standing(finding)}"
    after = f", {first}" if (first := _once_cured(finding)) else ""
    remedy = f"; try{after}: {' '.join(finding['remedy'])}" if finding["remedy"] else ""
    return f"step {finding['step']}: {head} ({finding['severity']}): {finding['message']}{remedy}"


def _standing(finding: Finding, alone: bool = False) -> str:
    """alone: there is no other that it could be the cause of."""
    cause = ", the cause" if finding["primary"] and not alone else ""
    because = f", because of {_causes(finding)}" if finding["because_of"] else ""
    severity = finding["severity"]
    return f"{article(severity)} {severity}{cause}{because}"


def _causes(finding: Finding) -> str:
    return " and ".join(finding["because_of"])


def _once_cured(finding: Finding) -> str:
    """When a symptom's own remedy has its turn; "" of one that is nobody's."""
    return f"once {_causes(finding)} is cured" if finding["because_of"] else ""


def verdict(diagnosis: Diagnosis) -> str:
    """One sentence: healthy, or what is wrong; of several findings the one that is the cause."""
    when = (
        ""
        if diagnosis.step >= diagnosis.total
        else f" so far (step {diagnosis.step} of {diagnosis.total})"
        if diagnosis.step
        else " before training"
    )
    if not diagnosis.checked:
        return f"not judged{when}: nothing could be checked"
    if not diagnosis.serious and diagnosis.step == 0:
        said = (("the warning", diagnosis.warned), ("the remarks", diagnosis.remarks))
        but = " and ".join(name for name, there in said if there)
        return f"nothing wrong was found before training{f', but see {but}' if but else ''}"
    if not diagnosis.serious and diagnosis.step < warm_up(diagnosis.total):
        return f"too early to judge{when}: most rules wait for step {warm_up(diagnosis.total)}"
    if not diagnosis.serious:
        found = "nothing worse than a remark" if diagnosis.remarks else "nothing wrong"
        if diagnosis.short:
            enough = f"good pictures take {GOOD_PICTURES} steps or more"
            return f"healthy as far as so short a run can tell{when}: {found} was found, but {enough}"
        return f"healthy{when}: {found} was found"
    first = diagnosis.serious[0]
    kind = "suspicious" if all(f["severity"] == "warning" for f in diagnosis.serious) else "unhealthy"
    named = within_a_sentence(first)
    but = f"; but {' and '.join(doubts)}" if (doubts := list(_doubts(diagnosis, first))) else ""
    return f"{kind}{when}: {named}{_the_others(first, diagnosis.serious[1:])}{but}"


def _the_others(cause: Finding, findings: Sequence[Finding]) -> str:
    """Beside the cause: those that follow from it, and those that stand by themselves."""
    proven = cause["rule"] in BY_ID and BY_ID[cause["rule"]].exact
    is_cause = f" is {'' if proven else 'probably '}the cause of the rest"
    follows = is_cause if any(finding["because_of"] for finding in findings) else ""
    others = " and ".join(within_a_sentence(f) for f in findings if not f["because_of"])
    by_itself = f"{' but of' if follows else ', and'} {others}" if others else ""
    return follows + by_itself


def _doubts(diagnosis: Diagnosis, cause: Finding) -> Iterator[str]:
    """What else may explain a cause that is not proven."""
    rule = BY_ID.get(cause["rule"])
    if rule is None or rule.exact:
        return
    if diagnosis.short and rule.tier in OF_PICTURES:
        yield SHORT
    rates = (remark["remedy"] for remark in diagnosis.remarks if remark["rule"] == GD005C.id)
    usual = set(map(key_of, next(rates, ())))
    if usual and not usual & set(map(key_of, cause["remedy"])):
        yield f"the players' rates or pace are unusual ({GD005C.id}): mend that first"


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def normal(normal: float | None, spread: float | None) -> str:
    """ "0.35 ± 0.07" """
    return number(normal) + (f" ± {number(spread)}" if normal is not None and spread is not None else "")


def remedies_of(finding: Finding, facts: Facts) -> tuple[Remedy, ...]:
    """The finding's own remedy, then some others that fit the facts."""
    if not finding["remedy"]:
        return ()
    rule = BY_ID.get(finding["rule"])
    known = rule.remedies(facts) if rule is not None and facts else ()
    own = tuple(finding["remedy"])
    reasons = {remedy.overrides: remedy.why for remedy in known}
    first = Remedy(own, reasons.get(own, ""), finding["price"], finding["not_when"])
    return (first, *[remedy for remedy in known if remedy.overrides != own][:MORE])


def titled(id: str) -> str:
    """ "GD301 Checkerboard"; a rule of another version by its id alone."""
    return f"{id} {BY_ID[id].title}" if id in BY_ID else id


def _in_words(checked: Sequence[str]) -> str:
    """The titles of rules, without those that only ever remark: report.md names all of them."""
    rules = [BY_ID[id] for id in checked if id in BY_ID and set(BY_ID[id].severities) != {"info"}]
    lesser = len(checked) - len(rules)
    more = [f"{lesser} {'things' if lesser > 1 else 'thing'} worth a remark at most"] if lesser else []
    return ", ".join([rule.title[:1].lower() + rule.title[1:] for rule in rules] + more)


def unchecked_lines(diagnosis: Diagnosis) -> list[str]:
    """Why each was not, a line for each reason."""
    unchecked, start = diagnosis.unchecked, warm_up(diagnosis.total)
    if unchecked and diagnosis.step < start:
        what = "look at the training" if diagnosis.step == 0 else f"wait for step {start}"
        return [f"{len(unchecked)} rules that {what}, or do not apply"]
    waiting: dict[str, list[str]] = {}
    for id, reason in unchecked.items():
        shared = "what it goes by was not measured" if reason.endswith(UNMEASURED) else reason
        waiting.setdefault(shared, []).append(titled(id))
    return [f"{', '.join(ids)}: {reason}" for reason, ids in waiting.items()]


def meant_by_healthy(diagnosis: Diagnosis) -> list[str]:
    """Below the verdict on a run that is over: what a healthy one need not be yet."""
    over = diagnosis.step >= diagnosis.total and not diagnosis.short
    return [MEANT_BY_HEALTHY] if over and diagnosis.checked and not diagnosis.serious else []


def share_line(diagnosis: Diagnosis) -> str | None:
    share = diagnosis.share
    if share is None:
        return None
    short = " of so short a run" if diagnosis.total < WARM_UP_STEPS else ""  # one look is more than its share
    return f"The doctor took {100 * share:.1f} % of the training time{short}."


# ---- report.md -------------------------------------------------------------------------------------------


def markdown(diagnosis: Diagnosis) -> str:
    """report.md: the verdict first, then each finding with its numbers, its picture and what to try."""
    lines = [f"# {_capital(verdict(diagnosis))}", ""]
    lines += [f"Step {diagnosis.step} of {diagnosis.total}, {diagnosis.status}.", ""]
    lines += [part for line in meant_by_healthy(diagnosis) for part in (f"{line}.", "")]
    for finding in diagnosis.serious:
        alone = len(diagnosis.serious) == 1
        lines += _section(finding, diagnosis.facts, alone, diagnosis.step)
    lines += _list("Remarks", _remarks(diagnosis))
    over = [f"{f['rule']} {f['title']}: from step {f['onset']} to {f['step']}" for f in diagnosis.over]
    lines += _list("Was found, and is over", over)
    lines += _list("Checked", [titled(id) for id in diagnosis.checked])
    lines += _list("Not checked", unchecked_lines(diagnosis))
    share = share_line(diagnosis)
    return "\n".join(lines + ([share, ""] if share else []))


def _seen(finding: Finding, end: int) -> str:
    """When; the last time, if a later look did not find it: too few have missed it to call it over."""
    last = f", last at step {finding['step']}" if finding["onset"] < finding["step"] < end else ""
    return f"first seen at step {finding['onset']}{last}"


def _section(finding: Finding, facts: Facts, alone: bool, end: int) -> list[str]:
    role = ", the cause" if finding["primary"] and not alone else ""
    if finding["because_of"]:
        role = f", may be a consequence of {_causes(finding)}: look again once that is cured"
    lines = [f"## {finding['rule']} {finding['title']}", ""]
    lines += [f"{_capital(finding['severity'])}, {_seen(finding, end)}{role}.", ""]
    lines += [f"**{_capital(finding['message'])}.**", ""]
    if finding["evidence"]:
        lines += ["| measured | value | normal for these data | threshold |", "|---|---|---|---|"]
        lines += [
            f"| `{e['signal']}` | {number(e['value'])} | {normal(e['normal'], e['spread'])} "
            f"| {number(e['threshold'])} |"
            for e in finding["evidence"]
        ]
        lines.append("")
    if finding["picture"]:
        lines += [f"![{finding['title']}]({finding['picture']})", ""]
    lines += [f"Why: {finding['why']}", ""]
    for word, remedy in _in_turn(finding, facts):
        lines += [f"{word}: `{' '.join(remedy.overrides)}`", ""]
        lines += [f"- {text}" for text in _texts(remedy)] + [""]
    if not finding["remedy"]:
        lines += ["There is no override that would help: look at the code of your own classes.", ""]
    return lines


def _in_turn(finding: Finding, facts: Facts) -> list[tuple[str, Remedy]]:
    first = f"If it is still there {once}" if (once := _once_cured(finding)) else "Try"
    return [("Or" if count else first, remedy) for count, remedy in enumerate(remedies_of(finding, facts))]


def _texts(remedy: Remedy) -> list[str]:
    return [text for text in (remedy.why, f"Price: {remedy.price}", remedy.not_when) if text]


def _remarks(diagnosis: Diagnosis) -> list[str]:
    """Of what was seen in a run that went wrong the remedies wait for the cause's."""
    cause = diagnosis.serious[0]["rule"] if diagnosis.serious else None
    lines = []
    for finding in diagnosis.remarks:
        rule = BY_ID.get(finding["rule"])
        waits = cause is not None and rule is not None and rule.tier != "preflight"
        once = f", once {cause} is cured" if waits else ""
        remedy = f"; to change it{once}: {' '.join(finding['remedy'])}" if finding["remedy"] else ""
        lines.append(f"{finding['rule']} {finding['title']}: {finding['message']}{remedy}")
    return lines


def _list(title: str, items: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *(f"- {item}" for item in items), ""] if items else []


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# ---- The terminal ----------------------------------------------------------------------------------------


def in_brief(diagnosis: Diagnosis) -> str:
    """The verdict: each finding had a line when it began."""
    return _capital(verdict(diagnosis))


def in_full(diagnosis: Diagnosis) -> str:
    """What report.md says, shorter, for the terminal."""
    lines = [in_brief(diagnosis), *meant_by_healthy(diagnosis)]
    for finding in diagnosis.serious:
        standing = _standing(finding, alone=len(diagnosis.serious) == 1)
        seen = _seen(finding, diagnosis.step)
        lines += ["", f"{finding['rule']} {finding['title']} ({standing}, {seen})"]
        lines += _wrapped(f"{_capital(finding['message'])}.")
        lines += _wrapped(finding["why"])
        if finding["picture"] and diagnosis.run:
            lines.append(f"  See {from_here(diagnosis.run / finding['picture'])}")
        for word, remedy in _in_turn(finding, {}):
            lines += _wrapped(f"{word}: {' '.join(remedy.overrides)}")
            lines += _wrapped(f"Price: {remedy.price} {remedy.not_when}")
    if diagnosis.remarks:
        lines += ["", "Remarks"]
        lines += [line for remark in _remarks(diagnosis) for line in _wrapped(remark)]
    checked = _in_words(diagnosis.checked) if diagnosis.run else ", ".join(map(titled, diagnosis.checked))
    lines += ["", *_wrapped(f"Checked for: {checked or 'nothing'}", first="")]
    lines += [
        part for line in unchecked_lines(diagnosis) for part in _wrapped(f"Not checked: {line}", first="")
    ]
    share = share_line(diagnosis)
    return "\n".join(lines + ([share] if share else []))


def _wrapped(text: str, first: str = "  ") -> list[str]:
    """first: the first line's indent."""
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent="  ", break_on_hyphens=False)
