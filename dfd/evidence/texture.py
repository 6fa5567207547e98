"""Texture evidence.

Does noise run from pixel to pixel as it does in the same tissue elsewhere in the slice?

Where `noise` and `synthesis` ask what the network leaves unexplained, this one asks the pixels
themselves, so it also sees what the network foretells too well: content that was smoothed,
resampled or drawn by another network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from dfd.evidence import reference_windows
from dfd.evidence.co_occurrence import CLASSES, REACH_PX, codes
from dfd.evidence.noise import LARGEST
from dfd.evidence.reference_windows import SliceTables, evidence_of, standing
from dfd.evidence.window_features import (
    FloatArray,
    RunningSums,
    WindowTable,
    disk_offsets,
    measure_windows,
    running_sums,
)
from dfd.modalities import Modality
from dfd.records import BoolImage, Evidence, Prediction, Region

FAMILY = "texture"
DIRECTION = "higher = pixels run from one to the next less like the same tissue of the same slice"
SOURCE = (
    "co-occurrences of quantised third derivatives (Cozzolino, Poggi, Verdoliva, Splicebuster, "
    "WIFS 2015), compared with matched windows"
)
COMPONENTS = 6
"""Principal components of a slice's own windows that are compared: in them windows differ most, and
more of them hold more chance."""
NAMES = tuple(f"texture {number + 1}" for number in range(COMPONENTS))
CODE_SUPPORT = 0.3
"""Share of a window's pixels that must have a code: a code looks ``REACH_PX`` beside itself."""
FEWEST_WINDOWS = 50
"""Below this many windows no principal component is told."""


@dataclass(frozen=True)
class Textures:
    """Codes of one slice summed over rows, and the components of its windows at each radius."""

    counts: RunningSums
    """Pixels that have a code, then of each class how many codes, along and across."""
    axes: dict[float, tuple[FloatArray, FloatArray]] = field(default_factory=dict)
    """Radius -> mean ``[d]`` and components ``[d, COMPONENTS]`` of ``shares``."""

    def shares(self, centres: NDArray[np.int64], radius: float) -> FloatArray:
        """``[n, 2 * CLASSES]``: square roots of the shares of classes, along and across.

        NaN where too few pixels have a code.
        """
        found = self.counts.over(centres, radius)
        number = found[:, :1]
        with np.errstate(divide="ignore", invalid="ignore"):
            roots: FloatArray = np.sqrt(found[:, 1:] / (2.0 * number))
        roots[number[:, 0] < CODE_SUPPORT * len(disk_offsets(radius))] = np.nan
        return roots

    def measure(
        self, sums: RunningSums, centres: NDArray[np.int64], radius: float, around: float
    ) -> WindowTable:
        """Windows in the components of the slice's own windows of that radius.

        Matched as those of noise are.

        The first call for a radius must be that for the windows all over the slice: they tell the
        components.
        """
        return self.of(measure_windows(sums, centres, radius, around))

    def of(self, windows: WindowTable) -> WindowTable:
        """The same for windows whose noise is measured already."""
        radius, shares = windows.radius, self.shares(windows.centres, windows.radius)
        shares[~np.isfinite(windows.measures).all(axis=1)] = np.nan
        if radius not in self.axes:
            self.axes[radius] = _components(shares[np.isfinite(shares).all(axis=1)])
        mean, axes = self.axes[radius]
        # Not by BLAS, whose sums depend on how many windows are asked about at once.
        return WindowTable(
            radius, windows.centres, np.einsum("nd,dk->nk", shares - mean, axes), windows.covariates
        )


def _components(shares: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and principal components of windows ``[n, d]``.

    NaN, so that nothing is measured, where they are too few.
    """
    if len(shares) < FEWEST_WINDOWS:
        return np.full(shares.shape[1], np.nan), np.full((shares.shape[1], COMPONENTS), np.nan)
    mean = shares.mean(axis=0)
    return mean, np.linalg.svd(shares - mean, full_matrices=False)[2][:COMPONENTS].T


def counts_of(prediction: Prediction) -> NDArray[np.float32]:
    """``[1 + 2 * CLASSES, H, W]``.

    Whether a pixel has a code, and how many of its codes, of two along and two across, are of each
    class.
    """
    planes = np.zeros((1 + 2 * CLASSES, *prediction.assessed.shape), dtype=np.float32)
    known: BoolImage = binary_erosion(prediction.assessed, iterations=REACH_PX, border_value=1)
    box = _held(prediction.assessed)
    mean, spread, z = (plane[box] for plane in (prediction.mean, prediction.spread, prediction.z))
    pixels = np.where(prediction.assessed[box], mean + spread * z, 0.0).astype(np.float64)
    found = codes(pixels, known[box])
    planes[0] = known
    rows, columns = np.nonzero(known[box])
    for number, plane in enumerate(found):
        # Two planes are pooled; a pixel stands in each of them once, so no place is counted twice
        # in one go.
        planes[
            1 + (number // 2) * CLASSES + plane[rows, columns],
            rows + box[0].start,
            columns + box[1].start,
        ] += 1.0
    return planes


def _held(assessed: BoolImage) -> tuple[slice, slice]:
    """The part of a slice that holds all that is assessed: codes beyond it would only take time."""
    rows, columns = np.flatnonzero(assessed.any(axis=1)), np.flatnonzero(assessed.any(axis=0))
    return (
        (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        if len(rows)
        else (slice(0, 1), slice(0, 1))
    )


def prepare(
    prediction: Prediction,
    radius: float,
    modality: Modality,
    windows: Callable[[float], SliceTables] | None = None,
) -> SliceTables:
    """Measures the windows of a slice once for all regions of about this radius (pixels).

    ``windows``: gives those of the same slice whose noise is measured, where others need them too.
    """
    textures = Textures(running_sums(counts_of(prediction)))
    plain = (
        reference_windows.prepare(prediction, radius, modality)
        if windows is None
        else windows(radius)
    )
    scales = reference_windows.scales_from([textures.of(scale.table) for scale in plain.scales])
    return SliceTables(
        prediction, modality, scales, plain.sums, plain.labels, radius, textures.measure, NAMES
    )


def statistic(deviation: FloatArray) -> FloatArray:
    """``[n]``: root mean square over the components. Higher = more suspicious."""
    result: FloatArray = np.sqrt(np.mean(np.clip(deviation, -LARGEST, LARGEST) ** 2, axis=1))
    return result


def measure(region: Region, reference: SliceTables) -> Evidence:
    """How far the texture of ``region`` deviates from matched windows of the same slice.

    In units of what is ordinary there.

    Unitless, >= 0, 1 to 1.5 = ordinary (the largest over the scales), higher = more suspicious.
    Source: see ``SOURCE``.
    """
    return evidence_of(
        FAMILY, standing(region, reference, statistic), lambda each: reason_for(each.statistic)
    )


def reason_for(value: float) -> str:
    """One plain sentence."""
    return (
        "the fine texture here, how values run from pixel to pixel, is unlike the same tissue of "
        f"this slice, {value:.1f} times the usual variation"
    )


__all__ = ["DIRECTION", "FAMILY", "SOURCE", "measure", "prepare", "reason_for", "statistic"]
