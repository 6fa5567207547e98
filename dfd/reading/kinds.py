"""What a DICOM file calls itself by its SOP class.

A segmentation is no scan, though it has pixels.
"""

from __future__ import annotations

from pathlib import Path

from pydicom import Dataset
from pydicom.config import IGNORE
from pydicom.uid import UID

from dfd.errors import SeriesError
from dfd.modalities import MODALITIES
from dfd.reading.header_values import text_of, value_of

SCREEN_BITS = 8
"""Bits of a picture made for a screen."""
_STORAGE = " Storage"
_IMAGE = " Image" + _STORAGE
_CAPTURE = "Secondary Capture"
_SCANNED = (
    "CT",
    "MR",
    "Enhanced CT",
    "Enhanced MR",
    "Legacy Converted Enhanced CT",
    "Legacy Converted Enhanced MR",
)
"""Images that models are made for."""

_NEWER = {
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.66.8": "Height Map Segmentation Storage",
}
"""Classes (PS3.6 table A-1) that the lowest pydicom does not know."""


def kind_of(header: Dataset) -> str:
    """What the SOP class calls the object, such as "Segmentation" or "Secondary Capture Image".

    Empty for CT and MR images, for classes that the standard does not know, and where none is
    named.
    """
    name = _class_of(header)
    return "" if name.removesuffix(_IMAGE) in _SCANNED else name.replace(_STORAGE, "", 1)


def modality_of(header: Dataset) -> str:
    """Modality of a header, in capitals; that of its SOP class where it names none."""
    return text_of(value_of(header, "Modality")).upper() or _scanner_of(header)


def _scanner_of(header: Dataset) -> str:
    """CT or MR where the SOP class is that of such an image, else empty."""
    name = _class_of(header).removesuffix(_IMAGE)
    return name.split()[-1] if name in _SCANNED else ""


def _class_of(header: Dataset) -> str:
    """Name of the SOP class; empty where none of the standard is named."""
    meta = getattr(header, "file_meta", None) or Dataset()
    return _name_of(str(header.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or ""))


def refuse_other_objects(header: Dataset, path: Path) -> None:
    """Refuse what is no image by its SOP class, and captures of a screen.

    Images of other scanners pass: whether a model fits them is not known here. So does a capture
    with the bits and the modality of a scan, which is how some programs save CT.

    Raises:
        SeriesError: it is such an object; the sentence says which.
    """
    kind = kind_of(header)
    if not kind:
        return
    told = kind.replace(" SR", " SR (structured report)")
    if " Image" not in kind:
        raise SeriesError(f"{path} is a DICOM {told}, not a CT or MR slice: leave it out")
    modality = str(header.get("Modality") or "").strip().upper()
    if _CAPTURE not in kind:
        return
    if modality and modality not in {each.dicom_modality for each in MODALITIES.values()}:
        raise SeriesError(
            f"{path} is a DICOM {told} of modality {modality}, not a CT or MR slice: leave it out"
        )
    if _bits(header) <= SCREEN_BITS and header.get("SamplesPerPixel", 1) == 1:
        bits = "1 bit" if _bits(header) == 1 else f"{_bits(header)} bits"
        raise SeriesError(
            f"{path} is a DICOM {told} of {bits}, a picture made for a screen: give the "
            "original slice"
        )


def _name_of(uid: str) -> str:
    """Name of a SOP class of the standard; empty for any other."""
    if uid in _NEWER:
        return _NEWER[uid]
    found = UID(uid, IGNORE)
    known = found.name != uid and _STORAGE in found.name and found.type == "SOP Class"
    return found.name.replace(" SOP Class", "") if known else ""


def _bits(header: Dataset) -> int:
    """Bits stored, as many as allocated where it does not say.

    A scan's where it says nothing usable.
    """
    for word in ("BitsStored", "BitsAllocated"):
        value = header.get(word)
        if isinstance(value, int):
            return value
    return 2 * SCREEN_BITS
