from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from small import TINY, Command

from gantrain import files, pictures
from gantrain.commands.evaluate import in_short
from gantrain.data import sources
from gantrain.metrics import features
from gantrain.metrics.evaluation import ClassShare, Measurement
from gantrain.metrics.stamps import Stamp, differing

KINDS = ("fd", "kd", "precision", "recall", "density", "coverage", "vendi", "swd")


@pytest.fixture(autouse=True)
def _briefly_trained_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "TRAINED_STEPS", 50)


def train(gantrain: Command, *more: str) -> Path:
    settings = ("data.image_size=16", "train.steps=2", "model.init=xavier", "hydra.run.dir=run")
    assert gantrain(*TINY, *settings, *more).code == 0
    return Path("run").resolve()


def evaluated(gantrain: Command, *options: str) -> dict[str, Any]:
    outcome = gantrain("evaluate", "run", "--json", *options)
    assert outcome.code == 0, outcome.err
    found: dict[str, Any] = json.loads(outcome.out)
    return found


def values(found: dict[str, Any]) -> dict[str, float]:
    return {name: measured["value"] for name, measured in found["metrics"].items()}


def write_digits(folder: Path, count: int, classes: int = 10) -> None:
    """Real ones, of the first classes."""
    found = sources.digits(16)
    assert found.labels is not None
    order = torch.randperm(found.count, generator=torch.Generator().manual_seed(0))
    for row in order[found.labels[order] < classes][:count].tolist():
        pictures.save(found.images[row], folder / f"{row:04d}.png")


def test_the_table(gantrain: Command) -> None:
    run = train(gantrain)
    outcome = gantrain("evaluate", "run", "-n", "100")
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["metric", "value", "real", "against", "real"]
    rows = {line.split()[0]: line for line in lines[1:25]}
    assert rows.keys() == {f"{kind}_{space}" for kind in KINDS for space in ("pca64", "rand", "cls")}
    (row,) = files.read_rows(run / files.EVALUATIONS)
    for name, measured in row["metrics"].items():
        assert float(rows[name].split()[1]) == pytest.approx(measured["value"], rel=0.05, abs=1e-3)
    assert rows["fd_rand"].endswith("(100 against 156)")
    words = "100 pictures by the averaged generator in eval mode against 256 real ones (held_out)"
    assert sum(words in line for line in lines) == 3
    assert "class" in outcome.out
    end = lines.index("In short, of 100 pictures (in brackets what 100 real ones give):")
    assert [line.split()[0] for line in lines[end - 11 : end - 1]] == list("0123456789")
    value, real = (rows["fd_rand"].split()[number] for number in (1, 2))
    told = "Frechet distance to the real pictures, lower is better"
    assert lines[end + 1] == f"  fd_rand {value} ({real}): {told}"
    assert [line.split()[0] for line in lines[end + 2 :]] == ["fd_pca64", "coverage_rand", "vendi_rand"]
    all_of_them = gantrain("evaluate", "run", "-n", "256").out
    halves = (
        "what 128 real ones give; of distances nothing, which are too large of so few: --split all has more"
    )
    assert f"In short, of 256 pictures (in brackets {halves}):" in all_of_them
    assert re.search(r"\n  fd_rand \S+: Frechet", all_of_them)
    assert re.search(r"\n  coverage_rand \S+ \(\S+\): share", all_of_them)
    more = gantrain("evaluate", "run", "-n", "1000")
    assert "256 are drawn, as many as there are real ones to compare with" in more.err


def test_more_real_ones_are_not_proposed_where_all_were_taken() -> None:
    stamp = Stamp("rand", "", 256, 256, "all", True, True, "none")
    found = {"fd_rand": Measurement(0.1, 0.09, 0.02, (128, 128), stamp)}
    head, distance = in_short(found, (), "fd_rand", 256, split="all")
    assert head.endswith("which are too large of so few):")
    assert distance.startswith("  fd_rand 0.1000: ")


