"""The configuration that a run was started with, and what a resume may change of it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gantrain import files
from gantrain.build import DataFacts
from gantrain.config import SECTIONS, Config
from gantrain.console import typed, written
from gantrain.data.images import reads
from gantrain.errors import GantrainError
from gantrain.keys import OPEN, RESUMABLE, ROOT, flatten, key_of, unknown_key, within
from gantrain.sections import AUTO, DECIDED

FACTS = "facts"  # of the data, in config.yaml beside what was composed
USUAL = flatten({name: asdict(getattr(Config(), name)) for name in SECTIONS})
"""key -> what it is unless somebody sets it, of the typed sections."""

OWN_PICTURES = "gantrain.data.sources.folder"  # the _target_ of data=folder

OURS = {files.CONFIG: FACTS, files.SUMMARY: "diverged"}  # file -> a key that every run's has
OF_A_RUN = (files.METRICS, files.SIGNALS, files.FINDINGS, files.EVALUATIONS, files.REPORT, files.PAGE)


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The configuration as dicts and lists."""
    values: Any = OmegaConf.to_container(cfg)
    return values


def recorded(cfg: DictConfig, data: DataFacts) -> dict[str, Any]:
    """What config.yaml and the checkpoints hold."""
    facts = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(data).items()}
    return plain(cfg) | {FACTS: facts}


def saved_config(run: Path) -> tuple[DictConfig, DataFacts]:
    """(configuration as composed then, facts of the data) of a run.

    Raises:
        GantrainError: config.yaml is missing, damaged, or not of this version.
    """
    try:
        saved = plain(OmegaConf.load(run / files.CONFIG))  # type: ignore[arg-type]
        facts = saved.pop(FACTS)
        expected = {*SECTIONS, *(f"runtime.{key}" for key in DECIDED)}
        if missing := sorted(
            key for key in expected if OmegaConf.select(OmegaConf.create(saved), key) is None
        ):
            reason = f"was written by an earlier version of gantrain: no {missing[0]}"
            raise GantrainError(str(run / files.CONFIG), reason, "sample and resume it with that version")
        known: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()
        }
        return OmegaConf.create(saved), DataFacts(**known)
    except GantrainError:
        raise
    except FileNotFoundError as error:
        reason, remedy = "is missing: a run's checkpoints need it", "train anew: hydra.run.dir=ANOTHER"
        raise GantrainError(str(run / files.CONFIG), reason, remedy) from error
    except (
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
        OSError,
        OmegaConfBaseException,
        YAMLError,
    ) as error:
        raise GantrainError(str(run / files.CONFIG), "is damaged: not a saved configuration", "") from error


def value_of(override: str) -> Any:
    """The value of key=value, as a composition would read it.

    Raises:
        GantrainError: it is no YAML.
    """
    key, _, text = override.partition("=")
    try:
        value = OmegaConf.select(OmegaConf.from_dotlist([override]), key)
    except (YAMLError, OmegaConfBaseException) as error:
        remedy = "e.g. 4000, 0.2, true or '[GD301]'"
        raise GantrainError(key, f"cannot read the value {text}", remedy) from error
    if not within(key, [OPEN]) or key == OPEN:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise GantrainError(key, f"must be a number, got '{text}'", f"e.g. {key}=0.5")
    return float(value)


def with_decisions_of(cfg: DictConfig, run: Path) -> DictConfig:
    """`cfg` with what the run decided when it began, wherever `cfg` leaves it to the machine."""
    before, kept = saved_config(run)[0].runtime, cfg.copy()
    kept.runtime.update({key: before[key] for key in DECIDED if kept.runtime[key] == AUTO})
    return kept


def kept_settings(cfg: DictConfig, run: Path, typed: Collection[str]) -> dict[str, Any]:
    """What the run in this directory was given, of what a resume may change: key -> value, where nothing was
    typed for it now and `cfg` has gantrain's own value. Starting again is going on, not starting over.
    """
    before = saved_config(run)[0]
    usual = {key: value for key, value in USUAL.items() if within(key, RESUMABLE)}
    return {
        key: kept
        for key, value in usual.items()
        if not any(within(key, [other]) or within(other, [key]) for other in typed)
        and OmegaConf.select(cfg, key) == value
        and (kept := OmegaConf.select(before, key)) != value
    }


def refuse_what_is_not_ours(directory: Path) -> None:
    """Refuses to train over files that another program, or a person, has given names of a run's.

    A run that ended before its first checkpoint is begun anew in its directory.
    """
    if files.numbered(directory / files.CHECKPOINTS, "pt"):
        return
    there = {name for name in (*OURS, *OF_A_RUN) if (directory / name).is_file()}
    ours = {name for name in there & OURS.keys() if _has_key(directory / name, OURS[name])}
    if foreign := sorted(there & OURS.keys() - ours) or (not ours and sorted(there)):
        reason = f"holds a {foreign[0]} that is not gantrain's, and a run would write over it"
        raise GantrainError(
            str(directory), reason, "choose another hydra.run.dir (of a sweep: hydra.sweep.dir)"
        )


