"""scores.csv: its columns to the letter, floats that read back, text that cannot harm.

Names that do not leave.
"""

import csv
import errno
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfd.errors import OutputError
from dfd.outputs import scores
from dfd.points.wording import shown
from dfd.records import Finding, Point
from dfd.sentences import named, quoted

CONTRACT = [
    "score",
    "p_value",
    "verdict",
    "form",
    "reason",
    "p_noise",
    "p_copy_move",
    "p_synthesis",
    "p_texture",
    "p_neighbours",
    "p_series_copy",
    "source_x",
    "source_y",
    "source_file",
    "radius_mm",
    "tissue",
    "extrapolated",
    "error",
]


def point(row=2, name="p1/file011", **kwargs):
    cells = {"filename": name, "X": "10", "Y": "20.5", **kwargs.pop("extra", {})}
    return Point(row=row, filename=name, x=10.0, y=20.5, cells=cells, **kwargs)


@pytest.fixture
def findings():
    """One of each kind: ordinary, copied, and a row that cannot be used."""
    return [
        Finding(
            point(2),
            "no anomaly found",
            0.1,
            0.7943282347242815,
            p_by_family={"noise": 0.5},
            radius_mm=10.0,
            tissue="lung",
        ),
        Finding(
            point(3, "p2/file011", extra={"what": "copied", "label": "1"}, label=1),
            "strongly unusual",
            2.5,
            0.1 + 0.2,
            form="copy-move",
            reason="The grain repeats that of another place.",
            p_by_family={"noise": 1.0, "copy_move": 1 / 3, "synthesis": np.float64(0.25)},
            source_x=5.5,
            source_y=7,
            source_file="p2/file012.dcm",
            radius_mm=float(np.float32(0.1)),
            tissue="soft tissue",
            extrapolated=True,
        ),
        Finding(
            point(4, "p9/gone", error="e"),
            "unreadable",
            error="row 4: column filename names no file below the data folder ('p9/gone')",
        ),
    ]


def test_columns_are_the_contract(tmp_path, findings):
    path = scores.write(tmp_path, findings)
    assert path == tmp_path / "scores.csv"
    header = path.read_text().splitlines()[0].split(",")
    assert header == ["filename", "X", "Y", "what", "label", *CONTRACT]
    assert list(scores.result_columns()) == CONTRACT


def test_cells_are_written_as_the_contract_says(tmp_path, findings):
    first, second, third = scores.read(scores.write(tmp_path, findings))
    assert (
        first["X"],
        first["Y"],
        first["what"],
        first["p_noise"],
        first["p_copy_move"],
        first["source_x"],
    ) == ("10", "20.5", "", "0.5", "", "")
    assert (first["extrapolated"], second["extrapolated"]) == ("false", "true")
    assert (second["p_value"], second["p_copy_move"], second["p_synthesis"]) == (
        "0.30000000000000004",
        "0.3333333333333333",
        "0.25",
    )
    assert (second["source_x"], second["source_y"], second["source_file"]) == (
        "5.5",
        "7",
        "p2/file012.dcm",
    )
    assert (third["verdict"], third["score"], third["p_value"], third["radius_mm"]) == (
        "unreadable",
        "",
        "",
        "",
    )
    assert third["error"].startswith("row 4")


def test_every_row_is_one_line_in_order(tmp_path, findings):
    nasty = Finding(
        point(5, extra={"note": "two\nlines \x1b[2J", "=cmd": "=HYPERLINK(1)"}),
        "unusual",
        error="a\r\nb",
    )
    lines = scores.write(tmp_path, [nasty, *findings]).read_text().splitlines()
    assert len(lines) == 5
    row = scores.read(tmp_path / "scores.csv")[0]
    assert (row["note"], row["'=cmd"], row["error"]) == ("two lines [2J", "'=HYPERLINK(1)", "a b")
    assert not any(ord(character) < 32 for line in lines for character in line)


def test_input_columns_that_are_called_like_results(tmp_path):
    extra = {"score": "0.9", "error": "none", "input_score": "7", "Verdict": "ok"}
    row = scores.read(scores.write(tmp_path, [Finding(point(extra=extra), "unusual", 1.5, 0.03)]))[
        0
    ]
    assert list(row)[3:7] == ["input_input_score", "input_error", "input_score", "Verdict"]
    assert [
        row[name]
        for name in ("input_input_score", "input_error", "input_score", "Verdict", "score")
    ] == ["0.9", "none", "7", "ok", "1.5"]


