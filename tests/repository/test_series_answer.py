"""What is said of a series, and the columns of its regions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfd.assessment.series import SeriesFinding, SeriesRegion
from dfd.records import Finding, Form, Point, Region, ScanFacts, Series, Slice, SliceRef, Verdict
from dfd.repository.regions import Explained, NumberedSlice, row_of
from dfd.repository.series_answer import EXTRAPOLATED, sentence_of

PLACE = Region(40.0, 20.0, 8.0, 6.0)
LISTED = SeriesRegion(2, 4, 3, replace(PLACE, radius_px=16.0, radius_mm=12.0), PLACE, 0.02)
FACTS = ScanFacts(modality="CT", spacing_mm=(0.5, 0.75), thickness_mm=2.0)


def slices(count: int = 5, thickness_mm: float | None = 2.0) -> dict[int, NumberedSlice]:
    refs = [
        SliceRef(Path(f"{n}.dcm"), 0, f"1.{n}", 3.0 * n, 0, (-10.0, 5.0, 3.0 * n))
        for n in range(1, count + 1)
    ]
    facts = replace(FACTS, thickness_mm=thickness_mm)
    series = Series("1", (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), tuple(refs), facts)
    return {n: NumberedSlice(n, ref, series) for n, ref in enumerate(refs, start=1)}


def explained(form: Form | str = Form.AI_EDIT) -> Explained:
    pixels = np.zeros((64, 64), dtype=np.float32)
    scan = Slice(SliceRef(Path("3.dcm")), FACTS, pixels, np.ones(pixels.shape, dtype=bool))
    finding = Finding(Point(0, "3.dcm", 40.0, 20.0), Verdict.UNUSUAL, p_value=0.03, form=form)
    return Explained(LISTED, scan, finding, "smooth")


def test_a_region_reaches_over_its_slices() -> None:
    row = row_of(1, explained(), slices())
    assert (row["first_slice"], row["last_slice"], row["strongest_slice"]) == (2, 4, 3)
    assert (row["x"], row["y"], row["radius_px"], row["radius_mm"]) == (40.0, 20.0, 16.0, 12.0)
    assert row["sop_uids"] == ["1.2", "1.3", "1.4"]
    # From the front of the first slice to the back of the last: 2 x 3 mm and a thickness.
    assert row["depth_mm"] == 8.0
    # x to the right by 0.75 mm, y downwards by 0.5 mm from the corner of the strongest slice.
    assert (row["x_mm"], row["y_mm"], row["z_mm"]) == (-10.0 + 40 * 0.75, 5.0 + 20 * 0.5, 9.0)
    assert (row["form"], row["reason"]) == ("AI edit", "smooth")
    assert (row["p_value"], row["expected_false_alarms"]) == (0.03, 0.02)


def test_what_no_slice_shows_by_itself_has_no_form() -> None:
    row = row_of(1, explained(form=""), slices())
    assert row["form"] == ""
    assert row["reason"].startswith("what is odd here adds up over slices 2 to 4; in none of them")


def test_what_the_header_does_not_say_is_left_empty() -> None:
    row = row_of(1, explained(), slices(thickness_mm=None))
    assert row["depth_mm"] is None
    unplaced = {
        n: replace(each, ref=replace(each.ref, corner_mm=(), sop_uid=""))
        for n, each in slices().items()
    }
    row = row_of(1, explained(), unplaced)
    assert (row["x_mm"], row["y_mm"], row["z_mm"]) == (None, None, None)
    assert row["sop_uids"] == []


def test_slices_that_could_not_be_read_are_no_members() -> None:
    there = slices()
    del there[2]
    assert row_of(1, explained(), there)["sop_uids"] == ["1.3", "1.4"]


def finding(count: int = 1, expected: float = 0.02, remarks: tuple[str, ...] = ()) -> Any:
    return SeriesFinding(
        0.01,
        False,
        1 / expected,
        (replace(LISTED, expected_false_alarms=expected),) * count,
        remarks,
    )


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (
            finding(),
            "the only region that stands out lies in slices 2 to 4 at x 40, y 20: smooth; 0.02 "
            "such regions are expected by chance in a genuine series of this length",
        ),
        (
            finding(3, remarks=("a remark",)),
            "the strongest of 3 regions that stand out lies in slices 2 to 4 at x 40, y 20: "
            "smooth; 0.02 such regions are expected by chance in a genuine series of this length; "
            "a remark",
        ),
        (
            finding(1, 3.0),
            "no region stands out: the strangest of 5 slices lies in slices 2 to 4 at x 40, y 20, "
            "and 3 such regions are expected by chance in a genuine series of this length",
        ),
    ],
)
def test_the_sentence_of_a_series(found: SeriesFinding, wanted: str) -> None:
    expected = found.regions[0].expected_false_alarms
    row = row_of(1, explained(), slices()) | {"expected_false_alarms": expected}
    assert sentence_of(found, row, 5) == wanted
    beyond = sentence_of(replace(found, extrapolated=True), row, 5)
    assert beyond == f"{wanted}; {EXTRAPOLATED}"
    one = row | {"first_slice": 3, "last_slice": 3}
    assert " in slice 3 at x 40" in sentence_of(found, one, 1)
