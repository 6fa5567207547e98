"""Pictures of suspicious regions as Secondary Capture images, which every viewer shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from highdicom.sc import ConversionTypeValues, SCImage
from PIL import Image
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from dfd.outputs import overlay, screening_map
from dfd.outputs.dicom.maker import MARK, Names
from dfd.outputs.dicom.segmentation import disks_of
from dfd.outputs.dicom.sources import Answer, SourceImage

DERIVATION = "Slice, outline of the region, map, verdict and p-value, drawn as a picture"


def picture_of(folder: Path, answer: Answer) -> Path | None:
    """The picture of a row whose region is suspicious, or of a slice where regions stand out.

    Args:
        folder: Of the results.
        answer: What was found.

    Returns:
        None where nothing is suspicious, or no picture was written.
    """
    if not disks_of(answer):
        return None
    if answer.finding.point.is_screening:
        path = folder / screening_map.names_of(answer.number)[0]
    else:
        path = folder / overlay.name_of(answer.number)
    return path if path.is_file() else None


def make(names: Names[Any], picture: Path, image: SourceImage) -> Dataset:
    """One RGB image that shows ``picture`` and refers to the slice it was drawn of."""
    with Image.open(picture) as stored:
        pixels = np.asarray(stored.convert("RGB"))
    made = SCImage.from_ref_dataset(
        image.header,
        pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),  # it asks for one; a drawn page has none
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **names.common(),
    )
    made["PatientOrientation"].value = None
    made.ConversionType = ConversionTypeValues.SYN.value
    made.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    made.ImageComments = MARK
    made.DerivationDescription = DERIVATION
    source = Dataset()
    source.ReferencedSOPClassUID = image.header.SOPClassUID
    source.ReferencedSOPInstanceUID = image.header.SOPInstanceUID
    if image.frame is not None:
        source.ReferencedFrameNumber = image.frame
    made.SourceImageSequence = Sequence([source])
    return made
