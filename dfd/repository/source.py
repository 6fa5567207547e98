"""What a user names as the source of a screening: a folder, or a manifest of paths or UIDs."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dfd.errors import SeriesError
from dfd.reading.files import listed_folders

PATHS = frozenset({"path", "paths", "file", "filename", "folder"})
UIDS = frozenset(
    {"series_uid", "seriesuid", "seriesinstanceuid", "study_uid", "studyuid", "studyinstanceuid"}
)
TABLES = (".csv", ".parquet")
"""Endings of a manifest."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the files of a run lie."""

    root: Path
    """Names in the plan begin here."""
    starts: tuple[Path, ...]
    """Files, and folders that are walked."""
    uids: frozenset[str] = frozenset()
    """Study or series instance UIDs that are wanted; empty: all."""
    address: str = ""
    """Of an archive that the images are in; then there are no starts."""
    since: date | None = None
    """Date of the earliest studies of an archive; None: all."""

    @property
    def where(self) -> str:
        """The folder that names in the plan begin at, or the archive."""
        return self.address or str(self.root.resolve())


def source_of(named: Path | str, since: date | None = None) -> Source:
    """The source that a user named; ``since`` counts for an archive.

    Raises:
        SeriesError: it is neither a folder nor a manifest, or cannot be read.
        UsageError: it is no address of an archive.
    """
    if isinstance(named, str):
        from dfd.dicomweb.access import checked_address  # requests: for archives only

        return Source(Path(), (), address=checked_address(named), since=since)
    return _on_disk(named)


def _on_disk(path: Path) -> Source:
    if path.is_dir():
        listed = listed_folders(path)
        return Source(path, (path,) if listed is None else tuple(listed))
    if not path.exists():
        raise SeriesError(f"{path} does not exist: give a folder with scans, or a manifest")
    if path.suffix.lower() not in TABLES:
        raise SeriesError(
            f"{path} is neither a folder nor a manifest ({' or '.join(TABLES)}): give the folder "
            "that holds the scans"
        )
    try:
        columns = _csv(path) if path.suffix.lower() == ".csv" else _parquet(path)
    except (OSError, ValueError, csv.Error) as error:
        raise SeriesError(
            f"{path} cannot be read as a manifest ({type(error).__name__}): save it again as CSV "
            "in UTF-8 with a header, or as Parquet"
        ) from error
    return _named(path, columns)


def _named(path: Path, columns: Mapping[str, Sequence[str]]) -> Source:
    """The source that the columns of a manifest name."""
    root = path.parent
    for name, cells in columns.items():
        kept = tuple(dict.fromkeys(cell.strip() for cell in cells if cell.strip()))
        if name.strip().lower().replace(" ", "") in PATHS and kept:
            return Source(root, tuple(root / cell for cell in kept))
        if name.strip().lower().replace(" ", "") in UIDS and kept:
            return Source(root, (root,), frozenset(kept))
    raise SeriesError(
        f"{path} names no files: give it a column path, series_uid or study_uid with a value "
        f"(it has {', '.join(columns) or 'no columns'})"
    )


def _csv(path: Path) -> dict[str, list[str]]:
    text = path.read_text(encoding="utf-8-sig")
    head = text.partition("\n")[0]
    separator = max(",;\t|", key=head.count)
    rows = [row for row in csv.reader(text.splitlines(), delimiter=separator) if row]
    names = [name.strip() for name in rows[0]] if rows else []
    return {
        name: [row[place] for row in rows[1:] if place < len(row)]
        for place, name in enumerate(names)
    }


def _parquet(path: Path) -> dict[str, list[str]]:
    import pyarrow.parquet as pq

    names = [
        name
        for name in pq.read_schema(path).names
        if name.strip().lower().replace(" ", "") in PATHS | UIDS
    ]
    table = pq.ParquetFile(path).read(columns=names)
    return {
        name: [str(cell) for cell in table.column(name).to_pylist() if cell is not None]
        for name in names
    }
