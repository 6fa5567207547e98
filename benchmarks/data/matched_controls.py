"""Where edits go, and which genuine places are their controls.

Far apart, and alike in what a detector of content alone could see.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_gradient_magnitude

from dfd.intensity import MAD_TO_SD
from dfd.prediction.masks import disk
from dfd.records import BoolImage, FloatImage

APART = 4.0
"""Radii between the centres of two edits of one slice."""
CLEAR = 2.2
"""Radii between any two places, edited or genuine, so that they share no pixel."""
WHOLE = 0.95
"""Share of a place that must hold measurements: an edit of air proves nothing."""
EDGE = 2.0
"""A pixel is an edge where the slope of the slice, smoothed by one pixel, exceeds this many noise
scales per pixel."""

Centres = NDArray[np.int64]
Indices = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def whole(centres: Centres, measured: BoolImage, radius: float) -> NDArray[np.bool_]:
    """``[n]``: whether at least ``WHOLE`` of the disk at each centre (x, y) is measured."""
    shares = [
        measured[disk(measured.shape[0], measured.shape[1], (float(x), float(y)), radius)].mean()
        for x, y in centres
    ]
    return np.asarray(shares) >= WHOLE


def groups(
    centres: Centres,
    covariates: FloatArray,
    radius: float,
    counts: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[Indices, Indices]:
    """Indices of the places to edit ``[g]`` and of their genuine controls ``[g, controls]``.

    A group is a random place and those most alike to it; which of its members is edited is drawn
    afterwards, so that without an edit the two sides are exchangeable (controls sought around given
    places would always be the more ordinary ones). No two places share a pixel, and edits lie
    ``APART`` radii from each other.

    Args:
        centres: ``[n, 2]`` (x, y) of all places.
        covariates: ``[n, c]`` of all places; each counts in units of its own robust spread over the
            slice.
        radius: of a place, in pixels.
        counts: how many groups at most, and how many controls in each.
        rng: generator.
    """
    number, controls = counts
    width = np.maximum(
        MAD_TO_SD * np.median(np.abs(covariates - np.median(covariates, axis=0)), axis=0), 1e-6
    )
    free = np.ones(len(centres), dtype=bool)
    edited: list[int] = []
    controls_of: list[list[int]] = []
    for seed in rng.permutation(len(centres)):
        if len(edited) == number:
            break
        similar = _most_similar(
            int(seed), centres, (covariates - covariates[seed]) / width, free, CLEAR * radius
        )
        members = list(islice(similar, controls + 1)) if free[seed] else []
        apart = [
            m
            for m in rng.permutation(members)
            if all(_distance(centres, int(m), other).item() >= APART * radius for other in edited)
        ]
        if len(members) <= controls or not apart:
            continue
        edited.append(int(apart[0]))
        controls_of.append([member for member in members if member != apart[0]])
        for member in members:
            free &= _distance(centres, member) >= CLEAR * radius
    return np.asarray(edited, dtype=np.int64), np.asarray(controls_of, dtype=np.int64).reshape(
        -1, controls
    )


def _distance(centres: Centres, index: int, other: int | None = None) -> FloatArray:
    steps = (centres if other is None else centres[[other]]) - centres[index]
    result: FloatArray = np.hypot(steps[:, 0], steps[:, 1]).astype(np.float64)
    return result


def _most_similar(
    seed: int, centres: Centres, away: FloatArray, free: NDArray[np.bool_], clear: float
) -> Iterator[int]:
    """``seed`` and the free places, the most similar first, each ``clear`` from those before it."""
    left = free.copy()
    for index in [seed, *np.argsort((away**2).sum(axis=1), kind="stable")]:
        if left[index]:
            yield int(index)
            left &= _distance(centres, int(index)) >= clear


def content(
    pixels: FloatImage, centre: tuple[float, float], radius: float, noise_scale: float
) -> tuple[float, float, float]:
    """What a detector that knows nothing of noise sees of a place.

    Mean, standard deviation, share of edge pixels; NaN where nothing is measured.
    """
    inside = disk(pixels.shape[0], pixels.shape[1], centre, radius) & np.isfinite(pixels)
    if not inside.any():
        return float("nan"), float("nan"), float("nan")
    rows, columns = np.nonzero(inside)
    room = 4
    window = tuple(
        slice(max(0, int(along.min()) - room), int(along.max()) + 1 + room)
        for along in (rows, columns)
    )
    crop, within = pixels[window], inside[window]
    whole_crop = np.where(np.isfinite(crop), crop, np.nanmean(crop)).astype(np.float64)
    edges = gaussian_gradient_magnitude(whole_crop, 1.0)[within] > EDGE * noise_scale
    return float(crop[within].mean()), float(crop[within].std()), float(edges.mean())
