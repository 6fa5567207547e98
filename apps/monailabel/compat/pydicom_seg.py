"""Stands in for pydicom-seg 0.4.1, which MONAI Label imports at its start.

pydicom 3 broke it. Only ``output=dicom_seg`` is lost.
"""

from __future__ import annotations

from typing import NoReturn


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(
        f"pydicom_seg.{name} is not there: pydicom-seg does not work with pydicom 3, so ask "
        "for output=image instead of dicom_seg"
    )
