"""A network of one's own with a fault that no key of the configuration shows."""

from __future__ import annotations

from gantrain.networks import dcgan
from gantrain.networks.layers import NormName, UpsampleMode


class SigmoidGenerator(dcgan.Generator):
    """Gives 0..1 where the data span -1..1 (N3.1)."""

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        image_size: int,
        num_classes: int = 0,
        embedding_dim: int = 16,
        *,
        width: int = 64,
        norm: NormName = "batch",
        upsample: UpsampleMode = "nearest",
    ) -> None:
        super().__init__(
            latent_dim, channels, image_size, num_classes, embedding_dim,
            width=width, norm=norm, upsample=upsample, output="sigmoid",
        )  # fmt: skip
