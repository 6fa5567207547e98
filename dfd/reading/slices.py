"""One slice, whatever its file format."""

from __future__ import annotations

from pathlib import Path

from dfd.reading.content import is_nifti
from dfd.reading.guard import read_header, reading, unchanged
from dfd.reading.header import HEADER_TAGS, facts_of, image_shape
from dfd.reading.pixels import read_dicom_slice
from dfd.records import ScanFacts, Slice


def read_slice(path: Path, frame: int | None = None, unit: str | None = None) -> Slice:
    """Decode one slice of a DICOM or NIfTI file to float32 ``[H, W]`` in ``facts.unit``.

    CT: stored values are rescaled to HU by slope and intercept (PS3.3 sections C.11.1 and
    C.7.6.16.2.9). MR and other values without a unit are counted in steps of the slice's own scale
    above its zero level (``dfd.reading.unitless``), so that slope, intercept, vendors' private
    scales and real-world mappings change nothing. A modality lookup table is applied in both.
    MONOCHROME1: MR and other values without physical unit are turned around before the rescale (v
    becomes lowest + highest storable value - v, by BitsStored and sign), so that bright means much
    signal everywhere; CT in HU stays as stored, since MONOCHROME1 only says how it is displayed and
    HU have a fixed direction. Lookup tables are not turned around.

    ``valid`` is False for padding (PixelPaddingValue up to PixelPaddingRangeLimit, also where
    written with the wrong sign), for CT below -1500 HU (padding whose tag was lost) and for values
    that are not finite; the last are set to the lowest finite value in ``pixels``.

    Args:
        path: The file.
        frame: Zero-based frame of a multi-frame file or slice of a NIfTI volume; None for a file of
            a single one.
        unit: What a file that names no unit holds (NIfTI): ``HU``, ``stored``, or None where its
            values are to tell.

    Raises:
        SeriesError: Unreadable, damaged, not a greyscale scan, smaller than 32 pixels, constant, no
            decoder, no such frame, or changed meanwhile.
    """
    with unchanged(path):
        if not is_nifti(path):
            return read_dicom_slice(path, frame)
        from dfd.reading.nifti import read_nifti_slice  # nibabel: for such files only

        return read_nifti_slice(path, frame, unit)


def read_facts(path: Path) -> ScanFacts:
    """Facts from the header of a DICOM or NIfTI file, of the first frame.

    Nothing is decoded but one slice of a NIfTI volume, for its unit.

    Raises:
        SeriesError: Unreadable, damaged or not a greyscale scan.
    """
    if is_nifti(path):
        from dfd.reading.nifti import read_nifti_facts

        return read_nifti_facts(path)
    header = read_header(path, HEADER_TAGS)
    with reading(path):
        image_shape(header, path)
        return facts_of(header, path)
