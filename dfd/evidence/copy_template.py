"""Templates, the disks of a residual that are searched for elsewhere, and what resembles them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch.nn.functional import pad

from dfd.evidence.copy_transforms import AS_IT_IS, Transform, back_matrices, parameters_of
from dfd.evidence.cubic_splines import coefficients_of, values_at
from dfd.evidence.running_sums import disk_offsets
from dfd.evidence.search_plane import LEAST_ENERGY, REACH_PX, ResidualPlanes, squares_of, taken

AROUND_PX = 20
"""Half side of the squares that turned and resized templates are sampled from: the largest reach,
and what cubic splines need around it."""


@dataclass(frozen=True)
class Templates:
    """Disks of one radius cut out of residual planes."""

    residual: ResidualPlanes
    """What they are cut from."""
    places: torch.Tensor
    """``[n, 2]`` int64 (row, column) in the slice."""
    offsets: torch.Tensor
    """``[k, 2]`` int64 (row, column) steps of a disk's pixels."""
    radius: float

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, numbers: slice | torch.Tensor) -> Templates:
        """Some of them."""
        return Templates(self.residual, self.places[numbers], self.offsets, self.radius)

    @cached_property
    def values(self) -> torch.Tensor:
        """``[n, 2, k]`` of the planes in each disk; every row of norm 1, or 0."""
        width = self.residual.planes.shape[2]
        pixels = self._middles[:, None] + self.offsets + REACH_PX
        index = pixels[..., 0] * width + pixels[..., 1]
        inside = (pixels >= 0) & (pixels < pixels.new_tensor(self.residual.planes.shape[1:]))
        inside = inside.all(-1)
        flat = taken(self.residual.planes, torch.where(inside, index, 0))
        return _of_norm_1(torch.where(inside, flat, 0.0).transpose(0, 1))

    @cached_property
    def coefficients(self) -> torch.Tensor:
        """``[n, 2, S, S]`` cubic splines of the planes around each middle.

        Zero outside the window of the residual.
        """
        planes = pad(self.residual.planes, (AROUND_PX,) * 4)
        steps = torch.arange(-AROUND_PX, AROUND_PX + 1, device=planes.device)
        steps = steps + AROUND_PX + REACH_PX
        rows, columns = (
            (self._middles[:, axis, None] + steps).clamp(0, planes.shape[axis + 1] - 1)
            for axis in (0, 1)
        )
        squares = planes[:, rows[:, :, None], columns[:, None, :]].transpose(0, 1)
        return coefficients_of(squares)

    @property
    def _middles(self) -> torch.Tensor:
        """``[n, 2]`` (row, column) in the window of the residual."""
        return self.places - self.places.new_tensor(self.residual.origin)


def cut_templates(residual: ResidualPlanes, places: torch.Tensor, radius: float) -> Templates:
    """The disks of ``radius`` around ``places`` ``[n, 2]`` int64 (row, column) of the slice."""
    offsets = torch.from_numpy(disk_offsets(radius)).to(places.device)
    return Templates(residual, places, offsets, radius)


def values_under(templates: Templates, turns: tuple[Transform, ...]) -> torch.Tensor:
    """``[n, 2 t, 2, k]``: what copies would hold under ``with_mirrored(turns)``, in its order.

    Every row of norm 1, or 0.
    """
    if turns == AS_IT_IS:
        plain = templates.values[:, None]
    else:
        plain = transformed_values(templates, parameters_of(turns).to(templates.places.device))
    numbers = torch.arange(len(templates.offsets), device=templates.places.device)
    mirrored = squares_of(numbers, templates.offsets).flip(-1)
    rows, columns = (templates.offsets + REACH_PX).unbind(-1)
    return torch.cat([plain, plain[..., mirrored[rows, columns]]], 1)


def transformed_values(
    templates: Templates, parameters: torch.Tensor, shifts: torch.Tensor | None = None
) -> torch.Tensor:
    """``[n, t, 2, k]``: what copies under each transform would hold at the templates' offsets.

    Every row of norm 1, or 0.

    Args:
        templates: ``n`` of them.
        parameters: ``[t, 3]`` of transforms (``parameters_of``), or ``[n, t, 3]`` where each
            template has its own.
        shifts: ``[n, t, 2]`` (row, column) steps by which a copy lies off the whole pixel.
    """
    steps = templates.offsets.double()
    if shifts is not None:
        steps = steps + shifts[:, :, None]
    places = steps @ back_matrices(parameters).transpose(-1, -2) + AROUND_PX
    places = places if places.dim() == 4 else places[None]
    return _of_norm_1(values_at(templates.coefficients, places).transpose(1, 2))


def _of_norm_1(values: torch.Tensor) -> torch.Tensor:
    norms = torch.linalg.vector_norm(values, dim=-1, keepdim=True)
    return torch.where(norms > 1e-6, values / norms.clamp_min(1e-6), 0.0)


def correlations_at(
    places: torch.Tensor, values: torch.Tensor, offsets: torch.Tensor, residual: ResidualPlanes
) -> torch.Tensor:
    """``[..., 2]`` correlations of both planes at ``places`` with ``values``.

    Args:
        places: ``[..., 2]`` int64 (row, column) in the window of ``residual``.
        values: ``[..., 2, k]`` what copies there would hold, every row of norm 1.
        offsets: ``[k, 2]`` (row, column) steps of their pixels.
        residual: the planes that are searched.
    """
    width = residual.planes.shape[2]
    pixels = places.unsqueeze(-2) + offsets + REACH_PX
    index = pixels[..., 0] * width + pixels[..., 1]
    there = taken(residual.planes, index).movedim(0, -2)
    energy = (there**2).sum(-1).clamp_min(LEAST_ENERGY * len(offsets))
    return (values * there).sum(-1) / energy.sqrt()
