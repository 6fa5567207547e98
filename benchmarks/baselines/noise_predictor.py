"""The network of a diffusion on patches: from a noised patch and the time to the noise."""

from __future__ import annotations

from itertools import pairwise

import torch
from monai.networks.nets.diffusion_model_unet import (
    DiffusionUNetResnetBlock,
    get_timestep_embedding,
)
from torch import nn

CHANNELS = (32, 48, 64, 96)
"""Of the four levels, as in the masked predictor: 0.8 million weights, where that has 0.5."""
GROUPS = 8
"""Of channels that are normalised together; divides all of ``CHANNELS``."""
STEPS = 1000
"""Of the diffusion (Ho, Jain, Abbeel 2020, NeurIPS, section 4)."""
BETAS = (1e-4, 0.02)
"""Variance of the first and the last step; in between linear (same place)."""


def remaining_shares() -> torch.Tensor:
    """``[STEPS]``: share of the variance of a patch that is left after each step.

    alpha-bar of Ho et al., equation 4.
    """
    return torch.cumprod(1.0 - torch.linspace(*BETAS, STEPS, dtype=torch.float64), dim=0).float()


class NoisePredictor(nn.Module):
    """U-Net of MONAI's residual blocks with time, without attention.

    MONAI's own ``DiffusionModelUNet`` cannot be built without it.

    ``[B, 1, S, S]`` in [-1, 1] and noised, and ``[B]`` steps -> ``[B, 1, S, S]`` noise of unit
    variance. S is a multiple of 8.
    """

    def __init__(self, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        width = 4 * channels[0]
        self.first = channels[0]
        self.time = nn.Sequential(nn.Linear(channels[0], width), nn.SiLU(), nn.Linear(width, width))

        def block(inputs: int, outputs: int) -> nn.Module:
            return DiffusionUNetResnetBlock(2, inputs, width, outputs, norm_num_groups=GROUPS)

        pairs = list(pairwise(channels))
        self.enter = nn.Conv2d(1, channels[0], 3, padding=1)
        self.down = nn.ModuleList([block(count, count) for count in channels])
        self.shrink = nn.ModuleList(
            [nn.Conv2d(fine, coarse, 3, stride=2, padding=1) for fine, coarse in pairs]
        )
        self.grow = nn.ModuleList(
            [nn.Conv2d(coarse, fine, 3, padding=1) for fine, coarse in reversed(pairs)]
        )
        self.up = nn.ModuleList([block(2 * fine, fine) for fine, _ in reversed(pairs)])
        self.leave = nn.Sequential(
            nn.GroupNorm(GROUPS, channels[0]), nn.SiLU(), nn.Conv2d(channels[0], 1, 3, padding=1)
        )

    def forward(self, patch: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        """See the class."""
        when = self.time(get_timestep_embedding(steps, self.first))
        image, skipped = self.enter(patch), []
        for number, block in enumerate(self.down):
            image = block(image, when)
            if number < len(self.shrink):
                skipped.append(image)
                image = self.shrink[number](image)
        for grow, block in zip(self.grow, self.up, strict=True):
            image = grow(nn.functional.interpolate(image, scale_factor=2.0, mode="nearest"))
            image = block(torch.cat([image, skipped.pop()], dim=1), when)
        return self.leave(image)
