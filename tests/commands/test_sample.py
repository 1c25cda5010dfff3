from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small import TINY, Command

from gantrain import checkpoint
from gantrain.commands.sample import Artist
from gantrain.networks.latent import Normal, Uniform
from gantrain.pictures import BLOCK, fixed_latents, latent_blocks, walk

CPU = torch.device("cpu")


def train(gantrain: Command, *more: str) -> Path:
    assert gantrain(*TINY, "data.image_size=16", "train.steps=2", "hydra.run.dir=run", *more).code == 0
    return Path("run").resolve()


def array(path: Path) -> np.ndarray:
    return np.load(path)["images"]


def test_same_seed_same_pictures_however_many(gantrain: Command) -> None:
    run = train(gantrain, "model.init=xavier")  # DCGAN's weights would still draw plain grey
    for count in (10, 150, 10):
        assert gantrain("sample", "run", "-n", str(count), "--format", "npz", "--out", "o").code == 0
    ten, many = (array(Path("o") / f"samples-00000002-seed0-n{n}.npz") for n in (10, 150))
    assert ten.shape == (10, 16, 16, 1)
    assert ten.dtype == np.uint8
    np.testing.assert_array_equal(ten, many[:10])
    assert len({picture.tobytes() for picture in many}) == 150
    assert gantrain("sample", str(run), "-n", "10", "--format", "npz", "--seed", "1", "--out", "1").code == 0
    assert not np.array_equal(array(Path("1/samples-00000002-seed1-n10.npz")), ten)


def test_pictures_equal_the_averaged_generator_in_eval_mode(gantrain: Command) -> None:
    run = train(gantrain, "model.init=xavier")
    artist = Artist("run", "cpu")
    path = checkpoint.newest(run)
    assert path is not None
    saved = checkpoint.load(path)["state"]["ema"]
    torch.testing.assert_close(dict(artist.network.state_dict()), dict(saved))
    z = next(latent_blocks(artist.latent, BLOCK, 0, CPU))
    expected = ((artist.network(z) + 1) * 127.5).round().clamp(0, 255)[:5].to(torch.uint8)
    drawn = next(artist.draw(5, 0, None))[0]
    torch.testing.assert_close(drawn, expected, rtol=0, atol=0)
    assert not artist.network.training


@pytest.mark.parametrize(("format", "files"), [("grid", 1), ("png", 3)])
def test_files(format: str, files: int, gantrain: Command) -> None:
    train(gantrain)
    outcome = gantrain("sample", "run", "-n", "3", "--format", format, "--out", "o")
    assert outcome.code == 0
    found = sorted(Path("o").rglob("*.png"))
    assert len(found) == files
    assert "3 pictures: o/" in outcome.out
    side = 16 if format == "png" else 2 * 16 + 3 * 2
    assert Image.open(found[0]).size == (side, side)


def test_a_walk_goes_from_one_picture_to_another(gantrain: Command) -> None:
    train(gantrain)
    assert gantrain("sample", "run", "--walk", "5", "-n", "2", "--out", "o").code == 0
    (path,) = Path("o").glob("walk-*.png")
    assert Image.open(path).size == (5 * 18 + 2, 2 * 18 + 2)


def test_a_walk_is_as_many_rows_as_asked_for_and_one_grid(gantrain: Command) -> None:
    run = train(gantrain)
    assert "10 walks of 3 frames" in gantrain("sample", "run", "--walk", "3", "-n", "10").out
    assert "8 walks of 3 frames" in gantrain("sample", "run", "--walk", "3").out
    assert "8 walks of 2 frames" in gantrain("sample", "run", "--walk", "2", "-n", "8").out
    assert "8 walks of 2 frames" in gantrain("sample", "run", "--walk", "2").out
    assert len(list((run / "samples" / "drawn").iterdir())) == 3, "none is written over another"
    refused = gantrain("sample", "run", "--walk", "3", "--format", "npz")
    assert refused.code == 2
    assert "--walk: is one grid, not npz" in refused.err


@pytest.mark.parametrize("latent", [Normal(50), Uniform(50)])
def test_a_walk_starts_and_ends_at_latents_of_the_seed(latent: Normal) -> None:
    z = walk(latent, rows=3, frames=7, seed=4, device=CPU).view(3, 7, 50)
    ends = next(latent_blocks(latent, 6, 4, CPU)).view(3, 2, 50)
    torch.testing.assert_close(z[:, [0, -1]], ends, rtol=1e-4, atol=1e-4)


def test_a_gaussian_walk_stays_on_its_shell() -> None:
    """Halfway on a straight line the norm would fall to 0.71 of it."""
    z = walk(Normal(4000), rows=2, frames=3, seed=0, device=CPU)
    torch.testing.assert_close(z.norm(dim=1), torch.full((6,), 4000**0.5), rtol=0.03, atol=0)


def test_classes(gantrain: Command) -> None:
    train(gantrain, "condition=class")
    assert gantrain("sample", "run", "-n", "20", "--format", "npz", "--out", "all").code == 0
    assert np.load("all/samples-00000002-seed0-n20.npz")["labels"].tolist() == [*range(10), *range(10)]
    assert gantrain("sample", "run", "-n", "3", "--class", "7", "--format", "npz", "--out", "seven").code == 0
    assert np.load("seven/samples-00000002-seed0-class7-n3.npz")["labels"].tolist() == [7, 7, 7]
    told = gantrain("sample", "run", "-n", "20", "--out", "grid").out
    assert "from the top, 2 of each class: 0, 1, 2, 3" in told
    assert gantrain("sample", "run", "-n", "12", "--format", "png", "--out", "files").code == 0
    names = [path.name for path in sorted(Path("files").rglob("*.png"))]
    assert names == [f"{k:06d}-class{k % 10}.png" for k in range(12)]
    assert Image.open("grid/grid-00000002-seed0-n20.png").size == (2 * 18 + 2, 10 * 18 + 2), "one row a class"


@pytest.mark.parametrize(("classes", "rows", "columns"), [(2, 4, 8), (3, 2, 11), (10, 1, 7), (100, 1, 1)])
def test_a_grid_of_few_classes_is_no_strip(classes: int, rows: int, columns: int) -> None:
    z, labels, width = fixed_latents(Normal(5), count=64, num_classes=classes, seed=0, device=CPU)
    assert labels is not None
    assert (width, len(z)) == (columns, classes * rows * columns)
    assert labels.tolist() == sorted(labels.tolist())


@pytest.mark.parametrize(("count", "drawn"), [(10, 10), (11, 12), (62, 64), (64, 64)])
def test_a_grid_of_classes_has_as_many_as_asked_for(count: int, drawn: int) -> None:
    """But for a whole number of each, and for a prime number of them, which would make a strip."""
    assert len(fixed_latents(Normal(5), count, num_classes=2, seed=0, device=CPU)[0]) == drawn


def test_a_class_grid_has_the_same_noise_in_every_row() -> None:
    z, labels, columns = fixed_latents(Normal(5), count=20, num_classes=4, seed=0, device=CPU)
    assert columns == 5
    assert labels is not None
    assert labels.view(4, 5)[:, 0].tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(z.view(4, 5, 5), z[:5].expand(4, 5, 5))


def test_memory_does_not_grow_with_the_number_of_pictures(gantrain: Command) -> None:
    import tracemalloc

    train(gantrain)
    peaks = []
    for count in ("640", "6400"):
        tracemalloc.start()
        assert gantrain("sample", "run", "-n", count, "--format", "npz", "--out", count).code == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000, peaks
