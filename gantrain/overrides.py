"""The options as typed, before Hydra sees them: refused is what it would misunderstand. No torch here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from gantrain.console import aside, typed
from gantrain.errors import GantrainError
from gantrain.files import CONFIG
from gantrain.keys import GROUPS, ROOT, key_of, options_of

OPTIONAL = ("experiment", "sweep")


def check_blanks(words: Sequence[str]) -> None:
    """Refuses `key = value`, of which each part would be complained about as if it stood alone."""
    for before, word, after in zip(words, words[1:], (*words[2:], ""), strict=False):
        if word.startswith("=") and "=" not in before:
            key, value = before, word[1:] or after or "VALUE"
        elif before.endswith("=") and "=" not in word and not word.startswith("-"):
            key, value = before[:-1], word
        elif before.endswith(",") and "=" in before and "=" not in word and not word.startswith("-"):
            key, value = split(f"{before} {word}")
            if Path(value).exists():
                quoted_whole = typed(assigned(key, value))
                raise GantrainError(word, "has a blank before it", f"with quotes inside: {quoted_whole}")
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
        if override.startswith("+") and key in GROUPS and key != "sweep":
            raise GantrainError(override, "is one of the options already", f"without the +: {key}={value}")
        if key in GROUPS and key not in OPTIONAL and value in ("null", "None", ""):
            raise GantrainError(override, "cannot be left out: training needs one", options_of(key))
        _check_writing(override.partition("=")[0], key, value)
    last = {key_of(override): override for override in overrides}
    for key in dict.fromkeys(key_of(override) for override in overrides if override not in last.values()):
        aside(f"warning: {key} is given more than one value, and the last one counts: {last[key]}")


PLAIN = re.compile(r"[\w./+@%-]+( [\w./+@%-]+)*", re.ASCII)  # what Hydra reads as it stands
THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})*,0\d\d(,\d{3})*")


def _check_writing(typed_key: str, key: str, value: str) -> None:
    """typed_key: with its +."""
    if value.startswith("="):
        whole = typed(f"{typed_key}={value.lstrip('=')}")
        raise GantrainError(key, "has more than one =", f"without: {whole}")
    if key in GROUPS and key not in OPTIONAL and value.startswith("["):
        given = value.strip("[]").replace(" ", "")
        several_are = f"several are a sweep: {typed('-m', f'{typed_key}={given}')}"
        one = f"without brackets: {typed_key}={given}"
        raise GantrainError(key, "takes one option, no list", several_are if "," in given else one)
    if value.startswith("~/"):
        whole = typed(assigned(typed_key, str(Path(value).expanduser())))
        raise GantrainError(key, "begins with ~, which the shell knows only at the start of a word", whole)
    if key in GROUPS and (bad := [part for part in value.split(",") if not _is_name(key, part)]):
        options = options_of(key).replace(f"{key}=", f"{typed_key}=")
        raise GantrainError(f"{key}={bad[0]}", "is no option's name", options)
    if THOUSANDS.fullmatch(value):
        without = f"{typed_key}={value.replace(',', '')}"
        raise GantrainError(key, f"has a comma within a number: {value}", f"without: {without}")
    for opening, closing in ("[]", "{}"):
        if value.startswith(opening) and closing not in value:
            raise GantrainError(key, f"has no {closing} at its end", typed(f"{typed_key}={value}{closing}"))


def _is_name(group: str, option: str) -> bool:
    """Whether Hydra reads it as text; what it cannot read it says itself."""
    try:
        value = OverridesParser.create().parse_override(f"{group}={option}").value()
    except HydraException:
        return True
    return not isinstance(value, bool | int | float)


def quoted(text: str) -> str:
    """As Hydra reads it back, whatever is in it."""
    inside = re.sub(r"(\\*)'", r"\1\1\\'", re.sub(r"(\\+)$", r"\1\1", text))
    return f"'{inside}'"


def assigned(key: str, value: str) -> str:
    """key=value, quoted for Hydra if it takes that."""
    return f"{key}={value if PLAIN.fullmatch(value) else quoted(value)}"


def not_an_override(text: str, before: str = "") -> GantrainError:
    """before: the word before it, whose value it may belong to."""
    whole, own = f"{before} {text}", own_pictures(text)
    remedy = f"in its place: {own}" if own else "gantrain --help lists both"
    if text == "latest" or (Path(text) / CONFIG).is_file():
        remedy = f"it is a run: {typed('gantrain', 'doctor', text)} judges it, resume goes on with it"
    elif any(path for depth in ("*", "*/*", "*/*/*") for path in Path(text).glob(f"{depth}/{CONFIG}")):
        remedy = f"there are runs in it: {typed('gantrain', 'compare', text)} says which was best"
    if "=" in before and Path(split(whole)[1]).exists():
        remedy = f"with its blank quoted: {typed(whole)}"
    return GantrainError(text, "is neither a command nor key=value", remedy)


def own_pictures(text: str) -> str:
    """What to type where somebody has named a folder of pictures; empty if there is none, or it is a run."""
    return pictures_at(text) if Path(text).is_dir() and not (Path(text) / CONFIG).is_file() else ""


def pictures_at(place: str) -> str:
    return typed("data=folder", assigned(ROOT, place))


def several(override: str, remedy: str) -> GantrainError:
    key, value = split(override)
    if key == ROOT and Path(value).exists():
        return GantrainError(key, "has a comma in it", f"with quotes inside: {typed(assigned(key, value))}")
    return GantrainError(key, f"several values ({value}) are a sweep", remedy)


def split(override: str) -> tuple[str, str]:
    """("loss", "hinge") of +loss=hinge."""
    key, _, value = override.lstrip("+~").partition("=")
    return key.partition("@")[0], value
