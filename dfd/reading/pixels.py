"""Stored DICOM pixels to intensities: padding told apart, rescaled."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut

from dfd import hounsfield
from dfd.errors import SeriesError
from dfd.reading.decoding import decode_stored
from dfd.reading.geometry import placement_of, position_of
from dfd.reading.guard import read_header, reading
from dfd.reading.header import HEADER_TAGS, ImageShape, facts_of, image_shape
from dfd.reading.header_values import frame_value, number_of, text_of, value_of
from dfd.reading.measurable import check_measurable
from dfd.reading.unitless import in_steps
from dfd.records import BoolImage, Rescale, ScanFacts, Slice, SliceRef

SLOPE_LIMITS = (1e-9, 1e9)
"""Rescale slopes outside are damage: vendors' lie between 1e-6 and 1e4."""
INTERCEPT_LIMIT = 1e9

LOWEST_HU = hounsfield.LOWEST_HU
"""HU below which nothing is measured: vacuum is -1000, undershoot and noise reach -1200. Padding at
-2048 and -3024 HU is met without a tag that names it, and beside one that names another value (GE
scans of LIDC-IDRI declare 63536 and write -1024)."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """How stored values of one frame become intensities."""

    slope: float
    intercept: float
    mirrored: float | None
    """Sum of the lowest and highest storable value where MONOCHROME1 is turned around, else
    None."""
    padding: tuple[float, float] | None
    """Lowest and highest stored value that means "no measurement"."""

    @property
    def rescale(self) -> Rescale:
        """From stored values, with the sign of the slope, to intensities."""
        return Rescale(abs(self.slope), self.intercept)


def read_dicom_slice(path: Path, frame: int | None) -> Slice:
    """Decode one frame of a DICOM file; see ``read_slice``.

    Raises:
        SeriesError: The file cannot be read as a greyscale scan, or ``frame`` is not in it.
    """
    header = read_header(path, HEADER_TAGS)
    with reading(path):
        shape = image_shape(header, path)
        index = frame_index(frame, shape.frames, path)
        facts = facts_of(header, path, index)
        scaling = _scaling_of(header, shape, facts, path, index)
        ref = SliceRef(
            path,
            index,
            text_of(value_of(header, "SOPInstanceUID")),
            position_of(placement_of(header, index)),
        )
    stored, lossy = decode_stored(path, shape, index)
    facts = replace(facts, lossy=facts.lossy or lossy)
    with reading(path, "has a modality lookup table that cannot be applied"):
        looked_up = (
            apply_modality_lut(stored, header) if value_of(header, "ModalityLUTSequence") else None
        )
    values, valid = values_of(stored, looked_up, scaling)
    if facts.unit != "HU":
        return unitless_slice(
            ref, facts, values * math.copysign(1.0, scaling.slope), valid, scaling.rescale
        )
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = (values * scaling.slope + scaling.intercept).astype(np.float32)
    valid &= np.isfinite(pixels) & (pixels >= LOWEST_HU)
    return Slice(ref, facts, *check_measurable(pixels, valid, path))


def unitless_slice(
    ref: SliceRef, facts: ScanFacts, values: NDArray[np.float64], valid: BoolImage, rescale: Rescale
) -> Slice:
    """A slice without a unit, counted in steps of its own scale.

    Args:
        ref: Where it lies.
        facts: What its header says.
        values: ``[H, W]``, brighter = larger.
        valid: ``[H, W]``, True where ``values`` holds a measurement.
        rescale: From ``values`` to what the file states, slope > 0.

    Raises:
        SeriesError: Nothing is measured, or every pixel is the same.
    """
    # A NaN or infinity would spread over the lattice of steps.
    finite, valid = check_measurable(values, valid, ref.path)
    pixels, steps = in_steps(finite, valid)
    valid &= np.isfinite(pixels)
    return Slice(
        ref,
        facts,
        pixels,
        valid,
        Rescale(steps.slope * rescale.slope, steps.intercept * rescale.slope + rescale.intercept),
    )


def frame_index(frame: int | None, frames: int, path: Path) -> int:
    """Zero-based index of the frame that is meant.

    Raises:
        SeriesError: None for a file of several frames, or outside the file.
    """
    if frame is None:
        if frames > 1:
            raise SeriesError(
                f"{path} holds {frames} frames: say which in the column `frame` (1 to {frames})"
            )
        return 0
    if not 0 <= frame < frames:
        raise SeriesError(
            f"{path} holds {frames} frame(s) but frame {frame + 1} was asked for: correct the "
            f"column `frame` (1 to {frames})"
        )
    return frame


def _scaling_of(
    header: Dataset, shape: ImageShape, facts: ScanFacts, path: Path, index: int
) -> Scaling:
    """Rescale, MONOCHROME1 and padding of a frame."""
    slope = _rescale_number(header, index, "RescaleSlope", 1.0, path)
    intercept = _rescale_number(header, index, "RescaleIntercept", 0.0, path)
    if not SLOPE_LIMITS[0] <= abs(slope) <= SLOPE_LIMITS[1] or abs(intercept) > INTERCEPT_LIMIT:
        raise SeriesError(
            f"{path} has a RescaleSlope of {slope:g} and a RescaleIntercept of {intercept:g}, "
            "which no scanner writes: export it again"
        )
    mirrored = None
    if shape.inverted and facts.unit != "HU":
        mirrored = -1.0 if shape.signed else 2.0**shape.bits_stored - 1.0
    if value_of(header, "ModalityLUTSequence"):
        slope, intercept = 1.0, 0.0
    return Scaling(slope, intercept, mirrored, _padding_of(header, shape))


def _rescale_number(header: Dataset, index: int, keyword: str, missing: float, path: Path) -> float:
    """Rescale slope or intercept.

    ``missing`` where the element is absent or empty, an error where it is no finite number.
    """
    value = frame_value(header, index, "PixelValueTransformationSequence", keyword)
    if value is None and _is_blank(header, keyword):
        return missing
    number = number_of(value)
    if number is None or not math.isfinite(number):
        raise SeriesError(f"{path} has a {keyword} that is not a number: export it again")
    return number


def _is_blank(header: Dataset, keyword: str) -> bool:
    """True where an element is absent or holds nothing.

    False where what it holds cannot be parsed.
    """
    if keyword not in header:
        return True
    raw = header.get_item(keyword)
    return raw is None or raw.value is None or not str(raw.value).strip("b' \0\"")


def _padding_of(header: Dataset, shape: ImageShape) -> tuple[float, float] | None:
    """Interval of stored values that mean "no measurement" (PS3.3 section C.7.5.1.1.2).

    In the sign of the stored values.
    """
    for prefix in ("", "Float", "DoubleFloat"):
        first = number_of(value_of(header, f"{prefix}PixelPaddingValue"))
        if first is None:
            continue
        last = number_of(value_of(header, f"{prefix}PixelPaddingRangeLimit"))
        ends = [
            _signed_as_stored(end, shape) if not prefix else end
            for end in (first, first if last is None else last)
        ]
        return min(ends), max(ends)
    return None


def _signed_as_stored(value: float, shape: ImageShape) -> float:
    """Padding written with the other sign.

    (63536 for -2000) brought to the sign of the stored values.
    """
    full = 2.0 ** max(16, shape.bits_allocated)
    if shape.signed and value >= full / 2:
        return value - full
    return value + full if not shape.signed and value < 0 else value


def values_of(
    stored: NDArray[np.generic], looked_up: NDArray[np.generic] | None, scaling: Scaling
) -> tuple[NDArray[np.float64], BoolImage]:
    """Stored values before the rescale and which of them are measurements, both ``[H, W]``.

    ``looked_up``: what the modality lookup table makes of ``stored``, where there is one.
    """
    with np.errstate(invalid="ignore"):  # a NaN that signals is as good as any other
        values = stored.astype(np.float64)
    valid = np.isfinite(values)
    if scaling.padding is not None:
        valid &= (values < scaling.padding[0]) | (values > scaling.padding[1])
    if looked_up is not None:
        values = looked_up.astype(np.float64)
    elif scaling.mirrored is not None and np.issubdtype(stored.dtype, np.integer):
        values = scaling.mirrored - values
    return values, valid & np.isfinite(values)
