"""Small networks that draw a crop anew, as the generators of forgers do.

Their pictures are pseudo-forgeries for the head to learn from (``dfd.alterations.regenerated``).
They differ in what real generators differ in: how they come back to full size, how deep they are,
whether they see what they replace, and whether they draw in one step or in several.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

IN_CHANNELS = 3
"""Squashed contrast, 1 where it is hidden, level of the noise that was laid over it."""
SLOPE = 0.2
GROUND_PX = 8
"""The ground that contrast is measured from: a mean over about this many pixels around."""
SQUASHED = 0.3


@dataclass(frozen=True)
class Kind:
    """How a network draws."""

    upsampling: str
    """A name in ``UPSAMPLING``."""
    depth: int
    """How often the side is halved."""
    hides: bool = False
    """It does not see what it replaces."""
    adversarial: bool = False
    """It learned to deceive a discriminator besides."""
    steps: int = 0
    """More than 0: it takes noise away, in so many steps at most."""


def _transposed(channels: int) -> nn.Module:
    return nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)


def _shuffled(channels: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2))


def _resized(mode: str) -> Callable[[int], nn.Module]:
    def make(channels: int) -> nn.Module:
        up = nn.Upsample(
            scale_factor=2, mode=mode, align_corners=None if mode == "nearest" else False
        )
        return nn.Sequential(up, nn.Conv2d(channels, channels, 3, padding=1))

    return make


UPSAMPLING: dict[str, Callable[[int], nn.Module]] = {
    "transposed": _transposed,
    "shuffled": _shuffled,
    "nearest": _resized("nearest"),
    "bilinear": _resized("bilinear"),
}
KINDS = (
    Kind("transposed", 2),
    Kind("nearest", 3, adversarial=True),
    Kind("shuffled", 2, adversarial=True),
    Kind("bilinear", 3, hides=True),
    Kind("transposed", 3, hides=True, adversarial=True),
    Kind("nearest", 2, steps=6),
)


class Regenerator(nn.Module):
    """``[B, 3, H, W]`` (see ``IN_CHANNELS``) -> contrast ``[B, 1, H, W]`` in noise units.

    Sides are multiples of 8. An encoder and a decoder, and between them nothing but the smallest
    image: what the grain was does not pass.
    """

    def __init__(self, kind: Kind, channels: int = 16) -> None:
        super().__init__()
        self.kind = kind
        act = nn.LeakyReLU(SLOPE)
        layers: list[nn.Module] = [nn.Conv2d(IN_CHANNELS, channels, 3, padding=1), act]
        for _ in range(kind.depth):
            layers += [nn.Conv2d(channels, channels, 4, stride=2, padding=1), act]
            layers += [nn.Conv2d(channels, channels, 3, padding=1), act]
        for _ in range(kind.depth):
            layers += [UPSAMPLING[kind.upsampling](channels), act]
            layers += [nn.Conv2d(channels, channels, 3, padding=1), act]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        drawn: torch.Tensor = self.layers(shown)
        return drawn / SQUASHED


class Discriminator(nn.Sequential):
    """Squashed contrast ``[B, 1, H, W]`` -> how genuine each patch looks."""

    def __init__(self, channels: int = 16) -> None:
        act = nn.LeakyReLU(SLOPE)
        super().__init__(
            *(nn.Conv2d(1, channels, 3, padding=1), act),
            *(nn.Conv2d(channels, channels, 4, stride=2, padding=1), act),
            *(nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1), act),
            nn.Conv2d(2 * channels, 1, 3, padding=1),
        )


def ground_of(pixels: torch.Tensor) -> torch.Tensor:
    """``[B, 1, H, W]``: means over squares of ``2 * GROUND_PX + 1`` pixels."""
    padded = functional.pad(pixels, [GROUND_PX] * 4, mode="replicate")
    return functional.avg_pool2d(padded, 2 * GROUND_PX + 1, stride=1)


def squashed(contrast: torch.Tensor) -> torch.Tensor:
    """Contrast so that an edge does not outweigh the grain."""
    return torch.asinh(SQUASHED * contrast)
