"""The place of a slice that resembles a template most, by fast Fourier transforms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import pad

from dfd.evidence.copy_template import Templates
from dfd.evidence.cores import chunks, on_cores
from dfd.evidence.search_plane import SearchPlane, squares_of, template_spectra

PAIRS_AT_ONCE = {"cpu": 1, "cuda": 64}
"""Pairs of templates that are correlated together, by kind of device: on a processor what its
caches hold."""


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
    # Two real templates are correlated at once, as the parts of a complex one.
    odd = count * tried % 2
    work = _PairSearch(
        pad(squares_of(values, templates.offsets).flatten(0, 1), (0,) * 7 + (odd,)),
        pad(middles.repeat_interleave(tried, 0), (0, 0, 0, odd)),
        near,
        plane,
        _weights_of_pairs(plane.terms.weight),
    )
    pairs = chunks((count * tried + odd) // 2, PAIRS_AT_ONCE.get(values.device.type, 1))
    found = torch.cat(on_cores(work, pairs, values.device))[: count * tried]
    return found.unflatten(0, (count, tried)).transpose(1, 2).flatten(1, 2)


def _weights_of_pairs(weight: torch.Tensor) -> torch.Tensor:
    """``[2, H, 2 W]``: ``weight`` as it is and mirrored, for real and imaginary parts in turn."""
    return torch.stack([weight, weight.flip(-1)]).repeat_interleave(2, dim=-1)


@dataclass(frozen=True)
class _PairSearch:
    """Looks for pairs of templates in a plane and in its mirror image.

    Where a mirrored template matches, the template itself matches in the mirrored plane: both share
    one spectrum.
    """

    squares: torch.Tensor
    """``[2 p, 2, 21, 21]`` templates in both planes."""
    middles: torch.Tensor
    """``[2 p, 2]`` int64 (row, column) of their middles in the window of ``plane``."""
    near: torch.Tensor
    """``[m, 2]`` steps from there to the places that are left out."""
    plane: SearchPlane
    weights: torch.Tensor
    """As of ``_weights_of_pairs``."""

    def __call__(self, part: slice) -> torch.Tensor:
        """``[c, 2, 2]`` (row, column) of each template of some pairs, as it is and mirrored."""
        squares = self.squares[2 * part.start : 2 * part.stop].unflatten(0, (-1, 2))
        middles = self.middles[2 * part.start : 2 * part.stop].unflatten(0, (-1, 2))
        height, width = self.plane.terms.weight.shape
        spectra = template_spectra(torch.complex(squares[:, 0], squares[:, 1]), self.plane.size)
        products = spectra[:, None, 0] * self.plane.spectra[:, 0]
        products += spectra[:, None, 1] * self.plane.spectra[:, 1]
        resemblance = torch.view_as_real(torch.fft.ifft2(products)).flatten(-2)
        self._leave_out(resemblance, middles)
        resemblance = resemblance[..., :height, : 2 * width]
        resemblance *= self.weights
        # The largest of each column first: much quicker than of all at once.
        columns = resemblance.amax(-2).unflatten(-1, (width, 2)).argmax(-2)
        parts = torch.arange(2, device=columns.device)
        index = (2 * columns + parts)[..., None, :].expand(-1, -1, height, -1)
        rows = resemblance.gather(-1, index).argmax(-2)
        columns[:, 1] = width - 1 - columns[:, 1]
        return torch.stack([rows, columns], -1).transpose(1, 2).flatten(0, 1)

    def _leave_out(self, resemblance: torch.Tensor, middles: torch.Tensor) -> None:
        """Sets ``resemblance`` ``[p, 2, H, 2 W]`` to 0 near ``middles`` ``[p, 2, 2]``.

        In the second of its planes, which is mirrored, where those places are mirrored to.
        """
        height, width = self.plane.terms.weight.shape
        rows, columns = (middles[:, :, None] + self.near).unbind(-1)
        columns = torch.stack([columns, width - 1 - columns], 1)
        rows = rows[:, None].expand_as(columns)
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        across = resemblance.shape[-1]
        parts = torch.arange(2, device=rows.device)[:, None]
        # The last pixel of the padded plane stands for what lies outside.
        index = torch.where(inside, rows * across + 2 * columns, across * resemblance.shape[-2] - 2)
        resemblance.flatten(2).scatter_(2, (index + parts).flatten(2), 0.0)
