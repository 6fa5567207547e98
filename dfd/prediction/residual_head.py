"""The head: reads from residual maps, pixel by pixel, whether noise was added or content replaced.

Learned from pseudo-forgeries alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from dfd.alterations import FORMS
from dfd.prediction.residual_maps import MAPS

SLOPE = 0.1


class TamperHead(nn.Module):
    """Residual maps ``[B, 5, H, W]`` -> log-odds ``[B, 2, H / 2, W / 2]`` (added noise.

    Replaced content; odd sides are rounded up).

    Dilated convolutions on a grid of half the size (Yu and Koltun 2016, arXiv 1511.07122): each
    answer weighs the 32 pixels around it, so that a place is compared with its surroundings.
    Farther sight was tried: better on crops, worse on slices (docs/explanation/tried.md).
    """

    def __init__(self, channels: int = 32, dilations: Sequence[int] = (1, 2, 4, 8)) -> None:
        super().__init__()
        self.first = nn.Conv2d(4 * len(MAPS), channels, 3, padding=1)
        self.layers = nn.ModuleList(
            [nn.Conv2d(channels, channels, 3, padding=step, dilation=step) for step in dilations]
        )
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
        # Not by the convolution itself, whose sums depend on the number of threads.
        weighed = (state.unsqueeze(1) * self.last.weight.unsqueeze(0)).sum(2)
        bias = self.last.bias
        if bias is None:  # TorchScript does not know that there is one
            return weighed
        return weighed + bias.view(1, -1, 1, 1)
