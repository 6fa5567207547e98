"""Local filtering: blurred, denoised in several ways, sharpened."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.ndimage import gaussian_filter, median_filter, uniform_filter

from dfd.alterations.material import Material, detail, grain
from dfd.records import FloatImage


def blurred(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Gaussian blur."""
    return np.asarray(gaussian_filter(material.pixels, rng.uniform(0.4, 1.5)), dtype=np.float32)


def denoised(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """A median, or soft thresholding of the detail (Donoho 1995, IEEE Trans. Inf.

    Theory 41:613).
    """
    if rng.random() < 0.5:
        return np.asarray(median_filter(material.pixels, int(rng.choice([3, 5]))), dtype=np.float32)
    fine, limit = (
        detail(material.pixels, 1.2),
        grain(material.pixels, share) * rng.uniform(1.0, 3.0),
    )
    return np.asarray(
        material.pixels - fine + np.sign(fine) * np.maximum(np.abs(fine) - limit, 0.0),
        dtype=np.float32,
    )


def diffused(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Smoothed along edges and not across them (Perona and Malik 1990, IEEE PAMI 12:629, eq. 7)."""
    pixels, rate = material.pixels, rng.uniform(0.1, 0.2)
    least = grain(pixels, share) * rng.uniform(1.0, 4.0)
    for _ in range(int(rng.integers(2, 10))):
        flow = np.zeros_like(pixels)
        for axis in (0, 1):
            step = np.diff(pixels, axis=axis)
            step *= np.exp(-np.square(step / least))
            first, second = [(0, 0), (0, 0)], [(0, 0), (0, 0)]
            first[axis], second[axis] = (0, 1), (1, 0)
            flow += np.pad(step, first) - np.pad(step, second)
        pixels = pixels + rate * flow
    return np.asarray(pixels, dtype=np.float32)


def guided(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Local mean where the values vary by no more than noise.

    He, Sun and Tang 2013, IEEE PAMI 35:1397, section 3.2, guided by itself.
    """
    side = int(rng.choice([3, 5, 7, 9]))
    mean = uniform_filter(material.pixels, side)
    variance = uniform_filter(material.pixels**2, side) - mean**2
    noise = (grain(material.pixels, share) * rng.uniform(0.5, 2.0)) ** 2
    slope = np.maximum(variance, 0.0) / (np.maximum(variance, 0.0) + noise)
    return np.asarray(mean + slope * (material.pixels - mean), dtype=np.float32)


def sharpened(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Unsharp masking."""
    return np.asarray(
        material.pixels + rng.uniform(0.3, 1.5) * detail(material.pixels, rng.uniform(0.5, 1.2)),
        dtype=np.float32,
    )
