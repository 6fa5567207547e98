"""Regions of a series as columns of ``schema.REGION``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dfd.assessment.series import SeriesRegion
from dfd.records import Finding, Series, Slice, SliceRef

NO_PLACE = (None, None, None)
ADDED_UP = (
    "what is odd here adds up over slices {} to {}; in none of them by itself does the region "
    "stand out"
)


@dataclass(frozen=True, slots=True)
class NumberedSlice:
    """A slice of a series."""

    number: int
    """In the order of the series, from 1."""
    ref: SliceRef
    series: Series


@dataclass(frozen=True, slots=True)
class Explained:
    """A region that a series lists, and what the slice that shows it best says of it."""

    region: SeriesRegion
    scan: Slice
    finding: Finding
    sentence: str
    """The reason of ``finding``, without the name of its file."""


def row_of(rank: int, one: Explained, slices: Mapping[int, NumberedSlice]) -> dict[str, Any]:
    """Columns of ``schema.REGION``; ``slices`` by their number."""
    listed, place = one.region, one.region.region
    members = [slices[number] for number in slices if listed.first <= number <= listed.last]
    x_mm, y_mm, z_mm = _in_patient(one, slices[listed.strongest]) or NO_PLACE
    reason = one.sentence if one.finding.form else ADDED_UP.format(listed.first, listed.last)
    return {
        "rank": rank,
        "p_value": one.finding.p_value,
        "expected_false_alarms": listed.expected_false_alarms,
        "form": str(one.finding.form),
        "reason": reason,
        "x": place.x,
        "y": place.y,
        "radius_px": place.radius_px,
        "radius_mm": place.radius_mm,
        "first_slice": listed.first,
        "last_slice": listed.last,
        "strongest_slice": listed.strongest,
        "x_mm": x_mm,
        "y_mm": y_mm,
        "z_mm": z_mm,
        "depth_mm": _depth_mm(members),
        "sop_uids": list(dict.fromkeys(each.ref.sop_uid for each in members if each.ref.sop_uid)),
    }


def _depth_mm(members: Sequence[NumberedSlice]) -> float | None:
    """From the front of the first slice to the back of the last."""
    positions = [each.ref.position_mm for each in members if each.ref.position_mm is not None]
    thickness = members[0].series.facts.thickness_mm
    if len(positions) < len(members) or thickness is None:
        return None
    return max(positions) - min(positions) + thickness


def _in_patient(one: Explained, strongest: NumberedSlice) -> tuple[float, float, float] | None:
    """Where the middle lies in the patient (LPS, mm); PS3.3 equation C.7.6.2.1-1."""
    spacing, orientation = one.scan.facts.spacing_mm, strongest.series.orientation
    if not strongest.ref.corner_mm or not orientation or spacing is None:
        return None
    across, down = orientation[:3], orientation[3:]
    x, y, z = (
        float(
            corner
            + one.region.region.x * spacing[1] * right
            + one.region.region.y * spacing[0] * below_it
        )
        for corner, right, below_it in zip(strongest.ref.corner_mm, across, down, strict=True)
    )
    return x, y, z
