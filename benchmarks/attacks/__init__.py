"""Attacks of the benchmark: the simple edits, by name.

Never imported by ``dfd``: what detects must not know what is detected.

An edit is a pure function of a canvas, a mask and a generator, and gives the slice with that mask
edited. It goes through ``paste``, so that outside the mask not one value changes and inside it
values are whole numbers within the range of the slice, as they would be in a file.
"""

from __future__ import annotations

from functools import partial

from benchmarks.attacks import copy_move, fill, filtering, noise
from benchmarks.attacks.canvas import Canvas, MaskEdit, untouched

SIMPLE_EDITS: dict[str, MaskEdit] = {
    "null edit (must be 0.5)": untouched,
    "white noise 0.3 x residual": partial(noise.white, strength=0.3),
    "white noise 0.6 x residual": partial(noise.white, strength=0.6),
    "white noise 1.0 x residual": partial(noise.white, strength=1.0),
    "smooth noise 1.0 x residual, sigma 2 px": partial(noise.smooth, strength=1.0),
    "copy-move, hard edge": partial(copy_move.copied, feather_px=0.0),
    "copy-move, feathered 3 px": partial(copy_move.copied, feather_px=3.0),
    "mean fill, feathered": fill.filled,
    "mean fill + white noise 1.0 x residual": partial(fill.filled, strength=1.0),
    "blur, sigma 0.8 px": filtering.blurred,
    "resampling round trip 0.75": filtering.resampled,
}
"""What ``benchmarks.studies.first_evidence`` tries."""

__all__ = ["SIMPLE_EDITS", "Canvas", "MaskEdit"]
