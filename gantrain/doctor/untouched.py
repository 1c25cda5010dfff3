"""Looking without leaving a trace: what a probe does to networks and to randomness is undone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from gantrain.train.randomness import unnoticed


@contextmanager
def untouched(*networks: nn.Module) -> Iterator[None]:
    """Whatever happens inside, afterwards networks and global random states are bit for bit as before.

    Of each network: buffers (batch statistics, the vectors of spectral norm), modes, `requires_grad` and
    `.grad`; inside, every `.grad` is None, so that nothing is added to one that is there. Weights are not
    copied: no forward or backward pass moves them. Random generators of one's own are the caller's affair.
    """
    with ExitStack() as stack:
        devices = {tensor.device for net in networks for tensor in (*net.parameters(), *net.buffers())}
        stack.enter_context(unnoticed(*devices))
        for network in networks:
            stack.enter_context(_modes(network))
            stack.enter_context(_buffers(network))
            stack.enter_context(_gradients(network))
        yield


@contextmanager
def _modes(network: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in network.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training  # not .train(): it would reach the children as well


@contextmanager
def _buffers(network: nn.Module) -> Iterator[None]:
    """The same tensors with the same values: recorded CUDA graphs know them by their place in memory."""
    owners = [(module, dict(module._buffers)) for module in network.modules()]
    kept: list[Tensor] = [tensor for _, own in owners for tensor in own.values() if tensor is not None]
    values = [tensor.clone() for tensor in kept]
    try:
        yield
    finally:
        for module, own in owners:
            module._buffers.clear()
            module._buffers.update(own)
        with torch.no_grad():
            for tensor, value in zip(kept, values, strict=True):
                tensor.copy_(value)


@contextmanager
def _gradients(network: nn.Module) -> Iterator[None]:
    before = [(weight, weight.grad, weight.requires_grad) for weight in network.parameters()]
    try:
        for weight, _, _ in before:
            weight.grad = None
        yield
    finally:
        for weight, gradient, required in before:
            weight.requires_grad_(required)
            weight.grad = gradient
