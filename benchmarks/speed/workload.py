"""Slices and points to measure speed on: development slices where DFD_DATA is set, else phantoms.

One slice may appear many times.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import generate_uid

from benchmarks.data import partition
from dfd.phantom import write_ct_series
from dfd.reading import read_slice

SIDE = 512
SMALL_SIDE = 128
"""Of slices of which there are thousands."""
PHANTOM_SLICES = 3
SLICES_MM = 2.0
NOISE = 10.0
"""In stored values: so that no slice of a series is the same as another."""
BODY_HU = -950.0
INWARDS = 0.25
"""Points lie in the middle of the picture, this share of its side away from the edge, where the
body is."""


def source_slices(folder: Path) -> list[Path]:
    """Files of CT slices with 512 x 512 pixels.

    Real ones of development patients, or phantoms made in ``folder``.
    """
    if not os.environ.get("DFD_DATA"):
        return write_ct_series(
            folder / "phantom", seed=partition.SEED, slices=PHANTOM_SLICES, size=SIDE
        )
    files = [
        path
        for patient in partition.patients("ct_lung")
        for path in sorted(partition.patient_folder("ct_lung", patient).rglob("*.dcm"))
    ]
    # A patient every few files, so that the first ones are not all of one scanner.
    return [file for start in range(10) for file in files[start::10]]


def study(folder: Path, slices: int, points: int) -> Path:
    """A data folder with ``slices`` files and a ``test.csv`` of ``points`` rows spread over them.

    No points: every slice is asked about as a whole. Gives the folder.
    """
    root = folder / f"study_{slices}_{points}"
    if (root / "test.csv").exists():
        return root
    sources = (
        [file for file in source_slices(folder) if read_slice(file).pixels.shape == (SIDE, SIDE)]
        if slices == 1
        else source_slices(folder)
    )
    (root / "p1").mkdir(parents=True)
    lines = ["filename,X,Y"]
    rng = np.random.default_rng(partition.SEED)
    for number in range(slices):
        file = root / "p1" / f"file{number:03d}.dcm"
        shutil.copyfile(sources[number % len(sources)], file)
        share = points // slices + (number < points % slices)
        lines += [f"p1/{file.name},{x},{y}" for x, y in inner_points(file, share, rng)]
        lines += [f"p1/{file.name},,"] * (points == 0)
    (root / "test.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def series(folder: Path, slices: int, points: int = 1) -> Path:
    """A data folder with one series of ``slices`` slices, 2 mm apart.

    One slice again and again, with other noise.

    Each of ``points`` lies in another slice; they divide the series evenly, a single one lies in
    its middle.
    """
    root = folder / f"series_{slices}_{points}"
    if (root / "test.csv").exists():
        return root
    rng = np.random.default_rng(partition.SEED)
    files = _write_series(root, folder, slices, rng)
    chosen = [files[slices * (number + 1) // (points + 1)] for number in range(points)]
    _write_points(root, [(file, inner_points(file, 1, rng)[0]) for file in chosen])
    return root


def small_series(folder: Path, slices: int) -> Path:
    """The same with the middle of each slice alone, 128 x 128 pixels.

    Every slice is asked about as a whole, and one in ten at a point too.
    """
    root = folder / f"small_{slices}"
    if (root / "test.csv").exists():
        return root
    rng = np.random.default_rng(partition.SEED)
    files = _write_series(root, folder, slices, rng, side=SMALL_SIDE)
    middle = (SMALL_SIDE // 2, SMALL_SIDE // 2)
    _write_points(root, [(file, None) for file in files] + [(file, middle) for file in files[::10]])
    return root


def _write_series(
    root: Path, folder: Path, slices: int, rng: np.random.Generator, side: int = SIDE
) -> list[Path]:
    """One slice of ``source_slices`` again and again below ``root``, its middle ``side`` pixels."""
    source = next(
        file for file in source_slices(folder) if read_slice(file).pixels.shape == (SIDE, SIDE)
    )
    (root / "p1").mkdir(parents=True)
    dataset = pydicom.dcmread(source)
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        dataset.decompress()
    inner = slice((SIDE - side) // 2, (SIDE + side) // 2)
    stored = dataset.pixel_array
    pixels = stored[inner, inner].astype(np.int32)
    dataset.Rows = dataset.Columns = side
    dataset.ImageOrientationPatient, dataset.SliceThickness = [1, 0, 0, 0, 1, 0], SLICES_MM
    dataset.SeriesInstanceUID = generate_uid()
    files = []
    for number in range(slices):
        noise = np.rint(rng.normal(0.0, NOISE, pixels.shape)).astype(np.int32)
        # Padding keeps its one value, or it would be taken for a measurement.
        noise[pixels == pixels.min()] = 0
        noisy = np.clip(pixels + noise, pixels.min(), pixels.max())
        dataset.PixelData = noisy.astype(stored.dtype).tobytes()
        dataset.ImagePositionPatient = [0.0, 0.0, SLICES_MM * number]
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        files.append(root / "p1" / f"file{number:04d}.dcm")
        dataset.save_as(files[-1])
    return files


def _write_points(root: Path, places: Sequence[tuple[Path, tuple[int, int] | None]]) -> None:
    """``test.csv`` of a data folder: a file and (x, y) in each row, None for the whole slice."""
    rows = [
        f"{file.relative_to(root).as_posix()},{'' if place is None else place[0]},"
        f"{'' if place is None else place[1]}"
        for file, place in places
    ]
    (root / "test.csv").write_text("\n".join(["filename,X,Y", *rows]) + "\n", encoding="utf-8")


def inner_points(file: Path, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """``count`` random (x, y) of body pixels in the middle of the picture."""
    pixels = read_slice(file).pixels
    inside = pixels > BODY_HU
    margin = [int(INWARDS * side) for side in pixels.shape]
    inside[: margin[0]] = inside[-margin[0] :] = False
    inside[:, : margin[1]] = inside[:, -margin[1] :] = False
    rows, columns = np.nonzero(inside)
    indices = rng.choice(len(rows), size=count, replace=False)
    return [(int(columns[index]), int(rows[index])) for index in indices]


def training_folder(folder: Path, patients: Sequence[str] | None = None) -> tuple[Path, list[str]]:
    """A folder of patients to train on, and the names of those to leave out."""
    root = folder / "train"
    root.mkdir(exist_ok=True)
    if not os.environ.get("DFD_DATA"):
        for number in range(3):
            if not (root / f"p{number}").exists():
                write_ct_series(
                    root / f"p{number}",
                    seed=number,
                    slices=PHANTOM_SLICES,
                    patient=f"p{number}",
                    size=SIDE,
                )
        return root, ["p2"]
    left_out = partition.patients("ct_lung", partition.VALIDATION_FOLDS)[:1]
    for patient in [
        *(patients or partition.patients("ct_lung", partition.TRAINING_FOLDS)),
        *left_out,
    ]:
        if not (root / patient).exists():
            (root / patient).symlink_to(
                partition.patient_folder("ct_lung", patient), target_is_directory=True
            )
    return root, left_out
