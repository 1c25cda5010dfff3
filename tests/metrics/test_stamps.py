from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

from gantrain.metrics.stamps import Stamp, differing

STAMP = Stamp(
    space="rand", extractor="0123456789ab", n_real=6000, n_fake=1000, split="held_out",
    ema=True, eval_mode=True, resize="none",
)  # fmt: skip
OTHER = {
    "space": "pca64", "extractor": "ba9876543210", "n_real": 5999, "n_fake": 1001, "split": "train",
    "ema": False, "eval_mode": False, "resize": "averaged to 32 px",
}  # fmt: skip


def test_equal_stamps_are_comparable() -> None:
    assert differing(STAMP, replace(STAMP)) == []


def test_every_field_counts() -> None:
    assert OTHER.keys() == {field.name for field in fields(Stamp)}
    for name, value in OTHER.items():
        assert differing(STAMP, replace(STAMP, **{name: value})) == [name]
    assert differing(STAMP, Stamp(**OTHER)) == list(OTHER)


def test_stamps_survive_json() -> None:
    assert Stamp(**json.loads(json.dumps(asdict(STAMP)))) == STAMP
    elsewhere = replace(STAMP, ema=None, eval_mode=None)
    assert Stamp(**json.loads(json.dumps(asdict(elsewhere)))) == elsewhere


def test_stamps_in_words() -> None:
    assert str(STAMP) == (
        "rand 0123456789ab: 1,000 pictures by the averaged generator in eval mode "
        "against 6,000 real ones (held_out); resize: none"
    )
    assert "by the live generator in train mode" in str(replace(STAMP, ema=False, eval_mode=False))
    assert "1,000 pictures from elsewhere against" in str(replace(STAMP, ema=None, eval_mode=None))
