"""DICOM results of a series that was screened as a whole.

The report has a group for the series and a volumetric one (TID 1411) for each listed region; map
and segmentation hold the slices that the regions reach over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from highdicom import sr
from pydicom import Dataset

from dfd.outputs.dicom import codes as own
from dfd.outputs.dicom import parametric_map, segmentation
from dfd.outputs.dicom.faults import read_all, sentences_of
from dfd.outputs.dicom.files import NO_IMAGE_CLASS, attempt, file_name, put, silent
from dfd.outputs.dicom.maker import Maker, Names
from dfd.outputs.dicom.sources import (
    SliceKey,
    SourceImage,
    are_images,
    content_of,
    image_of,
)
from dfd.outputs.dicom.sr import (
    algorithm_of,
    comment,
    image_region,
    measurements,
    reference,
    report_of,
    tracking,
    verdict_and_form,
)
from dfd.outputs.dicom.stacks import stacks_of
from dfd.reading.content import is_nifti
from dfd.reading.quiet import quiet
from dfd.records import Finding, FloatImage, Region, SliceRef

WHOLE = "series"
"""Tracking identifier of the group of the series."""
MapOf: TypeAlias = Callable[[SliceRef], FloatImage]
"""A slice -> ``[H, W]``, -log10 p, NaN where nothing can be said."""

NIFTI = "there are no DICOM results for {}: a NIfTI volume names no patient, study or series"
SEVERAL = "there are no DICOM results for the series of {}: it is of several patients or studies"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ListedRegion:
    """A region that is listed of a series."""

    finding: Finding
    """Its place is that of ``finding.point``, whose row is its rank."""
    radius_px: float
    slices: tuple[SliceRef, ...]
    """That it reaches over, in the order of the series."""

    @property
    def disk(self) -> Region:
        """In each of its slices."""
        point = self.finding.point
        return Region(point.x, point.y, self.radius_px, self.finding.radius_mm)


@dataclass(frozen=True)
class ScreenedSeries:
    """A series, and what was said of it."""

    name: str
    """For messages."""
    finding: Finding
    """Of the series as a whole."""
    slices: tuple[SliceRef, ...]
    """All of it, in order."""
    regions: tuple[ListedRegion, ...] = ()


@dataclass(frozen=True)
class _Source:
    """A screened series with the headers of its slices."""

    screened: ScreenedSeries
    images: dict[SliceRef, SourceImage]

    @property
    def header(self) -> Dataset:
        """Of its first slice."""
        return next(iter(self.images.values())).header

    @property
    def content(self) -> list[tuple[object, ...]]:
        """What is said of it."""
        slices = [(str(image.header.SOPInstanceUID), image.frame) for image in self.images.values()]
        regions = [
            (*content_of(each.finding), *(self.images[ref].key for ref in self.reached(each)))
            for each in self.screened.regions
        ]
        return [content_of(self.screened.finding), tuple(slices), *regions]

    def reached(self, region: ListedRegion) -> list[SliceRef]:
        """The slices of a region that results can refer to."""
        return [ref for ref in region.slices if ref in self.images]


def write(
    target: Path, stem: str, series: ScreenedSeries, maker: Maker, map_of: MapOf | None
) -> None:
    """Write ``<stem>-scores.dcm``, and of a series with regions ``-map.dcm`` and ``-regions.dcm``.

    The report comes last. What cannot be written is said.

    Args:
        target: Existing folder.
        stem: Begin of the names of the files.
        series: What was found.
        maker: The model.
        map_of: Makes the map of a slice; None: neither map nor segmentation is written.

    Raises:
        OutputError: the disk is full.
    """
    with quiet(), silent():
        images, reasons = _images(series.slices)
        for reason in reasons:
            logger.warning("%s", reason)
        if images and not are_images(images.values()):
            logger.warning(NO_IMAGE_CLASS, series.name)
        elif images:
            _write(target / stem, _Source(series, images), maker, map_of)


def _images(slices: Sequence[SliceRef]) -> tuple[dict[SliceRef, SourceImage], list[str]]:
    """Slice -> what results need of it, and a sentence for each reason why some are missing.

    One patient and study alone: a result is filed under one.
    """
    if any(is_nifti(ref.path) for ref in slices):
        return {}, [NIFTI.format(slices[0].path)]
    read = read_all(dict.fromkeys(ref.path for ref in slices))
    images: dict[SliceRef, SourceImage] = {}
    for ref in slices:
        header = read[ref.path]
        if isinstance(header, Dataset):
            images[ref] = image_of(header, ref.frame + 1)
    if len({_patient(image) for image in images.values()}) > 1:
        return {}, [SEVERAL.format(slices[0].path)]
    return images, sentences_of(read)


def _patient(image: SourceImage) -> tuple[str, str]:
    return str(image.header.PatientID), str(image.header.StudyInstanceUID)


def _write(path: Path, source: _Source, maker: Maker, map_of: MapOf | None) -> None:
    name, regions = source.screened.name, source.screened.regions
    if map_of is not None and regions:
        making = map_of
        attempt(name, "map", lambda: _write_maps(path, source, maker, making))
        attempt(name, "segmentation", lambda: _write_regions(path, source, maker))
    names = Names(maker, "scores", source)
    attempt(name, "report", lambda: put(_file(path, "scores", 1), _report(names)))


def _file(path: Path, kind: str, number: int) -> Path:
    return path.with_name(file_name(path.name, kind, number))


def _report(names: Names[_Source]) -> Dataset:
    source = names.series
    images = list(source.images.values())
    algorithm, finding = algorithm_of(names), source.screened.finding
    whole = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(names, WHOLE),
        finding_type=own.SERIES,
        algorithm_id=algorithm,
        measurements=measurements(finding),
        qualitative_evaluations=verdict_and_form(finding),
        source_images=[sr.SourceImageForMeasurementGroup(*reference(each)) for each in images],
    )
    comment(whole, finding)
    regions = [_group(names, algorithm, each) for each in source.screened.regions]
    return report_of(names, [whole, *filter(None, regions)], images)


def _group(
    names: Names[_Source], algorithm: sr.AlgorithmIdentification, region: ListedRegion
) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations | None:
    """A region as its outline in each slice; None where no slice can be referred to."""
    images = [names.series.images[ref] for ref in names.series.reached(region)]
    if not images:
        return None
    finding = region.finding
    group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(names, str(finding.point.row)),
        referenced_regions=[image_region(region.disk, image) for image in images],
        finding_type=own.SUSPICIOUS,
        algorithm_id=algorithm,
        measurements=measurements(finding, spacing=images[0].spacing),
        qualitative_evaluations=verdict_and_form(finding),
    )
    comment(group, finding)
    return group


def _stacks(source: _Source) -> Iterable[tuple[int, list[SourceImage]]]:
    """Numbered stacks of the slices that regions reach over.

    Raises:
        OutputError: a slice has no place in the patient.
    """
    wanted = {ref for each in source.screened.regions for ref in source.reached(each)}
    return enumerate(
        stacks_of([image for ref, image in source.images.items() if ref in wanted]), start=1
    )


def _write_maps(path: Path, source: _Source, maker: Maker, map_of: MapOf) -> None:
    refs = {image.key: ref for ref, image in source.images.items()}
    for number, stack in _stacks(source):
        maps = {image.key: map_of(refs[image.key]) for image in stack}
        names = Names(maker, "map", source, number)
        put(_file(path, "map", number), parametric_map.make(names, stack, maps))


def _write_regions(path: Path, source: _Source, maker: Maker) -> None:
    disks: dict[SliceKey, list[Region]] = {}
    for each in source.screened.regions:
        for ref in source.reached(each):
            disks.setdefault(source.images[ref].key, []).append(each.disk)
    for number, stack in _stacks(source):
        names = Names(maker, "regions", source, number)
        put(_file(path, "regions", number), segmentation.make(names, stack, disks))
