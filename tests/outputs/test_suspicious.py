"""suspicious_regions.csv: one list over all slices, in the order of expected false alarms.

Nobody is named where names are hidden.
"""

from __future__ import annotations

import csv
from pathlib import Path

from dfd.outputs import suspicious
from dfd.records import Finding, Point, Suspicion

FIRST, SECOND = (
    Point(row, f"canary/{row}.dcm", path=Path(f"/data/canary/{row}.dcm"), frame=frame)
    for row, frame in ((2, None), (5, 3))
)


def suspicion(point: Point, expected: float, **found: object) -> Suspicion:
    place = Point(point.row, point.filename, 211.0, 305.0, frame=point.frame, path=point.path)
    return Suspicion(
        Finding(
            place,
            "strongly unusual",
            3.25,
            0.1 + 0.2,
            form="AI edit",
            reason="strange",
            radius_mm=10.0,
            **found,
        ),
        expected,
    )


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_regions_of_all_slices_stand_in_one_list(tmp_path: Path) -> None:
    given = [
        (suspicion(FIRST, 0.02), suspicion(FIRST, 0.9)),
        (suspicion(SECOND, 0.1, source_x=3.0, source_y=4.5, extrapolated=True),),
    ]
    path = suspicious.write(
        tmp_path, given, [Finding(FIRST, "unusual"), Finding(SECOND, "unusual")]
    )
    found = rows(path)
    assert path.name == "suspicious_regions.csv"
    assert tuple(found[0]) == suspicious.COLUMNS
    assert [(row["row"], row["region"], float(row["expected_false_alarms"])) for row in found] == [
        ("2", "1", 0.02),
        ("5", "1", 0.1),
        ("2", "2", 0.9),
    ]
    assert [row["frame"] for row in found] == ["", "3", ""]
    assert (float(found[0]["p_value"]), found[0]["x"], found[0]["y"]) == (
        0.1 + 0.2,
        "211.0",
        "305.0",
    )
    assert [row["source_x"] for row in found] == ["", "3.0", ""]
    assert [row["extrapolated"] for row in found] == ["false", "true", "false"]


def test_without_a_region_there_is_a_header(tmp_path: Path) -> None:
    assert (
        suspicious.write(tmp_path, [(), ()], []).read_text(encoding="utf-8")
        == ",".join(suspicious.COLUMNS) + "\n"
    )


def test_anonymous_regions_carry_the_names_of_the_scores(tmp_path: Path) -> None:
    path = suspicious.write(
        tmp_path,
        [(), (suspicion(SECOND, 0.1),)],
        [Finding(FIRST, "unusual"), Finding(SECOND, "unusual")],
        anonymous=True,
    )
    assert "canary" not in path.read_text(encoding="utf-8")
    assert rows(path)[0]["filename"] == "slice-0002"


def test_names_that_a_spreadsheet_would_execute_are_harmless(tmp_path: Path) -> None:
    path = suspicious.write(tmp_path, [(suspicion(Point(2, "=1+1"), 0.1),)], [])
    assert rows(path)[0]["filename"] == "'=1+1"
