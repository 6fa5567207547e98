"""The structured report.

Comprehensive SR after TID 1500, one measurement group per row, and one per suspicious region of
a screened slice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from highdicom import sr
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes

from dfd.outputs.dicom import codes as own
from dfd.outputs.dicom.maker import PRODUCT, Names
from dfd.outputs.dicom.sources import Answer, SourceImage, SourceSeries
from dfd.progress import progress
from dfd.records import Finding, Region, is_square
from dfd.version import __version__

PIXEL_CENTRE = 0.5
"""SCOORD counts from the outer corner of the first pixel (PS3.3 C.18.6.1), points from its
centre."""

RIM_POINTS = 49
"""Points of a closed line around a disk; the first and the last are one."""
Group: TypeAlias = (
    sr.MeasurementsAndQualitativeEvaluations
    | sr.PlanarROIMeasurementsAndQualitativeEvaluations
    | sr.VolumetricROIMeasurementsAndQualitativeEvaluations
)


def make(names: Names[SourceSeries]) -> Dataset:
    """The report on the rows of one series."""
    answers = progress(names.series.answers, "writing the DICOM report, rows")
    algorithm = algorithm_of(names)
    groups = [
        group for answer, image in answers for group in _groups(names, algorithm, answer, image)
    ]
    return report_of(names, groups, names.series.images())


def algorithm_of(names: Names[Any]) -> sr.AlgorithmIdentification:
    """What each group names."""
    return sr.AlgorithmIdentification(
        names.maker.name, __version__, parameters=names.maker.parameters
    )


def report_of(names: Names[Any], groups: Sequence[Group], images: Sequence[SourceImage]) -> Dataset:
    """A report with these groups; ``images``: all that it stands on."""
    report = sr.MeasurementReport(
        observation_context=_observer(names),
        procedure_reported=own.IMAGING,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    made = sr.ComprehensiveSR(
        evidence=_evidence(images),
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


def _observer(names: Names[Any]) -> sr.ObservationContext:
    device = sr.DeviceObserverIdentifyingAttributes(
        names.maker.uid("device"),
        name=PRODUCT,
        manufacturer_name=PRODUCT,
        model_name=names.maker.bundle,
        serial_number=names.maker.weights_sha256,
    )
    return sr.ObservationContext(
        observer_device_context=sr.ObserverContext(codes.DCM.Device, device)
    )


def _groups(
    names: Names[SourceSeries],
    algorithm: sr.AlgorithmIdentification,
    answer: Answer,
    image: SourceImage,
) -> list[Group]:
    """One group for the row, then one for each region that stands out where the row is a slice."""
    finding, row = answer.finding, str(answer.finding.point.row)
    if not finding.point.is_screening:
        return [_planar(names, algorithm, row, finding, (answer.region, image))]
    whole = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(names, row),
        finding_type=own.SLICE,
        algorithm_id=algorithm,
        measurements=measurements(finding),
        qualitative_evaluations=evaluations(finding),
        source_images=[sr.SourceImageForMeasurementGroup(*reference(image))],
    )
    comment(whole, finding)
    regions = []
    for number, each in enumerate(answer.suspicions, start=1):
        found, radius = each.finding, answer.region.radius_px if answer.region else 0.0
        disk = Region(found.point.x, found.point.y, radius, found.radius_mm)
        regions.append(
            _planar(
                names,
                algorithm,
                f"{row}.{number}",
                found,
                (disk, image),
                each.expected_false_alarms,
            )
        )
    return [whole, *regions]


def _planar(  # noqa: PLR0913, PLR0917 - the parts of one group, which nobody else puts together
    names: Names[SourceSeries],
    algorithm: sr.AlgorithmIdentification,
    row: str,
    finding: Finding,
    place: tuple[Region | None, SourceImage],
    false_alarms: float | None = None,
) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    """A group with its outline in the image."""
    region, image = place
    asked = region or Region(finding.point.x, finding.point.y, 0.0)
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(names, row),
        referenced_region=image_region(asked, image),
        finding_type=own.POINT if false_alarms is None else own.SUSPICIOUS,
        algorithm_id=algorithm,
        measurements=measurements(finding, false_alarms, image.spacing),
        qualitative_evaluations=evaluations(finding),
    )
    comment(group, finding)
    return group


def image_region(region: Region, image: SourceImage) -> sr.ImageRegion:
    """The outline of a disk in a slice."""
    kind, outline = outline_of(region, (image.header.Rows, image.header.Columns), image.spacing)
    return sr.ImageRegion(kind, outline, sr.SourceImageForRegion(*reference(image)))


def outline_of(
    region: Region, shape: tuple[int, int], spacing: tuple[float, float] | None
) -> tuple[str, NDArray[np.float64]]:
    """Graphic type and points of the outline of a disk of pixels.

    A circle where pixels are square: its centre, and a point of its rim that lies in the image. An
    ellipse where they are not, since what a viewer takes a circle for is then its own choice: the
    ends of the axis that is longer in mm, then of the other; a closed line where the image cuts it.
    The centre alone where a circle lies too little in the image.

    Args:
        region: The disk.
        shape: (rows, columns) of the image.
        spacing: (row, column) distance of pixel centres in mm, None where it is not stated.

    Returns:
        Graphic type and ``[points, 2]`` (column, row).
    """
    rows, columns = shape
    x, y, radius = region.x + PIXEL_CENTRE, region.y + PIXEL_CENTRE, region.radius_px
    if spacing is not None and not is_square(spacing) and radius > 0:
        across, down = ((x - radius, y), (x + radius, y)), ((x, y - radius), (x, y + radius))
        ends = np.array(
            [*across, *down] if spacing[1] > spacing[0] else [*down, *across], dtype=np.float64
        )
        if (ends >= 0).all() and (ends <= (columns, rows)).all():
            return "ELLIPSE", ends
        turns = np.linspace(0.0, 2.0 * np.pi, RIM_POINTS)
        rim = np.stack([x + radius * np.cos(turns), y + radius * np.sin(turns)], axis=1)
        return "POLYLINE", np.clip([*rim[:-1], rim[0]], 0.0, (columns, rows))
    rims = ((x + radius, y), (x - radius, y), (x, y + radius), (x, y - radius))
    inside = (
        [rim for rim in rims if 0 <= rim[0] <= columns and 0 <= rim[1] <= rows]
        if radius > 0
        else []
    )
    if not inside:
        return "POINT", np.array([(x, y)], dtype=np.float64)
    return "CIRCLE", np.array([(x, y), inside[0]], dtype=np.float64)


def tracking(names: Names[Any], row: str) -> sr.TrackingIdentifier:
    """The identifier of a group."""
    return sr.TrackingIdentifier(names.uid("tracking", row), row)


def reference(image: SourceImage) -> tuple[str, str, list[int] | None]:
    """SOPClassUID, SOPInstanceUID and frames, as highdicom takes them."""
    return (
        str(image.header.SOPClassUID),
        str(image.header.SOPInstanceUID),
        None if image.frame is None else [image.frame],
    )


def measurements(
    finding: Finding, false_alarms: float | None = None, spacing: tuple[float, float] | None = None
) -> list[sr.Measurement]:
    """What is a number; what could not be measured stays out."""
    # Where pixels are not square a disk of them has no one radius in mm.
    mean = None if spacing is None or is_square(spacing) else codes.SCT.Mean
    named = (
        (own.SCORE, finding.score, own.NO_UNITS, None),
        (own.P_VALUE, finding.p_value, own.NO_UNITS, None),
        (own.FALSE_ALARMS, false_alarms, own.NO_UNITS, None),
        (own.RADIUS, finding.radius_mm, own.MILLIMETRE, mean),
    )
    return [
        sr.Measurement(name, float(value), unit, derivation=how)
        for name, value, unit, how in named
        if value is not None and math.isfinite(value)
    ]


def evaluations(finding: Finding) -> list[sr.QualitativeEvaluation]:
    """Verdict and form, and whether the p-value is extrapolated."""
    found = verdict_and_form(finding)
    if math.isfinite(finding.p_value):
        found.append(
            sr.QualitativeEvaluation(own.EXTRAPOLATED, own.YES if finding.extrapolated else own.NO)
        )
    return found


def verdict_and_form(finding: Finding) -> list[sr.QualitativeEvaluation]:
    """The answer in codes; no form where nothing was found."""
    found = [sr.QualitativeEvaluation(own.VERDICT, own.VERDICTS[finding.verdict])]
    if finding.form:
        found.append(sr.QualitativeEvaluation(own.FORM, own.FORMS[finding.form]))
    return found


def comment(group: Group, finding: Finding) -> None:
    """The reason, as the text that TID 1501 allows in a group."""
    if finding.reason:
        item = sr.TextContentItem(
            own.COMMENT, finding.reason, relationship_type=sr.RelationshipTypeValues.CONTAINS
        )
        group[0].ContentSequence.append(item)
