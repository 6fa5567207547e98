"""What a model file says, whichever way it was read. Imports nothing heavy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfd.errors import BundleError, CalibrationError
from dfd.models import tensor_archive
from dfd.models.tensor_archive import StoredTensor, UnknownArchiveError

if TYPE_CHECKING:
    import torch

FORMAT = "deepfakes-detector model 1"
SHIPPED_WEIGHTS = Path("models") / "model.pt"
SHIPPED_CALIBRATION = Path("models") / "calibration.json"
_ZIP, _PICKLE = b"PK", b"\x80"
"""How files begin that ``torch.save`` writes, today and in versions before 1.6."""
DAMAGED = "is damaged or not a model file"
_REMEDY = "use a file written by `dfd train` or a shipped model"


@dataclass(frozen=True)
class Model:
    """Weights with what belongs to them."""

    path: Path
    weights: Mapping[str, Any]
    """Tensors of torch; :class:`StoredTensor` where torch was not asked."""
    bundle: str
    """Name of the bundle; empty where the file does not say."""
    calibration: Mapping[str, Any] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Digest of the weights themselves, the same in whichever file they lie."""
        return weights_digest(self.weights)


def weights_digest(weights: Mapping[str, Any]) -> str:
    """SHA-256 over names, shapes and values of a state dict, in order of names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        stored = tensor if isinstance(tensor, StoredTensor) else _stored(tensor)
        digest.update(f"{name} {stored.shape} {stored.dtype}".encode())
        digest.update(stored.content)
    return digest.hexdigest()


def _stored(tensor: torch.Tensor) -> StoredTensor:
    import torch

    numbers = tensor.detach().cpu().contiguous()
    content = numbers.reshape(-1).view(torch.uint8).numpy().tobytes()
    return StoredTensor(tuple(numbers.shape), str(numbers.dtype), content)


def read_model(path: Path) -> Model:
    """A bundle folder, a ``.ckpt`` of training, or a bare state dict.

    Read without torch, whose import takes seconds, unless only torch can tell what the file holds.

    Raises:
        BundleError: absent, or no model.
        CalibrationError: the calibration belongs to other weights.
    """
    file = weights_file(path)
    try:
        with file.open("rb") as stream:
            begin = stream.read(len(_ZIP))
        if not begin.startswith((_ZIP, _PICKLE)):
            raise damaged(file)
        content = tensor_archive.read(file)
    except FileNotFoundError:
        raise absent(file) from None
    except (UnknownArchiveError, OSError):
        from dfd.models import model_file

        return model_file.load(path)
    return model_of(path, content, StoredTensor)


def weights_file(path: Path) -> Path:
    """The file that holds the weights of a bundle folder, or ``path`` itself."""
    return path / SHIPPED_WEIGHTS if path.is_dir() else path


def absent(file: Path) -> BundleError:
    """The error where there is no such file."""
    return BundleError(
        f"{file} does not exist; give a shipped model's name or a file written by training."
    )


def damaged(path: Path, what: str = DAMAGED) -> BundleError:
    """The error where a file holds no model."""
    return BundleError(f"{path} {what}; {_REMEDY}.")


def model_of(path: Path, content: Any, tensor: type) -> Model:  # noqa: ANN401 - of a file
    """The model that a file holds.

    Args:
        path: bundle folder or file.
        content: what the file of the weights holds.
        tensor: type of the weights in it.

    Raises:
        BundleError: it holds something else.
        CalibrationError: the calibration belongs to other weights.
    """
    folder = path if path.is_dir() else None
    if isinstance(content, Mapping) and content.get("format") == FORMAT:
        model = _unpacked(path, content, tensor)
    elif _is_state_dict(content, tensor):
        beside = path / SHIPPED_CALIBRATION if folder else path.parent / SHIPPED_CALIBRATION.name
        calibration = _read_calibration(beside)
        name = (calibration or {}).get("bundle", folder.name if folder else "")
        model = Model(path, content, str(name), calibration)
    else:
        raise damaged(path, "is not a model of this program")
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


def _is_state_dict(content: object, tensor: type) -> bool:
    entries = content.items() if isinstance(content, Mapping) else ()
    return bool(entries) and all(
        isinstance(name, str) and isinstance(value, tensor) for name, value in entries
    )


def _unpacked(path: Path, content: Mapping[str, Any], tensor: type) -> Model:
    """The opposite of ``dfd.models.model_file.packed``."""
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
        raise damaged(path) from None
    plain = (
        isinstance(model.bundle, str)
        and isinstance(calibration, dict | None)
        and isinstance(model.training, dict)
    )
    if not (plain and _is_state_dict(model.weights, tensor)):
        raise damaged(path)
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
