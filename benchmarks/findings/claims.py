"""claims.yaml in objects: what each claim compares, by which numbers, and the runs that takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.run_many import Job

HERE = Path(__file__).resolve().parent
CLAIMS = HERE / "claims.yaml"
CONFIGS = HERE.parent / "doctorbench" / "configs"
"""Brings data=crops."""
OWN_DATA = ("data=crops",)

Words = dict[str, str]
"""Overrides by key, in the order in which they are typed."""


@dataclass(frozen=True)
class Expectation:
    """What the claim says of one number: `of` is higher, lower, ... (verdicts.RELATIONS) than `than`."""

    number: str
    of: str
    relation: str
    than: str | float
    """Another option, or a bound."""


@dataclass(frozen=True, eq=False)
class Run:
    """One training. Claims with the same overrides share it."""

    name: str
    words: Words

    @property
    def overrides(self) -> tuple[str, ...]:
        return typed(self.words)

    @property
    def job(self) -> Job:
        own = any(word in OWN_DATA for word in self.overrides)
        return Job(self.name, self.overrides, ("--config-dir", str(CONFIGS)) if own else ())


@dataclass(frozen=True)
class Part:
    """One sweep: options under the same circumstances.

    `words` are the circumstances, `options` what is compared: both as the reader types them. `runs` has the
    option's runs, one for each seed.
    """

    name: str
    words: Words
    options: Mapping[str, Words]
    runs: Mapping[str, tuple[Run, ...]]
    numbers: tuple[str, ...]
    expect: tuple[Expectation, ...]
    curve: bool = False
    """Whether the page shows how fd_rand goes."""


@dataclass(frozen=True)
class Claim:
    """`varies`: completes "it depends on", should the parts or the numbers disagree."""

    id: str
    title: str
    note: str
    varies: str
    parts: tuple[Part, ...]
    built_in: str = ""
    reading: str = ""

    @property
    def slug(self) -> str:
        """For file names: "N2.5-N4.4"."""
        return self.id.replace(", ", "-")

    @property
    def runs(self) -> tuple[Run, ...]:
        return tuple(run for part in self.parts for runs in part.runs.values() for run in runs)


@dataclass(frozen=True)
class Study:
    """The whole of claims.yaml."""

    seeds: tuple[int, ...]
    common: Words
    not_measured: tuple[str, ...]
    claims: tuple[Claim, ...]

    def runs(self, only: Iterable[str] = ()) -> list[Run]:
        """Every run once, or those of some claims.

        Raises:
            ValueError: there is no such claim.
        """
        wanted = set(only)
        known = {id for claim in self.claims for id in (claim.id, *claim.id.split(", "))}
        if unknown := sorted(wanted - known):
            raise ValueError(f"no such claim: {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
        chosen = [c for c in self.claims if not wanted or wanted & {c.id, *c.id.split(", ")}]
        return list({run.name: run for claim in chosen for run in claim.runs}.values())


def parsed(text: str, onto: Words | None = None) -> dict[str, str]:
    """ "a=1 ~b c.d=2" laid onto other words: a later one wins, ~b takes b away."""
    words = dict(onto or {})
    for word in text.split():
        key, _, value = word.partition("=")
        if key.startswith("~"):
            words.pop(key[1:], None)
        else:
            words[key] = value
    return words


def typed(words: Words) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in words.items())


def load(path: Path = CLAIMS) -> Study:
    """
    Raises:
        ValueError: two different runs have one name, or an expectation names an option or a number that its
            part does not have.
    """
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    claims = tuple(_claim(entry, data) for entry in data["claims"])
    _check_names(claims)
    return Study(tuple(data["seeds"]), parsed(data["common"]), tuple(data["not_measured"]), claims)


def _claim(entry: Mapping[str, Any], data: Mapping[str, Any]) -> Claim:
    parts = tuple(_part({**entry, **part}, data) for part in entry["parts"])
    texts = {key: entry[key] for key in ("id", "title", "note", "varies")}
    return Claim(
        **texts, parts=parts, built_in=entry.get("built_in", ""), reading=entry.get("reading", "") or ""
    )


def _part(entry: Mapping[str, Any], data: Mapping[str, Any]) -> Part:
    words = parsed(entry["with"], onto=parsed(data["common"]))
    # An option may take a circumstance away (~model.width), so each has all of its own.
    whole = {name: parsed(text, onto=words) for name, text in entry["options"].items()}
    shared = {key: value for key, value in words.items() if all(w.get(key) == value for w in whole.values())}
    options = {
        name: {key: value for key, value in w.items() if key not in shared} for name, w in whole.items()
    }
    runs = {name: tuple(_run(chosen, seed, data) for seed in data["seeds"]) for name, chosen in whole.items()}
    numbers, expect = tuple(entry["numbers"]), tuple(_expectations(entry["expect"]))
    for one in expect:
        named = {one.of, one.than} if isinstance(one.than, str) else {one.of}
        if not named <= set(options) or one.number not in numbers:
            raise ValueError(f"{entry['id']}: {entry['name']} lacks what it expects of {one.number}")
    return Part(entry["name"], shared, options, runs, numbers, expect, entry.get("curve", False))


def _expectations(entries: Iterable[Mapping[str, Any]]) -> Iterator[Expectation]:
    for entry in entries:
        others = entry["than"] if isinstance(entry["than"], list) else [float(entry["than"])]
        for other in others:
            yield Expectation(entry["number"], entry["of"], entry["is"], other)


def _run(chosen: Words, seed: int, data: Mapping[str, Any]) -> Run:
    """The run of an option: what is the default anyway is left out, how it is recorded is added."""
    defaults, common = parsed(data["defaults"]), parsed(data["common"])
    words = {key: value for key, value in chosen.items() if defaults.get(key) != value}
    own = {key: value for key, value in words.items() if common.get(key) != value}
    name = [value for key, value in own.items() if "." not in key]
    name += [f"{key}_{value}" for key, value in own.items() if "." in key]
    recording = parsed(data["recording"])
    if "train.steps" in words:  # one look at the quality, at the end
        recording["metrics.every"] = words["train.steps"]
    return Run("-".join((*name, f"s{seed}")), {**recording, **words, "seed": str(seed)})


def _check_names(claims: Iterable[Claim]) -> None:
    known: dict[str, Run] = {}
    for claim in claims:
        for run in claim.runs:
            other = known.setdefault(run.name, run)
            if set(other.overrides) != set(run.overrides):
                raise ValueError(f"{claim.id}: another run has the name {run.name}: {other.overrides}")
