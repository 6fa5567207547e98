"""Inferers: the plain one in reduced precision for training.

And the lattice that predicts every pixel while it is hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from monai.inferers import Inferer, SimpleInferer

from dfd.evidence.together import Weigh
from dfd.modalities import MODALITIES
from dfd.prediction.predict import predict_slice
from dfd.records import Prediction


class AutocastInferer(SimpleInferer):
    """One pass; on a CPU with bfloat16 arithmetic in that precision (about twice as fast).

    On others and on CUDA as the trainer's own AMP decides.
    """

    def __init__(self, enabled: bool | None = None) -> None:
        super().__init__()
        self.enabled = bool(torch.cpu._is_avx512_bf16_supported()) if enabled is None else enabled

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        if inputs.device.type != "cpu" or not self.enabled:
            return network(inputs)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return network(inputs).float()


class LatticeInferer(Inferer):
    """Predicts every measured pixel of ``[B, 1, H, W]`` (HU or stored units.

    NaN = no measurement) while it is hidden.

    Returns ``[B, 7, H, W]``: mean and spread in the unit of the slice, z, 1 where a prediction was
    made, the noise scale of the slice, and the log-odds of added noise and of replaced content
    (five planes where the network has no head).
    """

    def __init__(self, modality: str = "ct_lung") -> None:
        super().__init__()
        self.modality = MODALITIES[modality]

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        return torch.stack(
            [as_tensor(predict_slice(image[0], network, self.modality)) for image in inputs]
        ).to(inputs.device)


def as_tensor(prediction: Prediction) -> torch.Tensor:
    """``[7, H, W]``: mean, spread, z, assessed, noise scale (one value, everywhere the same).

    Log-odds (absent where there are none).
    """
    scale = np.full_like(prediction.z, prediction.noise_scale)
    log_odds = () if prediction.log_odds is None else tuple(prediction.log_odds)
    planes = (
        prediction.mean,
        prediction.spread,
        prediction.z,
        prediction.assessed,
        scale,
        *log_odds,
    )
    return torch.stack([torch.from_numpy(plane).float() for plane in planes])


def as_prediction(planes: torch.Tensor, weigh: Weigh | None = None) -> Prediction:
    """The record behind ``as_tensor``; ``weigh``: the learned statistic of its network."""
    mean, spread, z, assessed, scale, *log_odds = (
        plane.cpu().numpy() for plane in torch.as_tensor(planes)
    )
    found = np.stack(log_odds) if log_odds else None
    return Prediction(
        mean=mean,
        spread=spread,
        z=z,
        assessed=assessed > 0.5,
        noise_scale=float(scale.flat[0]),
        log_odds=found,
        weigh=weigh,
    )
