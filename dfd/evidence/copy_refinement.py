"""A match searched more finely: turn, size and fractions of a pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dfd.evidence.copy_template import Match, Template, correlations_at, transformed_templates
from dfd.evidence.copy_transforms import Transform
from dfd.evidence.search_plane import ResidualPlanes

FINER = ((2.5, 0.025, 0.5), (1.25, 0.0125, 0.25), (0.6, 0.006, 0.25))
"""(degrees, size, pixels) that the refinement steps by, in turn: the first is half of the steps of
``TRANSFORMS``."""
GAIN = 1.01
"""A refinement must raise the score by this factor: less comes by chance, and would bend what is
exact."""


def refined(match: Match, template: Template, residual: ResidualPlanes) -> Match:
    """``match`` moved, turned and resized in fine steps, as long as ``Match.score`` rises."""
    for degrees, size, pixels in FINER:
        turn = [
            (
                replace(
                    match.transform,
                    degrees=match.transform.degrees + a * degrees,
                    size=match.transform.size + b * size,
                ),
                0.0,
                0.0,
            )
            for a in (-1, 0, 1)
            for b in (-1, 0, 1)
        ]
        match = _best_of(match, turn, template, residual)
        move = [(match.transform, a * pixels, b * pixels) for a in (-1, 0, 1) for b in (-1, 0, 1)]
        match = _best_of(match, move, template, residual)
    return match


def _best_of(
    match: Match,
    steps: list[tuple[Transform, float, float]],
    template: Template,
    residual: ResidualPlanes,
) -> Match:
    """``match`` or the best of ``steps`` (transform, rows down, columns right) from it."""
    options = [
        replace(match, transform=transform, row=match.row + down, column=match.column + right)
        for transform, down, right in steps
    ]
    inner = np.array(
        [
            [option.row - residual.origin[0], option.column - residual.origin[1]]
            for option in options
        ]
    )
    nearest = np.clip(np.rint(inner), 0, np.array(residual.valid.shape) - 1)
    values = transformed_templates(
        template, [option.transform for option in options], nearest - inner
    )
    options = [
        replace(option, correlations=pair)
        for option, pair in zip(
            options, correlations_at(options, values, template, residual), strict=True
        )
    ]
    # A refinement that gains nothing must not move a place that is exact.
    best = max(options, key=lambda option: option.score)
    return best if best.score > GAIN * match.score else match
