"""Strata of a repository: series whose scores can be compared with each other.

A stratum is a modality, a manufacturer, a sharpness of the reconstruction kernel and a range of
slice thickness. What a header does not say is a stratum of its own.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

UNKNOWN = "unknown"
SOFT, SHARP = "soft", "sharp"
MANUFACTURERS = {
    "SIEMENS": "Siemens",
    "GE ": "GE",
    "GEMS": "GE",
    "GENERAL ELECTRIC": "GE",
    "PHILIPS": "Philips",
    "TOSHIBA": "Canon",
    "CANON": "Canon",
    "HITACHI": "Fujifilm",
    "FUJI": "Fujifilm",
    "UNITED IMAGING": "United Imaging",
    "UIH": "United Imaging",
    "NEUSOFT": "Neusoft",
}
"""Beginning of the header's word -> manufacturer. Toshiba's scanners are Canon's since 2018, those
of Hitachi Fujifilm's since 2021."""
OTHER = "another manufacturer"
OTHER_MODALITY = "another modality"

_NAMED = {
    **dict.fromkeys(("STANDARD", "SOFT", "DETAIL", "A", "B", "C"), SOFT),
    **dict.fromkeys(("LUNG", "BONE", "BONEPLUS", "EDGE", "CHEST", "D", "E", "L"), SHARP),
    **dict.fromkeys(("YA", "YB", "YC", "YD", "YE"), SHARP),
}
"""Kernels of GE and Philips by name."""
_SIEMENS = re.compile(r"[BHUDTSIQ][A-Z]{0,2}(\d{2})[A-Z]?(\\\d)?", re.ASCII)
_CANON = re.compile(r"FC(\d{2})", re.ASCII)
_SIEMENS_SHARP = 50
"""From B50 and Br50 on the noise of a Siemens kernel is enhanced at high frequencies."""
_CANON_SHARP = 30
"""FC01 to FC29 are for soft tissue of body and head; FC30, FC5x and FC8x for bone and lung."""

_THICKNESS = ((1.5, "up to 1.5 mm"), (3.0, "1.5 to 3 mm"), (math.inf, "over 3 mm"))
_MODALITY = re.compile(r"[A-Z]{2}", re.ASCII)
_WITHOUT_KERNEL = frozenset({"MR", "PT", "US"})


@dataclass(frozen=True, order=True, slots=True)
class Stratum:
    """What series of one stratum share."""

    modality: str
    manufacturer: str
    sharpness: str
    """``soft``, ``sharp``, ``unknown``; empty where the modality has no kernels."""
    thickness: str

    @property
    def label(self) -> str:
        """The stratum in words."""
        kernel = f"{self.sharpness} kernel" if self.sharpness else ""
        maker = self.manufacturer if self.manufacturer != UNKNOWN else "unknown manufacturer"
        thickness = self.thickness if self.thickness != UNKNOWN else "unknown thickness"
        return ", ".join(part for part in (self.modality, maker, kernel, thickness) if part)


def stratum_of(modality: str, manufacturer: str, kernel: str, thickness_mm: float) -> Stratum:
    """The stratum of a series from its header; ``thickness_mm`` is NaN where it is not stated."""
    sharpness = "" if modality in _WITHOUT_KERNEL else sharpness_of(kernel)
    maker, thickness = manufacturer_of(manufacturer), thickness_of(thickness_mm)
    return Stratum(modality_of(modality), maker, sharpness, thickness)


def modality_of(text: str) -> str:
    """A modality of DICOM as it is; free text never passes through."""
    return text if _MODALITY.fullmatch(text) else OTHER_MODALITY


def manufacturer_of(text: str) -> str:
    """One name for all spellings of a manufacturer; free text never passes through."""
    word = text.strip().upper()
    if not word:
        return UNKNOWN
    found = (name for begin, name in MANUFACTURERS.items() if f"{word} ".startswith(begin))
    return next(found, OTHER)


def sharpness_of(kernel: str) -> str:
    """``soft`` or ``sharp`` by the name that the large vendors give a kernel, else ``unknown``."""
    word = kernel.strip().upper()
    if word in _NAMED:
        return _NAMED[word]
    for pattern, sharp in ((_SIEMENS, _SIEMENS_SHARP), (_CANON, _CANON_SHARP)):
        if match := pattern.fullmatch(word):
            return SHARP if int(match.group(1)) >= sharp else SOFT
    return UNKNOWN


def thickness_of(thickness_mm: float) -> str:
    """The range that a slice thickness lies in."""
    if not thickness_mm > 0.0:
        return UNKNOWN
    return next(label for limit, label in _THICKNESS if thickness_mm <= limit)
