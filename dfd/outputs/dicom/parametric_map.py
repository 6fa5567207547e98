"""The map of -log10 p of slices that were screened, as a Parametric Map of 32-bit floats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from highdicom import VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.sr import CodedConcept
from pydicom import Dataset

from dfd.outputs.dicom import codes as own
from dfd.outputs.dicom.maker import LABEL, MARK, Names
from dfd.outputs.dicom.sources import SliceKey, SourceImage
from dfd.outputs.dicom.stacks import as_sources, finish
from dfd.outputs.screening_map import LARGEST
from dfd.records import FloatImage

NOTHING = -1.0
"""Where nothing can be said: no value of a map is below 0, and viewers stumble over NaN."""


def make(
    names: Names[Any], images: Sequence[SourceImage], maps: Mapping[SliceKey, FloatImage]
) -> Dataset:
    """One map of a stack of slices.

    ``maps`` by SOPInstanceUID and frame, ``[H, W]`` with NaN where nothing can be said.
    """
    planes = np.stack([np.nan_to_num(maps[image.key], nan=NOTHING) for image in images]).astype(
        np.float32
    )
    top = max(LARGEST, float(planes.max()))
    mapping = RealWorldValueMapping(
        lut_label="MINUSLOG10P",
        lut_explanation="-log10 p of a region around each pixel; -1: not assessed",
        unit=own.NO_UNITS,
        value_range=(NOTHING, top),
        slope=1.0,
        intercept=0.0,
        quantity_definition=own.SCORE,
    )
    made = ParametricMap(
        as_sources(images),
        planes,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[
            VOILUTTransformation(window_center=LARGEST / 2, window_width=LARGEST)
        ],
        content_label=LABEL,
        content_description=f"{MARK}: how rare each region is (-log10 p)",
        content_qualification="RESEARCH",
        **names.common(),
    )
    made.FloatPixelPaddingValue = made.FloatPixelPaddingRangeLimit = NOTHING
    # Else the series must name a side, and a source often has none; the chest as a whole has none
    # either.
    anatomy = Dataset()
    anatomy.AnatomicRegionSequence, anatomy.FrameLaterality = (
        [CodedConcept.from_code(own.CHEST)],
        "U",
    )
    made.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [anatomy]
    return finish(made, names, images)