def refuse_amidst_pictures(directory: Path, cfg: DictConfig) -> None:
    """Refuses to begin a run where its own pictures would lie among those that it is trained on."""
    root = cfg.data.get("root") if cfg.data._target_ == OWN_PICTURES else None
    if root and not (directory / files.CONFIG).is_file() and reads(Path(root).expanduser(), directory):
        reason = f"{directory} lies among the pictures of {root}, and the run's own would become some of them"
        remedy = "leave it out, or choose another (of a sweep: hydra.sweep.dir)"
        raise GantrainError("hydra.run.dir", reason, remedy)


def _has_key(path: Path, key: str) -> bool:
    """Of a YAML or JSON file."""
    with suppress(ValueError, TypeError, OSError, OmegaConfBaseException, YAMLError):
        read = json.loads if path.suffix == ".json" else OmegaConf.create
        return key in read(path.read_text(encoding="utf-8"))
    return False


@contextmanager
def pictures_of(name: str, command: str) -> Iterator[None]:
    """Where the pictures of a run are no longer: what to type, after `command`, if they were only moved."""
    try:
        yield
    except GantrainError as error:
        if error.key != ROOT:
            raise
        moved = f"if they were moved: {typed('gantrain', command, name)} {ROOT}=DIR"
        after = " " if error.remedy.endswith("?") else "; "
        raise GantrainError(error.key, error.reason, f"{error.remedy}{after}{moved}") from error


def move_pictures(cfg: DictConfig, setting: str) -> None:
    """Applies data.root=DIR."""
    if key_of(setting) != ROOT:
        reason, remedy = "is not taken here", f"{ROOT}=DIR is, for the pictures of a run that were moved"
        raise GantrainError(setting, reason, remedy)
    if ROOT not in (flat := flatten(plain(cfg))):
        raise unknown_key(ROOT, flat)
    OmegaConf.update(cfg, ROOT, value_of(setting))


def keep_root(run: Path, cfg: DictConfig) -> None:
    """For later commands: where the pictures of a run lie now."""
    saved = OmegaConf.load(run / files.CONFIG)
    OmegaConf.update(saved, ROOT, cfg.data.root)
    files.write_atomically(run / files.CONFIG, OmegaConf.to_yaml(saved))


def refuse_other_settings(cfg: DictConfig, run: Path, choices: Mapping[str, str]) -> None:
    """Refuses to go on under settings that would make it another experiment, and shows which.

    choices: group -> option, as composed now; options that differ are named instead of what they set.
    """
    before = files.read_summary(run).get("choices") or {}
    differences = _differences(plain(saved_config(run)[0]), plain(cfg), RESUMABLE)
    changed = [group for group in choices if any(within(key, [group]) for key in differences)]
    others = [group for group in changed if before.get(group, choices[group]) != choices[group]]
    named = [f"{group}={before[group]} -> {group}={choices[group]}" for group in others]
    left = [text for key, text in differences.items() if not within(key, others)]
    if named or left:
        go_on = f"go on with its own: {typed('gantrain', 'resume', files.from_here(run))}"
        _refuse(run, "settings", named + left, f"{go_on}; or start a new run in another directory")


def refuse_other_data(data: DataFacts, run: Path) -> None:
    """Refuses to go on with data that are not what they were: the order of the images would be another."""
    before, remedy = saved_config(run)[1], "name the pictures that it was trained on"
    if differences := _differences(asdict(before), asdict(data), ("brightness",)):
        _refuse(run, "data", list(differences.values()), remedy)
    if before.of_other_pictures(data):
        _refuse(run, "data", ["as many pictures, but not the same"], remedy)


def _differences(before: dict[str, Any], now: dict[str, Any], free: tuple[str, ...]) -> dict[str, str]:
    """key -> "key old -> new"."""
    old, new = flatten(before), flatten(now)
    return {
        key: f"{key} {written(old.get(key, 'unset'))} -> {written(new.get(key, 'unset'))}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not within(key, free)
    }


def _refuse(run: Path, what: str, differences: Sequence[str], remedy: str) -> NoReturn:
    more = f"; and {len(differences) - 8} more" if len(differences) > 8 else ""
    shown = f"{'; '.join(differences[:8])}{more}"
    raise GantrainError(str(run), f"holds a run with other {what}: {shown}", remedy)
