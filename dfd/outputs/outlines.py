"""Outlines of regions, drawn into panels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfd.outputs.panels import Box, RgbImage, View, cut
from dfd.records import Region

OUTLINE = (255, 225, 40)

SOURCE = (86, 180, 233)
"""Outline of the place where the noise of the region stands again (sky blue of Okabe and Ito
2008)."""

_HALO = (0, 0, 0)

_HALO_STRENGTH = 0.65

_HALO_WIDTH, _LINE_WIDTH = 1.9, 0.7
"""Half widths in picture pixels."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The pixels of a panel that an outline touches, ``[N]``.

    And how far its dark edge and its line cover each of them, ``[N, 1]`` in 0 to 1.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    halo: NDArray[np.float64]
    line: NDArray[np.float64]
    colour: tuple[int, int, int]


def show(image: RgbImage, view: View, region: Region, source: Region | None = None) -> RgbImage:
    """The part of ``image`` that ``view`` asks for, at its size, with the region outlined and.

    In another colour, where its noise stands again.
    """
    return mark(cut(image, view), outlines(view, region, source))


def outlines(view: View, region: Region, source: Region | None = None) -> list[Outline]:
    """The region's outline in a panel, after that of the place where its noise stands again.

    For all panels of that view.
    """
    placed = View(int(np.floor(view.left)), int(np.floor(view.top)), round(view.side), view.size)
    asked = ((source, SOURCE), (region, OUTLINE))
    return [
        _outline(view.size, placed.place(at.x, at.y), at.radius_px * placed.scale, colour)
        for at, colour in asked
        if at is not None
    ]


def frame(drawn: list[Outline]) -> Box:
    """The part of a panel that holds all pixels of outlines.

    Its first pixel where there are none.
    """
    rows, columns = (
        np.concatenate([np.zeros(0, np.intp), *places])
        for places in ([one.rows for one in drawn], [one.columns for one in drawn])
    )
    return (
        (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
        if rows.size
        else (slice(0, 1), slice(0, 1))
    )


def mark(panel: RgbImage, drawn: list[Outline], box: Box | None = None) -> RgbImage:
    """A copy of a panel with outlines drawn, or of the part of it that holds them."""
    box = box or (slice(0, panel.shape[0]), slice(0, panel.shape[1]))
    marked = panel[box].copy()
    for outline in drawn:
        at = outline.rows - box[0].start, outline.columns - box[1].start
        pixels = marked[at].astype(np.float64)
        for colour, cover in ((_HALO, outline.halo), (outline.colour, outline.line)):
            pixels = pixels * (1.0 - cover) + np.array(colour) * cover
        marked[at] = np.round(pixels).astype(np.uint8)
    return marked


def _outline(
    size: int, centre: tuple[float, float], radius: float, line: tuple[int, int, int]
) -> Outline:
    """A circle and a small open cross in a panel of ``size``.

    One bright line with a dark edge, seen on any ground.
    """
    reach = radius + 4.0
    top, bottom = (int(np.clip(centre[1] + sign * reach, 0, size)) for sign in (-1, 1))
    left, right = (int(np.clip(centre[0] + sign * reach, 0, size)) for sign in (-1, 1))
    rows, columns = np.ogrid[top:bottom, left:right]
    across, down = columns - centre[0], rows - centre[1]
    arm = min(max(0.22 * radius, 3.0), 9.0)
    circle = np.abs(np.hypot(across, down) - radius)
    distance = np.minimum(circle, np.minimum(_arms(across, down, arm), _arms(down, across, arm)))
    touched = np.nonzero(distance < _HALO_WIDTH + 0.5)
    halo, bright = (
        np.clip(width + 0.5 - distance[touched], 0.0, 1.0)[:, None]
        for width in (_HALO_WIDTH, _LINE_WIDTH)
    )
    return Outline(touched[0] + top, touched[1] + left, halo * _HALO_STRENGTH, bright, line)


def _arms(
    along: NDArray[np.float64], aside: NDArray[np.float64], arm: float
) -> NDArray[np.float64]:
    """Distance to two strokes along one axis that leave the centre itself free."""
    inner = arm / 3.0
    beyond = np.maximum(np.abs(along) - arm, 0.0) + np.maximum(inner - np.abs(along), 0.0)
    distance: NDArray[np.float64] = np.hypot(beyond, aside)
    return distance
