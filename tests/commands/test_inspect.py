from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from small import Command


def make_folder(root: Path) -> None:
    noise = np.random.default_rng(0)
    for index in range(6):
        folder = root / ("cats" if index % 2 else "dogs")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = noise.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    (root / "cats" / "broken.jpg").write_bytes((root / "cats" / "1.png").read_bytes()[:200])


def test_says_what_the_data_is(gantrain: Command, tmp_path: Path) -> None:
    make_folder(tmp_path / "pets")
    outcome = gantrain("inspect", "data=folder", "data.root=pets", "data.image_size=16")
    assert outcome.code == 0, outcome.err
    for word in (
        "6 images",
        "16 x 16",
        "RGB",
        "values: ",
        "cats (3)",
        "dogs (3)",
        "broken.jpg",
        "preview: outputs/inspect",
    ):
        assert word in outcome.out, outcome.out
    *_, shown, following, after = outcome.out.strip().splitlines()
    assert "(of each picture the largest centred square, resized)" in outcome.out
    assert following == "next: gantrain data=folder data.root=pets data.image_size=16 train.batch_size=4"
    assert after == ("  a batch of 32 does not fit into the 5 images to train on")
    preview = Path(shown.partition("preview: ")[2])
    assert Image.open(preview).size == (3 * 18 + 2, 2 * 18 + 2)


def test_pictures_that_show_nothing_are_counted(gantrain: Command, tmp_path: Path) -> None:
    """White on transparent, as an icon for dark pages is, and a red sheet."""
    make_folder(tmp_path / "pets")
    icon = Image.new("RGBA", (20, 20))
    icon.paste((255, 255, 255, 255), (5, 5, 15, 15))
    icon.save(tmp_path / "pets" / "cats" / "icon.png")
    said = gantrain("inspect", "data=folder", "data.root=pets", "data.image_size=16").out
    assert "blank: 1 picture of a single colour" in said
    Image.new("RGB", (20, 20), "red").save(tmp_path / "pets" / "dogs" / "red.png")
    said = gantrain("inspect", "data=folder", "data.root=pets", "data.image_size=16").out
    assert "blank: 2 pictures of a single colour (1 white: transparent parts" in said
    (tmp_path / "pets" / "cats" / "icon.png").unlink()
    said = gantrain("inspect", "data=folder", "data.root=pets", "data.image_size=16").out
    assert "blank: 1 picture of a single colour\n" in said


def test_few_pictures_are_said_to_be_few(gantrain: Command, tmp_path: Path) -> None:
    for number in range(60):
        Image.new("L", (16, 16), 4 * number).save(tmp_path / f"{number}.png")
    said = gantrain("inspect", "data=folder", "data.root=.", "data.image_size=16", "train.batch_size=8").out
    assert "45 pictures to train on are few: D may come to know them by heart" in said


def test_no_run_is_started(gantrain: Command, tmp_path: Path) -> None:
    outcome = gantrain("inspect", "--out", "here.png")
    assert outcome.code == 0
    *_, shown, following, more = outcome.out.splitlines()
    assert (shown, following) == ("preview: here.png", "next: gantrain")
    assert "condition=class" in more
    told = gantrain("inspect", "condition=class", "--out", "here.png").out
    assert told.endswith("next: gantrain condition=class\n")
    assert "few" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["here.png"]


def test_a_broken_picture_among_good_ones_is_trained_without(gantrain: Command, tmp_path: Path) -> None:
    make_folder(tmp_path / "pets")
    tiny = ("model.width=4", "train.batch_size=4", "train.steps=2", "tracking.samples=4", "condition=class")
    outcome = gantrain("data=folder", "data.root=pets", "data.image_size=16", *tiny)
    assert outcome.code == 0, outcome.err
    assert "broken.jpg" in outcome.out


def test_what_would_be_refused_is_not_shown_as_the_next_command(gantrain: Command, tmp_path: Path) -> None:
    """A folder without subfolders has no classes; a key that was typed is not typed twice."""
    make_folder(tmp_path / "pets")
    typed = ("inspect", "data=folder", "data.root=pets/dogs", "data.image_size=16", "train.batch_size=2")
    outcome = gantrain(*typed, "condition=class")
    assert outcome.out.splitlines()[-1] == (
        "next: condition=none, or for data=folder one subfolder per class; condition=class needs labels, and "
        "these data have none"
    )
    large = gantrain(*typed[:-1], "train.batch_size=64").out.splitlines()[-1]
    assert large == "next: train.batch_size=2; a batch of 64 does not fit into the 3 images to train on"
