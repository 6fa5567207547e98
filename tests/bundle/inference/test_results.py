"""What a run leaves behind: every row accounted for, also where it was stopped."""

from __future__ import annotations

import copy
import csv
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from highdicom.sr import srread
from ignite.engine import Engine, Events

from dfd.bundle.inference.results import (
    ResultsWriter,
    calibration_of,
    points_of,
    results_folder,
    run,
)
from dfd.calibration import FORMAT, SLICE, Calibration, Setting, fit_table, to_json
from dfd.errors import BundleError, OutputError, PointsError
from dfd.exit_messages import line_of
from dfd.models.model_file import Model
from dfd.outputs.run_log import RunLog
from dfd.points import lookup
from dfd.records import Finding, Point, Prediction, Region, ScanFacts, Slice, SliceRef
from dfd.scoring import requested_points
from dfd.sentences import named
from tests.dicom_maker import make_pixels, make_slice
from tests.outputs.test_dicom_results import numbers_by_row

BUNDLE = "ct_lung_inpainting"


@pytest.fixture(autouse=True)
def _silent_ignite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("ignite"), "disabled", True)


@pytest.fixture
def network() -> torch.nn.Module:
    return torch.nn.Linear(2, 2)


@pytest.fixture
def model(network: torch.nn.Module, tmp_path: Path) -> Model:
    weights = network.state_dict()
    sha = Model(tmp_path, weights, BUNDLE).sha256
    setting = Setting({"noise": fit_table([[1.0, 2.0], [1.5]])})
    calibration = Calibration(BUNDLE, sha, 10.0, {}, {SLICE: setting})
    return Model(tmp_path / "secret place" / "m.ckpt", weights, BUNDLE, to_json(calibration))


def rows(count: int = 4) -> list[Point]:
    cells = [{"filename": f"canary/{n}.dcm", "X": "3", "Y": "4"} for n in range(count)]
    return [
        Point(
            n + 2, f"canary/{n}.dcm", 3.0, 4.0, cells=cells[n], path=Path(f"/data/canary/{n}.dcm")
        )
        for n in range(count)
    ]


def answer(points: list[Point], verdict: str = "unusual", **found: Any) -> dict[str, Any]:
    """What the evaluator's postprocessing gives for one slice."""
    numbers = {} if verdict == "unreadable" else {"p_value": 0.03, "score": 1.5}
    findings = [Finding(point, verdict, **(numbers | found)) for point in points]
    z = np.random.default_rng(0).normal(0, 1, (40, 40)).astype(np.float32)
    prediction = Prediction(z, np.ones_like(z), z, np.ones((40, 40), bool), 1.0)
    return {
        "image": torch.zeros(1),
        "findings": findings,
        "regions": [Region(20.0, 20.0, 8.0, 6.0)] * len(points),
        "prediction": prediction,
    }


def scan() -> Slice:
    return Slice(
        SliceRef(Path("a")),
        ScanFacts(unit="HU", spacing_mm=(0.8, 0.8)),
        np.zeros((40, 40), np.float32),
        np.ones((40, 40), bool),
    )


class Evaluator:
    """An engine that gives prepared answers; an exception among them is raised."""

    def __init__(self, answers: list[Any], writer: ResultsWriter) -> None:
        def step(_: Engine, batch: dict[str, Any]) -> Any:
            if isinstance(batch["answer"], BaseException):
                raise batch["answer"]
            return batch["answer"]

        self.engine, self.ran = Engine(step), False
        self.batches = [{"scan": scan(), "answer": each} for each in answers]
        writer.attach(self.engine)

    def run(self) -> None:
        self.ran = True
        self.engine.run(self.batches)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text())


def log(folder: Path) -> list[list[str]]:
    """Time, level and text of each line of run.log."""
    return [
        line.split(" ", 2) for line in (folder / "run.log").read_text(encoding="utf-8").splitlines()
    ]


def test_findings_come_in_the_order_of_the_rows(
    tmp_path: Path, network: torch.nn.Module, model: Model
) -> None:
    points = rows(4)
    writer = ResultsWriter(points, tmp_path, model, "ct_lung", images=False)
    found = run(
        Evaluator(
            [answer([points[3], points[0]]), answer([points[2], points[1]], "not assessable")],
            writer,
        ),
        network,
        model,
        writer,
    )
    assert [finding.point for finding in found] == points
    assert [row["filename"] for row in table(tmp_path)] == [point.filename for point in points]
    assert [row["verdict"] for row in table(tmp_path)] == [
        "unusual",
        "not assessable",
        "not assessable",
        "unusual",
    ]


