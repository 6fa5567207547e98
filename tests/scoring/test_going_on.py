"""A run that was stopped goes on and ends as if it had not been.

Another run never mixes with it.
"""

from __future__ import annotations

import copy
import csv
import errno
import logging
import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine

from benchmarks.kills import differences
from dfd.bundle.inference.results import ResultsWriter, run
from dfd.calibration import SLICE, Calibration, Setting, fit_table, to_json
from dfd.errors import InterruptedRunError, OutputError
from dfd.models.model_file import Model
from dfd.outputs import lock
from dfd.outputs.files import SCRATCH
from dfd.outputs.ledger import Ledger
from dfd.outputs.pictures import OverlayWriter
from dfd.outputs.report import data
from dfd.outputs.writer import SliceResult
from dfd.records import (
    Evidence,
    Finding,
    Point,
    Prediction,
    Region,
    ScanFacts,
    Screening,
    Slice,
    SliceRef,
    Suspicion,
)
from dfd.scoring import collected, kept_results, run_identity
from dfd.scoring.pace import EVERY_S, LARGEST_SHARE, Pace

BUNDLE = "ct_lung_inpainting"
SLICES, EACH = 4, 2
SCREENED = 3
"""Number of the slice whose last row asks about it as a whole."""
FAMILIES = ("noise", "copy_move")


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def _dead_processes_write_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = ResultsWriter.stop

    def only_if_alive(writer: ResultsWriter) -> None:
        if not getattr(writer, "killed", False):
            stop(writer)

    monkeypatch.setattr(ResultsWriter, "stop", only_if_alive)


@pytest.fixture
def network() -> torch.nn.Module:
    return torch.nn.Linear(2, 2)


@pytest.fixture
def model(network: torch.nn.Module, tmp_path: Path) -> Model:
    weights = network.state_dict()
    sha = Model(tmp_path, weights, BUNDLE).sha256
    setting = Setting({"noise": fit_table([[1.0, 2.0], [1.5]])})
    calibration = Calibration(BUNDLE, sha, 10.0, {}, {SLICE: setting})
    return Model(tmp_path / "m.ckpt", weights, BUNDLE, to_json(calibration))


@pytest.fixture
def points(tmp_path: Path) -> list[Point]:
    """Two rows for each slice of a patient, and a row without a file."""
    folder = tmp_path / "data" / "canary"
    folder.mkdir(parents=True)
    made = []
    for number in range(SLICES * EACH):
        name = f"canary/{number % SLICES}.dcm"
        (tmp_path / "data" / name).write_bytes(b"scan")
        whole = number == SLICES + SCREENED
        x, y = (math.nan, math.nan) if whole else (3.0 + number, 4.0)
        cells = {
            "filename": name,
            "X": "" if whole else f"{x:g}",
            "Y": "" if whole else "4",
            "remark": "=1",
        }
        made.append(Point(number + 2, name, x, y, cells=cells, path=tmp_path / "data" / name))
    return [
        *made,
        Point(
            99, "gone", cells={"filename": "gone", "X": "1", "Y": "1"}, error="row 99: no such file"
        ),
    ]


def scan(number: int) -> Slice:
    pixels = np.random.default_rng(number).normal(-700, 30, (40, 40)).astype(np.float32)
    facts = ScanFacts(
        unit="HU",
        spacing_mm=(0.8, 0.8),
        kernel="Canary Kernel",
        sequence="Canary",
        manufacturer="Canary",
        patient_hash="ab12",
    )
    return Slice(SliceRef(Path("a")), facts, pixels, np.ones((40, 40), bool))


def finding(point: Point, number: int) -> Finding:
    evidence = tuple(
        Evidence(
            family, 1.0 + number, {"energy": 0.1 * number, "grain": math.nan}, "lung", "coarser"
        )
        for family in FAMILIES
    )
    p = 0.3 / (1 + number)
    return (
        Finding(
            point,
            "unusual" if p <= 0.05 else "no anomaly found",
            -math.log10(p),
            p,
            "",
            f"number {number}",
            {"noise": p, "copy_move": math.nan},
        )
        if number
        else Finding(point, "not assessable", reason="air", evidence=evidence)
    )


