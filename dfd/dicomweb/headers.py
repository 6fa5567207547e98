"""The header of an image as an archive gives it (DICOM JSON model, PS3.18 F) -> a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from dfd.errors import SeriesError
from dfd.reading.guard import READ_ERRORS
from dfd.reading.quiet import quiet
from dfd.reading.summary import TAGS

SOP_UID, SOP_CLASS, FRAMES = "00080018", "00080016", "00280008"
_KEPT = frozenset({SOP_UID, SOP_CLASS, *(f"{int(tag):08X}" for tag in TAGS)})
"""Elements that a plan needs; the patient's name is not among them."""
BROKEN = "its header is none that DICOMweb allows: ask who runs the archive"


def frames_in(header: Mapping[str, Any]) -> int:
    """How many frames an image has, 1 where its header does not say."""
    try:
        return int(header[FRAMES]["Value"][0])
    except (LookupError, TypeError, ValueError):
        return 1


def header_of(header: Mapping[str, Any]) -> Dataset:
    """What a plan needs of a header, as a data set without pixels that can be written.

    Raises:
        SeriesError: it is no header.
    """
    kept = {tag: element for tag, element in header.items() if tag in _KEPT}
    try:
        with quiet():
            found = Dataset.from_json(kept, bulk_data_uri_handler=lambda *_: b"")
            found.file_meta = FileMetaDataset()
            found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            found.file_meta.MediaStorageSOPClassUID = found.SOPClassUID
            found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    except READ_ERRORS as error:
        raise SeriesError(BROKEN) from error
    return found
