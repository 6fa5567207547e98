"""Residual planes of a slice, ready to be searched for templates by masked correlation.

Source: Padfield, Masked object registration in the Fourier domain (IEEE TIP 2012), for planes that
are zero where nothing is measured and have mean zero elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch.nn.functional import pad

from dfd.evidence.running_sums import disk_offsets
from dfd.evidence.window_features import SUPPORT

REACH_PX = 10
"""Largest radius of a template: smaller than most regions, so that a click beside the middle of a
copy, or its faded rim, takes little away."""
TURNED_REACH_PX = 8.0
"""The same where it is searched for at any angle and size: there are more templates then, and
smaller ones also lie within an irregular copy (``benchmarks.studies.any_copy``)."""
LEAST_ENERGY = 0.25
"""Places whose mean square lies below this (planes have about 1) are flat, and no better match than
their few values support."""
SAMPLED = 480
"""Places, evenly spread, from which the spread of correlations is estimated."""


@dataclass(frozen=True)
class ResidualPlanes:
    """Residual planes of one slice within the window of its body: what templates are cut from."""

    planes: torch.Tensor
    """``[2, H, W]`` float32 with ``REACH_PX`` zeros around: mean 0 and mean square about 1, 0 where
    nothing is measured."""
    valid: torch.Tensor
    """``[H, W]`` bool, without the rim: where something is measured."""
    origin: tuple[int, int]
    """(row, column) of the window in the slice."""


@dataclass(frozen=True)
class NormalisationTerms:
    """What normalises correlations with disks of one radius at every place of a slice."""

    inverse: torch.Tensor
    """``[2, H, W]`` of the norm of each disk; 0 where too little of it is measured."""
    weight: torch.Tensor
    """``[H, W]`` geometric mean of both planes' factors: proposes places by both planes at once."""
    places: int
    """How many places have a weight."""
    sample: torch.Tensor
    """``[s, 2]`` int64 (row, column) of ``SAMPLED`` places with support."""
    patches: torch.Tensor
    """``[2, k, s]`` contents of the disks at ``sample``, every column of norm 1."""


@dataclass(frozen=True)
class SearchPlane:
    """Residual planes of one slice with their spectra; made once, searched for every region."""

    residual: ResidualPlanes
    spectra: torch.Tensor
    """``[2, *size]`` complex: of the planes, as real parts, and of the planes mirrored left to
    right, as imaginary parts."""
    size: tuple[int, int]
    """(rows, columns) of the Fourier transforms."""
    radius: float
    """Of the templates that can be searched for, in pixels."""
    terms: NormalisationTerms

    @cached_property
    def of_turned(self) -> SearchPlane:
        """The same for templates that are searched for at any angle and size."""
        radius = min(self.radius, TURNED_REACH_PX)
        if radius == self.radius:
            return self
        return replace(self, radius=radius, terms=_terms_of(self.residual, self.size, radius))


def template_radius(region_radius: float) -> float:
    """Radius of the template for regions of ``region_radius``, in pixels."""
    return min(region_radius, float(REACH_PX))


def residual_window(
    planes: torch.Tensor, valid: torch.Tensor, corner: tuple[int, int] = (0, 0)
) -> ResidualPlanes:
    """Crops to the window that holds all measured pixels.

    Args:
        planes: ``[2, H, W]``.
        valid: ``[H, W]``, where something is measured: at least one pixel.
        corner: (row, column) of the planes in the slice.
    """
    rows, columns = (torch.nonzero(valid.any(dim=axis)).flatten().tolist() for axis in (1, 0))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    inside = valid[window]
    cut = torch.where(inside, planes[:, window[0], window[1]].float(), 0.0)
    return ResidualPlanes(
        pad(cut, (REACH_PX,) * 4), inside, (corner[0] + rows[0], corner[1] + columns[0])
    )


