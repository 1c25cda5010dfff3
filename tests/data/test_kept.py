"""The cache of decoded pictures: right pixels, decoded once, and nothing half-finished is ever believed."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from gantrain.console import log
from gantrain.data import mapped
from gantrain.data.images import Channels, Decoded, Listing, decode, find_pictures
from gantrain.data.kept import decoded_once
from gantrain.data.mapped import UnreadableError
from gantrain.data.store import ImageSet, Store
from gantrain.errors import GantrainError

SIZE = 16
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the entries are, in a cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "gantrain" / "pictures"


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What was logged; asked of our own logger, which need not pass on what it says."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    yield lines
    log.removeHandler(handler)
    log.setLevel(level)


def entries(home: Path) -> list[Path]:
    return [path for path in home.iterdir() if not path.name.startswith(".")]


def left_over(home: Path) -> list[Path]:
    return list(home.glob(".*.partial"))


def draw(path: Path, seed: int, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (30, 40, 3) if mode == "RGB" else (30, 40)
    noise = np.random.default_rng(seed).integers(20, 200, shape, dtype=np.uint8)
    Image.fromarray(noise).save(path)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes of three pictures, one broken file and one picture without a class."""
    root = tmp_path / "pets"
    for number in range(3):
        draw(root / "cat" / f"{number}.png", number)
        draw(root / "dog" / "deep" / f"{number}.jpg", 10 + number)
    draw(root / "between.png", 20)
    (root / "cat" / "broken.png").write_text("no")
    return root


def load(root: Path, size: int = SIZE, channels: Channels = "auto") -> ImageSet:
    return decoded_once(find_pictures(root), size, channels)


def pixels(root: Path, planes: int = 3) -> torch.Tensor:
    """Of every picture below `root`, decoded directly."""
    outcomes = decode(find_pictures(root), SIZE, planes)
    return torch.from_numpy(np.stack([each.pixels for each in outcomes if isinstance(each, Decoded)]))


def test_the_pixels_are_those_of_decoding(pets: Path) -> None:
    images = load(pets)
    directly = torch.cat([pixels(pets / "cat"), pixels(pets / "dog")])
    assert_close(images.images, directly, rtol=0, atol=0)
    assert images.labels is not None
    assert_close(images.labels, torch.tensor([0, 0, 0, 1, 1, 1]))
    assert (images.name, images.class_names) == ("pets", ("cat", "dog"))
    assert images.value_range == (int(directly.min()), int(directly.max()))
    assert images.skipped == (
        ("between.png", "lies beside the class folders, so it has no class"),
        ("cat/broken.png", "not a picture, or damaged at its start"),
    )
    drawn, labels = Store(images, torch.device("cpu")).batch(torch.tensor([4, 0]), torch.Generator())
    assert_close(drawn, directly[[4, 0]].float() / 127.5 - 1)
    assert labels is not None
    assert labels.tolist() == [1, 0]


def test_the_file_is_numpys_and_is_mapped(pets: Path, home: Path) -> None:
    images = load(pets)
    (entry,) = entries(home)
    assert_close(torch.from_numpy(np.load(entry / "images.npy")), images.images, rtol=0, atol=0)
    if sys.platform == "linux":
        assert str(entry / "images.npy") in Path("/proc/self/maps").read_text()


