"""Pictures through time, within their budget."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from made import make_run, sweep
from PIL import Image

from gantrain.pages.film import BUDGET, chosen_moments, film_of, frame_of
from gantrain.pages.records import Record
from gantrain.sizes import GRID_LINE


def test_moments_are_spread_evenly() -> None:
    assert chosen_moments([500, 1000]) == (500, 1000)
    assert chosen_moments(range(0, 101), most=5) == (0, 25, 50, 75, 100)
    assert chosen_moments([]) == ()


def test_every_run_shows_what_it_had_by_then(tmp_path: Path) -> None:
    short, long = sweep(tmp_path, {"pictures": 1}, {"pictures": 4, "seed": 1})
    film = film_of([short, long])
    assert film.moments == (5, 10, 15, 20)
    assert [frame and frame.step for frame in film.frames["0"]] == [None, None, None, 20]
    assert [frame and frame.step for frame in film.frames["1"]] == [5, 10, 15, 20]


def test_other_data_have_their_own_real_pictures(tmp_path: Path) -> None:
    """All three are data=folder, of two folders."""
    runs = sweep(tmp_path, *({"seed": n, "choices": {"data": "folder"}} for n in range(3)))
    Image.new("L", (242, 242), 50).save(tmp_path / "2" / "samples" / "real.png")
    assert list(film_of(runs).reals) == ["folder", "folder of 2"]


def test_pixels_stay_where_they_are(tmp_path: Path) -> None:
    """A checkerboard survives: nothing is scaled."""
    board = np.indices((58, 58)).sum(0) % 2 * 255
    path = tmp_path / "board.png"
    Image.fromarray(board.astype(np.uint8)).save(path)
    frame = frame_of(path, 3, 100_000, 30)
    assert frame is not None
    assert (frame.step, frame.width, frame.height) == (3, 58, 58)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(frame.uri.partition(",")[2]))).convert("L"))
    assert np.corrcoef(shown.ravel(), board.ravel())[0, 1] > 0.95


def test_a_grid_too_large_is_cut_between_its_pictures(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", tiles=12, pictures=1) / "samples" / "00000020.png"
    frame = frame_of(path, 20, 20_000, 28 + GRID_LINE)
    assert frame is not None
    assert len(frame.uri) < 1.4 * 20_000
    assert frame.width < 12 * 30 + GRID_LINE
    assert (frame.width - GRID_LINE) % 30 == 0


@pytest.mark.parametrize("count", [1, 24])
def test_all_pictures_together_keep_to_the_budget(tmp_path: Path, count: int) -> None:
    """Noise, the worst there is to compress."""
    film = film_of(sweep(tmp_path, *({"seed": n, "pictures": 10} for n in range(count))))
    size = sum(len(frame.uri) for frames in film.frames.values() for frame in frames if frame)
    assert size <= 1.4 * BUDGET


def test_what_is_no_picture_is_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pictures=1)
    (run / "samples" / "00000010.png").write_bytes(b"cut off")
    film = film_of([Record(run, "run")])
    assert [frame and frame.step for frame in film.frames["run"]] == [None, 20]
