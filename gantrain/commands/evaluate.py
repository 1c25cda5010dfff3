"""gantrain evaluate: how good the pictures of a run are, each number beside what real pictures give."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from json import dumps
from pathlib import Path
from typing import Protocol

import torch
from torch import Generator, Tensor

from gantrain import build, files, runtime
from gantrain.build import DataFacts
from gantrain.commands.sample import Artist, progress
from gantrain.console import aside
from gantrain.data import sources
from gantrain.data.store import ImageSet
from gantrain.errors import GantrainError
from gantrain.metrics.evaluation import ClassShare, Measurement, classes_of, features_of, measure
from gantrain.metrics.inception import PUBLISHED, evaluate_inception
from gantrain.metrics.kinds import better, is_distance, meaning
from gantrain.metrics.reference import Reference
from gantrain.pages.records import SHOWN_METRICS
from gantrain.saved import move_pictures, pictures_of, refuse_other_data, saved_config

BLOCK = 256
USUAL = 10_000  # pictures, unless one says how many
FEW = 200  # pictures: with fewer a perfect score is easily had
ENOUGH = 500  # real ones on either side, for their distance to tell how near a score of twice as many is
NO_STEP = 0  # of pictures that no step of the run has drawn: a resume then keeps their row
MIRRORED = (
    "  the real pictures are not mirrored, as data.flip=true makes half of these:",
    "  distances come out larger, and mirrored samples may be taken for another class",
)


def evaluate(
    name: str,
    settings: Sequence[str] = (),
    count: int = USUAL,
    split: str = "held_out",
    images: Path | None = None,
    seed: int = 0,
    device: str = "auto",
    inception_weights: Path | None = None,
    json: bool = False,
) -> None:
    """Measures, prints, and appends to RUN/evaluations.jsonl.

    Args:
        name: run directory, checkpoint file or `latest`.
        settings: data.root=DIR, if the run's pictures were moved.
        count: pictures, at most as many as there are real ones to compare with.
        split: the real ones: held_out, train or all.
        images: a folder of pictures to judge instead of the run's own.
        seed: of the latents, and of the choice among the folder's pictures.
        inception_weights: adds the published FID; without it metrics.inception_weights of the run is used.
        json: print JSON instead of tables.

    Raises:
        GantrainError: no such run, checkpoint, data or folder, or no weights where they are said to be.
    """
    run, chosen = files.find_run(name, saved=True)
    cfg, facts = saved_config(run)
    for setting in settings:
        move_pictures(cfg, setting)
    runtime.check_device(device)
    with pictures_of(name, "evaluate"):
        real = build.load_data(cfg)
    reference = _reference(run, real, split, runtime.choose_device(device))
    drawn_from = str(chosen or run)
    fakes: Fakes = Folder(images, facts, seed) if images else Drawn(drawn_from, device, seed, reference)
    count = min(asked_for := count, reference.count, fakes.count or count)
    if count == reference.count and USUAL > asked_for > count:
        aside(f"{count:,} are drawn, as many as there are real ones to compare with")
    if count < FEW:
        aside(f"warning: {count} pictures tell little: what the numbers are depends on how few there are")
    features = features_of(_with_progress(fakes.blocks(count), count), reference)
    found = measure(features, reference, fakes.by_the_run, fakes.by_the_run)
    if weights := inception_weights or cfg.metrics.inception_weights:
        pictures = torch.cat(list(fakes.blocks(count)))
        found |= evaluate_inception(pictures, reference, weights, fakes.by_the_run, fakes.by_the_run)
    classes = classes_of(features, reference, facts.class_names)
    row = {
        "step": fakes.step,
        "seed": seed,
        "images": str(images) if images else None,
        "metrics": {name: measured.plain() for name, measured in found.items()},
        "classes": [share._asdict() | {"dropped": share.dropped} for share in classes],
    }
    mirrored = bool(cfg.data.get("flip")) and images is None
    asked = cfg.condition.kind == "class" and images is None
    short = in_short(found, [] if mirrored else classes, cfg.metrics.best, count, asked, split)
    lines = [*report(found, classes), "", *short, *(MIRRORED if mirrored else ())]
    print(dumps({"run": str(run)} | row, indent=2) if json else "\n".join(lines))
    files.append_row(run / files.EVALUATIONS, row)


class Fakes(Protocol):
    """The pictures to judge."""

    step: int
    count: int | None
    """None: as many as one likes."""
    by_the_run: bool | None
    """True: by its averaged generator in eval mode; None: nobody knows."""

    def blocks(self, count: int) -> Iterator[Tensor]:
        """`count` uint8 pictures, some at a time, the same whenever one asks."""


class Drawn:
    """By the averaged generator of a run, in eval mode; of each class as many as in the reference."""

    count: int | None = None
    by_the_run: bool | None = True

    def __init__(self, name: str, device: str, seed: int, reference: Reference) -> None:
        self.artist, self.seed, self.reference = Artist(name, device), seed, reference
        self.step = self.artist.step

    def blocks(self, count: int) -> Iterator[Tensor]:
        for images, _ in self.artist.draw(count, self.seed, labels=self.reference.labels_like(count)):
            yield images


class Folder:
    """Found in a folder, in the size and the channels of the run's data, in random order."""

    step = NO_STEP
    by_the_run: bool | None = None

    def __init__(self, place: Path, facts: DataFacts, seed: int) -> None:
        try:
            found = sources.unlabelled(str(place), facts.image_size, "grey" if facts.channels == 1 else "rgb")
        except GantrainError as error:
            remedy = re.sub(
                r"(['\"]?)data\.root=", r"--images \1", error.remedy
            )  # with its quote, if it has one
            raise GantrainError("--images", error.reason, remedy) from error
        if skipped := found.describe_skipped():
            aside("\n".join(skipped))
        self.images = found.images
        self.count: int | None = found.count
        self.order = torch.randperm(found.count, generator=Generator().manual_seed(seed))

    def blocks(self, count: int) -> Iterator[Tensor]:
        for rows in torch.split(self.order[:count], BLOCK):
            yield self.images[rows]


