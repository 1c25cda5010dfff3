"""Rows of a run's files: what a crash or a full disk has cut off costs that row alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gantrain import files
from gantrain.errors import GantrainError


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


def test_of_two_writers_at_once_the_last_wins(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    with files.written_whole(path) as first:
        first.write(b"the first, which is longer")
        with files.written_whole(path) as second:
            second.write(b"the second")
        assert path.read_text() == "the second"
    assert path.read_text() == "the first, which is longer"
    assert [found.name for found in tmp_path.iterdir()] == ["report.md"]


def test_a_writer_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), files.written_whole(path) as file:
        file.write(b"%d" % (1 // 0))
    assert path.read_text() == "before"
    assert [found.name for found in tmp_path.iterdir()] == ["report.md"]


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_what_is_written_can_be_read_by_whom_the_user_lets(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_atomically(tmp_path / "report.md", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "report.md").stat().st_mode & 0o777 == 0o640


def test_a_path_that_cannot_be_written_is_named_as_one_knows_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as failed:
        files.write_atomically(tmp_path / "nowhere" / "report.md", "text")
    assert failed.value.filename == str(tmp_path / "nowhere" / "report.md")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as failed:
        files.write_atomically(tmp_path / "file" / "report.md", "text")
    assert failed.value.filename == str(tmp_path / "file" / "report.md")


def test_a_file_is_held_until_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that begins at the last moment takes nothing for a leftover."""
    replace = Path.replace

    def amidst(partial: Path, target: Path) -> Path:
        files._remove_leftovers.__wrapped__(tmp_path)
        return replace(partial, target)

    monkeypatch.setattr(Path, "replace", amidst)
    files.write_atomically(tmp_path / "report.md", "text")
    assert (tmp_path / "report.md").read_text() == "text"


KILLED_AMIDST = """
import os, sys
from pathlib import Path
from gantrain import files
from gantrain.errors import GantrainError
with files.written_whole(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody knows whether its writer lives")
def test_the_next_process_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    """And neither what is being written, nor what others call partial."""

    def hidden() -> list[str]:
        return sorted(path.name for path in tmp_path.glob(".*"))

    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    (tmp_path / ".film.mp4.partial").touch()
    with files.written_whole(tmp_path / "samples.npz") as file:
        (held,) = set(hidden()) - {".film.mp4.partial"}
        killed = [sys.executable, "-c", KILLED_AMIDST, str(tmp_path / "00000002.pt")]
        for _ in range(2):
            assert subprocess.run(killed, env=environment, check=False).returncode == -9
            assert len(hidden()) == 3, "the second one has removed the first one's"
        file.write(b"whole")
        living = [sys.executable, "-c", KILLED_AMIDST.replace("9", "0"), str(tmp_path / "report.md")]
        subprocess.run(living, env=environment, check=True)
        assert hidden() == sorted([held, ".film.mp4.partial"])
    assert (tmp_path / "samples.npz").read_bytes() == b"whole"


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("18-43-09-88e8", "outputs/2026-11-23/18-43-09-88e8"),
        ("3", "outputs/multirun/2026-11-23/17-41-07-aa89/3"),
        ("17-41-07-aa89", None),  # a sweep is no run: it is not proposed as one
        ("[", None),
    ],
)
def test_a_run_by_the_name_that_pages_show_is_found(
    name: str, place: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for run in ("outputs/2026-11-23/18-43-09-88e8", "outputs/multirun/2026-11-23/17-41-07-aa89/3"):
        Path(run).mkdir(parents=True)
        Path(run, files.CONFIG).touch()
    with pytest.raises(GantrainError) as refused:
        files.find_run(name)
    assert refused.value.remedy == (
        f"did you mean {place}?" if place else "`latest`, or a directory under outputs/"
    )
