"""The best match of templates in each of the slices that are searched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import torch

from dfd.evidence.chance_correlations import ChanceLevel
from dfd.evidence.copy_match import Match, SearchedSlice
from dfd.evidence.copy_refinement import COARSE, FINER, refined, whole_where_better
from dfd.evidence.copy_search import Matches, highest, search, search_by_tiles, search_turned
from dfd.evidence.copy_template import cut_templates
from dfd.evidence.copy_transforms import Transform
from dfd.evidence.search_plane import ResidualPlanes, SearchPlane

EXCLUSION_RADII = 2.1
"""Radii of a template within which a match does not count: the two share pixels, and interpolated
noise is tied to what lies near."""


@dataclass(frozen=True)
class Effort:
    """How thoroughly copies are searched for."""

    turned: int = 0
    """Places of each region that are looked at for copies at any angle and size, besides those that
    resemble it as it is and mirrored."""
    refined: int = 0
    """Of those of a region, how many are searched finely for turn, size and parts of a pixel."""
    around: bool = False
    """Whether templates off the middle of a region are searched for too, at any angle and size."""
    by_tiles: bool = False
    """Whether only places are looked at that tiles of the slice propose."""


THOROUGH = Effort(turned=12, refined=3, around=True)
WHOLE_PIXELS = Effort()
"""As they are and mirrored only: where there is much to search."""
QUICK = Effort(by_tiles=True)
"""For every place of a slice."""


@dataclass(frozen=True)
class BestMatches:
    """The best match of each of ``n`` templates in each of ``s`` slices."""

    relative: torch.Tensor
    """``[n, s]`` float64 scores over what is ordinary, NaN where there is no match."""
    enough: torch.Tensor
    """``[n, s]`` bool: whether the slice holds places enough."""
    parameters: torch.Tensor
    """``[n, s, 3]`` float64 of the transforms."""
    places: torch.Tensor
    """``[n, s, 2]`` float64 (row, column) in the slice searched."""
    correlations: torch.Tensor
    """``[n, s, 2]`` float64, of both planes."""

    def match(self, template: int, number: int) -> Match:
        """Of one template in one slice."""
        mirrored, degrees, size = self.parameters[template, number].tolist()
        row, column = self.places[template, number].tolist()
        first, second = self.correlations[template, number].tolist()
        return Match(Transform(bool(mirrored), degrees, size), row, column, (first, second))

    @classmethod
    def none(cls, templates: int, slices: int, device: torch.device) -> BestMatches:
        """No match of any."""

        def zeros(*size: int) -> torch.Tensor:
            return torch.zeros(templates, slices, *size, dtype=torch.float64, device=device)

        nothing = torch.zeros(templates, slices, dtype=torch.bool, device=device)
        return cls(zeros() + torch.nan, nothing, zeros(3), zeros(2), zeros(2))

    def put(self, rows: torch.Tensor, matches: BestMatches) -> None:
        """Sets those of the templates ``rows``."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(matches, field.name)

    def put_better(self, others: BestMatches) -> None:
        """Sets those that others exceed."""
        mine = self.relative.nan_to_num(-torch.inf)
        better = others.relative.nan_to_num(-torch.inf) > mine
        for field in fields(self):
            own, other = getattr(self, field.name), getattr(others, field.name)
            own[better] = other[better]
        self.enough.logical_or_(others.enough)

    @classmethod
    def joined(cls, parts: Sequence[BestMatches]) -> BestMatches:
        """Those in the slices of all ``parts``."""
        return cls(
            *(
                torch.cat([getattr(part, field.name) for part in parts], dim=1)
                for field in fields(cls)
            )
        )


@dataclass(frozen=True)
class Sought:
    """Templates of some regions."""

    residual: ResidualPlanes
    """What they are cut from."""
    places: torch.Tensor
    """``[n, 2]`` int64 (row, column) of their middles in the slice."""
    groups: torch.Tensor
    """``[r, g]`` int64 numbers of the templates of each region, that of its middle first; -1 where
    it has fewer."""

    @cached_property
    def owners(self) -> torch.Tensor:
        """``[n]`` int64 number of the region that each belongs to."""
        regions, _ = (self.groups >= 0).nonzero(as_tuple=True)
        owners = torch.empty_like(regions)
        owners[self.groups[self.groups >= 0]] = regions
        return owners


def best_matches(sought: Sought, searched: Sequence[SearchedSlice], effort: Effort) -> BestMatches:
    """Of every slice the same place is left out, since overlapping slices share noise there."""
    # The best of many slices: their chances add up under the root.
    more = math.log(len(searched))
    return BestMatches.joined([_in_slice(sought, one.plane, effort, more) for one in searched])


def _in_slice(sought: Sought, plane: SearchPlane, effort: Effort, more: float) -> BestMatches:
    """``[n, 1]``; ``more``: added to the square of what is ordinary."""
    result = BestMatches.none(len(sought.places), 1, sought.places.device)
    middle = sought.groups[:, 0]
    result.put(middle, _as_they_are(sought, middle, plane, effort, more))
    if effort.turned:
        result.put_better(_turned(sought, plane, effort, more))
    return result


def _as_they_are(
    sought: Sought, rows: torch.Tensor, plane: SearchPlane, effort: Effort, more: float
) -> BestMatches:
    """Of the templates ``rows``, as they are and mirrored."""
    templates = cut_templates(sought.residual, sought.places[rows], plane.radius)
    find = search_by_tiles if effort.by_tiles else search
    matches, chance = find(templates, plane, EXCLUSION_RADII * templates.radius)
    return _best_of(matches.best(1), chance, plane, more)


def _turned(sought: Sought, plane: SearchPlane, effort: Effort, more: float) -> BestMatches:
    """Of all templates, at any angle and size."""
    plane = plane.of_turned
    templates = cut_templates(sought.residual, sought.places, plane.radius)
    apart = EXCLUSION_RADII * templates.radius
    numbers, matches, chance = search_turned(templates, plane, apart, sought.groups, effort.turned)
    matches = refined(matches, templates[numbers], plane.residual, COARSE)
    chosen = highest(
        matches.scores[:, 0] / chance.ordinary[numbers], sought.owners[numbers], effort.refined
    )
    numbers, matches = numbers[chosen], matches[chosen]
    matches = refined(matches, templates[numbers], plane.residual, FINER)
    matches = whole_where_better(matches, templates[numbers], plane.residual)
    best = highest(matches.scores[:, 0], numbers, 1)
    result = BestMatches.none(len(templates), 1, numbers.device)
    result.put(numbers[best], _best_of(matches[best], chance[numbers[best]], plane, more))
    result.enough[:, 0] = chance.enough
    return result


def _best_of(matches: Matches, chance: ChanceLevel, plane: SearchPlane, more: float) -> BestMatches:
    """One match of each template, in the coordinates of the slice."""
    ordinary = (chance.ordinary.double()[:, None] ** 2 + more).sqrt()
    return BestMatches(
        torch.where(chance.usable[:, None], matches.scores.double() / ordinary, torch.nan),
        chance.enough[:, None],
        matches.parameters,
        matches.places + matches.places.new_tensor(plane.residual.origin),
        matches.correlations.double(),
    )
