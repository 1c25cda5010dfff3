"""The sources: what they hand over, where they look, and what they say when there is nothing."""

from __future__ import annotations

import gzip
import hashlib
import inspect
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch.testing import assert_close

from gantrain.data import sources
from gantrain.data.store import ImageSet
from gantrain.errors import GantrainError

CONFIGS = Path(__file__).parents[2] / "configs" / "data"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 28, 28), dtype=np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 10


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees this machine's ./data and cache, or downloads anything."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def write_idx(folder: Path, packed: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (("train-images-idx3-ubyte", IMAGES), ("train-labels-idx1-ubyte", LABELS)):
        content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content, mtime=0) if packed else content)


def write_pictures(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), "red").save(root / name)


def pillow_bicubic(pictures: np.ndarray, size: int) -> torch.Tensor:
    """N x H x W -> N x 1 x size x size by another implementation than ours."""
    resized = [Image.fromarray(one).resize((size, size), Image.Resampling.BICUBIC) for one in pictures]
    return torch.from_numpy(np.stack(resized)[:, None])


def refusal(source: Callable[..., ImageSet], **keys: Any) -> GantrainError:
    with pytest.raises(GantrainError) as raised:
        source(**keys)
    assert len(str(raised.value).splitlines()) <= 3
    return raised.value


@pytest.mark.parametrize("name", sources.LABELLED)
def test_each_option_file_gives_its_function_all_its_keys(name: str) -> None:
    text = (CONFIGS / f"{name}.yaml").read_text()
    assert text.startswith("# ")
    keys = yaml.safe_load(text)
    assert keys.pop("_target_") == f"gantrain.data.sources.{name}"
    defaults = {key: p.default for key, p in inspect.signature(getattr(sources, name)).parameters.items()}
    assert keys == defaults


@pytest.mark.parametrize("name", sources.LABELLED)
def test_the_size_is_checked_before_any_file_is_touched(name: str) -> None:
    keys: dict[str, Any] = {} if name == "digits" else {"root": "/missing"}
    error = refusal(getattr(sources, name), image_size=30, **keys)
    assert error.key == "data.image_size"
    assert error.remedy == "use data.image_size=28 or data.image_size=32"


def test_digits_are_sklearns_scaled_and_enlarged() -> None:
    from sklearn.datasets import load_digits

    found = load_digits()
    data = sources.digits()
    assert (data.count, data.channels, data.image_size, data.num_classes) == (1797, 1, 32, 10)
    assert (data.name, data.flip, data.class_names[3]) == ("digits", False, "3")
    assert data.labels is not None
    assert data.labels.tolist() == found.target.tolist()
    assert (int(data.images.min()), int(data.images.max())) == (0, 255)
    small = np.rint(found.images * (255 / 16)).astype(np.uint8)
    assert_close(data.images[:99], pillow_bicubic(small[:99], 32), rtol=0, atol=1)
    assert sources.digits(flip=True).flip


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_debians_fashion_mnist_is_found_by_itself() -> None:
    data = sources.fashion_mnist()
    assert (data.count, data.channels, data.image_size) == (60_000, 1, 28)
    assert data.labels is not None
    assert torch.bincount(data.labels).tolist() == [6000] * 10
    assert data.class_names[int(data.labels[0])] == "Ankle boot"  # the first picture of the published file
    # the mean and deviation that everybody normalises by
    values = data.images.double() / 255
    assert_close(values.mean(), torch.tensor(0.2860, dtype=torch.float64), rtol=0, atol=1e-4)
    assert_close(values.std(), torch.tensor(0.3530, dtype=torch.float64), rtol=0, atol=1e-4)


def test_class_names_are_torchvisions() -> None:
    from torchvision import datasets

    assert list(sources.FASHION_NAMES) == datasets.FashionMNIST.classes
    assert [name[0] for name in datasets.MNIST.classes] == list(sources.DIGIT_NAMES)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("where", "below"),
    [("root", ""), ("root", "MNIST/raw"), ("data", "MNIST/raw"), ("../cache/gantrain", "MNIST/raw")],
)
def test_mnist_is_found_where_people_keep_it(where: str, below: str, packed: bool) -> None:
    write_idx(Path(where) / below, packed)
    data = sources.mnist(root="root" if where == "root" else None)
    assert_close(data.images, torch.from_numpy(IMAGES)[:, None], rtol=0, atol=0)
    assert data.labels is not None
    assert data.labels.tolist() == LABELS.tolist()
    assert data.num_classes == 10


