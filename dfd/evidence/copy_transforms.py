"""How a copy may be turned: the transforms that a search tries, and how thoroughly it does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Transform:
    """From a template to its copy: mirrored left to right, then rotated, then resized."""

    mirrored: bool = False
    degrees: float = 0.0
    """Counter-clockwise as seen on a screen."""
    size: float = 1.0
    """Of the copy, where the template has 1."""

    @property
    def back(self) -> FloatArray:
        """``[2, 2]``: leads from (row, column) steps in the copy to steps in the template."""
        cosine, sine = np.cos(np.radians(self.degrees)), np.sin(np.radians(self.degrees))
        matrix = np.array([[cosine, sine], [-sine, cosine]]) / self.size
        return np.diag([1.0, -1.0]) @ matrix if self.mirrored else matrix


TRANSFORMS = tuple(
    Transform(mirrored, degrees, size)
    for mirrored in (False, True)
    for degrees, size in (
        *((float(degrees), 1.0) for degrees in range(-15, 16, 5)),
        *((0.0, size) for size in (0.9, 0.95, 1.05, 1.1)),
        *((degrees, 1.0) for degrees in (90.0, 180.0, 270.0)),
    )
)
"""At the rim of a template, steps of 5 degrees and 5 % are under half a pixel from the next: white
noise keeps most of its correlation."""

QUICK_TRANSFORMS = (Transform(), Transform(True))
"""For a search of every place of a slice, without refinement: it finds copies of whole pixels."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How thoroughly copies are searched for."""

    transforms: tuple[Transform, ...] = TRANSFORMS
    threads: int = 2
    """For the transforms of one template; 1 where many templates are searched for at once."""
    refined: int = 2
    """Candidates whose turn, size and fractions of a pixel are searched more finely."""


THOROUGH = Effort()


@cache
def mirror_pairs(transforms: tuple[Transform, ...]) -> list[list[int]]:
    """Indices of ``transforms``; those that differ by a mirror stand together.

    One padded template serves both.
    """
    pairs: dict[tuple[float, float], list[int]] = {}
    for number, transform in enumerate(transforms):
        turned = -transform.degrees if transform.mirrored else transform.degrees
        pairs.setdefault((round(turned % 360.0, 6), transform.size), []).append(number)
    return list(pairs.values())
