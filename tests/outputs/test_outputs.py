"""The table of writers: what every output keeps to, and what a new one takes."""

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

from dfd.modalities import MODALITIES
from dfd.outputs import WRITERS, own_files, writer_class
from dfd.outputs.disk_space import DiskSpace
from dfd.outputs.files import SCRATCH
from dfd.outputs.run_log import RunLog
from dfd.outputs.writer import BaseWriter, KeptSlice, Results, Run, Stage, Writer
from dfd.records import Finding, Point
from dfd.settings import ScoreSettings

EVERYTHING = ScoreSettings(Path("d"), dicom=True)
CELLS = {"filename": "a.dcm", "X": "1", "Y": "2"}
READ = Point(2, "a.dcm", 1.0, 2.0, cells=CELLS)
FINDINGS = [Finding(READ, "no anomaly found", score=0.5, p_value=0.3)]


def made(name: str, folder: Path) -> Writer:
    """A writer of a run that has started in ``folder``."""
    one = writer_class(name)()
    one.start(
        Run(
            folder,
            EVERYTHING,
            MODALITIES["ct_lung"],
            None,
            {2: 1},
            DiskSpace(folder / SCRATCH, 1, lambda: None),
            RunLog(),
        )
    )
    return one


def written(folder: Path) -> list[str]:
    """Files in ``folder``, from there."""
    return sorted(
        each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()
    )


@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_has_all_that_a_run_asks_of_it(name):
    kind = writer_class(name)
    assert isinstance(kind.needed, bool)
    assert isinstance(kind.asked(EVERYTHING), bool)
    assert kind.asked(EVERYTHING)
    for method in ("start", "slice", "resume", "finish"):
        assert callable(getattr(kind, method))
    assert kind.files, "say which files are its own"


@pytest.mark.parametrize("name", WRITERS)
def test_patterns_of_files_are_narrow(name):
    """A folder of results may hold files of others, scans even."""
    for folder, pattern in writer_class(name).files.items():
        assert "/" not in folder
        for other in ("slice1.dcm", "notes.txt", "test.csv", "lung.png", ""):
            assert not re.fullmatch(pattern, other)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("stage", Stage)
def test_at_every_stage_a_writer_writes_nothing_but_its_own_files(name, stage, tmp_path):
    one = made(name, tmp_path)
    assert written(tmp_path) == [], "start gets ready and writes nothing"
    one.resume(KeptSlice(tuple(FINDINGS)), {})
    one.finish(Results(FINDINGS, {"seed": 5}, stage))
    files = [path.relative_to(tmp_path).as_posix() for path in own_files.results_in(tmp_path)]
    assert sorted(files) == written(tmp_path)
    patterns = one.files
    for file in files:
        folder, _, last = file.rpartition("/")
        assert re.fullmatch(patterns[folder], last), file


@pytest.mark.parametrize("name", WRITERS)
def test_results_written_twice_are_the_same(name, tmp_path):
    one = made(name, tmp_path)
    contents = []
    for _ in range(2):
        one.finish(Results(FINDINGS, {"seed": 5}, Stage.FINISHED))
        contents.append({path: (tmp_path / path).read_bytes() for path in written(tmp_path)})
    assert contents[0] == contents[1]


def test_numbers_stand_before_pictures_in_the_table():
    needed = [writer_class(name).needed for name in WRITERS]
    assert needed == sorted(needed, reverse=True)


def test_what_is_not_asked_for_is_not_written():
    plain = ScoreSettings(Path("d"), images=False, report=False)
    asked = {name for name in WRITERS if writer_class(name).asked(plain)}
    assert asked == {"scores", "suspicious", "series", "run_record", "run_log"}


@pytest.fixture
def _tiny(monkeypatch):
    """One more output: a class in a module of its own, and a line in the table."""

    class CountWriter(BaseWriter):
        """``count.txt``: how many rows there are."""

        needed = True
        files: ClassVar = {"": r"count\.txt"}

        def finish(self, results):
            (self.run.folder / "count.txt").write_text(f"{len(results.findings)} rows")

    module = ModuleType("count_output")
    module.CountWriter = CountWriter
    monkeypatch.setitem(sys.modules, "count_output", module)
    monkeypatch.setitem(WRITERS, "count", "count_output:CountWriter")


@pytest.mark.usefixtures("_tiny")
def test_a_new_output_is_one_file_and_one_line(tmp_path):
    import torch

    from dfd.bundle.inference.results import ResultsWriter, run
    from dfd.models.model_file import Model

    network = torch.nn.Linear(2, 2)
    model = Model(tmp_path / "m.ckpt", network.state_dict(), "ct_lung_inpainting")
    folder = tmp_path / "out"
    folder.mkdir()
    rows = [Point(row, "gone.dcm", cells=CELLS, error="it is gone") for row in (2, 3)]
    results = ResultsWriter(rows, folder, model, "ct_lung")
    run(None, network, model, results)
    assert (folder / "count.txt").read_text() == "2 rows"
    assert folder / "count.txt" in own_files.results_in(folder)


def test_the_table_and_the_scores_load_nothing_heavy():
    code = (
        "import sys, dfd.outputs, dfd.outputs.scores; print(*sorted({'pandas', 'PIL', 'torch', "
        "'numpy.testing'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
