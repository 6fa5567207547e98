"""Pictures of the strangest places of a series, drawn where it is screened.

Pixels and an outline: neither name nor text stands in them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dfd.calibration import UNUSUAL
from dfd.errors import OutputError, SeriesError
from dfd.modalities import MODALITIES, Modality
from dfd.outputs import outlines, panels, png
from dfd.outputs.files import because, write_atomically
from dfd.reading import read_slice, series_of_files
from dfd.records import Region, SliceRef
from dfd.repository.names import below
from dfd.repository.parts import PICTURES, Part, picture_name
from dfd.repository.series_task import SeriesTask

MOST = 3
"""Pictures of an unusual series; any other has one, of its strangest place."""
SIZE = 224
"""Pixels of a side, twice those that the report shows."""
SURROUNDINGS = 4.0
"""Radii of a region to each side of its centre."""

logger = logging.getLogger(__name__)


def write_pictures(task: SeriesTask, part: Part) -> None:
    """Draw the first regions of a part that is about to be written.

    Pictures of an earlier answer go. A slice that cannot be read any more has none.

    Raises:
        OutputError: a picture cannot be written.
    """
    folder = Path(task.output) / PICTURES
    for rank in range(1, MOST + 1):
        with suppress(OSError):
            (folder / picture_name(part.series, part.model, rank)).unlink()
    most = MOST if part.p_value is not None and part.p_value <= UNUSUAL else 1
    # A region says on which slices it lies, or nothing can be shown.
    shown = [each for each in part.regions[:most] if each.get("first_slice")]
    if not shown:
        return
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {because(error)}") from error
    modality = MODALITIES[task.model.modality]
    try:
        series, _ = series_of_files([below(Path(task.root), name) for name in task.files])
        refs = [ref for one in series for ref in one.slices]
        for region in shown:
            picture = _drawn(refs, region, modality)
            name = picture_name(part.series, part.model, region["rank"])
            write_atomically(folder / name, picture)
    except (SeriesError, LookupError) as error:
        logger.warning("a place of a series has no picture: %s", error)


def _drawn(refs: list[SliceRef], found: Mapping[str, Any], modality: Modality) -> bytes:
    """PNG of a region on its slice: that where it is strongest, else that in its middle."""
    middle = (found["first_slice"] + found["last_slice"]) // 2
    ref = refs[(found.get("strongest_slice") or middle) - 1]
    scan = read_slice(ref.path, ref.frame, modality.unit)
    region = Region(found["x"], found["y"], found["radius_px"], found["radius_mm"])
    view = panels.region_view(region, SURROUNDINGS, scan.pixels.shape[:2], SIZE)
    grey = panels.grey_image(scan, panels.display_window(scan, modality))
    return png.file_of(png.pack(outlines.show(grey, view, region)))
