"""Two reconstructions of one acquisition.

How often genuine regions count as other content, and how often edits of one of both do.

    python -m benchmarks.studies.kernel_agreement

Every development patient of CT of whom two reconstructions lie beside each other (there is one, and
`dfd.context.reconstruction_agreement` was made on that one). Genuine places are drawn all over the
body; edits are disks, one at a time, in one of both slices, clicked beside their middle. Intervals
are over slices.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmarks.attacks.canvas import paste
from benchmarks.data import partition, scans
from benchmarks.data.scans import Scan
from benchmarks.metrics.bootstrap import mean_interval
from benchmarks.models.cross_validation import FOLDS
from benchmarks.runner import cli
from dfd.context.reconstruction_agreement import Comparison, Content
from dfd.context.reconstructions import Reconstructions
from dfd.intensity import assessed_pixels
from dfd.modalities import MODALITIES
from dfd.prediction.masks import disk
from dfd.records import FloatImage, Point, Region
from dfd.regions import region_of

MODALITY = "ct_lung"
SLICES = 5
"""Of each series."""
GENUINE, EDITED = 400, 8
"""Genuine places that are measured in a slice, and edits of each kind in it."""
CLICK_ERROR_PX = 3.6
"""By which the click misses the middle of the edit."""
SMALL = 0.5
"""Of the region's radius: a smaller edit."""
MARGIN_PX = 30

Change: TypeAlias = Callable[[FloatImage, NDArray[np.int64], np.random.Generator], FloatImage]
"""(slice, centre (x, y), generator) -> the slice with another content all over, of which a disk is
taken."""


def _moved(pixels: FloatImage, centre: NDArray[np.int64], rng: np.random.Generator) -> FloatImage:
    valid = np.argwhere(assessed_pixels(pixels, MODALITIES[MODALITY]))
    row, column = valid[rng.integers(len(valid))]
    return np.roll(pixels, (int(centre[1] - row), int(centre[0] - column)), axis=(0, 1))


def _blurred(
    pixels: FloatImage, centre: NDArray[np.int64], rng: np.random.Generator, *, sigma: float
) -> FloatImage:
    return np.asarray(gaussian_filter(np.nan_to_num(pixels, nan=-1000.0), sigma), dtype=np.float32)


def _raised(
    pixels: FloatImage, centre: NDArray[np.int64], rng: np.random.Generator, *, by: float
) -> FloatImage:
    return np.asarray(pixels + np.float32(by), dtype=np.float32)


@dataclass(frozen=True)
class Edit:
    """What is done to a disk of one of both slices."""

    change: Change
    share: float = 1.0
    """Radius, in radii of the region."""

    def content_at(
        self,
        pair: tuple[FloatImage, FloatImage],
        centre: NDArray[np.int64],
        radius: float,
        rng: np.random.Generator,
    ) -> Content:
        """The content at ``centre`` (x, y) of the first slice of ``pair``, edited there.

        Clicked beside.
        """
        (pixels, other), (x, y) = pair, (float(value) for value in centre)
        mask = disk(pixels.shape[0], pixels.shape[1], (x, y), self.share * radius)
        edited = paste(pixels, self.change(pixels, centre, rng), mask)
        angle = rng.uniform(0.0, 2.0 * np.pi)
        click = Region(
            x + CLICK_ERROR_PX * float(np.cos(angle)),
            y + CLICK_ERROR_PX * float(np.sin(angle)),
            radius,
        )
        return Comparison(edited, other, MODALITIES[MODALITY]).of(click).content


EDITS: dict[str, Edit] = {
    "another place pasted": Edit(_moved),
    "blur, sigma 8 px": Edit(partial(_blurred, sigma=8.0)),
    "blur, sigma 3 px": Edit(partial(_blurred, sigma=3.0)),
    "20 HU added": Edit(partial(_raised, by=20.0)),
    "60 HU added, half the radius": Edit(partial(_raised, by=60.0), SMALL),
}
"""By name."""


@dataclass
class Tally:
    """Contents of the places, slice by slice."""

    slices: list[dict[Content, int]] = field(default_factory=list)

    def add(self, contents: Iterator[Content]) -> None:
        """One slice."""
        members = list(contents)
        self.slices.append({content: members.count(content) for content in Content})

    @property
    def numbers(self) -> dict[str, Any]:
        """Counts, and the share of other content with its interval over slices."""
        shares = [each[Content.OTHER] / max(sum(each.values()), 1) for each in self.slices]
        counts = {content.value: sum(each[content] for each in self.slices) for content in Content}
        low, high = mean_interval(shares, np.random.default_rng(partition.SEED))
        return {
            **counts,
            "slices": len(shares),
            "share other": float(np.mean(shares)),
            "low": low,
            "high": high,
        }


def _places(pixels: FloatImage, number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``[n, 2]`` (x, y) inside the body."""
    valid = np.argwhere(assessed_pixels(pixels, MODALITIES[MODALITY]))
    return np.asarray(valid[rng.integers(len(valid), size=number), ::-1])


def of_slice(scan: Scan, other: FloatImage, tallies: Mapping[str, Tally], few: int) -> None:
    """Adds the contents of one slice and its other reconstruction."""
    modality, rng = (
        MODALITIES[MODALITY],
        np.random.default_rng([partition.SEED, zlib.crc32(scan.name.encode())]),
    )
    radius = region_of(Point(0, "", 0.0, 0.0), scan.slice, modality).radius_px
    genuine = Comparison(scan.pixels, other, modality)
    tallies["genuine"].add(
        genuine.of(Region(float(x), float(y), radius)).content
        for x, y in _places(scan.pixels, GENUINE // few, rng)
    )
    for name, edit in EDITS.items():
        centres = _places(scan.pixels, max(EDITED // few, 1), rng)
        tallies[name].add(
            edit.content_at((scan.pixels, other), centre, radius, rng) for centre in centres
        )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All numbers."""
    tallies = {name: Tally() for name in ("genuine", *EDITS)}
    patients, few = [], 40 if arguments.quick else 1
    for patient in partition.patients(MODALITY, FOLDS):
        folder = partition.patient_folder(MODALITY, patient)
        reconstructions = Reconstructions(within=folder)
        for scan in scans.load(
            scans.of_patient(patient, folder, MODALITY, 1 if arguments.quick else SLICES), MODALITY
        ):
            for reconstruction in reconstructions.of(scan.slice)[:1]:
                of_slice(scan, reconstruction.pixels, tallies, few)
                patients.append(patient)
    return {
        "patients": sorted(set(patients)),
        "told": {name: one.numbers for name, one in tallies.items()},
    }


def markdown(content: Mapping[str, Any]) -> str:
    """As read by people."""
    rows = [
        [
            name,
            *(str(one[key]) for key in ("slices", "other", "same", "untold")),
            f"{one['share other']:.3f} ({one['low']:.3f} to {one['high']:.3f})",
        ]
        for name, one in content["told"].items()
    ]
    words = (
        f"# Two reconstructions of one acquisition\n\n{', '.join(content['patients'])}, on "
        "whom the measure was developed. Disks have the radius of a region of the modality unless "
        f"stated; the point lies {CLICK_ERROR_PX:g} px from the middle. Interval (95 %) over "
        "slices.\n\n"
    )
    heads = [
        "edit of one of the two",
        "slices",
        "reported as other content",
        "reported as the same",
        "no remark",
        "share reported as other",
    ]
    return words + cli.table(heads, rows)


def main() -> None:
    arguments = cli.parser(__doc__, model=False).parse_args()
    content = run(arguments)
    cli.publish("kernel_agreement", content, markdown(content), quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
