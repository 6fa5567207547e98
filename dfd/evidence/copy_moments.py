"""Where a slice holds a template turned by any angle, resized, or mirrored.

The moments of the template, at several sizes, are compared with those around every second pixel of
the slice: first what no turn changes of them (``dfd.evidence.harmonics``), then, at the places that
resemble it most, all of them under the best turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch.nn.functional import conv2d, pad

from dfd.evidence.copy_template import Templates
from dfd.evidence.copy_transforms import back_matrices
from dfd.evidence.cores import chunks, on_cores
from dfd.evidence.harmonics import LEAST, Harmonics, harmonics_of
from dfd.evidence.search_plane import REACH_PX, SearchPlane

STEP_PX = 2
"""Distance of the places along rows and columns."""
SHIFTS = tuple((row / 1.5, column / 1.5) for row in (-1, 0, 1) for column in (-1, 0, 1))
"""(row, column) of templates, so that one of them lies on a place however it was turned."""
SIZES = (0.84, 1.0, 1.19)
"""Of the copy, where the template has 1: what lies between 0.77 and 1.3 is near one of them."""
AROUND_PX = 11
"""Half side of the square that a template's moments are taken from: the largest reach over the
least size, and a shift."""
WEIGHTS = (0.5, 1.0)
"""Of z and of the pixels in what moments are taken of: interpolation keeps less of z, whose grain
is finer."""
PROPOSED = 128
"""Places of each template whose moments are compared under all turns."""
ANGLES = 90
PLACES_AT_ONCE = 4096


@dataclass(frozen=True)
class Moments:
    """Of the places of a slice that is searched."""

    harmonics: Harmonics
    places: torch.Tensor
    """``[n, 2]`` int64 (row, column) in the window of the slice."""
    moments: torch.Tensor
    """``[m, n]`` complex64, each of mean square 1."""
    scales: torch.Tensor
    """``[m]`` root mean square of the moments before."""
    invariants: torch.Tensor
    """``[features, n]`` float32, standardised, every column of norm 1."""
    middles: torch.Tensor
    """``[features, 1]`` means of the invariants before."""
    spreads: torch.Tensor
    """``[features, 1]`` standard deviations of the invariants before."""
    at_once: int = 1
    """How many templates are compared with them together."""

    def standardised(self, moments: torch.Tensor) -> torch.Tensor:
        """``[features, c]`` of moments ``[m, c]``, as ``invariants`` are."""
        return _of_norm_1((self.harmonics.invariants(moments) - self.middles) / self.spreads)


def _of_norm_1(columns: torch.Tensor) -> torch.Tensor:
    return columns / torch.linalg.vector_norm(columns, dim=0, keepdim=True).clamp_min(LEAST)


def moments_of(plane: SearchPlane) -> Moments | None:
    """Of both planes together; None where the slice has fewer than two places to look at."""
    harmonics, planes = harmonics_of(plane.radius), plane.residual.planes
    kernels = _kernels(plane.radius).to(planes.device)
    height, width = (-(-side // STEP_PX) for side in plane.terms.weight.shape)
    usable = plane.terms.weight[::STEP_PX, ::STEP_PX] > 0
    if usable.sum() < 2:
        return None
    image = _together(planes)[None]
    # Rows in strips, one on each core.
    strips = chunks(height, max(1, -(-height // max(1, torch.get_num_threads()))))

    def convolve(strip: slice) -> torch.Tensor:
        rows = image[:, STEP_PX * strip.start : STEP_PX * (strip.stop - 1) + 2 * REACH_PX + 1]
        return conv2d(rows[None], kernels, stride=STEP_PX)[0, :, :, :width]

    sums = torch.cat(on_cores(convolve, strips, planes.device), 1)[:, usable]
    raw = torch.complex(sums[: len(harmonics)], sums[len(harmonics) :])
    scales = (raw.real**2 + raw.imag**2).mean(1).sqrt().clamp_min(LEAST)
    moments = raw / scales[:, None]
    invariants = harmonics.invariants(moments)
    spreads, middles = torch.std_mean(invariants, dim=1, keepdim=True)
    spreads = spreads.clamp_min(LEAST)
    places = STEP_PX * torch.nonzero(usable)
    invariants = _of_norm_1((invariants - middles) / spreads)
    return Moments(harmonics, places, moments, scales, invariants, middles, spreads)


def _together(planes: torch.Tensor) -> torch.Tensor:
    """``[H, W]`` of both ``planes`` ``[2, H, W]``."""
    first, second = WEIGHTS
    return first * planes[0] + second * planes[1]


@cache
def _kernels(radius: float) -> torch.Tensor:
    """``[2 m, 1, 21, 21]`` real and imaginary parts, of what stands around a place."""
    kernels = harmonics_of(radius).kernels(REACH_PX)
    return torch.cat([kernels.real, kernels.imag])[:, None].contiguous()


@cache
def _template_kernels(radius: float) -> torch.Tensor:
    """``[c * m, S * S]`` complex: of templates at each of ``SHIFTS`` and ``SIZES``."""
    harmonics = harmonics_of(radius)
    kernels = [
        harmonics.kernels(AROUND_PX, size, shift).flatten(1) for shift in SHIFTS for size in SIZES
    ]
    return torch.cat(kernels)


@cache
def _columns(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """``[c, 2]`` shift and ``[c]`` size of each column of ``_template_kernels``."""
    shifts = torch.tensor([shift for shift in SHIFTS for _ in SIZES], dtype=torch.float64)
    sizes = torch.tensor([size for _ in SHIFTS for size in SIZES], dtype=torch.float64)
    return shifts.to(device), sizes.to(device)


@dataclass(frozen=True)
class Candidates:
    """Places that templates may have been copied to, ``p`` for each."""

    agreement: torch.Tensor
    """``[n, p]`` of all moments under the best turn, at most 1; the best first."""
    parameters: torch.Tensor
    """``[n, p, 3]`` float64 of the transforms."""
    places: torch.Tensor
    """``[n, p, 2]`` float64 (row, column) in the window of the slice searched."""


def candidates(
    templates: Templates, moments: Moments, plane: SearchPlane, apart: float, count: int
) -> Candidates:
    """The likeliest ``count`` of each template, more than ``apart`` pixels from it.

    ``moments``: of ``plane``.
    """
    device = templates.places.device
    parts = on_cores(
        lambda part: _candidates(templates[part], moments, plane, apart, count),
        chunks(len(templates), moments.at_once),
        device,
    )
    return Candidates(
        torch.cat([part.agreement for part in parts]),
        torch.cat([part.parameters for part in parts]),
        torch.cat([part.places for part in parts]),
    )


def _candidates(
    templates: Templates, moments: Moments, plane: SearchPlane, apart: float, count: int
) -> Candidates:
    middles = templates.places - templates.places.new_tensor(plane.residual.origin)
    own = _moments_of_templates(templates, moments)
    rows, columns, mirrored = _likeliest(own, moments, middles, apart)
    agreement, angles = _turned(own, moments, rows, columns, mirrored)
    agreement, order = agreement.topk(min(count, agreement.shape[1]), dim=1)
    rows, columns, mirrored, angles = (
        each.gather(1, order) for each in (rows, columns, mirrored, angles)
    )
    shifts, sizes = _columns(rows.device)
    # Angles of moments go from columns to rows: clockwise as seen on a screen.
    degrees = (540.0 - 360.0 / ANGLES * angles.double()) % 360.0 - 180.0
    parameters = torch.stack([mirrored.double(), degrees, sizes[columns]], -1)
    steps = torch.linalg.solve(back_matrices(parameters), shifts[columns])
    return Candidates(agreement, parameters, moments.places[rows].double() - steps)


def _moments_of_templates(templates: Templates, moments: Moments) -> torch.Tensor:
    """``[n, m, c]`` of each template at every shift and size, scaled as ``moments`` are."""
    kernels = _template_kernels(moments.harmonics.radius).to(templates.places.device)
    margin = AROUND_PX - REACH_PX
    image = pad(_together(templates.residual.planes), (margin,) * 4)
    steps = torch.arange(-AROUND_PX, AROUND_PX + 1, device=image.device) + AROUND_PX
    middles = templates.places - templates.places.new_tensor(templates.residual.origin)
    rows, columns = (
        (middles[:, axis, None] + steps).clamp(0, image.shape[axis] - 1) for axis in (0, 1)
    )
    squares = image[rows[:, :, None], columns[:, None, :]].flatten(1)
    sums = squares.to(kernels.dtype) @ kernels.T
    own = sums.unflatten(1, (-1, len(moments.harmonics))).transpose(1, 2)
    return own / moments.scales[:, None]


def _likeliest(
    own: torch.Tensor, moments: Moments, middles: torch.Tensor, apart: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """``[n, p]`` numbers of places, of the columns of ``own`` that resemble them most.

    And whether mirrored.
    """
    count, _, columns = own.shape
    asked = moments.standardised(own.transpose(0, 1).flatten(1)).T.contiguous()
    signed = len(moments.harmonics.inner)
    best = own.real.new_empty(count, moments.invariants.shape[1])
    for block in chunks(best.shape[1], PLACES_AT_ONCE):
        same, turning = _products(asked, moments.invariants[:, block], signed)
        best[:, block] = same.add_(turning.abs_()).view(count, columns, -1).amax(1)
    away = ((moments.places - middles[:, None]) ** 2).sum(-1) > apart**2
    best = torch.where(away, best, -torch.inf)
    rows = best.topk(min(PROPOSED, best.shape[1]), dim=1).indices
    there = moments.invariants[:, rows].transpose(0, 1)
    same, turning = _products(asked.view(count, columns, -1), there, signed)
    column = (same + turning.abs()).argmax(1)
    return rows, column, turning.gather(1, column[:, None])[:, 0] < 0


def _products(
    asked: torch.Tensor, invariants: torch.Tensor, signed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of those that stay in a mirror image, and of the last ones, which change their sign."""
    split = asked.shape[-1] - signed
    same = asked[..., :split] @ invariants[..., :split, :]
    return same, asked[..., split:] @ invariants[..., split:, :]


def _turned(
    own: torch.Tensor,
    moments: Moments,
    rows: torch.Tensor,
    columns: torch.Tensor,
    mirrored: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """``[n, p]`` how well the moments agree under the best turn, and its number of ``ANGLES``."""
    waves = moments.harmonics.waves.to(rows.device)
    mine = own.gather(2, columns[:, None].expand(-1, own.shape[1], -1))
    signs = (1.0 - 2.0 * (waves % 2)).view(-1, 1)
    mine = torch.where(mirrored[:, None], signs * mine.conj(), mine)
    there = moments.moments[:, rows].transpose(0, 1)
    agreed = _of_norm_1(mine.transpose(0, 1)).conj() * _of_norm_1(there.transpose(0, 1))
    summed = torch.zeros(ANGLES // 2 + 1, *rows.shape, dtype=agreed.dtype, device=rows.device)
    summed.index_add_(0, waves, agreed)
    best = torch.fft.irfft(summed, ANGLES, dim=0, norm="forward").max(0)
    return best.values, best.indices