def test_a_point_that_came_from_no_file(tmp_path):
    made = Finding(Point(row=1, filename="a.dcm", x=3.25, y=-0.0), "unusual")
    row = scores.read(scores.write(tmp_path, [made]))[0]
    assert (row["filename"], row["X"], row["Y"]) == ("a.dcm", "3.25", "-0.0")


def test_no_findings_still_have_columns(tmp_path):
    assert scores.write(tmp_path, []).read_text().strip().split(",") == CONTRACT


def test_a_full_disk_leaves_the_old_scores(tmp_path, findings, monkeypatch):
    scores.write(tmp_path, findings[:1])
    before = (tmp_path / "scores.csv").read_bytes()

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="the disk is full"):
        scores.write(tmp_path, findings)
    assert (tmp_path / "scores.csv").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_reading_what_is_not_there(tmp_path):
    with pytest.raises(OutputError, match="cannot be read as scores"):
        scores.read(tmp_path / "scores.csv")


# --- anonymous


@pytest.fixture
def secret():
    """Findings whose names all hold DOE, in every place where a name can stand."""
    path = Path("/data/DOE_JANE/ct/doe001.dcm")
    same = {"row": 2, "x": 1.0, "y": 2.0, "path": path}
    cells = {
        "filename": "DOE_JANE/ct/doe001",
        "X": "1",
        "Y": "2",
        "Patient Jane Doe": "DOE_JANE",
        "note": "file doe001 of site 7",
    }
    others = ", ".join(map(shown, ("DOE_JOHN/doe003.dcm", "DOE_JANE/doe003.dcm")))
    return [
        Finding(
            Point(filename="DOE_JANE/ct/doe001", cells=cells, **same),
            "unusual",
            reason=f"Unlike {quoted('doe001')} of the slice's noise; isn't it ({named(path)})?",
        ),
        Finding(
            Point(filename="doe001", cells={**cells, "filename": "doe001"}, **same),
            "unusual",
            source_file="DOE_JANE/ct/doe002.dcm",
            source_x=1.0,
        ),
        Finding(
            Point(row=4, filename="doe003", cells={**cells, "filename": "doe003", "note": ""}),
            "unreadable",
            error=(
                f"row 4: column filename is {shown('doe003')}, which 2 files are called "
                f"({others}); write the path"
            ),
        ),
        Finding(
            Point(row=5, filename="", cells={**cells, "filename": "", "note": "", "X": "J. Doe"}),
            "unreadable",
            error=f"row 5: {named('DOE_X/y z.dcm')} is not DICOM",
        ),
        Finding(
            Point(
                row=6, filename="/mnt/DOE/a", cells={**cells, "filename": "/mnt/DOE/a", "note": ""}
            ),
            "unreadable",
            error=" and ".join(map(shown, ("O'DOE", "J Doe"))) + " are bad",
        ),
    ]


def test_anonymous_scores_hold_no_names(tmp_path, secret):
    path = scores.write(tmp_path, secret, anonymous=True)
    text = path.read_text()
    assert "doe" not in text.lower(), text
    rows = scores.read(path)
    assert list(rows[0])[:4] == ["filename", "X", "Y", "score"]
    assert [row["filename"] for row in rows] == [
        "slice-0001",
        "slice-0001",
        "slice-0002",
        "",
        "slice-0003",
    ]
    assert rows[1]["source_file"] == "slice-0004"
    assert rows[0]["reason"] == "Unlike (hidden) of the slice's noise; isn't it (slice-0001)?"
    assert rows[2]["error"] == (
        "row 4: column filename is slice-0002, which 2 files are called ((hidden), (hidden)); "
        "write the path"
    )
    assert rows[3]["error"] == "row 5: (hidden) is not DICOM"
    assert rows[4]["error"] == "(hidden) and (hidden) are bad"
    assert [(row["X"], row["Y"]) for row in rows] == [("1", "2")] * 3 + [
        ("(hidden)", "2"),
        ("1", "2"),
    ]


