"""Networks of attacks as files, each with the names of the patients it was trained on.

It may not be used on these. Folder and format keep the name that the committed files were written
with.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.attacks.canvas import Canvas
from benchmarks.data.partition import network_file
from dfd.errors import UsageError
from dfd.outputs.files import write_atomically

KIND = "forgers"
FORMAT = "forger network 1"


@dataclass(frozen=True)
class Checkpoint:
    """What a training leaves behind."""

    name: str
    modality: str
    patients: tuple[str, ...]
    weights: Mapping[str, Any]
    """State dict of the network."""


def place(name: str, modality: str, folder: Path | None = None) -> Path:
    """The file of an attack's network (``benchmarks.data.partition.network_file``).

    It lies in ``folder`` where one is named.
    """
    file = f"{modality}_{name}.pt"
    return folder / file if folder else network_file(KIND, file)


def save(checkpoint: Checkpoint, folder: Path | None = None) -> Path:
    """Writes the file, whole or not at all, and gives its name."""
    content = {
        "format": FORMAT,
        "name": checkpoint.name,
        "modality": checkpoint.modality,
        "patients": list(checkpoint.patients),
        "weights": dict(checkpoint.weights),
    }
    stream = io.BytesIO()
    torch.save(content, stream)
    path = place(checkpoint.name, checkpoint.modality, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, stream.getvalue())
    return path


def learned(name: str, modality: str) -> tuple[str, ...] | None:
    """The patients that the network ``name`` was trained on; None where there is no file yet."""
    path = place(name, modality)
    if not path.exists():
        return None
    patients: list[str] = torch.load(path, map_location="cpu", weights_only=True).get(
        "patients", []
    )
    return tuple(patients)


def load(name: str, canvas: Canvas) -> Mapping[str, Any]:
    """State dict of the network ``name`` for the modality of ``canvas``.

    Raises:
        UsageError: it is not trained yet, it was trained on the patient of ``canvas``, or the
            canvas does not say whose it is.
    """
    path = place(name, canvas.modality)
    if not path.exists():
        raise UsageError(
            f"{path} is not there; train it with `python -m benchmarks.attacks.training.train "
            f"--train {name} "
            f"--modality {canvas.modality}`."
        )
    content = torch.load(path, map_location="cpu", weights_only=True)
    if content.get("format") != FORMAT:
        raise UsageError(f"{path} is of an older or another program; delete it and train it again.")
    refuse(name, canvas.patient, content["patients"])
    weights: Mapping[str, Any] = content["weights"]
    return weights


def restored(network: torch.nn.Module, name: str, canvas: Canvas) -> torch.nn.Module:
    """``network`` with the weights of ``name``, ready to be used on ``canvas``.

    Raises:
        UsageError: as ``load``, or the weights are of a network of another build.
    """
    try:
        network.load_state_dict(load(name, canvas))
    except RuntimeError:
        raise UsageError(
            f"{place(name, canvas.modality)} is of an older or another program; delete it and "
            "train it again."
        ) from None
    return network.eval()


def refuse(name: str, patient: str, learned: Sequence[str]) -> None:
    """Raises UsageError where ``patient`` is among those ``learned`` from, or is not named."""
    if not patient:
        raise UsageError(
            f"The network {name!r} was trained on patients and the canvas does not name its own; "
            "fill its field `patient`."
        )
    if patient in learned:
        raise UsageError(
            f"The network {name!r} was trained on the patient whose slice is to be edited; use a "
            "patient of a fold that it was not trained on."
        )
