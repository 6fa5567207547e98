"""The chest without what fills the lungs.

Wall, bones, heart, great vessels, airways, lungs and diaphragm of a random adult lying on a couch.

Sizes are round anatomical figures of our own choice, not measurements; z = 0 is the level of the
carina.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfd.phantom.assembly import Assembly
from dfd.phantom.geometry import Floats, Part, frame_shape, spindle_shapes

ENDLESS_MM = 900.0
"""Half-length of things that run through the whole chest."""
SKIN_MM = 1.8
MIDLINE_DEPTH = 0.97
"""Depth of the trunk in the midline over its depth beside it."""
RIBS = 13
RIB_JOINTS = 12
RIB_SIDE_MM, RIB_BACK_MM = 7.5, 6.5
"""From the lung to the middle of a rib, at the side and at the back."""
TOP_RIB_MM = 130.0
"""Height of the back end of the first rib."""
RIB_STEP_MM = 24.0
RIB_DROP_MM = 105.0
"""How far the front end of a rib lies below its back end."""


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
        """Half-depth of the muscular trunk in the midline.

        Where the two halves meet in a shallow groove.
        """
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


def add_trunk(assembly: Assembly, rng: np.random.Generator, build: Build) -> tuple[Lung, Lung]:
    """Add everything but the contents of the lungs; returns the right and the left lung."""
    muscles = _add_wall(assembly, build)
    sides = [_lung_solid(assembly, rng, build, side) for side in (-1.0, 1.0)]
    spine_muscle, wings = _add_spine(assembly, build)
    for solid, muscle, side in zip(sides, muscles, (-1.0, 1.0), strict=True):
        blade = _add_blade(assembly, build, (solid, muscle), side)
        _add_ribs(assembly, (solid, blade, *wings), side)
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


def _add_ribs(assembly: Assembly, lung_and_bones: tuple[int, ...], side: float) -> None:
    """Each rib is a chain of ellipsoids round the lung that sinks from back to front.

    And ends where other bones are.
    """
    lung, *bones = lung_and_bones
    centre, shape = assembly.centre(lung), assembly.shape(lung)
    semi_x, semi_y = np.sqrt(shape[0, 0]) + RIB_SIDE_MM, np.sqrt(shape[1, 1]) + RIB_BACK_MM
    steps = np.linspace(0.0, 1.0, RIB_JOINTS)
    angle = np.deg2rad(112.0 - 187.0 * steps)
    for rib in range(RIBS):
        heights = TOP_RIB_MM - RIB_STEP_MM * rib - RIB_DROP_MM * steps
        path = np.stack(
            [
                centre[0] + side * semi_x * np.cos(angle),
                centre[1] + semi_y * np.sin(angle),
                heights,
            ],
            axis=1,
        )
        tangent = np.gradient(path, axis=0)
        bone, core = [], []
        for point, along in zip(path, tangent, strict=True):
            first = along / np.linalg.norm(along)
            outward = np.array(
                [
                    side * np.cos(np.arctan2(point[1] - centre[1], abs(point[0] - centre[0]))),
                    0.0,
                    0.0,
                ]
            )
            outward[1] = np.sign(point[1] - centre[1]) * np.sqrt(1.0 - outward[0] ** 2)
            second = outward - first * (outward @ first)
            second /= np.linalg.norm(second)
            axes, half = (
                np.stack([first, second, np.cross(first, second)]),
                0.8 * float(np.linalg.norm(along)),
            )
            bone.append(assembly.shaped(point, frame_shape(axes, (half, 4.2, 7.5))))
            core.append(assembly.shaped(point, frame_shape(axes, (half - 1.5, 2.4, 5.8))))
        assembly.fill(bone, ("cortical", "muscle"), bones)
        assembly.fill(core, ("marrow", "cortical"))


def _add_blade(
    assembly: Assembly, build: Build, lung_and_muscle: tuple[int, int], side: float
) -> int:
    """A shoulder blade behind the ribs, cut off where the muscle ends."""
    lung, muscle = lung_and_muscle
    y = assembly.centre(lung)[1] + 0.93 * (np.sqrt(assembly.shape(lung)[1, 1]) + RIB_BACK_MM)
    blade = assembly.solid(
        (side * 0.62 * build.half_width, y, 45.0), (27.0, 2.6, 75.0), side * -32.0
    )
    assembly.fill([blade], ("cortical", "muscle"), within=(muscle,))
    return blade


def _add_spine(assembly: Assembly, build: Build) -> tuple[int, list[int]]:
    """Vertebrae and breast bone.

    Returns the muscle beside the spine, which presses into the lungs, and the transverse processes.
    """
    y = build.spine_y
    spine_muscle = assembly.solid((0.0, y + 9.0, 0.0), (27.0, 33.0, ENDLESS_MM))
    body = assembly.solid((0.0, y, 0.0), (17.0, 14.0, ENDLESS_MM))
    canal = assembly.solid((0.0, y + 23.0, 0.0), (9.5, 8.0, ENDLESS_MM))
    arch = assembly.solid((0.0, y + 23.5, 0.0), (15.0, 12.5, ENDLESS_MM))
    wings = [
        assembly.solid((side * 25.0, y + 26.0, 0.0), (15.0, 4.0, ENDLESS_MM), side * 22.0)
        for side in (-1.0, 1.0)
    ]
    spinous = assembly.solid((0.0, y + 40.0, 0.0), (3.2, 11.0, ENDLESS_MM))
    assembly.fill([body, arch, spinous, *wings], ("cortical", "muscle"), [canal])
    assembly.fill(
        [assembly.solid((0.0, y, 0.0), (15.6, 12.6, ENDLESS_MM))], ("marrow", "cortical"), [canal]
    )
    sternum_y = 10.0 - build.midline
    assembly.fill(
        [assembly.solid((0.0, sternum_y, 0.0), (17.0, 6.0, ENDLESS_MM))], ("cortical", "muscle")
    )
    assembly.fill(
        [assembly.solid((0.0, sternum_y, 0.0), (15.5, 4.5, ENDLESS_MM))], ("marrow", "cortical")
    )
    return spine_muscle, wings


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
