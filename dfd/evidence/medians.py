"""Medians as NumPy takes them: the mean of the two in the middle where their number is even."""

from __future__ import annotations

import numpy as np
import torch


def median_of_first(values: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """``[...]``: median over the last axis of ``values`` ``[..., k]`` but for those that are inf.

    ``count``: how many are not inf, broadcast to ``[...]``; where it is 0 the answer means nothing.
    """
    ordered = in_order(values)
    count = count.expand(values.shape[:-1])[..., None].clamp(min=1)
    low, high = (
        ordered.gather(-1, place)[..., 0]
        for place in (torch.div(count - 1, 2, rounding_mode="floor"), count // 2)
    )
    return (low + high) / 2.0


def median(values: torch.Tensor) -> torch.Tensor:
    """``[...]``: median over the last axis of ``values`` ``[..., k]``; NaN where k is 0."""
    size = values.shape[-1]
    if not size:
        return values.new_full(values.shape[:-1], torch.nan)
    ordered = in_order(values)
    return (ordered[..., (size - 1) // 2] + ordered[..., size // 2]) / 2.0


def in_order(values: torch.Tensor) -> torch.Tensor:
    """``values`` sorted along the last axis."""
    if values.device.type == "cpu":  # NumPy sorts several times as fast there
        return torch.from_numpy(np.sort(values.numpy(), axis=-1))
    return values.sort(dim=-1).values
