"""Numbers as spreadsheets write them, tables with remarks, labels that cannot be read."""

from __future__ import annotations

import logging
import re

import pytest

from dfd.errors import PointsError


@pytest.mark.parametrize(
    ("text", "x"),
    [
        ("filename;X;Y\na;211,5;2\n", 211.5),
        ("filename\tX\tY\na\t211,5\t2\n", 211.5),
        ("filename;X;Y\na;211,125;2\n", 211.125),
        ("filename;X;Y\na;0,125;2\n", 0.125),
        ("filename;X;Y\na;1.024;2\n", 1.024),
        ("filename,X,Y\na,1.024,2\n", 1.024),
        ("filename;X;Y\na;1,0240;2\n", 1.024),
        ('filename,X,Y\na,"=""211""",2\n', 211.0),
        ('filename,X,Y\na,="211",2\n', 211.0),
    ],
)
def test_decimal_commas_and_cells_of_excel(points_of, text, x):
    (point,) = points_of(text)
    assert (point.x, point.y, point.error) == (x, 2.0, "")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            'filename,X,Y\na,"1,024",2\n',
            "X is '1,024', which may mean 1024 or 1.024; write 1024 or",
        ),
        ("filename;X;Y\na;1,024;2\n", "X is '1,024', which may mean 1024 or 1.024; write 1024 or"),
        ("filename;X;Y\na;1,024;2,5\n", "which may mean 1024 or 1.024; write 1024 or 1.0240"),
        ("filename;X;Y\na;1.024;2,5\n", "which may mean 1024 or 1.024; write 1024 or 1.0240"),
        ("filename;X;Y;frame\na;1;2;1,024\n", "frame is '1,024', which may mean 1024 or 1.024"),
        ('filename,X,Y\na,"211,125",2\n', "which may mean 211125 or 211.125"),
        ('filename,X,Y\na,"211,5",2\n', "not a number; write 211.5 with a decimal point"),
        ('filename,X,Y\na,"1,024.5",2\n', "write 1024.5, without separators of thousands"),
        ("filename;X;Y\na;1.024,5;2\n", "write 1024.5, without separators of thousands"),
        ("filename;X;Y\na;1 024;2\n", "write 1024, without separators of thousands"),
        ("filename;X;Y\na;1'024;2\n", "write 1024, without separators of thousands"),
        ("filename;X;Y\na;1\u202f024,5;2\n", "write 1024.5, without separators of thousands"),
        ("filename;x_mm;y_mm;z_mm\na;-1,024;2;3\n", "may mean -1024 or -1.024"),
    ],
)
def test_separators_of_thousands_are_never_guessed(points_of, text, match):
    (point,) = points_of(text)
    assert re.search(match, point.error), point.error


def test_millimetres_with_three_decimals_are_read_where_the_comma_is_known(points_of):
    (point,) = points_of("filename;x_mm;y_mm;z_mm\na;-1,024;72,970;-3,5\n")
    assert point.patient_mm == (-1.024, 72.97, -3.5)


def test_a_radius_has_no_thousands(points_of):
    (point,) = points_of("filename;X;Y;radius\na;1;2;5,125\n")
    assert point.radius_mm == 5.125


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbf"filename","X","Y"\r\n"p1/a.dcm","3","4"\r\n',
        b'\xef\xbb\xbf"filename";"X";"Y"\r\n"p1/a.dcm";"3,0";"4,0"\r\n',
        b'\xef\xbb\xbf\xef\xbb\xbf"filename","X","Y"\n"p1/a.dcm","3","4"\n',
        '"filename";"X";"Y"\r\n"p1/a.dcm";"3";"4"\r\n'.encode("utf-16"),
        "\ufefffilename\tX\tY\np1/a.dcm\t3\t4\n".encode("utf-16-be"),
        b'="filename",="X",="Y"\n="p1/a.dcm",="3",="4"\n',
        b'sep=;\r\n"filename";"X";"Y"\r\n"p1\\a.dcm";3;4\r\n',
    ],
)
def test_files_of_spreadsheets(points_of, data, content):
    (point,) = points_of(content)
    assert (point.path, point.x, point.y, point.error) == (data / "p1/a.dcm", 3.0, 4.0, "")


# --- remarks


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("# by me\n#\nfilename,X,Y\na,3,4\n", [4]),
        ('filename,X,Y\n# "a remark\na,3,4\n  # another, 1, 2\nb,5,6\n', [3, 5]),
        ("filename,X,Y\n#a,3,4\nb,5,6\n", [3]),
        ("# by me\na.dcm,3,4\n", [2]),
        ("# by me\n# filename, X, Y\na,3,4\n", [3]),
        ("#filename;X;Y\na;3;4\n", [2]),
        ("# image, v2\na.dcm,3,4\n", [2]),
        ("filename\n# a list\na\n", [3]),
        ("sep=;\n# by me\nfilename;X;Y\na;3;4\n", [4]),
    ],
)
def test_lines_that_begin_with_a_hash_are_remarks(points_of, text, lines):
    points = points_of(text)
    assert [point.row for point in points] == lines
    assert not any(point.error for point in points)


def test_a_file_may_begin_with_a_hash(points_of, data):
    (data / "#1.dcm").write_bytes(b"")
    (point,) = points_of("filename,X,Y\n#1.dcm,3,4\n#2.dcm,3,4\n")
    assert (point.path, point.x, point.error) == (data / "#1.dcm", 3.0, "")


@pytest.mark.parametrize("text", ["# nothing\n", "#\n\n#\n"])
def test_remarks_alone_are_an_empty_file(points_of, text):
    with pytest.raises(PointsError, match="is empty"):
        points_of(text)


@pytest.mark.parametrize("text", ["filename,X,Y\n# a,3,4\n", "# filename,X,Y\n"])
def test_remarks_are_no_rows(points_of, text):
    with pytest.raises(PointsError, match="holds a header but no rows"):
        points_of(text)


def test_remarks_that_were_passed_over_are_said(points_of, caplog):
    caplog.set_level(logging.INFO)
    points_of("filename,X,Y\n# one\n#a,1,2\nb,3,4\n")
    assert "lines that begin with # were passed over (2)" in caplog.text


# --- labels


@pytest.mark.parametrize("cell", ["2", "0.5", "yes", "tampered", "-1", "nan", '"1,000"'])
def test_a_label_that_cannot_be_read_costs_the_label(points_of, caplog, cell):
    first, second = points_of(f"filename,X,Y,label\na,3,4,{cell}\nb,3,4,1\n")
    assert (first.x, first.label, first.error) == (3.0, None, "")
    assert first.cells["label"] == cell.strip('"')
    assert second.label == 1
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1
    assert said[0].startswith(f"row 2: column label is '{cell.strip(chr(34))}', so the row goes")


def test_many_labels_that_cannot_be_read_are_counted(points_of, caplog):
    points = points_of("filename,X,Y,label\n" + "a,3,4,yes\n" * 1000)
    assert not any(point.error for point in points)
    assert len(caplog.records) == 6
    assert "in 995 further rows too the label cannot be read" in caplog.text
