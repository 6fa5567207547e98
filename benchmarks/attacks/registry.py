"""The table of attacks: what each stands for, what it needs, and whether it is held out.

An attack either edits a given mask (``edit``) or, as attackers do who want a lesion in a place of
their choice, edits around a centre by a size of its own (``edit_at``, with ``sites`` proposing
centres); then what it edited is where the result differs from the slice. New ones: one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacks import (
    adversarial,
    autoencoder,
    classical,
    copy_move,
    ct_gan,
    diffusion,
    fill,
    filtering,
    gan,
    nodules,
    noise,
    renoise,
)
from benchmarks.attacks.canvas import Canvas, Centre, MaskEdit, SiteEdit, untouched
from dfd.records import FloatImage, Form

ADVERSARIAL, COPY_MOVE, AI_EDIT = Form.ADVERSARIAL_NOISE, Form.COPY_MOVE, Form.AI_EDIT
"""The three forms that a score names."""
NOTHING = "nothing"
"""Places that are looked at as they are."""

FindSites: TypeAlias = Callable[[Canvas, int, np.random.Generator], NDArray[np.int64]]
"""Proposes at most so many centres, ``[n, 2]`` (x, y)."""


@dataclass(frozen=True)
class Attack:
    """One attack."""

    form: str
    edit: MaskEdit | None = None
    edit_at: SiteEdit | None = None
    sites: FindSites | None = None
    held_out: bool = False
    """No choice may be made by its detection numbers; they are looked at once, at the end."""
    network: str = ""
    """The network that it needs, as ``benchmarks.attacks.training.train --train`` calls it; empty
    where it needs none."""
    needs_stack: bool = False
    """Whether the canvas must hold the neighbouring slices and their spacing."""
    modalities: tuple[str, ...] = ("ct_lung", "mri_chest")


def _ct_gan(kind: str, copied_noise: bool) -> Attack:
    return Attack(
        AI_EDIT,
        edit_at=partial(ct_gan.edit_slice, edit=ct_gan.Edit(kind, copied_noise)),
        sites={"injection": nodules.injection_sites, "removal": nodules.removal_sites}[kind],
        held_out=True,
        network=ct_gan.NETWORKS[kind],
        needs_stack=True,
        modalities=("ct_lung",),
    )


def _adversarial(edit: MaskEdit) -> Attack:
    return Attack(ADVERSARIAL, edit, network=adversarial.NETWORK)


def _as_it_is(canvas: Canvas, centre: Centre, rng: np.random.Generator) -> FloatImage:
    return canvas.pixels


UNTOUCHED: dict[str, Attack] = {
    "null edit (must be 0.5)": Attack(NOTHING, untouched),
    "lesion-like place, untouched (must be 0.5)": Attack(
        NOTHING, edit_at=_as_it_is, sites=nodules.removal_sites, modalities=("ct_lung",)
    ),
    "parenchyma, untouched (must be 0.5)": Attack(
        NOTHING, edit_at=_as_it_is, sites=nodules.injection_sites, modalities=("ct_lung",)
    ),
}
"""Places that a detector must not distinguish from other genuine places, by name."""

ATTACKS: dict[str, Attack] = {
    "white noise 0.3 x residual": Attack(ADVERSARIAL, partial(noise.white, strength=0.3)),
    "white noise 0.6 x residual": Attack(ADVERSARIAL, partial(noise.white, strength=0.6)),
    "white noise 1.0 x residual": Attack(ADVERSARIAL, partial(noise.white, strength=1.0)),
    "smooth noise 1.0 x residual, sigma 2 px": Attack(
        ADVERSARIAL, partial(noise.smooth, strength=1.0)
    ),
    "FGSM 0.3 x residual": _adversarial(partial(adversarial.fgsm, strength=0.3)),
    "FGSM 0.6 x residual": _adversarial(partial(adversarial.fgsm, strength=0.6)),
    "FGSM 1.0 x residual": _adversarial(partial(adversarial.fgsm, strength=1.0)),
    "PGD 0.3 x residual": _adversarial(partial(adversarial.pgd, strength=0.3)),
    "PGD 0.6 x residual": _adversarial(partial(adversarial.pgd, strength=0.6)),
    "PGD 1.0 x residual": _adversarial(partial(adversarial.pgd, strength=1.0)),
    "smooth attack 1.0 x residual, sigma 2 px": _adversarial(
        partial(adversarial.smooth, strength=1.0)
    ),
    **{name: Attack(COPY_MOVE, edit) for name, edit in copy_move.COPY_MOVES.items()},
    copy_move.ACROSS: Attack(COPY_MOVE, copy_move.across, needs_stack=True),
    "CT-GAN injection": _ct_gan("injection", copied_noise=False),
    "CT-GAN injection + copied noise": _ct_gan("injection", copied_noise=True),
    "CT-GAN removal": _ct_gan("removal", copied_noise=False),
    "CT-GAN removal + copied noise": _ct_gan("removal", copied_noise=True),
    "diffusion inpainting": Attack(
        AI_EDIT, diffusion.filled, held_out=True, network=diffusion.NETWORK
    ),
    "autoencoder round trip": Attack(AI_EDIT, autoencoder.round_trip, network=autoencoder.NETWORK),
    "GAN inpainting": Attack(AI_EDIT, gan.filled, network=gan.NETWORK),
    "GAN inpainting + spectrum-matched noise": Attack(
        AI_EDIT, partial(renoise.renoised, fill=gan.filled), network=gan.NETWORK
    ),
    "mean fill, feathered": Attack(AI_EDIT, fill.filled),
    "mean fill + white noise 1.0 x residual": Attack(AI_EDIT, partial(fill.filled, strength=1.0)),
    "mean fill + spectrum-matched noise": Attack(
        AI_EDIT, partial(renoise.renoised, fill=fill.filled)
    ),
    "harmonic fill": Attack(AI_EDIT, classical.harmonic),
    "harmonic fill + spectrum-matched noise": Attack(
        AI_EDIT, partial(renoise.renoised, fill=classical.harmonic)
    ),
    "exemplar quilting": Attack(AI_EDIT, classical.quilted),
    "non-local means": Attack(AI_EDIT, classical.denoised),
    "non-local means + spectrum-matched noise": Attack(
        AI_EDIT, partial(renoise.renoised, fill=classical.denoised)
    ),
    "blur, sigma 0.8 px": Attack(AI_EDIT, filtering.blurred),
    "resampling round trip 0.75": Attack(AI_EDIT, filtering.resampled),
}
"""What the benchmark tries, by name."""
