"""A generator of one's own. The constructor's parameters are the options of conf/model/mine.yaml."""

from __future__ import annotations

from torch import Tensor, nn


class Generator(nn.Module):
    """z (N x latent_dim) to images N x channels x image_size x image_size in -1..1.

    `latent_dim`, `channels` and `image_size` are given by gantrain because they are named here; the others
    are options.
    """

    def __init__(
        self, latent_dim: int, channels: int, image_size: int, *, width: int = 32, kernel: int = 5
    ) -> None:
        super().__init__()
        small = image_size // 4  # every size that gantrain allows is a multiple of 4
        self.body = nn.Sequential(
            nn.Linear(latent_dim, width * small**2),
            nn.Unflatten(1, (width, small, small)),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, width, kernel, padding="same"),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, channels, kernel, padding="same"),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.body(z)
        return images
