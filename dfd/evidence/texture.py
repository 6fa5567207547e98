"""Texture evidence: is the fine texture that of the same tissue elsewhere in the slice?

Where `noise` and `synthesis` ask what the network leaves unexplained, this one asks the pixels
themselves, so it also sees what the network predicts too well: content that was smoothed,
resampled or drawn by another network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from dfd.evidence.co_occurrence import CLASSES, REACH_PX, codes
from dfd.evidence.family import Need, RegionBatch, SliceInput
from dfd.evidence.noise import LARGEST
from dfd.evidence.reference_windows import (
    FittedStatistic,
    SliceReference,
    compare_windows,
    deviation_scores,
    evidence_of,
    fit_statistic,
    scales_from,
)
from dfd.evidence.running_sums import FloatArray, RunningSums, disk_offsets, running_sums
from dfd.evidence.window_table import WindowTable
from dfd.records import BoolImage, Evidence, Family, Prediction

COMPONENTS = 6
"""Principal components of a slice's own windows that are compared: in them windows differ most, and
more of them hold more chance."""
NAMES = tuple(f"texture {number + 1}" for number in range(COMPONENTS))
CODE_SUPPORT = 0.3
"""Share of a window's pixels that must have a code: a code looks ``REACH_PX`` beside itself."""
FEWEST_WINDOWS = 50
"""Below this many windows there are no principal components."""


@dataclass(frozen=True)
class Components:
    """What windows of one radius are compared in."""

    mean: FloatArray
    """``[d]`` of the class shares of the slice's own windows."""
    axes: FloatArray
    """``[d, COMPONENTS]`` their principal components."""


@dataclass(frozen=True)
class PreparedTexture:
    """The texture of one slice, prepared for regions of about one radius."""

    counts: RunningSums
    """Of ``counts_of``."""
    components: tuple[Components, ...]
    """At each scale, the largest first."""
    fitted: FittedStatistic

    def describe(self, windows: Sequence[WindowTable]) -> list[WindowTable]:
        """Texture of windows whose noise is measured, one table for each scale, largest first."""
        return _described(self.counts, self.components, windows)


def _described(
    counts: RunningSums, components: Sequence[Components], windows: Sequence[WindowTable]
) -> list[WindowTable]:
    return [
        project(table, class_shares(counts, table), one)
        for table, one in zip(windows, components, strict=True)
    ]


def class_shares(counts: RunningSums, windows: WindowTable) -> FloatArray:
    """``[n, 2 * CLASSES]``: square roots of the shares of classes, along and across.

    NaN where too few pixels have a code, or ``windows`` have no support.
    """
    totals = counts.over(windows.centres, windows.radius)
    number = totals[:, :1]
    with np.errstate(divide="ignore", invalid="ignore"):
        roots: FloatArray = np.sqrt(totals[:, 1:] / (2.0 * number))
    roots[number[:, 0] < CODE_SUPPORT * len(disk_offsets(windows.radius))] = np.nan
    roots[~windows.has_support] = np.nan
    return roots


def project(windows: WindowTable, shares: FloatArray, components: Components) -> WindowTable:
    """``windows``, measured by ``shares`` in ``components``, matched as those of noise are."""
    # Not by BLAS, whose sums depend on how many windows are projected at once.
    measures = np.einsum("nd,dk->nk", shares - components.mean, components.axes)
    return WindowTable(windows.radius, windows.centres, measures, windows.covariates)


def fit_components(shares: FloatArray) -> Components:
    """Mean and principal components of windows ``[n, d]``; rows with NaN are left out.

    NaN, so that nothing is measured, where they are too few.
    """
    shares = shares[np.isfinite(shares).all(axis=1)]
    if len(shares) < FEWEST_WINDOWS:
        size = shares.shape[1]
        return Components(np.full(size, np.nan), np.full((size, COMPONENTS), np.nan))
    mean = shares.mean(axis=0)
    return Components(mean, np.linalg.svd(shares - mean, full_matrices=False)[2][:COMPONENTS].T)


