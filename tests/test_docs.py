"""The pages name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gantrain.arguments import COMMANDS

PAGE = (Path(__file__).parent.parent / "docs" / "commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_commands_leaves_nothing_out(name: str) -> None:
    assert f"`gantrain {name} " in PAGE
    for flags, options in COMMANDS[name].arguments:
        for flag in flags:
            assert not flag.startswith("-") or re.search(rf"(?<![\w-]){flag}(?![\w-])", PAGE), flag
        for choice in options.get("choices", ()):
            assert choice in PAGE
