"""The chest without the contents of the lungs.

Wall, bones, heart, great vessels, airways, lungs and diaphragm of a random adult lying on a couch.

Sizes are round anatomical figures of our own choice, not measurements; z = 0 is the level of the
carina.
"""

from __future__ import annotations

import numpy as np

from dfd.phantom.assembly import Assembly
from dfd.phantom.build import ENDLESS_MM, MIDLINE_DEPTH, SKIN_MM, Build, Lung
from dfd.phantom.geometry import Part, spindle_shapes
from dfd.phantom.skeleton import add_blade, add_ribs, add_spine


def add_trunk(assembly: Assembly, rng: np.random.Generator, build: Build) -> tuple[Lung, Lung]:
    """Add everything but the contents of the lungs; returns the right and the left lung."""
    muscles = _add_wall(assembly, build)
    sides = [_lung_solid(assembly, rng, build, side) for side in (-1.0, 1.0)]
    spine_muscle, wings = add_spine(assembly, build)
    for solid, muscle, side in zip(sides, muscles, (-1.0, 1.0), strict=True):
        blade = add_blade(assembly, build, (solid, muscle), side)
        add_ribs(assembly, (solid, blade, *wings), side)
    pressing = (*_add_mediastinum(assembly, rng, build), spine_muscle)
    pressing += _add_domes(assembly, rng, build, pressing)
    lungs = [
        Lung(solid, pressing, np.array([34.0 * side, 6.0, -20.0]))
        for solid, side in zip(sides, (-1.0, 1.0), strict=True)
    ]
    for lung in lungs:
        assembly.parts.append(Part((lung.solid,), lung.exclude, "lung", "muscle"))
        _add_gravity(assembly, lung)
    return lungs[0], lungs[1]


def _add_wall(assembly: Assembly, build: Build) -> tuple[int, int]:
    """Couch, skin, fat and muscle.

    Two overlapping halves and a middle each, so that front and back have a groove; returns the
    halves of muscle.
    """
    couch_y = build.half_depth - 46.0
    shell = assembly.solid((0.0, couch_y, 0.0), (190.0, 56.0, ENDLESS_MM))
    hollow = assembly.solid((0.0, couch_y - 5.0, 0.0), (190.0, 56.0, ENDLESS_MM))
    assembly.fill([shell], ("couch", "air"), [hollow])
    inset, halves = 0.0, [0, 0]
    for tissue, host, depth in (
        ("skin", "air", SKIN_MM),
        ("fat", "skin", build.fat),
        ("muscle", "fat", 0.0),
    ):
        width, half_depth = build.half_width - build.offset - inset, build.half_depth - inset
        halves = [
            assembly.solid((side * build.offset, 0.0, 0.0), (width, half_depth, ENDLESS_MM))
            for side in (-1.0, 1.0)
        ]
        middle = assembly.solid((0.0, 0.0, 0.0), (width, MIDLINE_DEPTH * half_depth, ENDLESS_MM))
        assembly.fill([*halves, middle], (tissue, host))
        inset += depth
    return halves[0], halves[1]


def _lung_solid(assembly: Assembly, rng: np.random.Generator, build: Build, side: float) -> int:
    outer, inner = build.half_width - build.fat - build.wall, rng.uniform(4.0, 8.0)
    depth = build.half_depth - build.fat - build.wall - rng.uniform(0.0, 4.0)
    centre = (side * (outer + inner) / 2.0, rng.uniform(0.0, 4.0), -25.0)
    return assembly.solid(
        centre, ((outer - inner) / 2.0, depth, 150.0), side * rng.uniform(-8.0, 2.0)
    )


def _add_airways(assembly: Assembly, rng: np.random.Generator) -> list[int]:
    """Windpipe and main bronchi; returns their outer walls."""
    carina = np.array([rng.uniform(-2.0, 2.0), 10.0, 0.0])
    ends = [
        np.array([carina[0], 4.0, 130.0]),
        np.array([-48.0, 14.0, -34.0]),
        np.array([50.0, 14.0, -30.0]),
    ]
    outer, lumen = [], []
    for end, radius in zip(ends, (8.5, 6.5, 6.0), strict=True):
        way = end - carina
        length = float(np.linalg.norm(way))
        direction, half = (way / length)[None], np.array([0.53 * length])
        outer.append(
            assembly.shaped(
                (carina + end) / 2.0,
                spindle_shapes(direction, half + 1.5, np.array([radius + 1.6]))[0],
            )
        )
        lumen.append(
            assembly.shaped(
                (carina + end) / 2.0, spindle_shapes(direction, half, np.array([radius]))[0]
            )
        )
    assembly.fill(lumen, ("air", "muscle"))
    return outer


