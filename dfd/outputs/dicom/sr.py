"""The structured report: Comprehensive 3D SR after TID 1500, one measurement group per row, and one per suspicious region of a screened slice."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from highdicom import sr
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes

from dfd import __version__
from dfd.outputs.dicom import codes as own
from dfd.outputs.dicom.maker import PRODUCT, Names
from dfd.outputs.dicom.sources import Answer, SourceImage
from dfd.records import Finding, Region

PIXEL_CENTRE = 0.5
"""SCOORD counts from the outer corner of the first pixel (PS3.3 C.18.6.1), points from its centre."""


def make(names: Names) -> Dataset:
    """The report on one series."""
    algorithm = sr.AlgorithmIdentification(names.maker.name, __version__, parameters=names.maker.parameters)
    groups = [group for answer, image in names.series.answers for group in _groups(names, algorithm, answer, image)]
    report = sr.MeasurementReport(
        observation_context=_observer(names),
        procedure_reported=own.IMAGING,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    made = sr.Comprehensive3DSR(
        evidence=_evidence(names.series.images()),
        content=report[0],
        is_complete=True,
        is_final=False,
        is_verified=False,
        coding_schemes=[own.scheme()],
        content_qualification="RESEARCH",
        **names.common(),
    )
    made.CompletionFlagDescription = "Made by a program; no person has verified it"
    return made


def _evidence(images: Sequence[SourceImage]) -> list[Dataset]:
    """Each file once."""
    return list({str(image.header.SOPInstanceUID): image.header for image in images}.values())


def _observer(names: Names) -> sr.ObservationContext:
    device = sr.DeviceObserverIdentifyingAttributes(
        names.maker.uid("device"), name=PRODUCT, manufacturer_name=PRODUCT, model_name=names.maker.bundle, serial_number=names.maker.weights_sha256
    )
    return sr.ObservationContext(observer_device_context=sr.ObserverContext(codes.DCM.Device, device))


def _groups(
    names: Names, algorithm: sr.AlgorithmIdentification, answer: Answer, image: SourceImage
) -> list[sr.PlanarROIMeasurementsAndQualitativeEvaluations | sr.MeasurementsAndQualitativeEvaluations]:
    """One group for the row, then one for each region that stands out where the row is a slice."""
    finding, row = answer.finding, str(answer.finding.point.row)
    if not finding.point.is_screening:
        return [_planar(names, algorithm, row, finding, (answer.region, image))]
    whole = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(names, row),
        finding_type=own.SLICE,
        algorithm_id=algorithm,
        measurements=_measurements(finding),
        qualitative_evaluations=_evaluations(finding),
        source_images=[sr.SourceImageForMeasurementGroup(*_reference(image))],
    )
    _comment(whole, finding)
    regions = []
    for number, each in enumerate(answer.suspicions, start=1):
        found, radius = each.finding, answer.region.radius_px if answer.region else 0.0
        disk = Region(found.point.x, found.point.y, radius, found.radius_mm)
        regions.append(_planar(names, algorithm, f"{row}.{number}", found, (disk, image), each.expected_false_alarms))
    return [whole, *regions]


def _planar(  # noqa: PLR0913, PLR0917 - the parts of one group, which nobody else puts together
    names: Names,
    algorithm: sr.AlgorithmIdentification,
    tracking: str,
    finding: Finding,
    place: tuple[Region | None, SourceImage],
    false_alarms: float | None = None,
) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    """A group with its outline in the image."""
    region, image = place
    kind, outline = outline_of(region or Region(finding.point.x, finding.point.y, 0.0), image.header.Rows, image.header.Columns)
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(names, tracking),
        referenced_region=sr.ImageRegion(kind, outline, sr.SourceImageForRegion(*_reference(image))),
        finding_type=own.POINT if false_alarms is None else own.SUSPICIOUS,
        algorithm_id=algorithm,
        measurements=_measurements(finding, false_alarms),
        qualitative_evaluations=_evaluations(finding),
    )
    _comment(group, finding)
    return group


def outline_of(region: Region, rows: int, columns: int) -> tuple[str, NDArray[np.float64]]:
    """Graphic type and ``[points, 2]`` (column, row) of a disk: its centre and a point of its rim that lies in the image; the centre alone else."""
    x, y, radius = region.x + PIXEL_CENTRE, region.y + PIXEL_CENTRE, region.radius_px
    rims = ((x + radius, y), (x - radius, y), (x, y + radius), (x, y - radius))
    inside = [rim for rim in rims if 0 <= rim[0] <= columns and 0 <= rim[1] <= rows] if radius > 0 else []
    if not inside:
        return "POINT", np.array([(x, y)], dtype=np.float64)
    return "CIRCLE", np.array([(x, y), inside[0]], dtype=np.float64)


def _tracking(names: Names, row: str) -> sr.TrackingIdentifier:
    return sr.TrackingIdentifier(names.uid("tracking", row), row)


def _reference(image: SourceImage) -> tuple[str, str, list[int] | None]:
    return str(image.header.SOPClassUID), str(image.header.SOPInstanceUID), None if image.frame is None else [image.frame]


def _measurements(finding: Finding, false_alarms: float | None = None) -> list[sr.Measurement]:
    """What is a number; what could not be measured stays out."""
    told = (
        (own.SCORE, finding.score, own.NO_UNITS),
        (own.P_VALUE, finding.p_value, own.NO_UNITS),
        (own.FALSE_ALARMS, false_alarms, own.NO_UNITS),
        (own.RADIUS, finding.radius_mm, own.MILLIMETRE),
    )
    return [sr.Measurement(name, float(value), unit) for name, value, unit in told if value is not None and math.isfinite(value)]


def _evaluations(finding: Finding) -> list[sr.QualitativeEvaluation]:
    found = [sr.QualitativeEvaluation(own.VERDICT, own.VERDICTS[finding.verdict])]
    if finding.form:
        found.append(sr.QualitativeEvaluation(own.FORM, own.FORMS[finding.form]))
    if math.isfinite(finding.p_value):
        found.append(sr.QualitativeEvaluation(own.EXTRAPOLATED, own.YES if finding.extrapolated else own.NO))
    return found


def _comment(group: sr.MeasurementsAndQualitativeEvaluations | sr.PlanarROIMeasurementsAndQualitativeEvaluations, finding: Finding) -> None:
    """The reason, as the text that TID 1501 allows in a group."""
    if finding.reason:
        told = sr.TextContentItem(own.COMMENT, finding.reason, relationship_type=sr.RelationshipTypeValues.CONTAINS)
        group[0].ContentSequence.append(told)
