"""Inpainting by a small diffusion model. Held out from tuning.

Sources: Ho et al., Denoising Diffusion Probabilistic Models, 2020, arXiv 2006.11239; velocity and
cosine schedule as in Salimans and Ho 2022, arXiv 2202.00512, section 4; sampling by Song et al.,
DDIM, 2021, arXiv 2010.02502, equation 12 without noise; before every step the surroundings are
replaced by the genuine ones at the noise level of that step (Lugmayr et al., RePaint, 2022, arXiv
2201.09865, equation 8). The network also sees the surroundings without noise, as Saharia et al.,
Palette, 2022, arXiv 2111.05826, since so small a model could not do without. For the same reason it
begins from the membrane through the edge of the region under some noise, not from noise alone (Meng
et al., SDEdit, 2022, arXiv 2108.01073).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

from benchmarks.attacks import checkpoints, networks
from benchmarks.attacks.canvas import FEATHER_PX, Canvas, blended
from benchmarks.attacks.classical import membrane
from benchmarks.attacks.crops import looked_at
from dfd.records import BoolImage, FloatImage

NETWORK = "diffusion"
STEPS = 25
BEGIN = 0.08
"""Time of the first step: image and noise have the shares 0.99 and 0.13 then; from more noise this
small model leaves blotches."""
POWER = 1.5
"""Times are powers of an even grid: grain is a small part of the contrast and is made in the last
steps."""


def levels(time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Shares of image and noise at ``time`` in [0, 1]."""
    return torch.cos(0.5 * torch.pi * time), torch.sin(0.5 * torch.pi * time)


def velocity(
    network: torch.nn.Module,
    noisy: torch.Tensor,
    outside: torch.Tensor,
    hole: torch.Tensor,
    time: torch.Tensor,
) -> torch.Tensor:
    """``[B, 1, H, W]``: what the network says of ``noisy``.

    ``outside`` is zero in the ``hole``, ``time`` is ``[B, 1, 1, 1]``.
    """
    result: torch.Tensor = network(torch.cat([noisy, outside, hole, time.expand_as(noisy)], dim=1))
    return result


def sampled(
    network: torch.nn.Module, outside: torch.Tensor, hole: torch.Tensor, rng: np.random.Generator
) -> torch.Tensor:
    """``[1, 1, H, W]``.

    ``outside``, in whose ``hole`` stands a first guess, with the hole drawn from the model.
    """
    noises = [
        torch.from_numpy(rng.normal(size=tuple(outside.shape)).astype(np.float32)) for _ in range(2)
    ]
    times = BEGIN * torch.linspace(1.0, 0.0, STEPS + 1) ** POWER
    of_image, of_noise = levels(times[0])
    noisy = of_image * outside + of_noise * noises[0]
    outside = (1 - hole) * outside
    image = outside
    for now, then in pairwise(times):
        (image_now, noise_now), (image_then, noise_then) = levels(now), levels(then)
        noisy = hole * noisy + (1 - hole) * (image_now * outside + noise_now * noises[1])
        speed = velocity(network, noisy, outside, hole, now.reshape(1, 1, 1, 1))
        image, noise = image_now * noisy - noise_now * speed, noise_now * noisy + image_now * speed
        noisy = image_then * image + noise_then * noise
    return hole * image + (1 - hole) * outside


def filled(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """The region drawn anew from its surroundings, faded in.

    Raises:
        UsageError: there is no network, or it was trained on this patient.
    """
    network = checkpoints.restored(networks.denoiser(), NETWORK, canvas)
    window, image, hole, unit = looked_at(canvas, mask)
    level = np.float32(image[hole == 0].mean())
    with torch.inference_mode():
        outside, gap = (
            torch.from_numpy(array)[None, None]
            for array in (membrane(image - level, hole > 0), hole)
        )
        sample = sampled(network, outside, gap, rng)[0, 0].numpy() + level
    return blended(canvas.pixels, window.put(canvas.pixels, sample * unit), mask, FEATHER_PX)
