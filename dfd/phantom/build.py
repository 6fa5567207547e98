"""The size of a person, and the lungs as parts of the phantom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfd.phantom.geometry import Floats

ENDLESS_MM = 900.0
"""Half-length of things that run through the whole chest."""
SKIN_MM = 1.8
MIDLINE_DEPTH = 0.97
"""Depth of the trunk in the midline over its depth beside it."""


@dataclass(frozen=True, slots=True)
class Build:
    """The size of a person, in mm."""

    half_width: float
    half_depth: float
    offset: float
    """Distance from the midline to the centre of each half of the trunk."""
    fat: float
    wall: float
    """Muscles and ribs between fat and lung."""
    heart: float
    """Scale of the heart, about 1."""

    @property
    def midline(self) -> float:
        """Half-depth of the muscular trunk in the midline, where both halves meet."""
        return MIDLINE_DEPTH * (self.half_depth - self.fat - SKIN_MM)

    @property
    def spine_y(self) -> float:
        """Centre of the vertebral bodies."""
        return self.midline - 51.0


@dataclass(frozen=True, slots=True)
class Lung:
    """One lung, as indices of solids."""

    solid: int
    exclude: tuple[int, ...]
    """What presses into the lung."""
    hilum: Floats
    """``[3]`` mm."""


def draw_build(rng: np.random.Generator) -> Build:
    """Draw a person that fits a field of view of 350 mm."""
    return Build(
        half_width=rng.uniform(152.0, 168.0),
        half_depth=rng.uniform(106.0, 119.0),
        offset=rng.uniform(42.0, 50.0),
        fat=rng.uniform(7.0, 16.0),
        wall=rng.uniform(18.0, 22.0),
        heart=rng.uniform(0.92, 1.08),
    )
