"""Whether a NIfTI file holds as many bytes as its header says, and where.

Otherwise its voxels would be read from another place, and give a picture that is shifted or
sheared.
"""

from __future__ import annotations

from pathlib import Path

from dfd.errors import SeriesError

_GZIP = b"\x1f\x8b"


def check(path: Path, offset: int, least_offset: int, size: int) -> None:
    """Refuse a file that is longer than its header says; one that is too short fails when read.

    The length of a compressed file is not known before all of it is read, and is not checked.

    Args:
        path: the file, one with header and voxels.
        offset: where its voxels begin, in bytes.
        least_offset: where they can begin at the earliest.
        size: bytes of the voxels.

    Raises:
        SeriesError: the voxels begin within the header, or are not as many as it says.
    """
    if offset < least_offset:
        raise SeriesError(
            f"{path} says that its voxels begin at byte {offset}, within its header: correct "
            f"vox_offset (mostly {least_offset}), or export it again"
        )
    with path.open("rb") as stream:
        if stream.read(len(_GZIP)) == _GZIP:
            return
        length = stream.seek(0, 2)
    if length > offset + size:
        raise SeriesError(
            f"{path} holds {length - offset} bytes of voxels where its header says {size}: correct "
            "dim, datatype and vox_offset, or export it again"
        )
