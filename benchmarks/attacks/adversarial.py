"""Adversarial noise.

Perturbations that turn the verdict of a small classifier, inside the mask only.

Sources: Goodfellow et al. 2015, arXiv 1412.6572 (FGSM, section 4); Madry et al. 2018, arXiv
1706.06083 (PGD, section 2.1). The smooth attack follows the low-passed gradient, which no test for
white noise sees.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.attacks import checkpoints, networks
from benchmarks.attacks.canvas import Canvas, paste, residual_scale
from benchmarks.attacks.crops import Window, looked_at
from dfd.records import BoolImage, FloatImage

NETWORK = "classifier"
PGD_STEPS, PGD_RATE = 10, 0.25
"""Steps, and the length of each in bounds."""
SMOOTH_PX = 2.0
SEEN = (-2.0, 1.0)
"""What the classifier sees of the units of ``crops.shown``: the lung window of CT, and all but the
brightest vessels of MR."""


def fgsm(
    canvas: Canvas, mask: BoolImage, rng: np.random.Generator, *, strength: float
) -> FloatImage:
    """One step along the sign of the gradient, of ``strength`` times the local residual.

    Raises as ``pgd``.
    """
    attack = _Attack(canvas, mask)
    return attack.done(np.sign(attack.gradient(np.zeros_like(attack.image))), strength)


def pgd(
    canvas: Canvas, mask: BoolImage, rng: np.random.Generator, *, strength: float
) -> FloatImage:
    """Several steps from a random start, bounded in each pixel.

    Brought to ``strength`` times the local residual in root mean square.

    Raises:
        UsageError: there is no classifier, or it was trained on this patient.
    """
    attack = _Attack(canvas, mask)
    bound = strength * residual_scale(canvas, mask) / attack.unit
    added = rng.uniform(-bound, bound, attack.image.shape).astype(np.float32)
    for _ in range(PGD_STEPS):
        added = np.clip(added + PGD_RATE * bound * np.sign(attack.gradient(added)), -bound, bound)
    return attack.done(added, strength)


def smooth(
    canvas: Canvas, mask: BoolImage, rng: np.random.Generator, *, strength: float
) -> FloatImage:
    """One step along the gradient blurred by ``SMOOTH_PX``.

    Its root mean square is ``strength`` times the local residual. Raises as ``pgd``.
    """
    attack = _Attack(canvas, mask)
    return attack.done(
        np.asarray(
            gaussian_filter(attack.gradient(np.zeros_like(attack.image)), SMOOTH_PX),
            dtype=np.float32,
        ),
        strength,
    )


class _Attack:
    """A slice, its region and the classifier that is to be led astray."""

    def __init__(self, canvas: Canvas, mask: BoolImage) -> None:
        self.network = checkpoints.restored(networks.classifier(), NETWORK, canvas).requires_grad_(
            False
        )
        self.canvas, self.region = canvas, mask
        self.window: Window
        self.window, self.image, self.mask, self.unit = looked_at(canvas, mask)
        with torch.inference_mode():
            self.verdict = float(self._odds(torch.from_numpy(self.image)) > 0)

    def _odds(self, image: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.network(image.clamp(*SEEN)[None, None])[0, 0]
        return result

    def gradient(self, added: FloatImage) -> FloatImage:
        """Gradient ``[side, side]`` away from the verdict on the untouched slice; 0 outside."""
        image = torch.from_numpy(self.image + self.mask * added).requires_grad_()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            self._odds(image), torch.tensor(self.verdict)
        )
        loss.backward()
        return np.asarray(image.grad.numpy() * self.mask, dtype=np.float32)

    def done(self, added: FloatImage, strength: float) -> FloatImage:
        """The slice with ``added`` brought to ``strength`` times the local residual."""
        inside = self.mask > 0
        size = float(np.sqrt(np.mean(added[inside].astype(np.float64) ** 2)))
        factor = strength * residual_scale(self.canvas, self.region) / size if size > 0 else 0.0
        full = self.window.put(
            np.zeros_like(self.canvas.pixels), (added * factor).astype(np.float32)
        )
        return paste(
            self.canvas.pixels, (self.canvas.pixels + full).astype(np.float32), self.region
        )
