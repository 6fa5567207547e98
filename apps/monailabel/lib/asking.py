"""The one call of ``dfd.score``: rows of a points file in, rows of ``scores.csv`` and maps out."""

from __future__ import annotations

import csv
import json
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import dfd

COLUMNS = ("filename", "X", "Y", "frame", "radius")

_ONE_AT_A_TIME = threading.Lock()
"""A batch of MONAI Label asks from several threads; the workflow sets seeds of the process."""


@dataclass(frozen=True)
class Answer:
    """What ``dfd.score`` wrote."""

    rows: Sequence[Mapping[str, Any]]
    """Of ``scores.csv``, in order."""
    maps: Mapping[int, NDArray[np.float32]]
    """Number of a row (from 0) that asks about a slice as a whole -> ``[H, W]`` of -log10 p, 0
    where nothing can be said."""
    record: Mapping[str, Any]
    """``run.json``."""


def ask(
    data: Path, points: Sequence[Mapping[str, object]], model: str, images: bool = False
) -> Answer:
    """Score ``points`` (rows with ``COLUMNS``) in the scans below ``data``, as ``dfd score`` does.

    Raises:
        DfdError: data or model cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="dfd-label-") as folder, _ONE_AT_A_TIME:
        file, results = Path(folder) / "points.csv", Path(folder) / "results"
        with file.open("w", newline="", encoding="utf-8") as stream:
            lines = csv.DictWriter(stream, COLUMNS)
            lines.writeheader()
            lines.writerows(points)
        frame = dfd.score(data, file, model=model, output_dir=results, images=images)
        record = json.loads((results / "run.json").read_text(encoding="utf-8"))
        maps = {int(path.stem) - 1: _map(path) for path in results.glob("maps/*.tif")}
    rows = [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
    return Answer(rows, maps, record)


def _map(path: Path) -> NDArray[np.float32]:
    with Image.open(path) as image:
        return np.nan_to_num(np.asarray(image, dtype=np.float32), nan=0.0)
