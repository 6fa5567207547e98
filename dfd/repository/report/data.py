"""Files beside report.html that hold the rows of its table.

They are scripts, since a page that is opened from disk may load no other data.
"""

from __future__ import annotations

import hashlib
import json
import math
import numbers
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dfd.outputs.files import write_atomically
from dfd.repository.parts import MODEL_DIGITS, PICTURES, picture_name
from dfd.repository.report.read import Repository
from dfd.repository.report.texts import cleaned
from dfd.repository.schema import SCORED
from dfd.repository.strata import UNKNOWN

FOLDER = "report"
CHUNK = 500
"""Series in one file of details."""
MOST_PICTURES = 200
"""Pictures that are copied where names are replaced, those of the first series."""
COLUMNS = (
    *("rank", "series", "result", "p_empirical", "q_empirical", "p_value", "form", "modality"),
    *("scanner", "kernel", "thickness_mm", "slices", "patient", "study_date"),
)
"""Of a row of the table. ``result`` is the verdict, or what became of the series."""
_FACTS = {
    "patient": "Patient",
    "study_uid": "Study UID",
    "series_uid": "Series UID",
    "folder": "Folder",
    "scanner": "Scanner",
    "kernel": "Kernel",
    "thickness_mm": "Slice thickness, mm",
    "spacing_mm": "Pixel spacing, mm",
    "slices": "Slices",
    "study_date": "Study date",
    "stratum": "Stratum",
    "stratum_series": "Scored series of the stratum",
    "statistic": "Statistic",
}
_OWN = re.compile(r"(series|details)-[0-9a-f]{12}(-\d{4})?\.js|series-\d{5}-\d+\.png")


@dataclass(frozen=True, slots=True)
class DataFiles:
    """Files of one report."""

    digest: str
    """In their names: a page that is open never reads files of a later report."""
    files: Mapping[str, bytes]
    """Name in the folder -> content."""


def rows(series: pd.DataFrame) -> list[list[Any]]:
    """Rows of the table, numbers to four digits, nothing where there is no number."""
    answered = (series["outcome"] == SCORED) & (series["verdict"] != "")
    result = series["verdict"].where(answered, series["outcome"])
    shown = series.assign(result=result)[list(COLUMNS)]
    return [[_cell(value) for value in row] for row in shown.itertuples(index=False, name=None)]


def data_files(repository: Repository, pictures: Mapping[tuple[str, int], str]) -> DataFiles:
    """The table and the details of its series.

    Args:
        repository: What is reported.
        pictures: Address of the picture of a region by series and rank.
    """
    table = _script("dfdSeries", [list(COLUMNS), rows(repository.series)])
    details = _details(repository, pictures)
    chunks = [
        _script("dfdDetails", [number, details[start : start + CHUNK]])
        for number, start in enumerate(range(0, len(details), CHUNK))
    ]
    digest = hashlib.sha256(b"".join([table, *chunks])).hexdigest()[:MODEL_DIGITS]
    files = {f"series-{digest}.js": table}
    files |= {f"details-{digest}-{number:04d}.js": chunk for number, chunk in enumerate(chunks)}
    return DataFiles(digest, files)


def write(output: Path, data: DataFiles) -> None:
    """Write the files of a report.

    Raises:
        OutputError: a file cannot be written.
    """
    folder = output / FOLDER
    folder.mkdir(exist_ok=True)
    for name, content in data.files.items():
        write_atomically(folder / name, content)


def remove_earlier(output: Path, kept: set[str]) -> None:
    """Remove the data files of earlier reports; only files of such names are touched."""
    for path in (output / FOLDER).iterdir():
        if path.name not in kept and _OWN.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()


def pictures_of(output: Path, repository: Repository) -> dict[tuple[str, int], str]:
    """Address in the page of the pictures that are there, by series and rank of the region."""
    folder = output / PICTURES
    there = {path.name for path in folder.glob("*.png")} if folder.is_dir() else set()
    regions = repository.regions
    if not there or "rank" not in regions:
        return {}
    models = dict(zip(repository.series["series"], repository.series["model"], strict=True))
    named = {
        (series, int(rank)): picture_name(series, models[series], int(rank))
        for series, rank in zip(regions["series"], regions["rank"], strict=True)
    }
    return {place: f"{PICTURES}/{name}" for place, name in named.items() if name in there}


def _details(
    repository: Repository, pictures: Mapping[tuple[str, int], str]
) -> list[dict[str, Any]]:
    regions: dict[str, list[dict[str, Any]]] = {}
    columns = [name for name in repository.regions if name != "sop_uids"]
    ordered = repository.regions[columns]
    ordered = ordered.sort_values("rank", kind="stable") if "rank" in ordered else ordered
    for region in ordered.to_dict("records"):
        address = pictures.get((region["series"], int(region["rank"])), "")
        shown = {str(name): _cell(value) for name, value in region.items() if name != "series"}
        regions.setdefault(region["series"], []).append(shown | {"picture": address})
    return [
        {
            "facts": [
                [title, value]
                for name, title in _FACTS.items()
                if (value := _cell(row[name])) not in ("", None, UNKNOWN)
            ],
            "reason": _cell(row["reason"]),
            "regions": regions.get(row["series"], []),
        }
        for row in repository.series.to_dict("records")
    ]


def _cell(value: object) -> str | int | float | None:
    if isinstance(value, str):
        return cleaned(value)
    number = float(value) if isinstance(value, numbers.Real) else math.nan
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else float(f"{number:.4g}")


def _script(function: str, arguments: Sequence[object]) -> bytes:
    """A call with plain data; whatever stands in it can end neither a text nor the script."""
    text = json.dumps(arguments, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    text = text.replace("<", "\\u003c")
    return f'"use strict";{function}(...{text});\n'.encode("ascii")
