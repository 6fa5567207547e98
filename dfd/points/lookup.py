"""Files below the data folder: the points file, and the scan that a cell names."""

from __future__ import annotations

import logging
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from dfd.errors import PointsError
from dfd.points.near_names import NearNames, hint, hint_in_folder
from dfd.points.wording import join_names, shown, shown_path
from dfd.progress import progress
from dfd.sentences import aside

LOG = logging.getLogger(__name__)

POINTS_NAME = "test.csv"
MAX_DEPTH = 40
"""Folders within folders; scans in practice lie within six."""
SHOWN_FILES = 5

_DICOM_SUFFIX = re.compile(r"\.dcm$", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")
_UID = re.compile(r"[0-9]+(\.[0-9]+){3,}|2\.25\.[0-9]{9,}")


class UnresolvedNameError(Exception):
    """A cell names no single file; the message is the end of the row's sentence."""


def find_points_file(data: Path, points: Path | None) -> Path | None:
    """The points file to read.

    Args:
        data: Folder with the scans.
        points: What the user named, or None.

    Returns: ``points``, else ``test.csv`` of ``data``, else its only ``*.csv``; None where ``data``
        holds no CSV and none was named.

    Raises:
        PointsError: ``points`` or ``data`` is not there, or several CSV files leave a choice.
    """
    if points is not None:
        points = _expanded(points)
        if not points.is_file():
            near = "" if points.is_dir() else hint_in_folder(points)
            raise PointsError(
                f"{points} is not a file{near}; name a CSV with the columns filename, X, Y"
            )
        return points
    if (data / POINTS_NAME).is_file():
        return data / POINTS_NAME
    try:
        tables = sorted(
            path
            for path in data.iterdir()
            if path.suffix.lower() == ".csv" and path.name[0] != "." and path.is_file()
        )
    except OSError as error:
        raise PointsError(
            f"{data} cannot be listed ({error.strerror}); name a folder with scans"
        ) from error
    if len(tables) > 1:
        names = ", ".join(shown(path.name) for path in tables)
        raise PointsError(
            f"{data} holds {len(tables)} CSV files ({names}); name the one to use as points "
            f"file, or call it {POINTS_NAME}"
        )
    return tables[0] if tables else None


class ScanFiles:
    """The files below a data folder, listed once.

    Cells are looked up in the list and never opened as paths.
    """

    def __init__(self, data: Path) -> None:
        """List ``data`` at any depth, through symbolic links.

        Raises:
            PointsError: ``data`` cannot be listed.
        """
        if not data.is_dir():
            raise PointsError(f"{data} is not a folder; name the folder with the scans")
        self._data = data
        # The folder may be reached by a link: what it is called, and where it really lies.
        called = os.path.abspath(data)  # noqa: PTH100 - pathlib would keep '..'
        self._roots = [_parts(_nfc(root)) for root in (called, str(data.resolve()))]
        self._by_path: dict[str, list[str]] = defaultdict(list)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._folders: dict[str, int] = {}
        """Relative path of every folder that holds files, and how many lie in it."""
        for path in progress(_walk(data), "listing files"):
            self._by_path[_key(path)].append(path)
            self._by_name[_key(PurePosixPath(path).name)].append(path)
            folder = path.rpartition("/")[0]
            self._folders[folder] = self._folders.get(folder, 0) + 1
        self._near: NearNames | None = None
        self._hints: dict[str, str] = {}

    def resolve(self, cell: str) -> Path:
        """The one file that a cell means: a path below the data folder, or a name at any depth.

        ``.dcm`` may be left out. An absolute path is taken where it leads into the data folder.

        Raises:
            UnresolvedNameError: the cell leads out of the folder, or names no file or several; the
                sentence has the names that are near.
        """
        relative, is_path = self._relative(cell)
        table = self._by_path if is_path else self._by_name
        matches = _prefer_exact(table.get(_key(relative), []), relative, is_path=is_path)
        if not matches:
            raise UnresolvedNameError(
                "names no file below the data folder "
                f"({shown(cell)}){aside(self._hint(relative))}; "
                "correct the name or add the file"
            )
        if len(matches) > 1:
            first = sorted(matches)[:SHOWN_FILES]
            names = ", ".join(shown_path(name if "/" in name else f"./{name}") for name in first)
            more = f" and {len(matches) - SHOWN_FILES} more" if len(matches) > SHOWN_FILES else ""
            raise UnresolvedNameError(
                f"is {shown(cell)}, which {len(matches)} files are called ({names}{more}); "
                "write the path of the one that is meant"
            )
        return self._data / matches[0]

    def resolve_series(self, cell: str) -> Path:
        """A file as ``resolve`` finds it, or the folder of this path or name.

        The UID of a series means the data folder itself, and so does ``.``.

        Raises:
            UnresolvedNameError: as ``resolve``.
        """
        relative, is_path = self._relative(cell)
        table = self._by_path if is_path else self._by_name
        if not relative:
            return self._data
        if not table.get(_key(relative)):
            inside = (self._folder_paths if is_path else self._folder_names).get(_nfc(relative), [])
            if len(inside) == 1:
                return self._data / inside[0]
            if not inside and _UID.fullmatch(relative):
                return self._data
            if inside:
                raise UnresolvedNameError(
                    f"is {shown(cell)}, which {len(inside)} folders are called "
                    f"({join_names([shown_path(name) for name in sorted(inside)], SHOWN_FILES)}); "
                    "write the path of the one that is meant"
                )
        return self.resolve(cell)

    def _relative(self, cell: str) -> tuple[str, bool]:
        """The cell as a path below the data folder, and whether it is more than a bare name.

        Judged by its text alone: a data folder may rightly hold links to another tree.
        """
        text = cell.replace("\\", "/")
        parts = _parts(text)
        absolute = text.startswith("/") or bool(_DRIVE.match(text))
        inside = self._below_a_root(parts) if absolute else parts
        if "\x00" in text or ".." in parts or inside is None:
            raise UnresolvedNameError(
                f"leads out of the data folder ({shown(cell)}); "
                "write a path relative to it, without '..'"
            )
        return "/".join(inside), "/" in text

    def _below_a_root(self, parts: list[str]) -> list[str] | None:
        """What remains of an absolute path below the data folder; None where it leads elsewhere."""
        spelled = [_nfc(part) for part in parts]
        root = next((root for root in self._roots if spelled[: len(root)] == root), None)
        return None if root is None else parts[len(root) :]

    @cached_property
    def _folder_paths(self) -> dict[str, list[str]]:
        """Folders that hold files, and those above them, by path in one Unicode form."""
        paths: dict[str, list[str]] = defaultdict(list)
        visited = {""}
        for held in self._folders:
            folder = held
            while folder not in visited:
                visited.add(folder)
                paths[_nfc(folder)].append(folder)
                folder = folder.rpartition("/")[0]
        return paths

    @cached_property
    def _folder_names(self) -> dict[str, list[str]]:
        """The same by name."""
        names: dict[str, list[str]] = defaultdict(list)
        for path, folders in self._folder_paths.items():
            names[path.rpartition("/")[2]] += folders
        return names

    def _hint(self, relative: str) -> str:
        """What to add to the sentence on a name that is not there."""
        if relative not in self._hints:
            held = self._folders.get(relative, 0)
            if held:
                self._hints[relative] = f", but a folder of {held} file{'s' if held > 1 else ''}"
            else:
                paths = (path for same in self._by_path.values() for path in same)
                self._near = self._near or NearNames(paths)
                self._hints[relative] = hint(self._near.of(relative))
        return self._hints[relative]


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # `~somebody` who has no home here
        return path


def _parts(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part not in {"", "."}]


def _nfc(text: str) -> str:
    """One Unicode form: an umlaut may be one character or two."""
    return unicodedata.normalize("NFC", text)


def _key(name: str) -> str:
    """Spelling under which a name is looked up: one Unicode form, no ``.dcm``, no outer blanks."""
    return _DICOM_SUFFIX.sub("", _nfc(name).strip())


def _prefer_exact(matches: list[str], spelling: str, *, is_path: bool) -> list[str]:
    """Of ``a`` and ``a.dcm`` in one folder the one spelled as ``wanted``.

    Files in different folders all stay.
    """
    if is_path and spelling in matches:
        return [spelling]
    exact = [name for name in matches if name == spelling or name.endswith("/" + spelling)]
    settled = {PurePosixPath(name).parent for name in exact}
    return exact + [name for name in matches if PurePosixPath(name).parent not in settled]


def _walk(data: Path) -> Iterator[str]:
    """Relative paths of all files, in sorted order.

    A link to a folder that is already open above is not entered again.
    """

    def enter(folder: str, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
        try:
            # Strings throughout: a listing may hold a million names.
            status = os.stat(folder)  # noqa: PTH116
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            LOG.warning(
                "a folder of the data cannot be listed and is left out (%s)", error.strerror
            )
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
