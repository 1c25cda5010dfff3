from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from gantrain.errors import GantrainError
from gantrain.metrics import inception
from gantrain.metrics.inception import KEY, NAMES, evaluate_inception
from gantrain.metrics.reference import Reference


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randint(0, 256, (50, 1, 16, 16), dtype=torch.uint8, generator=Generator().manual_seed(0))


@pytest.fixture(scope="module")
def judge(images: Tensor) -> Reference:
    return Reference(images, None, torch.arange(50), "held_out")


def refusal(fakes: Tensor, judge: Reference, weights: Path | str | None) -> GantrainError:
    with pytest.raises(GantrainError) as error:
        evaluate_inception(fakes, judge, weights)
    assert error.value.key == KEY
    return error.value


def test_without_weights_nothing_is_downloaded(images: Tensor, judge: Reference) -> None:
    error = refusal(images, judge, None)
    assert error.reason == "FID needs the weights of Inception-v3, and gantrain downloads none"
    assert "metrics.inception_weights=PATH of weights-inception-2015-12-05-6726825d.pth" in error.remedy


def test_weights_that_are_not_there(images: Tensor, judge: Reference, tmp_path: Path) -> None:
    assert refusal(images, judge, tmp_path / "x.pth").reason == f"there is no file {tmp_path / 'x.pth'}"
    assert refusal(images, judge, str(tmp_path)).reason == f"there is no file {tmp_path}"


class Hostile:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("unpickled",)


@pytest.mark.parametrize("content", ["text", "list", "dict of numbers", "code"])
def test_files_that_hold_something_else(
    content: str, images: Tensor, judge: Reference, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.pth"
    if content == "text":
        path.write_text("hello")
    else:
        torch.save({"list": [1], "dict of numbers": {"a": 1}, "code": {"a": Hostile()}}[content], path)
    error = refusal(images, judge, path)
    assert error.reason == f"{path} does not hold Inception-v3's weights in torch-fidelity's form"
    assert "unpickled" not in capsys.readouterr().out


def test_too_few_pictures(images: Tensor, judge: Reference, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "x.pth")
    error = refusal(images[:10], judge, tmp_path / "x.pth")
    assert error.reason == "10 pictures against 50 real ones are too few for an FID"


def test_without_the_extra(
    images: Tensor, judge: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "x.pth")
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    error = refusal(images, judge, tmp_path / "x.pth")
    assert error.reason.startswith("needs torch-fidelity")
    assert error.remedy == "pip install 'gantrain[fid]'"


def test_weights_of_another_network(images: Tensor, judge: Reference, tmp_path: Path) -> None:
    pytest.importorskip("torch_fidelity")
    torch.save({"fc.weight": torch.zeros(10, 2048)}, tmp_path / "x.pth")
    assert "does not hold Inception-v3's weights" in refusal(images, judge, tmp_path / "x.pth").reason


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the right form: the numbers mean nothing, but they are computed as with the real one."""
    pytest.importorskip("torch_fidelity")
    from torch_fidelity import feature_extractor_inceptionv3 as module

    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        patch.setattr(module, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = module.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(network.state_dict(), path)
    return path


def test_all_the_way_through_the_network(
    images: Tensor, random_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception, "FEWEST", 12)
    images = images[:12]
    judge = Reference(images, None, torch.arange(12), "held_out")
    torch.manual_seed(0)
    before = torch.get_rng_state()
    found = evaluate_inception(images, judge, random_weights)
    assert torch.equal(torch.get_rng_state(), before)
    assert found.keys() == NAMES.keys()
    assert found["fid"].value == pytest.approx(0, abs=1e-6)
    assert found["kid"].value == pytest.approx(0, abs=1e-6)
    assert found["precision_inception"].value == found["recall_inception"].value == 1
    stamp = found["fid"].stamp
    assert (stamp.space, stamp.n_real, stamp.n_fake, stamp.split) == ("inception", 12, 12, "held_out")
    assert len(stamp.extractor) == 12
    assert found["fid"].null_mean is None