def test_brackets_say_of_how_many_where_they_differ() -> None:
    """Variety is compared of 512 at most, distances of halves of what there is."""
    stamp = Stamp("rand", "", 1300, 1000, "all", True, True, "none")
    found = {
        "fd_rand": Measurement(0.5, 0.01, 0.001, (650, 650), stamp),
        "vendi_rand": Measurement(0.7, 0.95, 0.01, (512, 512), stamp),
    }
    head, distance, variety = in_short(found, (), "fd_rand", 1000)
    assert "(in brackets what real ones give, and how many; of fewer pictures" in head
    assert "fd_rand 0.5000 (0.0100 of 650): " in distance
    assert "vendi_rand 0.7000 (0.9500 of 512): " in variety


def test_mirrored_samples_are_not_said_to_lack_classes(gantrain: Command) -> None:
    """The classifier has seen no mirrored picture; given pictures are held against what they are alike."""
    train(gantrain, "data.flip=true")
    write_digits(Path("half"), 300, classes=5)
    own = gantrain("evaluate", "run", "-n", "100").out
    assert "the real pictures are not mirrored, as data.flip=true makes half of these" in own
    assert "classes that are missing" not in own
    given = gantrain("evaluate", "run", "--images", "half", "--split", "train").out
    assert "classes that are missing" in given
    assert "not mirrored" not in given


def test_a_class_that_was_asked_for_is_not_called_missing() -> None:
    """Its samples are there; the classifier takes them for another."""
    share = ClassShare("shoes", real=0.5, fake=0.0, counted=500)
    assert share.dropped
    *_, own = in_short({}, [share], "fd_rand", 1000, asked=True)
    *_, other = in_short({}, [share], "fd_rand", 1000)
    assert own.strip() == "classes whose samples are taken for another: shoes"
    assert other.strip() == "classes that are missing, or nearly: shoes"


def test_classes_that_are_missing_are_marked(gantrain: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "TRAINED_STEPS", 200)
    train(gantrain)
    write_digits(Path("half"), 300, classes=5)
    options = ("--images", "half", "--split", "train")
    lines = gantrain("evaluate", "run", *options).out.splitlines()
    dropped = [line.endswith("dropped") for line in lines if line[:1].isdigit()]
    assert dropped == 5 * [False] + 5 * [True]
    assert lines[-1] == "  classes that are missing, or nearly: 5, 6, 7, 8, 9"
    shares = evaluated(gantrain, *options)["classes"]
    assert [share["dropped"] for share in shares] == 5 * [False] + 5 * [True]
    assert sum(share["fake"] for share in shares) == pytest.approx(1, abs=1e-4)


def test_what_is_printed_is_appended(gantrain: Command) -> None:
    run = train(gantrain)
    first, second = evaluated(gantrain, "-n", "60"), evaluated(gantrain, "-n", "60", "--seed", "1")
    rows = files.read_rows(run / files.EVALUATIONS)
    assert [{"run": str(run)} | row for row in rows] == [first, second]
    assert (first["step"], first["seed"], first["images"]) == (2, 0, None)
    stamps = [Stamp(**found["metrics"]["fd_rand"]["stamp"]) for found in (first, second)]
    assert not differing(*stamps)
    assert stamps[0].n_fake == 60
    assert (stamps[0].ema, stamps[0].eval_mode) == (True, True)


def test_same_seed_same_numbers(gantrain: Command) -> None:
    train(gantrain)
    first, again, other = (
        values(evaluated(gantrain, "-n", "70", "--seed", seed)) for seed in ("0", "0", "5")
    )
    assert first == again
    assert first["fd_rand"] != other["fd_rand"]


def test_as_many_as_there_are_real_ones(gantrain: Command) -> None:
    train(gantrain, "train.images=300")
    for split, count in (("held_out", 256), ("train", 300)):
        stamp = evaluated(gantrain, "--split", split)["metrics"]["fd_pca64"]["stamp"]
        assert (stamp["split"], stamp["n_real"], stamp["n_fake"]) == (split, count, count)


