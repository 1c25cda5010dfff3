"""The held-out pictures: the same in every run, never trained on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small import TINY, Command
from torch.testing import assert_close

from gantrain.data.split import held_out_by_rule, split
from gantrain.data.store import ImageSet, Store
from gantrain.errors import GantrainError


def pictures(count: int) -> ImageSet:
    """Picture k is filled with the value k."""
    values = torch.arange(count, dtype=torch.uint8)
    return ImageSet("numbered", values.view(-1, 1, 1, 1).expand(-1, 1, 16, 16).contiguous())


@pytest.mark.parametrize(
    ("count", "held_out"),
    [(1, 0), (3, 0), (4, 1), (20, 5), (200, 50), (1797, 256), (60_000, 6_000), (202_599, 10_000)],
)
def test_a_tenth_is_held_out_and_a_quarter_of_small_sets(count: int, held_out: int) -> None:
    assert held_out_by_rule(count) == held_out


def test_every_picture_is_on_one_side_in_order_and_always_the_same() -> None:
    parts = split(pictures(200))
    assert parts.train is not None
    assert parts.held_out is not None
    assert (len(parts.train), len(parts.held_out)) == (150, 50)
    assert torch.cat([parts.train, parts.held_out]).sort().values.tolist() == list(range(200))
    assert parts.train.tolist() == sorted(parts.train.tolist())
    assert parts.held_out.float().mean().sub(99.5).abs() < 20, "not the first or last ones"
    again = split(pictures(200))
    assert_close(again.held_out, parts.held_out)


def test_fewer_to_train_on_leave_the_held_out_as_they_are() -> None:
    whole, few = split(pictures(200)), split(pictures(200), train=20)
    assert few.train_count == 20
    assert_close(few.held_out, whole.held_out)
    assert whole.train is not None
    assert few.train is not None
    assert set(few.train.tolist()) < set(whole.train.tolist())
    assert few.describe()[-1] == "to train on: 20; held out to judge by: 50; not used: 130"


def test_a_source_may_name_its_own() -> None:
    own = replace(pictures(10), held_out=torch.tensor([8, 9]))
    parts = split(own)
    assert parts.held_out is not None
    assert parts.held_out.tolist() == [8, 9]
    assert parts.train is not None
    assert parts.train.tolist() == list(range(8))
    assert split(own, held_out=3).held_out_count == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"held_out": 10}, r"metrics.held_out: 10 of 10 pictures leave none to train on"),
        ({"train": 9}, r"train.images: there are 8 to train on, beside 2 held out"),
    ],
)
def test_more_than_there_are_is_refused(given: dict[str, int], message: str) -> None:
    with pytest.raises(GantrainError, match=message):
        split(pictures(10), **given)


def test_the_store_draws_only_from_those_to_train_on() -> None:
    parts = split(pictures(100))
    assert parts.train is not None
    store = Store(parts, torch.device("cpu"))
    drawn, _ = store.batch(torch.arange(parts.train_count), torch.Generator())
    assert_close(drawn[:, 0, 0, 0], parts.train / 127.5 - 1)


def test_the_command_line_says_what_is_held_out(gantrain: Command) -> None:
    outcome = gantrain(*TINY, "train.steps=1", "train.images=20")
    assert outcome.code == 0, outcome.err
    assert "to train on: 20; held out to judge by: 256; not used: 1521" in outcome.out
    assert gantrain("train.images=2000").err == (
        "gantrain: error: train.images: there are 1541 to train on, beside 256 held out\n"
        "  train.images=1541, or null for all of them\n"
    )
