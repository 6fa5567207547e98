"""A data folder of empty files, and a points file that is written and read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dfd.points import read_points
from dfd.records import Point


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "test"
    for name in ("p1/a.dcm", "p1/b.dcm", "p2/c.dcm"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


@pytest.fixture
def points_of(data: Path, tmp_path: Path) -> Callable[[str | bytes], list[Point]]:
    """Write text or bytes as a points file and read it."""

    def read(content: str | bytes) -> list[Point]:
        path = tmp_path / "points.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_points(path, data)

    return read
