"""Pictures of every mode decode to the pixels they must have; broken ones are listed."""

from __future__ import annotations

import logging
import os
import struct
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from gantrain.data.images import (
    BAR_FROM,
    CHUNK,
    CHUNKS_AHEAD,
    MAX_THREADS,
    Decoded,
    Listing,
    Unread,
    decode,
    find_pictures,
    reads,
)

SIZE = 16
RAMP = np.arange(SIZE * SIZE, dtype=np.uint8).reshape(SIZE, SIZE)
COLOUR = np.stack([RAMP, RAMP[::-1], RAMP.T], axis=2)
ALPHA = np.where(np.arange(SIZE) < 8, 0, 255).astype(np.uint8) * np.ones((SIZE, 1), dtype=np.uint8)


def read_all(root: Path) -> dict[str, Decoded | Unread]:
    listing = find_pictures(root)
    return dict(zip(listing.names(), decode(listing, SIZE, 3), strict=True))


def decoded(path: Path, channels: int = 3) -> Decoded:
    (outcome,) = decode(Listing(path.parent, [f"{path.name}\0\0"], []), SIZE, channels)
    assert isinstance(outcome, Decoded), outcome
    assert outcome.pixels.shape == (channels, SIZE, SIZE)
    assert outcome.pixels.dtype == np.uint8
    assert outcome.pixels.flags.c_contiguous
    return outcome


def read(path: Path, channels: int = 3) -> torch.Tensor:
    return torch.from_numpy(decoded(path, channels).pixels.copy())


def planes(pixels: np.ndarray) -> torch.Tensor:
    """H x W (x C) -> C x H x W."""
    array = pixels[..., None] if pixels.ndim == 2 else pixels
    return torch.from_numpy(array.astype(np.uint8).transpose(2, 0, 1).copy())


def over_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    opaque = alpha / 255 if pixels.ndim == 2 else alpha[..., None] / 255
    return np.rint(pixels * opaque + 255 * (1 - opaque))


def palette_picture(transparent: int | None) -> tuple[Image.Image, np.ndarray]:
    picture = Image.new("P", (SIZE, SIZE))
    colours = np.random.default_rng(0).integers(0, 256, (256, 3), dtype=np.uint8)
    picture.putpalette(colours.tobytes())
    picture.putdata(RAMP.flatten().tolist())
    if transparent is not None:
        picture.info["transparency"] = transparent
        colours[transparent] = 255
    return picture, colours[RAMP]


def one_bit() -> tuple[Image.Image, np.ndarray]:
    return Image.fromarray(RAMP > 100), np.where(RAMP > 100, 255, 0)


def rgba(alpha: np.ndarray) -> tuple[Image.Image, np.ndarray]:
    return Image.fromarray(np.dstack([COLOUR, alpha])), over_white(COLOUR, alpha)


def sixteen_bits() -> tuple[Image.Image, np.ndarray]:
    return Image.fromarray(RAMP.astype(np.uint16) * 257), RAMP


def cmyk() -> tuple[Image.Image, np.ndarray]:
    picture = Image.fromarray(np.dstack([255 - COLOUR, np.zeros_like(RAMP)]), mode="CMYK")
    return picture, COLOUR


LA = Image.merge("LA", [Image.fromarray(RAMP), Image.fromarray(ALPHA)])
CASES: dict[str, tuple[str, Callable[[], tuple[Image.Image, np.ndarray]]]] = {
    "grey": ("png", lambda: (Image.fromarray(RAMP), RAMP)),
    "rgb": ("png", lambda: (Image.fromarray(COLOUR), COLOUR)),
    "rgb, capitals": ("PNG", lambda: (Image.fromarray(COLOUR), COLOUR)),
    "rgb bmp": ("bmp", lambda: (Image.fromarray(COLOUR), COLOUR)),
    "rgb tiff": ("tiff", lambda: (Image.fromarray(COLOUR), COLOUR)),
    "rgb webp": ("webp", lambda: (Image.fromarray(COLOUR), COLOUR)),
    "rgba, all or nothing": ("png", lambda: rgba(ALPHA)),
    "rgba, half transparent": ("png", lambda: rgba(np.full_like(RAMP, 128))),
    "grey and alpha": ("png", lambda: (LA, over_white(RAMP, ALPHA))),
    "palette": ("png", lambda: palette_picture(None)),
    "palette with transparency": ("png", lambda: palette_picture(7)),
    "gif": ("gif", lambda: palette_picture(None)),
    "cmyk": ("tif", cmyk),
    "16 bits": ("png", sixteen_bits),
    "16 bits tiff": ("tif", sixteen_bits),
    "1 bit": ("png", one_bit),
}
GREY = {"grey", "grey and alpha", "16 bits", "16 bits tiff", "1 bit"}


