"""Hydra's errors in plain words, and composition for commands that do not train."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.conf import HydraConf
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gantrain.console import typed, written
from gantrain.errors import GantrainError, meant, nearest_value, type_reason
from gantrain.keys import (
    GROUPS,
    OPEN,
    config_dir,
    flatten,
    key_of,
    known_as,
    of_section,
    options_of,
    unknown_key,
    within,
)
from gantrain.overrides import (
    check_overrides,
    not_an_override,
    own_pictures,
    pictures_at,
    quoted,
    several,
    split,
)

CONFIG_NAME = "train"
SEARCH_PATH = "hydra.searchpath"

OmegaConf.register_new_resolver("gantrain_id", lambda: secrets.token_hex(2), use_cache=True, replace=True)


@dataclass(frozen=True)
class Asked:
    """What the user typed, as summary.json keeps it: it repeats the run, and says what differs between runs.

    overrides: without Hydra's own. choices: group -> option, also of groups that were not named. config_dir:
    the folder of the user's own options.
    """

    overrides: tuple[str, ...] = ()
    choices: Mapping[str, str] = field(default_factory=dict)
    config_dir: str | None = None

    @classmethod
    def of(cls, hydra: HydraConf) -> Asked:
        """From Hydra's own configuration of a job."""
        chosen = {
            group: str(option)
            for group, option in hydra.runtime.choices.items()
            if group in GROUPS and option
        }
        given = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
        return cls(tuple(hydra.overrides.task), chosen, given[0] if given else None)

    @property
    def keys(self) -> set[str]:
        """Keys and groups that were named."""
        return {key_of(override) for override in self.overrides}

    def plain(self) -> dict[str, Any]:
        return {
            "overrides": list(self.overrides),
            "choices": dict(self.choices),
            "config_dir": self.config_dir,
        }


def extended(typed: Sequence[str], added: Sequence[str]) -> list[str]:
    """What was typed at first and at a resume: of one key the later value."""
    keys = {key_of(override) for override in added}
    return [*(override for override in typed if key_of(override) not in keys), *added]