def test_known_columns_of_anonymous_scores_have_plain_names(tmp_path):
    cells = {
        "Filename (Doe)": "a.dcm",
        "x [Jane]": "1",
        "Y": "2",
        "RADIUS (mm)": "9",
        "Frame": "",
        "label": "1",
        "score": "0.9",
        "p": "Doe",
    }
    row = scores.read(
        scores.write(
            tmp_path,
            [Finding(Point(2, "a.dcm", 1.0, 2.0, cells=cells), "unusual", 1.5)],
            anonymous=True,
        )
    )[0]
    assert list(row) == ["filename", "X", "Y", "radius", "frame", "label", *CONTRACT]
    assert (row["filename"], row["X"], row["radius"], row["score"]) == (
        "slice-0001",
        "1",
        "9",
        "1.5",
    )


def test_an_anonymous_frame_has_the_same_names(tmp_path, secret):
    frame = scores.findings_frame(secret, anonymous=True)
    written = scores.read(scores.write(tmp_path, secret, anonymous=True))
    assert list(frame.columns) == list(written[0])
    assert frame["reason"].tolist() == [row["reason"] for row in written]


def test_names_are_kept_where_nobody_asked(tmp_path, secret):
    assert "DOE_JANE/ct/doe001" in scores.write(tmp_path, secret).read_text()


# --- frame


def test_frame_has_the_same_table(tmp_path, findings):
    frame = scores.findings_frame(findings)
    written = pd.read_csv(scores.write(tmp_path, findings))
    assert list(frame.columns) == list(written.columns)
    assert frame["p_value"].tolist()[:2] == [0.7943282347242815, 0.1 + 0.2]
    assert math.isnan(frame["p_value"][2])
    assert frame["X"].tolist() == [10.0, 10.0, 10.0]
    assert frame["label"].isna().tolist() == [True, False, True]
    assert frame["extrapolated"].tolist() == [False, True, False]
    assert frame["filename"].tolist() == ["p1/file011", "p2/file011", "p9/gone"]
    assert {
        str(frame[name].dtype)
        for name in ("score", "p_noise", "source_x", "radius_mm", "X", "label")
    } == {"float64"}
    assert scores.findings_frame([]).empty


# --- table


def test_table_reads_well(findings):
    lines = scores.table(findings).splitlines()
    assert lines[0].split() == ["row", "file", "X", "Y", "what", "label", "score", "p", "verdict"]
    assert lines[2].split() == [
        "2",
        "p1/file011",
        "10",
        "20.5",
        "0.10",
        "0.79",
        "no",
        "anomaly",
        "found",
    ]
    assert lines[3].split() == [
        "3",
        "p2/file011",
        "10",
        "20.5",
        "copied",
        "1",
        "2.50",
        "0.3",
        "strongly",
        "unusual",
    ]
    assert lines[4].split() == ["4", "p9/gone", "10", "20.5", "-", "-", "unreadable"]
    assert lines[6].startswith("row 4: column filename names no file")
    starts = {line.index("20.5") for line in lines[2:5]}
    assert len(starts) == 1


def test_table_is_ascii_and_narrow():
    many = [
        Finding(
            point(
                row,
                "p\u00e9/" + "x" * 300 + f"/file{row}\x1b[2J",
                extra={"what": "w" * 99, "label": "0"},
            ),
            "no anomaly found",
            error="long " * 60,
        )
        for row in range(30)
    ]
    text = scores.table(many)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 120
    assert not any(ord(character) < 32 for character in text.replace("\n", ""))
    assert "..." in text
    assert "file29" in text
    assert text.endswith("and 10 more errors, in scores.csv\n")
    assert scores.table([]).splitlines()[0].startswith("row")


# --- properties

floats = st.floats(width=64) | st.floats(width=32).map(np.float32).map(np.float64)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(floats, min_size=5, max_size=5), st.text(max_size=20))
def test_floats_read_back_as_the_same_floats(tmp_path, numbers, note):
    score, p_value, p_noise, source_x, radius = numbers
    finding = Finding(
        point(extra={"note": note}),
        "unusual",
        score,
        p_value,
        reason=note,
        p_by_family={"noise": p_noise},
        source_x=source_x,
        radius_mm=radius,
    )
    (row,) = scores.read(scores.write(tmp_path, [finding]))
    for name, number in zip(
        ("score", "p_value", "p_noise", "source_x", "radius_mm"), numbers, strict=True
    ):
        if math.isnan(number):
            assert row[name] == ""
        else:
            assert float(row[name]) == number
            assert math.copysign(1, float(row[name])) == math.copysign(1, number)
    assert row["verdict"] == "unusual"
    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as stream:
        assert {len(cells) for cells in csv.reader(stream)} == {22}
