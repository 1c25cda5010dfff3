"""What an untrained generator already shows: the marks of its layers, before a step is paid for.

How it enlarges shows in its first pictures, and training has to work against it (Schwarz et al. 2021,
"On the frequency bias of generative models"; Odena et al. 2016, "Deconvolution and checkerboard artifacts").
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from gantrain.data.store import to_signed
from gantrain.doctor.probes import as_many
from gantrain.doctor.untouched import untouched
from gantrain.metrics.artefacts import lattice_peak, phase_difference, power_spectrum
from gantrain.metrics.likeness import PERIODS
from gantrain.metrics.reference import Reference
from gantrain.train.step import Rules, evaluate

MOST, BATCH = 128, 32
VALUES = 2**19  # pixels, in all, that large pictures make up: fewer of those, to stay quick


def untrained(
    generator: nn.Module, rules: Rules, reference: Reference, labels: Tensor | None, noise: Generator
) -> dict[str, float]:
    """Of up to 128 pictures by the generator as it stands:

    untrained_lattice_2, untrained_lattice_4   how far the frequencies of a pattern of period 2, 4 stand out
                                               (log10 of power), less the same of the reals
    untrained_phase_difference                 how much more than in the reals neighbouring pixels differ at
                                               some places of such a period than at others: blocks

    labels: int64, at least one, for a generator that takes labels. The pictures are drawn in training mode
    (batch norm has no other statistics yet) and are not rounded: they may be faint. A period that does not
    fit the size of the pictures gives no number.
    """
    usual = reference.side.spectrum
    batches = max(1, min(MOST, VALUES // usual.numel()) // BATCH)
    with untouched(generator), torch.no_grad():
        generator.train()
        z = rules.latent(batches * BATCH, noise).chunk(batches)
        which = [None] * batches if labels is None else as_many(labels, batches * BATCH).chunk(batches)
        parts = [evaluate(rules.precision, generator, *part) for part in zip(z, which, strict=True)]
    fakes = torch.cat(parts).to(reference.device)
    reals, spectrum = to_signed(reference.pictures(slice(len(fakes)))), power_spectrum(fakes)
    found = {
        f"untrained_lattice_{period}": lattice_peak(spectrum, period) - lattice_peak(usual, period)
        for period in PERIODS
    }
    found["untrained_phase_difference"] = max(
        phase_difference(fakes, period) - phase_difference(reals, period) for period in PERIODS
    )
    return {name: value for name, value in found.items() if math.isfinite(value)}
