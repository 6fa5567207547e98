"""Regions that slices list -> regions of a series, which reach over several slices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NO_PLACE = (None, None, None)


@dataclass(frozen=True, slots=True)
class ListedRegion:
    """A suspicious region of one slice."""

    slice_number: int
    """In the order of the series, from 1."""
    sop_uid: str
    position_mm: float | None
    """Of the slice, along the normal of the series."""
    x: float
    y: float
    """Pixels from 0, to the right and downwards."""
    radius_px: float
    radius_mm: float | None
    expected_false_alarms: float
    p_value: float
    form: str
    reason: str
    place_mm: tuple[float, float, float] | None
    """Of its middle in the patient (LPS)."""

    @property
    def strangeness(self) -> tuple[float, int, float, float]:
        """Sorts the strangest first, the same for each order of reading."""
        return self.expected_false_alarms, self.slice_number, self.y, self.x


def merged(regions: Sequence[ListedRegion], thickness_mm: float | None) -> list[dict[str, Any]]:
    """Regions of a series, from the strangest on; columns of ``schema.REGION``.

    Regions of the same or of adjacent slices that overlap are one, described by the strangest of
    them.
    """
    waiting = sorted(regions, key=lambda each: each.slice_number)
    found: list[list[ListedRegion]] = []
    for region in waiting:
        touching = [each for each in found if any(_touch(region, member) for member in each)]
        for each in touching:
            found.remove(each)
        found.append([member for each in touching for member in each] + [region])
    ranked = sorted(found, key=lambda members: min(each.strangeness for each in members))
    return [_row(rank, each, thickness_mm) for rank, each in enumerate(ranked, start=1)]


def _touch(one: ListedRegion, other: ListedRegion) -> bool:
    """Whether two regions overlap, seen along the normal, in slices that follow each other."""
    if abs(one.slice_number - other.slice_number) > 1:
        return False
    return math.hypot(one.x - other.x, one.y - other.y) < one.radius_px + other.radius_px


def _row(rank: int, members: Sequence[ListedRegion], thickness_mm: float | None) -> dict[str, Any]:
    strangest = min(members, key=lambda each: each.strangeness)
    ordered = sorted(members, key=lambda each: each.slice_number)
    positions = [each.position_mm for each in ordered if each.position_mm is not None]
    depth = None
    if len(positions) == len(ordered) and thickness_mm is not None:
        depth = max(positions) - min(positions) + thickness_mm
    x_mm, y_mm, z_mm = strangest.place_mm or NO_PLACE
    return {
        "rank": rank,
        "p_value": strangest.p_value,
        "form": strangest.form,
        "reason": strangest.reason,
        "x": strangest.x,
        "y": strangest.y,
        "radius_px": strangest.radius_px,
        "radius_mm": strangest.radius_mm,
        "first_slice": ordered[0].slice_number,
        "last_slice": ordered[-1].slice_number,
        "x_mm": x_mm,
        "y_mm": y_mm,
        "z_mm": z_mm,
        "depth_mm": depth,
        "sop_uids": list(dict.fromkeys(each.sop_uid for each in ordered if each.sop_uid)),
    }
