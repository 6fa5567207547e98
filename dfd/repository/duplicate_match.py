"""What two slices with near fingerprints are called: only what was measured on their pixels."""

from __future__ import annotations

from dataclasses import dataclass

from dfd.repository.fingerprint import TURNS
from dfd.repository.fingerprint_index import BITS
from dfd.repository.pixel_check import PixelCheck

SAME_SERIES, SAME_STUDY, SAME_PATIENT = "same series", "same study", "same patient"
ANOTHER_PATIENT, UNKNOWN = "another patient", "unknown"
RELATIONS = (ANOTHER_PATIENT, SAME_PATIENT, UNKNOWN, SAME_STUDY, SAME_SERIES)
"""Whose slices they are, in the order of the list."""

IDENTICAL, WRITTEN_TWICE = "identical pixels", "written twice"
SAME_NOISE, SIMILAR, NOT_COMPARED = "same noise", "similar", "not compared"
MATCHES = (IDENTICAL, SAME_NOISE, WRITTEN_TWICE, SIMILAR, NOT_COMPARED)
"""What their pixels have in common, in the order of the list."""

SHARED_NOISE = 0.5
"""Correlation of noise from which on two slices are said to share it. The 2,000 nearest pairs of
two patients of development reach 0.18, most changed copies 0.8;
benchmarks/results/duplicate_slices.md."""
SOME_NOISE = 0.25
"""Below this the pixels contradict the fingerprints, and the pair is not listed."""
THICKNESSES = 2.0
"""Slices of one study that are nearer than so many of their thicknesses may share raw data:
overlapping or interpolated slices, phases, other kernels."""
THICKEST_MM = 10.0
"""Taken where the thickness is not stated."""


@dataclass(frozen=True, slots=True)
class Place:
    """A slice of a repository."""

    series: str
    file: str
    """Relative to the source."""
    frame: int
    """Zero-based."""
    sop_uid: str
    patient: str = ""
    """Empty where nothing names one. To be compared, never written."""
    study: str = ""
    """StudyInstanceUID, likewise."""


@dataclass(frozen=True, slots=True)
class Lie:
    """Where a slice lies in its patient."""

    plane: str
    position_mm: float | None
    """Along its normal."""
    thickness_mm: float | None


def relation_of(one: Place, other: Place) -> str:
    """Whose slices they are, by their headers."""
    if one.series == other.series:
        return SAME_SERIES
    if not one.patient or not other.patient:
        return UNKNOWN
    if one.patient != other.patient:
        return ANOTHER_PATIENT
    return SAME_STUDY if one.study and one.study == other.study else SAME_PATIENT


def may_share_raw_data(relation: str, one: Lie, other: Lie) -> bool:
    """Whether slices of that relation may have the same noise although neither was copied.

    So it is where they belong to one study and lie at one place, or no farther apart than slices
    overlap. Where nothing says how they lie, they may.
    """
    if relation not in (SAME_SERIES, SAME_STUDY) or one.plane != other.plane:
        return False
    if one.position_mm is None or other.position_mm is None:
        return True
    thickness = max(one.thickness_mm or THICKEST_MM, other.thickness_mm or THICKEST_MM)
    return abs(one.position_mm - other.position_mm) < THICKNESSES * thickness


def match_of(check: PixelCheck, *, one_object: bool) -> str:
    """What the pixels have in common; empty where they contradict the fingerprints.

    Args:
        check: What was measured.
        one_object: Whether both carry one SOPInstanceUID and neither is turned.
    """
    if check.identical:
        return WRITTEN_TWICE if one_object else IDENTICAL
    if check.correlation >= SHARED_NOISE:
        return SAME_NOISE
    return SIMILAR if check.correlation >= SOME_NOISE else ""


_WHERE = {
    SAME_SERIES: "twice in this series",
    SAME_STUDY: "in two series of one study",
    SAME_PATIENT: "in two studies of one patient",
    ANOTHER_PATIENT: "in two patients",
    UNKNOWN: "in two series that do not both name a patient",
}
_IDENTICAL = {
    SAME_SERIES: "a slice was repeated, by copying or by resampling to thinner slices",
    SAME_STUDY: "one series holds images of the other",
    SAME_PATIENT: "an image of one study was stored in the other",
    ANOTHER_PATIENT: "both hold one image, which is of one of them at most",
    UNKNOWN: "both hold one image",
}
_SAME_NOISE = {
    SAME_SERIES: "a slice was repeated and changed",
    SAME_STUDY: "one image is a changed copy of the other",
    SAME_PATIENT: "both images come from one scan, though the studies are two",
    ANOTHER_PATIENT: "both images come from one scan, though the patients are two",
    UNKNOWN: "both images come from one scan",
}


def reason_of(
    relation: str, match: str, turn: int, distance: int, correlation: float | None
) -> str:
    """What a pair means, in one sentence."""
    turned = f", {TURNS[turn]}" if turn else ""
    where = f"{_WHERE[relation]}{turned}"
    if match == WRITTEN_TWICE:
        return f"One image stands {where}, with the same SOPInstanceUID: it was written twice."
    if match == IDENTICAL:
        return f"The same pixels stand {where}: {_IDENTICAL[relation]}."
    if match == SAME_NOISE:
        return (
            f"The same noise stands {where} (correlation {correlation:.2f}): "
            f"{_SAME_NOISE[relation]}; re-encoded, re-windowed, cropped, edited or reconstructed "
            "anew."
        )
    if match == SIMILAR:
        return (
            f"Similar noise stands {where} ({distance} of {BITS} bits differ, correlation "
            f"{correlation:.2f}): look at both; this alone shows no copy."
        )
    return (
        f"Similar noise may stand {where} ({distance} of {BITS} bits differ): the pixels could not "
        "be compared, so nothing is shown."
    )
