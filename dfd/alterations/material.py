"""What an alteration works on, and the measures of noise that all of them share.

Intensities are in units of the slice's noise scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from dfd.alterations.windows import Window
from dfd.records import FloatImage

FINE_PX = 0.8
"""Scale of what counts as grain: what a blur of this width takes away."""


Paint: TypeAlias = Callable[[FloatImage, FloatImage], FloatImage]
"""(pixels, share of the edit), each ``[H, W]`` -> pixels with the edited part drawn anew."""


@dataclass(frozen=True)
class Material:
    """A genuine crop and where a forger could take other pixels from.

    All images ``[S, S]``; ``[H, W]`` where it is a window of a crop.
    """

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
    cut_from: tuple[Material, Window] | None = None
    """The crop that this is a window of, and which; None: it is the crop."""

    @property
    def crop(self) -> Material:
        """The crop that this is a window of; itself where it is none."""
        return self if self.cut_from is None else self.cut_from[0]

    @property
    def window(self) -> Window:
        """Where in ``crop`` it lies."""
        if self.cut_from is not None:
            return self.cut_from[1]
        return slice(0, self.pixels.shape[0]), slice(0, self.pixels.shape[1])

    def cut(self, window: Window) -> Material:
        """A window of this crop."""
        pixels, donor, above = (each[window] for each in (self.pixels, self.donor, self.above))
        return replace(self, pixels=pixels, donor=donor, above=above, cut_from=(self, window))


Alteration: TypeAlias = Callable[[Material, FloatImage, Generator], FloatImage]
"""(material, share ``[H, W]`` of the edit in 0 to 1, generator) -> all of the material's pixels as
altered; what of them is used, the share decides."""


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


def normal(shape: tuple[int, ...], rng: Generator) -> FloatImage:
    """Independent Gaussian noise of standard deviation 1."""
    return rng.standard_normal(shape, dtype=np.float32)


def kernel(width_px: float) -> FloatImage:
    """``[n]`` weights of ``scipy.ndimage.gaussian_filter`` along one axis."""
    reach = int(4.0 * width_px + 0.5)
    impulse = np.zeros(2 * reach + 1)
    impulse[reach] = 1.0
    return np.asarray(gaussian_filter1d(impulse, width_px, mode="constant"))


def smooth(shape: tuple[int, ...], width_px: float, rng: Generator) -> FloatImage:
    """Noise blurred by a Gaussian of ``width_px``; its expected standard deviation is 1."""
    weights = kernel(width_px)
    return np.asarray(
        gaussian_filter(normal(shape, rng), width_px) / (weights @ weights), dtype=np.float32
    )


def like_grain(source: FloatImage, rng: Generator) -> FloatImage:
    """``[S, S]`` noise of standard deviation 1 with the spectrum of the grain of ``source``.

    Random phases, which keep the power of each frequency.
    """
    phases = fft.rfft2(normal(source.shape, rng))
    power = np.abs(fft.rfft2(detail(source, 2.0)))
    return unit(fft.irfft2(power * phases / (np.abs(phases) + 1e-9), s=source.shape))
