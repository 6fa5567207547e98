"""Rows that a benchmark has measured, kept so that a killed run can be resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.data.partition import ROOT

CODE = (
    "benchmarks/detection/trials.py",
    "benchmarks/data/matched_controls.py",
    "benchmarks/attacks/inpaint.py",
    "benchmarks/data/volumes.py",
    "benchmarks/attacks/*.py",
    "dfd/evidence/*.py",
    "dfd/prediction/predict.py",
    "dfd/prediction/residual_maps.py",
    "dfd/prediction/residual_head.py",
    "dfd/intensity.py",
)
"""What the numbers of a slice follow from."""
DIGITS = 12
"""Of a digest, in a name."""

Rows: TypeAlias = list[dict[str, Any]]


def code_digest(more: Sequence[str] = ()) -> str:
    """Digest of ``CODE`` and of the files of ``more``, patterns as in ``CODE``.

    A change of any begins anew.
    """
    code = hashlib.sha256()
    for pattern in (*CODE, *more):
        for file in sorted(ROOT.glob(pattern)):
            code.update(file.read_bytes())
    return code.hexdigest()[:DIGITS]


class Ledger:
    """A file of JSON lines, one for each part of a slice that is done.

    Only one process writes; a line that was cut off is dropped.
    """

    def __init__(self, path: Path) -> None:
        """Reads what an earlier run left behind."""
        self.path = path
        self.done: dict[tuple[str, str], Rows] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.exists() else b""
        complete = content[: content.rfind(b"\n") + 1]
        if complete != content:
            path.write_bytes(complete)
        for line in complete.splitlines():
            entry = json.loads(line)
            self.done[entry["slice"], entry["part"]] = entry["rows"]

    def add(self, name: str, parts: Mapping[str, Rows]) -> None:
        """Keeps the rows of parts of the slice ``name``."""
        lines = [
            json.dumps({"slice": name, "part": part, "rows": rows}) + "\n"
            for part, rows in parts.items()
        ]
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write("".join(lines))
        self.done |= {(name, part): rows for part, rows in parts.items()}
