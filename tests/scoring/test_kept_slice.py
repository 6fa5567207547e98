"""What is kept of a slice comes back whole, and in anonymous runs it names nobody."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dfd.outputs.writer import SliceInfo
from dfd.records import Evidence, Finding, Form, Point, Region, ScanFacts, Suspicion, Verdict
from dfd.scoring.kept_slice import KeptSlice, holds_names, nameless, packed, unpacked
from dfd.sentences import named as name_in
from dfd.sentences import quoted

POINTS = {
    2: Point(
        2,
        "canary/a.dcm",
        3.0,
        4.0,
        cells={"filename": "canary/a.dcm"},
        path=Path("/data/canary/a.dcm"),
    ),
    5: Point(
        5, "canary/a.dcm", cells={"filename": "canary/a.dcm"}, path=Path("/data/canary/a.dcm")
    ),
}
FACTS = ScanFacts(
    "CT",
    "Canary Inc",
    "Canary 3000",
    "B70f",
    "canary",
    "CANARY",
    ("DERIVED", "CANARY"),
    "HU",
    (0.7, 0.8),
    patient_hash="ab",
)


def kept() -> KeptSlice:
    evidence = (Evidence("noise", 2.5, {"energy": math.inf}, "lung", "coarser", source_x=3.0),)
    found = Finding(
        POINTS[2],
        Verdict.UNUSUAL,
        1.5,
        0.03,
        Form.ADVERSARIAL_NOISE,
        "coarser",
        {"noise": 0.03},
        1.0,
        2.0,
        "",
        6.0,
        "lung",
        True,
        "",
        evidence,
    )
    whole = replace(found, point=POINTS[5])
    place = replace(whole, point=replace(POINTS[5], x=9.0, y=8.0, radius_mm=6.0))
    regions = {2: Region(3.0, 4.0, 8.0, 6.0), 5: Region(math.nan, math.nan, 8.0, 6.0)}
    return KeptSlice(
        (found, whole),
        regions,
        {5: (Suspicion(place, 0.1), Suspicion(place, 2.0))},
        SliceInfo(FACTS, (40, 50)),
        "cpu",
    )


def through_json(one: KeptSlice) -> KeptSlice:
    return unpacked(json.loads(json.dumps(packed(one))), POINTS)


def test_a_slice_comes_back_as_it_was() -> None:
    assert repr(through_json(kept())) == repr(kept())
    unread = KeptSlice((Finding(POINTS[2], "unreadable", error="cut off"),), device="cpu")
    assert through_json(unread) == unread


def test_points_and_cells_are_not_kept() -> None:
    assert "canary" not in json.dumps(packed(nameless(kept(), "salt"))).lower()


def test_what_is_of_other_rows_is_an_error() -> None:
    content = packed(kept())
    for other in ({}, {2: POINTS[2]}):
        with pytest.raises(ValueError, match="no slice of this run"):
            unpacked(content, other)
    for name in content:
        with pytest.raises(ValueError, match="no "):
            unpacked({**content, name: 3}, POINTS) if name != "device" else unpacked({}, POINTS)


def test_slices_of_an_anonymous_run_are_still_told_apart() -> None:
    one = nameless(kept(), "salt").info.facts
    assert (one.manufacturer, one.model, one.body_part, one.kernel, one.image_type) == (
        "",
        "",
        "",
        "B70f",
        ("DERIVED",),
    )
    assert (one.unit, one.spacing_mm) == (FACTS.unit, FACTS.spacing_mm)
    other = nameless(
        replace(kept(), info=SliceInfo(replace(FACTS, sequence="canary 2"), (40, 50))), "salt"
    ).info.facts
    assert len({one.sequence, other.sequence, FACTS.sequence}) == 3
    assert nameless(kept(), "salt").info.facts == one
    assert nameless(kept(), "pepper").info.facts.patient_hash != one.patient_hash
    assert nameless(replace(kept(), info=None), "salt").info is None


def test_grids_come_back_as_they_were() -> None:
    values = np.array([[1.5, np.nan, -0.1], [3e-5, np.inf, 7.0]], dtype=np.float32)
    one = replace(kept(), grids={5: {"noise": values}})
    content = json.loads(json.dumps(packed(one)))
    back = unpacked(content, POINTS).grids[5]["noise"]
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, values)


@pytest.mark.parametrize(
    "damage",
    [
        {"shape": [2, 2]},
        {"shape": [10**6, 10**6]},
        {"shape": [-1, -6]},
        {"values": "#"},
        {"values": "AAAA"},
        {"values": 3},
    ],
    ids=str,
)
def test_a_damaged_grid_is_no_slice(damage: dict[str, object]) -> None:
    one = replace(kept(), grids={5: {"noise": np.zeros((2, 3), dtype=np.float32)}})
    content = packed(one)
    content["grids"][5]["noise"] |= damage
    with pytest.raises(ValueError, match=r"grid|no slice"):
        unpacked(content, POINTS)


@pytest.mark.parametrize(
    "named",
    [
        {"source_file": "canary/b.dcm"},
        {"error": f"{quoted('canary/a.dcm')}: slice is MR"},
        {
            "reason": (
                f"another series of this study ({quoted('canary/b.dcm')}) holds the very same "
                "pixels"
            )
        },
        {"evidence": (Evidence("noise", 1.0, reason=f"as in {name_in('canary/b.dcm')}"),)},
        {"evidence": (Evidence("noise", 1.0, source_file="b.dcm"),)},
    ],
    ids=lambda named: next(iter(named)),
)
def test_sentences_that_name_files_are_seen(named: dict[str, object]) -> None:
    one = kept()
    assert not holds_names(one)
    assert holds_names(replace(one, findings=(replace(one.findings[0], **named), one.findings[1])))
    (first, second) = one.suspicions[5]
    assert holds_names(
        replace(
            one, suspicions={5: (first, replace(second, finding=replace(second.finding, **named)))}
        )
    )
