"""The U-Net of the shipped models, with the state dict of MONAI's.

MONAI's ``UNet`` is the reference; its import takes seconds, and scoring needs nothing else of it.
A test compares both, weight by weight and bit by bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

KERNEL = 3


def channels_of(weights: Mapping[str, torch.Tensor], prefix: str) -> tuple[int, ...]:
    """The channels of each level of the U-Net whose ``weights`` begin with ``prefix``."""
    channels, level = [], f"{prefix}model."
    while f"{level}0.conv.unit0.conv.weight" in weights:
        channels.append(weights[f"{level}0.conv.unit0.conv.weight"].shape[0])
        level += "1.submodule."
    lowest = weights.get(f"{level}conv.unit0.conv.weight")
    return (*channels, *(() if lowest is None else (lowest.shape[0],)))


class UNet(nn.Module):
    """U-Net of residual units without normalisation (Ronneberger et al. 2015, arXiv 1505.04597).

    Kerfoot et al. 2019 (LNCS 11395, "Left-ventricle quantification using residual U-Net") for the
    residual units. Each level halves the image; ``[B, in_channels, H, W]`` ->
    ``[B, out_channels, H, W]``, where H and W are multiples of ``2 ** (len(channels) - 1)``.
    """

    def __init__(
        self, in_channels: int, out_channels: int, channels: Sequence[int], num_res_units: int
    ) -> None:
        super().__init__()
        self.model = _level(in_channels, out_channels, channels, num_res_units, top=True)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.model(image)
        return out


def _level(
    inputs: int, outputs: int, channels: Sequence[int], units: int, *, top: bool = False
) -> nn.Sequential:
    """One level: down, everything below it with what it came from beside it, and up again."""
    first, *rest = channels
    if len(rest) > 1:
        below: nn.Module = _level(first, first, rest, units)
        joined = 2 * first
    else:
        below, joined = ResidualUnit(first, rest[0], 1, units), first + rest[0]
    down = ResidualUnit(inputs, first, 2, units)
    rise = nn.Sequential(
        Convolution(nn.ConvTranspose2d(joined, outputs, KERNEL, 2, 1, output_padding=1)),
        ResidualUnit(outputs, outputs, 1, 1, last_plain=top),
    )
    return nn.Sequential(down, SkipConnection(below), rise)


class Convolution(nn.Sequential):
    """A convolution and its activation, which ``plain`` leaves out."""

    def __init__(self, conv: nn.Module, *, plain: bool = False) -> None:
        super().__init__()
        self.add_module("conv", conv)
        if not plain:
            self.add_module("adn", nn.LeakyReLU())


class ResidualUnit(nn.Module):
    """Convolutions, and what came in added to what comes out."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, units: int, *, last_plain: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Sequential()
        self.residual: nn.Module = nn.Identity()
        channels, step = inputs, stride
        for number in range(units):
            conv = nn.Conv2d(channels, outputs, KERNEL, step, 1)
            plain = last_plain and number == units - 1
            self.conv.add_module(f"unit{number}", Convolution(conv, plain=plain))
            channels, step = outputs, 1
        if stride > 1:
            self.residual = nn.Conv2d(inputs, outputs, KERNEL, stride, 1)
        elif inputs != outputs:
            self.residual = nn.Conv2d(inputs, outputs, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        passed: torch.Tensor = self.residual(image)
        changed: torch.Tensor = self.conv(image)
        return changed + passed


class SkipConnection(nn.Module):
    """What came in, beside what a module makes of it: ``[B, C + D, H, W]``."""

    def __init__(self, submodule: nn.Module) -> None:
        super().__init__()
        self.submodule = submodule

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cat([image, self.submodule(image)], dim=1)
