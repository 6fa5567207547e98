"""What an engine does with a batch of this program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


def prepare_batch(
    batch: Mapping[str, Any], device: torch.device | None = None, non_blocking: bool = False, **_: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Batch of training crops -> network input and label, both ``[B, 2, S, S]``."""
    return batch["image"].to(device, non_blocking=non_blocking), batch["label"].to(device, non_blocking=non_blocking)


def prediction_and_label(output: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Engine output -> what the validation metric compares."""
    return output["pred"], output["label"]