@pytest.mark.parametrize("where", ["data", "../cache/gantrain"])
def test_one_set_is_never_taken_for_another(where: str) -> None:
    """MNIST and Fashion-MNIST have files of the same names: in a folder for all sets they say nothing."""
    write_idx(Path(where), packed=True)
    write_idx(Path(where, "FashionMNIST/raw"), packed=True)
    assert "MNIST/raw" in refusal(sources.mnist).remedy


def test_another_size_is_resampled_smoothly() -> None:
    write_idx(Path("data/MNIST/raw"), packed=True)
    data = sources.mnist(image_size=56)
    assert data.image_size == 56
    assert_close(data.images, pillow_bicubic(IMAGES, 56), rtol=0, atol=1)
    shrunk = sources.mnist(image_size=16)
    assert_close(
        shrunk.images, pillow_bicubic(IMAGES, 16), rtol=0, atol=1
    )  # antialiased, as Pillow always is


def test_what_is_missing_is_said_with_the_files_to_get() -> None:
    error = refusal(sources.mnist, root="here")
    assert error.key == "data.root"
    assert error.reason == "MNIST is not in here, and the download failed (no network here)"
    assert error.remedy == (
        "put train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz into here or another folder"
        " and give data.root=FOLDER"
    )
    assert not any(path.is_file() for path in Path("here").rglob("*"))
    error = refusal(sources.mnist)
    assert "MNIST is not in data/MNIST/raw, " in error.reason
    assert "apt install dataset-fashion-mnist" in refusal(sources.fashion_mnist, root="here").remedy
    assert "cifar-10-batches-py" in refusal(sources.cifar10).remedy
    assert "img_align_celeba" in refusal(sources.celeba).remedy


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train-images-idx3-ubyte.gz", gzip.compress(b"\0\0\x08\3" + bytes(100), mtime=0)[:-9]),
        ("train-images-idx3-ubyte.gz", b"<html>not found</html>"),
        ("train-images-idx3-ubyte.gz", gzip.compress(b"", mtime=0)[:10] + b"\xff" * 40),
        ("train-images-idx3-ubyte", struct.pack(">HBB3I", 0, 8, 3, 12, 28, 28) + bytes(99)),
        ("train-images-idx3-ubyte", b""),
    ],
)
def test_a_damaged_file_is_named(name: str, content: bytes) -> None:
    write_idx(Path("here"), packed=name.endswith("gz"))
    Path("here", name).write_bytes(content)
    reason = refusal(sources.mnist, root="here").reason
    assert reason.startswith(f"here/{name} ")
    assert reason.endswith("and the download failed (no network here)")


def test_a_download_goes_into_the_cache_and_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fetch(root: str, download: bool) -> None:
        assert download
        sys.stdout.write("Downloading http://...")
        write_idx(Path(root) / "MNIST" / "raw", packed=False)

    monkeypatch.setattr("torchvision.datasets.MNIST", fetch)
    assert sources.mnist().count == 12
    assert (tmp_path / "cache" / "gantrain" / "MNIST" / "raw").is_dir()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("root", ["above", "above/cifar-10-batches-py"])
