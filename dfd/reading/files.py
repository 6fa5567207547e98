"""Which files of a folder are scans."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from dfd.errors import SeriesError
from dfd.progress import progress
from dfd.reading.content import is_dicom, is_nifti

INDEX_NAME = "index.json"
VISITS_LIMIT = 8
"""How often one real folder may be met by different links: links in a net would otherwise be walked
for ever."""

_log = logging.getLogger(__name__)


def find_files(folder: Path) -> list[Path]:
    """Every DICOM and NIfTI file below ``folder``, at any depth, sorted by path.

    DICOM is told by content (preamble, or a plausible first element; gzipped or not), NIfTI by its
    name. Symbolic links are followed, as datasets of the platform are links into another tree; a
    link back into its own parents is not. Where ``folder`` holds the platform's ``index.json`` (an
    array of studies ``{path, series: [{folderName}]}``) only the series listed there are walked, or
    the whole study where none is listed. DICOMDIR files and anything else are passed over in
    silence. Nothing is written.

    Raises:
        SeriesError: ``folder`` is not a folder or cannot be listed.
    """
    if not folder.is_dir():
        raise SeriesError(f"{folder} is not a folder: give the folder that holds the scans")
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise SeriesError(
            f"{folder} cannot be listed ({error.strerror}): ask for read permission"
        ) from error
    listed = listed_folders(folder)
    visits: Counter[str] = Counter()
    found: set[Path] = set()
    for start in [folder] if listed is None else listed:
        found.update(
            path for path in progress(_walk(start, visits), "looking for scans") if _is_scan(path)
        )
    return sorted(found)


def _walk(start: Path, visits: Counter[str]) -> Iterator[Path]:
    """All regular files below ``start``, links followed, loops cut."""
    waiting: list[tuple[Path, frozenset[str]]] = [(start, frozenset())]
    while waiting:
        folder, parents = waiting.pop()
        real = os.path.realpath(folder)
        visits[real] += 1
        if real in parents or visits[real] > VISITS_LIMIT:
            continue
        try:
            children = sorted(folder.iterdir())
        except OSError as error:
            _log.warning("%s cannot be listed (%s) and was left out", folder, error.strerror)
            continue
        for child in children:
            if child.is_dir():
                waiting.append((child, parents | {real}))
            elif child.is_file():
                yield child


def _is_scan(path: Path) -> bool:
    """True where ``path`` is DICOM by content or NIfTI by name."""
    if is_nifti(path):
        return True
    try:
        return is_dicom(path)
    except OSError as error:
        _log.warning("%s cannot be opened (%s) and was left out", path, error.strerror)
        return False


def listed_folders(folder: Path) -> list[Path] | None:
    """Folders named by the platform's index in ``folder``; None where there is no such index."""
    try:
        studies = json.loads((folder / INDEX_NAME).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    if (
        not isinstance(studies, list)
        or not studies
        or not all(
            isinstance(study, dict) and isinstance(study.get("path"), str) for study in studies
        )
    ):
        return None
    named = []
    for study in studies:
        series = study.get("series")
        if not isinstance(series, list):
            named.append(study["path"])
            continue
        names = [entry.get("folderName") for entry in series if isinstance(entry, dict)]
        named.extend(f"{study['path']}/{name}" for name in names if isinstance(name, str) and name)
    return [start for name in named if (start := _below(folder, name)) is not None]


def _below(folder: Path, name: str) -> Path | None:
    """The folder that an index calls ``name``.

    Or None where it is missing or its name leads out of ``folder``.
    """
    parts = PurePosixPath(name.lstrip("/") or ".").parts
    if ".." in parts or "\0" in name or not (start := folder.joinpath(*parts)).is_dir():
        _log.warning(
            "%s names a folder that is not below it, and it was left out", folder / INDEX_NAME
        )
        return None
    return start
