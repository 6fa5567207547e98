"""What a modality is.

Every place that would ask "CT or MR?" reads a field of this record instead.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TissueClass:
    """An interval of intensity: HU for CT, multiples of the slice's robust scale for MR."""

    name: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Preset:
    """A window to look through.

    HU for CT, percentiles of the slice where intensities have no absolute meaning.
    """

    name: str
    low: float
    high: float
    tissues: tuple[str, ...] = ()
    """Names of the tissues for which a reader would choose it first."""


@dataclass(frozen=True, slots=True)
class Modality:
    """One modality and body region, and the numbers that belong to it."""

    name: str
    bundle: str
    checkpoint: str
    """Name under which the catalogue asks for the shipped model."""
    dicom_modality: str
    sop_classes: tuple[str, ...]
    unit: str
    relative: bool
    """True where intensities have no absolute meaning and tissue classes are multiples of the
    slice's robust scale."""
    tissues: tuple[TissueClass, ...]
    floor: float | None
    """Intensity at or below which a pixel is outside the body or clipped, in ``unit``; None where
    there is none."""
    body_level: float
    """Mean intensity above which a cell of pixels belongs to the body: HU for CT, a share of the
    brightness scale for MR."""
    radius_mm: float
    """Radius of the region around a click where the points file gives none."""
    radius_px: float
    """The same in pixels, for slices without spacing."""
    window: tuple[float, float] | None
    """(low, high) for display; None: 1st to 99th percentile."""
    foreign_body_parts: tuple[str, ...]
    """Values of BodyPartExamined that this model was certainly not made for."""
    presets: tuple[Preset, ...] = ()
    """Windows that a reader may choose between, the usual one first."""
    wants_lung: bool = False
    """True where a slice without aerated lung is outside the population."""
