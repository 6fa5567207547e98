"""Points: every layout in which people hand in a table, every row that cannot be used.

And the files they name.
"""

import math
import os
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfd.errors import PointsError
from dfd.points import find_points_file, read_points, role_of
from dfd.points import rows as rows_module

SEPARATORS = [",", ";", "\t", "|"]


@pytest.fixture
def data(tmp_path):
    """A test folder as in the catalogue, with a file name that two patients share."""
    folder = tmp_path / "test"
    for name in (
        "p1/file011.dcm",
        "p1/file012.dcm",
        "p2/file011.dcm",
        "p2/deep/er/IM7",
        "p3/UPPER.DCM",
        "top.dcm",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


@pytest.fixture
def points_of(data, tmp_path):
    """Write text or bytes as a points file and read it."""

    def read(content):
        path = tmp_path / "points.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_points(path, data)

    return read


@pytest.fixture
def row_of(points_of):
    """The point of one row of cells under a header."""

    def read(cells, header="filename,X,Y"):
        (point,) = points_of(f"{header}\n{cells}\n")
        return point

    return read


# --- which file


def test_finds_the_points_file(data, tmp_path):
    assert find_points_file(data, None) is None
    (data / "clicks.CSV").write_text("")
    (data / "._clicks.csv").write_text("")
    assert find_points_file(data, None) == data / "clicks.CSV"
    (data / "other.csv").write_text("")
    with pytest.raises(PointsError, match=r"holds 2 CSV files \('clicks.CSV', 'other.csv'\)"):
        find_points_file(data, None)
    (data / "test.csv").write_text("")
    assert find_points_file(data, None) == data / "test.csv"
    asked = tmp_path / "asked.csv"
    asked.write_text("")
    assert find_points_file(data, asked) == asked


def test_expands_a_literal_tilde(data, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.csv").write_text("")
    assert find_points_file(data, type(data)("~/mine.csv")) == tmp_path / "mine.csv"


@pytest.mark.parametrize("asked", ["absent.csv", "p1", "~nobody-of-this-name/x.csv"])
def test_a_named_points_file_must_be_a_file(data, asked):
    with pytest.raises(PointsError, match="is not a file"):
        find_points_file(data, data / asked if asked[0] != "~" else type(data)(asked))


def test_data_folder_must_exist(tmp_path):
    (tmp_path / "a.csv").write_text("top,1,2")
    with pytest.raises(PointsError, match="cannot be listed"):
        find_points_file(tmp_path / "absent", None)
    with pytest.raises(PointsError, match="is not a folder"):
        read_points(tmp_path / "a.csv", tmp_path / "absent")


# --- layouts


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_separators_line_ends_and_byte_order_mark(points_of, data, separator, ending, mark):
    lines = [
        ["Y", "FileName(.dcm)", "note", "x"],
        ["20.25", "p1/file011", "é", "10"],
        ["3", "top", "", "4"],
    ]
    points = points_of(mark + ending.join(separator.join(line) for line in lines).encode())
    assert [(point.row, point.x, point.y, point.error) for point in points] == [
        (2, 10.0, 20.25, ""),
        (3, 4.0, 3.0, ""),
    ]
    assert points[0].path == data / "p1/file011.dcm"
    assert dict(points[0].cells) == {
        "Y": "20.25",
        "FileName(.dcm)": "p1/file011",
        "note": "é",
        "x": "10",
    }
    assert list(points[0].cells) == lines[0]


def test_the_catalogues_printed_table(points_of, data):
    points = points_of(
        "| filename(.dcm) | X | Y |\n|---|:---:|---:|\n| p1/file011 | 12 | 34 |\n\n| "
        "p2/file011.dcm | 1.5 | 2 |\n|  |  |  |\n"
    )
    assert [(point.row, point.path, point.x, point.y) for point in points] == [
        (3, data / "p1/file011.dcm", 12.0, 34.0),
        (5, data / "p2/file011.dcm", 1.5, 2.0),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "top.dcm,1,2",
        "top;1,0;2",
        "top\t1\t2\n",
        "| top | 1 | 2 |",
        "\n\ntop.dcm,1,2",
        "sep=;\ntop;1;2",
    ],
)
def test_header_is_optional_with_three_columns(points_of, text):
    (point,) = points_of(text)
    assert (point.x, point.y, point.error) == (1.0, 2.0, "")
    assert list(point.cells) == ["filename", "X", "Y"]
    assert point.row == text.split("top")[0].count("\n") + 1


def test_a_bad_first_row_without_header_is_a_row(points_of):
    first, second = points_of("top.dcm,left,2\ntop.dcm,1,2\n")
    assert re.search("row 1: column X is 'left', not a number", first.error)
    assert second.error == ""


def test_utf16_of_spreadsheets_is_read(points_of):
    assert points_of("filename\tX\tY\ntop\t1\t2\n".encode("utf-16"))[0].x == 1.0


def test_nothing_is_guessed_from_cells(row_of):
    point = row_of("top,007,2,NA,,1e3,True", "filename,X,Y,site,empty,number,flag")
    assert dict(point.cells) == {
        "filename": "top",
        "X": "007",
        "Y": "2",
        "site": "NA",
        "empty": "",
        "number": "1e3",
        "flag": "True",
    }
    assert point.x == 7.0


def test_columns_of_one_name_and_without_name_are_told_apart(row_of):
    point = row_of("top,1,2,a,b,c", "filename,X,Y,note,note,")
    assert dict(point.cells) == {
        "filename": "top",
        "X": "1",
        "Y": "2",
        "note": "a",
        "note_2": "b",
        "column_6": "c",
    }


def test_optional_columns(row_of):
    point = row_of("top, 1, 2, 3, 7.5, 1", "filename,X,Y,Frame,radius (mm),LABEL")
    assert (point.frame, point.radius_mm, point.label, point.error) == (3, 7.5, 1, "")
    point = row_of("top,1,2,,,", "filename,X,Y,frame,radius,label")
    assert (point.frame, point.radius_mm, point.label, point.error) == (None, None, None, "")
    point = row_of("top,1,2,2.0,5,0.0", "filename,X,Y,frame,radius,label")
    assert (point.frame, point.radius_mm, point.label, point.error) == (2, 5.0, 0, "")


@pytest.mark.parametrize(
    ("name", "role"),
    [(" X [px] ", "x"), ("File name", "filename"), ("radius_mm", "radius"), ("Y2", ""), ("", "")],
)
def test_what_column_names_mean(name, role):
    assert role_of(name) == role


def test_a_cell_may_span_lines_and_rows_keep_their_line(points_of):
    points = points_of('filename,X,Y,note\ntop,1,2,"first\nsecond, with comma"\ntop,3,4,x\n')
    assert [point.row for point in points] == [2, 4]
    assert points[0].cells["note"] == "first\nsecond, with comma"


def test_a_lone_quotation_mark_spoils_its_row_only(points_of):
    points = points_of('filename,X,Y\ntop,1,2\n"top,3,4\ntop,5,6\n"top",7,8\n')
    assert [point.row for point in points] == [2, 3, 4, 5]
    assert [bool(point.error) for point in points] == [False, True, False, False]
    assert re.search("row 3: a quotation mark is not closed", points[1].error)


def test_duplicate_rows_stay(points_of):
    assert [point.row for point in points_of("filename,X,Y\ntop,1,2\ntop,1,2\n")] == [2, 3]


# --- slices without a point


def test_a_file_of_names_asks_about_whole_slices(points_of, data):
    first, second = points_of("filename,note\np1/file011,a\ntop,b\n")
    assert first.is_screening
    assert second.is_screening
    assert [point.path for point in (first, second)] == [data / "p1/file011.dcm", data / "top.dcm"]
    assert dict(first.cells) == {"filename": "p1/file011", "note": "a"}


@pytest.mark.parametrize(
    "text",
    [
        "filename\ntop",
        "| filename |\n|---|\n| top |",
        "frame;filename\n2;top",
        "filename,X,Y\ntop,,",
        "filename,X,Y\ntop",
    ],
)
def test_a_row_without_a_place_asks_about_the_whole_slice(points_of, text):
    (point,) = points_of(text + "\n")
    assert point.is_screening
    assert math.isnan(point.x)
    assert math.isnan(point.y)


def test_points_and_whole_slices_may_be_mixed(points_of):
    assert [
        point.is_screening for point in points_of("filename,X,Y\ntop,1,2\ntop,,\ntop,0,0\n")
    ] == [False, True, False]


@pytest.mark.parametrize("cells", ["absent,,", "top,1,", ",1,2", "top,,,4"])
def test_a_row_with_a_mistake_asks_about_nothing(row_of, cells):
    point = row_of(cells)
    assert point.error
    assert not point.is_screening


def test_one_column_of_places_is_not_enough(points_of):
    with pytest.raises(PointsError, match=r"has no column X \(found 'filename', 'Y'\)"):
        points_of("filename,Y\ntop,2\n")


# --- the file as a whole


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "is empty; it needs the columns filename, X, Y"),
        ("\n \n", "is empty"),
        ("filename,X,Y\n", "holds a header but no rows"),
        ("filename,X,Y\n,,\n", "holds a header but no rows"),
        ("filename,X,Z\ntop,1,2\n", r"has no column Y \(found 'filename', 'X', 'Z'\)"),
        ("who,column,line\ntop,1,2\n", r"has no column filename \(found 'who', 'column', 'line'\)"),
        ("top,1\n", "has no column filename"),
        ("filename,X,Y,x\ntop,1,2,3\n", "has 2 columns that mean 'x'"),
        ("filename,X,Y\nMüller,1,2\n".encode("latin-1"), r"is not UTF-8 text \(line 2\)"),
        ("filename,X,Y\ntop,1,2\n".encode("utf-16-le"), "first line holds NUL"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_points_file(points_of, content, match):
    with pytest.raises(PointsError, match=match):
        points_of(content)


def test_a_file_of_another_size_is_refused_unread(points_of, monkeypatch):
    monkeypatch.setattr(rows_module, "MAX_BYTES", 20)
    with pytest.raises(PointsError, match="more than the 0 MB of a points file"):
        points_of("filename,X,Y\ntop,1,2\n")


def test_a_missing_file_is_one_sentence(data, tmp_path):
    with pytest.raises(PointsError, match="cannot be read"):
        read_points(tmp_path / "absent.csv", data)


# --- rows


@pytest.mark.parametrize(
    ("cells", "match"),
    [
        ("top,,2", "row 2: column X is empty; write a position in pixels"),
        ("top,1", "row 2: column Y is empty"),
        ("top,1,abc", "row 2: column Y is 'abc', not a number"),
        ("top,NaN,2", "column X is 'NaN', not a finite number"),
        ("top,-inf,2", "column X is '-inf', not a finite number"),
        ("top,1e999,2", "column X is '1e999', not a finite number"),
        ("top,1,-0.5", "column Y is negative"),
        ("top,1_000,2", "column X is '1_000', not a number"),
        ('top,"1,5",2', "column X is '1,5', not a number"),
        ("top,=1+1,2", "column X is '=1\\+1', not a number"),
        ("top,1,5,2,5", "row 2: 5 cells where the header has 3"),
        (",1,2", "column filename is empty"),
        ("=cmd|'/c calc'!A1,1,2", "names no file below the data folder"),
        ("p9/file011.dcm,1,2", r"names no file below the data folder \('p9/file011.dcm'\)"),
        ("p1,1,2", "names no file below the data folder"),
        ("x" * 300 + ",1,2", r"names no file below the data folder \('x+\.\.\.'\)"),
        ("file011.dcm,1,2", r"which 2 files are called \('p1/file011.dcm', 'p2/file011.dcm'\)"),
        ("../test/top.dcm,1,2", "leads out of the data folder"),
        ("p1/../top.dcm,1,2", "leads out of the data folder"),
        ("..\\..\\etc\\passwd,1,2", "leads out of the data folder"),
        ("/etc/passwd,1,2", "leads out of the data folder"),
        ("C:\\scans\\top.dcm,1,2", "leads out of the data folder"),
        ("top.dcm\x00.png,1,2", r"leads out of the data folder \('top.dcm\\x00.png'\)"),
    ],
)
def test_a_row_that_cannot_be_used(points_of, cells, match):
    bad, good = points_of(f"filename,X,Y\n{cells}\ntop,1,2\n")
    assert re.search(match, bad.error), bad.error
    assert "\n" not in bad.error
    assert (good.row, good.error) == (3, "")


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        *(("frame", cell) for cell in ("0", "-1", "1.5", "x", "nan", "1e30")),
        *(("radius", cell) for cell in ("0", "-3", "200.1", "inf", "wide")),
    ],
)
def test_an_optional_cell_that_cannot_be_used(row_of, name, cell):
    point = row_of(f"top,1,2,{cell}", f"filename,X,Y,{name}")
    assert re.match(f"row 2: column {name} is '{cell}'.*; write ", point.error), point.error
    assert (point.frame, point.radius_mm) == (None, None)


