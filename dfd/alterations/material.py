"""What an alteration works on, and the measures of noise that all of them share.

Intensities are in units of the slice's noise scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dfd.records import FloatImage

FINE_PX = 0.8
"""Scale of what counts as grain: what a blur of this width takes away."""


Paint: TypeAlias = Callable[[FloatImage, FloatImage], FloatImage]
"""(pixels, share of the edit), each ``[S, S]`` -> pixels with the edited part drawn anew."""


@dataclass(frozen=True)
class Material:
    """A genuine crop and where a forger could take other pixels from. All images ``[S, S]``."""

    pixels: FloatImage
    donor: FloatImage
    """Another place, of the same slice or another."""
    above: FloatImage
    """The same place of a neighbouring slice; ``pixels`` where there is none."""
    step: float = 0.0
    """One grey level, in noise units; 0 where values are not whole numbers."""
    paint: Paint | None = None
    """The predictor as an inpainter."""
    regenerate: tuple[Paint, ...] = ()
    """Other small networks that draw the edited part anew."""


Alteration: TypeAlias = Callable[[Material, FloatImage, Generator], FloatImage]
"""(material, share ``[S, S]`` of the edit in 0 to 1, generator) -> the whole crop as altered; what
of it is used, the share decides."""


def detail(pixels: FloatImage, scale_px: float) -> FloatImage:
    """What a Gaussian blur of ``scale_px`` takes away."""
    return np.asarray(pixels - gaussian_filter(pixels, scale_px), dtype=np.float32)


def grain(pixels: FloatImage, share: FloatImage) -> float:
    """Standard deviation of the grain inside the edit, > 0."""
    inside = detail(pixels, FINE_PX)[share > 0.5]
    return float(inside.std()) + 1e-3 if inside.size else 1.0


def between(rng: Generator, low: float, high: float) -> float:
    """A factor drawn evenly in its logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def unit(field: NDArray[np.floating[Any]]) -> FloatImage:
    """The field with standard deviation 1."""
    return np.asarray(field / max(float(field.std()), 1e-6), dtype=np.float32)


def like_grain(source: FloatImage, rng: Generator) -> FloatImage:
    """``[S, S]`` noise of standard deviation 1 with the spectrum of the grain of ``source``.

    Random phases, which keep the power of each frequency.
    """
    phases = np.fft.rfft2(rng.normal(size=source.shape))
    power = np.abs(np.fft.rfft2(detail(source, 2.0)))
    return unit(np.fft.irfft2(power * phases / (np.abs(phases) + 1e-9), s=source.shape))
