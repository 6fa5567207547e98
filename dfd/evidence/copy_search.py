"""Where else does a slice hold pieces of its residual?

Masked normalised correlation over places, turns, mirrorings and sizes, for many pieces at once.

Source: Padfield, Masked object registration in the Fourier domain (IEEE TIP 2012); the transforms
and the refinement are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dfd.evidence.chance_correlations import ChanceLevel, chance_level
from dfd.evidence.copy_peaks import best_places
from dfd.evidence.copy_template import Templates, correlations_at, values_under
from dfd.evidence.copy_tiles import checked_correlations, proposed_places
from dfd.evidence.copy_transforms import AS_IT_IS, Transform, parameters_of, with_mirrored
from dfd.evidence.cores import chunks, on_cores
from dfd.evidence.running_sums import disk_offsets
from dfd.evidence.search_plane import SearchPlane

VALUES_AT_ONCE = 112
"""Templates that are prepared together, times the turns of each."""


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
    values, chance = _values_and_chance(templates, plane, near, turns)
    places = best_places(
        values[:, : len(turns)] / chance.usable_spreads[:, None, :, None], templates, plane, near
    )
    correlations = correlations_at(places, values, templates.offsets, plane.residual)
    every = parameters.expand(len(templates), -1, -1)
    return Matches(every, places.double(), correlations, chance.spreads), chance


def search_by_tiles(
    templates: Templates, plane: SearchPlane, apart: float
) -> tuple[Matches, ChanceLevel]:
    """As ``search`` in whole pixels, of places that tiles around the templates propose.

    For many templates all over the slice that ``plane`` was made of: much quicker, and blind to
    copies that are hardly larger than a template.
    """
    device = templates.places.device
    near = torch.from_numpy(disk_offsets(apart)).to(device)
    values, chance = _values_and_chance(templates, plane, near, AS_IT_IS)
    places = proposed_places(templates, plane, near)
    correlations = checked_correlations(places, values, templates, plane, apart)
    parameters = parameters_of(with_mirrored(AS_IT_IS)).to(device)
    every = parameters[:, None].expand(len(templates), *places.shape[1:3], 3)
    matches = Matches(
        every.flatten(1, 2),
        places.double().flatten(1, 2),
        correlations.flatten(1, 2),
        chance.spreads,
    )
    return matches, chance


def _values_and_chance(
    templates: Templates, plane: SearchPlane, near: torch.Tensor, turns: tuple[Transform, ...]
) -> tuple[torch.Tensor, ChanceLevel]:
    """``[n, t, 2, k]`` the templates under all transforms, and their correlations by chance."""

    def prepare(part: slice) -> tuple[torch.Tensor, ChanceLevel]:
        values = values_under(templates[part], turns)
        return values, chance_level(values, templates[part], plane, near)

    parts = chunks(len(templates), max(1, VALUES_AT_ONCE // len(turns)))
    pieces = on_cores(prepare, parts, templates.places.device)
    values = torch.cat([each for each, _ in pieces])
    return values, ChanceLevel.joined([level for _, level in pieces])