def test_a_second_start_decodes_nothing(
    pets: Path, home: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(pets).images.clone()
    (entry,) = entries(home)
    assert said == [f"kept 6 pictures for later starts: 0.0 MB in {entry}"]
    before = (entry / "images.npy").stat()
    monkeypatch.delattr(mapped, "write")
    (home / f".{entry.name}.lock").unlink()
    again = load(pets)
    assert_close(again.images, first, rtol=0, atol=0)
    assert (again.class_names, len(again.skipped)) == (("cat", "dog"), 2)
    after = (entry / "images.npy").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert list(home.iterdir()) == [entry]  # no lock is taken: the cache may be one that can only be read
    assert len(said) == 1


CHANGES: dict[str, Callable[[Path], object]] = {
    "changed": lambda root: draw(root / "cat" / "1.png", 99),
    "touched": lambda root: os.utime(root / "cat" / "1.png", ns=(0, 1)),
    "added": lambda root: draw(root / "cat" / "9.png", 99),
    "removed": lambda root: (root / "cat" / "1.png").unlink(),
    "renamed": lambda root: (root / "cat" / "1.png").rename(root / "cat" / "8.png"),
    "of a renamed class": lambda root: (root / "cat").rename(root / "cow"),
    "of another class": lambda root: (root / "cat" / "1.png").rename(root / "dog" / "1.png"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_pictures_are_another_entry(pets: Path, home: Path, change: str) -> None:
    load(pets)
    CHANGES[change](pets)
    images = load(pets)
    assert len(entries(home)) == 2
    classes = sorted(path for path in pets.iterdir() if path.is_dir())
    assert images.class_names == tuple(path.name for path in classes)
    assert_close(images.images, torch.cat([pixels(path) for path in classes]), rtol=0, atol=0)


def test_another_size_or_channels_are_another_entry(pets: Path, home: Path) -> None:
    shapes = [
        tuple(load(pets, *keys).images.shape)
        for keys in ((16, "auto"), (20, "auto"), (16, "grey"), (16, "rgb"))
    ]
    assert shapes == [(6, 3, 16, 16), (6, 3, 20, 20), (6, 1, 16, 16), (6, 3, 16, 16)]
    assert len(entries(home)) == 4


def test_folders_of_like_names_sizes_and_times_are_two(tmp_path: Path, home: Path) -> None:
    """Uncompressed pictures of one size, unpacked from an archive with one time for all."""
    for seed, root in enumerate(("one", "other")):
        draw(tmp_path / root / "x" / "1.bmp", seed)
        os.utime(tmp_path / root / "x" / "1.bmp", ns=(0, 0))
    found = [load(tmp_path / root).images for root in ("one", "other")]
    assert len(entries(home)) == 2
    assert not torch.equal(*found)


def test_a_moved_folder_is_found_again(pets: Path, home: Path, tmp_path: Path, said: list[str]) -> None:
    load(pets)
    pets.rename(tmp_path / "moved")
    assert load(tmp_path / "moved").name == "moved"
    assert len(entries(home)) == len(said) == 1


def test_auto_is_grey_only_if_every_picture_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "MOVED_AT_ONCE", 2 * 3 * SIZE * SIZE)  # two pictures: several rounds
    for number in range(5):
        draw(tmp_path / "x" / f"{number}.png", number, "L")
    grey = load(tmp_path / "x")
    assert_close(grey.images, pixels(tmp_path / "x", 1), rtol=0, atol=0)
    assert grey.value_range == (int(grey.images.min()), int(grey.images.max()))
    Image.open(tmp_path / "x" / "3.png").convert("RGB").save(tmp_path / "x" / "5.png")
    assert_close(load(tmp_path / "x").images, pixels(tmp_path / "x"), rtol=0, atol=0)


def test_pictures_without_a_class_leave_no_trace(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the range of values either: the darkest and the brightest picture lie beside the classes."""
    monkeypatch.setattr(mapped, "MOVED_AT_ONCE", 2 * 3 * SIZE * SIZE)
    for name, value in (("a.png", 0), ("z.png", 255)):
        Image.new("RGB", (20, 20), (value,) * 3).save(pets / name)
    images = load(pets)
    assert_close(images.images, torch.cat([pixels(pets / "cat"), pixels(pets / "dog")]), rtol=0, atol=0)
    assert images.value_range == (int(images.images.min()), int(images.images.max()))


def test_a_colour_picture_beside_grey_classes_gives_them_no_colour(tmp_path: Path) -> None:
    for seed, name in enumerate(("a/1.png", "b/1.png")):
        draw(tmp_path / "x" / name, seed, "L")
    draw(tmp_path / "x" / "overview.png", 2)
    assert load(tmp_path / "x").images.shape == (2, 1, SIZE, SIZE)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    names = ["line\nbreak.png", os.fsdecode(b"\xff.png"), "two  blanks.png"]
    for seed, name in enumerate(names):
        draw(tmp_path / "x" / name, seed)
    (tmp_path / "x" / os.fsdecode(b"\xfe.png")).touch()
    for _ in range(2):
        images = load(tmp_path / "x")
        assert (images.count, images.skipped) == (3, (("\\xfe.png", "empty file"),))
    for seed, folder in enumerate((b"caf\xe9", "th\u00e9".encode())):
        draw(tmp_path / "classes" / os.fsdecode(folder) / "1.png", seed)
    named = load(tmp_path / "classes")
    assert named.class_names == ("caf\\xe9", "th\u00e9")
    assert "\n".join(named.describe()).encode("utf-8"), "what a terminal and a file can take"


def test_nothing_is_kept_of_a_folder_that_cannot_be_read(tmp_path: Path, home: Path) -> None:
    draw(tmp_path / "x" / "1.png", 1)
    whole = (tmp_path / "x" / "1.png").read_bytes()
    (tmp_path / "x" / "1.png").write_bytes(whole[:500])
    for _ in range(2):
        with pytest.raises(UnreadableError, match=r"none of the 1 pictures in .* can be read") as raised:
            load(tmp_path / "x")
        assert [name for name, _ in raised.value.skipped] == ["1.png"]
        assert entries(home) == left_over(home) == []
    (tmp_path / "x" / "1.png").write_bytes(whole)
    assert load(tmp_path / "x").count == 1


def test_a_file_that_was_out_of_reach_is_read_once_it_is_back(
    pets: Path, home: Path, said: list[str]
) -> None:
    listing = find_pictures(pets)
    missing = pets / "cat" / "1.png"
    missing.rename(pets / "elsewhere")
    for _ in range(2):
        images = decoded_once(listing, SIZE)
        assert images.count == 5
        assert ("cat/1.png", "No such file or directory") in images.skipped
    assert len(said) == 1
    (pets / "elsewhere").rename(missing)
    assert load(pets).count == 6
    assert len(entries(home)) == 1
    assert said[1] == f"reading the pictures in {pets} again: files that could not be reached are there again"


def test_a_file_that_is_back_right_after_a_build(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing, write = pets / "cat" / "1.png", mapped.write

    def write_without(place: Path, listing: Listing, size: int, channels: Channels, by_folder: bool) -> None:
        missing.rename(pets / "elsewhere")
        write(place, listing, size, channels, by_folder)
        (pets / "elsewhere").rename(missing)

    with monkeypatch.context() as patch:
        patch.setattr(mapped, "write", write_without)
        assert load(pets).count == 5
    assert load(pets).count == 6


def edit(entry: Path, **values: object) -> None:
    about = json.loads((entry / "about.json").read_text())
    (entry / "about.json").write_text(json.dumps(about | values))


def cut(path: Path, end: int) -> None:
    path.write_bytes(path.read_bytes()[:end])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "images cut short": lambda entry: cut(entry / "images.npy", -1),
    "images too long": lambda entry: (entry / "images.npy").open("ab").write(b"x"),
    "images are empty": lambda entry: cut(entry / "images.npy", 0),
    "images are missing": lambda entry: (entry / "images.npy").unlink(),
    "images of another type": lambda entry: np.save(entry / "images.npy", np.zeros((6, 3, 16, 16))),
    "fewer images and labels": lambda entry: (
        np.save(entry / "images.npy", np.zeros((5, 3, 16, 16), np.uint8)),
        np.save(entry / "labels.npy", np.zeros(5, np.int64)),
    ),
    "images are text": lambda entry: (entry / "images.npy").write_text("hello"),
    "fewer labels": lambda entry: np.save(entry / "labels.npy", np.zeros(5, np.int64)),
    "wrong labels": lambda entry: np.save(entry / "labels.npy", np.full(6, 2)),
    "labels are missing": lambda entry: (entry / "labels.npy").unlink(),
    "about is missing": lambda entry: (entry / "about.json").unlink(),
    "about is cut short": lambda entry: cut(entry / "about.json", 50),
    "about is no text": lambda entry: (entry / "about.json").write_bytes(b"\xff\xfe"),
    "about is a list": lambda entry: (entry / "about.json").write_text("[]"),
    "another version": lambda entry: edit(entry, format=mapped.FORMAT + 1),
    "no range": lambda entry: edit(entry, range=None),
    "an empty folder": lambda entry: [path.unlink() for path in entry.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_made_anew(pets: Path, home: Path, said: list[str], damage: str) -> None:
    expected = load(pets).images.clone()
    (entry,) = entries(home)
    DAMAGE[damage](entry)
    images = load(pets)
    assert_close(images.images, expected, rtol=0, atol=0)
    assert images.labels is not None
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [line.partition(" ")[0] for line in said] == ["kept", "reading", "kept"]
    assert said[1].startswith(f"reading the pictures in {pets} again: {entry}")
    load(pets)
    assert len(said) == 3


@pytest.mark.parametrize("cache", ["/proc/nowhere", "/sys", "file"])
def test_a_cache_that_cannot_be_written(
    pets: Path, cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))
    with pytest.raises(GantrainError) as raised:
        load(pets)
    assert raised.value.key == str(tmp_path / cache / "gantrain" / "pictures")
    assert raised.value.reason.startswith("cannot keep the decoded pictures (")
    assert raised.value.remedy == "set XDG_CACHE_HOME=DIR to a folder you may write to"


LOADS = """
import logging, signal, sys
from pathlib import Path
from gantrain.console import log
from gantrain.data.images import find_pictures
from gantrain.data.kept import decoded_once

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts with it ignored
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
print("ready", flush=True)
sys.stdin.readline()
images = decoded_once(find_pictures(Path(sys.argv[1])), 32)
print(images.count, int(images.images.sum()), flush=True)
"""


@pytest.fixture
def process() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """A process that loads a folder once a line is written to it; ready for that when it is handed over."""
    started = []

    def start(root: Path) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", LOADS, str(root)],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def go(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A folder that takes about a second to decode."""
    noise = np.random.default_rng(0).integers(0, 256, (500, 500, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise", format="PNG")
    (tmp_path / "many").mkdir()
    for number in range(300):
        (tmp_path / "many" / f"{number}.png").symlink_to(tmp_path / "noise")
    return tmp_path / "many"


def wait_for_pixels(home: Path) -> None:
    """Until a build is well under way."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if any(path.stat().st_size > 10_000 for path in home.glob(".*.partial/images.npy")):
            return
        time.sleep(0.002)
    raise AssertionError("nothing was built")


def test_a_killed_build_leaves_nothing_to_believe(
    many: Path, home: Path, process: Callable[[Path], subprocess.Popen[str]]
) -> None:
    def kill_half_way() -> None:
        child = process(many)
        go(child)
        wait_for_pixels(home)
        child.kill()
        assert child.wait() == -signal.SIGKILL

    kill_half_way()
    assert (len(entries(home)), len(left_over(home))) == (0, 1)
    assert load(many, 32).count == 300
    assert (len(entries(home)), len(left_over(home))) == (1, 0)
    for name in ("1.jpg", "2.jpg"):
        (many / name).symlink_to(many / "0.png")
        if name == "1.jpg":
            kill_half_way()
    assert load(many, 32).count == 302  # another entry: it clears away the one that nobody will ask for again
    assert (len(entries(home)), len(left_over(home))) == (2, 0)


def test_ctrl_c_leaves_nothing(
    many: Path, home: Path, process: Callable[[Path], subprocess.Popen[str]]
) -> None:
    child = process(many)
    go(child)
    wait_for_pixels(home)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert entries(home) == left_over(home) == []


def test_two_at_once_build_once(
    many: Path, home: Path, process: Callable[[Path], subprocess.Popen[str]]
) -> None:
    first, second = process(many), process(many)
    go(first)
    wait_for_pixels(home)
    go(second)
    (told, _), (told_later, _) = first.communicate(timeout=60), second.communicate(timeout=60)
    (entry,) = entries(home)
    *lines, result = told.splitlines()
    assert lines == [f"kept 300 pictures for later starts: 0.9 MB in {entry}"]
    assert told_later.splitlines() == ["another gantrain is reading these pictures: waiting for it", result]
    assert left_over(home) == []


PEAK = """
import sys
from pathlib import Path
import torch
from gantrain.data.images import find_pictures
from gantrain.data.kept import decoded_once
from gantrain.data.sampler import Sampler
from gantrain.data.store import Store

torch.set_num_threads(1)
images = decoded_once(find_pictures(Path(sys.argv[1])), 64)
images.describe()
store, sampler = Store(images, torch.device("cpu")), Sampler(images.count, 64, 0)
for _ in range(300):
    store.batch(next(sampler), torch.Generator())
status = Path("/proc/self/status").read_text()
print(images.count, next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_does_not_grow_with_the_folder(tmp_path: Path) -> None:
    draw(tmp_path / "one.png", 0)
    peaks = {}
    for count in (300, 3000):
        root = tmp_path / str(count)
        root.mkdir()
        for number in range(count):
            (root / f"{number}.png").symlink_to(tmp_path / "one.png")
        for start in ("building", "finding"):
            # freed batches go back to the system at once: what the allocator keeps would hide our own
            environment = {"PYTHONPATH": str(REPOSITORY), "MALLOC_MMAP_THRESHOLD_": "65536"}
            out = subprocess.run(
                [sys.executable, "-c", PEAK, str(root)],
                env=os.environ | environment,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            ).stdout.split()
            assert int(out[0]) == count
            peaks[count, start] = int(out[1]) / 1024
    for start in ("building", "finding"):  # the images of the larger one alone are 37 MB
        assert peaks[3000, start] - peaks[300, start] < 15, peaks
