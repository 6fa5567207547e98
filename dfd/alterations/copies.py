"""Copies of another place of the same slice, for the learned statistic to know them by."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from dfd.alterations.material import between
from dfd.records import FloatImage

AS_IT_IS_SHARE, MIRRORED_SHARE, LEVELLED_SHARE = 0.4, 0.4, 0.5
"""How often a copy is neither turned nor resized, is mirrored, and takes the brightness of its new
surroundings."""
SIZES = (0.8, 1.25)
GROUND_PX = 8.0
"""What counts as brightness of the surroundings: what a blur of this width leaves."""


def drawn_transform(rng: Generator, *, turned: bool = True) -> NDArray[np.float64]:
    """``[2, 2]``: leads from (row, column) steps in a copy to steps in its source.

    As it is, or turned by any angle and resized where it may be ``turned``; mirrored or not.
    """
    matrix = np.eye(2)
    if rng.random() >= AS_IT_IS_SHARE and turned:
        angle, scale = rng.uniform(-np.pi, np.pi), between(rng, *SIZES)
        cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
        matrix = np.array([[cosine, -sine], [sine, cosine]])
    return matrix @ np.diag([1.0, -1.0]) if rng.random() < MIRRORED_SHARE else matrix


def copied(
    image: FloatImage,
    ends: tuple[tuple[float, float], tuple[float, float]],
    size: int,
    matrix: NDArray[np.float64],
    rng: Generator,
) -> FloatImage:
    """``[size, size]``: what stands around a source, as it would be pasted around a target.

    ``ends``: (row, column) of source and target in ``image`` ``[H, W]``, whole pixels; at a place
    in the middle of the result. ``matrix``: of ``drawn_transform``.
    """
    source, target = ends
    middle = np.array([size // 2, size // 2])
    exact = np.array_equal(np.abs(matrix), np.eye(2))
    put = affine_transform(
        image,
        matrix,
        offset=np.asarray(source) - matrix @ middle,
        output_shape=(size, size),
        order=0 if exact else 3,
        mode="nearest",
    )
    if rng.random() < LEVELLED_SHARE:
        there = affine_transform(
            image,
            np.eye(2),
            offset=np.asarray(target) - middle,
            output_shape=(size, size),
            order=0,
            mode="nearest",
        )
        put = put - gaussian_filter(put, GROUND_PX) + gaussian_filter(there, GROUND_PX)
    return np.asarray(put, dtype=np.float32)