def composed(overrides: Sequence[str] = ()) -> DictConfig:
    """The configuration that the command line would give, of a command that looks at one.

    Raises:
        GantrainError: what Hydra refuses, in plain words.
    """
    check_overrides(overrides)
    try:
        _refuse_sweeps(overrides)
        with initialize_config_dir(config_dir(), version_base="1.3"):
            return compose(CONFIG_NAME, opened(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(error, overrides) from error


def _refuse_sweeps(overrides: Sequence[str]) -> None:
    for override in OverridesParser.create().parse_overrides(opened(overrides)):
        if override.is_sweep_override():
            raise several(override.input_line or "", "name one value")


def beside(folder: str | None) -> list[str]:
    """The override that does what --config-dir does: another folder of options beside gantrain's."""
    if folder is None:
        return []
    return [f"{SEARCH_PATH}=[{quoted(f'file://{Path(folder).resolve()}')}]"]


def opened(overrides: Sequence[str]) -> list[str]:
    """What stands in an empty section Hydra wants with ++ in front."""
    return [
        f"++{override}" if within(override.partition("=")[0], [OPEN]) else override for override in overrides
    ]


def explain(error: Exception, overrides: Sequence[str]) -> GantrainError:
    """What a person needs to know of an error of Hydra's or OmegaConf's."""
    for kind, explanation in EXPLANATIONS.items():
        if isinstance(error, kind):
            found = explanation(error, overrides)  # type: ignore[operator]
            if found is not None:
                return found
    return GantrainError("", _first_line(error), "gantrain --help lists what there is")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


EXTRAS = {"optuna": "sweep", "joblib": "joblib", "submitit_local": "slurm", "submitit_slurm": "slurm"}
"""Of Hydra's options those that come with an extra of ours (pyproject.toml)."""


def _missing_option(error: MissingConfigException, overrides: Sequence[str]) -> GantrainError:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    if not group:
        return GantrainError("", _first_line(error), "")
    if group.split("/")[0] == "hydra":
        if option in EXTRAS:
            remedy = f"pip install 'gantrain[{EXTRAS[option]}]'"
            return GantrainError(f"{group}={option}", "is not installed", remedy)
        remedy = f"choose one of: {', '.join(error.options or ())}"
        return GantrainError(f"{group}={option}", "no such option", remedy)
    if group.startswith("data/"):
        place = f"{group}/{option}".removeprefix("data/")
        return GantrainError(f"data={place}", "no such option", f"your own pictures: {pictures_at(place)}")
    if group not in GROUPS:
        return unknown_key(group, known_keys(overrides))
    names = error.options or []
    hint = known_as(group, option) or meant(option, names, f"{group}=", 0.5)
    if group == "data" and (own := own_pictures(option)):
        hint = f"your own pictures: {own}; "
    choices = f"{group} has: {', '.join(names)}" if names else options_of(group)
    return GantrainError(f"{group}={option}", "no such option", hint + choices)


def _parse_error(error: OverrideParseException, overrides: Sequence[str]) -> GantrainError:
    text = error.override or ""
    key, value = split(text)
    if "=" not in text:
        return not_an_override(text)
    if value.endswith(",") and "," not in value[:-1]:
        return GantrainError(key, "has a comma after its value", f"without: {key}={value[:-1]}")
    if re.fullmatch(r"\([-+.\w]+(, ?[-+.\w]+)*\)", value):
        whole = typed(f"{key}=[{value[1:-1]}]")
        return GantrainError(key, f"Hydra cannot read the value {value}", f"a list has brackets: {whole}")
    if key == "data" and (own := own_pictures(value)):
        return GantrainError(key, "names an option, not a folder", f"your own pictures: {own}")
    if key == "hydra.run.dir" or re.search(r"[=(){}\[\]:,'\"]", value):
        whole = typed(f'{key}="{value}"')
        return GantrainError(key, f"Hydra cannot read the value {value}", f"put it in quotes: {whole}")
    return GantrainError(key or text, "Hydra cannot read this override", "write key=value without spaces")


def _composition(error: ConfigCompositionException, overrides: Sequence[str]) -> GantrainError | None:
    text, cause = str(error), error.__cause__
    if "Ambiguous value for argument" in text:
        found = re.search(r"argument '([^']*)'", text)
        key, value = split(found.group(1) if found else "")
        is_list = isinstance(_usual(overrides).get(key), list)
        brackets = f"a list has brackets: {typed(f'{key}=[{value}]')}"
        return several(f"{key}={value}", brackets if is_list else "add -m to sweep over them")
    if "Multiple values for" in text:
        found = re.search(r"Multiple values for (\S+?)\.", text)
        group = found.group(1) if found else "a group"
        return GantrainError(group, "is given more than once", f"name one option: {group}=...")
    found = re.search(r"already at '([^']*)'", text)
    if found:
        key = found.group(1)
        return GantrainError(f"+{key}", "there is one already", f"write {key}=... without the +")
    for pattern in (
        r"Could not override '([^']*)'",
        r"Could not delete(?: from config)?\.? '?([^'\s]+)",
        r"Error merging override (\S+)",
    ):
        found = re.search(pattern, text)
        if found:
            return _about(found.group(1), text, cause, overrides)
    found = re.search(r"In '([^']*)': (.*)", text)
    cause = cause or error.__context__
    full_key = str(getattr(cause, "full_key", None) or "")
    if found and full_key:
        unknown = unknown_key(full_key, known_keys())
        return GantrainError(f"{found.group(1)}.yaml: {unknown.key}", unknown.reason, unknown.remedy)
    if found:  # a YAML file of the user's own
        return GantrainError(found.group(1), found.group(2), _first_line(cause) if cause else "")
    return None


def _about(named: str, text: str, cause: BaseException | None, overrides: Sequence[str]) -> GantrainError:
    key, value = split(named)
    given = [o for o in overrides if split(o)[0] == key]
    usual = _usual(overrides)
    known = _names(usual)
    if key == "sweep" and given and not any(o.startswith("+") for o in given):
        option = split(given[-1])[1]
        return GantrainError(f"sweep={option}", "is added to the options", f"+sweep={option}")
    if any(o.startswith("~") for o in given) or "delete" in text:
        if key not in known:
            return unknown_key(key, known)
        remedy = options_of(key) or f"{key}=... sets another value"
        return GantrainError(f"~{key}", "cannot be left out: training needs one", remedy)
    if not value and given:
        value = split(given[-1])[1]
    if key not in known and not within(key, [OPEN]):
        return _all_unknown(key, overrides, known)
    if key == OPEN:
        remedy = f"one at a time: {OPEN}.GD201.variety_warn=0.2"
        return GantrainError(key, "is a section of rules and their parameters", remedy)
    example = 0.5 if within(key, [OPEN]) else nearest_value(value, usual.get(key))
    shown = typed(f"{key}={written([value] if example == [] else example)}")
    reason = type_reason(_first_line(cause) if cause is not None else "", value)
    return of_section(key, known) or GantrainError(key, reason, f"e.g. {shown}")


def _all_unknown(first: str, overrides: Sequence[str], known: set[str]) -> GantrainError:
    """Every key that nothing takes, each with what was meant: Hydra stops at the first."""
    error = unknown_key(first, known)
    given = dict.fromkeys(split(override)[0] for override in overrides if "=" in override)
    ours = [key for key in given if not (within(key, [OPEN]) or key.startswith("hydra"))]
    also = [key for key in ours if key not in (first, *known)]
    guesses = [re.match(r"did you mean (\S+\?)", unknown_key(key, known).remedy) for key in also]
    told = [f"{key} ({guess[1]})" if guess else key for key, guess in zip(also, guesses, strict=True)]
    remedy = f"{error.remedy}\n  nor is there: {', '.join(told)}" if told else error.remedy
    return GantrainError(error.key, error.reason, remedy)


def _config_error(error: OmegaConfBaseException, overrides: Sequence[str]) -> GantrainError:
    key = str(getattr(error, "full_key", "") or getattr(error, "key", "") or "")
    return GantrainError(key, _first_line(error), "")


EXPLANATIONS = {
    MissingConfigException: _missing_option,
    OverrideParseException: _parse_error,
    ConfigCompositionException: _composition,
    OmegaConfBaseException: _config_error,
}


def known_keys(overrides: Sequence[str] = ()) -> set[str]:
    return _names(_usual(overrides))


def _names(usual: Mapping[str, Any]) -> set[str]:
    """Every key of a composition, its sections and the groups."""
    keys = set(usual)
    sections = {key.rpartition(".")[0] for key in keys}
    return {key for key in keys | sections | set(GROUPS) if key}


def _usual(overrides: Sequence[str]) -> dict[str, Any]:
    """key -> value of the composition with the options that `overrides` choose."""
    chosen = [override for override in overrides if split(override)[0] in (*GROUPS, SEARCH_PATH)]
    with initialize_config_dir(config_dir(), version_base="1.3"):
        try:
            cfg = compose(CONFIG_NAME, chosen)
        except (HydraException, OmegaConfBaseException):  # a choice is at fault as well
            cfg = compose(CONFIG_NAME)
    return flatten(OmegaConf.to_container(cfg))  # type: ignore[arg-type]
