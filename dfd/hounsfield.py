"""Whether the values of a CT slice can be Hounsfield units: where air and tissue lie.

The scale has two fixed points, air at -1000 and water at 0 HU, and a slice of a body shows soft
tissue and mostly air. A lost intercept, a wrong slope or a wrong sign moves them, and every number
measured afterwards is wrong. Small errors are not found: a shift of less than 150 HU, and of less
than about 400 HU where the body reaches the edge of the image. Values that are too low in contrast
to tell air from fat (slope 0.1 without an intercept) are not found either.

"Seen" below is in 378 slices of 60 patients, of scanners of four vendors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dfd.records import BoolImage, FloatImage

HIGHEST_HU = 32767.0
"""No scanner stores more: 16 bits with a sign; the extended scale for metal ends at 30710."""

AIR_HU = (-1100.0, -850.0)
"""Air around the body; seen as the median of a flat rim: -1024 to -962 HU."""
LUNG_HU = -600.0
"""Lung that holds air lies below."""
SOFT_HU = (-250.0, 300.0)
"""Fat, water, muscle, organs and most blood with contrast medium, with noise."""
DENSE_HU = -500.0
"""Above: everything but air, lung and foam."""

LEAST_DENSE = 0.01
"""Share of the measured pixels above ``DENSE_HU`` where a body is in view; seen: 0.09 at least."""
LEAST_SOFT = 0.3
"""Share of soft tissue among the pixels above ``DENSE_HU``; seen: 0.76 at least."""
METAL_HU = 1500.0
MOST_METAL = 0.15
"""Share of the measured pixels above ``METAL_HU``; seen: 0.006 at most, and a prosthesis in a
narrow field of view has more."""

LOWEST_HU = -1500.0
"""Below lies padding. It has one value, or a few; air that was shifted there has noise."""
PADDING_VALUES = 3
MOST_STRAY = 0.05
"""Share of the image below ``LOWEST_HU`` with other values than its few commonest: interpolation at
the edge of padding makes some."""

BIN_HU = 64.0
LEVEL_SHARE = 0.05
"""Share of the pixels within two bins that makes a level of the slice."""
TISSUE_ABOVE_AIR = 750.0
"""HU from air to the softest tissue. As far above soft tissue there is only the hardest bone."""
LITTLE_ABOVE_AIR = 350.0
"""HU above air from which little is met before tissue begins; above soft tissue it is mostly
bone."""
PEAKED = 2.0
"""How many times more pixels lie above ``TISSUE_ABOVE_AIR`` than between the two where the lowest
level is air."""

TISSUE_SHARE = 0.08
"""Share of the measured pixels that tissue has at least; seen: 0.09. Hard bone has less."""
BELOW_AIR = 0.005
"""Share of the measured pixels more than ``FLAT_HU`` below air: noise at most. Below lung there is
the air of the windpipe."""

RIM_PIXELS = 2
FLAT_RIM = 0.85
FLAT_HU = 150.0
"""A rim of which ``FLAT_RIM`` lies within this distance of its median is one material: air around
the body. A field of view within the chest crosses wall, lung and mediastinum."""

_MEND = "check its RescaleSlope and RescaleIntercept, or give the original slice"


def objection(pixels: FloatImage, valid: BoolImage) -> str:
    """Why the values cannot be Hounsfield units, one sentence; empty where they can.

    Args:
        pixels: ``[H, W]``, supposed to be in HU, padding included.
        valid: ``[H, W]``, False where a pixel holds no measurement.
    """
    measured = pixels[valid]
    if not measured.size:
        return ""
    highest = float(measured.max())
    if highest > HIGHEST_HU:
        return _sentence(f"it reaches {highest:.0f}, beyond what any scanner stores")
    return _stray(pixels) or _tissue(measured) or _air(pixels, valid) or _cut(measured)


def _sentence(reason: str) -> str:
    """The objection for a reason."""
    return f"The values of the slice cannot be HU ({reason}): {_MEND}"


def _stray(pixels: FloatImage) -> str:
    """The objection to many different values where only padding may be."""
    below = pixels[pixels < LOWEST_HU]
    if below.size <= MOST_STRAY * pixels.size:
        return ""
    counts = np.sort(np.unique(below, return_counts=True)[1])[::-1]
    if below.size - int(counts[:PADDING_VALUES].sum()) <= MOST_STRAY * pixels.size:
        return ""
    return _sentence(f"air lies near {np.median(below):.0f} instead of -1000")


def _tissue(measured: NDArray[np.float32]) -> str:
    """The objection to a slice without soft tissue where soft tissue must be."""
    dense = measured[measured > DENSE_HU]
    if dense.size < LEAST_DENSE * measured.size:
        return _sentence(f"nothing in it is denser than {DENSE_HU:.0f}, so it shows no body")
    metal = float(np.mean(measured > METAL_HU))
    if metal > MOST_METAL:
        return _sentence(f"{metal:.0%} of it are denser than {METAL_HU:.0f}, as only metal is")
    soft = float(np.mean((dense >= SOFT_HU[0]) & (dense <= SOFT_HU[1])))
    if soft < LEAST_SOFT:
        return _sentence(
            f"its tissue lies near {np.median(dense):.0f} and not between {SOFT_HU[0]:.0f} "
            f"and {SOFT_HU[1]:.0f}"
        )
    return ""


def _air(pixels: FloatImage, valid: BoolImage) -> str:
    """The objection to air that lies elsewhere than at -1000 HU."""
    from scipy import ndimage  # here, so that a folder is listed quickly

    measured = pixels[valid]
    rim = pixels[valid & ~ndimage.binary_erosion(valid, iterations=RIM_PIXELS)]
    around, lowest = float(np.median(rim)), _lowest_level(measured)
    is_flat = float(np.mean(np.abs(rim - around) <= FLAT_HU)) >= FLAT_RIM
    if is_flat and _cannot_surround(around, measured):
        return _sentence(f"the air around the body lies near {around:.0f} instead of -1000")
    if lowest > LUNG_HU and _is_air(lowest, measured):
        return _sentence(f"air lies near {lowest:.0f} instead of -1000")
    return ""


def _cut(measured: NDArray[np.float32]) -> str:
    """The objection to values that were cut to a window of the screen, and to MR without noise."""
    lowest = float(measured.min())
    share = float(np.mean(measured == lowest))
    if lowest < DENSE_HU or share < LEVEL_SHARE:
        return ""
    return _sentence(f"{share:.0%} of it have its lowest value, {lowest:.0f}, as if it was cut")


def _is_air(lowest: float, measured: NDArray[np.float32]) -> bool:
    """True where the lowest level of a slice, too dense for lung, cannot be soft tissue either."""
    if lowest >= SOFT_HU[0]:
        return _has_tissue_above(measured, lowest)
    return _is_least(measured, lowest)


def _cannot_surround(level: float, measured: NDArray[np.float32]) -> bool:
    """True where a rim of one material at ``level`` is neither air nor soft tissue nor lung."""
    if AIR_HU[0] <= level <= AIR_HU[1] or SOFT_HU[0] <= level <= SOFT_HU[1]:
        return False
    return not AIR_HU[1] < level < SOFT_HU[0] or _is_least(measured, level)


def _is_least(measured: NDArray[np.float32], level: float) -> bool:
    """True where nothing but noise lies below ``level``, as nothing is thinner than air."""
    return float(np.mean(measured < level - FLAT_HU)) <= BELOW_AIR


def _lowest_level(measured: NDArray[np.float32]) -> float:
    """The lowest value near which many pixels lie."""
    low, high = float(measured.min()), float(measured.max())
    edges = np.arange(low, min(high, METAL_HU) + 2 * BIN_HU, BIN_HU)
    if edges.size < 3:
        return low
    counts = np.histogram(measured, edges)[0]
    pairs = counts[:-1] + counts[1:]
    found = np.flatnonzero(pairs >= LEVEL_SHARE * measured.size)
    if not found.size:
        return low
    place = int(found[0])
    while place + 1 < pairs.size and pairs[place + 1] > pairs[place]:
        place += 1
    near = measured[(measured >= edges[place]) & (measured < edges[place + 2])]
    return float(np.median(near))


def _has_tissue_above(measured: NDArray[np.float32], air: float) -> bool:
    """True where many pixels lie as far above ``air`` as tissue does, and few between."""
    tissue = float(np.mean(measured >= air + TISSUE_ABOVE_AIR))
    above = float(np.mean(measured >= air + LITTLE_ABOVE_AIR))
    return tissue >= TISSUE_SHARE and tissue > PEAKED * (above - tissue)