@pytest.mark.parametrize("case", CASES)
def test_every_mode_decodes_to_its_pixels(case: str, tmp_path: Path) -> None:
    ending, make = CASES[case]
    picture, expected = make()
    path = tmp_path / f"x.{ending}"
    picture.save(path, **({"lossless": True} if ending == "webp" else {}))
    tolerance = 1 if "half" in case else 0
    assert_close(read(path), planes(expected).expand(3, -1, -1), rtol=0, atol=tolerance)
    assert decoded(path).grey == decoded(path, 1).grey == (case in GREY)
    if case in GREY:
        assert_close(read(path, 1), planes(expected), rtol=0, atol=tolerance)


def test_a_tiff_of_twelve_bits(tmp_path: Path) -> None:
    """Two values in three bytes; Pillow hands them out as they are, 0..4095 in 16 bits."""
    values = np.linspace(0, 4095, SIZE * SIZE).round().astype(np.uint16)
    pairs = values.reshape(-1, 2).astype(np.uint32)
    packed = (pairs[:, 0] << 12 | pairs[:, 1]).astype(">u4").tobytes()
    data = b"".join(packed[at + 1 : at + 4] for at in range(0, len(packed), 4))
    tags = [(256, SIZE), (257, SIZE), (258, 12), (259, 1), (262, 1), (273, 8), (278, SIZE), (279, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    path = tmp_path / "x.tif"
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory)
    expected = np.rint(values / 4095 * 255).astype(np.uint8).reshape(SIZE, SIZE)
    assert_close(read(path, 1), planes(expected), rtol=0, atol=0)


@pytest.mark.parametrize("mode", ["CMYK", "RGB", "L"])
def test_jpeg(mode: str, tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(SIZE), np.arange(SIZE)).astype(np.uint8) * 8
    grey = Image.fromarray(smooth)
    # DeviceCMYK with only black ink: the grey level is 255 minus the ink
    black = Image.merge("CMYK", [Image.new("L", grey.size)] * 3 + [Image.fromarray(255 - smooth)])
    path = tmp_path / "x.jpg"
    (black if mode == "CMYK" else grey.convert(mode)).save(path, quality=100, subsampling=0)
    assert decoded(path).grey == (mode == "L")
    assert_close(read(path), planes(smooth).expand(3, -1, -1), rtol=0, atol=4)
    assert_close(read(path, 1), planes(smooth), rtol=0, atol=4)


def test_a_moving_gif_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (SIZE, SIZE), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert read(tmp_path / "x.gif")[:, 3, 3].tolist() == [255, 0, 0]


def test_metadata_that_cannot_be_read_leave_no_picture_out(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "x.png", exif=b"Exif\0\0no TIFF at all")
    assert_close(read(tmp_path / "x.png"), planes(COLOUR), rtol=0, atol=0)


@pytest.mark.parametrize(("turn", "rotated"), [(3, 2), (6, 3), (8, 1)])
def test_exif_rotation_is_applied(turn: int, rotated: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(COLOUR).save(tmp_path / "x.png", exif=exif)
    assert_close(read(tmp_path / "x.png"), planes(np.rot90(COLOUR, rotated)), rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(SIZE, 3 * SIZE), (3 * SIZE, SIZE)])
def test_the_centre_is_kept(shape: tuple[int, int], tmp_path: Path) -> None:
    pixels = np.zeros(shape, dtype=np.uint8)
    top, left = (shape[0] - SIZE) // 2, (shape[1] - SIZE) // 2
    pixels[top : top + SIZE, left : left + SIZE] = RAMP
    Image.fromarray(pixels).save(tmp_path / "x.png")
    assert_close(read(tmp_path / "x.png", 1), planes(RAMP), rtol=0, atol=0)


def test_shrinking_averages_fine_stripes_instead_of_picking_them(tmp_path: Path) -> None:
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (128, 64))
    Image.fromarray(stripes).save(tmp_path / "x.png")
    inside = read(tmp_path / "x.png")[:, :, 2:-2].float()
    assert_close(inside, torch.full_like(inside, 127.5), rtol=0, atol=4)


