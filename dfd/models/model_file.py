"""One file that carries weights, calibration and the bundle's name.

And the shipped pair ``model.pt`` + ``calibration.json``.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from dfd.errors import BundleError
from dfd.models.model import DAMAGED, absent, damaged, model_of, weights_file
from dfd.models.model import FORMAT as FORMAT
from dfd.models.model import SHIPPED_CALIBRATION as SHIPPED_CALIBRATION
from dfd.models.model import SHIPPED_WEIGHTS as SHIPPED_WEIGHTS
from dfd.models.model import Model as Model
from dfd.models.model import bundle_version as bundle_version
from dfd.models.model import weights_digest as weights_digest

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


def load(path: str | Path) -> Model:
    """Reads a bundle folder, a ``.ckpt`` of training, or a bare state dict.

    Raises:
        BundleError: absent, damaged, or a pickle that holds anything but weights.
        CalibrationError: the calibration belongs to other weights.
    """
    path = Path(path)
    return model_of(path, _read(weights_file(path)), torch.Tensor)


def _read(path: Path) -> Any:  # noqa: ANN401 - whatever was saved
    try:
        with warnings.catch_warnings():
            # Advice on pickle protocols is for the authors of the file.
            warnings.simplefilter("ignore", UserWarning)
            # weights_only: what is not tensors and plain containers is refused, never run.
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise absent(path) from None
    except DAMAGE as error:
        is_code = isinstance(error, pickle.UnpicklingError)
        what = "holds more than weights and was not opened" if is_code else DAMAGED
        raise damaged(path, what) from None


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