def _reference(run: Path, images: ImageSet, split: str, device: torch.device) -> Reference:
    refuse_other_data(DataFacts.of(images), run)
    everything = torch.arange(images.count)
    train = everything if images.train is None else images.train
    members = {"held_out": images.held_out, "train": train, "all": everything}[split]
    if members is None or not len(members):
        raise GantrainError("--split", "this run has held no pictures out", "--split all")
    return Reference(images.images, images.labels, members, split, device=device)


def _with_progress(blocks: Iterator[Tensor], count: int) -> Iterator[Tensor]:
    with progress(count) as bar:
        for block in blocks:
            yield block
            bar.update(len(block))


def report(found: Mapping[str, Measurement], classes: Sequence[ClassShare]) -> list[str]:
    """Lines for a person: the numbers with their nulls, what they were measured with, the classes."""
    return [*_table(found), "", *_stamps(found), *_histogram(classes)]


def in_short(
    found: Mapping[str, Measurement],
    classes: Sequence[ClassShare],
    best: str,
    count: int,
    asked: bool = False,
    split: str = "held_out",
) -> Iterator[str]:
    """What most people want to know: the metric by which the run's checkpoints are kept, first.

    asked: every class was asked for, as often as it is real. split: the real pictures that were taken.
    """
    shown = {name: found[name] for name in dict.fromkeys((best, *SHOWN_METRICS)) if name in found}
    halves = {measured.null_n[1] for measured in shown.values() if measured.null_n}
    least, each = min(halves, default=None), len(halves) > 1
    too_few = least is not None and least < min(count, ENOUGH)
    others = "" if split == "all" else ": --split all has more"
    fewer = "; of fewer pictures distances come out much larger" if least and least < count else ""
    fewer = f"; of distances nothing, which are too large of so few{others}" if too_few else fewer
    what = "real ones give, and how many" if each else f"{least:,} real ones give" if least else ""
    yield f"In short, of {count:,} pictures{f' (in brackets what {what}{fewer})' if least else ''}:"
    for name, measured in shown.items():
        of = f" of {measured.null_n[1]:,}" if each and measured.null_n else ""
        null = None if too_few and is_distance(name) else measured.null_mean
        real = "" if null is None else f" ({_number(null)}{of})"
        yield f"  {name} {_number(measured.value)}{real}: {meaning(name)}, {better(name)} is better"
    if dropped := [share.name for share in classes if share.dropped]:
        what = (
            "classes whose samples are taken for another" if asked else "classes that are missing, or nearly"
        )
        yield f"  {what}: {', '.join(dropped)}"


def _table(found: Mapping[str, Measurement]) -> Iterator[str]:
    few = all(measured.null_mean is None for measured in found.values())
    yield f"{'metric':<20} {'value':>10}   real against real{' (there are too few)' if few else ''}"
    for name, measured in found.items():
        null = "not measured"
        if measured.null_mean is not None and measured.null_sd is not None and measured.null_n is not None:
            real, other = measured.null_n
            null = f"{_number(measured.null_mean)} ± {_number(measured.null_sd)} ({other:,} against {real:,})"
        yield f"{name:<20} {_number(measured.value):>10}   {null}"


def _number(value: float) -> str:
    """Four digits after the point, or four digits where that would be nearly nothing; never -0."""
    rounded = round(value, 4) + 0.0
    return f"{rounded:.4f}" if abs(rounded) >= 0.001 or value == 0 else f"{value:.1e}"


def _stamps(found: Mapping[str, Measurement]) -> Iterator[str]:
    """Each stamp once, with the metrics that bear it."""
    bearers: dict[str, list[str]] = {}
    for name, measured in found.items():
        bearers.setdefault(str(measured.stamp), []).append(name)
        if measured.stamp.space == "inception" and not measured.stamp.extractor.startswith(PUBLISHED):
            yield f"{name}: not with the weights behind published numbers (sha256 {PUBLISHED}...)"
    yield "measured in:"
    for words, names in bearers.items():
        yield f"  {words}"
        yield f"    {', '.join(names)}"


def _histogram(classes: Sequence[ClassShare]) -> Iterator[str]:
    if not classes:
        return
    yield ""
    width = max(len("class"), *(len(share.name) for share in classes))
    yield f"{'class':<{width}}   real  drawn   as a classifier of the real pictures sees them"
    for share in classes:
        mark = "   dropped" if share.dropped else ""
        yield f"{share.name:<{width}} {share.real:>6.1%} {share.fake:>6.1%}{mark}"