def bomb(path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(path)


def truncated(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def floating(path: Path) -> None:
    Image.fromarray(np.ones((SIZE, SIZE), dtype=np.float32)).save(path)


def thirty_two_bits(path: Path) -> None:
    Image.fromarray(np.full((SIZE, SIZE), 70_000, dtype=np.int32)).save(path)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "bomb.png": (bomb, "decompression bomb"),
    "empty.png": (Path.touch, "empty file"),
    "float.tiff": (floating, "no known range"),
    "long.tiff": (thirty_two_bits, "no known range"),
    "loop.png": (lambda path: path.symlink_to(path), "symbolic links"),
    "nowhere.png": (lambda path: path.symlink_to("missing"), "No such file"),
    "other_format.png": (lambda path: Image.fromarray(RAMP).save(path, format="PPM"), "not a picture"),
    "postscript.png": (lambda path: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n"), "not a picture"),
    "text.png": (lambda path: path.write_text("hello"), "not a picture"),
    "truncated.gif": (truncated, ""),
    "truncated.jpg": (truncated, "truncated"),
    "truncated.png": (truncated, "truncated"),
    "truncated.tif": (truncated, ""),
    "truncated.webp": (truncated, ""),
}


def test_broken_files_are_listed_and_the_rest_is_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for name, (make, _) in BROKEN.items():
        make(tmp_path / name)
    Image.fromarray(RAMP).save(tmp_path / "good.png")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        outcomes = read_all(tmp_path)
    good = outcomes.pop("good.png")
    assert isinstance(good, Decoded)
    assert_close(torch.from_numpy(good.pixels), planes(RAMP).expand(3, -1, -1), rtol=0, atol=0)
    assert list(outcomes) == list(BROKEN)
    for name, outcome in outcomes.items():
        assert isinstance(outcome, Unread)
        reason, unreached = outcome
        assert unreached == (name in ("loop.png", "nowhere.png")), outcome
        assert BROKEN[name][1] in reason, (name, reason)
        assert str(tmp_path) not in reason
        assert "\n" not in reason
    captured = capfd.readouterr()
    assert (captured.out, captured.err, warned, caplog.records) == ("", "", [], [])
    assert logging.getLogger("PIL").level == logging.NOTSET


def test_no_warning_of_pillow_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", SIZE * SIZE - 1)  # Pillow warns from there to its double
    Image.fromarray(RAMP).save(tmp_path / "x.png")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert decoded(tmp_path / "x.png").grey
        assert warned == []
        with Image.open(tmp_path / "x.png"):
            assert len(warned) == 1  # the filters are the caller's again


def test_a_large_jpeg_is_still_averaged(tmp_path: Path) -> None:
    blocks = np.kron(RAMP, np.ones((32, 32), dtype=np.uint8))
    Image.fromarray(blocks).save(tmp_path / "x.jpg", quality=100)
    expected = Image.fromarray(blocks).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    assert_close(read(tmp_path / "x.jpg", 1).int(), planes(np.asarray(expected)).int(), rtol=0, atol=3)


def test_finding_goes_down_sorts_and_leaves_hidden_things(tmp_path: Path) -> None:
    wanted = ["B.JPG", "a.png", "deep/d.webp", "deep/er/c.TiFf"]
    unwanted = [".git/x.png", ".hidden.png", "__MACOSX/y.png", "notes.txt", "deep/._d.webp", "Thumbs.db"]
    for name in wanted + unwanted:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "deep" / "up").symlink_to(tmp_path)
    listing = find_pictures(tmp_path)
    assert list(listing.names()) == wanted
    assert listing.skipped == [
        ("deep/up", "leads to a folder that was already read"),
        ("folder.png", "is a folder"),
    ]
    assert listing.others == ((".txt", 1),), "hidden ones are not counted"


def test_what_gantrain_wrote_among_the_pictures_is_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever starts in the folder of the pictures; elsewhere a folder may be called so."""
    for name in ("outputs/inspect/photos.png", "own.png", "cats/outputs/cat.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(path)
    monkeypatch.chdir(tmp_path)
    found = find_pictures(Path("."))
    assert list(found.names()) == ["cats/outputs/cat.png", "own.png"]
    assert found.skipped == [("outputs", "is where gantrain writes")]
    assert len(find_pictures(Path("outputs"))) == 1
    monkeypatch.chdir("cats")
    assert len(find_pictures(tmp_path)) == 2


@pytest.mark.parametrize(
    ("root", "folder", "read"),
    [
        (".", "run", True), (".", "outputs/run", False), (".", ".runs/run", False), (".", ".", True),
        ("photos", "photos/outputs/run", True), ("photos", "run", False), ("outputs", "outputs/run", True),
        ("..", "outputs/run", False), ("..", "photos/run", True), ("photos", "photos2", False),
    ],
)  # fmt: skip
def test_it_is_known_which_folders_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str, folder: str, read: bool
) -> None:
    """A picture put there is found, or is not."""
    (tmp_path / "here" / folder).mkdir(parents=True)
    (tmp_path / "here" / root).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")
    Image.new("L", (4, 4)).save(Path(folder, "x.png"))
    assert bool(find_pictures(Path(root)).files) == read
    assert reads(Path(root), Path(folder)) == read


def test_a_link_to_a_folder_elsewhere_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.png").touch()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    listing = find_pictures(tmp_path / "root")
    assert (list(listing.names()), listing.skipped) == (["link/x.png"], [])


def test_of_a_folder_and_links_to_it_the_folder_is_read(tmp_path: Path) -> None:
    for name, other in (("a", "z"), ("z", "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").touch()
        (tmp_path / name / "link").symlink_to(tmp_path / other)
    listing = find_pictures(tmp_path)
    assert list(listing.names()) == ["a/x.png", "z/x.png"]
    assert [name for name, _ in listing.skipped] == ["a/link", "z/link"]


def test_a_folder_comes_before_its_namesakes(tmp_path: Path) -> None:
    """Part by part, as paths are sorted: a space and a dot come before the slash."""
    for name in ("a b", "a", "a.b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").touch()
    assert list(find_pictures(tmp_path).names()) == ["a/x.png", "a b/x.png", "a.b/x.png"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_listed(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0)
    assert find_pictures(tmp_path).skipped == [("shut", "Permission denied")]


def test_a_folder_that_is_gone_is_listed(tmp_path: Path) -> None:
    listing = find_pictures(tmp_path / "nowhere")
    assert (listing.files, listing.skipped) == ([], [(".", "No such file or directory")])


def test_twenty_thousand_files_are_listed_at_once(tmp_path: Path) -> None:
    for folder in range(10):
        (tmp_path / str(folder)).mkdir()
        for number in range(2000):
            (tmp_path / str(folder) / f"{number}.jpg").touch()
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        listing = find_pictures(tmp_path)
        listing.digest("")
        seconds.append(time.perf_counter() - start)
    assert len(listing) == 20_000
    assert min(seconds) < 0.5


def test_only_a_few_are_decoded_ahead_and_closing_ends_the_threads(tmp_path: Path) -> None:
    """Those that had been decoded when the files went are all that was ahead."""
    count = 4 * CHUNK * CHUNKS_AHEAD * MAX_THREADS
    for number in range(count):
        (tmp_path / f"{number:04}.png").symlink_to(tmp_path / "one")
    Image.fromarray(RAMP).save(tmp_path / "one", format="PNG")
    before = threading.active_count()
    with closing(decode(find_pictures(tmp_path), SIZE, 3)) as outcomes:
        assert isinstance(next(outcomes), Decoded)
        assert threading.active_count() > before
        time.sleep(0.5)  # a slow disk
        (tmp_path / "one").unlink()
        ahead = sum(isinstance(outcome, Decoded) for outcome in outcomes)
    assert 0 < ahead <= CHUNK * (CHUNKS_AHEAD * min(MAX_THREADS, os.cpu_count() or 1) + 1)
    (tmp_path / "one").touch()
    with closing(decode(find_pictures(tmp_path), SIZE, 3)) as outcomes:
        next(outcomes)
    assert threading.active_count() == before


def test_many_pictures_keep_their_order_and_no_bar_goes_into_a_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(BAR_FROM + 1):
        Image.new("L", (4, 4), number % 256).save(tmp_path / f"{number:04}.png")
    values = [
        outcome.pixels[0, 0, 0] for outcome in read_all(tmp_path).values() if isinstance(outcome, Decoded)
    ]
    assert values == [number % 256 for number in range(BAR_FROM + 1)]
    assert capfd.readouterr().err == ""
