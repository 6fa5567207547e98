"""Which changes make it another run, and which do not."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dfd.models.model_file import Model
from dfd.records import Point
from dfd.scoring.run_identity import PARTS, Asked, code_digest, differences, identity_of


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A patient with two series, and the table."""
    root = tmp_path / "data"
    for name in (
        "p1/soft/a.dcm",
        "p1/soft/b.dcm",
        "p1/soft/deeper/c.dcm",
        "p1/sharp/a.dcm",
        "p2/soft/a.dcm",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    (tmp_path / "out").mkdir()
    (root / "test.csv").write_text("filename,X,Y\n")
    return root


def asked(data: Path, **changed: Any) -> Asked:
    point = Point(
        2,
        "p1/soft/a.dcm",
        3.0,
        math.nan,
        cells={"filename": "p1/soft/a.dcm", "what": "x"},
        path=data / "p1" / "soft" / "a.dcm",
    )
    model = Model(data / "m.ckpt", {"w": torch.zeros(2)}, "ct_lung_inpainting")
    record = {
        "data_path": str(data),
        "output_dir": "somewhere",
        "points": "a.csv",
        "model_path": "m.ckpt",
        "seed": 5,
    }
    return replace(Asked([point], model, {"images": True}, record, data.parent / "out"), **changed)


def test_the_same_run_is_the_same(data: Path) -> None:
    one = identity_of(asked(data))
    assert set(one) == set(PARTS)
    assert identity_of(asked(data)) == one
    assert differences(one, one) == ""


def write(name: str, text: str = "changed") -> Callable[[Path], None]:
    def change(data: Path) -> None:
        (data / name).write_text(text)

    return change


def touch(name: str) -> Callable[[Path], None]:
    return lambda data: os.utime(data / name, ns=(1, 1))


@pytest.mark.parametrize(
    "change",
    [
        touch("p1/soft/a.dcm"),
        touch("p1/soft/b.dcm"),
        touch("p1/soft/deeper/c.dcm"),
        touch("p1/sharp/a.dcm"),
        write("p1/soft/a.dcm"),
        write("p1/soft/new"),
        lambda data: (data / "p1" / "soft" / "a.dcm").unlink(),
        lambda data: (data / "p1" / "soft" / "b.dcm").rename(data / "p1" / "soft" / "d.dcm"),
    ],
    ids=["slice", "neighbour", "below", "other series", "content", "new file", "gone", "renamed"],
)
def test_a_change_of_the_data_is_another_run(data: Path, change: Callable[[Path], None]) -> None:
    before = identity_of(asked(data))
    change(data)
    assert differences(before, identity_of(asked(data))) == "the data files"


@pytest.mark.parametrize(
    "change",
    [
        touch("test.csv"),
        touch("p2/soft/a.dcm"),
        write("p1/soft/notes.txt"),
        write("p1/soft/nohup.out"),
        write("p1/soft/.DS_Store"),
        lambda data: shutil.copytree(data / "p1", data.parent / "out" / "p1"),
    ],
    ids=[
        "same table",
        "other patient",
        "text",
        "output of a shell",
        "of the system",
        "beside the data",
    ],
)
def test_other_changes_do_not_count(data: Path, change: Callable[[Path], object]) -> None:
    before = identity_of(asked(data))
    change(data)
    assert identity_of(asked(data)) == before


def test_data_that_lie_elsewhere_are_the_same(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity_of(asked(data))
    shutil.copytree(data, data.parent / "mounted", copy_function=shutil.copy2)
    assert identity_of(asked(data.parent / "mounted")) == before
    monkeypatch.chdir(data.parent)
    assert identity_of(asked(Path("data"))) == before


@pytest.mark.parametrize("place", ["out", "p1/soft/out", "p1/soft"])
def test_results_among_the_data_do_not_count(data: Path, place: str) -> None:
    output = data / place
    output.mkdir(exist_ok=True)
    before = identity_of(asked(data, output=output))
    for name in (
        "scores.csv",
        "report.html",
        "overlay-0001.png",
        "run.json",
        "maps/0001.tif",
        ".dfd-run/ledger.jsonl",
        "earlier-1/x.dcm",
    ):
        (output / name).parent.mkdir(exist_ok=True)
        (output / name).write_text("result")
    assert identity_of(asked(data, output=output)) == before
    touch("p1/soft/b.dcm")(data)
    assert differences(before, identity_of(asked(data, output=output))) == "the data files"


def test_loops_of_links_end(data: Path) -> None:
    (data / "p1" / "soft" / "up").symlink_to(data / "p1")
    identity_of(asked(data))


def test_each_part_counts_for_itself(data: Path) -> None:
    one = asked(data)
    before = identity_of(one)
    (point,) = one.points
    others = {
        "the points": [
            *(
                replace(one, points=[replace(point, **{name: value})])
                for name, value in (("x", 4.0), ("radius_mm", 5.0), ("label", 1), ("row", 3))
            ),
            replace(one, points=[replace(point, cells={"filename": "p1/soft/a.dcm", "what": "y"})]),
            replace(one, points=[replace(point, cells={"what": "x", "filename": "p1/soft/a.dcm"})]),
        ],
        "the model": [
            replace(one, model=replace(one.model, weights={"w": torch.ones(2)})),
            replace(one, model=replace(one.model, calibration={"format": 1})),
        ],
        "the settings": [
            replace(one, settings={"images": False}),
            replace(one, record={**one.record, "seed": 6}),
        ],
    }
    for words, changed in others.items():
        for other in changed:
            assert differences(before, identity_of(other)) == words
    elsewhere = replace(
        one,
        record={
            **one.record,
            "output_dir": "x",
            "points": "y",
            "model_path": "z",
            "device_name": "cpu",
        },
    )
    assert identity_of(replace(elsewhere, model=replace(one.model, path=Path("z")))) == before


def test_differences_in_words() -> None:
    one = dict.fromkeys(PARTS, "a")
    assert differences(one, one | {"points": "b"}) == "the points"
    assert (
        differences(one, one | {"points": "b", "data": "b", "model": "b"})
        == "the model, the points and the data files"
    )
    assert differences({}, one).startswith("the program or its libraries, the model")


def test_an_identity_names_nothing(data: Path) -> None:
    assert all(
        len(digest) == 64 and set(digest) <= set("0123456789abcdef")
        for digest in identity_of(asked(data)).values()
    )
    assert len(code_digest()) == 64
