"""The round trip through an autoencoder.

What every latent-diffusion editor does to the pixels it writes, even where it changes no content.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.attacks import checkpoints, networks
from benchmarks.attacks.canvas import FEATHER_PX, Canvas, blended
from benchmarks.attacks.crops import looked_at
from dfd.records import BoolImage, FloatImage

NETWORK = "autoencoder"


def round_trip(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """The region replaced by its own decoded code, faded in.

    Raises:
        UsageError: there is no network, or it was trained on this patient.
    """
    network = checkpoints.restored(networks.autoencoder(), NETWORK, canvas)
    window, image, _, unit = looked_at(canvas, mask)
    with torch.inference_mode():
        decoded = network.reconstruct(torch.from_numpy(image)[None, None])[0, 0].numpy()
    return blended(canvas.pixels, window.put(canvas.pixels, decoded * unit), mask, FEATHER_PX)
