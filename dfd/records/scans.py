"""Slices and series: what is read, what the network predicts, and the slices around one.

Arrays are ``[H, W]``, row (Y, downwards) first. Intensities are HU for CT and steps of the slice's
own scale for MR.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatImage: TypeAlias = NDArray[np.float32]
BoolImage: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ScanFacts:
    """What the header says of a slice.

    What it does not say stays empty or None: nothing missing is invented.
    """

    modality: str = ""
    manufacturer: str = ""
    model: str = ""
    kernel: str = ""
    sequence: str = ""
    body_part: str = ""
    image_type: tuple[str, ...] = ()
    unit: str = "stored"
    """``HU`` or ``stored``."""
    spacing_mm: tuple[float, float] | None = None
    """(row, column) distance of pixel centres."""
    detector_spacing: bool = False
    """True where ``spacing_mm`` is None and the header gives only the distance on a detector."""
    thickness_mm: float | None = None
    bits_stored: int = 16
    lossy: bool = False
    compression: str = ""
    """Name of the transfer syntax."""
    patient_hash: str = ""
    """Short hash that tells patients apart; empty where neither header nor folder names one. Never
    the identity itself."""
    frame_terms: tuple[tuple[str, str], ...] = ()
    """(element, value) of what else says how the image was made: ComplexImageComponent and the
    like. Empty where the header has none of these elements."""
    plane: str = ""
    """``axial``, ``coronal``, ``sagittal``, ``oblique``, or empty where nothing says how it
    lies."""


SQUARE_TOLERANCE = 0.01
"""Relative difference of row and column spacing up to which pixels count as square; scanners
reconstruct CT on a square grid (PS3.3 section C.7.6.3.1.7 allows others)."""


def is_square(spacing_mm: tuple[float, float]) -> bool:
    """Whether pixels of ``spacing_mm`` (row, column) are square."""
    return abs(spacing_mm[0] / spacing_mm[1] - 1.0) <= SQUARE_TOLERANCE


@dataclass(frozen=True, slots=True)
class SliceRef:
    """Where one slice lies: a file and, in a multi-frame or NIfTI file, the frame in it."""

    path: Path
    frame: int = 0
    """Zero-based."""
    sop_uid: str = ""
    position_mm: float | None = None
    """Along the normal of the series; None where the header has no position."""
    phase: int = 0
    """Which of several slices at one position (cine, dynamic contrast); 0 where there is one."""
    corner_mm: tuple[float, ...] = ()
    """Centre of the first pixel (LPS); empty where the header has none."""
    acquired: str = ""
    """When and with which tube voltage: what all reconstructions of one acquisition share. To be
    compared, never shown."""


@dataclass(frozen=True, slots=True)
class Rescale:
    """A straight line: ``value * slope + intercept``."""

    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True, slots=True)
class Slice:
    """One decoded slice."""

    ref: SliceRef
    facts: ScanFacts
    pixels: FloatImage
    """``[H, W]``, HU or, where ``facts.unit`` is ``stored``, steps of the slice's own scale above
    its zero level (``dfd.reading.unitless``): 0 to some thousands, whatever scale the file has."""
    valid: BoolImage
    """``[H, W]``, False where a pixel holds no measurement: padding, outside the field of view, not
    finite."""
    rescale: Rescale = Rescale()
    """From ``pixels`` to the values that the file states: what tells two slices' scales apart."""


@dataclass(frozen=True, slots=True)
class Series:
    """Slices of one series in one orientation, ordered by phase, then by position.

    Pixels are not held.
    """

    uid: str
    orientation: tuple[float, ...]
    """Six direction cosines (row, column) in LPS, empty where the header has none."""
    slices: tuple[SliceRef, ...]
    facts: ScanFacts
    remarks: tuple[str, ...] = ()
    """Plain sentences on gaps, phases, duplicates."""
    study_uid: str = ""
    """StudyInstanceUID, to be compared and never shown; so is the next."""
    space_uid: str = ""
    """FrameOfReferenceUID: positions of two series with the same are comparable."""
    copies: tuple[tuple[SliceRef, SliceRef], ...] = ()
    """(copy, which of ``slices`` it repeats): files with the same pixels at the same place. No copy
    is among ``slices``."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was left out, and why, in one sentence."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the network expects in each pixel when that pixel is hidden."""

    mean: FloatImage
    """``[H, W]`` in the unit of the slice."""
    spread: FloatImage
    """``[H, W]``, > 0, standard deviation in the unit of the slice."""
    z: FloatImage
    """``[H, W]``, (pixel - mean) / spread; 0 where not ``assessed``."""
    assessed: BoolImage
    """``[H, W]``, True where a prediction was made and the pixel is a measurement."""
    noise_scale: float = float("nan")
    """Robust noise level of the slice, in its unit."""
    log_odds: FloatImage | None = None
    """``[2, H, W]``: what the head says of added noise and of replaced content, 0 = undecided; None
    where the network has no head."""
    weigh: Callable[[Any], Any] | None = None
    """The learned statistic: what all evidence of a region together says
    (``dfd.prediction.learned_statistic``); None where the network has none."""


@dataclass(frozen=True, eq=False)
class SeriesSlice:
    """Another slice of the same series and matrix, in HU or steps of its own scale."""

    name: str
    """Of its file, from the folder of the slice that is asked about, and of its frame where the
    file holds several."""
    pixels: FloatImage
    """``[H, W]``, NaN where there is no measurement."""
    prepared: dict[str, Any] = field(default_factory=dict, repr=False)
    """What an evidence family made of it, by family: many slices of a series are asked about in
    turn."""


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A slice at the same place in another series of the same study and acquisition.

    Another reconstruction of it.
    """

    name: str
    """Of its file, from the data folder, and of its frame where the file holds several."""
    pixels: FloatImage
    """``[H, W]`` in the unit of the slice, NaN where there is no measurement."""


@dataclass(frozen=True, slots=True)
class Context:
    """The slices below and above a slice, of the same series, matrix and unit."""

    below: FloatImage
    """``[H, W]``, NaN where there is no measurement. The neighbour at the lower position."""
    above: FloatImage
    distances_mm: tuple[float, float] | None = None
    """Of (below, above) from the slice; None where the file names no positions, and both count
    alike."""
    series_refs: tuple[SliceRef, ...] = ()
    """Where the slices of the series lie that something may have been copied from, those two
    among them; never the slice itself."""
    others: tuple[SeriesSlice, ...] = ()
    """Those of them that have been read."""
