"""Places in a slice: rows of the points file, and the regions they ask about."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dfd.sentences import settle


@dataclass(frozen=True, slots=True)
class Point:
    """One row of the points file.

    ``error`` is filled where the row cannot be used; the row is kept all the same.
    """

    row: int
    """Line of the file, 1-based, as a text editor counts."""
    filename: str
    x: float = float("nan")
    """Column, zero-based pixels of the stored matrix; NaN in both where the slice is asked about as
    a whole."""
    y: float = float("nan")
    """Row, downwards, zero-based pixels."""
    frame: int | None = None
    """1-based as in DICOM; for NIfTI the slice."""
    radius_mm: float | None = None
    label: int | None = None
    cells: Mapping[str, str] = field(default_factory=dict)
    """The input columns as they were written, in order."""
    path: Path | None = None
    """The file that ``filename`` names; None where there is none."""
    error: str = ""
    patient_mm: tuple[float, float, float] | None = None
    """The place in the patient (LPS, mm) where the row names one instead of a pixel.
    ``x``, ``y``, ``frame`` and ``path`` are those of the slice once it has been looked for."""

    def __post_init__(self) -> None:
        """Keep sentences that know their names."""
        settle(self, "error")

    @property
    def is_screening(self) -> bool:
        """True where the row names a slice and no place in it: the whole slice is looked at."""
        nowhere = math.isnan(self.x) and math.isnan(self.y) and self.patient_mm is None
        return not self.error and nowhere


@dataclass(frozen=True, slots=True)
class Region:
    """A disk in a slice."""

    x: float
    y: float
    radius_px: float
    radius_mm: float | None = None
