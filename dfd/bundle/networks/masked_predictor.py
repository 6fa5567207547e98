"""The inpainting network.

An adaptive linear predictor whose weights, offset and spread are chosen, pixel by pixel, by MONAI's
U-Net.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets import UNet
from torch import nn
from torch.nn import functional

from dfd.bundle.networks.residual_head import TamperHead

LOG_SPREAD_RANGE = (-5.0, 6.0)
"""Bounds of the predicted log-spread, in units of the slice's noise scale; a spread outside them is
a fault of the network."""
POOLS = (4, 16, 64)
"""Side of the ever coarser cells, in pixels, from which the ground value inside a hole is taken."""


def ground_value(
    image: torch.Tensor, seen: torch.Tensor, pools: tuple[int, int, int] = POOLS
) -> torch.Tensor:
    """Mean of the visible pixels around each pixel.

    3x3, and inside holes that of ever coarser cells.

    ``image``, ``seen`` and the result are ``[B, 1, H, W]``; ``seen`` is 1 where a pixel is visible.
    ``pools`` is an argument for TorchScript's sake.
    """
    height, width = image.shape[-2], image.shape[-1]
    count = functional.avg_pool2d(seen, 3, 1, 1)
    ground = functional.avg_pool2d(image * seen, 3, 1, 1) / count.clamp_min(1e-3)
    known = count > 1e-3
    if bool(known.all()):
        return ground
    for pool in pools:
        cells = functional.avg_pool2d(seen, pool, pool, 0, True, False)
        sums = functional.avg_pool2d(image * seen, pool, pool, 0, True, False)
        cells = functional.avg_pool2d(cells, 3, 1, 1)
        sums = functional.avg_pool2d(sums, 3, 1, 1)
        coarse = functional.interpolate(
            sums / cells.clamp_min(1e-3), scale_factor=float(pool), mode="nearest"
        )[:, :, :height, :width]
        filled = (
            functional.interpolate(
                (cells > 1e-3).to(image.dtype), scale_factor=float(pool), mode="nearest"
            )[:, :, :height, :width]
            > 0.5
        )
        ground = torch.where(~known & filled, coarse, ground)
        known = known | filled
    return ground


class MaskedPredictor(nn.Module):
    """Predicts hidden pixels with mean and log-spread.

    Scanner noise is a linear process (kernel or k-space sampling tie neighbours), so its best
    predictor is linear in the neighbours, with weights that depend on scanner, tissue and on which
    neighbours are visible. Hence: a few learned linear filters of the visible image, blended per
    pixel by weights from a U-Net that sees the compressed image (kernel prediction, Bako et al.
    2017, ACM TOG 36:97, section 4.1, with a learned basis). The linear branch scales with its
    input, which is what lets the network travel to noise levels it has not met.

    Input ``[B, 2, H, W]``: the slice divided by its noise scale with hidden pixels set to zero, and
    the mask (1 = hidden). Output ``[B, 2, H, W]``: mean and log-spread, in units of the noise
    scale. ``head`` reads the residuals of such predictions; it is trained afterwards and for
    itself.
    """

    def __init__(
        self,
        channels: Sequence[int] = (32, 48, 64, 96),
        filters: int = 12,
        filter_size: int = 7,
        num_res_units: int = 2,
    ) -> None:
        super().__init__()
        self.filters = filters
        self.lowest, self.highest = LOG_SPREAD_RANGE
        self.basis = nn.Conv2d(1, filters, filter_size, padding=filter_size // 2, bias=False)
        self.backbone = UNet(
            spatial_dims=2,
            in_channels=3,
            out_channels=filters + 2,
            channels=tuple(channels),
            strides=(2,) * (len(channels) - 1),
            num_res_units=num_res_units,
            norm=None,  # a norm would wash out the noise level that the spread depends on
            act="LEAKYRELU",
        )
        self.stride = 2 ** (len(channels) - 1)
        # Frozen, so that neither the predictor's optimizer nor distributed training waits for its
        # gradients.
        self.head = TamperHead().requires_grad_(False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[-2], image.shape[-1]
        down, right = (-height) % self.stride, (-width) % self.stride
        if down + right > 0:
            image = functional.pad(image, [0, right, 0, down], mode="replicate")
        pixels, hidden = image[:, :1], image[:, 1:2]
        seen = 1.0 - hidden
        ground = ground_value(pixels, seen)
        contrast = (pixels - ground) * seen
        features = torch.cat(
            [torch.asinh(0.5 * contrast), 0.3 * torch.asinh(0.2 * ground), hidden], dim=1
        )
        # Convolutions on a CPU are a quarter faster with channels last; what comes out is the same.
        out = self.backbone(features.contiguous(memory_format=torch.channels_last)).contiguous()
        weights = out[:, : self.filters]
        mean = (
            ground
            + (weights * self.basis(contrast)).sum(1, keepdim=True)
            + out[:, self.filters : self.filters + 1]
        )
        log_spread = out[:, self.filters + 1 :].clamp(self.lowest, self.highest)
        return torch.cat([mean, log_spread], dim=1)[:, :, :height, :width]
