"""What every DICOM file passes before it is read.

Nothing is inflated, allocated or nested beyond a limit, and every failure becomes one sentence.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError

# Private, yet the very parser dcmread uses: a second opinion on where the header ends would be a
# way around the guard.
from pydicom.filereader import _read_file_meta_info
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
)

from dfd.errors import SeriesError
from dfd.reading.content import (
    HEAD_LENGTH,
    MAGIC,
    PREAMBLE_LENGTH,
    has_magic,
    is_gzip,
    starts_with_element,
)
from dfd.reading.limits import INFLATED_LIMIT
from dfd.reading.quiet import quiet
from dfd.reading.written_syntax import check_written, guessed_syntax, preamble, rebuilt

_CHUNK = 2**20
_CHANGED = "{} changed while it was read: wait until it is written, then run again"

READ_ERRORS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BytesLengthException,
    EOFError,
    ImportError,
    InvalidDicomError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom and its decoders were seen to raise on damaged files (RuntimeError covers
RecursionError and NotImplementedError)."""


@dataclass(frozen=True, slots=True)
class Source:
    """An open file that pydicom may read."""

    stream: BinaryIO
    """At its start; always with preamble, never deflated."""
    meta: FileMetaDataset
    """File meta information as it stands in the file (so it may still say "deflated")."""


@contextmanager
def reading(path: Path, doing: str = "cannot be read as DICOM") -> Iterator[None]:
    """Turn any failure inside into a SeriesError: it names ``path`` and what cannot be done."""
    try:
        with quiet():
            yield
    except FileNotFoundError as error:
        raise SeriesError(
            f"{path} does not exist: correct the path or copy the file there"
        ) from error
    except PermissionError as error:
        raise SeriesError(
            f"{path} may not be read by this user: ask for read permission"
        ) from error
    except RecursionError as error:
        raise SeriesError(
            f"{path} nests its sequences too deeply to be a scan: leave it out or export it again"
        ) from error
    except MemoryError as error:
        raise SeriesError(
            f"{path} asks for more memory than there is: leave it out, or close other programs"
        ) from error
    except READ_ERRORS as error:
        raise SeriesError(
            f"{path} {doing} ({type(error).__name__}): it is cut short or damaged, so copy or "
            "export it again"
        ) from error


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Refuse what was read inside if ``path`` was written to or replaced meanwhile.

    Header and pixels could be of two different scans.

    Raises:
        SeriesError: The file is another one than before, or gone.
    """
    before = _state(path)
    try:
        yield
    except SeriesError as error:
        if before is None or _state(path) == before:
            raise
        raise SeriesError(_CHANGED.format(path)) from error
    if _state(path) != before:
        raise SeriesError(_CHANGED.format(path))


def _state(path: Path) -> tuple[int, ...] | None:
    """What changes when a file is written to or replaced; None where it cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def read_header(path: Path, tags: tuple[int, ...] | None = None) -> Dataset:
    """The elements of ``path`` before its pixels, only ``tags`` where given.

    Raises:
        SeriesError: Not DICOM, damaged, nested too deeply, or it inflates beyond
            ``INFLATED_LIMIT``.
    """
    with reading(path), open_source(path) as source:
        header = dcmread(
            source.stream, stop_before_pixels=True, specific_tags=list(tags) if tags else None
        )
        header.file_meta = source.meta
        return header


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open ``path`` for pydicom.

    A gzipped or deflated file is inflated up to a limit first, a missing preamble is put before the
    data.

    Raises:
        SeriesError: Not DICOM, the file inflates beyond ``INFLATED_LIMIT``, or it is written in
            another way than its transfer syntax says and pydicom cannot read it.
    """
    with path.open("rb") as file:
        stream = _unzipped(file, path)
        head = stream.read(HEAD_LENGTH)
        standard = has_magic(head)
        if not standard and not starts_with_element(head):
            raise SeriesError(
                f"{path} is not a DICOM file: leave it out, or give a .dcm, .nii or .nii.gz file"
            )
        stream.seek(PREAMBLE_LENGTH + len(MAGIC) if standard else 0)
        meta = _read_file_meta_info(stream)
        syntax = meta.get("TransferSyntaxUID")
        if not syntax:
            syntax = guessed_syntax(stream)
            meta.TransferSyntaxUID = syntax
            standard = False
        check_written(stream, UID(syntax), path)
        if syntax == DeflatedExplicitVRLittleEndian:
            yield Source(_inflated(stream, path), meta)
        elif standard:
            stream.seek(0)
            yield Source(stream, meta)
        else:
            yield Source(rebuilt(stream, str(syntax), path), meta)


def _unzipped(file: BinaryIO, path: Path) -> BinaryIO:
    """``file``, or what it holds where it is gzipped; at its start."""
    zipped = is_gzip(file.read(HEAD_LENGTH))
    file.seek(0)
    if not zipped:
        return file
    content = BytesIO()
    with gzip.GzipFile(fileobj=file) as inflating:
        while chunk := inflating.read(_CHUNK):
            content.write(chunk)
            _check_inflated(content, path)
    content.seek(0)
    return content


def _check_inflated(content: BytesIO, path: Path) -> None:
    """Raise SeriesError where ``content`` has grown beyond the limit."""
    if content.tell() > INFLATED_LIMIT:
        raise SeriesError(
            f"{path} inflates to more than {INFLATED_LIMIT // 2**20} MiB, as no slice does: "
            "export it uncompressed"
        )


def _inflated(stream: BinaryIO, path: Path) -> BinaryIO:
    """The rest of ``stream`` inflated behind a preamble (PS3.5 section A.5).

    Piece by piece so that a bomb is noticed early.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    content = BytesIO()
    content.write(preamble(ExplicitVRLittleEndian))
    while not inflater.eof and (chunk := stream.read(_CHUNK)):
        while chunk and not inflater.eof:
            content.write(inflater.decompress(chunk, _CHUNK))
            chunk = inflater.unconsumed_tail
            _check_inflated(content, path)
    content.write(inflater.flush())
    if not inflater.eof:
        raise EOFError("the deflated data end too early")
    content.seek(0)
    return content
