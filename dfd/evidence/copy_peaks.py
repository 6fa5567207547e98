"""The place of a slice that resembles a template most, by fast Fourier transforms."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dfd.evidence.copy_template import Templates
from dfd.evidence.cores import chunks, on_cores
from dfd.evidence.search_plane import SearchPlane, squares_of, template_spectra

AT_ONCE = {"cpu": 8, "cuda": 128}
"""Templates that are correlated together, by kind of device
(``benchmarks.studies.copy_search_cost``)."""


def best_places(
    values: torch.Tensor, templates: Templates, plane: SearchPlane, near: torch.Tensor
) -> torch.Tensor:
    """``[n, 2 t, 2]`` int64 (row, column) in the window of ``plane``.

    Where the sum of both planes, weighted, resembles each of ``values`` ``[n, t, 2, k]`` most, then
    where it resembles each of them mirrored left to right.

    ``near`` ``[m, 2]``: steps from a template to the places that are left out.
    """
    count, tried = values.shape[:2]
    middles = templates.places - templates.places.new_tensor(plane.residual.origin)
    weight = plane.terms.weight
    work = _PeakSearch(
        squares_of(values, templates.offsets).flatten(0, 1),
        middles.repeat_interleave(tried, 0),
        near,
        plane,
        torch.stack([weight, weight.flip(-1)], -1).flatten(-2),
    )
    parts = chunks(count * tried, AT_ONCE.get(values.device.type, 1))
    found = torch.cat(on_cores(work, parts, values.device))
    return found.unflatten(0, (count, tried)).transpose(1, 2).flatten(1, 2)


@dataclass(frozen=True)
class _PeakSearch:
    """Looks for templates in a plane and in its mirror image.

    Where a mirrored template matches, the template itself matches in the mirrored plane. One
    transform serves both: they are the real and the imaginary part of one complex plane.
    """

    squares: torch.Tensor
    """``[m, 2, 21, 21]`` templates in both planes."""
    middles: torch.Tensor
    """``[m, 2]`` int64 (row, column) of their middles in the window of ``plane``."""
    near: torch.Tensor
    """``[k, 2]`` steps from there to the places that are left out."""
    plane: SearchPlane
    weights: torch.Tensor
    """``[H, 2 W]`` of the places of the plane and its mirror image in turn."""

    def __call__(self, part: slice) -> torch.Tensor:
        """``[c, 2, 2]`` (row, column) of some of the templates, as they are and mirrored."""
        height, width = self.plane.terms.weight.shape
        spectra = template_spectra(self.squares[part], self.plane.size)
        products = spectra[:, 0] * self.plane.spectra[0]
        products += spectra[:, 1] * self.plane.spectra[1]
        resemblance = torch.view_as_real(torch.fft.ifft2(products)).flatten(-2)
        self._leave_out(resemblance, self.middles[part])
        resemblance = resemblance[:, :height, : 2 * width]
        resemblance *= self.weights
        # The largest of each column first: much quicker than of all at once.
        columns = resemblance.amax(1).unflatten(-1, (width, 2)).argmax(1)
        index = 2 * columns + torch.arange(2, device=columns.device)
        rows = resemblance.gather(2, index[:, None].expand(-1, height, -1)).argmax(1)
        columns[:, 1] = width - 1 - columns[:, 1]
        return torch.stack([rows, columns], -1)

    def _leave_out(self, resemblance: torch.Tensor, middles: torch.Tensor) -> None:
        """Sets ``resemblance`` ``[c, H, 2 W]`` to 0 near ``middles`` ``[c, 2]``.

        And where those places are mirrored to.
        """
        height, width = self.plane.terms.weight.shape
        rows, columns = (middles[:, None] + self.near).unbind(-1)
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        start = rows * resemblance.shape[2]
        index = torch.cat([start + 2 * columns, start + 2 * (width - 1 - columns) + 1], 1)
        # The last value of the padded plane stands for what lies outside.
        last = resemblance[0].numel() - 1
        index = torch.where(inside.repeat(1, 2), index, last)
        resemblance.flatten(1).scatter_(1, index, 0.0)
