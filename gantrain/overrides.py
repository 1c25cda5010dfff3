"""The options as typed, before Hydra sees them: refused is what it would misunderstand. No torch here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from gantrain.console import aside, typed
from gantrain.errors import GantrainError
from gantrain.keys import GROUPS, key_of, options_of

OPTIONAL = ("experiment", "sweep")


def check_blanks(words: Sequence[str]) -> None:
    """Refuses `key = value`, of which each part would be complained about as if it stood alone."""
    for before, word, after in zip(words, words[1:], (*words[2:], ""), strict=False):
        if word.startswith("=") and "=" not in before:
            key, value = before, word[1:] or after or "VALUE"
        elif before.endswith("=") and "=" not in word and not word.startswith("-"):
            key, value = before[:-1], word
        elif before.endswith(",") and "=" in before and "=" not in word and not word.startswith("-"):
            raise GantrainError(word, "has a blank before it", f"without: {typed(before + word)}")
        else:
            continue
        raise GantrainError(key, "has a blank beside its =", f"without: {typed(f'{key}={value}')}")


def check_overrides(overrides: Sequence[str]) -> None:
    """Refuses what Hydra would answer with a traceback or not understand; and warns of a key that was given
    several values, of which Hydra takes the last.
    """
    for before, override in zip(("", *overrides), overrides, strict=False):
        key, value = split(override)
        if not key:
            raise GantrainError(override, "names no key", "write key=value")
        if "=" not in override and not override.startswith("~"):
            raise not_an_override(override, before)
        if key in GROUPS and key not in OPTIONAL and value in ("null", "None", ""):
            raise GantrainError(override, "cannot be left out: training needs one", options_of(key))
        _check_writing(key, value)
    last = {key_of(override): override for override in overrides}
    for key in dict.fromkeys(key_of(override) for override in overrides if override not in last.values()):
        aside(f"warning: {key} is given more than one value, and the last one counts: {last[key]}")


NO_NAME = re.compile(r"true|false|inf|nan|[-+]?[\d.]+(e[-+]?\d+)?", re.IGNORECASE)
THOUSANDS = re.compile(r"\d{1,3}(,\d{3})*,0\d\d(,\d{3})*")


def _check_writing(key: str, value: str) -> None:
    if value.startswith("="):
        whole = typed(f"{key}={value.lstrip('=')}")
        raise GantrainError(key, "has more than one =", f"without: {whole}")
    if key in GROUPS and (bad := [part for part in value.split(",") if NO_NAME.fullmatch(part)]):
        raise GantrainError(f"{key}={bad[0]}", "no such option", options_of(key))
    if THOUSANDS.fullmatch(value):
        meant = f"{key}={value.replace(',', '')}"
        raise GantrainError(key, f"has a comma within a number: {value}", f"without: {meant}")
    for opening, closing in ("[]", "{}"):
        if value.startswith(opening) and closing not in value:
            raise GantrainError(key, f"has no {closing} at its end", typed(f"{key}={value}{closing}"))


def not_an_override(text: str, before: str = "") -> GantrainError:
    """before: the word before it, whose value it may belong to."""
    whole, own = f"{before} {text}", own_pictures(text)
    remedy = f"in its place: {own}" if own else "gantrain --help lists both"
    if "=" in before and Path(split(whole)[1]).exists():
        remedy = f"with its blank quoted: {typed(whole)}"
    return GantrainError(text, "is neither a command nor key=value", remedy)


def own_pictures(text: str) -> str:
    """What to type where somebody has named a folder of pictures; empty if there is no such folder."""
    return typed("data=folder", f"data.root={text}") if Path(text).is_dir() else ""


def several(override: str, remedy: str) -> GantrainError:
    key, value = split(override)
    return GantrainError(key, f"several values ({value}) are a sweep", remedy)


def split(override: str) -> tuple[str, str]:
    """("loss", "hinge") of +loss=hinge."""
    key, _, value = override.lstrip("+~").partition("=")
    return key.partition("@")[0], value