def _add_mediastinum(assembly: Assembly, rng: np.random.Generator, build: Build) -> tuple[int, ...]:
    """Heart, great vessels and the fat round them; returns what presses into the lungs."""
    airways = _add_airways(assembly, rng)
    scale, spine = build.heart, build.spine_y
    descending = assembly.solid((28.0, spine - 11.0, 0.0), (12.0, 12.0, ENDLESS_MM))
    blood = [
        descending,
        assembly.solid((-8.0, -26.0, -10.0), (15.0, 15.5, 62.0)),
        assembly.solid((9.0, spine / 2.0 - 18.0, 34.0), (12.5, 0.55 * (spine + 26.0), 12.0), -28.0),
        assembly.solid((-25.0, -14.0, 20.0), (8.5, 9.5, 85.0)),
        assembly.solid((20.0, -30.0, -12.0), (13.0, 15.0, 24.0)),
        assembly.solid((-9.0, -7.0, -16.0), (27.0, 8.0, 9.0), -8.0),
        assembly.solid((26.0, -8.0, -10.0), (17.0, 9.0, 9.0), 35.0),
    ]
    turn = rng.uniform(-42.0, -28.0)
    middle = (25.0, -26.0, -76.0)
    heart = assembly.solid(middle, (53.0 * scale, 41.0 * scale, 62.0), turn)
    chambers = [
        assembly.solid((44.0, -33.0, -80.0), (26.0 * scale, 15.0 * scale, 38.0), turn),
        assembly.solid((8.0, -44.0, -78.0), (25.0 * scale, 12.0 * scale, 38.0), turn),
        assembly.solid((2.0, 2.0, -62.0), (28.0 * scale, 12.0 * scale, 26.0), turn / 2.0),
        assembly.solid((-15.0, -20.0, -72.0), (13.0 * scale, 22.0 * scale, 34.0), turn / 2.0),
    ]
    gullet = assembly.solid((5.0, spine - 21.0, 0.0), (7.5, 6.0, ENDLESS_MM))
    front, back = 17.0 - build.midline, spine - 14.5
    middle_space = assembly.solid(
        (rng.uniform(0.0, 4.0), (front + back) / 2.0, 0.0),
        (rng.uniform(25.0, 31.0), (back - front) / 2.0, ENDLESS_MM),
    )
    sac = assembly.solid(middle, (57.0 * scale, 44.5 * scale, 66.0), turn)
    assembly.fill(blood, ("blood", "muscle"), airways)
    assembly.fill([heart], ("heart", "muscle"), [*airways, *blood])
    assembly.fill(chambers, ("blood", "heart"), [*airways, *blood], within=(heart,))
    assembly.fill([middle_space, sac], ("fat", "muscle"), [*airways, *blood, gullet, heart])
    return (middle_space, sac, descending, *airways, blood[5], blood[6])


def _add_domes(
    assembly: Assembly, rng: np.random.Generator, build: Build, above: tuple[int, ...]
) -> tuple[int, ...]:
    """Liver and spleen under the diaphragm."""
    width = 0.43 * build.half_width
    right = assembly.solid(
        (-width, 6.0, -185.0 + rng.uniform(-8.0, 8.0)), (width - 4.0, 0.7 * build.half_depth, 80.0)
    )
    left = assembly.solid(
        (width, 10.0, -200.0 + rng.uniform(-8.0, 8.0)), (width - 4.0, 0.66 * build.half_depth, 80.0)
    )
    assembly.fill([right, left], ("liver", "muscle"), above)
    return (right, left)


def _add_gravity(assembly: Assembly, lung: Lung) -> None:
    """The lower a piece of lung lies, the denser it is."""
    centre, shape = assembly.centre(lung.solid), assembly.shape(lung.solid)
    for sink in (0.45, 0.85, 1.25):
        low = centre + np.array([0.0, sink * np.sqrt(shape[1, 1]), 0.0])
        index = assembly.shaped(low, shape * np.diag([1.7, 1.0, 1.7]) + 0.0)
        assembly.parts.append(Part((lung.solid, index), lung.exclude, "denser lung", "lung"))