def test_the_first_mistake_is_reported_and_the_rest_is_kept(row_of):
    point = row_of("absent,x,4")
    assert point.error.startswith("row 2: column filename")
    assert math.isnan(point.x)
    assert (point.y, point.path) == (4.0, None)


# --- files


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("p1/file011", "p1/file011.dcm"),
        ("p1\\file011.dcm", "p1/file011.dcm"),
        ("./p1//file011.dcm", "p1/file011.dcm"),
        ("file012", "p1/file012.dcm"),
        ("IM7", "p2/deep/er/IM7"),
        ("IM7.dcm", "p2/deep/er/IM7"),
        ("UPPER", "p3/UPPER.DCM"),
        ("UPPER.dcm", "p3/UPPER.DCM"),
        ("./top", "top.dcm"),
    ],
)
def test_a_cell_finds_its_file(row_of, data, cell, found):
    point = row_of(f"{cell},1,2")
    assert (point.path, point.error) == (data / found, "")


def test_top_and_patient_may_share_a_name(row_of, data):
    (data / "p1/top.dcm").write_bytes(b"")
    assert re.search(
        r"which 2 files are called \('p1/top.dcm', './top.dcm'\)", row_of("top,1,2").error
    )
    assert row_of("./top.dcm,1,2").path == data / "top.dcm"


