"""Ribs, shoulder blades, vertebrae and breast bone."""

from __future__ import annotations

import numpy as np

from dfd.phantom.assembly import Assembly
from dfd.phantom.build import ENDLESS_MM, Build
from dfd.phantom.geometry import frame_shape

RIBS = 13
RIB_JOINTS = 12
RIB_SIDE_MM, RIB_BACK_MM = 7.5, 6.5
"""From the lung to the middle of a rib, at the side and at the back."""
TOP_RIB_MM = 130.0
"""Height of the back end of the first rib."""
RIB_STEP_MM = 24.0
RIB_DROP_MM = 105.0
"""How far the front end of a rib lies below its back end."""


def add_ribs(assembly: Assembly, lung_and_bones: tuple[int, ...], side: float) -> None:
    """Each rib is a chain of ellipsoids round the lung that sinks from back to front.

    It ends where other bones are.
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


def add_blade(
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


def add_spine(assembly: Assembly, build: Build) -> tuple[int, list[int]]:
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