def search_plane(residual: ResidualPlanes, region_radius: float) -> SearchPlane:
    """Transforms ``residual``, to be searched for templates of regions of ``region_radius``."""
    padded = residual.planes
    size = (
        next_fast_len(padded.shape[1], real=True),
        next_fast_len(padded.shape[2], real=True),
    )
    # Templates are transformed about their middle row.
    rows = padded.roll(-REACH_PX, -2)
    spectra = torch.fft.fft2(torch.complex(rows, rows.flip(-1)), size)
    radius = template_radius(region_radius)
    return SearchPlane(residual, spectra, size, radius, _terms_of(residual, size, radius))


def _terms_of(residual: ResidualPlanes, size: tuple[int, int], radius: float) -> NormalisationTerms:
    """Of disks of ``radius`` pixels."""
    offsets = torch.from_numpy(disk_offsets(radius)).to(residual.planes.device)
    support = pad(residual.valid[None].float(), (REACH_PX,) * 4)
    spectra = torch.fft.rfft2(torch.cat([residual.planes**2, support]), size)
    disk = squares_of(support.new_ones(len(offsets)), offsets)
    height, width = residual.valid.shape
    sums = torch.fft.irfft2(spectra * torch.fft.rfft2(disk, size).conj(), size)[:, :height, :width]
    # Rounding must not decide on disks of which just that share is measured.
    supported = (sums[2].round() >= SUPPORT * len(offsets)) & residual.valid
    inverse = torch.where(supported, sums[:2].clamp_min(LEAST_ENERGY * len(offsets)).rsqrt(), 0.0)
    places = torch.nonzero(supported)
    spread = np.linspace(0, max(len(places) - 1, 0), SAMPLED).astype(np.int64)
    sample = places[torch.from_numpy(spread).to(places.device)] if len(places) else places
    index = sample[None] + offsets[:, None] + REACH_PX
    patches = (
        residual.planes[:, index[..., 0], index[..., 1]]
        * inverse[:, sample[:, 0], sample[:, 1]][:, None]
    )
    weight = (inverse[0] * inverse[1]).sqrt()
    return NormalisationTerms(inverse, weight, int(torch.count_nonzero(weight)), sample, patches)


def squares_of(values: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """``[..., 21, 21]``: ``values`` ``[..., k]`` at their ``offsets`` from the middle, else 0."""
    side = 2 * REACH_PX + 1
    index = (offsets[:, 0] + REACH_PX) * side + offsets[:, 1] + REACH_PX
    squares = values.new_zeros((*values.shape[:-1], side * side))
    squares[..., index] = values
    return squares.unflatten(-1, (side, side))


def template_spectra(templates: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Conjugate spectra ``[..., *size]`` of small real ``templates`` ``[..., 21, 21]``.

    A product with the spectrum of a plane is that of their correlation. Rows are counted from the
    middle one. Most rows of the padded template are empty, which makes one product of real matrices
    of a transform along its few rows.
    """
    rows = torch.fft.ifft(templates, n=size[1], norm="forward")
    below, above = rows[..., REACH_PX + 1 :, :], rows[..., :REACH_PX, :].flip(-2)
    even = torch.cat([rows[..., REACH_PX : REACH_PX + 1, :], below + above], -2)
    parts = torch.view_as_real(torch.cat([even, 1j * (below - above)], -2)).flatten(-2)
    product = _waves(size[0], templates.device) @ parts
    return torch.view_as_complex(product.unflatten(-1, (-1, 2)))


def taken(planes: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """``[p, ...]``: values of ``planes`` ``[p, H, W]`` at ``index`` ``[...]`` of the flat planes.

    Much quicker than by subscripts.
    """
    flat = index.flatten()
    return torch.stack([plane.index_select(0, flat) for plane in planes.flatten(1)]).unflatten(
        1, index.shape
    )


@cache
def _waves(length: int, device: torch.device) -> torch.Tensor:
    """``[length, 21]``: cosines of 0 to 10 periods in ``length``, then sines of 1 to 10."""
    steps = torch.arange(length, dtype=torch.float64)[:, None] * torch.arange(REACH_PX + 1)
    angles = 2.0 * torch.pi / length * (steps % length)
    return torch.cat([angles.cos(), angles[:, 1:].sin()], 1).float().to(device)
