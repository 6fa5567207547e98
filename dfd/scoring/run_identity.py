"""Which run it is, by all that its numbers and pictures follow from.

What a stopped run has finished may be taken up by the same run alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from dfd.context.sibling_folders import sibling_folders
from dfd.models.model import Model
from dfd.outputs import own_files, run_record
from dfd.records import Point
from dfd.settings import private_keys

PARTS = {
    "program": "the program or its libraries",
    "model": "the model",
    "points": "the points",
    "data": "the data files",
    "settings": "the settings",
}
"""Part of an identity -> how people call it."""
_CODE = ("*.py", "*.j2", "*.css", "*.js")
_NOISE = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_NO_SCANS = frozenset({".csv", ".txt", ".log", ".out", ".err", ".html", ".png", ".tmp"})
"""Ends of names that change while a scan does not: tables, of which the rows count, and what a
shell writes.
"""


@dataclass(frozen=True)
class Asked:
    """What a run was asked for."""

    points: Sequence[Point]
    model: Model
    settings: Mapping[str, Any]
    """All that decides on numbers and pictures."""
    record: Mapping[str, Any]
    """What else was asked for, ``data_path`` among it where there is a data folder."""
    output: Path
    """Whose files do not count as data."""


def identity_of(asked: Asked) -> dict[str, str]:
    """The parts of ``PARTS``, each as a digest that names nothing.

    The points count with all their cells; data files by their place below the data folder, size
    and time of change, those beside a slice in its
    folder and in the folders beside that too, since neighbours and other reconstructions are
    compared with it.
    """
    root = Path(str(asked.record.get("data_path") or os.curdir))
    model = asked.model
    # The device really used is one of the settings, whatever word it was asked for with.
    # What lies at a path counts, and not where.
    left_out = private_keys() | {"device_name"}
    rest = {name: value for name, value in asked.record.items() if name not in left_out}
    return {
        "program": _digest([run_record.versions(), code_digest()]),
        "model": _digest([model.sha256, run_record.digest(model.calibration), model.bundle]),
        "points": _digest([_row(point, root) for point in asked.points]),
        "data": _digest(sorted(_files(asked, root))),
        "settings": _digest([dict(asked.settings), rest]),
    }


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """In words, which parts of two identities differ."""
    names = [words for part, words in PARTS.items() if one.get(part) != other.get(part)]
    return ", ".join(names[:-1]) + " and " * (len(names) > 1) + names[-1] if names else ""


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Digest of this program's own files: states of a checkout share one version."""
    folder = Path(__file__).parents[1]
    code = hashlib.sha256()
    for path in sorted(path for pattern in _CODE for path in folder.rglob(pattern)):
        code.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return code.hexdigest()


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _row(point: Point, root: Path) -> list[object]:
    place = None if point.path is None else _named(point.path, root)
    asked = [point.x, point.y, point.frame, point.radius_mm, point.label]
    return [point.row, point.filename, *asked, list(point.cells.items()), place, point.error]


def _named(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path.absolute())


def _files(asked: Asked, root: Path) -> Iterator[tuple[str, int, int]]:
    """Place, bytes and time of change (ns) of each file that may count; -1 where it is gone."""
    paths = {point.path for point in asked.points if point.path is not None}
    folders = {path.parent for path in paths}
    around = folders | {sibling for folder in folders for sibling in sibling_folders(folder, root)}
    for path in paths | set(_below(around, asked.output, folders)):
        try:
            found = path.stat()
            yield _named(path, root), found.st_size, found.st_mtime_ns
        except OSError:
            yield _named(path, root), -1, -1


def _below(around: Iterable[Path], output: Path, holding: Iterable[Path]) -> Iterator[Path]:
    """Files below the folders ``around``, at any depth.

    Results are left out, and so is what cannot be a scan by its name.
    """
    results = os.path.realpath(output)
    apart = not any(Path(os.path.realpath(folder)).is_relative_to(results) for folder in holding)
    ours = {os.path.realpath(path) for path in own_files.results_in(output)}
    met: set[str] = set()
    for folder in sorted(around):
        for place, below, names in os.walk(folder, followlinks=True):
            real = os.path.realpath(place)
            if real in met or (real == results and apart):
                below.clear()
                continue
            met.add(real)
            if real == results:
                below[:] = [each for each in below if not own_files.is_aside(each)]
            for name in names:
                path = Path(place, name)
                known = name in _NOISE or path.suffix.lower() in _NO_SCANS
                if not known and str(Path(real, name)) not in ours:
                    yield path
