"""Copy-move: the mask is covered with another place of the same slice.

The copy is pasted as it is or flipped, turned, scaled, blended, or with noise added.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, map_coordinates
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

from benchmarks.attacks.canvas import FEATHER_PX, Canvas, MaskEdit, blended, paste, residual_scale
from dfd.prediction.masks import disk
from dfd.records import BoolImage, FloatImage

TRIES = 400
"""Places looked at, of which the most alike in mean and deviation is taken, as a careful attacker
would."""
LARGEST_TURN = 15.0
"""Degrees by which a copy is turned at most, either way."""
SCALES = (0.9, 1.1)
"""A copy is drawn this much smaller or larger at most."""
ROOM_PX = 4
"""Surroundings of the source that must be measured too, so that interpolation and turning never
leave it."""

Matrix = NDArray[np.float64]


def copied(
    canvas: Canvas, mask: BoolImage, rng: np.random.Generator, *, feather_px: float
) -> FloatImage:
    """A look-alike place of the slice that does not overlap the mask.

    The slice as it is where there is none.
    """
    shift = source_shift(canvas.pixels, mask, rng)
    if shift is None:
        return canvas.pixels.copy()
    return blended(
        canvas.pixels, np.roll(canvas.pixels, (-shift[0], -shift[1]), axis=(0, 1)), mask, feather_px
    )


def across(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """A look-alike place of another slice of the stack, faded in.

    The slice as it is where there is none.
    """
    if canvas.stack is None or len(canvas.stack) < 2:
        return canvas.pixels.copy()
    other = canvas.stack[
        int(rng.choice([number for number in range(len(canvas.stack)) if number != canvas.index]))
    ]
    shift = source_shift(other, mask, rng, canvas.pixels)
    if shift is None:
        return canvas.pixels.copy()
    return blended(
        canvas.pixels, np.roll(other, (-shift[0], -shift[1]), axis=(0, 1)), mask, FEATHER_PX
    )


def flipped(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """The same, mirrored left to right or upside down, faded in."""
    return _mapped(canvas, mask, rng, np.diag([1.0, -1.0] if rng.random() < 0.5 else [-1.0, 1.0]))


def turned(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """The same, turned by 90, 180 or 270 degrees, faded in."""
    return _mapped(canvas, mask, rng, np.rint(_rotation(90.0 * int(rng.integers(1, 4)))))


def rotated(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """The same, rotated by up to ``LARGEST_TURN`` degrees with cubic splines, faded in."""
    return _mapped(canvas, mask, rng, _rotation(rng.uniform(-LARGEST_TURN, LARGEST_TURN)))


def scaled(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """The same, smaller or larger within ``SCALES``, with cubic splines, faded in."""
    return _mapped(canvas, mask, rng, np.eye(2) / rng.uniform(*SCALES))


def renoised(
    canvas: Canvas, mask: BoolImage, rng: np.random.Generator, *, strength: float
) -> FloatImage:
    """The same, with ``strength`` times the local residual of white noise on top, faded in."""
    shift = source_shift(canvas.pixels, mask, rng)
    if shift is None:
        return canvas.pixels.copy()
    grain = rng.normal(0.0, strength * residual_scale(canvas, mask), canvas.pixels.shape)
    changed = np.roll(canvas.pixels, (-shift[0], -shift[1]), axis=(0, 1)) + grain
    return blended(canvas.pixels, changed.astype(np.float32), mask, FEATHER_PX)


def poisson(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """The same, blended: differences of the source, values of the slice around the mask.

    Source: Perez, Gangnet, Blake, Poisson image editing (SIGGRAPH 2003), eq. 4: the source plus the
    membrane that ends in what is missing at the rim.
    """
    shift = source_shift(canvas.pixels, binary_dilation(mask), rng)
    if shift is None:
        return canvas.pixels.copy()
    source = np.roll(canvas.pixels, (-shift[0], -shift[1]), axis=(0, 1))
    return paste(canvas.pixels, source + _membrane(canvas.pixels - source, mask), mask)


def source_shift(
    pixels: FloatImage, mask: BoolImage, rng: np.random.Generator, covered: FloatImage | None = None
) -> tuple[int, int] | None:
    """(row, column) steps from the mask to the place of ``pixels`` it is covered with.

    That place is wholly measured, inside the slice and apart from the mask.

    ``covered`` ``[H, W]`` holds what is covered; None: ``pixels`` themselves.
    """
    rows, columns = np.nonzero(mask)
    height, width = pixels.shape
    extent = max(int(np.ptp(rows)), int(np.ptp(columns))) + 1
    target = (pixels if covered is None else covered)[rows, columns]
    best: tuple[float, tuple[int, int] | None] = (np.inf, None)
    for _ in range(TRIES):
        down = int(rng.integers(-rows.min(), height - rows.max()))
        right = int(rng.integers(-columns.min(), width - columns.max()))
        if max(abs(down), abs(right)) <= extent:
            continue
        source = pixels[rows + down, columns + right]
        if not np.isfinite(source).all():
            continue
        cost = float(
            abs(source.mean() - np.nanmean(target)) + abs(source.std() - np.nanstd(target))
        )
        best = min(best, (cost, (down, right)), key=lambda pair: pair[0])
    return best[1]


def _rotation(degrees: float) -> Matrix:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


def _mapped(
    canvas: Canvas, mask: BoolImage, rng: np.random.Generator, matrix: Matrix
) -> FloatImage:
    """The mask covered with a place of the slice, mapped by ``matrix``, and faded in.

    ``matrix`` ``[2, 2]`` maps (row, column) steps from the middle of the mask.
    """
    rows, columns = np.nonzero(mask)
    middle = np.array([(int(along.min()) + int(along.max())) // 2 for along in (rows, columns)])
    steps = np.stack([rows, columns]) - middle[:, None]
    moved = matrix @ steps
    reach = float(np.hypot(*moved).max()) + ROOM_PX
    # A disk, since a turned source must be measured wherever it is turned to.
    shift = source_shift(
        canvas.pixels,
        disk(mask.shape[0], mask.shape[1], (float(middle[1]), float(middle[0])), reach),
        rng,
    )
    if shift is None:
        return canvas.pixels.copy()
    places = moved + (middle + np.asarray(shift))[:, None]
    filled = np.where(np.isfinite(canvas.pixels), canvas.pixels, np.nanmean(canvas.pixels))
    changed = canvas.pixels.copy()
    changed[mask] = map_coordinates(filled, places, order=3, mode="nearest")
    return blended(canvas.pixels, changed, mask, FEATHER_PX)


def _membrane(difference: FloatImage, mask: BoolImage) -> FloatImage:
    """``[H, W]``: harmonic inside the mask, 0 elsewhere.

    It equals ``difference`` at the measured pixels around the mask.
    """
    height, width = mask.shape
    inside = mask & np.isfinite(difference)
    number = np.full(mask.shape, -1)
    number[inside] = np.arange(inside.sum())
    rows, columns = np.nonzero(inside)
    ends, others, right_side, degree = [], [], np.zeros(len(rows)), np.zeros(len(rows))
    for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        neighbour = (np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1))
        measured = np.isfinite(difference[neighbour])
        free, rim = measured & inside[neighbour], measured & ~inside[neighbour]
        degree += measured
        right_side += np.where(rim, np.nan_to_num(difference[neighbour]), 0.0)
        ends.append(np.flatnonzero(free))
        others.append(number[neighbour][free])
    here = np.concatenate([np.arange(len(rows)), *ends])
    there = np.concatenate([np.arange(len(rows)), *others])
    # A mask without any rim would have no solution; a breath of stiffness leaves it at 0.
    weight = np.concatenate([degree + 1e-9, *(-np.ones(len(end)) for end in ends)])
    result = np.zeros(mask.shape, dtype=np.float32)
    result[inside] = spsolve(coo_matrix((weight, (here, there))).tocsc(), right_side)
    return result


COPY_MOVES: dict[str, MaskEdit] = {
    "copy-move, hard edge": partial(copied, feather_px=0.0),
    "copy-move, feathered 3 px": partial(copied, feather_px=FEATHER_PX),
    "copy-move, Poisson-blended": poisson,
    "copy-move, mirrored": flipped,
    "copy-move, quarter turns": turned,
    "copy-move, rotated up to 15 degrees": rotated,
    "copy-move, scaled 0.9 to 1.1": scaled,
    "copy-move, white noise 0.5 x residual": partial(renoised, strength=0.5),
    "copy-move, white noise 1.0 x residual": partial(renoised, strength=1.0),
}
"""All kinds of copies within the slice, by name."""
ACROSS = "copy-move from another slice, feathered 3 px"
