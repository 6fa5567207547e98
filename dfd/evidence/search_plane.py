"""Residual planes of a slice, ready to be searched for a template by masked correlation.

Source: Padfield, Masked object registration in the Fourier domain (IEEE TIP 2012), for planes that
are zero where nothing is measured and have mean zero elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from dfd.evidence.running_sums import disk_offsets
from dfd.evidence.window_features import SUPPORT
from dfd.records import BoolImage

REACH_PX = 10
"""Largest radius of a template: smaller than most regions, so that a click beside the middle of a
copy, or its faded rim, takes little away."""
LEAST_ENERGY = 0.25
"""Places whose mean square lies below this (planes have about 1) are flat, and no better match than
their few values support."""
SAMPLED = 480
"""Places, evenly spread, from which the spread of correlations is estimated."""

Planes = NDArray[np.float32]
Offsets = NDArray[np.int64]


@dataclass(frozen=True)
class ResidualPlanes:
    """Residual planes of one slice within the window of its body: what templates are cut from."""

    planes: Planes
    """``[2, H, W]`` with ``REACH_PX`` zeros around: mean 0 and mean square about 1, 0 where nothing
    is measured."""
    valid: BoolImage
    """``[H, W]``, without the rim: where something is measured."""
    origin: tuple[int, int]
    """(row, column) of the window in the slice."""


@dataclass(frozen=True)
class NormalisationTerms:
    """What normalises correlations with disks of one radius at every place of a slice."""

    weight: Planes
    """``[H, W]`` geometric mean of both planes' factors: proposes places by both planes at once; 0
    where too little of the disk is measured."""
    places: int
    """How many places have a weight."""
    sample: Offsets
    """``[s, 2]`` (row, column) of ``SAMPLED`` places with support."""
    patches: Planes
    """``[2, n, s]`` contents of the disks at ``sample``, every column of norm 1."""


@dataclass(frozen=True)
class SearchPlane:
    """Residual planes of one slice with their spectra; made once, searched for every region."""

    residual: ResidualPlanes
    spectra: NDArray[np.complex64]
    """Of the planes as they are and mirrored left to right, ``[2, 2, ...]``."""
    size: tuple[int, int]
    """(rows, columns) of the Fourier transforms."""
    radius: float
    """Of the templates that can be searched for, in pixels."""
    terms: NormalisationTerms


def template_radius(region_radius: float) -> float:
    """Radius of the template for regions of ``region_radius``, in pixels."""
    return min(region_radius, float(REACH_PX))


def residual_window(planes: Planes, valid: BoolImage) -> ResidualPlanes:
    """Crops to the window that holds all measured pixels.

    Args:
        planes: ``[2, H, W]``.
        valid: ``[H, W]``, where something is measured: at least one pixel.
    """
    rows, columns = (np.flatnonzero(valid.any(axis=axis)) for axis in (1, 0))
    window = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    rim = ((0, 0), (REACH_PX, REACH_PX), (REACH_PX, REACH_PX))
    inside = valid[window]
    padded = np.pad(np.where(inside, planes[:, window[0], window[1]], 0.0).astype(np.float32), rim)
    return ResidualPlanes(padded, inside, (window[0].start, window[1].start))


def search_plane(residual: ResidualPlanes, region_radius: float) -> SearchPlane:
    """Transforms ``residual``, to be searched for templates of regions of ``region_radius``."""
    padded = residual.planes
    size = (
        fft.next_fast_len(padded.shape[1], real=True),
        fft.next_fast_len(padded.shape[2], real=True),
    )
    spectra = fft.rfft2(np.stack([padded, padded[:, :, ::-1]]), size)
    radius = template_radius(region_radius)
    return SearchPlane(
        residual, spectra, size, radius, _normalisation_terms(residual, size, disk_offsets(radius))
    )


def _normalisation_terms(
    residual: ResidualPlanes, size: tuple[int, int], offsets: Offsets
) -> NormalisationTerms:
    """Of disks of pixels at ``offsets`` ``[n, 2]`` (row, column) from their middle."""
    rim = ((0, 0), (REACH_PX, REACH_PX), (REACH_PX, REACH_PX))
    support = np.pad(residual.valid[None].astype(np.float32), rim)
    spectra = fft.rfft2(np.concatenate([residual.planes**2, support]), size)
    full = np.zeros((2 * REACH_PX + 1, 2 * REACH_PX + 1), dtype=np.float32)
    full[offsets[:, 0] + REACH_PX, offsets[:, 1] + REACH_PX] = 1.0
    height, width = residual.valid.shape
    products = spectra * np.conj(template_spectra(full[None], size))
    sums = np.asarray(fft.irfft2(products, size)[:, :height, :width], dtype=np.float32)
    supported = (sums[2] >= SUPPORT * len(offsets)) & residual.valid
    inverse = np.where(
        supported, 1.0 / np.sqrt(np.maximum(sums[:2], LEAST_ENERGY * len(offsets))), 0.0
    ).astype(np.float32)
    places = np.argwhere(supported)
    sample = (
        places[np.linspace(0, len(places) - 1, SAMPLED).astype(np.int64)] if len(places) else places
    )
    index = sample[:, None] + offsets[None] + REACH_PX
    patches = (
        residual.planes[:, index[..., 0], index[..., 1]]
        * inverse[:, sample[:, 0], sample[:, 1]][..., None]
    )
    weight = np.sqrt(inverse[0] * inverse[1])
    return NormalisationTerms(
        weight, int(np.count_nonzero(weight)), sample, np.ascontiguousarray(patches.swapaxes(1, 2))
    )


def template_spectra(templates: Planes, size: tuple[int, int]) -> NDArray[np.complex64]:
    """Spectra of small ``templates`` ``[k, 21, 21]`` padded to ``size`` (rows, columns).

    Most rows of the padded template are empty: it is transformed along its few rows first.
    """
    return np.asarray(fft.fft(fft.rfft(templates, n=size[1], axis=2), n=size[0], axis=1))