def test_counts_add_up(tmp_path: Path, network: torch.nn.Module, model: Model) -> None:
    points = rows(6)
    bad = Point(
        8,
        "gone.dcm",
        cells={"filename": "gone.dcm", "X": "1", "Y": "1"},
        error="row 8: column filename names no file",
    )
    writer = ResultsWriter([*points, bad], tmp_path, model, "ct_lung", images=False)
    answers = [
        answer(points[:3], "no anomaly found"),
        answer(points[3:5], "not assessable"),
        answer(points[5:], "unreadable", error="cut off"),
    ]
    run(Evaluator(answers, writer), network, model, writer)
    kept = record(tmp_path)
    assert kept["counts"] == {
        "rows": 7,
        "scored": 3,
        "not assessable": 2,
        "unreadable": 2,
        "not reached": 0,
    }
    assert kept["counts"]["rows"] == sum(
        value for name, value in kept["counts"].items() if name != "rows"
    )
    assert sum(kept["verdicts"].values()) == 7
    assert (kept["calibration_patients"], kept["smallest_p_value_supported"]) == (
        2,
        pytest.approx(1 / 3),
    )
    assert (kept["bundle_version"], kept["calibration_format"]) == ("", FORMAT)
    assert (kept["bundle"], kept["weights_sha256"], kept["device"]) == (BUNDLE, model.sha256, "cpu")
    assert table(tmp_path)[-1]["error"] == bad.error


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), MemoryError("no more")])
def test_a_stop_in_the_middle_keeps_what_is_done(
    tmp_path: Path, network: torch.nn.Module, model: Model, stop: BaseException
) -> None:
    points = rows(4)
    writer = ResultsWriter(points, tmp_path, model, "ct_lung", images=False)
    evaluator = Evaluator([answer(points[:2]), stop, answer(points[2:])], writer)
    with pytest.raises(type(stop)):
        run(evaluator, network, model, writer)
    found = table(tmp_path)
    assert [row["verdict"] for row in found] == ["unusual", "unusual", "not reached", "not reached"]
    assert {row["error"] for row in found[2:]} == {
        (
            "the run was stopped before this row was reached; run the same command again into the "
            "same output folder to go on"
        )
    }
    assert record(tmp_path)["counts"] == {
        "rows": 4,
        "scored": 2,
        "not assessable": 0,
        "unreadable": 0,
        "not reached": 2,
    }
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "stopped midway:</strong> 2 of 4 rows were not reached" in page
    assert page.rstrip().endswith("</html>")
    said, advice, end = log(tmp_path)
    assert said[1:] == ["INFO", f"results so far are in {tmp_path}"]
    assert advice[1:] == [
        "WARNING",
        (
            f"2 of 4 rows were not reached; to go on, run the same command again with {tmp_path} "
            "as its output folder"
        ),
    ]
    assert end[1:] == ["ERROR", line_of(stop)]


def test_an_error_of_ours_goes_up_as_it_is(
    tmp_path: Path, network: torch.nn.Module, model: Model
) -> None:
    points = rows(2)
    writer = ResultsWriter(points, tmp_path, model, "ct_lung", images=False)
    with pytest.raises(OutputError, match="the disk is full"):
        run(Evaluator([OutputError("the disk is full")], writer), network, model, writer)
    assert [row["verdict"] for row in table(tmp_path)] == ["not reached"] * 2
    assert [line[1:] for line in log(tmp_path)][-1] == ["ERROR", "error: the disk is full"]


def test_anonymous_errors_name_no_path_in_the_log(
    tmp_path: Path, network: torch.nn.Module, model: Model
) -> None:
    writer = ResultsWriter(rows(1), tmp_path, model, "ct_lung", images=False, anonymous=True)
    with pytest.raises(OutputError, match="My Canary"):
        run(
            Evaluator([OutputError("/data/My Canary Folder/a cannot be written")], writer),
            network,
            model,
            writer,
        )
    assert [line[1:] for line in log(tmp_path)][-1] == ["ERROR", "error: OutputError (hidden)"]
    assert "Canary" not in (tmp_path / "run.log").read_text()


