"""Names near one that was not found: for a hint, never to be taken in its place."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from dfd.points.wording import shown_path

MOST = 3
LIKENESS = 0.7
"""Of two names, by difflib (1 = equal), from which on one may be a misspelling of the other."""
MOST_COMPARED = 300_000
"""Comparisons of names in one run, some seconds: a table of wrong names is not held up."""
MOST_RANKED = 200

_ENDING = re.compile(r"(\.[a-z][a-z0-9]{0,5}){1,2}$")
"""Begins with a letter: the last number of a UID is no ending."""
_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")


class NearNames:
    """A list of relative paths in which names like a given one are sought.

    First those that differ in case, ending, or leading zeros only, then files of that name in other
    folders, then misspellings.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        """Take the paths, with forward slashes, in order."""
        self._paths = list(paths)
        self._by_path: dict[str, list[str]] = defaultdict(list)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for path in self._paths:
            loose = _loose(path)
            self._by_path[loose].append(path)
            self._by_name[PurePosixPath(loose).name].append(path)
        self._left = MOST_COMPARED

    def of(self, name_or_path: str) -> list[str]:
        """The nearest paths, at most ``MOST``; empty where none is near."""
        loose = _loose(name_or_path.replace("\\", "/").strip("/"))
        name = PurePosixPath(loose).name
        same = self._by_path.get(loose, []) or self._by_name.get(name, [])
        if same:
            return self._ranked(loose, same)
        table = self._by_path if "/" in loose else self._by_name
        if not name or self._left < len(table):
            return []
        self._left -= len(table)
        near = difflib.get_close_matches(loose if "/" in loose else name, table, MOST, LIKENESS)
        return [path for key in near for path in table[key]][:MOST]

    @staticmethod
    def _ranked(loose: str, paths: list[str]) -> list[str]:
        """Of many files of one name the likest paths first."""
        match = difflib.SequenceMatcher(b=loose, autojunk=False)

        def unlikeness(path: str) -> float:
            match.set_seq1(_loose(path))
            return -match.ratio()

        return sorted(paths[:MOST_RANKED], key=unlikeness)[:MOST]


def hint(near: list[str]) -> str:
    """Half a sentence that names them, to follow what was not found; empty where there is none."""
    if not near:
        return ""
    is_or_are = "name is" if len(near) == 1 else "names are"
    return f"; the nearest {is_or_are} {', '.join(map(shown_path, near))}"


def hint_in_folder(path: Path) -> str:
    """The same for a file or folder that a user named and that is not there: what is beside it."""
    try:
        names = sorted(each.name for each in path.parent.iterdir())
    except OSError:
        return ""
    return hint(NearNames(names).of(path.name))


def _loose(path: str) -> str:
    """Spelling in which near names are equal: no case, no ending, no leading zeros."""
    folded = unicodedata.normalize("NFC", path).casefold().strip()
    parts = [_LEADING_ZEROS.sub("", part.strip()) for part in _ENDING.sub("", folded).split("/")]
    return "/".join(parts)
