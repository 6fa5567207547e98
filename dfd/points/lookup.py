"""Where things lie below the data folder: the points file itself, and the scan that a cell names."""

from __future__ import annotations

import logging
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from dfd.errors import PointsError
from dfd.points.layout import shown

LOG = logging.getLogger(__name__)

POINTS_NAME = "test.csv"
MAX_DEPTH = 40
"""Folders within folders; scans in practice lie within six."""
SHOWN_FILES = 5

_DICOM_SUFFIX = re.compile(r"\.dcm$", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")


class UnresolvedNameError(Exception):
    """A cell names no single file; the message is the end of the row's sentence."""


def find_points_file(data: Path, points: Path | None) -> Path | None:
    """The points file to read.

    Args:
        data: Folder with the scans.
        points: What the user named, or None.

    Returns:
        ``points``, else ``test.csv`` of ``data``, else its only ``*.csv``; None where ``data`` holds no CSV and none was named.

    Raises:
        PointsError: ``points`` or ``data`` is not there, or several CSV files leave a choice.
    """
    if points is not None:
        points = _expanded(points)
        if not points.is_file():
            raise PointsError(f"{points} is not a file; name a CSV with the columns filename, X, Y")
        return points
    if (data / POINTS_NAME).is_file():
        return data / POINTS_NAME
    try:
        found = sorted(path for path in data.iterdir() if path.suffix.lower() == ".csv" and path.name[0] != "." and path.is_file())
    except OSError as error:
        raise PointsError(f"{data} cannot be listed ({error.strerror}); name a folder with scans") from error
    if len(found) > 1:
        names = ", ".join(shown(path.name) for path in found)
        raise PointsError(f"{data} holds {len(found)} CSV files ({names}); name the one to use as points file, or call it {POINTS_NAME}")
    return found[0] if found else None


class ScanFiles:
    """The files below a data folder, listed once; cells are looked up in the list and never opened as paths."""

    def __init__(self, data: Path) -> None:
        """List ``data`` at any depth, through symbolic links.

        Raises:
            PointsError: ``data`` cannot be listed.
        """
        if not data.is_dir():
            raise PointsError(f"{data} is not a folder; name the folder with the scans")
        self._data = data
        self._by_path: dict[str, list[str]] = defaultdict(list)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for found in _walk(data):
            self._by_path[_key(found)].append(found)
            self._by_name[_key(PurePosixPath(found).name)].append(found)

    def resolve(self, cell: str) -> Path:
        """The one file that ``cell`` means: a path relative to the data folder, or a bare name at any depth; ``.dcm`` may be left out.

        Raises:
            UnresolvedNameError: the cell leads out of the folder, or names no file or several.
        """
        relative = _relative(cell)
        is_path = "/" in cell.replace("\\", "/")
        table = self._by_path if is_path else self._by_name
        found = _prefer_exact(table.get(_key(relative), []), relative if is_path else PurePosixPath(relative).name)
        if not found:
            raise UnresolvedNameError(f"names no file below the data folder ({shown(cell)}); correct the name or add the file")
        if len(found) > 1:
            listed = ", ".join(shown(name if "/" in name else f"./{name}") for name in sorted(found)[:SHOWN_FILES])
            more = f" and {len(found) - SHOWN_FILES} more" if len(found) > SHOWN_FILES else ""
            raise UnresolvedNameError(
                f"is {shown(cell)}, which {len(found)} files are called ({listed}{more}); write the path of the one that is meant"
            )
        return self._data / found[0]


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # `~somebody` who has no home here
        return path


def _relative(cell: str) -> str:
    """The cell as a path with forward slashes. Judged by its text alone: a data folder may rightly hold links to another tree."""
    text = cell.replace("\\", "/")
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if "\x00" in text or ".." in parts or text.startswith("/") or _DRIVE.match(text):
        raise UnresolvedNameError(f"leads out of the data folder ({shown(cell)}); write a path relative to it, without '..'")
    return "/".join(parts)


def _key(name: str) -> str:
    """Spelling under which a name is looked up: one Unicode form, without ``.dcm``."""
    return _DICOM_SUFFIX.sub("", unicodedata.normalize("NFC", name))


def _prefer_exact(found: list[str], wanted: str) -> list[str]:
    """Of ``a`` and ``a.dcm`` in one folder the one spelled as ``wanted``; files in different folders all stay."""
    exact = [name for name in found if name == wanted or name.endswith("/" + wanted)]
    settled = {PurePosixPath(name).parent for name in exact}
    return exact + [name for name in found if PurePosixPath(name).parent not in settled]


def _walk(data: Path) -> Iterator[str]:
    """Relative paths of all files, in sorted order; a link to a folder that is already open above is not entered again."""

    def enter(folder: str, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
        try:
            status = os.stat(folder)  # noqa: PTH116 - strings throughout: a listing may hold a million names
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            LOG.warning("a folder of the data cannot be listed and is left out (%s)", error.strerror)
            return
        here = (status.st_dev, status.st_ino)
        if here in above or len(above) >= MAX_DEPTH:
            return
        for entry in entries:
            if entry.is_dir():
                yield from enter(entry.path, f"{prefix}{entry.name}/", above | {here})
            elif entry.is_file():
                yield prefix + entry.name

    return enter(str(data), "", frozenset())
