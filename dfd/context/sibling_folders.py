"""Which folders beside one may hold other series of its study. Nothing in them is read."""

from __future__ import annotations

from pathlib import Path

MOST_SIBLINGS = 16
"""Folders beside a slice's own whose first file is looked at: those whose names lie nearest to its
own."""


def sibling_folders(folder: Path, within: Path | None) -> list[Path]:
    """The ``MOST_SIBLINGS`` folders beside one.

    By name, if what they lie in is the data folder or lies in it.
    """
    if within is None or folder == within or not folder.parent.is_relative_to(within):
        return []
    try:
        names = sorted(path.name for path in folder.parent.iterdir() if path.is_dir())
    except OSError:
        return []
    place = names.index(folder.name) if folder.name in names else 0
    nearest = sorted(
        (abs(number - place), name) for number, name in enumerate(names) if name != folder.name
    )
    return [folder.parent / name for name in sorted(name for _, name in nearest[:MOST_SIBLINGS])]
