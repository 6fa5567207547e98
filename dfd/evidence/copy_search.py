"""Where else does a slice hold pieces of its residual?

Masked normalised correlation over places, turns, mirrorings and sizes, for many pieces at once.

Source: Padfield, Masked object registration in the Fourier domain (IEEE TIP 2012); the transforms
and the refinement are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch

from dfd.evidence.chance_correlations import ChanceLevel, chance_level, weighed
from dfd.evidence.copy_moments import candidates, moments_of
from dfd.evidence.copy_peaks import best_places
from dfd.evidence.copy_template import (
    Templates,
    correlations_at,
    transformed_values,
    values_under,
)
from dfd.evidence.copy_tiles import checked_correlations, proposed_places
from dfd.evidence.copy_transforms import AS_IT_IS, parameters_of, with_mirrored
from dfd.evidence.cores import chunks, on_cores
from dfd.evidence.running_sums import disk_offsets
from dfd.evidence.search_plane import ResidualPlanes, SearchPlane

VALUES_AT_ONCE = 56
"""Templates that are prepared together."""
TURNED_TRIALS = 300.0
"""Transforms that are tried at any angle and size, for each of as it is and mirrored: turns about 6
degrees apart at the rim of a template, sizes about 6 % apart."""


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
        """``[n, c]`` geometric mean of what both correlations tell, in units of their spread.

        0 where one is negative: both planes must agree. One that is near 1 makes up for one that
        interpolation has lowered (``dfd.evidence.chance_correlations.weighed``).
        """
        return (weighed(self.correlations) / self.spreads[:, None]).prod(-1).sqrt()

    def __getitem__(self, numbers: torch.Tensor | slice) -> Matches:
        """Those of some of the templates."""
        return Matches(*(getattr(self, each.name)[numbers] for each in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Matches]) -> Matches:
        """Those of the templates of all ``parts``, in order."""
        return cls(
            *(torch.cat([getattr(part, each.name) for part in parts]) for each in fields(cls))
        )

    def best(self, count: int) -> Matches:
        """The ``count`` of the highest scores of each template, the highest first."""
        order = torch.argsort(self.scores, dim=1, descending=True, stable=True)[:, :count]

        def of(values: torch.Tensor) -> torch.Tensor:
            return values.gather(1, order[..., None].expand(-1, -1, values.shape[-1]))

        return Matches(of(self.parameters), of(self.places), of(self.correlations), self.spreads)


def search(templates: Templates, plane: SearchPlane, apart: float) -> tuple[Matches, ChanceLevel]:
    """For each of ``templates`` the places that resemble it most as it is and mirrored.

    And what such a search reaches by chance. Both planes together propose one place each at least
    ``apart`` pixels from the template; then ``Matches.scores`` ranks them by each plane for itself.
    The templates must have the radius that ``plane`` was made for.
    """
    device = templates.places.device
    parameters = parameters_of(with_mirrored(AS_IT_IS)).to(device)
    near = torch.from_numpy(disk_offsets(apart)).to(device)
    values, chance = _values_and_chance(templates, plane, near)
    places = best_places(
        values[:, :1] / chance.usable_spreads[:, None, :, None], templates, plane, near
    )
    correlations = correlations_at(places, values, templates.offsets, plane.residual)
    every = parameters.expand(len(templates), -1, -1)
    return Matches(every, places.double(), correlations, chance.spreads), chance


def search_turned(
    templates: Templates, plane: SearchPlane, apart: float, groups: torch.Tensor, count: int
) -> tuple[torch.Tensor, Matches, ChanceLevel]:
    """Places that resemble templates turned by any angle, resized, or mirrored.

    Args:
        templates: of the radius that ``plane`` was made for.
        plane: what is searched.
        apart: in pixels, how far from the template at least.
        groups: ``[r, g]`` int64 numbers of templates that are searched for together, -1 where a
            group has fewer, never first.
        count: places of each group, those of highest agreement (``dfd.evidence.copy_moments``).

    Returns: of each place the number of its template ``[m]``, and the match ``[m, 1, ...]``; what
    such a search reaches by chance, for each template.
    """
    near = torch.from_numpy(disk_offsets(apart)).to(groups.device)
    _, chance = _values_and_chance(templates, plane, near, TURNED_TRIALS)
    moments = moments_of(plane)
    if moments is None:
        nothing = chance.spreads.new_zeros(0, 1, 3).double()
        none = Matches(nothing, nothing[..., :2], nothing[..., :2].float(), chance.spreads[:0])
        return groups[:0, 0], none, chance
    # Groups of one size: rounding must not depend on what else is asked.
    filled = torch.where(groups < 0, groups[:, :1], groups).flatten()
    moments = replace(moments, at_once=groups.shape[1])
    found = candidates(templates[filled], moments, plane, apart, count)
    each = found.agreement.shape[1]
    agreement = torch.where(groups.flatten()[:, None] < 0, -torch.inf, found.agreement)
    regions = torch.arange(len(groups), device=groups.device)
    best = highest(agreement.flatten(), regions.repeat_interleave(each * groups.shape[1]), count)
    numbers = filled[torch.div(best, each, rounding_mode="floor")]
    parameters, places = (of.flatten(0, 1)[best, None] for of in (found.parameters, found.places))
    spreads = chance.usable_spreads[numbers]
    matches = matches_at(parameters, places, templates[numbers], plane.residual, spreads)
    return numbers, matches, chance


def highest(values: torch.Tensor, owners: torch.Tensor, count: int) -> torch.Tensor:
    """Numbers of the ``count`` highest of ``values`` ``[m]`` of each of ``owners`` ``[m]`` int64.

    Owner by owner, the highest first.
    """
    order = values.argsort(descending=True, stable=True)
    order = order[owners[order].argsort(stable=True)]
    sizes = torch.bincount(owners)
    rank = torch.arange(len(order), device=order.device)
    rank = rank - (sizes.cumsum(0) - sizes)[owners[order]]
    return order[rank < count]


def matches_at(
    parameters: torch.Tensor,
    places: torch.Tensor,
    templates: Templates,
    residual: ResidualPlanes,
    spreads: torch.Tensor,
) -> Matches:
    """``templates`` compared exactly with ``places`` ``[n, c, 2]`` (row, column), between pixels.

    Under the transforms of ``parameters`` ``[n, c, 3]``. ``spreads`` ``[n, 2]``: of the templates.
    """
    last = places.new_tensor(residual.valid.shape) - 1
    nearest = torch.minimum(places.round().clamp_min(0), last)
    values = transformed_values(templates, parameters, nearest - places)
    correlations = correlations_at(nearest.long(), values, templates.offsets, residual)
    return Matches(parameters, places, correlations, spreads)


def search_by_tiles(
    templates: Templates, plane: SearchPlane, apart: float
) -> tuple[Matches, ChanceLevel]:
    """As ``search`` in whole pixels, of places that tiles around the templates propose.

    For many templates all over the slice that ``plane`` was made of: much quicker, and blind to
    copies that are hardly larger than a template.
    """
    device = templates.places.device
    near = torch.from_numpy(disk_offsets(apart)).to(device)
    values, chance = _values_and_chance(templates, plane, near)
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
    templates: Templates, plane: SearchPlane, near: torch.Tensor, trials: float = 1.0
) -> tuple[torch.Tensor, ChanceLevel]:
    """``[n, 2, 2, k]`` the templates as they are and mirrored, and their correlations by chance."""

    def prepare(part: slice) -> tuple[torch.Tensor, ChanceLevel]:
        values = values_under(templates[part], AS_IT_IS)
        return values, chance_level(values, templates[part], plane, near, trials)

    parts = chunks(len(templates), VALUES_AT_ONCE)
    pieces = on_cores(prepare, parts, templates.places.device)
    values = torch.cat([each for each, _ in pieces])
    return values, ChanceLevel.joined([level for _, level in pieces])
