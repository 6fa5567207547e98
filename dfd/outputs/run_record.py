"""run.json: what ran, on what, with which versions. Also the notice that every output carries."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from datetime import date, timedelta
from importlib import metadata
from pathlib import Path, PurePath
from typing import ClassVar

import numpy as np

from dfd.errors import OutputError
from dfd.outputs.files import write_atomically
from dfd.outputs.writer import BaseWriter, Results

FILE_NAME = "run.json"
NOTICE = (
    "For research on image collections; not a medical device. It says nothing about any "
    "patient's health and is not for diagnosis, "
    "treatment or triage. A low score does not show that an image is genuine."
)
_DISTRIBUTIONS = {
    "dfd": "deepfakes-detector",
    "monai": "monai",
    "torch": "torch",
    "ignite": "pytorch-ignite",
    "pydicom": "pydicom",
    "numpy": "numpy",
    "pandas": "pandas",
}


def write(folder: Path, record: Mapping[str, object]) -> Path:
    """Write ``record`` as run.json, in its own order, with the notice added.

    Floats read back as the same floats, what is not finite becomes null, paths and dates become
    text, arrays lists.

    Raises:
        OutputError: the file cannot be written, or the record holds something that JSON has no form
            for.
    """
    whole = {**record, "notice": record.get("notice", NOTICE)}
    text = json.dumps(_plain(whole, "record"), indent=2, allow_nan=False)
    path = folder / FILE_NAME
    write_atomically(path, (text + "\n").encode("ascii"))
    return path


class RunRecordWriter(BaseWriter):
    """``run.json``."""

    needed = True
    files: ClassVar[Mapping[str, str]] = {"": r"run\.json"}

    def finish(self, results: Results) -> None:
        """Write the record."""
        write(self.run.folder, results.record)


def digest(content: object) -> str:
    """SHA-256 of something that JSON can hold, in one fixed writing; empty for None."""
    if content is None:
        return ""
    return hashlib.sha256(
        json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def versions() -> dict[str, str]:
    """Versions of this package and of what its numbers depend on.

    "not installed" where there is none.
    """
    return {name: _version(distribution) for name, distribution in _DISTRIBUTIONS.items()}


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def _plain(value: object, where: str) -> object:
    """``value`` in terms of what JSON has; ``where`` names it in the error."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, PurePath | date | timedelta):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(getattr(value, field.name), f"{where}.{field.name}")
            for field in dataclasses.fields(value)
        }
    raise OutputError(
        f"{where} is a {type(value).__name__}, for which {FILE_NAME} has no form; turn it "
        "into text or numbers"
    )
