"""One file that carries weights, calibration and the bundle's name.

And the shipped pair ``model.pt`` + ``calibration.json``.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from dfd.errors import BundleError, CalibrationError

FORMAT = "deepfakes-detector model 1"
SHIPPED_WEIGHTS = Path("models") / "model.pt"
SHIPPED_CALIBRATION = Path("models") / "calibration.json"


@dataclass(frozen=True)
class Model:
    """Weights with what belongs to them."""

    path: Path
    weights: Mapping[str, torch.Tensor]
    bundle: str
    """Name of the bundle; empty where the file does not say."""
    calibration: Mapping[str, Any] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Digest of the weights themselves, the same in whichever file they lie."""
        return weights_digest(self.weights)


def weights_digest(weights: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over names, shapes and values of a state dict, in order of names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


DAMAGE = (
    *(
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        struct.error,
    ),
    *(zipfile.BadZipFile, UnicodeDecodeError, OverflowError, OSError, AssertionError),
)
"""What torch raises on files that are cut off or hold something else."""


def _read(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # Advice on pickle protocols is for the authors of the file.
            warnings.simplefilter("ignore", UserWarning)
            # weights_only: what is not tensors and plain containers is refused, never run.
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise BundleError(
            f"{path} does not exist; give a shipped model's name or a file written by training."
        ) from None
    except DAMAGE as error:
        kind = (
            "holds more than weights and was not opened"
            if isinstance(error, pickle.UnpicklingError)
            else "is damaged or not a model file"
        )
        raise BundleError(
            f"{path} {kind}; use a file written by `dfd train` or a shipped model."
        ) from None


def load(path: str | Path) -> Model:
    """Reads a bundle folder, a ``.ckpt`` of training, or a bare state dict.

    Raises:
        BundleError: absent, damaged, or a pickle that holds anything but weights.
        CalibrationError: the calibration belongs to other weights.
    """
    path = Path(path)
    folder = path if path.is_dir() else None
    content = _read(path / SHIPPED_WEIGHTS if folder else path)
    if isinstance(content, Mapping) and content.get("format") == FORMAT:
        model = _unpacked(path, content)
    elif _is_state_dict(content):
        beside = path / SHIPPED_CALIBRATION if folder else path.parent / SHIPPED_CALIBRATION.name
        calibration = _read_calibration(beside)
        model = Model(
            path,
            content,
            str((calibration or {}).get("bundle", folder.name if folder else "")),
            calibration,
        )
    else:
        raise BundleError(
            f"{path} is not a model of this program; use a file written by `dfd train` or a "
            "shipped model."
        )
    _check(model)
    return model


def bundle_version(model: Model) -> str:
    """Version of the bundle folder that a model lies in.

    Empty for a file written by training, which has none.
    """
    try:
        return str(
            json.loads((model.path / "configs" / "metadata.json").read_text(encoding="utf-8"))[
                "version"
            ]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _is_state_dict(content: Any) -> bool:
    entries = content.items() if isinstance(content, Mapping) else ()
    return bool(entries) and all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in entries
    )


def _unpacked(path: Path, content: Mapping[str, Any]) -> Model:
    """The opposite of ``packed``."""
    try:
        calibration = json.loads(content["calibration"]) if content["calibration"] else None
        model = Model(
            path,
            content["weights"],
            content["bundle"],
            calibration,
            json.loads(content["training"]),
        )
    except (KeyError, TypeError, ValueError, RecursionError):
        raise BundleError(
            f"{path} is damaged or not a model file; use a file written by `dfd train` or a "
            "shipped model."
        ) from None
    plain = (
        isinstance(model.bundle, str)
        and isinstance(calibration, dict | None)
        and isinstance(model.training, dict)
    )
    if not (plain and _is_state_dict(model.weights)):
        raise BundleError(
            f"{path} is damaged or not a model file; use a file written by `dfd train` or a "
            "shipped model."
        )
    return model


def _read_calibration(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError):
        raise CalibrationError(f"{path} is damaged; refit it with `dfd calibrate`.") from None
    if not isinstance(content, dict):
        raise CalibrationError(f"{path} is not a calibration table; refit it with `dfd calibrate`.")
    return content


def _check(model: Model) -> None:
    if model.calibration is None:
        return
    belongs = model.calibration.get("weights_sha256")
    if belongs != model.sha256:
        digests = f"{str(belongs)[:12]}…, not {model.sha256[:12]}…"
        raise CalibrationError(
            f"the calibration of {model.path} belongs to other weights ({digests}); refit it "
            "with `dfd calibrate`."
        )


def packed(model: Model) -> bytes:
    """The bytes of a ``.ckpt``.

    Loads with ``weights_only=True``, everything but the weights as JSON text.
    """
    stream = io.BytesIO()
    content = {
        "format": FORMAT,
        "bundle": model.bundle,
        "weights": {name: tensor.detach().cpu().clone() for name, tensor in model.weights.items()},
        "calibration": json.dumps(model.calibration) if model.calibration is not None else "",
        "training": json.dumps(dict(model.training)),
    }
    torch.save(content, stream)
    return stream.getvalue()


def put_into(network: torch.nn.Module, model: Model, bundle: str) -> None:
    """Loads ``model`` into ``network`` of ``bundle``.

    Raises:
        BundleError: the weights are of the other modality or of another network.
    """
    if model.bundle and model.bundle != bundle:
        raise BundleError(
            f"{model.path} was trained as {model.bundle}, not as {bundle}; give the model "
            "that fits the scans."
        )
    try:
        network.load_state_dict(dict(model.weights))
    except RuntimeError:
        unfit = f"the weights in {model.path} do not fit the network of {bundle}"
        raise BundleError(f"{unfit}; use the version of this program that wrote them.") from None
