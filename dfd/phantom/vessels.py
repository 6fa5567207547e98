"""Branching vessels of a lung, as slender ellipsoids.

Points spread over the lung are halved again and again; each half is fed by a branch that heads for
its middle, so that the tree fills the lung evenly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfd.phantom.geometry import Floats, spindle_shapes

LOBAR_BRANCHES = 8
"""Branches of a tree that leave the hilum."""
HALVINGS = 7
TREES = 3
"""Arteries, and two sets of veins."""
TIP_RADIUS_MM = 0.6
"""Of the last branches; thicker ones follow Murray's law: the cube of the radius is the sum of the
cubes of the branches."""
OVERLAP = 1.12
"""Ellipsoids are a little longer than their branch, so that the thin ends of neighbours meet."""


@dataclass(frozen=True, slots=True)
class Branches:
    """Vessels."""

    centres: Floats
    """``[V, 3]`` mm."""
    shapes: Floats
    """``[V, 3, 3]`` mm^2."""


def grow(rng: np.random.Generator, hilum: Floats, targets: Floats) -> Branches:
    """Grow one tree.

    Args:
        rng: Source of every draw.
        hilum: ``[3]`` mm, where the tree begins.
        targets: ``[tips(), 3]`` mm, points that the tree must reach.
    """
    groups = _halve(targets[None], np.log2(LOBAR_BRANCHES))
    start = np.tile(hilum, (LOBAR_BRANCHES, 1))
    starts, ends, radii = [], [], []
    for left in range(HALVINGS, -1, -1):
        goal = groups.mean(axis=1)
        reach = rng.uniform(0.35, 0.6, (goal.shape[0], 1)) if left else np.ones((goal.shape[0], 1))
        way = goal - start
        bend = (
            rng.normal(size=way.shape)
            * 0.12
            * np.linalg.norm(way, axis=1, keepdims=True)
            * (left > 0)
        )
        end = start + reach * way + bend
        starts.append(start)
        ends.append(end)
        radii.append(TIP_RADIUS_MM * 2.0 ** (left / 3.0) * rng.uniform(0.8, 1.2, goal.shape[0]))
        if left:
            groups, start = _halve(groups, 1), np.repeat(end, 2, axis=0)
    begin, finish = np.concatenate(starts), np.concatenate(ends)
    length = np.linalg.norm(finish - begin, axis=1)
    direction = (finish - begin) / length[:, None]
    radius = np.minimum(np.concatenate(radii), 0.4 * length)
    return Branches(
        (begin + finish) / 2.0, spindle_shapes(direction, OVERLAP * length / 2.0, radius)
    )


def tips() -> int:
    """Number of points one tree reaches."""
    return int(LOBAR_BRANCHES * 2**HALVINGS)


def _halve(groups: Floats, times: float) -> Floats:
    """Split each of the groups ``[G, N, 3]`` into halves along its longest axis.

    Gives ``[2 G, N / 2, 3]``, halves side by side.
    """
    for _ in range(int(times)):
        axis = np.ptp(groups, axis=1).argmax(axis=1)
        along = np.take_along_axis(groups, axis[:, None, None], axis=2)[:, :, 0]
        order = np.argsort(along, axis=1, kind="stable")
        groups = np.take_along_axis(groups, order[:, :, None], axis=1).reshape(
            2 * groups.shape[0], -1, 3
        )
    return groups