def answer(points: Sequence[Point], number: int) -> dict[str, Any]:
    """What the postprocessing says of one slice."""
    z = np.random.default_rng(number).normal(0, 1, (40, 40)).astype(np.float32)
    prediction = Prediction(z, np.ones_like(z), z, np.ones((40, 40), bool), 1.0)
    findings, regions, screenings = [], [], {}
    for point in points:
        found = replace(finding(point, point.row % 7), evidence=finding(point, 0).evidence)
        if point.is_screening:
            place = replace(
                found, point=replace(point, x=12.0, y=9.0, radius_mm=6.0), reason="stands out"
            )
            screenings[point.row] = Screening(
                found, np.abs(z), 8.0, (Suspicion(place, 0.02), Suspicion(place, 1.5))
            )
        findings.append(found)
        regions.append(None if point.is_screening else Region(20.0, 20.0, 8.0, 6.0))
    device = torch.zeros(1)
    return {
        "image": device,
        "findings": findings,
        "regions": regions,
        "prediction": prediction,
        "screenings": screenings,
    }


class Loader(list[dict[str, Any]]):
    """A loader and its data set in one."""

    @property
    def dataset(self) -> SimpleNamespace:
        return SimpleNamespace(data=self)


class Evaluator:
    """Answers slice by slice.

    ``kill`` is called with the number of each slice before it is answered.
    """

    def __init__(self, writer: ResultsWriter, kill: Callable[[int], None] = lambda _: None) -> None:
        asked = [point for point in writer.points if not point.error]
        slices = [
            [point for point in asked if point.path and point.path.stem == str(number)]
            for number in range(SLICES)
        ]
        self.data_loader = Loader(
            {"points": group, "number": number} for number, group in enumerate(slices)
        )
        self.state, self.numbers = SimpleNamespace(), []

        def step(_: Engine, batch: dict[str, Any]) -> Any:
            try:
                kill(batch["number"])
            except Killed:
                writer.killed = True  # type: ignore[attr-defined]
                raise
            self.numbers.append(batch["number"])
            return answer(copy.deepcopy(batch["points"]), batch["number"])

        self.engine = Engine(step)
        writer.attach(self.engine)

    def run(self) -> None:
        self.engine.run([{**item, "scan": scan(item["number"])} for item in self.data_loader])


@pytest.fixture
def score(
    points: list[Point], model: Model, network: torch.nn.Module, tmp_path: Path
) -> Callable[..., list[int]]:
    """Runs into a folder and gives the numbers of the slices that were answered."""

    def go(folder: Path, kill: Callable[[int], None] = lambda _: None, **changed: Any) -> list[int]:
        folder.mkdir(exist_ok=True)
        used = {"points": points, "model": model} | {
            name: changed.pop(name) for name in ("points", "model") if name in changed
        }
        record = {"data_path": str(tmp_path / "data"), "seed": 5} | changed.pop("record", {})
        writer = ResultsWriter(
            used["points"], folder, used["model"], "ct_lung", record=record, **changed
        )
        evaluator = Evaluator(writer, kill)
        try:
            run(evaluator, network, used["model"], writer)  # type: ignore[arg-type]
        finally:
            go.numbers = evaluator.numbers  # type: ignore[attr-defined]
        return evaluator.numbers

    return go


def killed_at(number: int) -> Callable[[int], None]:
    def kill(here: int) -> None:
        if here == number:
            raise Killed

    return kill


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def aside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.startswith("earlier-"))


def everything(folder: Path) -> bytes:
    return b"".join(
        path.name.encode() + path.read_bytes() for path in folder.rglob("*") if path.is_file()
    )