def test_the_exact_name_goes_first_within_a_folder(row_of, data):
    (data / "p1/file012").write_bytes(b"")
    assert row_of("file012,1,2").path == data / "p1/file012"
    assert row_of("p1/file012.dcm,1,2").path == data / "p1/file012.dcm"
    (data / "p3/file012").write_bytes(b"")
    assert "which 2 files" in row_of("file012.dcm,1,2").error


def test_links_into_another_tree_and_loops(row_of, data, tmp_path):
    lake = tmp_path / "lake/series"
    lake.mkdir(parents=True)
    (lake / "linked.dcm").write_bytes(b"")
    (data / "p4").symlink_to(lake.parent)
    (data / "p1/one.dcm").symlink_to(lake / "linked.dcm")
    (data / "p1/gone.dcm").symlink_to(lake / "absent")
    (lake / "loop").symlink_to(data)
    assert row_of("p4/series/linked.dcm,1,2").path == data / "p4/series/linked.dcm"
    assert row_of("linked,1,2").path == data / "p4/series/linked.dcm"
    assert row_of("one,1,2").path == data / "p1/one.dcm"
    assert "names no file" in row_of("gone,1,2").error


def test_ten_thousand_rows_list_the_folder_once(points_of, monkeypatch):
    listed = []
    monkeypatch.setattr(
        "dfd.points.lookup.os.scandir",
        lambda folder, real=os.scandir: listed.append(folder) or real(folder),
    )
    points = points_of("filename,X,Y\n" + "p1/file011.dcm,211.5,140\nfile012,1,x\n" * 5000)
    assert len(points) == 10_000
    assert sum(bool(point.error) for point in points) == 5000
    assert len(listed) == len(set(listed)) == 6


