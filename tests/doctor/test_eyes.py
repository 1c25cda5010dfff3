"""Which pictures the doctor's numbers are taken of."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor

from gantrain import build, checks, runtime
from gantrain.compose import composed
from gantrain.data.sources import digits
from gantrain.data.split import split
from gantrain.data.store import ImageSet
from gantrain.doctor.eyes import Eyes
from gantrain.metrics.reference import Reference


def at(images: ImageSet, count: int = 128, *overrides: str) -> Eyes:
    """At an untrained run on these pictures."""
    small = ["model.width=4", "train.batch_size=8", "data.image_size=16"]
    cfg = checks.resolved(composed([*small, *overrides]))
    checks.check(cfg)
    runtime.settle(cfg, torch.device("cpu"))
    state, game = build.assemble(cfg, images, torch.device("cpu"))
    assert images.train is not None
    return Eyes(state, game, images, Reference(images.images, images.labels, images.train, "train", count), 0)


def three_parts() -> tuple[ImageSet, Tensor]:
    """Digits to train on and held-out ones, and the rows of others, which are perfect fakes."""
    images = split(digits(image_size=16), held_out=300, train=1200)
    assert images.train is not None
    assert images.held_out is not None
    used = torch.cat([images.train, images.held_out])
    return images, torch.tensor(sorted({*range(images.count)} - {*used.tolist()}))


def of_kinds_below(limit: int, images: ImageSet, rows: Tensor | None) -> Tensor:
    assert images.labels is not None
    assert rows is not None
    return rows[images.labels[rows] < limit]


def test_copies_are_found_among_all_of_a_few_thousand_pictures() -> None:
    """Ten times as many as the fakes."""
    images, new = three_parts()
    assert images.train is not None
    copied = images.train[torch.randperm(1200, generator=Generator().manual_seed(1))[:128]]
    assert at(images).closely(images.images[copied], 1).signals["nearer_train"] > 0.95
    assert 0.4 < at(images).closely(images.images[new[:128]], 1).signals["nearer_train"] < 0.6


def test_nobody_copies_by_drawing_the_kinds_that_are_trained_on() -> None:
    """Held-out pictures of other kinds are far from every fake."""
    images, new = three_parts()
    known = replace(images, train=of_kinds_below(5, images, images.train))
    fakes = images.images[of_kinds_below(5, images, new)]
    found = at(known, 64).closely(fakes, 1).signals
    assert 0.4 < found["nearer_train"] < 0.6
    assert found["nearest_ratio"] > 0.9


def test_without_unseen_pictures_nobody_is_said_to_copy() -> None:
    images = split(digits(image_size=16), held_out=0)
    assert "nearer_train" not in at(images).closely(images.images[:128], 1).signals


def test_one_picture_of_each_class_is_no_variety() -> None:
    """Of ten kinds in all; other real pictures of the same classes are as varied as the first."""
    images, _ = three_parts()
    assert images.labels is not None
    eyes = at(images, 400, "condition=class")
    drawn_by = eyes.labels_of(400)
    assert drawn_by is not None
    of_class = [torch.nonzero(images.labels == label).flatten() for label in range(10)]
    one_each = torch.stack([of_class[label][0] for label in drawn_by])
    others = torch.stack([of_class[label][-1 - place // 10] for place, label in enumerate(drawn_by)])
    alone, varied = (eyes.compared(images.images[rows]) for rows in (one_each, others))
    assert alone["variety"] > 0.5, "ten pictures are much of the variety of digits"
    assert alone["class_variety"] == pytest.approx(0, abs=1e-6)
    assert alone["class_vendi_ratio"] < 0.3
    assert varied["class_variety"] == pytest.approx(1, abs=0.15)


def test_classes_are_not_asked_for_where_they_tell_nothing() -> None:
    """Of a generator that is not told them, of few pictures of each, of real ones that are all alike."""
    images, _ = three_parts()
    assert images.labels is not None
    of_class = torch.stack([(images.labels == label).nonzero()[0, 0] for label in range(10)])
    alike = replace(images, images=images.images[of_class[images.labels]])
    told = "condition=class"
    for eyes in (at(images, 400), at(images, 100, told), at(alike, 400, told)):
        assert not {"class_variety", "class_vendi_ratio"} & set(eyes.compared(eyes.fakes()))


def test_facts_count_what_can_be_compared() -> None:
    images = split(digits(image_size=16), held_out=100)
    known = replace(images, train=of_kinds_below(3, images, images.train))
    unseen = len(of_kinds_below(3, images, images.held_out))
    assert at(known).facts == {"facts.reference": known.train_count, "facts.unseen": unseen}
