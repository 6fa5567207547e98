"""The demonstration study.

Two CT series of phantoms in which some regions were tampered with, and the points to look at.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from dfd.errors import OutputError
from dfd.phantom.anatomy import Anatomy
from dfd.phantom.ct import FULL_SIZE, Kernel, scan_ct
from dfd.phantom.dicom import CT_THICKNESS_MM, ct_scan, write_ct_slice
from dfd.phantom.geometry import paint
from dfd.phantom.plan import SeriesNames, plan_series
from dfd.phantom.tamper import add_noise, copy_move, smooth_fill
from dfd.records import BoolImage, FloatImage, Region

RADIUS_MM = 12.0
GAP_MM = 3.0
"""Tissue that must lie round every disk, and half of what must lie between two."""
SOFT_HU = (20.0, 210.0)
"""Muscle, heart and blood, with contrast medium or without."""
LUNG_HU = (-950.0, -700.0)
VESSEL_MM = 6.0
"""Gaps in lung tissue that are vessels."""
STILL_HU = 60.0
"""Most that the noise-free anatomy may vary inside a disk of soft tissue; vessels make that
impossible in lung."""
ATTEMPTS = 40
"""Times that the disks of a slice are drawn anew where the first ones left no room for the last."""
COLUMNS = ("filename", "X", "Y", "label", "what")


@dataclass(frozen=True, slots=True)
class Wish:
    """One point of the study: what happens there, and in which tissue."""

    what: str
    tissue: str


@dataclass(frozen=True, slots=True)
class SeriesPlan:
    """One series of the study and the wishes for each of its slices."""

    patient: str
    kernel: Kernel
    slices: tuple[tuple[Wish, ...], ...]


UNTOUCHED, NOISE, COPY, FILL = "untouched", "added noise", "copy-move", "smooth fill"
STUDY = (
    SeriesPlan(
        "p1",
        "soft",
        (
            (Wish(NOISE, "soft"), Wish(UNTOUCHED, "soft"), Wish(UNTOUCHED, "lung")),
            (Wish(COPY, "lung"), Wish(UNTOUCHED, "lung"), Wish(UNTOUCHED, "soft")),
            (Wish(FILL, "soft"), Wish(UNTOUCHED, "soft")),
        ),
    ),
    SeriesPlan(
        "p2", "sharp", ((Wish(NOISE, "lung"), Wish(UNTOUCHED, "lung"), Wish(UNTOUCHED, "soft")),)
    ),
)


@dataclass(frozen=True, slots=True)
class FreeTissue:
    """Where disks of ``RADIUS_MM`` may have their centre in one slice."""

    centres: dict[str, BoolImage]
    """``[H, W]`` per tissue."""
    radius_px: float
    gap_px: float


def write_demo_study(folder: Path, *, seed: int = 7) -> Path:
    """Write ``test/p1`` (soft kernel).

    ``test/p2`` (sharp kernel) and ``test/test.csv`` below ``folder``.

    The CSV has the columns filename, X, Y (zero-based pixels), label (1 where tampered) and what.

    Returns:
        The CSV.

    Raises:
        OutputError: if something cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from dfd.phantom import write_demo_study
        >>> points = write_demo_study(Path("phantoms"))
        >>> points.read_text().splitlines()[:2]
        ['filename,X,Y,label,what', 'p1/file001.dcm,261,255,1,added noise']
    """
    root = folder / "test"
    rows: list[tuple[str, int, int, int, str]] = []
    for number, series in enumerate(STUDY):
        rows += _write_series(root, series, np.random.default_rng([seed, number]), seed)
    path = root / "test.csv"
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(rows)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; choose a folder that can be written"
        ) from error
    return path


def _write_series(
    root: Path, series: SeriesPlan, rng: np.random.Generator, seed: int
) -> list[tuple[str, int, int, int, str]]:
    """Write one series, tampered, and give its rows of the CSV."""
    scan = ct_scan(series.kernel, FULL_SIZE)
    plan = plan_series(seed, series.patient, len(series.slices), CT_THICKNESS_MM)
    names = SeriesNames(seed, series.patient, "CT", series.kernel)
    rows = []
    for number, (wishes, height, noise) in enumerate(
        zip(series.slices, plan.heights_mm, plan.noise, strict=True), start=1
    ):
        image = scan_ct(noise, plan.anatomy, height, scan)
        free_tissue = find_free_tissue(plan.anatomy, height, scan.spacing_mm, image.shape)
        # The last disks are where copies are taken from; they, too, overlap no other.
        tissues = [wish.tissue for wish in wishes] + [
            wish.tissue for wish in wishes if wish.what == COPY
        ]
        regions = place_disks(rng, free_tissue, tissues)
        sources = iter(regions[len(wishes) :])
        for wish, region in zip(wishes, regions, strict=False):
            image = _tamper(rng, image, wish.what, region, sources)
            file = f"{series.patient}/file{number:03d}.dcm"
            rows.append(
                (file, int(region.x), int(region.y), int(wish.what != UNTOUCHED), wish.what)
            )
        write_ct_slice(root / series.patient, number, image, names, height)
    return rows


def _tamper(
    rng: np.random.Generator,
    image: FloatImage,
    what: str,
    region: Region,
    sources: Iterator[Region],
) -> FloatImage:
    if what == NOISE:
        return add_noise(rng, image, region)
    if what == COPY:
        return copy_move(image, region, next(sources))
    if what == FILL:
        return smooth_fill(image, region)
    return image


def find_free_tissue(
    anatomy: Anatomy, position_mm: float, spacing_mm: float, shape: tuple[int, ...]
) -> FreeTissue:
    """Where disks lie wholly in soft tissue or wholly in lung.

    Taken from the anatomy without noise.
    """
    axes = [
        (np.arange(count, dtype=np.float64) - (count - 1) / 2.0) * spacing_mm for count in shape
    ]
    truth = (
        paint(anatomy.section(position_mm), dict(anatomy.hu), axes[1], axes[0]) + anatomy.hu["air"]
    )
    radius, gap = RADIUS_MM / spacing_mm, GAP_MM / spacing_mm
    soft = (truth >= SOFT_HU[0]) & (truth <= SOFT_HU[1])
    # Vessels belong to the lung: gaps as small as they are closed before the distance is taken.
    lung = ndimage.binary_closing(
        (truth >= LUNG_HU[0]) & (truth <= LUNG_HU[1]), iterations=round(VESSEL_MM / spacing_mm)
    )
    centres = {
        name: ndimage.distance_transform_edt(tissue) > radius + gap
        for name, tissue in (("soft", soft), ("lung", lung))
    }
    width = 2 * round(radius) + 1
    centres["soft"] &= (
        ndimage.maximum_filter(truth, width) - ndimage.minimum_filter(truth, width) <= STILL_HU
    )
    return FreeTissue(centres, radius, gap)


def place_disks(
    rng: np.random.Generator, free_tissue: FreeTissue, tissues: list[str]
) -> list[Region]:
    """Draw a disk for each tissue named, none overlapping another.

    Raises:
        OutputError: if ``ATTEMPTS`` draws found no room.
    """
    for _ in range(ATTEMPTS):
        regions: list[Region] = []
        free = dict(free_tissue.centres)
        for tissue in tissues:
            rows, columns = np.nonzero(free[tissue])
            if rows.size == 0:
                break
            pick = int(rng.integers(rows.size))
            regions.append(
                Region(float(columns[pick]), float(rows[pick]), free_tissue.radius_px, RADIUS_MM)
            )
            y, x = np.ogrid[: free[tissue].shape[0], : free[tissue].shape[1]]
            far = np.hypot(y - regions[-1].y, x - regions[-1].x) > 2.0 * (
                free_tissue.radius_px + free_tissue.gap_px
            )
            free = {name: place & far for name, place in free.items()}
        else:
            return regions
    raise OutputError(
        f"the phantom has no room for disks of {', '.join(tissues)} tissue in one slice; "
        "choose another seed"
    )
