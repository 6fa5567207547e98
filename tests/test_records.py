"""The nouns: frozen, with defaults that invent nothing."""

from __future__ import annotations

import csv
import dataclasses
import inspect
import io
import json
import math
from pathlib import Path

import pytest

from dfd import records
from dfd.calibration import verdict_of
from dfd.records import Evidence, Family, Finding, Form, Point, ScanFacts, SliceRef, Verdict

NOUNS = [
    noun
    for _, noun in inspect.getmembers(records, dataclasses.is_dataclass)
    if noun.__module__.startswith(f"{records.__name__}.")
]


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.__name__)
def test_records_are_frozen_and_only_hold(noun: type) -> None:
    assert noun.__dataclass_params__.frozen
    own = [
        name
        for name, value in vars(noun).items()
        if inspect.isfunction(value) and not name.startswith("_")
    ]
    assert own == []


def test_all_the_nouns_are_there() -> None:
    expected = {
        "ScanFacts",
        "SliceRef",
        "Slice",
        "Series",
        "Skipped",
        "Point",
        "Region",
        "Prediction",
        "Context",
        "Evidence",
        "Finding",
    }
    assert expected <= {noun.__name__ for noun in NOUNS}


def test_a_record_refuses_a_change() -> None:
    point = Point(1, "a.dcm", 2.0, 3.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 5.0  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        point.extra = 5.0  # type: ignore[attr-defined]
    assert dataclasses.replace(point, x=5.0).x == 5.0


def test_what_is_not_said_stays_empty() -> None:
    facts = ScanFacts()
    assert facts.spacing_mm is None
    assert facts.thickness_mm is None
    assert facts.patient_hash == ""
    assert SliceRef(Path("a")).position_mm is None
    point = Point(1, "a")
    assert math.isnan(point.x)
    assert point.frame is None
    finding = Finding(point, "unreadable")
    assert math.isnan(finding.score)
    assert math.isnan(finding.p_value)
    assert finding.source_x is None
    assert not finding.extrapolated


def test_defaults_are_not_shared() -> None:
    assert Point(1, "a").cells is not Point(2, "b").cells
    assert (
        Finding(Point(1, "a"), "unusual").p_by_family
        is not Finding(Point(1, "a"), "unusual").p_by_family
    )
    assert Evidence("noise", 1.0).measures is not Evidence("noise", 1.0).measures


def test_verdicts_are_the_ones_that_are_given() -> None:
    given = {verdict_of(p) for p in (1.0, 0.05, 0.01)}
    assert given == set(list(Verdict)[:3])
    assert not [
        verdict
        for verdict in Verdict
        if {"fake", "authentic", "safe", "genuine"} & set(verdict.split())
    ]


def test_their_values_are_the_words_of_the_outputs() -> None:
    assert list(Verdict) == [
        "no anomaly found",
        "unusual",
        "strongly unusual",
        "not assessable",
        "unreadable",
        "not reached",
    ]
    assert list(Form) == ["adversarial noise", "copy-move", "AI edit", "undetermined"]
    assert list(Family) == [
        "noise",
        "copy_move",
        "synthesis",
        "texture",
        "neighbours",
        "series_copy",
    ]
    stream = io.StringIO()
    csv.writer(stream).writerow([Verdict.UNUSUAL, Form.AI_EDIT])
    assert stream.getvalue() == "unusual,AI edit\r\n"
    assert json.dumps({Verdict.UNUSUAL: Form.COPY_MOVE}) == '{"unusual": "copy-move"}'
    assert f"{Verdict.UNUSUAL} ({Form.AI_EDIT})" == "unusual (AI edit)"
