"""A traced network as a Python function that needs PyTorch alone."""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps
from pprint import pformat
from typing import Any

from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

HEAD = '''"""The generator of a GAN, as gantrain traced it; its weights are in the .safetensors file.

    from safetensors.torch import load_file
    images = generator(load_file({name}), torch.randn(16, {dim}))  # {output}, -1..1
"""

import torch
from torch import device, inf, nan

FACTS = {facts}


@torch.no_grad()
def generator(weights, {inputs}):
'''


def source_of(
    exported: ExportedProgram, facts: Mapping[str, Any], name: str
) -> tuple[str, dict[str, Tensor]]:
    """The file's text and the weights by name. The graph is torch.export's, an operation a line.

    name: of the file that the weights will be in.
    """
    exported = exported.run_decompositions({})
    values = {**exported.state_dict, **exported.constants}
    weights: dict[str, Tensor] = {}
    lines, inputs = [], []
    for given in exported.graph_signature.input_specs:
        if given.kind is InputKind.USER_INPUT:
            inputs.append(given.arg.name)
            continue
        target = str(given.target)
        weights[target] = values[target].detach().contiguous().clone()
        lines.append(f"    {given.arg.name} = weights[{target!r}]")
    body = exported.graph_module.code.split("\n")
    start = next(n for n, line in enumerate(body) if line.lstrip().startswith("def forward("))
    steps = [line for line in body[start + 1 :] if line.strip()]
    *steps, last = steps
    lines += [_plain(line) for line in steps]
    lines.append(f"{_plain(last)}[0]")  # of a tuple of one
    head = HEAD.format(
        name=dumps(name), dim=facts["latent_dim"], output=facts["output"],
        facts=pformat(dict(facts), sort_dicts=False), inputs=", ".join(inputs),
    )  # fmt: skip
    return head + "\n".join(lines) + "\n", weights


def _plain(line: str) -> str:
    """Without the notes of what may be forgotten where."""
    return line.split(";  ")[0].rstrip()
