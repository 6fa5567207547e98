"""Regions unlike genuine tissue as a binary Segmentation of one segment.

The disks that were looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import Dataset

from dfd.outputs.dicom import codes as own
from dfd.outputs.dicom.maker import LABEL, MARK, PRODUCT, Names
from dfd.outputs.dicom.sources import Answer, SliceKey, SourceImage
from dfd.outputs.dicom.stacks import as_sources, finish
from dfd.records import SUSPICIOUS, BoolImage, Region
from dfd.version import __version__

COLOUR = CIELabColor(70.7, 20.0, 74.4)
"""Orange, as the verdict in the pictures: what viewers are to fill the regions with."""


def disks_of(answer: Answer) -> list[Region]:
    """The suspicious regions of a row: that of the point, or those that stand out in a slice."""
    if not answer.finding.point.is_screening:
        return (
            [answer.region]
            if answer.region is not None and answer.finding.verdict in SUSPICIOUS
            else []
        )
    radius = answer.region.radius_px if answer.region else 0.0
    return [
        Region(each.finding.point.x, each.finding.point.y, radius) for each in answer.suspicions
    ]


def make(
    names: Names[Any], images: Sequence[SourceImage], disks: Mapping[SliceKey, Sequence[Region]]
) -> Dataset:
    """One segmentation of a stack of slices.

    ``disks`` by SOPInstanceUID and frame, at least one each.
    """
    masks = np.stack(
        [mask_of(disks[image.key], image.header.Rows, image.header.Columns) for image in images]
    ).astype(np.uint8)
    algorithm = AlgorithmIdentificationSequence(
        names.maker.name,
        own.ARTIFICIAL_INTELLIGENCE,
        __version__,
        source=PRODUCT,
        parameters={
            "weights_sha256": names.maker.weights_sha256,
            "calibration_sha256": names.maker.calibration_sha256 or "none",
        },
    )
    segment = SegmentDescription(
        1,
        own.SUSPICIOUS.meaning,
        segmented_property_category=own.SPATIAL,
        segmented_property_type=own.SUSPICIOUS,
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        tracking_uid=names.uid("segment"),
        tracking_id="suspicious regions",
    )
    segment.RecommendedDisplayCIELabValue = list(COLOUR.value)
    made = Segmentation(
        as_sources(images),
        masks,
        segmentation_type="BINARY",
        segment_descriptions=[segment],
        content_label=LABEL,
        content_description=f"{MARK}: regions unlike genuine tissue",
        **names.common(),
    )
    return finish(made, names, images)


def mask_of(disks: Sequence[Region], rows: int, columns: int) -> BoolImage:
    """``[H, W]``, True where the centre of a pixel lies in a disk.

    And in the pixel at its centre.
    """
    y, x = np.ogrid[:rows, :columns]
    mask = np.zeros((rows, columns), dtype=np.bool_)
    for disk in disks:
        mask |= np.hypot(x - disk.x, y - disk.y) <= max(disk.radius_px, 0.75)
    return mask
