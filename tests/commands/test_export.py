"""gantrain export: what was written draws the same pictures without gantrain."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small import TINY, Command
from torch.testing import assert_close

from gantrain import files
from gantrain.commands.sample import Artist
from gantrain.pictures import latent_blocks

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "export"
MODELS = (
    *("model=dcgan", "model=mlp ~model.width", "model=sngan loss=hinge", "model=dcgan condition=class"),
    *("model=dcgan upsample=transpose padding=reflect", "model=dcgan upsample=bilinear padding=reflect_stem"),
)


@pytest.fixture
def run(gantrain: Command) -> Path:
    assert gantrain("train.steps=2", "hydra.run.dir=run", *TINY).code == 0
    return Path("run")


def latents(run: Path, count: int) -> torch.Tensor:
    artist = Artist(str(run), "cpu")
    return torch.cat(list(latent_blocks(artist.latent, count, 3, artist.device)))


def ours(run: Path, *inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return Artist(str(run), "cpu").network(*inputs)


@pytest.mark.parametrize("overrides", MODELS)
@pytest.mark.parametrize("format", ["onnx", "torch", "safetensors"])
def test_every_network_is_exported(gantrain: Command, overrides: str, format: str) -> None:
    """The command itself holds 1,000 latents against PyTorch's, in batches of three sizes."""
    if format == "onnx":
        pytest.importorskip("onnxscript")
    tiny = [key for key in TINY if not (key.startswith("model.width") and "~model.width" in overrides)]
    words = [word for word in overrides.split() if not word.startswith("~")]
    assert gantrain("train.steps=2", "hydra.run.dir=run", *tiny, *words).code == 0
    told = gantrain("export", "run", "--format", format)
    assert told.code == 0, told.err
    assert "on 1,000 latents at most " in told.out
    assert "value_range: [-1.0, 1.0]" in told.out


def test_onnx_tells_what_it_takes(gantrain: Command, run: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    assert gantrain("export", "run", "--out", "g.onnx").code == 0
    session = onnxruntime.InferenceSession("g.onnx")
    facts = session.get_modelmeta().custom_metadata_map
    assert (facts["latent_dim"], facts["latent_distribution"]) == ("100", "normal")
    assert json.loads(facts["value_range"]) == [-1, 1]
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("z", ["batch", 100])]
    assert [i.shape[0] for i in session.get_outputs()] == ["batch"]
    z = latents(run, 7)
    assert_close(
        torch.from_numpy(session.run(["images"], {"z": z.numpy()})[0]), ours(run, z), rtol=0, atol=1e-4
    )


def test_the_weights_are_all_there(gantrain: Command, run: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    assert gantrain("export", "run", "--format", "safetensors", "--out", "g.safetensors").code == 0
    with safetensors.safe_open("g.safetensors", "pt") as file:
        assert file.metadata()["step"] == "2"
        names = set(file.keys())
    known = dict(Artist("run", "cpu").network.named_parameters())
    assert set(known) <= names


@pytest.mark.parametrize(
    ("format", "ending"), [("onnx", "onnx"), ("torch", "pt2"), ("safetensors", "safetensors")]
)
def test_the_examples_run_without_gantrain(gantrain: Command, run: Path, format: str, ending: str) -> None:
    """In a process that cannot import it, from the folder of the export."""
    if format == "onnx":
        pytest.importorskip("onnxscript")
    assert gantrain("export", "run", "--format", format, "--out", f"out/generator.{ending}").code == 0
    script = (EXAMPLES / f"use_{format}.py").read_text(encoding="utf-8")
    assert "gantrain" not in script
    blocked = "import sys; sys.modules['gantrain'] = None\n"
    Path("out/use.py").write_text(blocked + script)
    done = subprocess.run([sys.executable, "use.py"], cwd="out", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    images = np.load("out/images.npy")
    assert images.shape == (16, 1, 32, 32)
    assert images.dtype == np.uint8
    assert images.std() > 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("nowhere",), "nowhere: no such run directory or checkpoint"),
        (("run", "--format", "tflite"), "--format has no choice 'tflite'"),
        (("run", "--out", "run"), "--out: run is a folder"),
        (("run", "--best"), "--best: "),
    ],
)
def test_what_cannot_be_exported(
    gantrain: Command, run: Path, arguments: tuple[str, ...], reason: str
) -> None:
    told = gantrain("export", *arguments)
    assert told.code == 2
    assert reason in told.err


def test_the_best_of_a_run_that_has_saved_nothing(gantrain: Command, run: Path) -> None:
    """Leaving --best out would not help."""
    for path in (run / files.CHECKPOINTS).iterdir():
        path.unlink()
    told = gantrain("export", "run", "--best")
    assert told.code == 2
    assert "has no checkpoint" in told.err


@pytest.mark.parametrize("out", ["mine.safetensors", "mine.py"])
def test_a_module_of_the_users_own_is_not_replaced(gantrain: Command, run: Path, out: str) -> None:
    Path("mine.py").write_text("TEN_YEARS = 'of work'\n")
    told = gantrain("export", "run", "--format", "safetensors", "--out", out)
    assert told.code == 2
    assert "--out: mine.py is " in told.err
    assert Path("mine.py").read_text() == "TEN_YEARS = 'of work'\n"


def test_weights_are_not_written_where_their_code_goes(gantrain: Command, run: Path) -> None:
    told = gantrain("export", "run", "--format", "safetensors", "--out", "new.py")
    assert told.code == 2
    assert "--out: new.py is for the weights" in told.err
    assert "--out generator.safetensors" in told.err
    assert not Path("new.py").exists()


@pytest.mark.parametrize("name", ["mine.safetensors", 'my """weights".safetensors'])
def test_the_code_names_the_file_its_weights_are_in(gantrain: Command, run: Path, name: str) -> None:
    """What its head says, run as it stands."""
    pytest.importorskip("safetensors")
    assert gantrain("export", "run", "--format", "safetensors", "--out", name).code == 0
    code = Path(name).with_suffix(".py").read_text()
    written: dict[str, object] = {}
    exec(code, written)
    exec("\n".join(line.strip() for line in code.splitlines()[2:4]), written)
    assert written["images"].shape == (16, 1, 32, 32)  # type: ignore[attr-defined]


def test_what_was_exported_before_stays_until_there_is_better(
    gantrain: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path.cwd())
    assert gantrain("export", "run", "--format", "safetensors", "--out", "kept.safetensors").code == 0
    before = Path("kept.safetensors").read_bytes(), Path("kept.py").read_bytes()
    monkeypatch.setattr("gantrain.commands.export.TOLERANCE", -1.0)
    told = gantrain("export", "run", "--format", "safetensors", "--out", "kept.safetensors", "--seed", "1")
    assert told.code == 2
    assert "the exported generator draws other pictures" in told.err
    assert (Path("kept.safetensors").read_bytes(), Path("kept.py").read_bytes()) == before
    assert not list(Path().glob(".export-*"))


def test_a_library_that_is_missing_is_named(
    gantrain: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    told = gantrain("export", "run")
    assert told.code == 2
    assert "pip install 'gantrain[export]'" in told.err
    assert not list((Path("run") / files.EXPORT).rglob("*.onnx"))
