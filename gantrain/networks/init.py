"""How weights begin: the table INIT, and `initialise`, which also reaches spectrally normalised weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from gantrain.networks.blocks import LabelEmbedding, raw_weight
from gantrain.networks.layers import choose

InitName = Literal["dcgan", "orthogonal", "xavier", "kaiming", "default"]

WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm)
POWER_ITERATIONS = 15  # as many as PyTorch's spectral_norm takes when it is put on


class Init(NamedTuple):
    """What is drawn for weights and for a norm's scale; every bias and shift becomes 0."""

    weight: Callable[[Tensor], Tensor]
    scale: Callable[[Tensor], Tensor] = nn.init.ones_


INIT: dict[str, Init | None] = {
    # Radford et al. 2016, and the tutorial's N(1, 0.02) for the norms
    "dcgan": Init(partial(nn.init.normal_, mean=0.0, std=0.02), partial(nn.init.normal_, mean=1.0, std=0.02)),
    "orthogonal": Init(nn.init.orthogonal_),  # Saxe et al. 2014, as in BigGAN
    "xavier": Init(nn.init.xavier_uniform_),  # Glorot & Bengio 2010, as in CS231n
    "kaiming": Init(partial(nn.init.kaiming_normal_, a=0.2)),  # He et al. 2015, for LeakyReLU(0.2)
    "default": None,  # PyTorch's own, as the layers come
}


@torch.no_grad()
def initialise(net: nn.Module, name: str) -> None:
    """Draws a network's weights anew, in place, from torch's global generator.

    Label embeddings beside z keep their N(0, 1). Under spectral norm the trained weight is drawn and the
    singular vectors settle on it. Raises GantrainError("model.init") for an unknown name.
    """
    init = choose(INIT, "model.init", name)
    if init is None:
        return
    for module in net.modules():
        if isinstance(module, WEIGHTED) and not isinstance(module, LabelEmbedding):
            init.weight(raw_weight(module))
        elif isinstance(module, NORMS) and module.weight is not None:
            init.scale(module.weight)
        else:
            continue
        if isinstance(bias := getattr(module, "bias", None), Tensor):
            nn.init.zeros_(bias)
    settle_spectral_norms(net)


def settle_spectral_norms(net: nn.Module) -> None:
    """Runs the power iteration until the singular vectors belong to the present weights.

    They move by one iteration each time the weight is read in training mode, so right after a new draw the
    norm would be that of the old weights.
    """
    for module in net.modules():
        if nn.utils.parametrize.is_parametrized(module, "weight"):
            parametrization = module.get_submodule("parametrizations.weight")
            was_training = parametrization.training
            parametrization.train()
            for _ in range(POWER_ITERATIONS):
                _ = module.weight
            parametrization.train(was_training)
