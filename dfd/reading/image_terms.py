"""The elements of a DICOM header that say what kind of image a frame is."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from pydicom import Dataset
from pydicom.uid import UID

from dfd.reading.guard import READ_ERRORS

Texts: TypeAlias = Callable[[str, str], tuple[str, ...]]
"""Values of an element of a frame, by the functional group that holds it in an enhanced file and by
keyword; looked for in the file as a whole where the frame has none of its own."""

KEYWORDS = (
    "ImageType FrameType ComplexImageComponent VolumetricProperties "
    "VolumeBasedCalculationTechnique PixelPresentation SOPClassUID"
)
_GE_CREATOR, _GE_IMAGE_TYPE = 0x0043_0010, 0x0043_102F
GE_TAGS = (_GE_CREATOR, _GE_IMAGE_TYPE)
"""Private creator, and the element in which GE tells the parts of a complex MR image apart."""

_GROUPS = ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence")
_SEQUENCES = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
_TERMS = (
    "ComplexImageComponent",
    "VolumetricProperties",
    "VolumeBasedCalculationTechnique",
    "PixelPresentation",
)
_GE_PARTS = {1: "PHASE", 2: "REAL", 3: "IMAGINARY"}
_NO_SCANS = re.compile(r"secondary capture|parametric map", re.IGNORECASE)
"""Storage classes whose names are told: what they hold need not be a slice."""


def image_type_of(texts: Texts, header: Dataset) -> tuple[str, ...]:
    """FrameType of a frame of an enhanced file, else ImageType, in capitals.

    ImageType of an enhanced file is about all its frames together ("MIXED"), so it comes second.
    """
    groups = _groups_in(header)
    own = next((found for group in groups if (found := texts(group, "FrameType"))), ())
    return tuple(value.upper() for value in own or texts("", "ImageType"))


def frame_terms_of(texts: Texts, header: Dataset) -> tuple[tuple[str, str], ...]:
    """(element, value) of what else says how a frame was made, values in capitals."""
    terms, groups = [], _groups_in(header) or ("",)
    for keyword in _TERMS:
        values = next((found for group in groups if (found := texts(group, keyword))), ())
        terms += [(keyword, value.upper()) for value in values if value]
    storage = UID("".join(texts("", "SOPClassUID"))).name
    terms += [("SOPClassUID", storage)] if _NO_SCANS.search(storage) else []
    part = _GE_PARTS.get(_ge_image_type(header))
    return (*terms, *([("(0043,102F)", part)] if part else []))


def _groups_in(header: Dataset) -> tuple[str, ...]:
    """Functional groups that may tell of what type a frame is; none in a classic file."""
    return _GROUPS if any(word in header for word in _SEQUENCES) else ()


def _ge_image_type(header: Dataset) -> int:
    """0 magnitude (or nothing is said), 1 phase, 2 real, 3 imaginary."""
    try:
        if "GEMS_PARM_01" not in str(header[_GE_CREATOR].value):
            return 0
        value = header[_GE_IMAGE_TYPE].value
        # Bytes where the value representation was lost, as in files sent through an archive.
        return int.from_bytes(value[:2], "little") if isinstance(value, bytes) else int(value)
    except READ_ERRORS:
        return 0
