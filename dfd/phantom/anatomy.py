"""A random chest in three dimensions, and the axial sections of it that scanners see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfd.phantom.assembly import Assembly
from dfd.phantom.build import Lung, draw_build
from dfd.phantom.geometry import Discs, Floats, Part, Section, Solids, cut
from dfd.phantom.trunk import add_trunk
from dfd.phantom.vessels import TREES, grow, tips

MOTTLE_PER_LUNG = 420
"""Soft, faint spots that keep the lung from being perfectly even."""
MOST_NODULES = 3
SOLID_TISSUES = ("vessel", "nodule")
"""Contents that fill a place once, however many of them meet there; mottle adds up."""

# T1-like intensity of MR relative to fat; a plausible order of tissues, not a measured protocol.
MR_VALUES: Mapping[str, float] = {
    "air": 0.0,
    "couch": 0.0,
    "skin": 0.45,
    "fat": 1.0,
    "muscle": 0.38,
    "lung": 0.09,
    "denser lung": 0.10,
    "thinner lung": 0.08,
    "vessel": 0.30,
    "nodule": 0.40,
    "heart": 0.45,
    "blood": 0.24,
    "liver": 0.52,
    "cortical": 0.06,
    "marrow": 0.68,
}


@dataclass(frozen=True, slots=True)
class LungContents:
    """Small solids that belong to one lung."""

    lung: Lung
    index: NDArray[np.int64]
    """``[V]``, solids."""
    tissue: tuple[str, ...]
    """``[V]``."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A person."""

    solids: Solids
    parts: tuple[Part, ...]
    contents: tuple[LungContents, ...]
    hu: Mapping[str, float]
    """CT number of each tissue in this person."""

    def section(self, position_mm: float) -> Section:
        """What the plane z = ``position_mm`` meets (0 is the level where the windpipe divides)."""
        discs = cut(self.solids, position_mm)
        parts = [part for part in self.parts if all(discs.present[index] for index in part.include)]
        for contents in self.contents:
            parts += _lung_parts(discs, contents)
        return Section(discs, tuple(parts))


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw a random person; everything follows from the state of ``rng``."""
    assembly = Assembly()
    lungs = add_trunk(assembly, rng, draw_build(rng))
    contents = tuple(_fill_lung(assembly, rng, lung) for lung in lungs)
    return Anatomy(assembly.solids(), tuple(assembly.parts), contents, _draw_hu(rng))


def _draw_hu(rng: np.random.Generator) -> dict[str, float]:
    """CT numbers; the blood is enhanced by contrast medium in about every third person."""
    lung = rng.uniform(-880.0, -835.0)
    blood = rng.uniform(100.0, 140.0) if rng.random() < 1.0 / 3.0 else rng.uniform(36.0, 46.0)
    return {
        "air": -1000.0,
        "couch": -650.0,
        "skin": 10.0,
        "fat": rng.uniform(-110.0, -95.0),
        "muscle": rng.uniform(48.0, 60.0),
        "lung": lung,
        "denser lung": lung + rng.uniform(12.0, 20.0),
        "thinner lung": lung - rng.uniform(10.0, 18.0),
        "vessel": blood,
        "nodule": rng.uniform(10.0, 50.0),
        "heart": rng.uniform(44.0, 52.0) + 0.35 * (blood - 40.0),
        "blood": blood,
        "liver": rng.uniform(55.0, 65.0) + 0.2 * (blood - 40.0),
        "cortical": rng.uniform(500.0, 650.0),
        "marrow": rng.uniform(150.0, 210.0),
    }


def _fill_lung(assembly: Assembly, rng: np.random.Generator, lung: Lung) -> LungContents:
    """Vessels, perhaps nodules, and mottle."""
    centre, shape = assembly.centre(lung.solid), assembly.shape(lung.solid)
    index: list[int] = []
    for _ in range(TREES):
        branches = grow(
            rng, lung.hilum + rng.normal(0.0, (3.0, 3.0, 14.0)), _places(rng, tips(), centre, shape)
        )
        index += [
            assembly.shaped(*one) for one in zip(branches.centres, branches.shapes, strict=True)
        ]
    tissue = ["vessel"] * len(index)
    nodules = int(rng.integers(0, MOST_NODULES + 1))
    radii = np.concatenate(
        [rng.uniform(2.5, 7.0, nodules), rng.uniform(4.0, 13.0, MOTTLE_PER_LUNG)]
    )
    tissue += ["nodule"] * nodules + rng.choice(
        ["denser lung", "thinner lung"], MOTTLE_PER_LUNG
    ).tolist()
    for place, radius in zip(_places(rng, radii.size, centre, shape), radii, strict=True):
        scale = radius * rng.uniform(0.75, 1.3, 3)
        index.append(
            assembly.solid(
                (place[0], place[1], place[2]),
                (scale[0], scale[1], scale[2]),
                rng.uniform(0.0, 180.0),
            )
        )
    return LungContents(lung, np.array(index), tuple(tissue))


def _places(rng: np.random.Generator, count: int, centre: Floats, shape: Floats) -> Floats:
    """Points ``[count, 3]`` spread evenly over the middle two thirds of an ellipsoid's height.

    Slices are taken there.
    """
    direction = rng.normal(size=(count, 2))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    height = rng.uniform(-0.66, 0.66, count)
    direction *= (0.96 * np.sqrt(rng.random(count) * (1.0 - height**2)))[:, None]
    places: Floats = centre + np.column_stack([direction, height]) @ np.linalg.cholesky(shape).T
    return places


def _lung_parts(discs: Discs, contents: LungContents) -> list[Part]:
    """The contents that this plane meets.

    Cut off where the lung ends and where they meet each other.
    """
    lung = contents.lung
    if not discs.present[lung.solid]:
        return []
    indices = np.flatnonzero(discs.present[contents.index])
    index = contents.index[indices]
    rim = _rims(discs, index)
    pressing = [one for one in lung.exclude if discs.present[one]]
    free = _within(discs, lung.solid, rim)
    for one in pressing:
        free &= ~_within(discs, one, rim)
    reach = np.sqrt(np.trace(discs.shapes[index], axis1=1, axis2=2))
    parts: list[Part] = []
    solid = np.zeros(index.size, dtype=bool)
    for place, own in enumerate(index.tolist()):
        tissue = contents.tissue[indices[place]]
        if not free[place].any():
            continue
        met: list[int] = []
        if tissue in SOLID_TISSUES:
            away = np.linalg.norm(discs.centres[index] - discs.centres[own], axis=1)
            met = index[solid & (away < reach + reach[place])].tolist()
            solid[place] = True
        free_everywhere = bool(free[place].all())
        parts.append(
            Part(
                (own,) if free_everywhere else (own, lung.solid),
                tuple(met) if free_everywhere else (*met, *pressing),
                tissue,
                "lung",
            )
        )
    return parts


def _rims(discs: Discs, index: NDArray[np.int64]) -> Floats:
    """Centre and eight points on the rim ``[V, 9, 2]`` of ellipses."""
    turn = np.deg2rad(np.arange(0.0, 360.0, 45.0))
    circle = np.concatenate([np.zeros((1, 2)), np.stack([np.cos(turn), np.sin(turn)], axis=1)])
    root = np.linalg.cholesky(discs.shapes[index])
    rims: Floats = discs.centres[index][:, None, :] + np.einsum("vij,pj->vpi", root, circle)
    return rims


def _within(discs: Discs, index: int, points: Floats) -> NDArray[np.bool_]:
    """Which of the points ``[V, P, 2]`` lie in one ellipse, ``[V, P]``."""
    metric = np.linalg.inv(discs.shapes[index])
    away = points - discs.centres[index]
    result: NDArray[np.bool_] = np.einsum("vpi,ij,vpj->vp", away, metric, away) <= 1.0
    return result