@pytest.mark.parametrize("number", range(SLICES))
@pytest.mark.parametrize(
    "chosen", [{}, {"images": False}, {"report": False}, {"anonymous": True}], ids=str
)
def test_a_run_that_goes_on_ends_as_one_that_was_not_killed(
    tmp_path: Path, score: Callable[..., list[int]], number: int, chosen: dict[str, bool]
) -> None:
    assert score(tmp_path / "whole", **chosen) == list(range(SLICES))
    out = tmp_path / "out"
    with pytest.raises(Killed):
        score(out, killed_at(number), **chosen)
    assert [row["verdict"] for row in table(out)] == ["not reached"] * SLICES * EACH + [
        "unreadable"
    ]
    assert score(out, **chosen) == list(range(number, SLICES))
    assert differences(out, tmp_path / "whole") == []
    assert not (out / SCRATCH).exists()


def test_a_run_may_be_killed_after_every_slice(
    tmp_path: Path, score: Callable[..., list[int]]
) -> None:
    score(tmp_path / "whole")
    out = tmp_path / "out"
    for number in range(1, SLICES):
        with pytest.raises(Killed):
            score(out, killed_at(number))
        assert score.numbers == [number - 1]  # type: ignore[attr-defined]
    assert score(out) == [SLICES - 1]
    assert differences(out, tmp_path / "whole") == []


