"""The networks of the attacks.

Small, since the kind of trace counts and not the last bit of likeness.
"""

from __future__ import annotations

import torch
from monai.networks.nets import AutoencoderKL, BasicUNet
from torch import nn

PAINTER_INPUTS = 4
"""Surroundings, hole, noise, shape of what is to be painted (zero where there is none)."""
FEATURES = {2: (16, 24, 32, 48, 64, 16), 3: (8, 16, 32, 48, 64, 8)}
NEARBY_PX, FAR_WEIGHT = 31, 0.02
"""Side of the square in which a painter of images looks for the level, and weight of the whole
window where the square shows next to nothing."""
TEXTURE_GAIN = 8.0
"""The critic sees noise of some 0.05 units beside steps of 1; what is left after a local mean is
shown to it this much louder."""


def painter(dimensions: int) -> nn.Module:
    """``[B, 4, ...]`` -> ``[B, 1, ...]``: fills holes of images or cubes.

    Normalising layers would forget the absolute level, which is tissue.
    """
    network = BasicUNet(
        dimensions,
        PAINTER_INPUTS,
        1,
        features=FEATURES[dimensions],
        norm=None,
        upsample="nontrainable",
    )
    return Grounded(network) if dimensions == 2 else network


class Grounded(nn.Module):
    """A painter of images that adds to the mean of what is visible nearby.

    Holes of slices lie in any tissue, and its level is not to be learned.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """As the network itself."""
        image, hole = inputs[:, :1], inputs[:, 1:2]
        visible = 1.0 - hole
        mean = image.sum(dim=(2, 3), keepdim=True) / visible.sum(
            dim=(2, 3), keepdim=True
        ).clamp_min(1.0)
        ground = (_nearby(image) + FAR_WEIGHT * mean) / (_nearby(visible) + FAR_WEIGHT)
        shown = torch.cat([visible * (image - ground), inputs[:, 1:]], dim=1)
        return ground + self.network(shown)


def _nearby(image: torch.Tensor) -> torch.Tensor:
    """Mean over a square of ``NEARBY_PX``, what lies beyond the edge counting as zero."""
    half = NEARBY_PX // 2
    across = nn.functional.avg_pool2d(image, (1, NEARBY_PX), stride=1, padding=(0, half))
    return nn.functional.avg_pool2d(across, (NEARBY_PX, 1), stride=1, padding=(half, 0))


def denoiser() -> nn.Module:
    """``[B, 4, H, W]`` (noisy image, surroundings, hole, time) -> ``[B, 1, H, W]`` velocity."""
    return BasicUNet(2, 4, 1, features=(24, 32, 48, 64, 64, 24), norm=None, upsample="nontrainable")


def autoencoder() -> nn.Module:
    """Variational autoencoder of images, a quarter of the side and three channels in between."""
    return AutoencoderKL(
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        channels=(16, 24, 32),
        latent_channels=3,
        num_res_blocks=(1, 1, 1),
        attention_levels=(False, False, False),
        norm_num_groups=8,
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
    )


class Critic(nn.Module):
    """Patch discriminator (Isola et al. 2017, section 3.2.2) on an image and its texture.

    The hole is an input too.
    """

    def __init__(self, dimensions: int, width: int = 16) -> None:
        super().__init__()
        conv = {2: nn.Conv2d, 3: nn.Conv3d}[dimensions]
        self.smooth = {2: nn.AvgPool2d, 3: nn.AvgPool3d}[dimensions](
            3, stride=1, padding=1, count_include_pad=False
        )
        self.layers = nn.Sequential(
            conv(3, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            conv(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            conv(2 * width, 1, 3, padding=1),
        )

    def forward(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        """Two ``[B, 1, ...]`` -> ``[B, 1, ...]`` at a quarter of the side.

        1 looks genuine, 0 painted.
        """
        texture = TEXTURE_GAIN * (image - self.smooth(image))
        return self.layers(torch.cat([image, texture, hole], dim=1))


def classifier() -> nn.Module:
    """``[B, 1, H, W]`` -> ``[B, 1]``: log-odds of a dense blob at the centre."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 12), (12, 24), (24, 32)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.LeakyReLU(0.1)]
    return nn.Sequential(
        *layers,
        nn.Conv2d(32, 32, 8),
        nn.LeakyReLU(0.1),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 1),
    )
