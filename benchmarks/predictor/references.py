"""What the network is compared with, on the same pixels.

Local mean and deviation, and linear prediction from the neighbours.

Everything is in units of the slice's noise scale. A pixel's predictor sees what the lattice shows
while that pixel is hidden: of the window around it, the pixels of the other phases. Since the
lattice is a colouring by (x + step * y), these are the same offsets for every pixel. A neighbour
that holds no measurement says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate
from scipy.optimize import minimize

from dfd.prediction.masks import LATTICE_PASSES, LATTICE_STEP
from dfd.records import BoolImage, FloatImage

LINEAR_HALF = 3
"""7x7 window of the linear predictors."""
DEVIATION_HALVES = (2, 3)
"""5x5 and 7x7 windows, of which the better on the training folds is taken."""
RIDGE = 1e-3
"""Ridge per sample: the design has two hundred thousand rows and forty columns, so this only keeps
it invertible."""
REWEIGHTINGS = 3
"""Rounds of weighted least squares in which the linear weights learn where pixels say little."""

FloatArray = NDArray[np.float64]


def visible_offsets(half: int) -> NDArray[np.int64]:
    """``[k, 2]`` (row, column) offsets within ``half`` that the lattice shows.

    The middle is hidden.
    """
    rows, columns = np.mgrid[-half : half + 1, -half : half + 1]
    shown = (columns + LATTICE_STEP * rows) % LATTICE_PASSES != 0
    return np.stack([rows[shown], columns[shown]], axis=1)


def _kernel(half: int, weights: FloatArray | None = None) -> FloatArray:
    offsets = visible_offsets(half)
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    kernel[offsets[:, 0] + half, offsets[:, 1] + half] = 1.0 if weights is None else weights
    return kernel


def _around(image: NDArray[np.generic], kernel: FloatArray) -> FloatArray:
    result: FloatArray = correlate(np.asarray(image, dtype=np.float64), kernel, mode="constant")
    return result


def local_statistics(
    pixels: FloatImage, measured: BoolImage, half: int
) -> tuple[FloatArray, FloatArray]:
    """``[H, W]`` mean and standard deviation of the visible, measured neighbours within ``half``.

    The slice's own where there are none.
    """
    kernel, middle = _kernel(half), float(pixels[measured].mean()) if measured.any() else 0.0
    shifted = np.where(measured, pixels - middle, 0.0).astype(np.float64)
    count = _around(measured, kernel)
    mean = _around(shifted, kernel) / np.maximum(count, 1.0)
    variance = _around(shifted**2, kernel) / np.maximum(count, 1.0) - mean**2
    return mean + middle, np.sqrt(np.maximum(variance, 0.0))


@dataclass(frozen=True)
class Samples:
    """Pixels drawn from training slices, ``[n]``, with the visible pixels around them.

    ``contrast`` is ``[n, k]``: the visible 7x7 neighbours less their mean; ``means`` and
    ``deviations`` are of the windows of each half-width.
    """

    target: FloatArray
    contrast: FloatArray
    means: dict[int, FloatArray]
    deviations: dict[int, FloatArray]

    @staticmethod
    def joined(parts: Sequence[Samples]) -> Samples:
        """All of them together."""
        return Samples(
            np.concatenate([part.target for part in parts]),
            np.concatenate([part.contrast for part in parts]),
            {
                half: np.concatenate([part.means[half] for part in parts])
                for half in DEVIATION_HALVES
            },
            {
                half: np.concatenate([part.deviations[half] for part in parts])
                for half in DEVIATION_HALVES
            },
        )


def sample(
    pixels: FloatImage, measured: BoolImage, where: BoolImage, count: int, rng: np.random.Generator
) -> Samples:
    """At most ``count`` pixels of ``where`` in one slice, with what is measured and visible around.

    All ``[H, W]``, in units of the slice's noise.
    """
    rows, columns = np.nonzero(where & measured)
    indices = rng.choice(len(rows), size=min(count, len(rows)), replace=False)
    rows, columns = rows[indices], columns[indices]
    statistics = {half: local_statistics(pixels, measured, half) for half in DEVIATION_HALVES}
    offsets, half = visible_offsets(LINEAR_HALF), LINEAR_HALF
    wide, padded_mask = np.pad(pixels, half), np.pad(measured, half)
    places = (
        rows[:, None] + offsets[None, :, 0] + half,
        columns[:, None] + offsets[None, :, 1] + half,
    )
    middle = statistics[LINEAR_HALF][0][rows, columns]
    contrast = np.where(padded_mask[places], wide[places] - middle[:, None], 0.0)
    return Samples(
        pixels[rows, columns].astype(np.float64),
        contrast,
        {h: mean[rows, columns] for h, (mean, _) in statistics.items()},
        {h: deviation[rows, columns] for h, (_, deviation) in statistics.items()},
    )


@dataclass(frozen=True)
class Reference:
    """A fitted reference: mean = local mean + weights .

    Contrast, variance = constant² + (slope x local deviation)².
    """

    name: str
    mean_half: int
    deviation_half: int
    weights: FloatArray | None
    constant: float
    slope: float

    def predict(self, pixels: FloatImage, measured: BoolImage) -> tuple[FloatArray, FloatArray]:
        """``[H, W]`` mean and spread of every pixel of a slice, all in units of its noise scale."""
        mean, deviation = local_statistics(pixels, measured, self.deviation_half)
        if self.mean_half != self.deviation_half:
            mean, _ = local_statistics(pixels, measured, self.mean_half)
        if self.weights is not None:
            kernel = _kernel(self.mean_half, self.weights)
            mean = (
                mean
                + _around(np.where(measured, pixels, 0.0), kernel)
                - mean * _around(measured, kernel)
            )
        return mean, np.sqrt(self.constant**2 + (self.slope * deviation) ** 2)


def nll(
    target: NDArray[np.floating], mean: NDArray[np.floating], spread: NDArray[np.floating]
) -> FloatArray:
    """Gaussian negative log-likelihood per pixel in nats, without the constant log(2 pi) / 2.

    As in training.
    """
    result: FloatArray = 0.5 * ((target - mean) / spread).astype(np.float64) ** 2 + np.log(spread)
    return result


def fit_local(samples: Samples) -> Reference:
    """Local mean and deviation.

    The better of the two windows, its floor and factor by maximum likelihood.
    """
    fitted = []
    for half in DEVIATION_HALVES:
        residual = samples.target - samples.means[half]
        constant, slope, value = _fit_spread(residual, samples.deviations[half])
        fitted.append(
            (value, Reference("local mean and deviation", half, half, None, constant, slope))
        )
    return min(fitted, key=lambda pair: pair[0])[1]


def fit_linear(samples: Samples) -> Reference:
    """Linear predictor with one spread in units of the noise scale: least squares."""
    weights = _least_squares(samples, np.ones(len(samples.target)))
    residual = samples.target - samples.means[LINEAR_HALF] - samples.contrast @ weights
    return Reference(
        "linear, constant spread",
        LINEAR_HALF,
        LINEAR_HALF,
        weights,
        float(np.sqrt(np.mean(residual**2))),
        0.0,
    )


def fit_linear_deviation(samples: Samples) -> Reference:
    """Linear predictor whose spread follows the local deviation.

    Weights and spread in turn, by maximum likelihood.
    """
    fitted = []
    for half in DEVIATION_HALVES:
        weighing = np.ones(len(samples.target))
        for _ in range(REWEIGHTINGS):
            weights = _least_squares(samples, weighing)
            residual = samples.target - samples.means[LINEAR_HALF] - samples.contrast @ weights
            constant, slope, value = _fit_spread(residual, samples.deviations[half])
            weighing = 1.0 / (constant**2 + (slope * samples.deviations[half]) ** 2)
        fitted.append(
            (
                value,
                Reference(
                    "linear, spread from local deviation",
                    LINEAR_HALF,
                    half,
                    weights,
                    constant,
                    slope,
                ),
            )
        )
    return min(fitted, key=lambda pair: pair[0])[1]


def _least_squares(samples: Samples, weighing: FloatArray) -> FloatArray:
    design = samples.contrast * weighing[:, None]
    gram = design.T @ samples.contrast + RIDGE * weighing.sum() * np.eye(samples.contrast.shape[1])
    result: FloatArray = np.linalg.solve(
        gram, design.T @ (samples.target - samples.means[LINEAR_HALF])
    )
    return result


def _fit_spread(residual: FloatArray, deviation: FloatArray) -> tuple[float, float, float]:
    """Constant, slope and the likelihood reached."""

    def cost(logs: FloatArray) -> float:
        variance = np.exp(2 * logs[0]) + np.exp(2 * logs[1]) * deviation**2
        return float(np.mean(0.5 * residual**2 / variance + 0.5 * np.log(variance)))

    optimum = minimize(
        cost, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-6}
    )
    return float(np.exp(optimum.x[0])), float(np.exp(optimum.x[1])), float(optimum.fun)