def test_numbers_stand_while_pictures_are_drawn_and_the_slice_is_asked_about_again(
    tmp_path: Path, score: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    score(tmp_path / "whole")
    out, drawn = tmp_path / "out", OverlayWriter.slice

    def killed(writer: OverlayWriter, result: SliceResult) -> Sequence[str]:
        if result.findings[0].point.path.stem == "1":
            raise Killed
        return drawn(writer, result)

    monkeypatch.setattr(OverlayWriter, "slice", killed)
    monkeypatch.setattr(ResultsWriter, "stop", lambda _: None)
    with pytest.raises(Killed):
        score(out)
    kept = [entry["scored"]["rows"] for entry in Ledger(out).entries() if "scored" in entry]
    assert kept == [[2, 6], [3, 7]]
    monkeypatch.setattr(OverlayWriter, "slice", drawn)
    with pytest.raises(
        Killed
    ):  # before the slice whose pictures are missing is answered: its numbers are known
        score(out, killed_at(1))
    assert [row["verdict"] == "not reached" for row in table(out)] == [
        False,
        False,
        True,
        True,
    ] * 2 + [False]
    assert score(out) == [1, 2, 3]
    assert differences(out, tmp_path / "whole") == []


@pytest.mark.parametrize(
    "damage", [Path.unlink, lambda path: path.write_bytes(b"half")], ids=["gone", "cut off"]
)
@pytest.mark.parametrize(
    ("name", "number"),
    [("overlay-0001.png", 0), ("maps/0008.tif", 3), (f"{SCRATCH}/pictures-2.json", 0)],
)
def test_what_is_missing_of_a_slice_is_made_again(
    tmp_path: Path,
    score: Callable[..., list[int]],
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], None],
    name: str,
    number: int,
) -> None:
    score(tmp_path / "whole")
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(ResultsWriter, "finish", lambda _: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            score(out)
    damage(out / name)
    assert score(out) == [number]
    assert differences(out, tmp_path / "whole") == []


def test_a_run_whose_slices_are_all_done_writes_what_is_left(
    tmp_path: Path, score: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    score(tmp_path / "whole")
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(ResultsWriter, "finish", lambda _: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            score(out)
    assert score(out) == []
    assert differences(out, tmp_path / "whole") == []


def test_of_many_rows_only_pictures_that_will_be_shown_are_kept(
    tmp_path: Path, score: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (data, kept_results):
        monkeypatch.setattr(module, "MOST_SHOWN", 3)
    score(tmp_path / "whole")
    out = tmp_path / "out"
    for number in range(1, SLICES):
        with pytest.raises(Killed):
            score(out, killed_at(number))
        assert len(list((out / SCRATCH).glob("pictures-*"))) <= 3
        assert score.numbers == [number - 1]  # type: ignore[attr-defined]
    assert score(out) == [SLICES - 1]
    assert differences(out, tmp_path / "whole") == []


CHANGES: dict[str, Callable[[dict[str, Any], Path], dict[str, Any]]] = {
    "the points": lambda kept, _: {
        "points": [*kept["points"][:-1], replace(kept["points"][-1], cells={"filename": "else"})]
    },
    "the model": lambda kept, _: {"model": replace(kept["model"], calibration=None)},
    "the settings": lambda _, __: {"record": {"seed": 6}},
    "the data files": lambda _, data: (os.utime(data / "canary" / "2.dcm", (1, 1)), {})[1],
}


@pytest.mark.parametrize("part", CHANGES)
def test_another_run_begins_anew_and_what_was_there_moves_aside(
    tmp_path: Path,
    score: Callable[..., list[int]],
    points: list[Point],
    model: Model,
    part: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = tmp_path / "out"
    with pytest.raises(Killed):
        score(out, killed_at(2))
    before = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (out / "notes.txt").write_text("mine")
    changed = CHANGES[part]({"points": points, "model": model}, tmp_path / "data")
    with caplog.at_level(logging.INFO):
        assert score(out, **changed) == list(range(SLICES))
    (moved,) = aside(out)
    assert {
        path.relative_to(moved): path.read_bytes() for path in moved.rglob("*") if path.is_file()
    } == before
    said = [record.getMessage() for record in caplog.records]
    assert f"results of an earlier run were moved to {moved}" in said
    assert f"that run was not finished, and cannot go on: {part} changed" in said
    assert (out / "notes.txt").read_text() == "mine"
    score(tmp_path / "whole", **changed)
    assert differences(out, tmp_path / "whole") == sorted(
        ["notes.txt", *(f"{moved.name}/{name}" for name in before)]
    )


def test_another_state_of_the_program_does_not_go_on(
    tmp_path: Path, score: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with pytest.raises(Killed):
        score(out, killed_at(2))
    monkeypatch.setattr(run_identity, "code_digest", lambda: "another")
    assert score(out) == list(range(SLICES))
    assert len(aside(out)) == 1


def test_a_finished_run_that_is_repeated_is_computed_again(
    tmp_path: Path, score: Callable[..., list[int]]
) -> None:
    out = tmp_path / "out"
    for number in range(3):
        assert score(out) == list(range(SLICES))
        assert len(aside(out)) == number
    assert [row["p_value"] for row in table(out)] == [
        row["p_value"] for row in table(aside(out)[0])
    ]


def test_fewer_outputs_leave_none_of_an_earlier_run(
    tmp_path: Path, score: Callable[..., list[int]]
) -> None:
    out = tmp_path / "out"
    score(out)
    score(out, images=False, report=False)
    assert {path.name for path in out.iterdir() if path.is_file()} == {
        "scores.csv",
        "suspicious_regions.csv",
        "run.json",
        "run.log",
    }
    assert (aside(out)[0] / "report.html").exists()


def test_a_move_that_was_killed_is_not_mixed_with_what_comes(
    tmp_path: Path, score: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, rename = tmp_path / "out", os.rename
    score(out)
    before = {path.relative_to(out) for path in out.rglob("*") if path.is_file()}

    def killed(source: str, target: str) -> None:
        if "run.json" in str(source):
            raise Killed
        rename(source, target)

    monkeypatch.setattr(os, "rename", killed)
    with pytest.raises(Killed):
        score(out)
    assert not (out / SCRATCH).exists()
    monkeypatch.setattr(os, "rename", rename)
    score(out)
    (moved,) = aside(out)
    assert {path.relative_to(moved) for path in moved.rglob("*") if path.is_file()} == before


def test_the_log_of_the_first_part_is_kept(tmp_path: Path, score: Callable[..., list[int]]) -> None:
    out = tmp_path / "out"
    with pytest.raises(Killed):
        score(out, killed_at(2))
    score(out)
    said = [
        line for line in (out / "run.log").read_text().splitlines() if "scoring points" not in line
    ]  # on a slow machine
    assert [line.split(" ", 2)[1] for line in said] == ["ERROR", "INFO", "INFO"]
    assert said[1].endswith(
        f"the run in {out} goes on where it was stopped: 4 of 9 rows are done, 0 more are "
        "scored and are drawn again"
    )


def test_an_anonymous_run_that_was_killed_holds_no_name(
    tmp_path: Path, score: Callable[..., list[int]]
) -> None:
    out = tmp_path / "out"
    with pytest.raises(Killed):
        score(out, killed_at(SLICES - 1), anonymous=True)
    assert len(list((out / SCRATCH).iterdir())) > 2
    assert re.search(rb"canary", everything(out), re.IGNORECASE) is None
    with pytest.raises(Killed):
        score(tmp_path / "open", killed_at(SLICES - 1))
    assert b"Canary Kernel" in everything(tmp_path / "open")


def test_a_run_into_a_folder_in_use_is_refused_and_changes_nothing(
    tmp_path: Path, score: Callable[..., list[int]]
) -> None:
    out = tmp_path / "out"
    score(out)
    with lock.held(out, ""):
        before = everything(out)
        with pytest.raises(
            OutputError,
            match=r"is in use by another run since .*; wait until it has ended, or choose another",
        ):
            score(out)
        assert everything(out) == before


def test_scores_are_whole_and_current_at_every_moment(
    tmp_path: Path, score: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfd.scoring.pace.EVERY_S", 0.0)
    monkeypatch.setattr("dfd.scoring.pace.LARGEST_SHARE", math.inf)
    out = tmp_path / "out"

    def look(number: int) -> None:
        reached = [row["verdict"] != "not reached" for row in table(out)]
        assert reached == [place % SLICES < number for place in range(SLICES * EACH)] + [True]
        errors = {row["error"] for row in table(out) if row["verdict"] == "not reached"}
        assert errors <= {collected.NOT_REACHED}

    score(out, look)


def test_the_pace_leaves_most_of_the_time_to_the_work() -> None:
    now, written = 0.0, []

    def clock() -> float:
        return now

    def write() -> None:
        nonlocal now
        written.append(now)
        now += 1.0

    pace = Pace(clock)
    while now < 1000:
        now += 0.5
        pace.keep(write)
    assert written[0] == EVERY_S
    assert len(written) <= 1 + 1000 * LARGEST_SHARE
    assert len(written) > 10


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Call it with the bytes that are free on the disk.

    What is replaced or removed is not given back.
    """
    fsync, left = os.fsync, [0]

    def write(descriptor: int) -> None:
        left[0] -= os.fstat(descriptor).st_size
        if left[0] < 0:
            left[0] += os.fstat(descriptor).st_size
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    def limit(free: int) -> None:
        left[0] = free
        monkeypatch.setattr(os, "fsync", write if free < 10**9 else fsync)

    return limit


def test_a_full_disk_costs_pictures_and_never_scores(
    tmp_path: Path,
    score: Callable[..., list[int]],
    small_disk: Callable[[int], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    score(tmp_path / "whole")
    size = (tmp_path / "whole" / "overlay-0001.png").stat().st_size
    out = tmp_path / "out"
    small_disk(3 * size + size // 2)
    told = (
        r"^the disk is full: \d+ of the pictures and pages of .*out are left out "
        r"\(overlay-\d+.png is the first\), while"
    )
    with pytest.raises(InterruptedRunError, match=told):
        score(out)
    assert sum("the disk is full" in record.getMessage() for record in caplog.records) == 1
    assert differences(out, tmp_path / "whole").count("scores.csv") == 0
    assert 0 < len(list(out.glob("overlay-*.png"))) < SLICES * EACH
    for path in out.glob("overlay-*.png"):
        assert path.read_bytes() == (tmp_path / "whole" / path.name).read_bytes()
    small_disk(10**9)
    score(out)
    assert differences(out, tmp_path / "whole") == []
