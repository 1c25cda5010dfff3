"""What differs between runs, as a person would type it. No torch here."""

from __future__ import annotations

from collections.abc import Sequence

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gantrain.console import typed, written
from gantrain.keys import GROUPS, RESUMABLE, ROOT, within
from gantrain.pages.records import Record, values_swept

SEED = "seed"  # runs that differ by it alone are one choice, tried several times
TOLD = ("train", "data", "runtime.threads")  # of what a resume may change
WITHOUT_EFFECT = (*(key for key in RESUMABLE if not within(key, TOLD)), "facts", "sweep")
"""What cannot change what is trained, and sections that are no choice of the user's."""

TARGET = "._target_"

Settings = tuple[tuple[str, str], ...]
"""(key, value) as typed, the seed left out: what makes a run another choice than the next one."""


NOTHING = "-"


def differing(records: Sequence[Record]) -> tuple[str, ...]:
    """The keys, or groups, that the runs do not agree on; first those that were typed.

    Jobs of one sweep differ by what was typed and by nothing else: what a typed group brings along
    (loss=wgan brings penalty=clip) is not told beside it. Of other runs everything is told, but for the
    experiments they were, which show in what they set. A job of a grid that was resumed, with more steps say,
    is no other choice than the rest.
    """
    swept = _one_sweep(records)
    unsaid = (SEED, *WITHOUT_EFFECT, *(_resumed(records) if swept else ("experiment",)))
    typed = [key for key in _typed(records) if not within(key, unsaid) and _varies(records, key)]
    if swept and typed:
        return tuple(typed)
    known = [record for record in records if record.config]
    others = (
        key
        for key in (*_groups(known), *_others(known))
        if not within(key, unsaid) and _varies(known, key) and not _follows(known, key)
    )
    return tuple(dict.fromkeys((*typed, *others)))


def _one_sweep(records: Sequence[Record]) -> bool:
    """Hydra numbers a sweep's jobs, and gantrain gives single runs other names."""
    parents = {record.directory.parent for record in records}
    return len(parents) == 1 and all(record.directory.name.isdecimal() for record in records)


def _resumed(records: Sequence[Record]) -> list[str]:
    """What a resume may have changed, and the grid has not swept."""
    counts = values_swept(records[0].directory.parent)
    return [] if counts is None else [key for key in RESUMABLE if counts.get(key, 1) == 1]


def settings_of(record: Record, keys: Sequence[str]) -> Settings:
    return tuple((key, value_of(record, key)) for key in keys)


def value_of(record: Record, key: str) -> str:
    """What the run has there; NOTHING if it has no such key, "?" if it left nothing to tell by."""
    if key.endswith(TARGET) and key in record.config:
        return str(record.config[key]).rpartition(".")[2]
    if key in record.choices:
        return str(record.choices[key])
    typed = _typed([record])
    if key in typed and (key not in record.config or key in GROUPS):
        return typed[key] if key in GROUPS else as_written(typed[key])
    return written(record.config[key]) if key in record.config else NOTHING if record.config else "?"


def as_written(text: str) -> str:
    """What was typed, as the configuration would hold it: "1e-4" and "0.0001" are one value."""
    try:
        return written(OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]))["value"])  # type: ignore[index,call-overload]
    except (OmegaConfBaseException, YAMLError):
        return text


def shown(key: str) -> str:
    """A key as a reader knows it: "loss._target_" is "loss"."""
    return key.removesuffix(TARGET)


def typed_as(settings: Settings) -> str:
    """ "loss=hinge optim=ttur"; what a run has not, it was not typed with. Only blanks are quoted: the rest
    is to be read as well.
    """
    pairs = [f"{shown(key)}={value}" for key, value in settings if value != NOTHING]
    return " ".join(typed(pair) if " " in pair else pair for pair in pairs)


def _typed(records: Sequence[Record]) -> dict[str, str]:
    """key -> the last value typed for it, over all runs, in the order of typing."""
    pairs = (override.lstrip("+").partition("=") for record in records for override in record.overrides)
    return {key: value for key, _, value in pairs}


def _groups(records: Sequence[Record]) -> list[str]:
    found = dict.fromkeys(group for record in records for group in record.choices)
    return [group for group in found if group in GROUPS and not within(group, ("experiment", "sweep"))]


def _others(records: Sequence[Record]) -> list[str]:
    """Keys of the configuration that are no group's business: groups speak for what they set."""
    found = dict.fromkeys(key for record in records for key in record.config)
    return [key for key in found if key != SEED and not within(key, (*WITHOUT_EFFECT, *_owned(records)))]


def _owned(records: Sequence[Record]) -> tuple[str, ...]:
    """Sections whose differences a differing group explains."""
    return tuple(group for group in _groups(records) if _varies(records, group))


def _follows(records: Sequence[Record], key: str) -> bool:
    """Whether it is what a section above, or a group, sets for all: model.generator.width beside model.width,
    model.generator.upsample beside upsample.
    """
    *sections, name = key.split(".")
    if sections and name in _owned(records):
        return True
    above = [".".join((*sections[:depth], name)) for depth in range(1, len(sections))]
    return any(
        all(other in record.config and record.config[other] == record.config.get(key) for record in records)
        for other in above
    )


def _varies(records: Sequence[Record], key: str) -> bool:
    if key == ROOT and len({_pictures_of(record) for record in records}) == 1:
        return False  # they were only moved
    return len({value_of(record, key) for record in records}) > 1


def _pictures_of(record: Record) -> str:
    """By what a run knows its pictures, wherever they lie."""
    return str(record.config.get("facts.brightness") or value_of(record, ROOT))
