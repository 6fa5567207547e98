"""How DICOM results become files: whole, one by one, and what cannot be made is one sentence."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom import Dataset

from dfd.errors import DfdError
from dfd.outputs.dicom.maker import as_bytes
from dfd.outputs.disk_space import is_full
from dfd.outputs.files import write_atomically
from dfd.reading.guard import READ_ERRORS

NO_IMAGE_CLASS = (
    "there is no DICOM report for the series of %s: its headers do not allow one, nor a map or a "
    "segmentation, since SOPClassUID names no image class of the standard (some anonymisers "
    "replace "
    "it): write the class of the scanner there again"
)
logger = logging.getLogger(__name__)


def file_name(stem: str, kind: str, number: int) -> str:
    """Name of the ``number``-th file of a kind, from 1."""
    return f"{stem}-{kind}.dcm" if number == 1 else f"{stem}-{kind}-{number}.dcm"


def put(path: Path, made: Dataset) -> None:
    """Write a result.

    Raises:
        OutputError: it cannot be written.
    """
    write_atomically(path, as_bytes(made))


def attempt(name: str, what: str, doing: Callable[[], None]) -> None:
    """Do it; a failure costs this one result of the series ``name`` and is one sentence.

    Errors of the libraries quote values of the header, so only their kind is named.

    Raises:
        DfdError: the disk is full.
    """
    try:
        doing()
    except DfdError as error:
        if is_full(error):  # no matter of one series
            raise
        logger.warning("there is no DICOM %s for the series of %s: %s", what, name, error)
    except READ_ERRORS as error:
        message = "there is no DICOM %s for the series of %s: its headers do not allow one (%s)"
        logger.warning(message, what, name, type(error).__name__)


@contextmanager
def silent() -> Iterator[None]:
    """Keep highdicom from telling which instance it works on."""
    log = logging.getLogger("highdicom")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
