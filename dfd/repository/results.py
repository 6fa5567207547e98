"""Plan and parts -> all results. They can be made again at any time."""

from __future__ import annotations

from pathlib import Path

from dfd.outputs.anonymous import HIDDEN
from dfd.repository import outcomes, report
from dfd.repository.duplicates import write_duplicates
from dfd.repository.models import PlannedModel
from dfd.repository.names import local_names
from dfd.repository.outcomes import Answers
from dfd.repository.parts import part_path
from dfd.repository.plan import Plan
from dfd.repository.schema import PLANNED
from dfd.repository.selection import is_asked_for
from dfd.settings import ScreenSettings


def write_results(
    settings: ScreenSettings,
    plan: Plan,
    output: Path,
    models: tuple[PlannedModel, ...],
    where: str,
) -> Answers:
    """Write tables, page, duplicates and record, and give what became of the series.

    ``where``: the folder or the archive that names in the plan begin at.

    Raises:
        OutputError: a file cannot be written.
    """
    digests = {each.bundle: each.sha256 for each in models}
    answers = outcomes.answers_of(plan, output, digests)
    _list_duplicates(plan, output, digests, where, anonymous=settings.anonymous)
    report.write(output, models=digests, anonymous=settings.anonymous)
    hidden = settings.anonymous
    about = {
        "source": HIDDEN if hidden else str(settings.source),
        "models": {
            each.bundle: {"path": HIDDEN if hidden else each.path, "sha256": each.sha256}
            for each in models
        },
        "limit": settings.limit,
        "since": settings.since,
        "shard": settings.shard,
        "anonymous": hidden,
    }
    outcomes.write_record(plan, answers, output, about)
    return answers


def _list_duplicates(
    plan: Plan, output: Path, models: dict[str, str], where: str, *, anonymous: bool
) -> None:
    columns = ["series", "status", "patient", "study_uid", "bundle"]
    rows = plan.series.select(columns).to_pylist()
    planned = [row for row in rows if row["status"] == PLANNED]
    paths = [part_path(output, row["series"], models[row["bundle"]]) for row in planned]
    write_duplicates(
        [path for path in paths if path.exists()],
        {row["series"]: (row["patient"] or "", row["study_uid"] or "") for row in planned},
        output,
        where,
        local_names(row["series"] for row in rows) if anonymous else None,
    )


def write_dicom(
    settings: ScreenSettings,
    plan: Plan,
    output: Path,
    models: tuple[PlannedModel, ...],
    where: str,
) -> None:
    """DICOM results of the series that a run asks for.

    Raises:
        OutputError: they cannot be written.
    """
    from dfd.repository import dicom_results  # highdicom: for runs that ask for it

    rows = [row for row in plan.series.to_pylist() if is_asked_for(settings, row)]
    by_bundle = {model.bundle: model for model in models}
    every = settings.dicom == "all"
    run = dicom_results.DicomRun(where, output, by_bundle, settings.device, every)
    dicom_results.write(run, rows, plan.files_of())
