"""Slices of a series that can stand in one multi-frame object: one grid, each place once, a bounded number."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom import Dataset

from dfd.errors import OutputError
from dfd.outputs.dicom.maker import Names
from dfd.outputs.dicom.sources import SourceImage
from dfd.reading.header import Placement, numbers_of, position_of

MOST_FRAMES = 128
"""Of one object: 128 maps of 512 x 512 pixels are 128 MiB, and some copies of them are needed to write one."""
SAME_PLACE_MM = 1e-3


def stacks_of(images: Sequence[SourceImage]) -> list[list[SourceImage]]:
    """The slices in stacks, each in spatial order.

    Raises:
        OutputError: a slice has no place in the patient, or the file holds several frames.
    """
    stacks: list[tuple[tuple[object, ...], dict[float, SourceImage]]] = []
    for image in images:
        if image.frame is not None:
            raise OutputError("maps and regions are not written for files of several frames; the report refers to their frames")
        if not image.grid:
            raise OutputError("a slice has no position, orientation, spacing, thickness or frame of reference, so maps and regions have no place")
        place = position_of(Placement(numbers_of(image.header.ImageOrientationPatient, 6), image.corner)) or 0.0
        for grid, members in stacks:
            if grid == image.grid and len(members) < MOST_FRAMES and all(abs(place - other) > SAME_PLACE_MM for other in members):
                members[place] = image
                break
        else:
            stacks.append((image.grid, {place: image}))
    return [[members[place] for place in sorted(members)] for _, members in stacks]


def finish(made: Dataset, names: Names) -> Dataset:
    """In place of the identifier that highdicom draws at random one that follows from the content."""
    organization = names.uid("dimensions")
    made.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    for item in made.DimensionIndexSequence:
        item.DimensionOrganizationUID = organization
    return made
