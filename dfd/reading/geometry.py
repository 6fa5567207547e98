"""Where a frame lies in the patient: orientation, position and spacing (mm, LPS)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydicom import Dataset

from dfd.reading.header_values import (
    frame_value,
    numbers_of,
    value_of,
)

PLANE_COSINE = 0.8
"""A plane whose normal is farther from an axis of the patient (37 degrees; gantries tilt up to 30)
is oblique."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a frame lies in the patient (LPS, mm)."""

    orientation: tuple[float, ...] = ()
    """Six direction cosines (row, column); empty where orientation or position is missing."""
    corner_mm: tuple[float, ...] = ()
    """Centre of the first pixel."""


def placement_of(header: Dataset, frame: int) -> Placement:
    """Orientation and position of a frame (zero-based); both empty unless both are there."""
    cosines = numbers_of(
        frame_value(header, frame, "PlaneOrientationSequence", "ImageOrientationPatient"), 6
    )
    corner = numbers_of(
        frame_value(header, frame, "PlanePositionSequence", "ImagePositionPatient"), 3
    )
    if not cosines or not corner or not any(normal_of(cosines)):
        return Placement()
    return Placement(cosines, corner)


def normal_of(orientation: tuple[float, ...]) -> tuple[float, float, float]:
    """Normal of a plane given by six direction cosines (row x column)."""
    (a, b, c), (d, e, f) = orientation[:3], orientation[3:]
    return b * f - c * e, c * d - a * f, a * e - b * d


def position_of(placement: Placement, orientation: tuple[float, ...] | None = None) -> float | None:
    """Distance of a frame along the normal of ``orientation`` (its own where None), in mm.

    None where the header has no position.
    """
    if not placement.orientation:
        return None
    normal = normal_of(orientation or placement.orientation)
    return sum(
        axis * mm for axis, mm in zip(normal, placement.corner_mm, strict=True)
    ) / math.hypot(*normal)


def spacing_of(header: Dataset, frame: int) -> tuple[float, float] | None:
    """(row, column) distance of pixel centres in mm; None where it is missing or not positive."""
    found = numbers_of(frame_value(header, frame, "PixelMeasuresSequence", "PixelSpacing"), 2)
    return (found[0], found[1]) if found and min(found) > 0 else None


def has_detector_spacing(header: Dataset, frame: int) -> bool:
    """True where the only distance of pixels is that on the detector.

    How large they are in the patient is then not known.
    """
    return (
        spacing_of(header, frame) is None
        and len(numbers_of(value_of(header, "ImagerPixelSpacing"), 2)) == 2
    )


def plane_of(orientation: tuple[float, ...]) -> str:
    """``axial``, ``coronal``, ``sagittal`` or ``oblique`` for six direction cosines.

    Empty where there are none.
    """
    if not orientation:
        return ""
    normal = normal_of(orientation)
    largest = max(range(3), key=lambda axis: abs(normal[axis]))
    if abs(normal[largest]) < PLANE_COSINE * math.hypot(*normal):
        return "oblique"
    return ("sagittal", "coronal", "axial")[largest]
