"""What differs between runs, as a person would type it. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gantrain.keys import GROUPS, within
from gantrain.pages.records import Record

SEED = "seed"  # runs that differ by it alone are one choice, tried several times
WITHOUT_EFFECT = ("tracking", "checkpoint", "doctor", "metrics", "runtime", "facts", "experiment", "sweep")
"""Sections that cannot change what is trained; experiments and sweeps show in what they set."""

TARGET = "._target_"

Settings = tuple[tuple[str, str], ...]
"""(key, value) as typed, the seed left out: what makes a run another choice than the next one."""


def differing(records: Sequence[Record]) -> tuple[str, ...]:
    """The keys, or groups, that the runs do not agree on; first those that were typed.

    A group that follows from a typed one (loss=wgan brings penalty=clip) is left out: it would tell nothing
    more about which runs belong together.
    """
    known = [record for record in records if record.config]
    typed = [key for key in _typed(records) if key != SEED and not within(key, WITHOUT_EFFECT)]
    chosen = [key for key in typed if _varies(records, key)]
    for key in (*_groups(known), *_others(known)):
        if key not in chosen and _varies(known, key) and not _follows(known, key, chosen):
            chosen.append(key)
    return tuple(chosen)


def settings_of(record: Record, keys: Sequence[str]) -> Settings:
    return tuple((key, value_of(record, key)) for key in keys)


def value_of(record: Record, key: str) -> str:
    """What the run has there; "-" if it has no such key, "?" if it left nothing to tell by."""
    if key.endswith(TARGET) and key in record.config:
        return str(record.config[key]).rpartition(".")[2]
    if key in record.choices:
        return str(record.choices[key])
    typed = _typed([record])
    if key in typed and (key not in record.config or key in GROUPS):
        return typed[key]
    return written(record.config[key]) if key in record.config else "-" if record.config else "?"


def written(value: Any) -> str:
    """0.0002 -> "0.0002", True -> "true", a class by its bare name."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    return str(value)


def typed_as(settings: Settings) -> str:
    """ "loss=hinge optim=ttur" """
    return " ".join(f"{key.removesuffix(TARGET)}={value}" for key, value in settings)


def _typed(records: Sequence[Record]) -> dict[str, str]:
    """key -> the last value typed for it, over all runs, in the order of typing."""
    pairs = (override.lstrip("+").partition("=") for record in records for override in record.overrides)
    return {key: value for key, _, value in pairs}


def _groups(records: Sequence[Record]) -> list[str]:
    found = dict.fromkeys(group for record in records for group in record.choices)
    return [group for group in found if group in GROUPS and not within(group, WITHOUT_EFFECT)]


def _others(records: Sequence[Record]) -> list[str]:
    """Keys of the configuration that are no group's business: groups speak for what they set."""
    found = dict.fromkeys(key for record in records for key in record.config)
    return [key for key in found if key != SEED and not within(key, (*WITHOUT_EFFECT, *_owned(records)))]


def _owned(records: Sequence[Record]) -> tuple[str, ...]:
    """Sections whose differences a differing group explains."""
    return tuple(group for group in _groups(records) if _varies(records, group))


def _varies(records: Sequence[Record], key: str) -> bool:
    return len({value_of(record, key) for record in records}) > 1


def _follows(records: Sequence[Record], key: str, chosen: Sequence[str]) -> bool:
    """Whether runs that agree on `chosen` agree on `key`."""
    seen: Mapping[Settings, set[str]] = {}
    for record in records:
        seen.setdefault(settings_of(record, chosen), set()).add(value_of(record, key))  # type: ignore[attr-defined]
    return all(len(values) == 1 for values in seen.values())
