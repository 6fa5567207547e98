"""What the network expects of whole regions while they are hidden.

The material of the plainest AI edit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from dfd.bundle.training.crops import normalised
from dfd.prediction.predict import window_of
from dfd.records import BoolImage, FloatImage


def predict_hole(
    pixels: FloatImage,
    mask: BoolImage,
    network: Callable[[torch.Tensor], torch.Tensor],
    modality: str,
) -> FloatImage:
    """``[H, W]``: the predicted mean inside ``mask``, which is hidden as a whole in one pass.

    ``pixels`` elsewhere.
    """
    shown, measured, scale = normalised(pixels, modality)
    window = window_of(measured | mask)
    hidden = torch.from_numpy(np.ascontiguousarray(mask[window]))
    image = torch.from_numpy(np.ascontiguousarray(shown[window]))
    with torch.inference_mode():
        mean = (
            network(torch.stack([image.masked_fill(hidden, 0.0), hidden.float()])[None])[0, 0]
            .float()
            .numpy()
        )
    result = pixels.copy()
    result[window] = np.where(mask[window], mean * scale, pixels[window])
    return result.astype(np.float32)