def test_pictures_in_a_folder(gantrain: Command) -> None:
    """Its own pictures, saved and read again, measure the same."""
    run = train(gantrain)
    assert gantrain("sample", "run", "-n", "60", "--format", "png", "--out", "drawn").code == 0
    own, read = evaluated(gantrain, "-n", "60"), evaluated(gantrain, "--images", "drawn")
    assert read["images"] == "drawn"
    told = gantrain("evaluate", "run", "--images", "drawn").err
    assert "warning: 60 pictures tell little" in told
    Path("drawn", "broken.png").write_bytes(b"no picture")
    told = gantrain("evaluate", "run", "--images", "drawn").err
    assert "skipped: 1 that could not be used\n  broken.png: " in told
    Path("drawn", "broken.png").unlink()
    for name in ("fd_pca64", "fd_rand", "fd_cls", "swd_rand"):
        assert read["metrics"][name]["value"] == pytest.approx(own["metrics"][name]["value"], rel=1e-3)
    stamp = read["metrics"]["fd_rand"]["stamp"]
    assert (stamp["n_fake"], stamp["ema"], stamp["eval_mode"]) == (60, None, None)
    assert "60 pictures from elsewhere against" in gantrain("evaluate", "run", "--images", "drawn").out
    assert len(files.read_rows(run / files.EVALUATIONS)) == 5


def test_pictures_beside_folders_count_as_well(gantrain: Command) -> None:
    """As classes matter to training alone: there such pictures have none, and are skipped."""
    train(gantrain)
    write_digits(Path("drawn"), 60)
    write_digits(Path("drawn/kept"), 20)
    write_digits(Path("drawn/others"), 20)
    assert len({path.parent for path in Path("drawn").rglob("*.png")}) > 2
    there = len(list(Path("drawn").rglob("*.png")))
    outcome = gantrain("evaluate", "run", "--images", "drawn")
    assert f"{there} pictures from elsewhere against" in outcome.out
    assert "skipped" not in outcome.err


def test_real_pictures_in_a_folder_measure_as_real_ones(gantrain: Command) -> None:
    train(gantrain)
    write_digits(Path("real"), 400)
    found = evaluated(gantrain, "--images", "real", "--split", "all")["metrics"]
    for space in ("pca64", "rand", "cls"):
        assert found[f"fd_{space}"]["value"] < 2 * found[f"fd_{space}"]["null_mean"]


def test_a_run_with_pictures_needs_no_checkpoint(gantrain: Command) -> None:
    run = train(gantrain)
    write_digits(Path("real"), 60)
    shutil.rmtree(run / files.CHECKPOINTS)
    assert evaluated(gantrain, "--images", "real")["step"] == 0
    outcome = gantrain("evaluate", "run")
    assert outcome.code == 2
    assert "has no checkpoint to draw from" in outcome.err


def test_unlabelled_colour_pictures(gantrain: Command) -> None:
    generator = torch.Generator().manual_seed(0)
    for number in range(120):
        picture = torch.randint(0, 256, (3, 20, 20), dtype=torch.uint8, generator=generator)
        pictures.save(picture, Path("photos") / f"{number}.png")
    run = train(gantrain, "data=folder", "data.root=photos")
    found = evaluated(gantrain, "--split", "all")
    assert {name.partition("_")[2] for name in found["metrics"]} == {"pca64", "rand"}
    assert found["classes"] == []
    assert "class " not in gantrain("evaluate", "run", "--split", "all").out
    (Path("photos") / "0.png").unlink()
    outcome = gantrain("evaluate", "run")
    assert outcome.code == 2
    assert "holds a run with other data" in outcome.err
    assert len(files.read_rows(run / files.EVALUATIONS)) == 2


def test_of_the_settings_of_a_run_it_takes_one(gantrain: Command) -> None:
    train(gantrain)
    outcome = gantrain("evaluate", "run", "train.steps=3")
    assert outcome.code == 2
    assert "train.steps=3: is not taken here\n  data.root=DIR is" in outcome.err


def test_a_folder_that_is_not_there(gantrain: Command) -> None:
    train(gantrain)
    outcome = gantrain("evaluate", "run", "--images", "nowhere")
    assert outcome.code == 2
    assert "--images: there is no folder nowhere" in outcome.err
    assert "data.root" not in outcome.err


@pytest.mark.parametrize("how", ["--inception-weights", "metrics.inception_weights"])
def test_weights_that_are_not_there(how: str, gantrain: Command) -> None:
    run = train(gantrain, *(() if how.startswith("--") else (f"{how}=x.pth",)))
    options = (how, "x.pth") if how.startswith("--") else ()
    outcome = gantrain("evaluate", "run", "-n", "60", *options)
    assert outcome.code == 2
    assert "metrics.inception_weights: there is no file x.pth" in outcome.err
    assert not files.read_rows(run / files.EVALUATIONS)
