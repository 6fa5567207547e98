"""Blind-spot predictions of whole images, and maps of what they leave unexplained."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from dfd.intensity import SECOND_DIFFERENCE
from dfd.prediction.masks import LATTICE_PASSES, lattice

LARGEST_Z = 8.0
"""Residuals are cut here: one pixel on a metal edge must not outweigh what lies around it."""
LARGEST_DETAIL = 20.0
MAPS = ("z", "log of |z|", "second difference", "second difference over spread", "log-spread")
"""What ``residual_maps`` gives, each shifted and scaled to about unit size."""

Network = Callable[[torch.Tensor], torch.Tensor]
"""``[B, 2, H, W]`` (image with hidden pixels zero, mask) -> ``[B, 2, H, W]`` (mean, log-spread)."""


def blind_spot_prediction(
    pixels: torch.Tensor, network: Network
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and log-spread of every pixel while it is hidden, each ``[B, 1, H, W]``.

    Args:
        pixels: ``[B, 1, H, W]`` in noise units.
        network: predicts hidden pixels from those around them.
    """
    result = pixels.new_zeros(len(pixels), 2, *pixels.shape[2:])
    for phase in range(LATTICE_PASSES):
        hidden = torch.from_numpy(lattice(pixels.shape[2], pixels.shape[3], phase)).to(
            pixels.device
        )
        mask = hidden[None, None].float().expand_as(pixels)
        shown = torch.cat([pixels.masked_fill(hidden, 0.0), mask], dim=1)
        result = torch.where(hidden, network(shown).float(), result)
    return result[:, :1], result[:, 1:]


def residual_maps(
    pixels: torch.Tensor, mean: torch.Tensor, log_spread: torch.Tensor
) -> torch.Tensor:
    """``[B, 5, H, W]``, see ``MAPS``; all arguments ``[B, 1, H, W]`` in noise units.

    They hold the grain and how well it was predicted, and of anatomy only what the spread shows:
    these maps must not tell a lesion from healthy tissue.
    """
    precision = torch.exp(-log_spread)
    z = ((pixels - mean) * precision).clamp(-LARGEST_Z, LARGEST_Z)
    kernel = torch.tensor(SECOND_DIFFERENCE, device=pixels.device)[None, None] / 6.0
    second = functional.conv2d(functional.pad(pixels, (1, 1, 1, 1), mode="replicate"), kernel)
    over = (second * precision).clamp(-LARGEST_DETAIL, LARGEST_DETAIL)
    return torch.cat(
        [
            0.5 * z,
            torch.log(z.abs() + 0.1) + 0.8,
            torch.asinh(second),
            0.5 * torch.asinh(over),
            log_spread + 0.5,
        ],
        dim=1,
    )
