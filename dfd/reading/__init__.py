"""From files to slices.

The only package, with the phantoms and the DICOM outputs, that imports pydicom and nibabel.
"""

from dfd.reading.files import find_files
from dfd.reading.series import read_series, series_of_files, study_of
from dfd.reading.slices import read_facts, read_slice

__all__ = [
    "find_files",
    "read_facts",
    "read_series",
    "read_slice",
    "series_of_files",
    "study_of",
]
