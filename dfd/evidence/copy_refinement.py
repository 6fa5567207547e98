"""Matches searched more finely: turn, size and fractions of a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch

from dfd.evidence.copy_search import Matches, matches_at
from dfd.evidence.copy_template import Templates
from dfd.evidence.cores import chunks, on_cores
from dfd.evidence.search_plane import ResidualPlanes

Step = tuple[float, float, float]
"""(degrees, share of the size, pixels)."""
COARSE: tuple[Step, ...] = ((4.0, 0.06, 0.7),)
"""What places that moments propose are off by."""
FINER: tuple[Step, ...] = ((2.5, 0.025, 0.5), (1.25, 0.0125, 0.25), (0.6, 0.006, 0.25))
GAIN = 1.01
"""A refinement must raise the score by this factor: less comes by chance, and would bend what is
exact."""
AT_ONCE = 8
"""Templates whose matches are refined together."""


def refined(
    matches: Matches, templates: Templates, residual: ResidualPlanes, steps: Sequence[Step]
) -> Matches:
    """``matches`` turned, resized and moved by each of ``steps`` where their scores rise."""
    if not len(templates):
        return matches
    work = partial(_refined, matches=matches, templates=templates, residual=residual, steps=steps)
    parts = on_cores(work, chunks(len(templates), AT_ONCE), templates.places.device)
    return Matches.joined(parts)


def whole_where_better(matches: Matches, templates: Templates, residual: ResidualPlanes) -> Matches:
    """``matches``, or the nearest in whole pixels, quarter turns and full size.

    Where that agrees as well: what was copied exactly is shown exactly.
    """
    parameters = matches.parameters.clone()
    parameters[..., 1] = 90.0 * (parameters[..., 1] / 90.0).round()
    parameters[..., 2] = 1.0
    whole = matches_at(parameters, matches.places.round(), templates, residual, matches.spreads)
    return _chosen(whole, matches, whole.scores >= matches.scores)


def _chosen(after: Matches, before: Matches, taken: torch.Tensor) -> Matches:
    """``after`` where ``taken`` ``[n, c]``, elsewhere ``before``."""
    return replace(
        before,
        **{
            name: torch.where(taken[..., None], getattr(after, name), getattr(before, name))
            for name in ("parameters", "places", "correlations")
        },
    )


def _refined(
    part: slice,
    matches: Matches,
    templates: Templates,
    residual: ResidualPlanes,
    steps: Sequence[Step],
) -> Matches:
    """Those of a ``part`` of ``templates``."""
    templates, matches = templates[part], matches[part]
    around = torch.tensor(
        [(a, b) for a in (-1.0, 0.0, 1.0) for b in (-1.0, 0.0, 1.0) if a or b],
        dtype=torch.float64,
        device=matches.places.device,
    )
    for degrees, size, pixels in steps:
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
    tried = matches_at(parameters, places, templates, residual, matches.spreads)
    scores = tried.scores.view(count, kept, options)
    best = scores.argmax(-1)
    # A refinement that gains nothing must not move a place that is exact.
    gains = scores.gather(-1, best[..., None])[..., 0] > GAIN * matches.scores
    index = (best + options * torch.arange(kept, device=best.device))[..., None]

    def of(values: torch.Tensor) -> torch.Tensor:
        return values.gather(1, index.expand(-1, -1, values.shape[-1]))

    after = Matches(of(parameters), of(places), of(tried.correlations), matches.spreads)
    return _chosen(after, matches, gains)
