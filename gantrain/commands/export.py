"""gantrain export: the averaged generator in eval mode, for programs that know nothing of gantrain."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from gantrain import __version__, files
from gantrain.commands.sample import Artist
from gantrain.console import quiet, typed
from gantrain.errors import GantrainError
from gantrain.pictures import latent_blocks
from gantrain.source import HEAD, source_of

Inputs = tuple[Tensor, ...]
CHECKED = 1000  # latents that the exported generator is held against ours by
TOLERANCE = 1e-4
TRACED = 3  # a batch to trace with: 0 and 1 would be taken for constants
BATCH = "batch"  # the first axis of what goes in and comes out
EXTRA = "facts.json"  # the facts, in what torch.export saves
INSTALL = "pip install 'gantrain[export]'"


def export(name: str, format: str = "onnx", out: Path | None = None, seed: int = 0) -> None:
    """Writes the generator, loads what was written, and holds its pictures against ours.

    Args:
        name: run directory, checkpoint file or `latest`.
        format: onnx, torch (torch.export's .pt2) or safetensors (weights, and beside them generator.py).
        out: the file; None: RUN/export/STEP/generator with the format's ending.
        seed: of the latents that are compared.

    Raises:
        GantrainError: no such run, a library that is missing, a network that cannot be traced, or an exported
            generator that draws other pictures.
    """
    if out is not None:
        files.refuse_folder(out, "--out")
        refuse_the_users_own(format, out)
    artist = Artist(name, "cpu")
    ending, write = WRITERS[format]
    path = out or artist.run / files.EXPORT / f"{artist.step:08d}" / f"generator{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    inputs = inputs_of(artist, CHECKED, seed)
    facts = facts_of(artist)
    exported = traced(artist.network, inputs)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as beside:
        with quiet(), following("the exporter"):
            draw = write(exported, facts, Path(beside) / path.name)
            apart = farthest(artist.network, draw, inputs)
        if not apart <= TOLERANCE:
            reason = (
                f"the exported generator draws other pictures: up to {apart:.2g} apart, "
                f"{TOLERANCE:g} is allowed"
            )
            raise GantrainError(f"--format {format}", reason, "another format, or tell us: it is a defect")
        for written in Path(
            beside
        ).iterdir():  # only now: an earlier export stays until there is a better one
            written.replace(path.parent / written.name)
    megabytes = path.stat().st_size / 1e6
    print(
        f"{files.from_here(path)}: {megabytes:.1f} MB, "
        f"on {CHECKED:,} latents at most {apart:.1g} from PyTorch's"
    )
    print("\n".join(f"  {key}: {value}" for key, value in facts.items()))


def refuse_the_users_own(format: str, out: Path) -> None:
    """safetensors writes a .py beside the weights: not over them, nor over one that somebody else wrote."""
    source, head, reason = out.with_suffix(".py"), HEAD.partition("\n")[0].encode(), ""
    if out.suffix.lower() == ".py":
        reason = f"{out} is for the weights, and the code beside them would have the same name"
    elif source.is_file() and not source.read_bytes().startswith(head):
        reason = f"{source} is there, and not an export's: the code beside the weights would replace it"
    if format == "safetensors" and reason:
        raise GantrainError("--out", reason, typed("--out", str(out.with_name("generator.safetensors"))))


def inputs_of(artist: Artist, count: int, seed: int) -> Inputs:
    """Latents, and labels in turn for a generator that takes them."""
    z = torch.cat(list(latent_blocks(artist.latent, count, seed, artist.device)))
    return (z, torch.arange(count) % artist.num_classes) if artist.num_classes else (z,)


def facts_of(artist: Artist) -> dict[str, Any]:
    """What one has to know to use it; plain values."""
    return {
        "latent": f"float32 N x {artist.latent.dim}, {type(artist.latent).__name__.lower()}",
        "latent_dim": artist.latent.dim,
        "latent_distribution": type(artist.latent).__name__.lower(),
        "num_classes": artist.num_classes,
        "class_names": list(artist.data.class_names) if artist.num_classes else [],
        "output": f"float32 N x {artist.data.channels} x {artist.data.image_size} x {artist.data.image_size}",
        "value_range": [-1.0, 1.0],
        "weights": "averaged (EMA), eval mode",
        "step": artist.step,
        "gantrain": __version__,
    }


@contextmanager
def following(who: str) -> Iterator[None]:
    """Whatever `who` makes of a network of the user's own, in a line."""
    try:
        yield
    except (GantrainError, OSError):
        raise
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        reason = f"{who} cannot follow this generator: {first}"
        raise GantrainError(
            "model.generator", reason, "see https://docs.pytorch.org/docs/stable/export.html"
        ) from error


def traced(network: nn.Module, inputs: Inputs) -> ExportedProgram:
    """As torch.export sees it, for any number of pictures at once."""
    batch = Dim(BATCH, min=1)
    shapes = tuple({0: batch} for _ in inputs)
    with following("torch.export"):
        return torch.export.export(network, tuple(x[:TRACED] for x in inputs), dynamic_shapes=shapes)


def farthest(network: nn.Module, draw: Callable[..., Tensor], inputs: Inputs) -> float:
    """Largest difference of a value, over batches of other sizes than the one that was traced."""
    with torch.no_grad():
        pairs = [
            (network(*(x[rows] for x in inputs)), draw(*(x[rows] for x in inputs)))
            for rows in (slice(0, 1), slice(1, 65), slice(65, len(inputs[0])))
        ]
    return max(float((ours - theirs).abs().max()) for ours, theirs in pairs)


# ---- The formats -------------------------------------------------------------------------------------------


def write_onnx(exported: ExportedProgram, facts: dict[str, Any], path: Path) -> Callable[..., Tensor]:
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - torch.onnx needs it
    except ImportError as error:
        raise GantrainError("--format onnx", f"needs {error.name}", INSTALL) from error
    names = ["z", "labels"][: len(exported.example_inputs[0])]
    axes = tuple({0: BATCH} for _ in names)  # by what name they are shown: that they vary, it has seen
    program = torch.onnx.export(
        exported,
        dynamo=True,
        input_names=names,
        output_names=["images"],
        dynamic_shapes=axes,
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    onnx.helper.set_model_props(model, {key: _text(value) for key, value in facts.items()})
    onnx.save(model, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def draw(*inputs: Tensor) -> Tensor:
        fed = {name: x.numpy() for name, x in zip(names, inputs, strict=True)}
        return torch.from_numpy(session.run(None, fed)[0])

    return draw


def write_torch(exported: ExportedProgram, facts: dict[str, Any], path: Path) -> Callable[..., Tensor]:
    torch.export.save(exported, path, extra_files={EXTRA: json.dumps(facts)})
    module: Callable[..., Tensor] = torch.export.load(path).module()
    return module


def write_safetensors(exported: ExportedProgram, facts: dict[str, Any], path: Path) -> Callable[..., Tensor]:
    """Weights are all that the format holds; what to do with them stands in a Python file beside it."""
    try:
        from safetensors.torch import load_file, save_file
    except ImportError as error:
        raise GantrainError("--format safetensors", f"needs {error.name}", INSTALL) from error
    source, weights = source_of(exported, facts, path.name)
    save_file(weights, path, {key: _text(value) for key, value in facts.items()})
    files.write_atomically(path.with_suffix(".py"), source)
    path.chmod(path.with_suffix(".py").stat().st_mode)  # safetensors lets only the owner read
    written: dict[str, Any] = {}
    exec(compile(source, str(path.with_suffix(".py")), "exec"), written)  # what was just written here
    loaded = load_file(path)
    return lambda *inputs: written["generator"](loaded, *inputs)


WRITERS: dict[str, tuple[str, Callable[[ExportedProgram, dict[str, Any], Path], Callable[..., Tensor]]]] = {
    "onnx": (".onnx", write_onnx),
    "torch": (".pt2", write_torch),
    "safetensors": (".safetensors", write_safetensors),
}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
