"""The constructor's signature is the schema of a `_target_` node: its keys, their types and their choices."""

from __future__ import annotations

import inspect
import logging
import os
import re
import sys
import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, field, make_dataclass
from typing import Any, Literal

from hydra.utils import get_object
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gantrain.console import written
from gantrain.errors import GantrainError, meant
from gantrain.keys import unknown_key

WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
EXAMPLES = {int: 16, float: 0.5, bool: True}


def _find_user_classes() -> None:
    """Lets `_target_` name modules of the current directory, which console scripts leave off the path."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)


def locate(target: object, key: str) -> Callable[..., Any]:
    """The class or function that `target` names.

    Raises:
        GantrainError: nothing importable is called that, or it cannot be called.
    """
    if not isinstance(target, str):
        raise GantrainError(
            key, "needs _target_, the dotted path of a class", f"{key}._target_=package.module.Class"
        )
    _find_user_classes()
    logger = logging.getLogger("hydra.utils")
    before, logger.disabled = logger.disabled, True  # Hydra would log what is raised here
    try:
        found = get_object(target)
    except Exception as error:
        remedy = "check the path; modules of the current directory are found too"
        raise GantrainError(f"{key}._target_", f"cannot import '{target}'", remedy) from error
    finally:
        logger.disabled = before
    if not callable(found):
        raise GantrainError(f"{key}._target_", f"'{target}' is not a class or function", "name one that is")
    return typing.cast("Callable[..., Any]", found)


def parameters(target: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters that can be given by name."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: p for name, p in inspect.signature(target).parameters.items() if p.kind in by_name}


def check(
    node: Mapping[str, Any], key: str, given: Collection[str] = (), extra: Mapping[str, Any] = {}
) -> Callable[..., Any]:
    """Holds a component's options against the signature of its target, and returns the target.

    Args:
        node: plain values with `_target_`.
        key: the node's path in the configuration, for messages.
        given: parameters that gantrain passes itself (facts of the data); they are not for the user to set.
        extra: options that gantrain reads itself, each with an example of its type; each must be there.

    Raises:
        GantrainError: an unknown key, a wrong type or choice, or a missing value.
    """
    target = locate(node.get("_target_"), key)
    takes = {name: p for name, p in parameters(target).items() if name not in given}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(target).parameters.values())
    for name in node:
        if name in given:
            raise GantrainError(
                f"{key}.{name}", "is given by the data or another section, not typed", "leave it out"
            )
        if name != "_target_" and name not in {*takes, *extra} and not open_ended:
            raise unknown_key(f"{key}.{name}", [f"{key}.{n}" for n in (*takes, *extra)])
    for name, parameter in takes.items():
        if name not in node and parameter.default is parameter.empty:
            raise GantrainError(f"{key}.{name}", "has no value", f"{key}.{name}=...")
    for name, example in extra.items():
        check_type(node.get(name), type(example), f"{key}.{name}", example)
    check_types(node, key, target)
    return target


def check_types(node: Mapping[str, Any], key: str, target: Callable[..., Any]) -> None:
    """Holds values against the parameters of the same names; a default may be of any type."""
    hints = _hints(target)
    for name, value in node.items():
        if isinstance(value, Mapping) and "_target_" in value:
            check(value, f"{key}.{name}")
        elif name in hints and value != (default := parameters(target)[name].default):
            check_type(value, hints[name], f"{key}.{name}", default)


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    function = target.__init__ if isinstance(target, type) else target  # type: ignore[misc]
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError):  # a hint that only a type checker can resolve: no check
        return {}
    return {name: hint for name, hint in hints.items() if name in parameters(target)}


def check_type(value: object, hint: Any, key: str, example: object = None) -> None:
    """Holds one value against a type hint, as far as OmegaConf knows the hint. example: one that fits."""
    choices = _choices(hint)
    if choices:
        if value not in choices:
            guess = meant(str(value), map(str, choices), f"{key}=")
            remedy = f"{guess}choices: {', '.join(map(str, choices))}"
            raise GantrainError(key, f"no such choice: '{value}'", remedy)
        return
    try:
        schema = OmegaConf.structured(make_dataclass("Option", [("value", hint, field(default=MISSING))]))
    except (OmegaConfBaseException, TypeError, ValueError):
        return  # a type of the user's own: only its constructor can judge
    try:
        schema.value = value
    except OmegaConfBaseException as error:
        digits = re.match(r"\d+(?=[a-z ])", str(value))  # 32px
        shown = example if isinstance(example, int | float | str) else EXAMPLES.get(hint)
        remedy = "" if shown is None else f"e.g. {key}={written(shown)}"
        remedy = f"without the unit: {key}={digits.group()}" if digits else remedy
        raise GantrainError(key, f"must be {_word(hint)}, got '{value}'", remedy) from error


def _choices(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) is Literal:
        return typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = [_choices(a) for a in typing.get_args(hint) if a is not type(None)]
        if all(options):
            return tuple(c for option in options for c in option)
    return ()


def _word(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_word(a) for a in typing.get_args(hint) if a is not type(None))
    return WORDS.get(hint, str(hint))
