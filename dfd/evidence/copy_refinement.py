"""Matches searched more finely: turn, size and fractions of a pixel."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from dfd.evidence.copy_search import Matches
from dfd.evidence.copy_template import Templates, correlations_at, transformed_values
from dfd.evidence.cores import chunks, on_cores
from dfd.evidence.search_plane import ResidualPlanes

FINER = ((2.5, 0.025, 0.5), (1.25, 0.0125, 0.25), (0.6, 0.006, 0.25))
"""(degrees, size, pixels) that the refinement steps by, in turn: the first is half of the steps of
``TURNS``."""
GAIN = 1.01
"""A refinement must raise the score by this factor: less comes by chance, and would bend what is
exact."""
AT_ONCE = 4
"""Templates whose matches are refined together."""


def refined(matches: Matches, templates: Templates, residual: ResidualPlanes) -> Matches:
    """``matches`` moved, turned and resized in fine steps, as long as their scores rise."""
    work = partial(_refined, matches=matches, templates=templates, residual=residual)
    parts = on_cores(work, chunks(len(templates), AT_ONCE), templates.places.device)
    return Matches(
        torch.cat([part.parameters for part in parts]),
        torch.cat([part.places for part in parts]),
        torch.cat([part.correlations for part in parts]),
        matches.spreads,
    )


def _refined(
    part: slice, matches: Matches, templates: Templates, residual: ResidualPlanes
) -> Matches:
    """Those of a ``part`` of ``templates``."""
    templates = templates[part]
    matches = Matches(
        matches.parameters[part],
        matches.places[part],
        matches.correlations[part],
        matches.spreads[part],
    )
    around = torch.tensor(
        [(a, b) for a in (-1.0, 0.0, 1.0) for b in (-1.0, 0.0, 1.0) if a or b],
        dtype=torch.float64,
        device=matches.places.device,
    )
    for degrees, size, pixels in FINER:
        turned = torch.nn.functional.pad(around * around.new_tensor([degrees, size]), (1, 0))
        matches = _best_of(matches, turned, torch.zeros_like(around), templates, residual)
        moved = torch.zeros_like(turned)
        matches = _best_of(matches, moved, around * pixels, templates, residual)
    return matches


def _best_of(
    matches: Matches,
    turns: torch.Tensor,
    moves: torch.Tensor,
    templates: Templates,
    residual: ResidualPlanes,
) -> Matches:
    """Each of ``matches`` or the best of some steps from it.

    ``turns`` ``[o, 3]`` are added to the parameters of its transform, ``moves`` ``[o, 2]`` (row,
    column) to its place.
    """
    count, kept = matches.places.shape[:2]
    options = len(turns)
    parameters = (matches.parameters[:, :, None] + turns).flatten(1, 2)
    places = (matches.places[:, :, None] + moves).flatten(1, 2)
    last = places.new_tensor(residual.valid.shape) - 1
    nearest = torch.minimum(places.round().clamp_min(0), last)
    values = transformed_values(templates, parameters, nearest - places)
    correlations = correlations_at(nearest.long(), values, templates.offsets, residual)
    tried = Matches(parameters, places, correlations, matches.spreads)
    scores = tried.scores.view(count, kept, options)
    best = scores.argmax(-1)
    # A refinement that gains nothing must not move a place that is exact.
    gains = scores.gather(-1, best[..., None])[..., 0] > GAIN * matches.scores
    index = (best + options * torch.arange(kept, device=best.device))[..., None]

    def chosen(after: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        taken = after.gather(1, index.expand(-1, -1, after.shape[-1]))
        return torch.where(gains[..., None], taken, before)

    return replace(
        matches,
        parameters=chosen(parameters, matches.parameters),
        places=chosen(places, matches.places),
        correlations=chosen(correlations, matches.correlations),
    )
