"""The uint8 store: exact conversions, mirrored batches, the description, the sizes."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from gantrain.data.store import (
    MAPPED_AROUND,
    MAPPED_AT_MOST,
    ImageSet,
    Store,
    check_image_size,
    to_signed,
    to_uint8,
)
from gantrain.errors import GantrainError
from gantrain.sizes import base_and_doublings

CPU = torch.device("cpu")
EVERY_VALUE = torch.arange(256, dtype=torch.uint8)


def pictures(count: int = 64, channels: int = 3, size: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, channels, size, size), generator=generator).to(torch.uint8)


def test_signed_is_the_formula_and_uint8_its_exact_inverse() -> None:
    signed = to_signed(EVERY_VALUE)
    assert_close(signed, (EVERY_VALUE.double() / 127.5 - 1).float())
    assert_close(signed[[0, 255]], torch.tensor([-1.0, 1.0]), rtol=0, atol=0)
    assert_close(to_uint8(signed), EVERY_VALUE, rtol=0, atol=0)
    assert_close(to_uint8(signed.double()), EVERY_VALUE, rtol=0, atol=0)


def test_uint8_rounds_and_clamps() -> None:
    drawn = torch.tensor([-7.0, -1.001, 0.7 / 127.5 - 1, 1.2 / 127.5 - 1, 1.001, 7.0])
    assert to_uint8(drawn).tolist() == [0, 0, 1, 1, 255, 255]


def test_a_batch_is_gathered_in_order_and_scaled() -> None:
    images, labels = pictures(), torch.arange(64) % 10
    indices = torch.tensor([5, 0, 5, 63])
    drawn, drawn_labels = Store(ImageSet("x", images, labels), CPU).batch(indices, torch.Generator())
    assert_close(drawn, to_signed(images[indices]), rtol=0, atol=0)
    assert drawn_labels is not None
    assert drawn_labels.tolist() == [5, 0, 5, 3]


def test_without_flips_and_labels_the_generator_is_left_alone() -> None:
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    assert Store(ImageSet("x", pictures()), CPU).batch(torch.arange(4), generator)[1] is None
    assert torch.equal(before, generator.get_state())


def test_flips_mirror_about_half_left_to_right_and_repeat_with_the_generator() -> None:
    images = pictures(400)
    store = Store(ImageSet("x", images, flip=True), CPU)
    first, _ = store.batch(torch.arange(400), torch.Generator().manual_seed(3))
    again, _ = store.batch(torch.arange(400), torch.Generator().manual_seed(3))
    other, _ = store.batch(torch.arange(400), torch.Generator().manual_seed(4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    straight = to_signed(images)
    kept = (first == straight).flatten(1).all(1)
    mirrored = (first == straight.flip(3)).flatten(1).all(1)
    assert bool((kept ^ mirrored).all())
    assert 150 < int(mirrored.sum()) < 250


@pytest.mark.parametrize(("size", "batch"), [(64, 16), (128, 64), (256, 64)])
def test_mapped_pages_are_dropped_before_they_are_many(size: int, batch: int) -> None:
    """Of a map, a batch of few pictures takes more than its own size: whole pages, and some around them."""
    dropped = []
    images = pictures(batch, 3, size)
    store = Store(ImageSet("x", images, drop_pages=lambda: dropped.append(1)), CPU)
    assert len(dropped) == 1  # what was read until now
    for _ in range(100):
        store.batch(torch.arange(batch), torch.Generator())
    gathered = 100 * batch * (3 * size * size + MAPPED_AROUND)
    assert len(dropped) - 1 <= gathered / MAPPED_AT_MOST
    # a batch more than allowed may have been read when they are dropped
    assert len(dropped) - 1 >= gathered // (MAPPED_AT_MOST + gathered // 100)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("fits", [True, False])
def test_a_batch_on_the_gpu_is_the_batch_on_the_cpu(fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantrain.data.store._fits", lambda images, device: fits)
    cuda, images = torch.device("cuda"), pictures(400)
    store = Store(ImageSet("x", images, torch.arange(400), flip=True), cuda)
    assert store.images.is_cuda == fits
    drawn, labels = store.batch(torch.arange(400), torch.Generator(cuda).manual_seed(0))
    assert labels is not None
    assert drawn.is_cuda
    assert labels.is_cuda
    straight = to_signed(images)
    kept = (drawn.cpu() == straight).flatten(1).all(1)
    mirrored = (drawn.cpu() == straight.flip(3)).flatten(1).all(1)
    assert bool((kept ^ mirrored).all())
    assert 150 < int(mirrored.sum()) < 250


def test_describe_says_what_the_data_is() -> None:
    images = torch.zeros(3, 1, 16, 16, dtype=torch.uint8)
    images[0, 0, 0, 0] = 51
    labels = torch.tensor([0, 1, 1])
    lines = ImageSet("pets", images, labels, ("cat", "dog"), True, (("a.png", "empty file"),)).describe()
    assert lines == [
        "pets: 3 images, 16 x 16 pixels, grey",
        "values: 0..51, scaled to -1.00..-0.60 for training, half of them mirrored at random",
        "classes: 2: cat (1), dog (2)",
        "skipped: 1 that could not be used",
        "  a.png: empty file",
    ]


def test_other_files_are_described_by_their_endings() -> None:
    found = ((".txt", 1200), (".svg", 9), ("", 4), (".a", 3), (".b", 2), (".c", 1), (".d", 1))
    lines = ImageSet("x", pictures(), others=found).describe()
    assert lines[-1] == "other files, not read: 1,200 .txt, 9 .svg, 4 without an ending, 3 .a, 2 .b, 2 more"


def test_a_known_range_is_described_without_a_look_at_the_images() -> None:
    lines = ImageSet("x", pictures(), value_range=(51, 102)).describe()
    assert lines[1] == "values: 51..102, scaled to -0.60..-0.20 for training"


def test_describe_shortens_many_classes_and_many_skipped_files() -> None:
    skipped = tuple((f"{number}.png", "empty file") for number in range(13))
    lines = ImageSet("many", pictures(64), torch.arange(64) % 25, skipped=skipped).describe()
    assert lines[2].startswith("classes: 25: 0 (3), ")
    assert lines[2].endswith("19 (2), and 5 more (2 to 3 each)")
    assert len(lines) == 3 + 1 + 10 + 1
    assert lines[-1] == "  and 3 more"
    assert ImageSet("plain", pictures()).describe()[2:] == ["classes: none (unlabelled)"]


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (pictures().float(), None),
        (pictures()[:, :, :8], None),
        (pictures()[:, :2], None),
        (pictures()[:0], None),
        (pictures(), torch.zeros(63, dtype=torch.int64)),
        (pictures(), torch.zeros(64)),
        (pictures(), torch.full((64,), -1)),
    ],
)
def test_a_broken_image_set_is_our_own_fault(images: torch.Tensor, labels: torch.Tensor | None) -> None:
    with pytest.raises(AssertionError):
        ImageSet("x", images, labels)


def test_number_of_classes() -> None:
    images, labels = pictures(4), torch.tensor([0, 2, 2, 0])
    assert ImageSet("x", images).num_classes == 0
    assert ImageSet("x", images, labels).num_classes == 3
    assert ImageSet("x", images, labels, ("a", "b", "c", "d")).num_classes == 4
    with pytest.raises(AssertionError):
        ImageSet("x", images, labels, ("a", "b"))


@pytest.mark.parametrize("base", [4, 5, 6, 7])
@pytest.mark.parametrize("doublings", range(2, 7))
def test_sizes_are_a_base_doubled(base: int, doublings: int) -> None:
    size = base * 2**doublings
    if size <= 256:
        check_image_size(size)
        assert base_and_doublings(size) == (base, doublings)
    else:
        with pytest.raises(GantrainError):
            check_image_size(size)


@pytest.mark.parametrize(
    ("size", "offered"),
    [
        (30, "data.image_size=28 or data.image_size=32"),
        (100, "data.image_size=96 or data.image_size=112"),
        (14, "use data.image_size=16"),
        (512, "use data.image_size=256"),
        (0, "use data.image_size=16"),
    ],
)
def test_another_size_is_refused_with_the_nearest(size: int, offered: str) -> None:
    with pytest.raises(GantrainError) as raised:
        check_image_size(size)
    assert raised.value.key == "data.image_size"
    assert str(size) in raised.value.reason
    assert raised.value.remedy.endswith(offered)
