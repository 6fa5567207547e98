"""Processing module of mercure: screens each series of MERCURE_IN_DIR.

Into MERCURE_OUT_DIR go the DICOM results, named ``<SeriesInstanceUID>#<SOPInstanceUID>.dcm``, and
``result.json``. Settings come from ``task.json``, below ``process`` and ``settings``: ``model`` and
``device``, as for ``dfd screen``. The contract: https://mercure-imaging.org/docs/modules.html
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pydicom import dcmread

import dfd
from dfd.cli.exits import verdict_of
from dfd.errors import DfdError, UsageError
from dfd.outputs.files import write_atomically
from dfd.outputs.run_record import NOTICE
from dfd.records import SUSPICIOUS
from dfd.version import __version__

IN, OUT = "MERCURE_IN_DIR", "MERCURE_OUT_DIR"
TASK, RESULT = "task.json", "result.json"
SETTINGS = ("model", "device")
COLUMNS = (
    *("series_uid", "modality", "status", "reason", "p_value", "score", "verdict", "form"),
    *("slices", "slices_assessed", "regions"),
)
"""Of series.csv, as result.json holds them."""


def main() -> int:
    """Screen what is there and give the exit status; another one than 0 is an error to mercure."""
    try:
        source, target = _folder(IN), _folder(OUT)
        options = settings_of(source / TASK)
        result = screened(source, target, options)
    except DfdError as error:
        code, line = verdict_of(error)
        sys.stderr.write(f"{line}\n")
        return code
    sys.stdout.write(f"{result['__mercure_notification']['text']}\n")
    return 0


def _folder(variable: str) -> Path:
    """The folder that a variable names.

    Raises:
        UsageError: there is none.
    """
    folder = Path(os.environ.get(variable) or "missing")
    if not folder.is_dir():
        raise UsageError(f"{variable} names no folder ({folder}): mercure sets it to one")
    return folder


def settings_of(task: Path) -> dict[str, str]:
    """The settings of a task.

    Raises:
        UsageError: the file cannot be read, or holds a setting that there is not.
    """
    try:
        process = json.loads(task.read_text(encoding="utf-8")).get("process") or {}
        found = dict(process.get("settings") or {})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{TASK} cannot be read as a task of mercure ({type(error).__name__})"
        ) from error
    for name, value in found.items():
        if name not in SETTINGS:
            raise UsageError(f"there is no setting {name!r}; there are: {', '.join(SETTINGS)}")
        if not isinstance(value, str):
            raise UsageError(f"the setting {name!r} is a text, got {value!r}")
    return found


def screened(source: Path, target: Path, options: Mapping[str, str]) -> dict[str, Any]:
    """Screen the DICOM files in ``source``, write results and result.json, and give the latter.

    Raises:
        DfdError: model, device or a folder cannot be used.
    """
    files = sorted(path for path in source.iterdir() if path.suffix == ".dcm" and path.is_file())
    rows: list[dict[str, Any]] = []
    left_out: list[dict[str, str]] = []
    if files:
        with tempfile.TemporaryDirectory(prefix="dfd-") as scratch:
            rows, left_out = _screened(files, Path(scratch), target, options)
    result = {
        "version": __version__,
        "notice": NOTICE,
        "series": rows,
        "files": len(files),
        "files_left_out": left_out,
        "__mercure_notification": _notification(rows),
    }
    text = json.dumps(result, indent=2, allow_nan=False)
    write_atomically(target / RESULT, f"{text}\n".encode())
    return result


def _screened(
    files: list[Path], scratch: Path, target: Path, options: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Series, and files that belong to none with the reason."""
    manifest, output = scratch / "manifest.csv", scratch / "output"
    with manifest.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["path"], *([str(path.resolve())] for path in files)])
    model, device = options.get("model", ""), options.get("device", "auto")
    table = dfd.screen(manifest, output, model, device=device, shard=(1, 1), dicom="all")
    for path in sorted((output / "dicom").glob("*.dcm")):
        made = dcmread(path, stop_before_pixels=True)
        shutil.copyfile(path, target / f"{made.SeriesInstanceUID}#{made.SOPInstanceUID}.dcm")
    rows = json.loads(table[list(COLUMNS)].to_json(orient="records"))
    planned = pq.read_table(output / "plan" / "files.parquet").to_pylist()
    left_out = [
        {"file": Path(row["file"]).name, "status": row["status"], "reason": row["reason"]}
        for row in planned
        if row["status"] != "planned"
    ]
    return rows, left_out


def _notification(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What mercure writes to people, where its rule says so; asked for where a series stands out.

    In mercure such an entry is called ``requested``.
    """
    unusual = sum(row["verdict"] in SUSPICIOUS for row in rows)
    scored = sum(row["status"] == "scored" for row in rows)
    text = f"{len(rows)} series: {scored} screened, {unusual} of them unusual"
    return {"text": text, "requested": unusual > 0}


if __name__ == "__main__":
    sys.exit(main())
