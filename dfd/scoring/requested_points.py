"""Which points a run is asked about."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

from dfd.errors import PointsError, SeriesError
from dfd.outputs.run_log import RunLog
from dfd.points import find_points_file, read_points
from dfd.points.near_names import hint_in_folder
from dfd.records import Point

logger = logging.getLogger(__name__)

MANY_SLICES, SECONDS_EACH = 500, 2.0
"""From so many screened slices on it is said how long that takes; seconds of one on two cores,
prediction and all places of a 512 x 512 slice."""


def points_of(
    data: str | Path, points: str | Path | None, log: RunLog | None = None
) -> list[Point]:
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
        if any(point.patient_mm is not None for point in asked):
            from dfd.scoring.patient_points import place_points

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
            message = "%d slices to screen: about %.0f s each on a processor, %.1f hours in all"
            logger.warning(message, whole, SECONDS_EACH, whole * SECONDS_EACH / 3600)
        return asked


def slice_points(folder: Path) -> list[Point]:
    """Every slice below ``folder`` that can be read, as a row that names no place in it.

    Numbered from 1, in the order of their files.

    Files with one SOPInstanceUID and the same pixels are one slice; a copy under an identifier of
    its own has a row of its own.

    Raises:
        PointsError: there is none.
    """
    # pydicom and what decodes pixels: not for a points file that cannot be used
    from dfd.reading import read_series
    from dfd.reading.copy_report import is_named, report_copies

    try:
        series, skipped = read_series(folder)
    except SeriesError as error:
        raise PointsError(str(error)) from error
    for left_out in skipped:
        logger.warning("%s left out: %s", left_out.path, left_out.reason)
    report_copies(series, named=False)
    found = [ref for one in series for ref in one.slices]
    found += [copy for one in series for copy, of in one.copies if is_named(copy, of)]
    refs = sorted(found, key=lambda ref: (ref.path, ref.frame))
    if not refs:
        raise PointsError(
            f"{folder} holds no points file and no slice that can be read; put scans there, "
            "and a CSV with the columns filename,X,Y or name one."
        )
    frames = Counter(ref.path for ref in refs)
    points = []
    for row, ref in enumerate(refs, start=1):
        name = ref.path.relative_to(folder).as_posix()
        frame = ref.frame + 1 if frames[ref.path] > 1 else None
        cells = {"filename": name, "X": "", "Y": ""} | (
            {} if frame is None else {"frame": str(frame)}
        )
        points.append(Point(row, name, frame=frame, cells=cells, path=ref.path))
    return points