# --- properties

pixels = st.floats(min_value=0, max_value=1e6, allow_nan=False) | st.integers(0, 65535).map(float)
notes = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12).map(str.strip)
property_settings = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@property_settings
@given(
    st.lists(st.tuples(pixels, pixels, notes), min_size=1, max_size=6),
    st.sampled_from(SEPARATORS),
    st.permutations(range(4)),
)
def test_positions_come_back_exactly(points_of, rows, separator, order):
    """Whatever the separator and the order of columns, X.

    Y and other cells are what was written.
    """

    def line(*cells):
        return separator.join('"' + cells[index].replace('"', '""') + '"' for index in order)

    lines = [
        line("filename", "X", "Y", "note"),
        *(line("top", repr(x), repr(y), note) for x, y, note in rows),
    ]
    points = points_of("\n".join(lines))
    assert [(point.x, point.y, point.cells["note"]) for point in points] == rows
    assert not any(point.error for point in points)


@property_settings
@given(st.binary(max_size=200))
def test_any_bytes_are_points_or_one_sentence(points_of, content):
    try:
        points = points_of(b"filename,X,Y\n" + content)
    except PointsError as error:
        assert "\n" not in str(error)  # noqa: PT017 - both outcomes are right
    else:
        assert all(point.error or point.path for point in points)
        assert not any("\n" in point.error for point in points)
