"""The best match of templates in each of the slices that are searched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch

from dfd.evidence.copy_match import Match, SearchedSlice
from dfd.evidence.copy_refinement import refined
from dfd.evidence.copy_search import search, search_by_tiles
from dfd.evidence.copy_template import Templates
from dfd.evidence.copy_transforms import AS_IT_IS, TURNS, Transform

EXCLUSION_RADII = 2.1
"""Radii of a template within which a match does not count: the two share pixels, and interpolated
noise is tied to what lies near."""


@dataclass(frozen=True)
class Effort:
    """How thoroughly copies are searched for."""

    turns: tuple[Transform, ...]
    """Each is tried as it is and mirrored."""
    refined: int = 0
    """Candidates whose turn, size and fractions of a pixel are searched more finely."""
    around: bool = False
    """Whether templates off the middle of a region are searched for too, in whole pixels."""
    by_tiles: bool = False
    """Whether only places are looked at that tiles of the slice propose."""


THOROUGH = Effort(TURNS, refined=2, around=True)
WHOLE_PIXELS = Effort(AS_IT_IS)
"""As they are and mirrored only: where there is much to search."""
QUICK = Effort(AS_IT_IS, by_tiles=True)
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

    @classmethod
    def joined(cls, parts: Sequence[BestMatches]) -> BestMatches:
        """Those in the slices of all ``parts``."""
        return cls(
            *(
                torch.cat([getattr(part, field.name) for part in parts], dim=1)
                for field in fields(cls)
            )
        )


def best_matches(
    templates: Templates, searched: Sequence[SearchedSlice], effort: Effort
) -> BestMatches:
    """Of every slice the same place is left out, since overlapping slices share noise there."""
    # The best of many slices: their chances add up under the root.
    more = math.log(len(searched))
    return BestMatches.joined([_in_slice(templates, one, effort, more) for one in searched])


def _in_slice(templates: Templates, one: SearchedSlice, effort: Effort, more: float) -> BestMatches:
    """``[n, 1]``; ``more``: added to the square of what is ordinary."""
    plane = one.plane
    apart = EXCLUSION_RADII * templates.radius
    if effort.by_tiles:
        matches, chance = search_by_tiles(templates, plane, apart)
    else:
        matches, chance = search(templates, plane, apart, effort.turns)
    if effort.refined:
        matches = refined(matches.best(effort.refined), templates, plane.residual)
    best = matches.best(1)
    relative = best.scores.double() / (chance.ordinary.double()[:, None] ** 2 + more).sqrt()
    return BestMatches(
        torch.where(chance.usable[:, None], relative, torch.nan),
        chance.enough[:, None],
        best.parameters,
        best.places + best.places.new_tensor(plane.residual.origin),
        best.correlations.double(),
    )
