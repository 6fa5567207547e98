"""Edits that pass through a coarser code: transform coding of blocks, fewer grey levels."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.fft import dctn, idctn

from dfd.alterations.material import Material, between, grain
from dfd.records import FloatImage

SIDE = 8
"""Of a block, in pixels (JPEG, ITU-T T.81, section A.3.1)."""


def in_blocks(pixels: FloatImage, step: float) -> FloatImage:
    """Blocks of cosines, each in whole steps that grow with its frequency, as JPEG does.

    As they are where ``step`` is 0.
    """
    if step <= 0:
        return pixels
    rows, columns = (-(-side // SIDE) * SIDE for side in pixels.shape)
    padded = np.pad(
        pixels, ((0, rows - pixels.shape[0]), (0, columns - pixels.shape[1])), mode="edge"
    )
    blocks = padded.reshape(rows // SIDE, SIDE, columns // SIDE, SIDE)
    waves = np.add.outer(np.arange(SIDE), np.arange(SIDE)) / SIDE
    steps = (step * (1.0 + 2.0 * waves)).astype(pixels.dtype)[None, :, None, :]
    codes = np.rint(dctn(blocks, axes=(1, 3), norm="ortho") / steps)
    back = idctn(codes * steps, axes=(1, 3), norm="ortho").reshape(rows, columns)
    return np.asarray(back[: pixels.shape[0], : pixels.shape[1]], dtype=np.float32)


def reencoded(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Lossy compression, on a grid of blocks that lies anywhere."""
    down, right = rng.integers(0, SIDE, 2)
    shifted = np.roll(material.pixels, (down, right), axis=(0, 1))
    coded = in_blocks(shifted, grain(material.pixels, share) * between(rng, 0.7, 5.0))
    return np.roll(coded, (-down, -right), axis=(0, 1))


def posterised(material: Material, share: FloatImage, rng: Generator) -> FloatImage:
    """Fewer grey levels, as after a picture of 8 bits."""
    step = grain(material.pixels, share) * between(rng, 0.7, 4.0)
    offset = rng.random()
    return np.asarray((np.rint(material.pixels / step + offset) - offset) * step, dtype=np.float32)
