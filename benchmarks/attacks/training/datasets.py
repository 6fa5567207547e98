"""What networks of attacks are trained on.

Cubes of lung for CT-GAN, crops of slices for the others.

Only ``benchmarks.data.partition.TRAINING_FOLDS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, maximum_filter

from benchmarks.attacks import cubes, nodules
from benchmarks.attacks.adversarial import SEEN
from benchmarks.attacks.crops import shown
from benchmarks.attacks.cubes import AIR_HU, MIDDLE
from benchmarks.data.scans import Scan
from benchmarks.data.volumes import Volume
from dfd.intensity import body_mask, measured_pixels
from dfd.modalities import MODALITIES

CROP = 64
MEASURED_SHARE = 0.6
"""A crop should be mostly body."""
TRIES = 20
PER_SLICE = 6
"""Cubes of one kind looked at in one slice."""
WALL_MM = 5.0
"""Room between the middle of a cube of parenchyma and the edge of the lung."""
EMPTY_SHARE = 0.02
"""Of the voxels to be generated, how many may be denser than parenchyma in a cube that teaches it:
fine vessels."""
SOFT_HU = (-90.0, 190.0)
"""Muscle, blood and liver with their noise."""
SOFT_SHARE = 0.9

BLOB_PX = (2.5, 9.0)
"""Widths of the difference of Gaussians that tells what a classifier calls a blob, in units of
``crops.shown``."""
BLOB_CONTRAST, FLAT_CONTRAST = 0.25, 0.08

Cubes = NDArray[np.float32]
Place = tuple[int, int, int]


def parenchyma(volumes: Iterable[Volume], number: int, rng: np.random.Generator) -> Cubes:
    """``[n, SIDE, SIDE, SIDE]``, n <= ``number``, in units of the networks.

    Cubes in lung without a dense blob, even over patients.
    """

    def places(pixels: NDArray[np.float32], step_mm: float) -> NDArray[np.int64]:
        depth = (
            np.asarray(distance_transform_edt(np.pad(nodules.lung_of(pixels), 1)))[1:-1, 1:-1]
            * step_mm
        )
        return np.argwhere(depth >= WALL_MM)

    def plain(cube: Cubes) -> bool:
        inner = cubes.in_hu(cube[MIDDLE, MIDDLE, MIDDLE])
        return (
            float((inner > nodules.DENSE_HU).mean()) <= EMPTY_SHARE
            and float(inner.mean()) > nodules.PARENCHYMA_HU[0]
        )

    return _even(volumes, number, rng, places, plain)


def soft_tissue(volumes: Iterable[Volume], number: int, rng: np.random.Generator) -> Cubes:
    """The same, of soft tissue all through the hole: the texture of nodules."""

    def places(pixels: NDArray[np.float32], step_mm: float) -> NDArray[np.int64]:
        soft = (pixels > SOFT_HU[0]) & (pixels < SOFT_HU[1])
        return np.argwhere(
            np.asarray(distance_transform_edt(np.pad(soft, 1)))[1:-1, 1:-1] * step_mm >= WALL_MM
        )

    def plain(cube: Cubes) -> bool:
        inner = cubes.in_hu(cube[MIDDLE, MIDDLE, MIDDLE])
        return float(((inner > SOFT_HU[0]) & (inner < SOFT_HU[1])).mean()) >= SOFT_SHARE

    return _even(volumes, number, rng, places, plain)


def blobs(volumes: Iterable[Volume], number: int, rng: np.random.Generator) -> Cubes:
    """The same, with a genuine dense blob in the middle: nodules and vessels."""
    return _even(
        volumes,
        number,
        rng,
        lambda pixels, step_mm: nodules.blobs(pixels, step_mm)[:, ::-1],
        lambda cube: True,
    )


def _even(
    volumes: Iterable[Volume],
    number: int,
    rng: np.random.Generator,
    places: Callable[[NDArray[np.float32], float], NDArray[np.int64]],
    accept: Callable[[Cubes], bool],
) -> Cubes:
    by_patient: dict[str, list[Cubes]] = {}
    for volume in volumes:
        for index in range(len(volume.pixels)):
            rows = places(volume.pixels[index], volume.spacing_mm[1])
            for row, column in rows[rng.permutation(len(rows))[:PER_SLICE]]:
                cube = cubes.cube_at(
                    volume.pixels, (index, int(row), int(column)), volume.spacing_mm
                )
                if accept(cube):
                    by_patient.setdefault(volume.patient, []).append(cube)
    return _sample_evenly(by_patient, number, rng)


def _sample_evenly(
    by_patient: dict[str, list[Cubes]], number: int, rng: np.random.Generator
) -> Cubes:
    share = -(-number // max(len(by_patient), 1))
    sample = [
        members[index]
        for _, members in sorted(by_patient.items())
        for index in rng.permutation(len(members))[:share]
    ]
    return (
        np.stack(sample[:number]) if sample else np.zeros((0, *(cubes.SIDE,) * 3), dtype=np.float32)
    )


def with_nodule(base: Cubes, tissue: Cubes, rng: np.random.Generator) -> tuple[Cubes, Cubes]:
    """A cube with a rounded piece of ``tissue`` blended into its middle, and the piece's shape.

    All ``[SIDE, SIDE, SIDE]``.
    """
    body = nodules.shape(float(rng.uniform(*nodules.DIAMETER_MM)), rng)
    return (body * tissue + (1.0 - body) * base).astype(np.float32), body


def shape_of_blob(cube: Cubes) -> Cubes:
    """The wanted shape that a genuine blob stands for: where the hole is dense, softly."""
    dense = cubes.normalised(np.array([nodules.DENSE_HU, AIR_HU], dtype=np.float32))
    soft = 1.0 / (1.0 + np.exp(-(cube - dense[0]) / (0.15 * (dense[0] - dense[1]))))
    return np.asarray(soft * cubes.hole(), dtype=np.float32)


def blob_crops(
    scans: Sequence[Scan], modality: str, number: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Crops ``[n, CROP, CROP]`` in units of ``crops.shown``, and their labels ``[n]``.

    A label says whether something dense and round is in the middle; half of the crops have it.
    """
    crops_of: tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]] = ([], [])
    share = -(-number // (2 * max(len(scans), 1)))
    half = CROP // 2
    for scan in scans:
        image = shown(scan.pixels, modality)[0]
        measured = measured_pixels(scan.pixels, MODALITIES[modality])
        body = body_mask(scan.pixels, measured, MODALITIES[modality])
        body[:half] = body[-half:] = body[:, :half] = body[:, -half:] = False
        clipped = np.clip(image, *SEEN)
        contrast = gaussian_filter(clipped, BLOB_PX[0]) - gaussian_filter(clipped, BLOB_PX[1])
        peaks = np.argwhere(
            body
            & (contrast > BLOB_CONTRAST)
            & (contrast == maximum_filter(contrast, size=round(BLOB_PX[1])))
        )
        flat = np.argwhere(body & (np.abs(contrast) < FLAT_CONTRAST))
        for places, crops in zip((flat, peaks), crops_of, strict=True):
            crops += [
                image[y - half : y + half, x - half : x + half]
                for y, x in places[rng.permutation(len(places))[:share]]
            ]
    labels = np.repeat([False, True], [len(crops) for crops in crops_of])
    return np.stack([crop for crops in crops_of for crop in crops]), labels


def crops(
    scans: Sequence[Scan], modality: str, number: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """``[number, CROP, CROP]`` in the units of the two-dimensional networks, mostly of the body.

    Even over patients.
    """
    members: dict[str, list[tuple[NDArray[np.float32], NDArray[np.bool_]]]] = {}
    for scan in scans:
        if min(scan.pixels.shape) < CROP:
            continue
        measured = measured_pixels(scan.pixels, MODALITIES[modality])
        inside = measured & body_mask(scan.pixels, measured, MODALITIES[modality])
        members.setdefault(scan.source.patient, []).append(
            (shown(scan.pixels, modality)[0], inside)
        )
    names = sorted(members)
    cut = []
    for count in range(number):
        own = members[names[count % len(names)]]
        pixels, inside = own[int(rng.integers(len(own)))]
        for _ in range(TRIES):
            top, left = (int(rng.integers(0, side - CROP + 1)) for side in pixels.shape)
            window = (slice(top, top + CROP), slice(left, left + CROP))
            if inside[window].mean() >= MEASURED_SHARE:
                break
        cut.append(pixels[window])
    return np.stack(cut)
