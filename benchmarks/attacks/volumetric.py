"""Edits in three dimensions: a ball of a stack is changed in every slice that it reaches.

Each takes the canvas of every slice of the ball, with the disk in which the ball cuts it, so that
the edits of single slices (``benchmarks.attacks.registry``) serve in a volume too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from benchmarks.attacks import copy_move, ct_gan, diffusion, nodules, noise
from benchmarks.attacks.canvas import FEATHER_PX, Canvas, Centre, blended
from benchmarks.attacks.cubes import Stack
from dfd.prediction.masks import disk
from dfd.records import BoolImage, FloatImage, Form

SMALLEST_PX = 3.0
"""Radius below which a disk at the ends of a ball is left as it is."""


@dataclass(frozen=True)
class Ball:
    """Where a stack is edited."""

    slice: int
    centre: Centre
    """(x, y) in pixels."""
    radius_mm: float

    def disks(
        self, shape: tuple[int, ...], spacing_mm: tuple[float, float, float]
    ) -> dict[int, BoolImage]:
        """``[H, W]`` of each slice of ``shape`` (slices, rows, columns) that the ball reaches."""
        found = {}
        for number in range(shape[0]):
            away = abs(number - self.slice) * spacing_mm[0]
            radius = np.sqrt(max(0.0, self.radius_mm**2 - away**2)) / spacing_mm[1]
            if radius >= SMALLEST_PX:
                found[number] = disk(shape[1], shape[2], self.centre, float(radius))
        return found


StackEdit: TypeAlias = Callable[[Sequence[Canvas], Ball, np.random.Generator], Stack]
"""``[S, H, W]`` from the canvas of each slice of a stack."""


def edited(
    canvases: Sequence[Canvas],
    ball: Ball,
    rng: np.random.Generator,
    *,
    edit: Callable[[Canvas, BoolImage, np.random.Generator], FloatImage],
) -> Stack:
    """Every disk of the ball by an edit of single slices, each with a draw of its own."""
    result = np.stack([canvas.pixels for canvas in canvases])
    for number, mask in ball.disks(result.shape, _spacing(canvases)).items():
        result[number] = edit(canvases[number], mask, rng)
    return result


def copied(canvases: Sequence[Canvas], ball: Ball, rng: np.random.Generator) -> Stack:
    """The ball covered with another place of the same slices, the same for all, faded in."""
    stack = np.stack([canvas.pixels for canvas in canvases])
    disks = ball.disks(stack.shape, _spacing(canvases))
    widest = max(disks.values(), key=np.count_nonzero, default=None)
    shift = None if widest is None else copy_move.source_shift(stack[ball.slice], widest, rng)
    if shift is None:
        return stack
    result = stack.copy()
    for number, mask in disks.items():
        source = np.roll(stack[number], (-shift[0], -shift[1]), axis=(0, 1))
        result[number] = blended(stack[number], source, mask, FEATHER_PX)
    return result


def ct_gan_cube(
    canvases: Sequence[Canvas], ball: Ball, rng: np.random.Generator, *, edit: ct_gan.Edit
) -> Stack:
    """The cube of CT-GAN around the centre of the ball, whatever the size of the ball."""
    return ct_gan.edit_stack(canvases[ball.slice], ball.centre, rng, edit=edit)


def _spacing(canvases: Sequence[Canvas]) -> tuple[float, float, float]:
    return canvases[0].spacing_mm or (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class StackAttack:
    """One way of editing a stack."""

    form: str
    edit: StackEdit
    sites: Callable[[Canvas, int, np.random.Generator], np.ndarray] | None = None
    """Proposes centres in a slice, ``[n, 2]`` (x, y); None: any place that can be assessed."""
    network: str = ""
    """As in ``benchmarks.attacks.registry``."""
    modalities: tuple[str, ...] = ("ct_lung", "mri_chest")


def _cube(kind: str, copied_noise: bool) -> StackAttack:
    return StackAttack(
        Form.AI_EDIT,
        partial(ct_gan_cube, edit=ct_gan.Edit(kind, copied_noise)),
        {"injection": nodules.injection_sites, "removal": nodules.removal_sites}[kind],
        ct_gan.NETWORKS[kind],
        ("ct_lung",),
    )


STACK_ATTACKS: dict[str, StackAttack] = {
    "CT-GAN injection": _cube("injection", copied_noise=False),
    "CT-GAN injection + copied noise": _cube("injection", copied_noise=True),
    "CT-GAN removal": _cube("removal", copied_noise=False),
    "CT-GAN removal + copied noise": _cube("removal", copied_noise=True),
    "diffusion inpainting": StackAttack(
        Form.AI_EDIT, partial(edited, edit=diffusion.filled), network=diffusion.NETWORK
    ),
    "copy of a place of the same slices": StackAttack(Form.COPY_MOVE, copied),
    "white noise 0.6 x residual": StackAttack(
        Form.ADVERSARIAL_NOISE, partial(edited, edit=partial(noise.white, strength=0.6))
    ),
}
"""What the benchmark of series tries, by name."""
