"""MR slices as a scanner makes them.

Receive coils, k-space measured in part, complex noise, zero-filling, root sum of squares.

Source: Roemer et al., The NMR phased array, Magn Reson Med 1990, 16:192-225 (sum of squares); the
shape of the coils is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from dfd.phantom.anatomy import MR_VALUES, Anatomy
from dfd.phantom.geometry import Floats, paint
from dfd.records import FloatImage

Complexes = NDArray[np.complex64]

FIELD_MM = 358.4
"""Field of view: 256 pixels of 1.4 mm."""
FULL_SIZE = 256
FINENESS = 3
"""The anatomy is sampled this much finer than the image, so that k-space holds what lies beyond the
acquired part."""
COIL_REACH_MM = 120.0
"""Distance at which the sensitivity of a coil has fallen to half."""
COIL_RING_MM = (200.0, 150.0)
"""Half-axes of the ring round the chest on which the coils sit."""
STORED_PER_UNIT = 900.0
"""Stored value of tissue with intensity 1 where the coils together have sensitivity 1."""
STORED_TOP = 4095.0


@dataclass(frozen=True, slots=True)
class MrScan:
    """How a slice is taken."""

    size: int = FULL_SIZE
    """Rows and columns after zero-filling."""
    acquired: tuple[float, float] = (0.625, 0.75)
    """Part of the rows (phase encoding) and columns (frequency encoding) of k-space that is
    measured: 160 x 192 of 256 x 256."""
    coils: int = 6
    noise: float = 0.016
    """Standard deviation of the noise in each coil image, real and imaginary part alike, relative
    to fat at sensitivity 1."""

    @property
    def spacing_mm(self) -> float:
        """Distance of pixel centres."""
        return FIELD_MM / self.size

    @property
    def matrix(self) -> tuple[int, int]:
        """Rows and columns of k-space that are measured, both even."""
        rows, columns = (2 * round(part * self.size / 2.0) for part in self.acquired)
        return rows, columns


def mr_slice(
    rng: np.random.Generator, anatomy: Anatomy, position_mm: float, scan: MrScan | None = None
) -> FloatImage:
    """Take one slice.

    Args:
        rng: Source of coil phases and noise.
        anatomy: The person.
        position_mm: Height of the slice, 0 where the windpipe divides.
        scan: None: 256 x 256 pixels of 1.4 mm, of which 160 x 192 are measured.

    Returns:
        ``[size, size]`` stored units, whole numbers from 0 to 4095.
    """
    scan = scan or MrScan()
    images = coil_images(acquire(rng, anatomy, position_mm, scan))
    together = np.sqrt(np.sum(np.abs(images) ** 2, axis=0))
    stored: FloatImage = np.clip(np.rint(together * STORED_PER_UNIT), 0.0, STORED_TOP).astype(
        np.float32
    )
    return stored


def acquire(
    rng: np.random.Generator, anatomy: Anatomy, position_mm: float, scan: MrScan
) -> Complexes:
    """K-space of all coils, ``[coils, size, size]`` with frequency 0 in the middle.

    Exactly 0 where nothing was measured.
    """
    fine = scan.size * FINENESS
    # The first fine sample lies on the centre of the first pixel, else the image would be shifted
    # by part of a pixel.
    axis = (
        np.arange(fine, dtype=np.float64) * (FIELD_MM / fine)
        - (scan.size - 1) / 2.0 * scan.spacing_mm
    )
    tissue = paint(anatomy.section(position_mm), dict(MR_VALUES), axis, axis)
    kspace = np.zeros((scan.coils, scan.size, scan.size), dtype=np.complex64)
    rows, columns = (_middle(scan.size, count) for count in scan.matrix)
    fine_rows, fine_columns = (_middle(fine, count) for count in scan.matrix)
    # Noise is white in k-space; an inverse transform spreads the noise of the measured part over
    # all pixels.
    measured = scan.matrix[0] * scan.matrix[1] / scan.size**2
    spread = scan.noise * scan.size / np.sqrt(measured)
    for coil in range(scan.coils):
        full = (
            fft.fftshift(fft.fft2(tissue * _sensitivity(rng, coil, scan.coils, axis))) / FINENESS**2
        )
        noise = rng.normal(scale=spread, size=(2, *scan.matrix))
        kspace[coil, rows, columns] = full[fine_rows, fine_columns] + noise[0] + 1j * noise[1]
    return kspace


def coil_images(kspace: Complexes) -> Complexes:
    """Complex image of each coil, ``[coils, size, size]``."""
    result: Complexes = fft.ifft2(fft.ifftshift(kspace, axes=(1, 2))).astype(np.complex64)
    return result


def _middle(size: int, count: int) -> slice:
    start = size // 2 - count // 2
    return slice(start, start + count)


def _sensitivity(
    rng: np.random.Generator, coil: int, coils: int, axis: Floats
) -> NDArray[np.complex128]:
    """Smooth complex sensitivity ``[N, N]`` of a coil on a ring round the chest."""
    turn = 2.0 * np.pi * (coil + 0.5) / coils
    x, y = (
        axis[None, :] - COIL_RING_MM[0] * np.cos(turn),
        axis[:, None] - COIL_RING_MM[1] * np.sin(turn),
    )
    strength = 1.0 / (1.0 + (x**2 + y**2) / COIL_REACH_MM**2)
    phase = rng.uniform(0.0, 2.0 * np.pi) + (rng.normal() * x + rng.normal() * y) / (
        2.0 * COIL_REACH_MM
    )
    result: NDArray[np.complex128] = strength * np.exp(1j * phase)
    return result
