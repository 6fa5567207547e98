"""Files that are whole or absent, a folder that can be written.

And text that no spreadsheet or terminal executes.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dfd.errors import OutputError

_CAUSES = {
    errno.ENOSPC: "the disk is full; free space or choose another output folder",
    errno.EDQUOT: "the quota of the disk is used up; free space or choose another output folder",
    errno.EROFS: "the folder is read-only; choose another output folder",
    errno.EACCES: "the folder is not writable for this user; choose another output folder",
    errno.EPERM: "the folder is not writable for this user; choose another output folder",
    errno.ENOENT: "its folder is not there; make it or choose another output folder",
    errno.EEXIST: "it is a file, not a folder; choose another output folder",
    errno.ENOTDIR: "a part of its path is a file, not a folder; choose another output folder",
}

# OWASP ASVS 1.2.10 (CWE-1236): these begin a formula; a spreadsheet takes the full-width forms for
# the same.
_FORMULA = re.compile("[=+\\-@\t\r\0\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?")
_BREAKS = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")
# Overrides of the writing direction make a name read as another one (U+202A..E, U+2066..9).
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


SCRATCH = ".dfd-run"
"""Folder of a run that is under way, in the folder of its results. Where there is one, temporary
files lie in it and not among the results."""


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that under its name stands either what was there before or all of ``data``.

    Raises:
        OutputError: it cannot be written (disk full, read-only, no folder); nothing new is left
            behind.
    """
    # Not tempfile: its files are private to the user, and results should follow the umask. Random,
    # as process numbers repeat in containers.
    temporary = _beside(path) / f".dfd-{secrets.token_hex(6)}.tmp"
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        # The one call here whose failure is tested by name.
        os.replace(temporary, path)  # noqa: PTH105
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {because(error)}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """Where the temporary file of ``path`` lies: on the same file system, since it is renamed."""
    scratch = (parent / SCRATCH for parent in path.parents[:2])
    return next((folder for folder in scratch if folder.is_dir()), path.parent)


def choose_output_dir(asked: Path | None, candidates: Sequence[Path]) -> Path:
    """A folder for results in which a file can really be made; it exists afterwards.

    Args:
        asked: The folder the user named. Only it is tried then: results must not turn up where
            nobody looks for them.
        candidates: Folders to try in order where none was named.

    Raises:
        OutputError: no file can be made in any of them.
    """
    refusals = []
    for folder in [asked] if asked is not None else candidates:
        try:
            _try_folder(folder)
        except OSError as error:
            refusals.append(f"{folder}: {because(error)}")
        else:
            return folder
    if asked is not None:
        raise OutputError(f"results cannot be written to {refusals[0]}")
    raise OutputError(
        f"results can be written nowhere ({' | '.join(refusals)}); name an output folder that "
        "is writable"
    )


def neutralise(cell: str) -> str:
    """Text of a cell made harmless for spreadsheets and terminals.

    Numbers, ``-3.5`` among them, and ordinary text stay as they are.

    What a spreadsheet would take for a formula gets a leading apostrophe. Control characters and
    overrides of the writing direction are removed, line breaks and tabs become a blank, so that one
    record stays one line. Doing it twice changes nothing more.
    """
    dangerous = _FORMULA.match(cell) is not None
    text = "".join(
        character for character in _BREAKS.sub(" ", cell) if not _is_control(character)
    ).strip()
    if _NUMBER.fullmatch(text):
        return text
    return "'" + text if (dangerous or _FORMULA.match(text)) and not text.startswith("'") else text


def _is_control(character: str) -> bool:
    # Cs: halves of surrogate pairs, which file names can hold and UTF-8 cannot.
    return character in _DIRECTION or unicodedata.category(character) in {"Cc", "Cs"}


def _try_folder(folder: Path) -> None:
    """Make the folder and a file in it, and remove the file.

    Mode bits are not asked: they do not tell the truth on network disks.
    """
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    probe = folder / f".dfd-{secrets.token_hex(6)}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with probe.open("xb") as stream:
                stream.write(b"\0")
                stream.flush()
                os.fsync(stream.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError:
        for made in missing:
            with suppress(OSError):
                made.rmdir()
        raise


def because(error: OSError) -> str:
    """Why a file could not be written, and what to do: the end of a sentence."""
    return _CAUSES.get(
        error.errno or 0, f"{error.strerror or 'unknown reason'}; choose another output folder"
    )
