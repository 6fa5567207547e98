"""Which points a run is asked about."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from pathlib import Path

from dfd.bundle.datalists import slice_points
from dfd.bundle.inference.patient_points import place_points
from dfd.errors import PointsError
from dfd.outputs.run_log import RunLog
from dfd.points import find_points_file, read_points
from dfd.points.near_names import hint_in_folder
from dfd.records import Point

logger = logging.getLogger(__name__)

MANY_SLICES, SECONDS_EACH = 500, 5.0
"""From so many screened slices on it is said how long that takes; seconds of one on two cores,
prediction and all places of a 512 x 512 slice."""


def points_of(data: str, points: str | None, log: RunLog | None = None) -> list[Point]:
    """The points of a run, every slice as a whole where there is no points file.

    What is said on the way goes into ``log``.

    Raises:
        PointsError: the points file cannot be used, or there is neither one nor a slice.
    """
    folder = Path(data)
    if not folder.is_dir():
        near = hint_in_folder(folder)
        raise PointsError(f"the data folder {folder} does not exist{near}; check the path.")
    file = find_points_file(folder, Path(points) if points else None)
    with log.listening() if log is not None else nullcontext():
        asked = slice_points(folder) if file is None else read_points(file, folder)
        asked = place_points(asked, folder)
        whole = sum(point.is_screening for point in asked)
        if file is None:
            several = f"all {whole} slices of the folder are"
            which = "the one slice of the folder is" if whole == 1 else several
            logger.info("there is no points file: %s screened as a whole", which)
        elif whole:
            message = (
                "%d of %d rows name a slice and no place in it: there the whole slice is screened"
            )
            logger.info(message, whole, len(asked))
        if whole > MANY_SLICES:
            message = (
                "%d slices are to be screened, which takes about %.0f s each on a processor, "
                "%.1f hours in all"
            )
            logger.warning(message, whole, SECONDS_EACH, whole * SECONDS_EACH / 3600)
        return asked