def test_cifar10_is_read_by_torchvision(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import datasets

    home = Path("above/cifar-10-batches-py")
    home.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3072), dtype=np.uint8)
    contents = {f"data_batch_{n}": {"data": pixels, "labels": [n, 0]} for n in range(1, 6)}
    contents |= {"test_batch": {}, "batches.meta": {"label_names": list(sources.CIFAR10_NAMES)}}
    sums = {}
    for name, content in contents.items():
        (home / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((home / name).read_bytes()).hexdigest()
    lists = [[name, sums[name]] for name in contents if name.startswith("data")]
    monkeypatch.setattr(datasets.CIFAR10, "train_list", lists)
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setitem(datasets.CIFAR10.meta, "md5", sums["batches.meta"])
    data = sources.cifar10(root=root)
    assert_close(data.images, torch.from_numpy(np.tile(pixels, (5, 1))).view(10, 3, 32, 32), rtol=0, atol=0)
    assert data.labels is not None
    assert data.labels.tolist() == [1, 0, 2, 0, 3, 0, 4, 0, 5, 0]
    (home / "data_batch_3").write_bytes(b"cut")
    assert "is incomplete or damaged" in refusal(sources.cifar10, root=root).reason


@pytest.mark.parametrize("below", ["img_align_celeba", "celeba/img_align_celeba"])
def test_celeba_is_the_centre_of_each_face(below: str) -> None:
    face = np.zeros((218, 178), dtype=np.uint8)
    face[20:198] = 200  # the centred square
    Path("faces", below).mkdir(parents=True)
    Image.fromarray(face).convert("RGB").save(Path("faces", below, "000001.jpg"), quality=95)
    Path("faces", below, "000002.jpg").touch()
    data = sources.celeba(root="faces")
    assert (data.count, data.channels, data.image_size, data.labels, data.flip) == (1, 3, 64, None, True)
    assert data.skipped == (("000002.jpg", "empty file"),)
    assert_close(data.images[0, :, 1:-1].float(), torch.full((3, 62, 64), 200.0), rtol=0, atol=3)
    assert sources.celeba(root=str(Path("faces", below))).count == 1


def test_an_archive_that_was_unpacked_in_part_is_not_taken_for_the_whole() -> None:
    write_pictures(Path("faces/img_align_celeba"), "000001.jpg")
    assert sources.celeba(root="faces").count == 1, "a part without the archive is somebody's choice"
    Path("faces/img_align_celeba.zip").touch()
    assert "holds 1 of the 202,599 pictures" in refusal(sources.celeba, root="faces").reason


def test_first_level_folders_are_the_classes() -> None:
    write_pictures(Path("pets"), "dog/1.png", "cat/deep/2.png", "cat/1.png", "stray.png")
    Path("pets/empty").mkdir()
    Path("pets/dog/broken.png").write_text("no")
    data = sources.folder(root="pets")
    assert (data.name, data.count, data.class_names) == ("pets", 3, ("cat", "dog"))
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 1]
    assert data.skipped == (
        ("dog/broken.png", "not a picture, or damaged at its start"),
        ("stray.png", "lies beside the class folders, so it has no class"),
    )


def test_one_folder_alone_is_no_class() -> None:
    write_pictures(Path("pets"), "cat/1.png", "cat/2.png", "3.png")
    data = sources.folder(root="pets", image_size=16, channels="grey", flip=True)
    assert (data.count, data.labels, data.class_names, data.skipped) == (3, None, (), ())
    assert (data.channels, data.image_size, data.flip) == (1, 16, True)


def test_a_folder_that_cannot_be_used_is_explained() -> None:
    write_pictures(Path("pictures"), "1.png")
    Path("void").mkdir()
    Path("broken").mkdir()
    for number in range(5):
        Path("broken", f"{number}.png").touch()
    told = {
        root: refusal(sources.folder, root=root)
        for root in (None, "pictrues", "pictures/1.png", "void", "broken")
    }
    assert {error.key for error in told.values()} == {"data.root"}
    assert {root: (error.reason, error.remedy) for root, error in told.items()} == {
        None: ("data=folder needs the folder of your pictures", "data.root=photos, if that is its name"),
        "pictrues": ("there is no folder pictrues", "did you mean data.root=pictures?"),
        "pictures/1.png": (
            "pictures/1.png is a file; the folder that holds the pictures is needed",
            "data.root=pictures",
        ),
        "void": (
            "no pictures in void or below it",
            "looked for .png .jpg .jpeg .webp .bmp .gif .tif .tiff (also in capitals)",
        ),
        "broken": (
            "none of the 5 pictures in broken can be read",
            "0.png (empty file); 1.png (empty file); 2.png (empty file)",
        ),
    }
