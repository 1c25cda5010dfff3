"""The pages of docs/rules, written from the rules: `python -m gantrain.doctor.pages docs/rules`."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from gantrain import files
from gantrain.doctor.rules.advice import ADVICE
from gantrain.doctor.rules.registry import BY_ID, RULES
from gantrain.doctor.rules.rule import Rule, Tier

README = "README.md"
NOTE = "<!-- Written by python -m gantrain.doctor.pages docs/rules: change the rule, not this page. -->"
TIERS = {
    "preflight": "before training",
    "T0": "all the time",
    "T1": "a look at the game, up to some twenty times a run",
    "T2": "a look at the pictures, up to some ten times a run",
    "T3": "at the end",
}
IN_A_ROW = "Three hits in a row, after the first 200 steps or 5 % of the run, whichever is longer"
OF_THE_GAME = f"{IN_A_ROW}; the end counts as one more look."
AT_THE_END = "At the end the majority of three looks decides."
JUDGED: dict[Tier, str] = {
    "preflight": f"Before training one look decides. Later it takes three hits in a row. {AT_THE_END}",
    "T0": OF_THE_GAME,
    "T1": OF_THE_GAME,
    "T2": f"{IN_A_ROW}. {AT_THE_END}",
    "T3": AT_THE_END,
}


def pages(rules: tuple[Rule, ...] = RULES) -> dict[str, str]:
    """File name -> text: one page a family of rules, and the index."""
    families = groupby(sorted(rules, key=lambda rule: rule.id), key=lambda rule: rule.page)
    found = {f"{page}.md": page_of(page, tuple(members)) for page, members in families}
    return {README: index(rules), **found}


def index(rules: tuple[Rule, ...]) -> str:
    lines = [NOTE, "", "# What the doctor knows", ""]
    lines += [
        "Causes stand before their symptoms: the first of several findings is called the cause of the rest.",
        "`doctor.ignore=[GD301]` leaves a rule out, `doctor.params.GD201.variety_warn=0.2` moves a "
        "threshold. There are fewer looks where they would take more than doctor.max_overhead of the time "
        "(2 %): in a short run on a CPU one to three at the pictures, so that some things are only found at "
        "the end.",
        "",
        "| rule | what is wrong | severity | when it is looked at |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| [{rule.id}]({rule.page}.md) | {rule.title} | {_severity(rule)} | {TIERS[rule.tier]} |"
        for rule in rules
    ]
    return "\n".join(lines) + "\n"


def page_of(page: str, members: tuple[Rule, ...]) -> str:
    parts = [NOTE, ""]
    if len(members) > 1:
        items = ", ".join(f"{rule.id} ({rule.title[0].lower()}{rule.title[1:]})" for rule in members)
        parts += [f"# {page}", "", f"`doctor.ignore=[{page}]` leaves all of these out: {items}.", ""]
    for rule in members:
        parts += section(rule, "##" if len(members) > 1 else "#")
    return "\n".join(parts)


def section(rule: Rule, level: str) -> list[str]:
    lines = [f"{level} {rule.id} {rule.title}", ""]
    lines += [f"Severity: {_severity(rule)}. Looked at: {TIERS[rule.tier]}.", "", rule.why, ""]
    lines += [f"{level}# What is measured", "", *_measured(rule), ""]
    if rule.thresholds:
        lines += ["| parameter | default | meaning |", "|---|---|---|"]
        lines += [
            f"| `doctor.params.{rule.id}.{name}` | {threshold.value:.4g} | {threshold.meaning} |"
            for name, threshold in rule.thresholds.items()
        ]
        lines.append("")
    lines += [f"{level}# What to try", ""]
    lines += ["Of these, what changes something in the run's configuration, best first:", ""]
    told = (f"- `{one.shown}` {one.why} Price: {one.price} {one.not_when}" for one in ADVICE[rule.id])
    lines += dict.fromkeys(told)  # one may have its turn earlier or later
    lines += ["", f"{level}# Not to be told", "", f"`doctor.ignore=[{rule.id}]`", ""]
    return lines


def _severity(rule: Rule) -> str:
    return " or ".join(rule.severities)


def _measured(rule: Rule) -> list[str]:
    signals = [f"`{signal}`" for signal in rule.needs]
    lines = [f"- Needed: {', '.join(signals)}"] if signals else ["- The configuration and the data's facts"]
    if rule.uses:
        lines.append(f"- Used where it is measured: {', '.join(f'`{signal}`' for signal in rule.uses)}")
    if rule.nulls:
        against = ", ".join(f"`{signal}`" for signal in rule.nulls)
        lines.append(f"- Compared with half of the real pictures against the other half: {against}")
    lines += [f'- Not checked where "{requirement.reason}"' for requirement in rule.requires]
    tier = rule.tier if rule.needs else "preflight"  # what needs no signal is known from the start
    once = "One hit is proof, at any step." if rule.exact else JUDGED[tier]
    yields = [_gives_way(id) for id in rule.yields_to]
    roots = " or ".join(rule.rooted_in)
    rooted = [f"Where {roots} was found before training it is nobody's symptom."] if roots else []
    apart = [f"{' or '.join(rule.apart_from)} is never its cause."] if rule.apart_from else []
    silent = [f"Left alone while {' or '.join(rule.silenced_by)} is an error."] if rule.silenced_by else []
    return [*lines, f"- {' '.join([once, *yields, *rooted, *apart, *silent])}"]


def _gives_way(id: str) -> str:
    before = "".join(f", and {root} before training" for root in BY_ID[id].rooted_in)
    return f"If {id} is found{before}, and is more than a remark, that is the cause."


def write(folder: Path) -> None:
    """Writes every page, and removes those of rules that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = pages()
    for name, text in texts.items():
        files.write_atomically(folder / name, text)
    for path in folder.glob("*.md"):
        if path.name not in texts:
            path.unlink()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
