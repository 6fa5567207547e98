"""Circular harmonics: what a plane holds around a place, in numbers that are easily turned.

A disk is cut into rings, and what stands along each ring into waves. A turn of the disk changes
only the phases of the waves, by the same angle times their number; a mirror image has the conjugate
phases. So magnitudes, and the phases of one ring relative to the next, are the same for all turns.

Source: Cozzolino, Poggi, Verdoliva, Efficient dense-field copy-move forgery detection (IEEE TIFS
2015), section III-A, of magnitudes; the phases between rings are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import torch
from numpy.typing import NDArray

RING_PX = 2.0
"""Width of a ring."""
MOST_WAVES = 12
WAVES_PER_PX = 2.2
"""Waves along a ring for each pixel of its radius: finer ones hold little but interpolation."""
LEAST = 1e-9
"""Magnitudes below this have no phase."""


@dataclass(frozen=True)
class Harmonics:
    """The waves along the rings of disks of one radius.

    ``m`` of them, complex; ``j`` pairs of the same number of waves on adjacent rings.
    """

    radius: float
    rings: NDArray[np.float64]
    """``[m]`` radius of the ring in pixels."""
    waves: torch.Tensor
    """``[m]`` int64: how many go around it."""
    inner: torch.Tensor
    """``[j]`` int64 numbers of the waves that another ring holds too."""
    outer: torch.Tensor
    """``[j]`` int64 the same on the next ring."""

    def __len__(self) -> int:
        return len(self.waves)

    def kernels(
        self, reach: int, size: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)
    ) -> torch.Tensor:
        """``[m, 2 reach + 1, 2 reach + 1]`` complex64: sums with them are the moments.

        Of a disk ``shift`` (row, column) pixels off the middle, that stands elsewhere at ``size``
        times its own.
        """
        steps = np.arange(-reach, reach + 1, dtype=np.float64)
        rows, columns = np.meshgrid(steps - shift[0], steps - shift[1], indexing="ij")
        away, angle = size * np.hypot(rows, columns), np.arctan2(rows, columns)
        off = (away - self.rings[:, None, None]) / (RING_PX / 2.0)
        profile = size * np.exp(-0.5 * off**2) * (away <= self.radius)
        numbers = self.waves.numpy()[:, None, None]
        # The very middle has no angle.
        waves = np.exp(-1j * numbers * angle) * ((away > 0) | (numbers == 0))
        return torch.from_numpy((profile * waves).astype(np.complex64))

    @cached_property
    def features(self) -> int:
        """How many numbers ``invariants`` gives."""
        return len(self) + 2 * len(self.inner)

    def invariants(self, moments: torch.Tensor) -> torch.Tensor:
        """``[features, n]`` of ``moments`` ``[m, n]`` complex: the same for all turns.

        The last ``j`` change their sign in a mirror image, all others stay.
        """
        energy = (moments.real**2 + moments.imag**2).sum(0)
        moments = moments * (len(self) / energy.clamp_min(LEAST)).sqrt()
        magnitudes = moments.abs()
        # Of magnitude sqrt(|a|): products are then as large as magnitudes are.
        rooted = moments * magnitudes.clamp_min(LEAST).rsqrt()
        inner, outer = rooted[self.inner], rooted[self.outer]
        real = inner.real * outer.real + inner.imag * outer.imag
        imaginary = inner.imag * outer.real - inner.real * outer.imag
        return torch.cat([magnitudes, real, imaginary])


@cache
def harmonics_of(radius: float) -> Harmonics:
    """The waves along the rings of disks of ``radius`` pixels."""
    rings = np.arange(RING_PX / 2.0, max(radius, RING_PX), RING_PX)
    pairs = [
        (ring, waves)
        for ring in range(len(rings))
        for waves in range(min(MOST_WAVES, int(WAVES_PER_PX * rings[ring])) + 1)
    ]
    number = {pair: place for place, pair in enumerate(pairs)}
    adjacent = [
        (place, number[ring + 1, waves])
        for (ring, waves), place in number.items()
        if waves and (ring + 1, waves) in number
    ]
    inner, outer = (torch.tensor([pair[end] for pair in adjacent]).long() for end in (0, 1))
    return Harmonics(
        radius,
        np.array([rings[ring] for ring, _ in pairs]),
        torch.tensor([waves for _, waves in pairs]),
        inner,
        outer,
    )
