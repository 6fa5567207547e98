"""Cubes of 32 mm around a place of a stack, resampled to voxels of 1 mm and back.

The geometry of CT-GAN (Mirsky et al. 2019, arXiv 1901.03597, section 4): it works at any pixel size
and slice distance since the cube is in mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

CUBE_MM = 32.0
SIDE = 32
"""Voxels of 1 mm along each edge."""
HOLE = 20
"""Inner voxels along each edge that are hidden and generated."""
AIR_HU = -1000.0
"""What stands where nothing was measured."""
LEVEL_HU, UNIT_HU = -400.0, 600.0
"""Air is -1 and soft tissue about 0.75 in the units of the networks."""
MIDDLE = slice((SIDE - HOLE) // 2, (SIDE + HOLE) // 2)

Stack = NDArray[np.float32]
Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Block:
    """A box of voxels of a stack; it may reach beyond the stack."""

    start: Triple
    """(slice, row, column), negative before the stack begins."""
    size: Triple

    @classmethod
    def around(cls, centre: Triple, size: Triple) -> Block:
        """The block of ``size`` with ``centre`` (slice, row, column) in its middle."""
        first, second, third = (
            middle - extent // 2 for middle, extent in zip(centre, size, strict=True)
        )
        return cls((first, second, third), size)

    @classmethod
    def of_cube(cls, centre: Triple, spacing_mm: tuple[float, float, float]) -> Block:
        """The block of ``CUBE_MM`` along each edge."""
        slices, rows, columns = (max(1, round(CUBE_MM / step)) for step in spacing_mm)
        return cls.around(centre, (slices, rows, columns))

    def cut(self, stack: Stack) -> Stack:
        """The values of ``stack`` (``[S, H, W]``) in this block.

        Beyond its ends the outermost values are repeated.
        """
        places = [
            np.clip(np.arange(first, last), 0, have - 1) for first, last, have in self._edges(stack)
        ]
        return np.nan_to_num(stack[np.ix_(*places)], nan=AIR_HU)

    def put(self, stack: Stack, values: Stack) -> Stack:
        """A copy of ``stack`` with ``values`` in this block, as far as it lies within."""
        edges = self._edges(stack)
        result = stack.copy()
        inside = tuple(slice(max(first, 0), min(last, have)) for first, last, have in edges)
        result[inside] = values[
            tuple(
                slice(there.start - first, there.stop - first)
                for there, (first, _, _) in zip(inside, edges, strict=True)
            )
        ]
        return result

    def _edges(self, stack: Stack) -> list[Triple]:
        """First, one beyond the last, and how many there are, along each axis."""
        return [
            (first, first + extent, have)
            for first, extent, have in zip(self.start, self.size, stack.shape, strict=True)
        ]


def resampled(values: Stack, size: Triple) -> Stack:
    """``values`` on a grid of ``size`` with the same ends, by cubic splines."""
    factors = [want / have for want, have in zip(size, values.shape, strict=True)]
    return np.asarray(zoom(values, factors, order=3, mode="nearest"), dtype=np.float32)


def normalised(hu: Stack) -> Stack:
    """HU in the units of the networks."""
    return ((np.maximum(hu, AIR_HU) - LEVEL_HU) / UNIT_HU).astype(np.float32)


def in_hu(values: Stack) -> Stack:
    """The opposite of ``normalised``."""
    return (values * UNIT_HU + LEVEL_HU).astype(np.float32)


def cube_at(stack: Stack, centre: Triple, spacing_mm: tuple[float, float, float]) -> Stack:
    """``[SIDE, SIDE, SIDE]`` around ``centre`` in the units of the networks."""
    return normalised(resampled(Block.of_cube(centre, spacing_mm).cut(stack), (SIDE, SIDE, SIDE)))


def hole() -> Stack:
    """``[SIDE, SIDE, SIDE]``, 1 where the cube is generated."""
    mask = np.zeros((SIDE, SIDE, SIDE), dtype=np.float32)
    mask[MIDDLE, MIDDLE, MIDDLE] = 1.0
    return mask
