"""Every entry below a folder, whatever becomes of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dfd.reading.files import VISITS_LIMIT

UNLISTED = "the folder cannot be listed ({}): ask for read permission"
UNFOLLOWED = "the link leads nowhere: mend it, or leave it out"
SPECIAL = "it is neither a file nor a folder"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, or a place that could not be looked into."""

    path: str
    reason: str = ""
    """Why it cannot be read; empty for a file."""


def walk(starts: Sequence[Path], leave_out: Path) -> Iterator[Entry]:
    """Every file below ``starts``, links followed, loops cut.

    Folders that cannot be listed and links that lead nowhere are entries with a reason.

    Args:
        starts: folders, or files.
        leave_out: a folder that is not entered: that of the results.
    """
    visits: Counter[str] = Counter({os.path.realpath(leave_out): VISITS_LIMIT})
    for start in starts:
        if start.is_dir():
            yield from _below(str(start), visits)
        else:
            yield Entry(str(start), "" if start.is_file() else "it does not exist")


def _below(start: str, visits: Counter[str]) -> Iterator[Entry]:
    waiting: list[tuple[str, frozenset[str]]] = [(start, frozenset())]
    while waiting:
        folder, parents = waiting.pop()
        real = os.path.realpath(folder)
        visits[real] += 1
        if real in parents or visits[real] > VISITS_LIMIT:
            continue
        try:
            with os.scandir(folder) as listing:
                children = sorted(listing, key=lambda child: child.name)
        except OSError as error:
            yield Entry(folder, UNLISTED.format(error.strerror))
            continue
        for child in children:
            if _is_folder(child):
                waiting.append((child.path, parents | {real}))
            else:
                yield Entry(child.path, _obstacle(child))


def _is_folder(child: os.DirEntry[str]) -> bool:
    try:
        return child.is_dir()
    except OSError:  # a link in a loop
        return False


def _obstacle(child: os.DirEntry[str]) -> str:
    try:
        if child.is_file():
            return ""
        return UNFOLLOWED if child.is_symlink() else SPECIAL
    except OSError:
        return UNFOLLOWED
