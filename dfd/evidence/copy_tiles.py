"""Where many neighbouring templates may have been copied from, proposed for all of them at once.

Tiles of a slice that hold several templates each are correlated with the whole of it, and the best
displacements of a tile are checked exactly for each template near it. A copy larger than a template
stands out of a tile although most of the tile is no copy: what agrees grows with the area of the
copy, what agrees by chance with the root of that of the tile.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.fft import next_fast_len
from torch.nn.functional import pad

from dfd.evidence.copy_template import Templates
from dfd.evidence.cores import chunks, on_cores
from dfd.evidence.search_plane import REACH_PX, ResidualPlanes, SearchPlane, taken

TILE_PX = 40
"""Side of a tile."""
PROPOSALS = 8
"""Displacements of each tile that are checked, as it is and mirrored each."""
BLOCK_PX = 8
"""Of displacements in one block only the best is proposed, or a single wide peak would take all."""
CORRELATED_PX = 6.0
"""Standard deviation of the window that an autocorrelation is cut by."""
LEAST_POWER = 0.25
"""Added to the spectrum before it is divided by, in units of its mean: where a slice holds no noise
a copy holds what was added to it."""
LARGEST = 2.5
"""White residuals are cut here, in units of their standard deviation."""
TILES_AT_ONCE = {"cpu": 1, "cuda": 64}
CHECKED_AT_ONCE = {"cpu": 8, "cuda": 1024}
"""Tiles and templates that are worked on together, by kind of device."""


def proposed_places(templates: Templates, plane: SearchPlane, near: torch.Tensor) -> torch.Tensor:
    """``[n, 2, p, 2]`` int64 (row, column) in the window of ``plane``, which they are cut from.

    As they are, then mirrored left to right. Some lie outside the window or among the places that
    do not count: ``near`` ``[m, 2]`` steps from a template.
    """
    residual = plane.residual
    white = whitened(residual)
    around = _tiles_around(templates.places, residual)
    across = int(around[..., 1].max()) + 1
    numbers, owners = torch.unique(
        (around * around.new_tensor([across, 1])).sum(-1), return_inverse=True
    )
    tiles = torch.stack([numbers // across, numbers % across], -1)
    corners = TILE_PX * tiles - tiles.new_tensor(residual.origin)
    size = _size(residual)
    spectra = torch.fft.rfft2(torch.stack([white, white.flip(-1)]), size)
    search = _TileSearch(pad(white, (TILE_PX,) * 4), corners, near, size, spectra)
    parts = chunks(len(corners), TILES_AT_ONCE.get(corners.device.type, 1))
    displaced = torch.cat(on_cores(search, parts, corners.device))
    middles = templates.places - templates.places.new_tensor(residual.origin)
    steps = middles[:, None] - corners[owners]
    places = displaced[owners] + steps[:, :, None, None]
    places[:, :, 1, :, 1] = residual.valid.shape[1] - 1 - places[:, :, 1, :, 1]
    return places.transpose(1, 2).flatten(2, 3)


def _tiles_around(places: torch.Tensor, residual: ResidualPlanes) -> torch.Tensor:
    """``[n, 4, 2]`` (row, column) numbers of the four tiles nearest to ``places`` ``[n, 2]``.

    Its own first; none lies wholly outside the window of ``residual``.
    """
    own = torch.div(places, TILE_PX, rounding_mode="floor")
    beside = own + torch.where(places - TILE_PX * own < TILE_PX / 2, -1, 1)
    first = places.new_tensor(residual.origin)
    last = first + places.new_tensor(residual.valid.shape) - 1
    beside = torch.minimum(torch.maximum(beside, first // TILE_PX), last // TILE_PX)
    rows = torch.stack([own[:, 0], own[:, 0], beside[:, 0], beside[:, 0]], 1)
    columns = torch.stack([own[:, 1], beside[:, 1], own[:, 1], beside[:, 1]], 1)
    return torch.stack([rows, columns], -1)


def checked_correlations(
    places: torch.Tensor,
    values: torch.Tensor,
    templates: Templates,
    plane: SearchPlane,
    apart: float,
) -> torch.Tensor:
    """``[n, t, p, 2]`` correlations of both planes at ``places`` ``[n, t, p, 2]``.

    0 where a place is outside the window, holds too little, or is no more than ``apart`` pixels
    from the template. ``values`` ``[n, t, 2, k]``: what copies there would hold.
    """
    residual, terms = plane.residual, plane.terms
    width = residual.planes.shape[2]
    steps = ((templates.offsets + REACH_PX) * places.new_tensor([width, 1])).sum(-1)
    middles = templates.places - places.new_tensor(residual.origin)

    def check(part: slice) -> torch.Tensor:
        last = places.new_tensor(terms.weight.shape) - 1
        within = torch.minimum(places[part].clamp_min(0), last)
        usable = (within == places[part]).all(-1)
        usable &= ((within - middles[part][:, None, None]) ** 2).sum(-1) > apart**2
        index = (within[..., 0] * width + within[..., 1])[..., None] + steps
        there = taken(residual.planes, index)
        held = values[part].permute(2, 0, 1, 3)[..., None, :]
        factors = terms.inverse[:, within[..., 0], within[..., 1]]
        found = ((there * held).sum(-1) * factors).movedim(0, -1)
        return torch.where(usable[..., None], found, 0.0)

    parts = chunks(len(places), CHECKED_AT_ONCE.get(places.device.type, 8))
    return torch.cat(on_cores(check, parts, places.device))


def whitened(residual: ResidualPlanes) -> torch.Tensor:
    """``[2, H, W]``: the planes within their window with nearly the same power at all frequencies.

    Noise that is smooth agrees with itself by chance more often than white noise does: a matched
    filter divides by its spectrum, here smoothed (by a Gaussian window of its autocorrelation).
    """
    planes = residual.planes
    size = planes.shape[1:]
    spectra = torch.fft.rfft2(planes)
    steps = [
        torch.minimum(step, length - step)
        for length in size
        for step in [torch.arange(length, device=planes.device)]
    ]
    window = torch.exp(-(steps[0][:, None] ** 2 + steps[1] ** 2) / (2.0 * CORRELATED_PX**2))
    correlated = torch.fft.irfft2(spectra.abs() ** 2, size)
    power = torch.fft.rfft2(correlated * window).real.clamp_min(0.0)
    power = power / power.mean((1, 2), keepdim=True).clamp_min(torch.finfo(power.dtype).tiny)
    white = torch.fft.irfft2(spectra / (power + LEAST_POWER).sqrt(), size)
    white = white[:, REACH_PX:-REACH_PX, REACH_PX:-REACH_PX] * residual.valid
    spread = white.square().mean((1, 2), keepdim=True).sqrt()
    spread = spread.clamp_min(torch.finfo(spread.dtype).tiny)
    return (white / spread).clamp(-LARGEST, LARGEST)


def _size(residual: ResidualPlanes) -> tuple[int, int]:
    """(rows, columns) that hold every displacement of a tile, in whole blocks."""
    rows, columns = (
        BLOCK_PX * next_fast_len(-(-(side + TILE_PX) // BLOCK_PX), real=True)
        for side in residual.valid.shape
    )
    return rows, columns


@dataclass(frozen=True)
class _TileSearch:
    """Looks for tiles of a slice in the slice and in its mirror image."""

    planes: torch.Tensor
    """``[2, H, W]`` white residual of the window, and ``TILE_PX`` zeros around."""
    corners: torch.Tensor
    """``[m, 2]`` int64 (row, column) of the tiles in the window."""
    near: torch.Tensor
    """``[k, 2]`` steps to the places that do not count."""
    size: tuple[int, int]
    """(rows, columns) of the Fourier transforms."""
    spectra: torch.Tensor
    """``[2, 2, ...]`` of the planes, as they are and mirrored left to right."""

    def __call__(self, part: slice) -> torch.Tensor:
        """``[c, 2, p, 2]`` (row, column) where corners of some tiles come to, the best first.

        In the window as it is and in the mirrored one, by the sum of both planes.
        """
        corners = self.corners[part]
        rows = torch.fft.rfft(self._tiles(corners), n=self.size[1]).conj()
        spectra = torch.fft.ifft(rows, n=self.size[0], dim=-2, norm="forward")
        products = spectra[:, None, 0] * self.spectra[:, 0]
        products += spectra[:, None, 1] * self.spectra[:, 1]
        sums = torch.fft.irfft2(products, self.size)
        self._leave_out(sums, corners)
        blocks = sums.unflatten(3, (-1, BLOCK_PX)).unflatten(2, (-1, BLOCK_PX))
        highest = blocks.amax(3).amax(4)
        across = highest.shape[3]
        best = highest.flatten(2).topk(PROPOSALS).indices
        down, right = best // across, best % across
        tile = torch.arange(len(corners), device=best.device)[:, None, None]
        image = torch.arange(2, device=best.device)[:, None]
        step = blocks[tile, image, down, :, right].flatten(-2).argmax(-1)
        places = torch.stack(
            [down * BLOCK_PX + step // BLOCK_PX, right * BLOCK_PX + step % BLOCK_PX], -1
        )
        # Corners before the first row or column of the window stand at the end.
        period = places.new_tensor(self.size)
        return torch.where(places > period - TILE_PX, places - period, places)

    def _tiles(self, corners: torch.Tensor) -> torch.Tensor:
        """``[c, 2, T, T]``, 0 outside the window."""
        steps = torch.arange(TILE_PX, device=corners.device) + TILE_PX
        rows, columns = (corners[:, axis, None] + steps for axis in (0, 1))
        return self.planes[:, rows[:, :, None], columns[:, None, :]].transpose(0, 1)

    def _leave_out(self, sums: torch.Tensor, corners: torch.Tensor) -> None:
        """Sets ``sums`` ``[c, 2, H, W]`` to -inf near the tiles themselves."""
        rows, columns = (corners[:, None] + self.near).unbind(-1)
        mirrored = self.planes.shape[2] - 3 * TILE_PX - columns
        both = torch.stack([columns, mirrored], 1) % self.size[1]
        index = (rows % self.size[0])[:, None] * self.size[1] + both
        sums.flatten(2).scatter_(2, index, -torch.inf)
