"""Images of an archive as files, in a folder that is private and goes when it is left."""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path

from pydicom import Dataset

from dfd.errors import OutputError


def private_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder of mode 0700 that goes when it is left.

    Raises:
        OutputError: none can be made.
    """
    try:
        return tempfile.TemporaryDirectory(prefix="dfd-")
    except OSError as error:
        raise OutputError(
            f"no folder for the study can be made ({error.strerror}); set TMPDIR to one that "
            "can be written"
        ) from error


def keep(image: Dataset, path: Path) -> None:
    """Write an image; the folder above that of ``path`` is there.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        image.save_as(path, enforce_file_format=True)
        # The time stands for the content: fetched again by a run that goes on, it is the same file.
        stamp = zlib.crc32(path.read_bytes())
        os.utime(path, (stamp, stamp))
    except OSError as error:
        raise OutputError(
            f"the study cannot be kept in {path.parent.parent} for the time of the run: "
            f"{error.strerror}; make room or set TMPDIR"
        ) from error
