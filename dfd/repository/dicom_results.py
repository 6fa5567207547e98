"""Parts -> DICOM results: a report of a series, and a map of the slices it lists.

Made from plan and parts by the first process, when the series are screened; what is there already
for the same answer is left as it is.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from dfd.calibration import UNUSUAL
from dfd.calibration.decision import verdict_of
from dfd.errors import OutputError
from dfd.models.model import read_model
from dfd.outputs import run_record
from dfd.outputs.dicom_writer import FOLDER
from dfd.outputs.files import because
from dfd.progress import progress
from dfd.reading import series_of_files
from dfd.records import Finding, Form, Point, SliceRef, Verdict
from dfd.repository.at_hand import at_hand
from dfd.repository.models import PlannedModel
from dfd.repository.names import below
from dfd.repository.outcomes import wanted_of
from dfd.repository.parts import Part, read_part
from dfd.repository.schema import SCORED
from dfd.sentences import Sentence
from dfd.version import __version__

if TYPE_CHECKING:
    from dfd.outputs.dicom.screened import ListedRegion, ScreenedSeries

KEY_DIGITS = 12

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DicomRun:
    """Of what DICOM results are made."""

    root: str
    """Where names in the plan begin: a folder, or the address of an archive."""
    output: Path
    models: Mapping[str, PlannedModel]
    """By bundle."""
    device: str
    every: bool
    """Whether series that are not listed get a report too."""


@dataclass(frozen=True)
class _Answer:
    """A scored series."""

    part: Part
    row: Mapping[str, Any]
    """Of the plan."""
    listed: bool

    @property
    def stem(self) -> str:
        """Begin of the names of its files: another answer has another."""
        said = replace(self.part, seconds=0.0, fingerprints=()), self.listed, __version__
        digest = hashlib.sha256(repr(said).encode()).hexdigest()
        return f"{self.part.series}-{digest[:KEY_DIGITS]}"


def write(run: DicomRun, rows: Sequence[Mapping[str, Any]], files: Mapping[str, list[str]]) -> None:
    """Write ``dicom/<series>-<answer>-scores.dcm``, and of listed series map and segmentation.

    Listed are the series of suspicious_regions.csv. What cannot be made is said.

    Args:
        run: Of what they are made.
        rows: Planned series.
        files: Series -> its files, as the plan names them.

    Raises:
        OutputError: the folder cannot be made, or the disk is full.
    """
    target = run.output / FOLDER
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target} cannot be made: {because(error)}") from error
    for answer in progress(list(_answers(run, rows)), "writing DICOM results, series"):
        if not (target / f"{answer.stem}-scores.dcm").exists():
            _remove_former(target, answer)
            _write(run, target, answer, files[answer.part.series])


def _answers(run: DicomRun, rows: Sequence[Mapping[str, Any]]) -> Iterator[_Answer]:
    """The scored series that get results."""
    listed = _listed(run.output)
    digests = {bundle: model.sha256 for bundle, model in run.models.items()}
    for row in rows:
        if not (run.every or row["series"] in listed):
            continue
        part = read_part(run.output, wanted_of(row, digests))
        if part is not None and part.status == SCORED:
            yield _Answer(part, row, row["series"] in listed)


def _listed(output: Path) -> frozenset[str]:
    """The series with a shipped or an empirical p-value of at most 0.05."""
    table = pq.ParquetFile(output / "series.parquet").read(["series", "p_value", "p_empirical"])
    alarm = pc.or_(
        *(
            pc.fill_null(pc.less_equal(table[name], UNUSUAL), False)
            for name in ("p_value", "p_empirical")
        )
    )
    return frozenset(table.filter(alarm)["series"].to_pylist())


def _remove_former(target: Path, answer: _Answer) -> None:
    """Results of another answer of the same series."""
    for former in target.glob(f"{answer.part.series}-*.dcm"):
        if not former.name.startswith(answer.stem):
            former.unlink(missing_ok=True)


def _write(run: DicomRun, target: Path, answer: _Answer, names: Sequence[str]) -> None:
    from dfd.outputs.dicom import Maker, screened

    chosen = run.models[answer.row["bundle"]]
    model = read_model(Path(chosen.path))
    maker = Maker(chosen.bundle, model.sha256, run_record.digest(model.calibration))
    map_of = None
    if answer.listed:
        from dfd.repository.slice_maps import SliceMaps

        map_of = SliceMaps(chosen, run.device).map_of
    with at_hand(run.root, names) as folder:
        series = _screened(answer, [below(folder, name) for name in names])
        if not series.slices:
            logger.warning("there are no DICOM results for %s: its files have gone", series.name)
            return
        screened.write(target, answer.stem, series, maker, map_of)


def _screened(answer: _Answer, paths: Sequence[Path]) -> ScreenedSeries:
    """A part in the words of the DICOM results; ``paths``: the files of its series."""
    from dfd.outputs.dicom.screened import ScreenedSeries

    part = answer.part
    slices = tuple(ref for one in series_of_files(paths)[0] for ref in one.slices)
    whole = Finding(
        Point(row=0, filename=""),
        Verdict(part.verdict),
        score=_number(part.score),
        p_value=_number(part.p_value),
        form=Form(part.form) if part.form else "",
        reason=str(Sentence(part.reason)),
    )
    regions = tuple(_region(each, slices) for each in part.regions)
    return ScreenedSeries(answer.row["folder"], whole, slices, regions)


def _region(region: Mapping[str, Any], slices: Sequence[SliceRef]) -> ListedRegion:
    """A region of a part; ``slices``: of its series, in order."""
    from dfd.outputs.dicom.screened import ListedRegion

    p = _number(region["p_value"])
    finding = Finding(
        Point(region["rank"], "", _number(region["x"]), _number(region["y"])),
        verdict_of(p),
        score=-math.log10(p) + 0.0 if p > 0 else math.nan,
        p_value=p,
        form=Form(region["form"]) if region["form"] else "",
        reason=str(Sentence(region["reason"] or "")),
        radius_mm=region["radius_mm"],
    )
    return ListedRegion(finding, _number(region["radius_px"]), _reached(region, slices))


def _reached(region: Mapping[str, Any], slices: Sequence[SliceRef]) -> tuple[SliceRef, ...]:
    """The slices of a region: by their UIDs, and where these tell no frames apart by their numbers.

    Files may have gone since: numbers are of no use then, UIDs are.
    """
    uids, times = set(region["sop_uids"]), Counter(ref.sop_uid for ref in slices)
    numbers = range(region["first_slice"], region["last_slice"] + 1)
    return tuple(
        ref
        for number, ref in enumerate(slices, start=1)
        if ref.sop_uid in uids and (times[ref.sop_uid] == 1 or number in numbers)
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value
