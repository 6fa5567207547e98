"""What an engine does with a batch of this program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

CROP_KEYS = ("image", "label")


def stacked(crops: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Collates training crops to arrays ``[B, 2, S, S]``.

    Arrays and not tensors: what a reader process hands over goes through a pipe then and not through shared memory, of which containers have
    64 MB, too little for eight of them.
    """
    return {key: np.stack([np.asarray(crop[key]) for crop in crops]) for key in CROP_KEYS}


def prepare_batch(
    batch: Mapping[str, Any], device: torch.device | None = None, non_blocking: bool = False, **_: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Batch of training crops -> network input and label, both ``[B, 2, S, S]``."""
    image, label = (torch.as_tensor(batch[key]).to(device, non_blocking=non_blocking) for key in CROP_KEYS)
    return image, label


def prediction_and_label(output: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Engine output -> what the validation metric compares."""
    return output["pred"], output["label"]
