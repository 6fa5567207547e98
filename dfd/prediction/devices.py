"""The device that a network runs on."""

from __future__ import annotations

import torch

from dfd.errors import BundleError

UNKNOWN_DEVICE = "there is no device {!r}; use auto, cpu, cuda or cuda:N."


def exact(device: torch.device) -> None:
    """Lets convolutions on ``device`` keep the digits that float32 has.

    CUDA rounds their inputs to 10 bits (TF32) unless it is asked not to; on an H100 the statistics
    then differ from those of a CPU by up to 0.28 of themselves, without it by 0.0002
    (``benchmarks.speed.gpu``). For the whole process.
    """
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False


def device_of(name: str) -> torch.device:
    """The device behind ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        BundleError: it is not there.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BundleError(UNKNOWN_DEVICE.format(name)) from None
    if device.type not in ("cpu", "cuda"):
        raise BundleError(UNKNOWN_DEVICE.format(name))
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BundleError(
            f"device {name!r} was asked for, but no CUDA device can be used here; use cpu or auto."
        )
    return device
