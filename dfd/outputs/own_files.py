"""The files of a run, recognised by their names; those of earlier runs are moved aside."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from dfd.errors import OutputError
from dfd.outputs import writers
from dfd.outputs.files import SCRATCH

ASIDE = "earlier-"
"""Begin of the names of folders that hold earlier results."""
_UNDER_WAY = f".dfd-{ASIDE}"
"""The same while files are still being moved: a run that was killed then is gone on with."""

# Folders may as well be the user's, and hold scans: only files that are surely ours are taken out
# of them.
_SCRATCH_FILES = r"[\w.-]+"


def patterns() -> dict[str, re.Pattern[str]]:
    """Folder below the results ("" for themselves) -> names of our files in it."""
    found = {SCRATCH: [_SCRATCH_FILES]}
    for kind in writers():
        for folder, pattern in kind.files.items():
            found.setdefault(folder, []).append(pattern)
    return {folder: re.compile("|".join(names)) for folder, names in found.items()}


def is_aside(name: str) -> bool:
    """Whether a folder is called like one of earlier results, or of a run under way."""
    return name.startswith((ASIDE, _UNDER_WAY, SCRATCH))


def results_in(folder: Path) -> list[Path]:
    """Files of runs in ``folder``, sorted; results that were moved aside are not among them."""
    return sorted(_results_in(folder))


def pending(folder: Path) -> Path | None:
    """Where earlier results are being moved to; None where no move was broken off."""
    return next(iter(sorted(folder.glob(f"{_UNDER_WAY}*"))), None)


def put_aside(folder: Path) -> Path | None:
    """Move what an earlier run left in ``folder`` into a new folder below it.

    Files of others stay, and nothing is deleted. Killed midway, the next call moves the rest to the
    same place.

    Args:
        folder: Existing folder, which this process has locked.

    Returns:
        The new folder; None where there was nothing to move.

    Raises:
        OutputError: something cannot be moved.
    """
    try:
        place, found = pending(folder), results_in(folder)
        if place is None and not found:
            return None
        if place is not None and any(_taken(place / path.relative_to(folder)) for path in found):
            _named(place, folder)  # these are of yet another run
            place = None
        if place is None:
            place = folder / f"{_UNDER_WAY}{_stamp(found)}"
            place.mkdir(exist_ok=True)
        for path in found:
            target = place / path.relative_to(folder)
            target.parent.mkdir(exist_ok=True)
            os.rename(path, target)  # noqa: PTH104 - its failure is tested by name
        for name in filter(None, patterns()):
            with suppress(OSError):  # not there, or not empty: it holds files of others
                (folder / name).rmdir()
        return _named(place, folder)
    except OSError as error:
        raise OutputError(
            f"results of an earlier run in {folder} cannot be moved aside: {error.strerror}; "
            "move them yourself or choose another output folder"
        ) from error


def _results_in(folder: Path) -> Iterator[Path]:
    ours = patterns()
    for entry in os.scandir(folder):
        below = ours.get(entry.name)
        if below is not None and entry.is_dir(follow_symlinks=False):
            inside = (each for each in os.scandir(entry.path) if below.fullmatch(each.name))
            yield from (Path(each.path) for each in inside if each.is_file(follow_symlinks=False))
        elif ours[""].fullmatch(entry.name) and not entry.is_dir():
            yield Path(entry.path)


def _taken(target: Path) -> bool:
    return os.path.lexists(target)


def _stamp(found: list[Path]) -> str:
    """When the newest of the files was written (UTC)."""
    newest = max(path.lstat().st_mtime for path in found)
    return datetime.fromtimestamp(newest, UTC).strftime("%Y%m%d-%H%M%S")


def _named(place: Path, folder: Path) -> Path:
    """Give the folder its name now that all is there."""
    name = place.name.removeprefix(".dfd-")
    names = [name, *(f"{name}-{number}" for number in range(2, 10_000))]
    target = next(path for each in names if not _taken(path := folder / each))
    place.rename(target)
    return target