def fit_texture(counts: RunningSums, windows: SliceReference) -> PreparedTexture:
    """Fits the components to the slice's own windows, and measures those.

    Args:
        counts: of ``counts_of``.
        windows: those of the slice whose noise is measured.
    """
    tables = [scale.table for scale in windows.scales]
    shares = [class_shares(counts, table) for table in tables]
    components = [fit_components(each) for each in shares]
    scales = scales_from([project(*each) for each in zip(tables, shares, components, strict=True)])
    largest_first = tuple(reversed(components))

    def measure(centres: NDArray[np.int64], radii: Sequence[float]) -> list[WindowTable]:
        return _described(counts, largest_first, windows.measure(centres, radii))

    reference = replace(windows, scales=scales, measure=measure, names=NAMES)
    return PreparedTexture(counts, largest_first, fit_statistic(reference, statistic))


def counts_of(prediction: Prediction) -> NDArray[np.float32]:
    """``[1 + 2 * CLASSES, H, W]``.

    Whether a pixel has a code, and how many of its codes, of two along and two across, are of each
    class.
    """
    planes = np.zeros((1 + 2 * CLASSES, *prediction.assessed.shape), dtype=np.float32)
    valid: BoolImage = binary_erosion(prediction.assessed, iterations=REACH_PX, border_value=1)
    box = _bounds(prediction.assessed)
    mean, spread, z = (plane[box] for plane in (prediction.mean, prediction.spread, prediction.z))
    pixels = np.where(prediction.assessed[box], mean + spread * z, 0.0).astype(np.float64)
    code_planes = codes(pixels, valid[box])
    planes[0] = valid
    rows, columns = np.nonzero(valid[box])
    for number, plane in enumerate(code_planes):
        # Two planes are pooled; a pixel stands in each of them once, so no place is counted twice
        # in one go.
        planes[
            1 + (number // 2) * CLASSES + plane[rows, columns],
            rows + box[0].start,
            columns + box[1].start,
        ] += 1.0
    return planes


def _bounds(assessed: BoolImage) -> tuple[slice, slice]:
    """The part of a slice that holds all that is assessed: codes beyond it would only take time."""
    rows, columns = np.flatnonzero(assessed.any(axis=1)), np.flatnonzero(assessed.any(axis=0))
    return (
        (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        if len(rows)
        else (slice(0, 1), slice(0, 1))
    )


def statistic(deviation: FloatArray) -> FloatArray:
    """``[n]``: root mean square over the components. Higher = more suspicious."""
    result: FloatArray = np.sqrt(np.mean(np.clip(deviation, -LARGEST, LARGEST) ** 2, axis=1))
    return result


def reason_for(value: float) -> str:
    """One plain sentence."""
    return (
        "the fine texture here, how values run from pixel to pixel, is unlike the same tissue of "
        f"this slice, {value:.1f} times the usual variation"
    )


class TextureEvidence:
    """How far the texture of a region deviates from matched windows of the same slice.

    In units of what is ordinary there: unitless, >= 0, 1 to 1.5 = ordinary (the largest over the
    scales), higher = more suspicious.
    """

    name = Family.TEXTURE.value
    title = "Texture"
    question = "Do values run from pixel to pixel as in the same tissue elsewhere in this slice?"
    direction = (
        "higher = values follow each other from pixel to pixel less like in the same tissue of the "
        "same slice"
    )
    source = (
        "co-occurrences of quantised third derivatives (Cozzolino, Poggi, Verdoliva, Splicebuster, "
        "WIFS 2015), compared with matched windows"
    )
    needs = frozenset({Need.WINDOWS})

    def prepare(self, slice_input: SliceInput) -> PreparedTexture:
        """The components of the slice's own windows, and what is ordinary in them."""
        counts = running_sums(counts_of(slice_input.prediction))
        return fit_texture(counts, slice_input.windows)

    def measure(self, batch: RegionBatch, prepared: PreparedTexture) -> list[Evidence]:
        """One piece of evidence per region, in order."""
        fitted = prepared.fitted
        windows = compare_windows(prepared.describe(batch.windows.tables), fitted.reference)
        return [
            evidence_of(self.name, score, lambda each: reason_for(each.statistic))
            for score in deviation_scores(batch.regions, windows, fitted)
        ]


FAMILY = TextureEvidence()
