"""The network of BTD at its published size, for its time alone: its weights are random.

The U-Net of Ho, Jain, Abbeel 2020 (NeurIPS, appendix B) as the package denoising-diffusion-pytorch
builds it, which BTD trained on patches of 96 x 96 pixels (Grabovski et al. 2024, arXiv 2407.15169,
section 4): 32 channels times 1, 2, 4 and 8, linear attention (Shen et al. 2021, WACV) at each level
and full attention at the innermost. Written anew, with the same layers: 9,196,161 weights.
``DiffusionModelUNet`` of MONAI has no linear attention, and with as many multiplications it takes
half of the time.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

CHANNELS = (32, 64, 128, 256)
"""Of the levels, from fine to coarse."""
SIDE = 96
"""Of a patch, in pixels."""
HEADS, HEAD_CHANNELS = 4, 32
MEMORY = 4
"""Keys and values that an attention has beside those of the image."""
SLOWEST = 10_000.0
"""Steps in the longest wave of time, divided by 2 pi (Vaswani et al. 2017, section 3.5)."""


def waves_of(steps: torch.Tensor, channels: int) -> torch.Tensor:
    """``[B]`` steps as sines and cosines of ``channels / 2`` frequencies, ``[B, channels]``."""
    half = channels // 2
    frequencies = SLOWEST ** -(torch.arange(half, device=steps.device) / (half - 1))
    angles = steps[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class ChannelNorm(nn.Module):
    """Channels of each pixel at a root mean square of 1, times a weight (Zhang, Sennrich 2019)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """``[B, C, H, W]`` -> the same shape."""
        return nn.functional.normalize(image, dim=1) * self.weight * image.shape[1] ** 0.5


class TimedBlock(nn.Module):
    """Two convolutions with a way around them; the time scales and shifts after the first."""

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * outputs))
        self.first, self.second = (
            nn.Sequential(nn.Conv2d(count, outputs, 3, padding=1), ChannelNorm(outputs))
            for count in (inputs, outputs)
        )
        self.around = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, image: torch.Tensor, when: torch.Tensor) -> torch.Tensor:
        """``[B, inputs, H, W]`` and ``[B, width]`` -> ``[B, outputs, H, W]``."""
        scale, shift = self.time(when)[:, :, None, None].chunk(2, dim=1)
        hidden = nn.functional.silu(self.first(image) * (scale + 1.0) + shift)
        return nn.functional.silu(self.second(hidden)) + self.around(image)


class Attention(nn.Module):
    """Attention between the pixels of an image, added to it.

    ``linear``: keys are summed up once for all pixels, so the cost grows with their number only.
    """

    def __init__(self, channels: int, *, linear: bool) -> None:
        super().__init__()
        inner = HEADS * HEAD_CHANNELS
        self.linear = linear
        self.norm = ChannelNorm(channels)
        self.memory = nn.Parameter(torch.randn(2, HEADS, HEAD_CHANNELS, MEMORY))
        self.ask = nn.Conv2d(channels, 3 * inner, 1, bias=False)
        self.answer = nn.Conv2d(inner, channels, 1)
        self.answer_norm = ChannelNorm(channels) if linear else nn.Identity()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """``[B, C, H, W]`` -> the same shape."""
        count, _, height, width = image.shape
        parts = self.ask(self.norm(image)).reshape(count, 3, HEADS, HEAD_CHANNELS, -1)
        query, *pair = parts.unbind(1)  # each [B, heads, channels, pixels]
        memory = self.memory[:, None].expand(-1, count, -1, -1, -1)
        key, value = (torch.cat(both, dim=3) for both in zip(memory, pair, strict=True))
        if self.linear:
            summed = value @ key.softmax(dim=3).transpose(2, 3)
            found = summed @ query.softmax(dim=2) * HEAD_CHANNELS**-0.5
        else:
            rows = (each.transpose(2, 3) for each in (query, key, value))
            found = nn.functional.scaled_dot_product_attention(*rows).transpose(2, 3)
        answer = self.answer(found.reshape(count, -1, height, width))
        return image + self.answer_norm(answer)


class Level(nn.Module):
    """Two blocks and attention of one level, and the way to the next."""

    def __init__(
        self, inputs: tuple[int, int], outputs: int, width: int, *, linear: bool, leave: nn.Module
    ) -> None:
        super().__init__()
        own, skipped = inputs
        self.first = TimedBlock(own + skipped, outputs, width)
        self.second = TimedBlock(outputs + skipped, outputs, width)
        self.attention = Attention(outputs, linear=linear)
        self.leave = leave


class DiffusionUNet(nn.Module):
    """``[B, 1, S, S]`` noised patch and ``[B]`` steps -> ``[B, 1, S, S]`` noise; S divides by 8."""

    def __init__(self, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        first, width, pairs = channels[0], 4 * channels[0], list(pairwise((channels[0], *channels)))
        last = len(pairs) - 1
        self.embedded = first
        self.enter = nn.Conv2d(1, first, 7, padding=3)
        self.time = nn.Sequential(nn.Linear(first, width), nn.GELU(), nn.Linear(width, width))
        self.down = nn.ModuleList(
            Level(
                (fine, 0),
                fine,
                width,
                linear=level < last,
                leave=_coarser(fine, coarse, level < last),
            )
            for level, (fine, coarse) in enumerate(pairs)
        )
        self.middle = nn.ModuleList(
            [
                TimedBlock(channels[-1], channels[-1], width),
                Attention(channels[-1], linear=False),
                TimedBlock(channels[-1], channels[-1], width),
            ]
        )
        self.up = nn.ModuleList(
            Level(
                (coarse, fine),
                coarse,
                width,
                linear=level < last,
                leave=_finer(coarse, fine, level > 0),
            )
            for level, (fine, coarse) in reversed(list(enumerate(pairs)))
        )
        self.last = TimedBlock(2 * first, first, width)
        self.answer = nn.Conv2d(first, 1, 1)

    def forward(self, patch: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        """See the class."""
        when = self.time(waves_of(steps, self.embedded))
        image = entered = self.enter(patch)
        skipped = []
        for level in self.down:
            image = level.first(image, when)
            skipped.append(image)
            image = level.attention(level.second(image, when))
            skipped.append(image)
            image = level.leave(image)
        before, attention, after = self.middle
        image = after(attention(before(image, when)), when)
        for level in self.up:
            image = level.first(torch.cat([image, skipped.pop()], dim=1), when)
            image = level.second(torch.cat([image, skipped.pop()], dim=1), when)
            image = level.leave(level.attention(image))
        return self.answer(self.last(torch.cat([image, entered], dim=1), when))


def _coarser(fine: int, coarse: int, halved: bool) -> nn.Module:
    """From a level to the next coarser one; the innermost keeps its size."""
    if not halved:
        return nn.Conv2d(fine, coarse, 3, padding=1)
    return nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * fine, coarse, 1))


def _finer(coarse: int, fine: int, doubled: bool) -> nn.Module:
    """From a level to the next finer one; the outermost keeps its size."""
    conv = nn.Conv2d(coarse, fine, 3, padding=1)
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), conv) if doubled else conv
