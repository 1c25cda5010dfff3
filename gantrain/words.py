"""The words after a command: what each may be, and what is wrong with one in plain words. No torch here."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from typing import NoReturn

from gantrain.compose import known_keys
from gantrain.config import LARGEST_SEED
from gantrain.console import typed
from gantrain.errors import GantrainError, meant
from gantrain.keys import GROUPS, KNOWN_AS, by_leaf


def count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


count.__name__ = "positive whole number"  # argparse names the type by this


def frames(text: str) -> int:
    if (value := int(text)) < 2:
        raise ValueError
    return value


frames.__name__ = "whole number from 2 on: the first picture and the last"


def seed(text: str) -> int:
    value = int(text)
    if abs(value) > LARGEST_SEED:
        raise ValueError
    return value


seed.__name__ = "whole number up to 2^62"

PLAIN = (
    (r"^argument (\S+): invalid (?!choice)(.+) value: (.+)$", r"\1 must be a \2, got \3"),
    (r"^argument (\S+): invalid choice: (.+) \(choose from (.+)\)$", r"\1 has no choice \2; there are: \3"),
    (r"^argument (\S+): expected one argument$", r"\1 needs a value"),
    (r"^the following arguments are required: (.+)$", r"\1 is missing"),
)
"""What argparse says -> what it means."""


class Parser(argparse.ArgumentParser):
    """elsewhere: flags without a value that other commands take -> those commands."""

    elsewhere: Mapping[str, Sequence[str]] = {}

    def error(self, message: str) -> NoReturn:
        for pattern, words in PLAIN:
            message = re.sub(pattern, words, message)
        flag, *others = message.partition("unrecognized arguments: ")[2].split(" ")
        hint = self._dashed(flag) or meant(flag.partition("=")[0], self._option_string_actions, likeness=0.8)
        if not hint and (others_take := self.elsewhere.get(flag)):
            hint = f"{flag} is for {', '.join(others_take)}; "
        if not hint and any(action.metavar == "key=value" for action in self._actions):
            hint = as_an_option(flag, others)
        if message == "RUN is missing":
            hint = f"{self.prog} latest takes the newest; "
        raise GantrainError(self.prog, message, f"{hint}{self.prog} --help lists what it takes")

    def _dashed(self, word: str) -> str:
        """n=64 is meant as -n 64."""
        name, assigned, value = word.partition("=")
        known = [flag for flag in (f"-{name}", f"--{name}") if flag in self._option_string_actions]
        return f"with dashes: {typed(known[0], value)}; " if known and assigned else ""


def as_an_option(flag: str, others: Sequence[str]) -> str:
    """How --steps 300 is typed here; "" of what is no flag. others: words that may be its value."""
    name, _, value = flag.lstrip("-").partition("=")
    if name in KNOWN_AS:
        return f"without dashes: did you mean {KNOWN_AS[name]}? "
    if not name or flag[:1] != "-":
        return ""
    after = (word for word in others if "=" not in word and word[:1] != "-")
    known, short = known_keys(), name.replace("-", "_")
    key = short if short in known else by_leaf(known).get(short, name)
    if key not in GROUPS and any(one.startswith(f"{key}.") for one in known):
        key += ".KEY"  # a section takes no value itself
    option = typed(f"{key}={value or next(after, 'VALUE')}")
    return f"options have no dashes: {option}; "
