"""One run: plan, work, report. Each of them can be made again from what lies in the folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from dfd.errors import OutputError, UsageError
from dfd.outputs import lock
from dfd.outputs.files import choose_output_dir, write_atomically
from dfd.progress import span
from dfd.repository.dispatch import work_on
from dfd.repository.models import PlannedModel, models_of
from dfd.repository.names import local_names
from dfd.repository.run_log import RunLog
from dfd.repository.source import Source, source_of
from dfd.sentences import counted
from dfd.settings import ScreenSettings

if TYPE_CHECKING:
    from dfd.repository.outcomes import Answers
    from dfd.repository.plan import Plan
    from dfd.repository.series_task import SeriesTask

EXTRA = "pip install deepfakes-detector[screen]"
DICOM_EXTRA = "pip install deepfakes-detector[dicom,screen]"
BUSY = "wait until it has ended, or choose another output folder"
PLANNED_FOR = "plan.json"
"""Beside the plan: of what it is the plan."""
SECONDS_A_SLICE = 3.0
"""Of one processor, where no slice has been screened yet that would tell."""
TO_KEEP = "keep the folders plan, parts and pictures to yourself: they name files and series"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Screened:
    """What a run left behind."""

    output: Path
    plan: Plan
    answers: Answers
    remaining: int
    """Series that a run with these settings would screen next."""
    estimate_s: float
    """Seconds that these would take."""
    anonymous: bool = False

    def lines(self) -> list[str]:
        """What became of files and series, for people."""
        files, done = self.plan.counts(), self.answers.counts()
        lines = [
            f"{counted(files['files'], 'file')}: {files['files planned']} planned, "
            f"{files['files skipped']} skipped, {files['files duplicate']} duplicate",
            f"{files['series']} series: "
            + ", ".join(f"{number} {status}" for status, number in done.items())
            + f", {files['series skipped']} skipped",
        ]
        if self.remaining:
            lines.append(f"{self.remaining} series to go, about {span(self.estimate_s)}")
        if self.anonymous:
            lines.append(TO_KEEP)
        return [*lines, f"results are in {self.output}"]


def screen(settings: ScreenSettings) -> Screened:
    """Screen a repository: plan, work on what is not done yet, write the report.

    Stopped at any moment, the next run goes on.

    Raises:
        DfdError: source, model or output folder cannot be used, another run works in the folder,
            or the run was stopped.
    """
    refuse_without_libraries(dask=settings.shard is None and not settings.dry_run)
    if isinstance(settings.source, str) and find_spec("dicomweb_client") is None:
        raise UsageError(f"an archive needs dicomweb-client, which is not installed: {DICOM_EXTRA}")
    if settings.dicom:
        from dfd.outputs import dicom

        dicom.require()
    source = source_of(settings.source, settings.since)
    models = models_of(settings.model)
    output = choose_output_dir(settings.output_dir, [])
    with _locked(output, settings.shard) as log_folder:
        from dfd.repository import parts
        from dfd.repository.results import write_dicom, write_results

        parts.make_folder(output)
        plan = _planned(settings, source, output, models)
        tasks = _tasks(settings, source.where, plan, output, models)
        try:
            if not settings.dry_run:
                work_on(tasks, settings, RunLog(log_folder, _names(settings, plan)))
        finally:
            answers = write_results(settings, plan, output, models, source.where)
        if settings.dicom and not settings.dry_run:
            write_dicom(settings, plan, output, models, source.where)
    return _screened(settings, plan, (output, answers), _tasks_left(tasks, output))


def _names(settings: ScreenSettings, plan: Plan) -> dict[str, str]:
    """What stands for the series in the log: their digests, or local names."""
    return local_names(plan.series["series"].to_pylist()) if settings.anonymous else {}


def refuse_without_libraries(*, dask: bool) -> None:
    """Refuse where the libraries of the extra ``screen`` are missing.

    Raises:
        UsageError: one is not installed.
    """
    for name in ("pyarrow", "faiss", *(("distributed",) if dask else ())):
        if find_spec(name) is None:
            raise UsageError(f"screening needs {name}, which is not installed: {EXTRA}")


@contextmanager
def _locked(output: Path, shard: tuple[int, int] | None) -> Iterator[Path]:
    """One run at a time in a folder, which is given; shards have folders of their own."""
    if shard is None:
        with lock.held(output, BUSY):
            yield output
        return
    from dfd.repository import shard as shards

    place = shards.folder_of(output, shard)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{place} cannot be made ({error.strerror})") from error
    with lock.held(place, BUSY):
        yield place


def _planned(
    settings: ScreenSettings, source: Source, output: Path, models: tuple[PlannedModel, ...]
) -> Plan:
    """The plan; shards take the one that is there, so that all of them have the same."""
    from dfd.repository import plan as planning

    file = output / planning.FOLDER / PLANNED_FOR
    of: dict[str, object] = {"source": _named(settings.source)}
    of["models"] = [each.sha256 for each in models]
    if source.since is not None:
        of["since"] = source.since.isoformat()
    if settings.shard is not None and _read(file) == of:
        found = planning.read_plan(output)
        if found is not None:
            logger.info("the plan in %s is used; delete it to plan anew", file.parent)
            return found
    plan = planning.make_plan(source, output, models)
    planning.write_plan(plan, output)
    write_atomically(file, (json.dumps(of, indent=2) + "\n").encode("ascii"))
    return replace(plan, headers=None)


def _named(source: Path | str) -> str:
    return source if isinstance(source, str) else str(source.resolve())


def _read(file: Path) -> object:
    try:
        return json.loads(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _tasks(
    settings: ScreenSettings,
    where: str,
    plan: Plan,
    output: Path,
    models: tuple[PlannedModel, ...],
) -> list[SeriesTask]:
    """The series that this run screens, in the order of the plan."""
    from dfd.repository import parts
    from dfd.repository.outcomes import wanted_of
    from dfd.repository.selection import is_asked_for
    from dfd.repository.series_task import SeriesTask
    from dfd.repository.time_limit import limit_of

    by_bundle = {model.bundle: model for model in models}
    digests = {model.bundle: model.sha256 for model in models}
    files = plan.files_of()
    tasks: list[SeriesTask] = []
    for row in plan.series_rows():
        if settings.limit is not None and len(tasks) >= settings.limit:
            break
        if not is_asked_for(settings, row):
            continue
        if parts.read_part(output, wanted_of(row, digests)) is None:
            names = tuple(files[row["series"]])
            model = by_bundle[row["bundle"]]
            of = (row["series"], row["content"], where, names, str(output.resolve()))
            tasks.append(SeriesTask(*of, model, settings.device, limit_of(row["slices"])))
    return tasks


def _tasks_left(tasks: list[SeriesTask], output: Path) -> list[SeriesTask]:
    from dfd.repository.parts import part_path

    return [
        each for each in tasks if not part_path(output, each.series, each.model.sha256).exists()
    ]


def _screened(
    settings: ScreenSettings, plan: Plan, done: tuple[Path, Answers], left: list[SeriesTask]
) -> Screened:
    from dfd.repository.headers import cores_here

    output, answers = done
    columns = plan.series.select(["series", "slices"]).to_pydict()
    slices = dict(zip(columns["series"], columns["slices"], strict=True))
    pace = answers.seconds_a_slice or SECONDS_A_SLICE
    processes = 1 if settings.shard else settings.workers or cores_here()
    seconds = pace * sum(slices[task.series] for task in left) / processes
    return Screened(output, plan, answers, len(left), seconds, settings.anonymous)
