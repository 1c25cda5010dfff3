"""Networks of one's own with faults that no key of the configuration shows."""

from __future__ import annotations

from torch import Tensor

from gantrain.networks import dcgan
from gantrain.networks.layers import NormName, OutputName, UpsampleMode

FRAME = 0.6  # of what it draws there that is left in the outermost ring


class FixedGenerator(dcgan.Generator):
    """DCGAN's generator without the keys that say how it ends: a class of one's own, to the doctor."""

    ends_in: OutputName = "tanh"

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
            width=width, norm=norm, upsample=upsample, output=self.ends_in,
        )  # fmt: skip


class SigmoidGenerator(FixedGenerator):
    """Gives 0..1 where the data span -1..1 (N3.1)."""

    ends_in: OutputName = "sigmoid"


class FramedGenerator(FixedGenerator):
    """Pales the border where D never sees it, in eval mode only: a frame that D sees G makes up for."""

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        x = super().forward(z, labels)
        if self.training:
            return x
        frame = x.new_full(x.shape[-2:], FRAME)
        frame[1:-1, 1:-1] = 1
        return x * frame
