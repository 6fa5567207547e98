"""Whether a slice is what a model was made for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from dfd import hounsfield
from dfd.image_kinds import kind_of
from dfd.modalities import MODALITIES, Modality
from dfd.records import BoolImage, FloatImage, ScanFacts, Slice, is_square

LOWEST_SCAN_BITS = 9
"""Scanners store at least 10 bits; 8 are a picture made for a screen."""

PIXEL_MM = (0.1, 10.0)
"""Sides of a pixel that CT and MR of the trunk may have: others are in another unit, or damaged."""

SCREEN_RANGE = (0.0, 255.0)
"""Values of an 8-bit picture."""

FEW_VALUES = 256
WIDE_RANGE_HU = 512.0
"""A CT slice of at most so many distinct values over more than this range was cut to 8 bits and
stretched again."""

REFORMATTED = (
    "the plane is {plane}, and CT is scanned axially: the slice is a reformat, resampled from "
    "other slices"
)

HOME_BODY_PARTS = frozenset(
    (
        "CHEST",
        "THORAX",
        "LUNG",
        "LUNGS",
        "BREAST",
        "HEART",
        "ABDOMEN",
        "TH",
        "TRUNK",
        "BODY",
        "WHOLEBODY",
    )
)
"""Words in BodyPartExamined with which a slice is not foreign, whatever else is named ("CHEST
PELVIS")."""

BODY_HU = -500.0
LUNG_HU = (-950.0, -500.0)
LEAST_LUNG = 0.01
"""Share of the body's pixels that aerated lung must have at least."""
BODY_GRID = 256
"""Pixels of the longer side at which the body is sought: an area share needs no more, and 512 takes
four times as long."""


@dataclass(frozen=True, slots=True)
class Objections:
    """What speaks against scoring a slice with a model."""

    refusal: str = ""
    """Why the model must not be used on it, one sentence; empty where it may."""
    not_assessable: str = ""
    """Why a score would mean nothing although the slice is of the right kind; empty where it would
    mean something."""
    remarks: tuple[str, ...] = ()
    """What lowers the worth of a score."""


def objections(scan: Slice, modality: Modality) -> Objections:
    """What speaks against scoring ``scan`` with a model of ``modality``.

    Sentences name no file and no patient.
    """
    return Objections(
        _refusal(scan, modality), _obstacle(scan.facts), tuple(_remarks(scan, modality))
    )


def header_objection(facts: ScanFacts, modality: Modality) -> str:
    """Why slices of such a header cannot be scored with a model of ``modality``; empty: they may.

    The same sentences as :func:`objections`, as far as they need no pixels.
    """
    return next(_header_refusals(facts, modality), "") or _obstacle(facts)


def _advice(dicom_modality: str) -> str:
    """What to do with a slice of another modality."""
    fitting = [each.bundle for each in MODALITIES.values() if each.dicom_modality == dicom_modality]
    return (
        f"choose the model {' or '.join(fitting)}, or one trained on such scans"
        if fitting
        else "there is no model for it, so leave it out"
    )


def _refusal(scan: Slice, modality: Modality) -> str:
    """The first reason against the model, from the plainest on."""
    return next(_refusals(scan, modality), "")


def _refusals(scan: Slice, modality: Modality) -> Iterator[str]:
    yield from _header_refusals(scan.facts, modality)
    if scan.facts.unit != "HU":
        return
    if _within_screen_range(scan):
        yield (
            "The slice holds only values from 0 to 255 and no HU, as an 8-bit export does: give "
            "the original slice"
        )
    impossible = hounsfield.objection(scan.pixels, scan.valid)
    if impossible:
        yield impossible


def _header_refusals(facts: ScanFacts, modality: Modality) -> Iterator[str]:
    name = modality.name
    if facts.modality not in ("", modality.dicom_modality):
        yield (
            f"The slice is {facts.modality} but the model {name} was made for "
            f"{modality.dicom_modality}: {_advice(facts.modality)}"
        )
    if _is_foreign(facts.body_part, modality.foreign_body_parts):
        yield (
            f"The slice shows {facts.body_part} but the model {name} was not made for that body "
            "part: leave it out"
        )
    kind = kind_of(facts)
    if kind.refusal:
        yield kind.refusal
    if facts.spacing_mm and not all(
        PIXEL_MM[0] <= side <= PIXEL_MM[1] for side in facts.spacing_mm
    ):
        row, column = facts.spacing_mm
        yield (
            f"The pixels are {row:.3g} x {column:.3g} mm, as those of no CT or MR scan are: "
            "correct PixelSpacing in DICOM, pixdim and the unit of length in NIfTI"
        )
    if facts.bits_stored < LOWEST_SCAN_BITS:
        yield (
            f"The slice is an {facts.bits_stored}-bit export, which has lost the noise that is "
            "measured here: give the original slice"
        )
    if facts.unit != modality.unit:
        yield (
            f"The slice holds {_named(facts.unit)} but the model {name} needs "
            f"{_named(modality.unit)}: give the original slice"
        )


def _obstacle(facts: ScanFacts) -> str:
    """Why a score would mean nothing."""
    if facts.lossy:
        return "The slice was compressed with loss, which removes the noise that is measured here"
    return ""


def _remarks(scan: Slice, modality: Modality) -> Iterator[str]:
    """All that lowers the worth of a score."""
    facts = scan.facts
    kind = kind_of(facts)
    if kind.remark:
        yield kind.remark
    elif "DERIVED" in facts.image_type[:1]:
        yield (
            "the slice was derived from another image (ImageType DERIVED), which may have "
            "changed its noise"
        )
    yield from _spacing_remarks(facts)
    if facts.unit != "HU":
        return
    if facts.plane not in ("", "axial"):
        yield REFORMATTED.format(plane=facts.plane)
    if _has_few_values(scan):
        yield (
            f"the slice has no more than {FEW_VALUES} distinct values, as if it had been an "
            "8-bit export"
        )
    if modality.wants_lung and lung_share(scan.pixels, scan.valid) < LEAST_LUNG:
        yield "the slice shows no aerated lung, so it is unlike the slices that the model knows"


def _spacing_remarks(facts: ScanFacts) -> Iterator[str]:
    if facts.spacing_mm is None:
        only = (
            " in the patient but only one on the detector (ImagerPixelSpacing)"
            if facts.detector_spacing
            else ""
        )
        yield (
            f"the slice has no pixel spacing{only}, so regions are measured in pixels and not in mm"
        )
    elif facts.unit == "HU" and not is_square(facts.spacing_mm):
        row, column = facts.spacing_mm
        yield (
            f"the pixels are not square ({row:.3g} x {column:.3g} mm), so the slice was "
            "resampled, which changes its noise"
        )


def _named(unit: str) -> str:
    """A unit in words."""
    return "HU" if unit == "HU" else "stored values without unit"


def _is_foreign(body_part: str, foreign: tuple[str, ...]) -> bool:
    """True where ``body_part`` names a foreign part (HEAD, also within HEADNECK).

    False where it names one that belongs to the chest as well.
    """
    words = re.findall(r"[A-Z]+", body_part.upper())
    if HOME_BODY_PARTS.intersection(words):
        return False
    pattern = re.compile(f"(?:{'|'.join(map(re.escape, foreign))})+")
    return any(pattern.fullmatch(word) for word in words)


def _within_screen_range(scan: Slice) -> bool:
    """True where all valid values are 0 to 255: real HU reach -900 outside the body."""
    measured = scan.pixels[scan.valid]
    return bool(
        measured.size and measured.min() >= SCREEN_RANGE[0] and measured.max() <= SCREEN_RANGE[1]
    )


def _has_few_values(scan: Slice) -> bool:
    """True where a wide range is covered by as few values as 8 bits have."""
    measured = scan.pixels[scan.valid]
    return bool(
        measured.size
        and np.ptp(measured) > WIDE_RANGE_HU
        and np.unique(measured).size <= FEW_VALUES
    )


def lung_share(pixels: FloatImage, valid: BoolImage) -> float:
    """Share of aerated lung in the body, 0 to 1; ``pixels`` ``[H, W]`` in HU.

    The body is the largest object above ``BODY_HU`` with its holes filled; lung is what lies in it
    within ``LUNG_HU`` (the upper limit is the usual one of densitometry; below the lower lie
    trachea, bowel gas and emphysema).
    """
    step = max(1, max(pixels.shape) // BODY_GRID)
    coarse, measured = pixels[::step, ::step], valid[::step, ::step]
    # Opened so that a couch or blanket that touches the skin is no part of the body.
    dense = ndimage.binary_opening(measured & (coarse > BODY_HU), iterations=2)
    labels, count = ndimage.label(dense)
    if count == 0:
        return 0.0
    sizes = np.bincount(labels.ravel())[1:]
    body = ndimage.binary_fill_holes(labels == 1 + int(sizes.argmax()))
    lung = body & measured & (coarse > LUNG_HU[0]) & (coarse < LUNG_HU[1])
    return float(lung.sum() / body.sum())
