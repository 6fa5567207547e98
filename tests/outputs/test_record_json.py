"""Records come back from JSON as they were, to the last digit."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfd.outputs.record_json import as_json, from_json
from dfd.outputs.report import PointPictures, ScreeningPictures
from dfd.outputs.report.pictures import Picture, SourcePictures, Windowed
from dfd.records import Evidence, Finding, Form, Point, Region, ScanFacts, Verdict

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
FLOATS = st.floats()
EVIDENCE = st.builds(
    Evidence,
    family=TEXTS,
    statistic=FLOATS,
    measures=st.dictionaries(TEXTS, FLOATS, max_size=3),
    reason=TEXTS,
    source_x=st.none() | FLOATS,
)
FINDINGS = st.builds(
    Finding,
    point=st.builds(
        Point,
        row=st.integers(),
        filename=TEXTS,
        x=FLOATS,
        label=st.none() | st.integers(0, 1),
        path=st.none() | st.just(Path("a/b")),
    ),
    verdict=st.sampled_from(Verdict),
    form=st.just("") | st.sampled_from(Form),
    p_value=FLOATS,
    reason=TEXTS,
    p_by_family=st.dictionaries(TEXTS, FLOATS, max_size=3),
    radius_mm=st.none() | FLOATS,
    extrapolated=st.booleans(),
    evidence=st.lists(EVIDENCE, max_size=2).map(tuple),
)


def through_json(record):
    return from_json(type(record), json.loads(json.dumps(as_json(record))))


@settings(deadline=None, derandomize=True)
@given(FINDINGS)
def test_findings_come_back_as_they_were(finding):
    again = through_json(finding)
    assert repr(again) == repr(finding)  # repr, since NaN is not equal to itself


def test_a_verdict_or_form_that_does_not_exist_is_refused():
    content = as_json(Finding(Point(1, "a"), Verdict.UNUSUAL, form=Form.AI_EDIT))
    assert (content["verdict"], content["form"]) == ("unusual", "AI edit")
    assert type(content["verdict"]) is type(content["form"]) is str
    for name in ("verdict", "form"):
        with pytest.raises(ValueError, match=r"'sure' is not a valid Verdict|none of 2 kinds fits"):
            from_json(Finding, {**content, name: "sure"})


def test_numbers_of_numpy_become_plain():
    finding = Finding(
        Point(1, "a"), "unusual", p_value=np.float64(0.1), extrapolated=np.bool_(True)
    )
    again = through_json(finding)
    assert (again.p_value, again.extrapolated) == (0.1, True)
    assert type(again.p_value) is float


def test_values_that_only_look_like_a_default_are_kept():
    facts = ScanFacts(bits_stored=16.0, lossy=0)
    assert as_json(facts) == {"bits_stored": 16.0, "lossy": 0}
    assert as_json(ScanFacts(spacing_mm=(0.5, 0.75))) == {"spacing_mm": [0.5, 0.75]}
    assert through_json(ScanFacts(spacing_mm=(0.5, 0.75), image_type=("A", "B"))) == ScanFacts(
        spacing_mm=(0.5, 0.75), image_type=("A", "B")
    )


def test_pictures_come_back():
    picture = Picture("data:image/png;base64,AA", 1, 2, 3, 4)
    window = Windowed("lung", -1000.0, 200.0, picture, None, picture, chosen=True)
    whole = PointPictures(
        Region(1.5, 2.5, 3.0),
        picture,
        (window, window),
        picture,
        None,
        (1.0, 2.5),
        SourcePictures(1.0, 2.0, picture),
    )
    assert through_json(whole) == whole
    assert through_json(ScreeningPictures(picture, picture)) == ScreeningPictures(picture, picture)
    assert math.isnan(through_json(Region(math.nan, math.nan, 4.0, 3.0)).x)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "text",
        {"x": 1.0},
        {"x": "1", "y": 2.0, "radius_px": 3.0},
        {"x": 1.0, "y": 2.0, "radius_px": 3.0, "unknown": 1},
        {"x": [], "y": {}},
    ],
)
def test_what_is_no_such_record_is_an_error(content):
    with pytest.raises(ValueError, match="no Region"):
        from_json(Region, content)


def test_what_json_has_no_form_for_is_an_error():
    with pytest.raises(TypeError, match="set has no form in JSON"):
        as_json({1, 2})
