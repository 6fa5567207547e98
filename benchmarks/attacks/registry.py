"""Every forger of the benchmark with what it stands for, what it needs.

And whether it is kept from the eyes of whoever tunes.

A family either edits a given mask (``forge``) or, as attackers do who want a lesion in a place of
their choice, edits around a centre by a size of its own (``forge_at``, with ``sites`` proposing
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
from benchmarks.attacks.canvas import Canvas, Centre, Forger, SiteForger, untouched
from dfd.records import FloatImage, Form

ADVERSARIAL, COPY_MOVE, AI_EDIT = Form.ADVERSARIAL_NOISE, Form.COPY_MOVE, Form.AI_EDIT
"""The three forms that a score names."""
NOTHING = "nothing"
"""Places that are looked at as they are."""

SiteFinder: TypeAlias = Callable[[Canvas, int, np.random.Generator], NDArray[np.int64]]
"""Proposes at most so many centres, ``[n, 2]`` (x, y)."""


@dataclass(frozen=True)
class Family:
    """One forger."""

    form: str
    forge: Forger | None = None
    forge_at: SiteForger | None = None
    sites: SiteFinder | None = None
    held_out: bool = False
    """No choice may be made by its detection numbers; they are looked at once, at the end."""
    network: str = ""
    """The network that it needs, as ``benchmarks.attacks.training.train --train`` calls it; empty
    where it needs none."""
    needs_stack: bool = False
    """Whether the canvas must hold the neighbouring slices and their spacing."""
    modalities: tuple[str, ...] = ("ct_lung", "mri_chest")


def _ct_gan(kind: str, copied_noise: bool) -> Family:
    return Family(
        AI_EDIT,
        forge_at=partial(ct_gan.forged, edit=ct_gan.Edit(kind, copied_noise)),
        sites={"injection": nodules.injection_sites, "removal": nodules.removal_sites}[kind],
        held_out=True,
        network=ct_gan.NETWORKS[kind],
        needs_stack=True,
        modalities=("ct_lung",),
    )


def _attack(forge: Forger) -> Family:
    return Family(ADVERSARIAL, forge, network=adversarial.NETWORK)


def _as_it_is(canvas: Canvas, centre: Centre, rng: np.random.Generator) -> FloatImage:
    return canvas.pixels


UNTOUCHED: dict[str, Family] = {
    "null edit (must be 0.5)": Family(NOTHING, untouched),
    "lesion-like place, untouched (must be 0.5)": Family(
        NOTHING, forge_at=_as_it_is, sites=nodules.removal_sites, modalities=("ct_lung",)
    ),
    "parenchyma, untouched (must be 0.5)": Family(
        NOTHING, forge_at=_as_it_is, sites=nodules.injection_sites, modalities=("ct_lung",)
    ),
}
"""What must not be told from other genuine places, by name."""

FAMILIES: dict[str, Family] = {
    "white noise 0.3 x residual": Family(ADVERSARIAL, partial(noise.white, strength=0.3)),
    "white noise 0.6 x residual": Family(ADVERSARIAL, partial(noise.white, strength=0.6)),
    "white noise 1.0 x residual": Family(ADVERSARIAL, partial(noise.white, strength=1.0)),
    "smooth noise 1.0 x residual, sigma 2 px": Family(
        ADVERSARIAL, partial(noise.smooth, strength=1.0)
    ),
    "FGSM 0.3 x residual": _attack(partial(adversarial.fgsm, strength=0.3)),
    "FGSM 0.6 x residual": _attack(partial(adversarial.fgsm, strength=0.6)),
    "FGSM 1.0 x residual": _attack(partial(adversarial.fgsm, strength=1.0)),
    "PGD 0.3 x residual": _attack(partial(adversarial.pgd, strength=0.3)),
    "PGD 0.6 x residual": _attack(partial(adversarial.pgd, strength=0.6)),
    "PGD 1.0 x residual": _attack(partial(adversarial.pgd, strength=1.0)),
    "smooth attack 1.0 x residual, sigma 2 px": _attack(partial(adversarial.smooth, strength=1.0)),
    **{name: Family(COPY_MOVE, forge) for name, forge in copy_move.COPY_MOVES.items()},
    copy_move.ACROSS: Family(COPY_MOVE, copy_move.across, needs_stack=True),
    "CT-GAN injection": _ct_gan("injection", copied_noise=False),
    "CT-GAN injection + copied noise": _ct_gan("injection", copied_noise=True),
    "CT-GAN removal": _ct_gan("removal", copied_noise=False),
    "CT-GAN removal + copied noise": _ct_gan("removal", copied_noise=True),
    "diffusion inpainting": Family(
        AI_EDIT, diffusion.filled, held_out=True, network=diffusion.NETWORK
    ),
    "autoencoder round trip": Family(AI_EDIT, autoencoder.round_trip, network=autoencoder.NETWORK),
    "GAN inpainting": Family(AI_EDIT, gan.filled, network=gan.NETWORK),
    "GAN inpainting + spectrum-matched noise": Family(
        AI_EDIT, partial(renoise.renoised, fill=gan.filled), network=gan.NETWORK
    ),
    "mean fill, feathered": Family(AI_EDIT, fill.filled),
    "mean fill + white noise 1.0 x residual": Family(AI_EDIT, partial(fill.filled, strength=1.0)),
    "mean fill + spectrum-matched noise": Family(
        AI_EDIT, partial(renoise.renoised, fill=fill.filled)
    ),
    "harmonic fill": Family(AI_EDIT, classical.harmonic),
    "harmonic fill + spectrum-matched noise": Family(
        AI_EDIT, partial(renoise.renoised, fill=classical.harmonic)
    ),
    "exemplar quilting": Family(AI_EDIT, classical.quilted),
    "non-local means": Family(AI_EDIT, classical.denoised),
    "non-local means + spectrum-matched noise": Family(
        AI_EDIT, partial(renoise.renoised, fill=classical.denoised)
    ),
    "blur, sigma 0.8 px": Family(AI_EDIT, filtering.blurred),
    "resampling round trip 0.75": Family(AI_EDIT, filtering.resampled),
}
"""What the benchmark tries, by name."""
