"""The inpainting network.

An adaptive linear predictor whose weights, offset and spread are chosen, pixel by pixel, by a
U-Net.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from dfd.prediction import learned_statistic, residual_head
from dfd.prediction.learned_statistic import LearnedStatistic
from dfd.prediction.residual_head import HEADS
from dfd.prediction.unet import UNet, channels_of

LOG_SPREAD_RANGE = (-5.0, 6.0)
"""Bounds of the predicted log-spread, in units of the slice's noise scale; a spread outside them is
a fault of the network."""
POOLS = (4, 16, 64)
"""Side of the ever coarser cells, in pixels, from which the ground value inside a hole is taken."""

CHANNELS, HEAD = (32, 48, 64, 96), "dilated"
"""Of the shipped models: channels of the levels of the U-Net, and which head."""
IN_CHANNELS, OUTPUTS = 3, 2
"""Of the U-Net: contrast, ground and mask in; offset and log-spread out, besides the weights of the
filters."""


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


class InpaintingNetwork(nn.Module):
    """Predicts hidden pixels with mean and log-spread.

    Scanner noise is a linear process (kernel or k-space sampling tie neighbours), so its best
    predictor is linear in the neighbours, with weights that depend on scanner, tissue and on which
    neighbours are visible. Hence: a few learned linear filters of the visible image, blended per
    pixel by weights from a U-Net that sees the compressed image (kernel prediction, Bako et al.
    2017, ACM TOG 36:97, section 4.1, with a learned basis). The linear branch scales with its
    input, which is what lets the network travel to noise levels it has not met.

    Input ``[B, 2, H, W]``: the slice divided by its noise scale with hidden pixels set to zero, and
    the mask (1 = hidden). Output ``[B, 2, H, W]``: mean and log-spread, in units of the noise
    scale. ``head`` reads the residuals of such predictions, and ``statistic`` (None until it is
    trained) weighs what is measured of a region; each is trained afterwards and for itself.
    """

    def __init__(
        self,
        backbone: Callable[[Sequence[int]], nn.Module],
        channels: Sequence[int],
        filters: int,
        filter_size: int,
        head: str = HEAD,
    ) -> None:
        """The network around a U-Net.

        Args:
            backbone: channels -> the U-Net, ``[B, 3, H, W]`` -> ``[B, filters + 2, H, W]``; called
                after the basis is made, so that one seed gives one network.
            channels: of each level of the U-Net; weights of another width bring their own.
            filters: how many linear filters are blended.
            filter_size: their side, in pixels.
            head: name in ``residual_head.HEADS``; weights of another kind bring their own.
        """
        super().__init__()
        self.filters = filters
        self.lowest, self.highest = LOG_SPREAD_RANGE
        self.basis = nn.Conv2d(1, filters, filter_size, padding=filter_size // 2, bias=False)
        self._make_backbone = backbone
        self.channels = tuple(channels)
        self.backbone = backbone(self.channels)
        self.stride = 2 ** (len(self.channels) - 1)
        # Frozen, so that neither the predictor's optimizer nor distributed training waits for its
        # gradients.
        self.head: nn.Module = HEADS[head]().requires_grad_(False)
        self.statistic: LearnedStatistic | None = None

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        *others: Any,  # noqa: ANN401 - torch's own
    ) -> None:
        """Takes weights of earlier versions too: of a wider U-Net, of another head."""
        device = self.basis.weight.device
        channels = channels_of(state_dict, f"{prefix}backbone.")
        if len(channels) > 1 and channels != self.channels:
            self.channels, self.stride = channels, 2 ** (len(channels) - 1)
            self.backbone = self._make_backbone(channels).to(device).train(self.training)
        self.head = residual_head.fitting(self.head, state_dict, f"{prefix}head.")
        self.head.to(device).train(self.training)
        self.statistic = learned_statistic.fitting(
            state_dict, f"{prefix}{learned_statistic.PREFIX}"
        )
        super()._load_from_state_dict(state_dict, prefix, *others)

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


def shipped_network(
    channels: Sequence[int] = CHANNELS,
    filters: int = 12,
    filter_size: int = 7,
    num_res_units: int = 2,
    head: str = HEAD,
) -> InpaintingNetwork:
    """The network of the shipped models, which ``dfd.bundle`` builds on MONAI's U-Net."""
    return InpaintingNetwork(
        partial(UNet, IN_CHANNELS, filters + OUTPUTS, num_res_units=num_res_units),
        channels,
        filters,
        filter_size,
        head,
    )
