"""Slices of a series that can stand in one multi-frame object.

One grid, each place once, a bounded number; and how they are handed to highdicom.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from pydicom import Dataset

from dfd.errors import OutputError
from dfd.outputs.dicom.maker import Names
from dfd.outputs.dicom.sources import SourceImage
from dfd.reading.geometry import Placement, position_of
from dfd.reading.header_values import numbers_of

MOST_FRAMES = 128
"""Of one object: 128 maps of 512 x 512 pixels are 128 MiB, and some copies of them are needed to
write one."""
SAME_PLACE_MM = 1e-3


def stacks_of(images: Sequence[SourceImage]) -> list[list[SourceImage]]:
    """The slices in stacks, each in spatial order.

    Raises:
        OutputError: a slice has no place in the patient.
    """
    stacks: list[tuple[tuple[object, ...], dict[float, SourceImage]]] = []
    for image in images:
        if not image.grid:
            raise OutputError(
                "a slice has no position, orientation, spacing, thickness or frame of "
                "reference, so maps and regions have no place"
            )
        place = (
            position_of(
                Placement(numbers_of(image.header.ImageOrientationPatient, 6), image.corner)
            )
            or 0.0
        )
        for grid, members in stacks:
            if (
                grid == image.grid
                and len(members) < MOST_FRAMES
                and all(abs(place - other) > SAME_PLACE_MM for other in members)
            ):
                members[place] = image
                break
        else:
            stacks.append((image.grid, {place: image}))
    return [[members[place] for place in sorted(members)] for _, members in stacks]


def as_sources(stack: Sequence[SourceImage]) -> list[Dataset]:
    """The slices as highdicom wants them: the header of each.

    Of a file of several frames one header that holds the frames of the stack.
    """
    if stack[0].frame is None:
        return [image.header for image in stack]
    whole = copy.copy(stack[0].header)
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    for word in ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"):
        if word in whole:
            setattr(measures, word, whole[word].value)
    orientation.ImageOrientationPatient = whole.ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    whole.NumberOfFrames = len(stack)
    whole.SharedFunctionalGroupsSequence = [shared]
    whole.PerFrameFunctionalGroupsSequence = [_frame(image) for image in stack]
    return [whole]


def _frame(image: SourceImage) -> Dataset:
    """The functional groups of one frame."""
    position, groups = Dataset(), Dataset()
    position.ImagePositionPatient = image.header.ImagePositionPatient
    groups.PlanePositionSequence = [position]
    return groups


def finish(made: Dataset, names: Names[Any], stack: Sequence[SourceImage]) -> Dataset:
    """The frames as their file counts them.

    And in place of the identifier that highdicom draws at random one that follows from the content.
    """
    if stack[0].frame is not None:
        for groups in made.PerFrameFunctionalGroupsSequence:
            for source in groups.DerivationImageSequence[0].SourceImageSequence:
                source.ReferencedFrameNumber = stack[int(source.ReferencedFrameNumber) - 1].frame
    organization = names.uid("dimensions")
    made.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    for item in made.DimensionIndexSequence:
        item.DimensionOrganizationUID = organization
    return made
