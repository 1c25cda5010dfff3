"""Rows of a run's files: what a crash or a full disk has cut off costs that row alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from gantrain import files


def test_a_row_after_one_that_was_cut_off_is_whole(tmp_path: Path) -> None:
    path = tmp_path / files.EVALUATIONS
    files.append_row(path, {"step": 1})
    with open(path, "a") as file:
        file.write('{"step": 2, "fd')
    assert files.read_rows(path) == [{"step": 1}]
    files.append_row(path, {"step": 3})
    assert files.read_rows(path) == [{"step": 1}, {"step": 3}]
    files.drop_rows_after(tmp_path, 2)
    assert path.read_text() == '{"step": 1}\n'


def test_a_path_as_one_would_type_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert files.from_here(tmp_path / "outputs" / "a") == "outputs/a"
    assert files.from_here(tmp_path / "my run") == "'my run'"
    assert files.from_here(tmp_path.parent) == str(tmp_path.parent)
