"""Stages of ``benchmarks.speed.repository_scale``, each in a process of its own.

    python -m benchmarks.speed.repository_stages planning 20000

prints what it measured as JSON on the last line. What is heavy is imported where it is used: a plan
starts processes that import this module.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
from pydicom import dcmread
from pydicom.uid import UID

from dfd.repository import plan as planning
from dfd.repository import screen as screening
from dfd.repository.headers import ROWS, Chunk, First
from dfd.repository.models import PlannedModel, models_of
from dfd.repository.read_before import FILE as HEADERS_FILE
from dfd.repository.series_task import SeriesTask
from dfd.repository.source import Source, source_of
from dfd.settings import ScreenSettings

SLICES = 100
"""Of a series."""
PIXELS = 64
"""Of a side of a slice whose header is read."""
CHUNK = 512
WORKERS = 2
STAND_IN = """
import sys, types


def screen_series(task):
    from dfd.repository.parts import Part

    return Part(task.series, task.content, task.model.sha256, "scored", "", 0.5, 0.3, 0.5,
                "no anomaly found", "", len(task.files))


stand_in = types.ModuleType("dfd.repository.screen_series")
stand_in.screen_series = screen_series
sys.modules["dfd.repository.screen_series"] = stand_in
"""
"""``sitecustomize.py`` of processes in which the evidence of a series takes no time."""


def planning_stage(files: int) -> dict[str, float]:
    """Files a second of a plan from small DICOM files in the disk cache: anew, and unchanged."""
    with tempfile.TemporaryDirectory() as name:
        root, output = Path(name) / "scans", Path(name) / "out"
        output.mkdir()
        write_headers(root, files)
        source, models = source_of(root), models_of("")

        def seconds() -> float:
            began = time.perf_counter()
            made = planning.make_plan(source, output, models)
            took = time.perf_counter() - began
            planning.write_plan(made, output)
            return took

        seconds()
        (output / planning.FOLDER / HEADERS_FILE).unlink()
        anew = seconds()
        return {"files": files, "files/s": files / anew, "files/s unchanged": files / seconds()}


def write_headers(root: Path, files: int) -> None:
    """Series of ``SLICES`` small slices of one phantom, written longer ago than a plan asks for."""
    from dfd.phantom import write_ct_series

    with tempfile.TemporaryDirectory() as name:
        (path,) = write_ct_series(Path(name), seed=1, slices=1, size=PIXELS)
        dataset = dcmread(path)
        _ = dataset.pixel_array
    for number in range(files):
        series, place = divmod(number, SLICES)
        dataset.PatientID, dataset.StudyInstanceUID = f"patient{series}", f"1.2.1.{series}"
        dataset.SeriesInstanceUID, dataset.InstanceNumber = f"1.2.2.{series}", place + 1
        dataset.SOPInstanceUID = UID(f"1.2.3.{number}")
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.ImagePositionPatient = [0.0, 0.0, 2.5 * place]
        file = root / f"patient{series:06}" / f"{place:03}.dcm"
        file.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(file)
        os.utime(file, (10**9, 10**9))


def entries_stage(files: int) -> dict[str, float]:
    """A plan of so many files that are only simulated, and the tasks of its series."""
    return _simulated(files, SLICES)


def series_stage(series: int) -> dict[str, float]:
    """The same for so many series of one file each."""
    return _simulated(series, 1)


def _simulated(files: int, slices: int) -> dict[str, float]:
    """Processor seconds; the memory is looked at from outside."""
    simulated = patch.object(planning, "read_headers", lambda *_: _chunks(files, slices))
    with simulated, tempfile.TemporaryDirectory() as name:
        output, models = Path(name), models_of("")
        began = time.process_time()
        plan = planning.make_plan(Source(output, ()), output, models)
        planning.write_plan(plan, output)
        planned = time.process_time() - began
        settings = ScreenSettings(output, output)
        tasks = screening._tasks(settings, str(output), plan, output, models)
        both = time.process_time() - began
    return {
        "files": files,
        "series": len(tasks),
        "us a file, plan": planned / files * 1e6,
        "us a series, tasks": (both - planned) / len(tasks) * 1e6,
    }


def _chunks(files: int, slices: int) -> Iterator[Chunk]:
    """What would be read of the headers of so many files."""
    for start in range(0, files, CHUNK):
        chunk = Chunk()
        for number in range(start, min(start + CHUNK, files)):
            _add(chunk, number, *divmod(number, slices))
        yield chunk


def _add(chunk: Chunk, number: int, series: int, place: int) -> None:
    group, axial = digest(series), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    file = f"archive/patient{series // 3:07}/ct{series:07}/IM{place:05}.dcm"
    facts = {
        "patient": digest(series // 3),
        "study_uid": f"1.2.826.0.1.3680043.8.498.1.{series // 3}",
        "series_uid": f"1.2.826.0.1.3680043.8.498.2.{series}",
        "modality": "CT",
        "rows": 512,
        "columns": 512,
        "manufacturer": "SIEMENS",
        "scanner": "Sensation 64",
        "kernel": "B70f",
        "thickness_mm": 1.0,
        "spacing_mm": 0.7,
        "study_date": "20200317",
        "bundle": "ct_lung_inpainting",
    }
    sop_uid, written = f"1.2.826.0.1.3680043.8.498.3.{number}", 1_700_000_000 * 10**9 + number
    values = (file, group, axial, sop_uid, f"0\\0\\{place}", 1, 526_000, written, "")
    for name, value in zip(ROWS, (*values, json.dumps(facts)), strict=True):
        chunk.rows[name].append(value)
    chunk.series.setdefault((group, axial), First((False, file), json.dumps(facts)))


def digest(number: int) -> str:
    """16 hexadecimal digits, none twice."""
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}"


def engine_stage(series: int) -> dict[str, float]:
    """So many series on ``WORKERS`` workers with a stand-in that answers at once."""
    from dfd.repository.run_log import RunLog
    from dfd.repository.work import work

    with tempfile.TemporaryDirectory() as name:
        output = Path(name)
        (output / "parts").mkdir()
        (output / "site").mkdir()
        (output / "site" / "sitecustomize.py").write_text(STAND_IN, encoding="ascii")
        paths = (str(output / "site"), os.environ.get("PYTHONPATH", ""), str(Path.cwd()))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        settings = ScreenSettings(output, output, workers=WORKERS)
        tasks = list(simulated_tasks(series, output))
        seconds, memory = _watched(work(tasks, settings, RunLog(output)), series)
        done = sum(1 for _ in (output / "parts").iterdir())
    early, late = memory[0], memory[-1]
    return {
        "series": done,
        "ms of a worker a series": 1e3 * WORKERS * seconds / series,
        "MB of the scheduler after a tenth": early[0],
        "MB of the scheduler at the end": late[0],
        "MB of a worker after a tenth": early[1],
        "MB of a worker at the end": late[1],
    }


def simulated_tasks(series: int, output: Path) -> Iterator[SeriesTask]:
    """Tasks as a plan gives them; none of their files exists."""
    model = PlannedModel("model.pt", "ct_lung", "ab" * 32)
    for number in range(series):
        files = tuple(f"patient{number:06}/ct/IM{place:05}.dcm" for place in range(SLICES))
        yield SeriesTask(
            *(digest(number), digest(number), str(output), files, str(output)), model, "cpu"
        )


def _watched(statuses: Iterable[str], series: int) -> tuple[float, list[tuple[float, float]]]:
    """Seconds from the first answer to the last, and memory of this process and of a worker."""
    began, memory = 0.0, []
    for number, _ in enumerate(statuses, start=1):
        began = began or time.perf_counter()
        if number % max(series // 10, 1) == 0:
            memory.append(_megabytes())
            ended = time.perf_counter()
    return ended - began, memory


def _megabytes() -> tuple[float, float]:
    """Memory of this process, in which the scheduler runs, and of its largest child."""
    here = psutil.Process()
    others = [each.memory_info().rss for each in here.children(recursive=True)]
    return here.memory_info().rss / 1e6, max(others, default=0) / 1e6


STAGES: dict[str, Callable[[int], dict[str, Any]]] = {
    "planning": planning_stage,
    "entries": entries_stage,
    "series": series_stage,
    "engine": engine_stage,
}


def main(words: Sequence[str]) -> None:
    logging.basicConfig(level=logging.WARNING)
    stage, size = words
    print(json.dumps(STAGES[stage](int(size))))


if __name__ == "__main__":
    main(sys.argv[1:])
