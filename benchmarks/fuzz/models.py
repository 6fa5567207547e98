"""Intact model files and calibrations, and damaged ones of them."""

from __future__ import annotations

import copy
import io
import json
import random
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.fuzz.cases import Mutant, Start
from benchmarks.fuzz.damage import damaged
from dfd.calibration import Calibration, fit_screening, from_json, to_json
from dfd.calibration.cohort import SCREENING, SERIES, SLICE, Setting, fit
from dfd.models import model_file
from dfd.models.model_file import Model, weights_digest

FAMILIES = ("noise", "copy-move")
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 2**63, 10**400, 0.0, -0.0, 1e-320, 1e308, -1e308),
    *(
        float("nan"),
        float("inf"),
        -float("inf"),
        "",
        "x",
        "nan",
        "1e400",
        "0" * 5000,
        "\ud800",
        "\n",
    ),
    *([], {}, [[]], [1, "x"], {"patients": []}, [[0.0, 1.0], [2.0, 1.0]], [[float("nan")]]),
)
"""What stands in a calibration instead of what should."""


def mutant(rng: random.Random) -> Mutant:
    """A damaged model file, or the calibration of a bundle."""
    what = rng.choice(("bytes", "bytes", "zip", "json", "json", "calibration", "weights"))
    return {
        "bytes": _damaged_file,
        "zip": _damaged_member,
        "json": _packed_with_json,
        "calibration": _calibration_alone,
        "weights": _odd_weights,
    }[what](rng)


@cache
def starts() -> tuple[Start, ...]:
    """Intact files; made once."""
    weights = _weights()
    legacy = io.BytesIO()
    torch.save(weights, legacy, _use_new_zipfile_serialization=False)
    plain = io.BytesIO()
    torch.save(weights, plain)
    return (
        Start("model file", _packed(_calibration()), ".ckpt"),
        Start("model file without calibration", _packed(None), ".ckpt"),
        Start("state dict", plain.getvalue(), ".pt"),
        Start("state dict, old format", legacy.getvalue(), ".pt"),
    )


@cache
def _weights() -> dict[str, torch.Tensor]:
    filled = np.random.default_rng(1).normal(size=24).astype(np.float32)
    values = torch.from_numpy(filled)
    return {"first.weight": values[:16].reshape(4, 4).clone(), "first.bias": values[16:].clone()}


def bundle_weights() -> bytes:
    """``models/model.pt`` of the bundle that damaged calibrations are put into."""
    return next(each.file for each in starts() if each.name == "state dict")


@cache
def _calibration() -> dict[str, Any]:
    """A small calibration with all that one may hold."""
    rng = np.random.default_rng(2)

    def rows(count: int) -> list[dict[str, float]]:
        return [
            dict(zip(FAMILIES, rng.gamma(2.0, 1.0, 2).tolist(), strict=True)) for _ in range(count)
        ]

    of_slices = fit([rows(12) for _ in range(3)])
    screening = fit_screening([[rows(30) for _ in range(2)] for _ in range(3)])
    settings: dict[str, Setting] = {SLICE: of_slices, SERIES: of_slices}
    if screening is not None:
        settings[SCREENING] = screening
    bounds = {"noise": (1.0, 2.0)}
    digest = weights_digest(_weights())
    calibration = Calibration("ct_lung_inpainting", digest, 10.0, bounds, settings)
    return to_json(calibration)


def _packed(calibration: Mapping[str, Any] | None) -> bytes:
    model = Model(Path(), _weights(), "ct_lung_inpainting", calibration, {"patients_trained": 3})
    return model_file.packed(model)


def _damaged_file(rng: random.Random) -> Mutant:
    start = rng.choice(starts())
    content, changes = damaged(rng, start.content, [each.content for each in starts()])
    return Mutant(content, start.suffix, (start.name, *changes))


def _damaged_member(rng: random.Random) -> Mutant:
    """One file within the archive is changed; the archive's own checks hold."""
    start = rng.choice(starts()[:3])
    with zipfile.ZipFile(io.BytesIO(start.content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    what = rng.choice(("bytes", "bytes", "bytes", "gone", "renamed", "empty"))
    changes: tuple[str, ...] = (what,)
    if what == "bytes":
        members[name], changes = damaged(rng, members[name] or b"\0", list(members.values()), 2)
    elif what == "empty":
        members[name] = b""
    else:
        content = members.pop(name)
        if what == "renamed":
            members[rng.choice(("x", "../x", name + "x", "archive/data/99"))] = content
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member), content)
    return Mutant(stream.getvalue(), start.suffix, (start.name, name, *changes))


