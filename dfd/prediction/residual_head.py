"""The head: reads from residual maps, pixel by pixel, whether noise was added or content replaced.

Learned from pseudo-forgeries alone. Two networks: that of the shipped models, and one that sees
farther.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from dfd.alterations import FORMS
from dfd.prediction.residual_maps import MAPS

SLOPE = 0.1
COARSEST = 8
"""Pixels in a cell of the coarsest grid, along each side."""


class ContextHead(nn.Module):
    """Residual maps ``[B, 5, H, W]`` -> log-odds ``[B, 2, H / 2, W / 2]`` (added noise.

    Replaced content; odd sides are rounded up).

    A small U-Net (Ronneberger, Fischer and Brox 2015, arXiv 1505.04597) of dilated convolutions on
    grids of a half, a quarter and an eighth of the size. Each answer weighs some 80 pixels around
    it, so that a place is compared with its surroundings.
    """

    def __init__(self, channels: Sequence[int] = (32, 48, 64)) -> None:
        super().__init__()
        self.cell = COARSEST
        fine, middle, coarse = channels
        self.first = nn.Conv2d(4 * len(MAPS), fine, 3, padding=1)
        self.fine = _dilated(fine, (1, 2))
        self.to_middle = nn.Conv2d(fine, middle, 3, stride=2, padding=1)
        self.middle = _dilated(middle, (1, 2))
        self.to_coarse = nn.Conv2d(middle, coarse, 3, stride=2, padding=1)
        self.coarse = _dilated(coarse, (1, 2, 4))
        self.from_coarse = nn.Conv2d(coarse, middle, 1)
        self.joined_middle = _dilated(middle, (1,))
        self.from_middle = nn.Conv2d(middle, fine, 1)
        self.joined_fine = _dilated(fine, (1,))
        self.last = nn.Conv2d(fine, len(FORMS), 1)
        self.act = nn.LeakyReLU(SLOPE)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        height, width = maps.shape[-2], maps.shape[-1]
        down, right = (-height) % self.cell, (-width) % self.cell
        if down + right > 0:
            maps = functional.pad(maps, [0, right, 0, down], mode="replicate")
        # Unshuffled rather than averaged: the grain is what counts.
        fine = self.act(self.first(functional.pixel_unshuffle(maps, 2)))
        for layer in self.fine:
            fine = fine + self.act(layer(fine))
        middle = self.act(self.to_middle(fine))
        for layer in self.middle:
            middle = middle + self.act(layer(middle))
        coarse = self.act(self.to_coarse(middle))
        for layer in self.coarse:
            coarse = coarse + self.act(layer(coarse))
        middle = middle + functional.interpolate(self.from_coarse(coarse), scale_factor=2.0)
        for layer in self.joined_middle:
            middle = middle + self.act(layer(middle))
        fine = fine + functional.interpolate(self.from_middle(middle), scale_factor=2.0)
        for layer in self.joined_fine:
            fine = fine + self.act(layer(fine))
        return _weighed(fine, self.last.weight, self.last.bias)[
            :, :, : (height + 1) // 2, : (width + 1) // 2
        ]


def _dilated(channels: int, dilations: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(
        [nn.Conv2d(channels, channels, 3, padding=step, dilation=step) for step in dilations]
    )


def _weighed(state: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """The last convolution, of one pixel, applied to ``state``.

    Not by the convolution itself, whose sums depend on the number of threads.
    """
    weighed = (state.unsqueeze(1) * weight.unsqueeze(0)).sum(2)
    if bias is None:  # TorchScript does not know that there is one
        return weighed
    return weighed + bias.view(1, -1, 1, 1)


class TamperHead(nn.Module):
    """The head of the shipped models.

    Residual maps ``[B, 5, H, W]`` -> log-odds ``[B, 2, H / 2, W / 2]`` (added noise.

    Replaced content; odd sides are rounded up).

    Dilated convolutions on a grid of half the size (Yu and Koltun 2016, arXiv 1511.07122): each
    answer weighs the 32 pixels around it, so that a place is compared with its surroundings.
    """

    def __init__(self, channels: int = 32, dilations: Sequence[int] = (1, 2, 4, 8)) -> None:
        super().__init__()
        self.first = nn.Conv2d(4 * len(MAPS), channels, 3, padding=1)
        self.layers = _dilated(channels, dilations)
        self.last = nn.Conv2d(channels, len(FORMS), 1)
        self.act = nn.LeakyReLU(SLOPE)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        down, right = maps.shape[-2] % 2, maps.shape[-1] % 2
        if down + right > 0:
            maps = functional.pad(maps, [0, right, 0, down], mode="replicate")
        # Unshuffled rather than averaged: the grain is what counts.
        state = self.act(self.first(functional.pixel_unshuffle(maps, 2)))
        for layer in self.layers:
            state = state + self.act(layer(state))
        return _weighed(state, self.last.weight, self.last.bias)


HEADS = {"dilated": TamperHead, "context": ContextHead}
"""Name in the configuration of a bundle -> head. The shipped models have the first."""


def fitting(
    head: nn.Module, weights: Mapping[str, torch.Tensor], prefix: str = "head."
) -> nn.Module:
    """``head``, or an untrained one of the kind that ``weights`` (a state dict) are of."""
    kind = TamperHead if f"{prefix}layers.0.weight" in weights else ContextHead
    return head if isinstance(head, kind) else kind().requires_grad_(False)