def test_a_log_that_cannot_be_written_does_not_hide_what_stopped_the_run(
    tmp_path: Path, network: torch.nn.Module, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OutputError("no room for the log")

    monkeypatch.setattr("dfd.outputs.run_log.write_atomically", full)
    writer = ResultsWriter(rows(1), tmp_path, model, "ct_lung", images=False)
    with pytest.raises(KeyboardInterrupt):
        run(Evaluator([KeyboardInterrupt()], writer), network, model, writer)
    with pytest.raises(OutputError, match="no room for the log"):
        run(Evaluator([answer(writer.points)], writer), network, model, writer)
    assert len(table(tmp_path)) == 1


def test_folders_left_out_while_points_are_looked_up_stand_in_the_log(
    tmp_path: Path, network: torch.nn.Module, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*_: object) -> list[Point]:
        lookup.LOG.warning(
            "a folder of the data cannot be listed and is left out (%s)", "Permission denied"
        )
        return []

    (tmp_path / "test.csv").write_text("filename,X,Y\n")
    monkeypatch.setattr(requested_points, "read_points", told)
    kept = RunLog()
    writer = ResultsWriter(
        points_of(str(tmp_path), None, kept), tmp_path, model, "ct_lung", log=kept
    )
    run(Evaluator([], writer), network, model, writer)
    assert [line[1] for line in log(tmp_path)] == ["WARNING", "INFO"]
    assert (
        log(tmp_path)[0][2]
        == "a folder of the data cannot be listed and is left out (Permission denied)"
    )


def test_points_that_are_all_bad_need_no_network_run(
    tmp_path: Path, network: torch.nn.Module, model: Model
) -> None:
    points = [
        Point(2, "a", cells={"filename": "a", "X": "", "Y": ""}, error="row 2: column X is empty")
    ]
    writer = ResultsWriter(points, tmp_path, model, "ct_lung")
    evaluator = Evaluator([], writer)
    (finding,) = run(evaluator, network, model, writer)
    assert not evaluator.ran
    assert (finding.verdict, finding.error) == ("unreadable", "row 2: column X is empty")
    assert record(tmp_path)["device"] == "none needed"


def test_points_that_come_back_from_a_reader_process_as_copies(
    tmp_path: Path, network: torch.nn.Module, model: Model
) -> None:
    points = rows(3)
    writer = ResultsWriter(points, tmp_path, model, "ct_lung")
    found = run(
        Evaluator([answer(copy.deepcopy(points[:2])), answer(copy.deepcopy(points[2:]))], writer),
        network,
        model,
        writer,
    )
    assert [finding.verdict for finding in found] == ["unusual"] * 3
    assert len(list(tmp_path.glob("*.png"))) == 3


def test_overlays_are_numbered_like_the_rows(
    tmp_path: Path, network: torch.nn.Module, model: Model
) -> None:
    points = rows(3)
    writer = ResultsWriter(points, tmp_path, model, "ct_lung")
    unreadable = answer([points[0]], "unreadable", error="outside")
    run(Evaluator([unreadable, answer([points[2]])], writer), network, model, writer)
    assert [path.name for path in tmp_path.glob("*.png")] == ["overlay-0003.png"]


def test_the_report_shows_each_point_and_may_be_left_out(
    tmp_path: Path, network: torch.nn.Module, model: Model
) -> None:
    for asked in (True, False):
        folder = tmp_path / str(asked)
        folder.mkdir()
        writer = ResultsWriter(rows(2), folder, model, "ct_lung", report=asked)
        run(
            Evaluator([answer(writer.points, "no anomaly found", p_value=0.5, score=0.3)], writer),
            network,
            model,
            writer,
        )
        assert (folder / "report.html").exists() is asked
    page = (tmp_path / "True" / "report.html").read_text(encoding="utf-8")
    assert page.count("<article") == 2
    assert page.count("data:image/jpeg") == 1


def test_without_images_there_are_none(
    tmp_path: Path, network: torch.nn.Module, model: Model
) -> None:
    writer = ResultsWriter(rows(1), tmp_path, model, "ct_lung", images=False)
    run(Evaluator([answer(writer.points)], writer), network, model, writer)
    assert {path.name for path in tmp_path.iterdir()} == {
        "scores.csv",
        "run.json",
        "run.log",
        "report.html",
    }


@pytest.mark.parametrize("anonymous", [True, False])
def test_anonymous_results_name_no_path(
    tmp_path: Path, network: torch.nn.Module, model: Model, anonymous: bool
) -> None:
    points = rows(2)
    kept = {
        "data_path": "/data/canary",
        "points": "/data/canary/test.csv",
        "output_dir": str(tmp_path),
        "model_path": "secret place",
        "seed": 5,
    }
    writer = ResultsWriter(
        points, tmp_path, model, "ct_lung", images=False, anonymous=anonymous, record=kept
    )
    unreadable = answer(points[1:], "unreadable", error=f"{named('/data/canary/1.dcm')} is cut off")
    evaluator = Evaluator([answer(points[:1]), unreadable], writer)
    evaluator.engine.add_event_handler(
        Events.STARTED,
        lambda: logging.getLogger("dfd").warning(
            "%s left out: %s", Path("/data/canary/2.dcm"), "Canary^Identity was seen"
        ),
    )
    run(evaluator, network, model, writer)
    text = "".join(path.read_text() for path in tmp_path.iterdir())
    assert [word in text for word in ("canary", "Canary", "secret place", str(tmp_path))] == [
        not anonymous
    ] * 4
    told = (
        "(hidden) left out: (hidden)"
        if anonymous
        else "/data/canary/2.dcm left out: Canary^Identity was seen"
    )
    assert log(tmp_path)[0][1:] == ["WARNING", told]
    assert record(tmp_path)["configuration"]["seed"] == 5
    assert len(table(tmp_path)) == 2


def test_weights_of_the_other_modality_stop_before_anything_is_written(
    tmp_path: Path, network: torch.nn.Module, model: Model
) -> None:
    writer = ResultsWriter(rows(1), tmp_path, model, "mri_chest", images=False)
    with pytest.raises(
        BundleError, match="was trained as ct_lung_inpainting, not as mri_chest_inpainting"
    ):
        run(Evaluator([answer(writer.points)], writer), network, model, writer)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stopped", [False, True])
def test_dicom_results_of_a_whole_run(
    tmp_path: Path, network: torch.nn.Module, model: Model, stopped: bool
) -> None:
    file = make_slice(tmp_path / "scans" / "a.dcm", make_pixels((40, 40)))
    points = [
        Point(
            row, "a.dcm", 20.0, 20.0, cells={"filename": "a.dcm", "X": "20", "Y": "20"}, path=file
        )
        for row in (2, 3)
    ]
    folder = tmp_path / "results"
    folder.mkdir()
    writer = ResultsWriter(points, folder, model, "ct_lung", images=False, dicom=True)
    evaluator = Evaluator(
        [answer(points[:1]), KeyboardInterrupt() if stopped else answer(points[1:])], writer
    )
    if stopped:
        with pytest.raises(KeyboardInterrupt):
            run(evaluator, network, model, writer)
        assert not (folder / "dicom").exists()
        return
    run(evaluator, network, model, writer)
    told = numbers_by_row(srread(folder / "dicom" / "series-01-scores.dcm"))
    assert [(told[str(row)]["P_VALUE"], told[str(row)]["SCORE"]) for row in (2, 3)] == [
        (0.03, 1.5)
    ] * 2
    assert [(float(row["p_value"]), float(row["score"])) for row in table(folder)] == [
        (0.03, 1.5)
    ] * 2


def test_a_choice_that_does_not_exist_is_an_error(tmp_path: Path, model: Model) -> None:
    with pytest.raises(TypeError, match="pictures"):
        ResultsWriter([], tmp_path, model, "ct_lung", pictures=True)


def test_the_calibration_of_a_model(model: Model) -> None:
    assert calibration_of(model).patients == 2
    assert calibration_of(Model(Path("m"), model.weights, BUNDLE)) is None


def test_points_of_a_folder(tmp_path: Path) -> None:
    make_slice(tmp_path / "p1" / "a.dcm", make_pixels())
    (tmp_path / "test.csv").write_text("filename,X,Y\na,3,4\n")
    (point,) = points_of(str(tmp_path), None)
    assert (point.x, point.y, point.path.name) == (3.0, 4.0, "a.dcm")
    other = tmp_path / "other.csv"
    other.write_text("filename,X,Y\na,5,6\n")
    assert points_of(str(tmp_path), str(other))[0].x == 5.0


def test_a_folder_without_points_and_slices_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        PointsError,
        match=(
            "holds no points file and no slice that can be read; put scans there, and a CSV with "
            "the columns"
        ),
    ):
        points_of(str(tmp_path), None)
    with pytest.raises(PointsError, match=r"the data folder .*gone does not exist; check the path"):
        points_of(str(tmp_path / "gone"), None)


def test_results_go_where_asked_or_below_the_working_folder(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = results_folder(str(tmp_path / "asked"), model)
    assert asked == tmp_path / "asked"
    assert asked.is_dir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    chosen = results_folder(None, model)
    assert chosen.parent == tmp_path / "here" / "dfd_results"
    assert chosen.is_dir()


def test_where_the_working_folder_is_read_only_results_go_beside_the_model(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "dfd_results").write_text("a file where the folder should be")
    monkeypatch.chdir(blocked)
    assert results_folder(None, model).parent.parent == model.path.parent


def test_the_folder_that_the_environment_names_comes_first_where_it_can_be_written(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DFD_RESULTS", str(tmp_path / "kept"))
    assert results_folder(None, model).parent == tmp_path / "kept"
    assert results_folder(str(tmp_path / "asked"), model) == tmp_path / "asked"
    (tmp_path / "kept").rename(tmp_path / "elsewhere")
    (tmp_path / "kept").write_text("a file where the folder should be")
    assert results_folder(None, model).parent == tmp_path / "dfd_results"


def test_a_user_whom_the_system_does_not_know_has_no_home_to_write_to(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "home", unknown)
    assert results_folder(None, model).parent == tmp_path / "dfd_results"
