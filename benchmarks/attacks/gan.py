"""Inpainting of one slice by a conditional GAN.

Source: Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, 2017, arXiv
1611.07004.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.attacks import checkpoints, networks
from benchmarks.attacks.canvas import FEATHER_PX, Canvas, blended
from benchmarks.attacks.crops import looked_at
from dfd.records import BoolImage, FloatImage

NETWORK = "gan"


def filled(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """The region painted from its surroundings, faded in.

    Raises:
        UsageError: there is no network, or it was trained on this patient.
    """
    network = checkpoints.restored(networks.painter(2), NETWORK, canvas)
    window, image, hole, unit = looked_at(canvas, mask)
    noise = rng.normal(size=image.shape).astype(np.float32)
    with torch.inference_mode():
        inputs = np.stack([image * (1 - hole), hole, noise, np.zeros_like(image)])
        painted = network(torch.from_numpy(inputs)[None])[0, 0].numpy()
    return blended(canvas.pixels, window.put(canvas.pixels, painted * unit), mask, FEATHER_PX)
