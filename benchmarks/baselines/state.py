"""Trained baselines as files, each with the names of the patients it was trained on.

Its numbers on these patients mean nothing.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.data.partition import network_file
from dfd.errors import UsageError
from dfd.outputs.files import write_atomically

KIND = "baselines"
FORMAT = "baseline 1"


def place(name: str, modality: str, folder: Path | None = None) -> Path:
    """The file of a trained baseline (``benchmarks.data.partition.network_file``).

    It lies in ``folder`` where one is named.
    """
    file = f"{modality}_{name}.pt"
    return folder / file if folder else network_file(KIND, file)


def save(
    name: str,
    modality: str,
    patients: Sequence[str],
    content: Mapping[str, Any],
    folder: Path | None = None,
) -> Path:
    """Writes the file, whole or not at all, and gives its name.

    ``content``: tensors and plain values.
    """
    stream = io.BytesIO()
    torch.save(
        {
            "format": FORMAT,
            "name": name,
            "modality": modality,
            "patients": list(patients),
            "content": dict(content),
        },
        stream,
    )
    path = place(name, modality, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, stream.getvalue())
    return path


def load(name: str, modality: str) -> Mapping[str, Any]:
    """What ``save`` was given as ``content``.

    Raises:
        UsageError: it is not trained yet, or of another program.
    """
    content: Mapping[str, Any] = _file(name, modality)["content"]
    return content


def learned_from(name: str, modality: str) -> tuple[str, ...]:
    """The patients that a baseline was trained on; it should not be tried on them.

    Raises:
        UsageError: as ``load``.
    """
    return tuple(_file(name, modality)["patients"])


def _file(name: str, modality: str) -> Mapping[str, Any]:
    path = place(name, modality)
    if not path.exists():
        raise UsageError(
            f"{path} is not there; make it with `python -m benchmarks.baselines.train "
            f"--modality {modality} --name {name}`."
        )
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> Mapping[str, Any]:
    """A benchmark asks for the same few files once per slice.

    ``changed`` makes a new one be read.
    """
    content: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if content.get("format") != FORMAT:
        raise stale(path)
    return content


def stale(path: Path) -> UsageError:
    """What to say of a file that does not fit this program."""
    return UsageError(f"{path} is of an older or another program; delete it and make it again.")