def _with_hostile_nodes(rng: random.Random) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A calibration in which some values are others."""
    content, changes = copy.deepcopy(_calibration()), []
    for _ in range(rng.choice((1, 1, 2, 3))):
        if not content:
            break
        place, path = _some_place(rng, content)
        if rng.random() < 0.2:
            del place[path[-1]]
            changes.append(f"{'/'.join(map(str, path))} is missing")
        else:
            value = rng.choice(VALUES)
            place[path[-1]] = copy.deepcopy(value)
            changes.append(f"{'/'.join(map(str, path))} = {value!r:.30}")
    return content, tuple(changes)


def _some_place(rng: random.Random, content: dict[str, Any]) -> tuple[Any, list[Any]]:
    """A container within ``content``, and the keys that lead to one of its values."""
    place: Any = content
    path: list[Any] = []
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        path.append(rng.choice(keys))
        below = place[path[-1]]
        if not isinstance(below, dict | list) or not below or rng.random() < 0.25:
            return place, path
        place = below


def _packed_with_json(rng: random.Random) -> Mutant:
    """A model file whose calibration holds other values."""
    content, changes = _with_hostile_nodes(rng)
    return Mutant(_packed(content), ".ckpt", ("model file, calibration changed", *changes))


def _calibration_alone(rng: random.Random) -> Mutant:
    """``calibration.json`` of a bundle: other values, damaged text, or nested without end."""
    content, changes = _with_hostile_nodes(rng)
    text = json.dumps(content).encode()
    if rng.random() < 0.5:
        text, changes = damaged(rng, json.dumps(_calibration()).encode(), [text])
    if rng.random() < 0.02:
        text, changes = b"[" * 200_000, ("nested without end",)
    return Mutant(text, ".json", ("calibration.json", *changes))


ODD: dict[str, Callable[[], Any]] = {
    "whole numbers": lambda: torch.zeros(3, dtype=torch.int64),
    "truth values": lambda: torch.zeros(3, dtype=torch.bool),
    "half precision": lambda: torch.zeros(3, dtype=torch.bfloat16),
    "complex": lambda: torch.zeros(3, dtype=torch.complex64),
    "empty": lambda: torch.zeros(0),
    "one number": lambda: torch.zeros(()),
    "not finite": lambda: torch.full((3,), float("nan")),
    "transposed": lambda: torch.zeros(3, 4).T,
    "expanded": lambda: torch.zeros(1).expand(1000),
    "sparse": lambda: torch.zeros(3, 3).to_sparse(),
    "without storage": lambda: torch.zeros(3, device="meta"),
    "needs gradient": lambda: torch.zeros(3, requires_grad=True),
    "a parameter": lambda: torch.nn.Parameter(torch.zeros(3)),
    "nested": lambda: {"more": torch.zeros(3)},
    "a list": lambda: [1, 2],
    "a text": lambda: "x",
    "nothing": lambda: None,
}
"""What stands where weights should."""


def _odd_weights(rng: random.Random) -> Mutant:
    """Weights of a kind that no network of this program has."""
    name, where = rng.choice(list(ODD)), rng.choice(("state dict", "weights", "top"))
    weights: dict[Any, Any] = {**_weights(), rng.choice(("first.bias", "more", 7)): ODD[name]()}
    stream = io.BytesIO()
    if where == "weights":
        packed = {"bundle": "ct_lung_inpainting", "calibration": "", "training": "{}"}
        torch.save({"format": model_file.FORMAT, "weights": weights, **packed}, stream)
    else:
        torch.save(weights if where == "state dict" else ODD[name](), stream)
    return Mutant(stream.getvalue(), ".ckpt", (where, name))


def read(path: Path, _: int | None) -> object:
    """Loads a model as the program does, with its calibration; ``.json`` is put into a bundle."""
    if path.suffix == ".json":
        bundle = path.parent / "bundle"
        (bundle / model_file.SHIPPED_CALIBRATION).write_bytes(path.read_bytes())
        path = bundle
    model = model_file.load(path)
    return model if model.calibration is None else to_json(from_json(model.calibration))
