"""Where else does a slice hold pieces of its residual?

Masked normalised correlation over places, turns, mirrorings and sizes, for many pieces at once.

Source: Padfield, Masked object registration in the Fourier domain (IEEE TIP 2012); the transforms
and the refinement are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from dfd.evidence.chance_correlations import ChanceLevel, chance_level
from dfd.evidence.copy_peaks import best_places
from dfd.evidence.copy_template import Templates, correlations_at, transformed_values
from dfd.evidence.copy_transforms import Transform, parameters_of, with_mirrored
from dfd.evidence.cores import chunks, on_cores
from dfd.evidence.running_sums import disk_offsets
from dfd.evidence.search_plane import SearchPlane

AT_ONCE = 8
"""Templates that are prepared together."""


@dataclass(frozen=True)
class Matches:
    """Places that resemble templates, for each of ``n`` templates the same number."""

    parameters: torch.Tensor
    """``[n, c, 3]`` float64 of the transforms."""
    places: torch.Tensor
    """``[n, c, 2]`` float64 (row, column) in the window of the slice searched."""
    correlations: torch.Tensor
    """``[n, c, 2]`` of both planes."""
    spreads: torch.Tensor
    """``[n, 2]`` robust deviation of the correlations over places and transforms."""

    @property
    def scores(self) -> torch.Tensor:
        """``[n, c]`` geometric mean of both correlations in units of their spread.

        0 where one is negative: both planes must agree.
        """
        return (self.correlations.clamp_min(0.0) / self.spreads[:, None]).prod(-1).sqrt()

    def best(self, count: int) -> Matches:
        """The ``count`` of the highest scores of each template, the highest first."""
        order = torch.argsort(self.scores, dim=1, descending=True, stable=True)[:, :count]

        def of(values: torch.Tensor) -> torch.Tensor:
            return values.gather(1, order[..., None].expand(-1, -1, values.shape[-1]))

        return Matches(of(self.parameters), of(self.places), of(self.correlations), self.spreads)


def search(
    templates: Templates, plane: SearchPlane, apart: float, turns: tuple[Transform, ...]
) -> tuple[Matches, ChanceLevel]:
    """For each of ``templates`` the place that resembles it most under each transform.

    And what such a search reaches by chance. Tried are ``turns`` and the mirror image of each.

    Under each transform both planes together propose one place at least ``apart`` pixels from the
    template; then ``Matches.scores`` ranks them by each plane for itself. The templates must have
    the radius that ``plane`` was made for.
    """
    device = templates.places.device
    parameters = parameters_of(with_mirrored(turns)).to(device)
    near = torch.from_numpy(disk_offsets(apart)).to(device)
    pieces = on_cores(
        partial(_values_and_chance, plane=plane, near=near, parameters=parameters),
        [templates[part] for part in chunks(len(templates), AT_ONCE)],
        device,
    )
    values = torch.cat([each for each, _ in pieces])
    chance = ChanceLevel.joined([level for _, level in pieces])
    places = best_places(
        values[:, : len(turns)] / chance.usable_spreads[:, None, :, None], templates, plane, near
    )
    correlations = correlations_at(places, values, templates.offsets, plane.residual)
    every = parameters.expand(len(templates), -1, -1)
    return Matches(every, places.double(), correlations, chance.spreads), chance


def _values_and_chance(
    templates: Templates, plane: SearchPlane, near: torch.Tensor, parameters: torch.Tensor
) -> tuple[torch.Tensor, ChanceLevel]:
    """``[n, t, 2, k]`` the templates under all transforms, and their correlations by chance."""
    values = transformed_values(templates, parameters)
    return values, chance_level(values, templates, plane, near)
