"""Results as DICOM.

A structured report, and where slices were screened a parametric map and a segmentation, filed
beside the images they speak of.

highdicom is an extra; this package is imported only where DICOM results are asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from pydicom import Dataset, dcmread

from dfd.errors import DfdError, OutputError, UsageError
from dfd.outputs import screening_map
from dfd.outputs.dicom.maker import Maker, Names, as_bytes
from dfd.outputs.dicom.sources import Answer, SliceKey, SourceImage, SourceSeries, grouped
from dfd.outputs.dicom.stacks import stacks_of
from dfd.outputs.dicom_writer import FOLDER
from dfd.outputs.disk_space import is_full
from dfd.outputs.files import write_atomically
from dfd.reading.guard import READ_ERRORS
from dfd.reading.quiet import quiet
from dfd.records import Region

NO_IMAGE_CLASS = (
    "there is no DICOM report for the series of %s: its headers do not allow one, nor a map or a "
    "segmentation, since SOPClassUID names no image class of the standard (some anonymisers "
    "replace "
    "it): write the class of the scanner there again"
)
logger = logging.getLogger(__name__)

__all__ = ["FOLDER", "Answer", "Maker", "read_back", "require", "write"]


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


def write(folder: Path, answers: Sequence[Answer], maker: Maker, *, images: bool = True) -> Path:
    """Write ``dicom/series-01-scores.dcm`` (SR).

    ``-map.dcm`` and ``-regions.dcm`` for each series asked about; what cannot be written is said.

    Args:
        folder: Existing folder, which holds ``maps`` where slices were screened.
        answers: What was found, one per row.
        maker: The model.
        images: False: the report alone.

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
    with quiet(), _silent():
        series, reasons = grouped(answers)
        for reason in reasons:
            logger.warning("%s", reason)
        for number, one in enumerate(series, start=1):
            _write_series(target, f"series-{number:02d}", one, maker, images=images)
    return target


@contextmanager
def _silent() -> Iterator[None]:
    """Keep highdicom from telling which instance it works on."""
    log = logging.getLogger("highdicom")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


def read_back(folder: Path, study: str) -> list[Dataset]:
    """The results in ``folder`` that belong to a study."""
    with quiet():
        found = [dcmread(path) for path in sorted((folder / FOLDER).glob("series-*-*.dcm"))]
    return [each for each in found if each.StudyInstanceUID == study]


def _write_series(
    target: Path, stem: str, series: SourceSeries, maker: Maker, *, images: bool
) -> None:
    """The files of one series.

    They fail one by one: a slice without a place in the patient has a report, but no map.
    """
    from dfd.outputs.dicom import sr

    if not series.is_of_images:
        logger.warning(NO_IMAGE_CLASS, series.name)
        return
    _attempt(
        series,
        "report",
        lambda: _put(target / f"{stem}-scores.dcm", sr.make(Names(maker, "scores", series))),
    )
    if images:
        _attempt(series, "map", lambda: _write_maps(target, stem, series, maker))
        _attempt(series, "segmentation", lambda: _write_regions(target, stem, series, maker))


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
        _put(
            target / _name(stem, "map", number),
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
        _put(
            target / _name(stem, "regions", number),
            segmentation.make(Names(maker, "regions", series, number), stack, disks),
        )


def _name(stem: str, kind: str, number: int) -> str:
    return f"{stem}-{kind}.dcm" if number == 1 else f"{stem}-{kind}-{number}.dcm"


def _put(path: Path, made: Dataset) -> None:
    write_atomically(path, as_bytes(made))


def _attempt(series: SourceSeries, what: str, doing: Callable[[], None]) -> None:
    """Do it; a failure costs this one result and is one sentence.

    Errors of the libraries quote values of the header, so only their kind is named.
    """
    try:
        doing()
    except DfdError as error:
        if is_full(error):  # no matter of one series
            raise
        logger.warning("there is no DICOM %s for the series of %s: %s", what, series.name, error)
    except READ_ERRORS as error:
        message = "there is no DICOM %s for the series of %s: its headers do not allow one (%s)"
        logger.warning(message, what, series.name, type(error).__name__)
