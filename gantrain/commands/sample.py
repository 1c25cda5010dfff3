"""gantrain sample: pictures from a trained run."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from gantrain import build, checkpoint, files, pictures, runtime
from gantrain.console import typed
from gantrain.data.store import SHOWN_CLASSES
from gantrain.errors import GantrainError
from gantrain.networks.latent import Latent
from gantrain.pages.records import anew
from gantrain.saved import saved_config

MOST_IN_A_GRID = 4096
PICTURES, WALK_ROWS = 64, 8  # unless one says how many
BAR_FROM = 2000  # pictures from which a progress bar is worth its line


class Artist:
    """The averaged generator of a run, with its latent and classes."""

    def __init__(self, name: str, device: str) -> None:
        self.run, chosen = files.find_run(name, saved=True)
        path = chosen or checkpoint.newest(self.run)
        if path is None:
            raise GantrainError(str(self.run), "has no checkpoint to draw from", anew(self.run))
        cfg, self.data = saved_config(self.run)
        runtime.check_device(device)
        self.device = runtime.choose_device(device)
        self.latent: Latent = build.make_latent(cfg)
        self.num_classes = self.data.num_classes if cfg.condition.kind == "class" else 0
        network = build.make_network(cfg, "generator", self.data, self.device)
        self.network: nn.Module = network.eval().requires_grad_(False)
        content = checkpoint.load(path)
        self.step = int(content["state"]["step"])
        checkpoint.load_generator(self.network, content, path)

    def label(self, name: str) -> int:
        """The number of a class given by number or name."""
        if not self.num_classes:
            raise GantrainError(
                "--class", "this run was trained without classes", "train with condition=class"
            )
        names = self.class_names
        if name in names:
            return names.index(name)
        if name.isdecimal() and int(name) < self.num_classes:
            return int(name)
        raise GantrainError("--class", f"no such class: '{name}'", f"classes: {', '.join(names)}")

    @property
    def class_names(self) -> list[str]:
        return list(self.data.class_names) or [str(k) for k in range(self.num_classes)]

    def draw(
        self, count: int, seed: int, label: int | None = None, labels: Tensor | None = None
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """uint8 pictures and their labels in blocks: by `labels`, int64 count; else all of one class, or, if
        none is named, with the classes in turn.
        """
        done = 0
        for z in pictures.latent_blocks(self.latent, count, seed, self.device):
            some = None
            if self.num_classes:
                turns = torch.arange(done, done + len(z), device=self.device) % self.num_classes
                some = turns if label is None else torch.full_like(turns, label)
                some = some if labels is None else labels[done : done + len(z)].to(self.device)
            yield pictures.draw(self.network, z, some), some
            done += len(z)


def sample(
    name: str,
    count: int | None = None,
    seed: int = 0,
    format: str = "grid",
    walk: int | None = None,
    label: str | None = None,
    out: Path | None = None,
    device: str = "auto",
) -> None:
    """Draws and saves; same seed, same pictures on the same machine.

    Args:
        name: run directory, checkpoint file or `latest`.
        count: pictures, or rows of a walk; None: 64, or 8 rows.
        format: grid, png or npz.
        walk: frames of an interpolation.
        label: one class, by number or name.
        out: directory for the pictures.

    Raises:
        GantrainError: no such run, class or checkpoint, or a walk in another format than a grid.
    """
    if walk is not None and format != "grid":
        raise GantrainError("--walk", f"is one grid, not {format}", "leave --format out")
    if out is not None and out.suffix.lower() in (".png", ".jpg", ".jpeg", ".npz") and not out.is_dir():
        reason = f"{out} looks like a file, and a folder for what is drawn is needed"
        raise GantrainError("--out", reason, typed("--out", str(out.with_suffix(""))))
    artist = Artist(name, device)
    folder = out or artist.run / files.SAMPLES / "drawn"
    number = None if label is None else artist.label(label)
    suffix = f"{artist.step:08d}-seed{seed}" + (f"-class{number}" if number is not None else "")
    usual = PICTURES if walk is None else WALK_ROWS
    if (count := count or usual) != usual:
        suffix += f"-n{count}"  # beside those of another number, not over them
    if walk is not None:
        done = save_walk(artist, count, walk, seed, number, folder / f"walk-{suffix}-frames{walk}.png")
    else:
        done = WRITERS[format](artist, count, seed, number, folder, suffix)
    print(done)


def save_walk(artist: Artist, rows: int, frames: int, seed: int, label: int | None, path: Path) -> str:
    if rows * frames > MOST_IN_A_GRID:
        reason = f"a grid holds at most {MOST_IN_A_GRID} pictures, and this makes {rows * frames}"
        remedy = f"--walk {MOST_IN_A_GRID // rows} or less" if rows <= MOST_IN_A_GRID else "fewer rows: -n 8"
        raise GantrainError("--walk", reason, remedy)
    z = pictures.walk(artist.latent, rows, frames, seed, artist.device)
    labels = None
    if artist.num_classes:
        per_row = torch.arange(rows, device=artist.device) % artist.num_classes
        labels = (per_row if label is None else torch.full_like(per_row, label)).repeat_interleave(frames)
    pictures.save(pictures.grid(pictures.draw(artist.network, z, labels), frames), path)
    return f"{rows} walks of {frames} frames: {files.from_here(path)}"


def save_grid(artist: Artist, count: int, seed: int, label: int | None, folder: Path, suffix: str) -> str:
    if count > MOST_IN_A_GRID:
        raise GantrainError(
            "-n", f"a grid holds at most {MOST_IN_A_GRID} pictures, got {count}", "--format png or npz"
        )
    path, classes = folder / f"grid-{suffix}.png", artist.num_classes if label is None else 0
    if classes:
        z, labels, columns = pictures.fixed_latents(artist.latent, count, classes, seed, artist.device)
        images = pictures.draw(artist.network, z, labels)
    else:
        images = torch.cat([block for block, _ in artist.draw(count, seed, label)])
        columns = pictures.columns_for(count)
    pictures.save(pictures.grid(images, columns), path)
    told = [f"{len(images)} pictures: {files.from_here(path)}"]
    if classes:
        named = [*artist.class_names[:SHOWN_CLASSES], *(["..."] if classes > SHOWN_CLASSES else [])]
        told.append(f"  from the top, {len(images) // classes} of each class: {', '.join(named)}")
    return "\n".join(told)


def save_files(artist: Artist, count: int, seed: int, label: int | None, folder: Path, suffix: str) -> str:
    """A file a picture; in the name the number of its class, if it has one."""
    folder = folder / suffix
    with progress(count) as bar:
        done = 0
        for images, labels in artist.draw(count, seed, label):
            kinds = [""] * len(images) if labels is None else [f"-class{kind}" for kind in labels.tolist()]
            for image, kind in zip(images, kinds, strict=True):
                pictures.save(image, folder / f"{done:06d}{kind}.png")
                done += 1
            bar.update(len(images))
    return f"{count} pictures: {files.from_here(folder)}"


def save_array(artist: Artist, count: int, seed: int, label: int | None, folder: Path, suffix: str) -> str:
    """`images` uint8 N x H x W x C and, with classes, `labels` int64 N; written block by block."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"samples-{suffix}.npz"
    size, channels = artist.data.image_size, artist.data.channels
    all_labels = []
    with (
        files.written_whole(path) as whole,
        zipfile.ZipFile(whole, "w") as archive,
        progress(count) as bar,
    ):
        with archive.open("images.npy", "w", force_zip64=True) as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, channels)}
            np.lib.format.write_array_header_1_0(file, header)
            for images, labels in artist.draw(count, seed, label):
                file.write(images.permute(0, 2, 3, 1).contiguous().cpu().numpy().tobytes())
                all_labels += [] if labels is None else labels.tolist()
                bar.update(len(images))
        if all_labels:
            with archive.open("labels.npy", "w") as file:
                np.lib.format.write_array(file, np.asarray(all_labels, dtype=np.int64))
    return f"{count} pictures, uint8 N x H x W x C: {files.from_here(path)}"


WRITERS = {"grid": save_grid, "png": save_files, "npz": save_array}


def progress(count: int) -> tqdm:
    return tqdm(total=count, unit="picture", disable=True if count < BAR_FROM else None)
