"""The option files of this room: each one composes and builds, and the tables have a file a row."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from network_families import FAMILIES

from gantrain.networks.init import INIT
from gantrain.networks.layers import DOWNSAMPLE, NORM, PADDING, UPSAMPLE

CONFIGS = Path(__file__).parents[2] / "configs"
PRIMARY = """\
hydra:
  searchpath: ["file://{configs}"]
defaults:
  - _self_
  - upsample: nearest
  - downsample: stride
  - padding: reflect
  - model: dcgan
"""


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


@pytest.fixture
def composed(tmp_path):
    (tmp_path / "primary.yaml").write_text(PRIMARY.format(configs=CONFIGS))

    def run(*overrides: str):
        with initialize_config_dir(str(tmp_path), version_base="1.3"):
            return compose("primary", list(overrides))

    return run


@pytest.mark.parametrize("model", options("model"))
def test_every_model_builds_and_takes_its_facts(model, composed):
    config = composed(f"model={model}", "model.width=4")
    G = instantiate(
        config.model.generator, latent_dim=8, channels=1, image_size=28, num_classes=0, embedding_dim=4
    )
    D = instantiate(config.model.discriminator, channels=1, image_size=28, num_classes=0)
    assert D(G(torch.randn(2, 8))).shape == (2,)
    assert config.model.init in INIT
    assert config.model.generator.width == config.model.discriminator.width == 4


def test_every_family_has_a_model_file():
    assert FAMILIES.keys() <= set(options("model"))


@pytest.mark.parametrize(
    ("group", "table"), [("upsample", UPSAMPLE), ("downsample", DOWNSAMPLE), ("padding", PADDING)]
)
def test_every_mode_has_a_file(group, table, composed):
    for mode in table:
        config = composed(f"{group}={mode}")
        assert config[group].mode == mode
        players = (config.model.generator, config.model.discriminator)
        assert {player[group] for player in players if group in player} == {mode}


@pytest.mark.parametrize("group", ["model", "upsample", "downsample", "padding"])
def test_every_file_opens_with_what_it_is(group):
    for option in options(group):
        assert (CONFIGS / group / f"{option}.yaml").read_text().startswith("# "), option


def test_reflect_stem(composed):
    config = composed("padding=reflect_stem")
    assert (config.padding.mode, config.padding.stem) == ("zeros", True)
    assert config.model.generator.stem is config.model.discriminator.stem is True


def test_dcgan_layer_norm_is_a_critic_for_penalties(composed):
    plain, critic = composed("model=dcgan").model, composed("model=dcgan_layer_norm").model
    assert not NORM[critic.discriminator.norm].mixes_samples
    plain.discriminator.norm = critic.discriminator.norm
    assert plain == critic


def test_dcgan_mnist_brings_its_company_and_the_command_line_wins(composed):
    config = composed("model=dcgan_mnist")
    assert (config.upsample.mode, config.downsample.mode, config.padding.mode) == (
        "transpose",
        "maxpool",
        "zeros",
    )
    config = composed("model=dcgan_mnist", "upsample=bilinear", "padding=circular")
    assert (config.upsample.mode, config.downsample.mode, config.padding.mode) == (
        "bilinear",
        "maxpool",
        "circular",
    )
