"""The adaptive attacker.

Noise of the level and spectrum of the surroundings on whatever fill, so that noise evidence has
little to hold on to.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter, gaussian_gradient_magnitude

from benchmarks.attacks.canvas import FEATHER_PX, Canvas, MaskEdit, blended
from benchmarks.attacks.crops import Window
from dfd.intensity import MAD_TO_SD
from dfd.records import BoolImage, FloatImage

HIGH_PASS_PX = 3.0
"""What varies faster than a blur of this is taken for noise."""
RING_PX = 20
"""Width of the surroundings that noise is measured in."""
ALIKE_SHARE, FLAT_SHARE = 0.5, 0.6
"""Of the ring, the pixels nearest in brightness to the fill (noise follows tissue), and of these
the flattest (an edge is no noise)."""
OUTLIER = 4.0
"""Robust deviations beyond which a high-pass value is an edge and no noise."""
LAG_PX = 10
"""Correlations beyond this distance are taken for chance."""
LEAST_PASSED = 0.6
"""Share of an amplitude that the high-pass must have left for it to be restored whole."""
CALM_PX = 1.0
"""Blur that takes its own grain from a fill before it gets the matched one."""

FloatArray = NDArray[np.float64]


def renoised(
    canvas: Canvas, mask: BoolImage, rng: np.random.Generator, *, fill: MaskEdit
) -> FloatImage:
    """``fill`` with its grain blurred away and noise of the surrounding spectrum, faded in."""
    base = np.asarray(fill(canvas, mask, rng))
    window = Window.around(mask)
    crop = window.cut(np.where(np.isfinite(base), base, np.nanmean(base)).astype(np.float32))
    calm = window.put(base, np.asarray(gaussian_filter(crop, CALM_PX), dtype=np.float32))
    return blended(
        canvas.pixels,
        (calm + matched(canvas, mask, calm, rng)).astype(np.float32),
        mask,
        FEATHER_PX,
    )


def matched(
    canvas: Canvas, mask: BoolImage, base: FloatImage, rng: np.random.Generator
) -> FloatImage:
    """``[H, W]`` noise with the autocorrelation of the high-passed ring around ``mask``.

    The ring is taken where it is as bright as ``base`` inside the mask; 0 far away.
    """
    window = Window.around(binary_dilation(mask, iterations=RING_PX))
    finite = window.mask(np.isfinite(canvas.pixels)) > 0
    pixels = np.where(finite, window.cut(canvas.pixels), float(np.nanmean(canvas.pixels))).astype(
        np.float64
    )
    low = gaussian_filter(pixels, HIGH_PASS_PX)
    rough = pixels - low
    ring = (
        finite
        & (window.mask(mask) == 0)
        & (window.mask(binary_dilation(mask, iterations=RING_PX)) > 0)
    )
    away = np.abs(low - float(np.nanmedian(base[mask])))
    ring &= away <= np.quantile(away[ring], ALIKE_SHARE)
    slope = gaussian_gradient_magnitude(pixels, HIGH_PASS_PX)
    ring &= slope <= np.quantile(slope[ring], FLAT_SHARE)
    ring &= np.abs(rough) <= OUTLIER * MAD_TO_SD * np.median(np.abs(rough[ring]))
    grain = _drawn(_spectrum(np.where(ring, rough - rough[ring].mean(), 0.0), ring), rng)
    return window.put(np.zeros_like(canvas.pixels), grain.astype(np.float32))


def _spectrum(values: FloatArray, measured: BoolImage) -> FloatArray:
    """Power spectrum on a grid of twice the side of ``values`` (``[N, N]``).

    From the autocovariance over pairs of ``measured`` pixels (Wiener-Khinchin).

    What the high-pass took away is given back where it left enough to be amplified.
    """
    size = (2 * values.shape[0], 2 * values.shape[1])
    sums, pairs = (
        np.fft.irfft2(np.abs(np.fft.rfft2(array, size)) ** 2, size)
        for array in (values, measured.astype(np.float64))
    )
    covariance = np.where(pairs > 0.5, sums / np.maximum(pairs, 1.0), 0.0)
    lags = [np.abs(np.fft.fftfreq(extent, 1.0 / extent)) for extent in size]
    taper = np.prod(
        np.meshgrid(
            *[np.cos(0.5 * np.pi * np.minimum(lag / LAG_PX, 1.0)) ** 2 for lag in lags],
            indexing="ij",
        ),
        axis=0,
    )
    squares = np.add.outer(*[np.fft.fftfreq(extent) ** 2 for extent in size])
    passed = np.maximum(1.0 - np.exp(-2.0 * np.pi**2 * HIGH_PASS_PX**2 * squares), LEAST_PASSED)
    return np.asarray(np.maximum(np.fft.fft2(covariance * taper).real, 0.0) / passed**2)


def _drawn(spectrum: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Gaussian noise of ``spectrum``, ``[N, N]`` of a grid of twice the side."""
    white = np.fft.fft2(rng.normal(size=spectrum.shape))
    grain = np.fft.ifft2(white * np.sqrt(spectrum)).real
    return grain[: spectrum.shape[0] // 2, : spectrum.shape[1] // 2]
