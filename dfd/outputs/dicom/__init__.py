"""Results as DICOM.

A structured report, and where slices were screened a parametric map and a segmentation, filed
beside the images they speak of. On request pictures of what is suspicious.

highdicom is an extra; this package is imported only where DICOM results are asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pydicom import Dataset, dcmread

from dfd.errors import OutputError, UsageError
from dfd.outputs import screening_map
from dfd.outputs.dicom.files import NO_IMAGE_CLASS, attempt, file_name, put, silent
from dfd.outputs.dicom.maker import Maker, Names
from dfd.outputs.dicom.sources import Answer, SliceKey, SourceImage, SourceSeries, grouped
from dfd.outputs.dicom.stacks import stacks_of
from dfd.outputs.dicom_writer import FOLDER
from dfd.reading.quiet import quiet
from dfd.records import Region

logger = logging.getLogger(__name__)

__all__ = ["FOLDER", "Answer", "Kinds", "Maker", "read_back", "require", "write"]


@dataclass(frozen=True)
class Kinds:
    """What is written beside the report."""

    images: bool = True
    """Map and segmentation."""
    captures: bool = False
    """Pictures of what is suspicious."""


def require() -> None:
    """Refuse where the extra is not installed.

    Raises:
        UsageError: highdicom is missing.
    """
    if find_spec("highdicom") is None:
        raise UsageError(
            "DICOM results need highdicom, which is not installed: pip install "
            "deepfakes-detector[dicom]"
        )


def write(folder: Path, answers: Sequence[Answer], maker: Maker, kinds: Kinds = Kinds()) -> Path:
    """Write ``dicom/series-01-scores.dcm`` (SR).

    ``-map.dcm`` and ``-regions.dcm`` for each series asked about; what cannot be written is said.

    Args:
        folder: Existing folder, which holds ``maps`` where slices were screened.
        answers: What was found, one per row.
        maker: The model.
        kinds: What is written beside the report.

    Returns:
        The folder ``dicom``; empty where no row has a DICOM source.

    Raises:
        OutputError: the folder cannot be made, or the disk is full.
    """
    target = folder / FOLDER
    try:
        target.mkdir(exist_ok=True)
        for former in target.glob(
            "series-*-*.dcm"
        ):  # of an earlier run into the same folder: its results are replaced as a whole
            former.unlink()
    except OSError as error:
        raise OutputError(
            f"{target} cannot be made: {error.strerror}; choose another output folder"
        ) from error
    with quiet(), silent():
        series, reasons = grouped(answers)
        for reason in reasons:
            logger.warning("%s", reason)
        for number, one in enumerate(series, start=1):
            _write_series(target, f"series-{number:02d}", one, maker, kinds)
    return target


def read_back(folder: Path, study: str) -> list[Dataset]:
    """The results in ``folder`` that belong to a study."""
    with quiet():
        found = [dcmread(path) for path in sorted((folder / FOLDER).glob("series-*-*.dcm"))]
    return [each for each in found if each.StudyInstanceUID == study]


def _write_series(
    target: Path, stem: str, series: SourceSeries, maker: Maker, kinds: Kinds
) -> None:
    """The files of one series.

    They fail one by one: a slice without a place in the patient has a report, but no map.
    """
    from dfd.outputs.dicom import sr

    if not series.is_of_images:
        logger.warning(NO_IMAGE_CLASS, series.name)
        return
    name = series.name
    attempt(
        name,
        "report",
        lambda: put(target / f"{stem}-scores.dcm", sr.make(Names(maker, "scores", series))),
    )
    if kinds.images:
        attempt(name, "map", lambda: _write_maps(target, stem, series, maker))
        attempt(name, "segmentation", lambda: _write_regions(target, stem, series, maker))
    if kinds.captures:
        attempt(name, "picture", lambda: _write_captures(target, stem, series, maker))


def _write_maps(target: Path, stem: str, series: SourceSeries, maker: Maker) -> None:
    """Maps as they lie in ``maps``.

    Where a slice was screened twice, with two radii, that of the first row.
    """
    from dfd.outputs.dicom import parametric_map

    numbers: dict[SliceKey, int] = {}
    mapped: list[SourceImage] = []
    for answer, image in series.answers:
        if (
            answer.finding.point.is_screening
            and image.key not in numbers
            and screening_map.has_numbers(target.parent, answer.number)
        ):
            numbers[image.key] = answer.number
            mapped.append(image)
    for number, stack in enumerate(stacks_of(mapped), start=1):
        maps = {
            image.key: screening_map.read_numbers(target.parent, numbers[image.key])
            for image in stack
        }
        put(
            target / file_name(stem, "map", number),
            parametric_map.make(Names(maker, "map", series, number), stack, maps),
        )


def _write_regions(target: Path, stem: str, series: SourceSeries, maker: Maker) -> None:
    """The suspicious regions of all rows; no file where there are none."""
    from dfd.outputs.dicom import segmentation

    disks: dict[SliceKey, list[Region]] = {}
    for answer, image in series.answers:
        found = segmentation.disks_of(answer)
        if found:
            disks.setdefault(image.key, []).extend(found)
    for number, stack in enumerate(
        stacks_of([image for image in series.images() if image.key in disks]), start=1
    ):
        put(
            target / file_name(stem, "regions", number),
            segmentation.make(Names(maker, "regions", series, number), stack, disks),
        )


def _write_captures(target: Path, stem: str, series: SourceSeries, maker: Maker) -> None:
    """A picture of every row with something suspicious."""
    from dfd.outputs.dicom import captures

    shown = (
        (picture, image)
        for answer, image in series.answers
        if (picture := captures.picture_of(target.parent, answer)) is not None
    )
    for number, (picture, image) in enumerate(shown, start=1):
        names = Names(maker, "captures", series, number)
        put(target / file_name(stem, "captures", number), captures.make(names, picture, image))
