"""Texture evidence: is the fine texture that of the same tissue elsewhere in the slice?

Where `noise` and `synthesis` ask what the network leaves unexplained, this one asks the pixels
themselves, so it also sees what the network predicts too well: content that was smoothed,
resampled or drawn by another network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.ndimage import binary_erosion

from dfd.evidence.co_occurrence import CLASSES, REACH_PX, codes
from dfd.evidence.deviation_scores import FittedStatistic, fit_statistic
from dfd.evidence.family import Need, RegionBatch, SliceInput
from dfd.evidence.noise import LARGEST
from dfd.evidence.reference_windows import RegionWindows, SliceReference, compared, scale_of
from dfd.evidence.running_sums import RunningSums, bounds_of, disk_offsets, summed_down
from dfd.evidence.window_family import ComparedWindows
from dfd.evidence.window_features import CPU
from dfd.evidence.window_table import WindowTable
from dfd.records import Family, Prediction

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

    mean: torch.Tensor
    """``[d]`` of the class shares of the slice's own windows."""
    axes: torch.Tensor
    """``[d, COMPONENTS]`` their principal components."""


@dataclass(frozen=True)
class PreparedTexture:
    """The texture of one slice, prepared for regions of about one radius."""

    counts: RunningSums
    """Of ``counts_of``."""
    components: tuple[Components, ...]
    """At each scale, that of the regions first."""
    fitted: FittedStatistic

    def describe(self, windows: Sequence[WindowTable]) -> list[WindowTable]:
        """Texture of windows whose noise is measured, one table for each scale, their own first."""
        return _described(self.counts, self.components, windows)


def _described(
    counts: RunningSums, components: Sequence[Components], windows: Sequence[WindowTable]
) -> list[WindowTable]:
    return [
        project(table, class_shares(counts, table), one)
        for table, one in zip(windows, components, strict=True)
    ]


def class_shares(counts: RunningSums, windows: WindowTable) -> torch.Tensor:
    """``[n, 2 * CLASSES]``: square roots of the shares of classes, along and across.

    NaN where too few pixels have a code, or ``windows`` have no support.
    """
    totals = counts.over(windows.centres, windows.radius).double()
    number = totals[:, :1]
    little = number < CODE_SUPPORT * len(disk_offsets(windows.radius))
    unmeasured = little | ~windows.has_support[:, None]
    return (totals[:, 1:] / (2.0 * number)).sqrt().masked_fill(unmeasured, torch.nan)


def project(windows: WindowTable, shares: torch.Tensor, components: Components) -> WindowTable:
    """``windows``, measured by ``shares`` in ``components``, matched as those of noise are."""
    # Not by BLAS, whose sums depend on how many windows are projected at once.
    centred, axes = shares - components.mean, components.axes.T.contiguous()
    measures = torch.stack([(centred * axis).sum(dim=1) for axis in axes], dim=1)
    return WindowTable(windows.radius, windows.centres, measures, windows.covariates)


def fit_components(shares: torch.Tensor) -> Components:
    """Mean and principal components of windows ``[n, d]``; rows with NaN are left out.

    NaN, so that nothing is measured, where they are too few.
    """
    shares = shares[shares.isfinite().all(dim=1)]
    if len(shares) < FEWEST_WINDOWS:
        size = shares.shape[1]
        nothing = shares.new_full((size, 1 + COMPONENTS), torch.nan)
        return Components(nothing[:, 0], nothing[:, 1:])
    mean = shares.mean(dim=0)
    centred = shares - mean
    # The eigenvectors of the covariance, from the largest eigenvalue on; eigh gives them last.
    axes = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(dims=(1,))
    return Components(mean, axes[:, :COMPONENTS])


def fit_texture(counts: RunningSums, windows: SliceReference) -> PreparedTexture:
    """Fits the components to the slice's own windows, and measures those.

    Args:
        counts: of ``counts_of``.
        windows: those of the slice whose noise is measured.
    """
    tables = [scale.table for scale in windows.scales]
    shares = [class_shares(counts, table) for table in tables]
    components = [fit_components(each) for each in shares]
    scales = tuple(
        scale_of(project(*each)) for each in zip(tables, shares, components, strict=True)
    )
    own_first = tuple(components[place] for place in windows.order)

    def measure(centres: torch.Tensor, radii: Sequence[float]) -> list[WindowTable]:
        return _described(counts, own_first, windows.measure(centres, radii))

    reference = replace(windows, scales=scales, measure=measure, names=NAMES)
    return PreparedTexture(counts, own_first, fit_statistic(reference, statistic))


def counts_of(prediction: Prediction, device: torch.device = CPU) -> RunningSums:
    """Whether a pixel has a code, and how many of its codes are of each class.

    Of two codes along and of two across, ``1 + 2 * CLASSES`` numbers in all.
    """
    part = bounds_of(prediction.assessed)
    assessed = prediction.assessed[part]
    mean, spread, z = (
        torch.from_numpy(np.ascontiguousarray(plane[part])).to(device)
        for plane in (prediction.mean, prediction.spread, prediction.z)
    )
    eroded = binary_erosion(prediction.assessed, iterations=REACH_PX, border_value=1)[part]
    known, valid = (torch.from_numpy(each.copy()).to(device) for each in (assessed, eroded))
    pixels = torch.where(known, mean + spread * z, 0.0).double()
    offsets = torch.tensor([1, 1, 1 + CLASSES, 1 + CLASSES], device=device)[:, None, None]
    places = (codes(pixels, valid) + offsets).permute(1, 2, 0).contiguous()
    # In single precision, which counts without error and is summed faster.
    running = torch.zeros(valid.shape[0] + 1, valid.shape[1] + 1, 1 + 2 * CLASSES, device=device)
    ones = valid[..., None].to(running.dtype).expand(-1, -1, 4)
    counts = running[1:, :-1]
    counts[..., 0] = valid
    counts.scatter_add_(2, places, ones)
    return RunningSums(summed_down(running), (part[0].start, part[1].start))


def statistic(deviation: torch.Tensor) -> torch.Tensor:
    """``[n]``: root mean square over the components. Higher = more suspicious."""
    return deviation.clamp(-LARGEST, LARGEST).square().mean(dim=1).sqrt()


def reason_for(value: float) -> str:
    """One plain sentence."""
    return (
        "the fine texture here, how values run from pixel to pixel, is unlike the same tissue of "
        f"this slice, {value:.1f} times the usual variation"
    )


class TextureEvidence(ComparedWindows[PreparedTexture]):
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
        counts = counts_of(slice_input.prediction, slice_input.device)
        return fit_texture(counts, slice_input.windows)

    def compare(
        self, batch: RegionBatch, prepared: PreparedTexture
    ) -> tuple[RegionWindows, FittedStatistic]:
        """The texture of the windows that all families share."""
        tables = prepared.describe(batch.windows.tables)
        # Most windows whose noise is measured have a texture: those alike are alike in both.
        candidates = [
            each.among(scale.kept, scale.table)
            for each, scale in zip(
                batch.windows.candidates, prepared.fitted.reference.own_first, strict=True
            )
        ]
        return compared(tables, candidates), prepared.fitted

    def reason_for(self, statistic: float, _: Mapping[str, float]) -> str:
        """See the function of this name."""
        return reason_for(statistic)


FAMILY = TextureEvidence()
