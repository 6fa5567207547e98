"""Slices without a point, from prediction to answer; and the calibration that is behind it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dfd import calibration as calibrating
from dfd.assessment import calibrate, genuine_sample, screening
from dfd.bundle.datalists import Cohort, collect
from dfd.bundle.inference.inferer import as_tensor
from dfd.bundle.inference.scoring import ScoreRegionsd
from dfd.calibration import NOT_CALIBRATED, SCREENING, SLICE, Calibration
from dfd.errors import PointsError
from dfd.evidence import screening_grid
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.prediction.masks import disk
from dfd.records import Point, Prediction, Region, Screening
from dfd.scoring import requested_points
from tests.assessment.test_points import CT, SHAPE, prediction, scan
from tests.bundle.training.test_finalize import small_network, write_patient
from tests.dicom_maker import make_pixels, make_slice

WHOLE = Point(2, "a.dcm")
LIKE = Region(0.0, 0.0, 12.5, 10.0)


def genuine(seed: int) -> Prediction:
    z = np.random.default_rng(seed).normal(0, 1, SHAPE).astype(np.float32)
    return replace(prediction(), z=z)


def rows_of_slice(seed: int) -> list[calibrating.Statistics]:
    return calibrating.rows_of(screening.places_of(genuine(seed), CT, LIKE).statistics)


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    """Of six made-up patients with two slices each."""
    rows = [[rows_of_slice(2 * patient + number) for number in range(2)] for patient in range(6)]
    whole = calibrating.fit_screening(rows)
    assert whole is not None
    of_slices = calibrating.fit([slices[0] for slices in rows])
    return Calibration(CT.bundle, "ab", 10.0, {}, {SLICE: of_slices, SCREENING: whole})


def answered(
    points: list[Point], calibration: Calibration | None, of: Prediction | None = None, **facts: Any
) -> dict[str, Any]:
    given = scan(**facts)
    planes = as_tensor(of or genuine(99))[None]
    batch = {
        "image": torch.from_numpy(given.pixels)[None, None],
        "pred": planes,
        "scan": given,
        "points": points,
    }
    return ScoreRegionsd(calibration=calibration)(batch)


def screened(
    calibration: Calibration | None, of: Prediction | None = None, **facts: Any
) -> Screening:
    return answered([WHOLE], calibration, of, **facts)["screenings"][WHOLE.row]


def test_an_untouched_slice_has_a_large_p_value(calibration: Calibration) -> None:
    found = screened(calibration)
    assert found.finding.verdict == "no anomaly found"
    assert found.finding.p_value > 0.1
    assert found.finding.point == WHOLE
    assert np.isfinite(found.map).mean() > 0.9
    assert found.map[np.isfinite(found.map)].min() >= 0


def test_the_strongest_region_of_a_tampered_slice_lies_where_it_was_tampered_with(
    calibration: Calibration,
) -> None:
    found = screened(calibration, prediction(edit=(100, 60)))
    place = found.suspicions[0].finding.point
    assert np.hypot(place.x - 100, place.y - 60) <= screening_grid.step_of(12.5) * 0.75
    row, column = np.unravel_index(np.nanargmax(found.map), SHAPE)
    assert np.hypot(column - 100, row - 60) < 14
    assert found.finding.verdict == "strongly unusual"
    assert found.finding.form == found.suspicions[0].finding.form != ""
    assert f"lies at x {place.x:g}, y {place.y:g}: " in found.finding.reason
    assert found.suspicions[0].expected_false_alarms < 0.5


def test_points_and_whole_slices_share_a_prediction_and_keep_their_order(
    calibration: Calibration,
) -> None:
    points = [Point(2, "a", 100, 60), Point(3, "a"), Point(4, "a", 40, 120)]
    answer = answered(points, calibration, prediction(edit=(100, 60)))
    assert [finding.point for finding in answer["findings"]] == points
    assert [region is None for region in answer["regions"]] == [False, True, False]
    assert list(answer["screenings"]) == [3]
    assert answer["findings"][1] == answer["screenings"][3].finding
    alone = answered(points[::2], calibration, prediction(edit=(100, 60)))
    assert alone["findings"] == answer["findings"][::2]
    assert alone["screenings"] == {}


def test_a_radius_of_its_own_is_heeded(
    calibration: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    places_of = screening.places_of
    monkeypatch.setattr(
        screening, "places_of", lambda *given: asked.append(given[2].radius_px) or places_of(*given)
    )
    answer = answered([Point(2, "a"), Point(3, "a", radius_mm=16.0), Point(4, "a")], calibration)
    assert sorted(asked) == [12.5, 20.0]
    assert [finding.radius_mm for finding in answer["findings"]] == [10.0, 16.0, 10.0]
    assert "the calibration was made for a radius of 10 mm" in answer["findings"][1].reason


def test_without_a_calibration_for_screening_there_is_a_map_alone(calibration: Calibration) -> None:
    found = screened(
        replace(calibration, settings={SLICE: calibration.of(SLICE)}), prediction(edit=(100, 60))
    )
    assert (found.finding.verdict, found.finding.reason, found.suspicions) == (
        "not assessable",
        NOT_CALIBRATED,
        (),
    )
    assert np.nanmax(found.map) > 1
    assert np.isnan(screened(None).map).all()


@pytest.mark.parametrize(
    ("facts", "verdict", "words"),
    [
        ({"modality": "MR"}, "unreadable", "slice is MR"),
        ({"lossy": True}, "not assessable", "with loss"),
    ],
)
def test_a_slice_that_the_model_was_not_made_for(
    calibration: Calibration, facts: dict[str, Any], verdict: str, words: str
) -> None:
    found = screened(calibration, **facts)
    assert found.finding.verdict == verdict
    assert words in found.finding.error + found.finding.reason
    assert np.isnan(found.map).all()


def test_a_radius_in_mm_needs_a_spacing(calibration: Calibration) -> None:
    found = answered([Point(2, "a", radius_mm=9.0)], calibration, spacing_mm=None)["findings"][0]
    assert found.verdict == "unreadable"
    assert "has no pixel spacing" in found.error


def test_a_slice_without_a_measurement_says_so(calibration: Calibration) -> None:
    found = screened(calibration, replace(genuine(1), assessed=np.zeros(SHAPE, bool)))
    assert (found.finding.verdict, found.suspicions) == ("not assessable", ())
    assert "no place of the slice" in found.finding.reason


def test_the_map_of_a_bare_image_is_that_of_screening(calibration: Calibration) -> None:
    of = replace(prediction(edit=(100, 60)), assessed=~disk(*SHAPE, (40, 120), 15.0))
    bare = ScoreRegionsd(calibration=calibration)({"pred": as_tensor(of)})["pred"][0].numpy()
    found = screening.map_of(
        screening.places_of(of, CT, Region(0.0, 0.0, CT.radius_px)), of, calibration
    )
    np.testing.assert_array_equal(bare, np.nan_to_num(found, nan=0.0))
    assert bare.max() > 1


def test_calibration_looks_all_over_some_slices_of_each_patient(tmp_path: Path) -> None:
    for name, slices in (("p1", 1), ("p2", 6)):
        write_patient(tmp_path, name, slices)
    cohort = Cohort(collect(tmp_path), ["p1", "p2"], 7)
    network = small_network()
    whole = calibrate.calibrate_network(network, cohort, "ab").settings[SCREENING]
    assert [len(values) for values in whole.maximum.patients] == [
        1,
        genuine_sample.SCREENED_PER_PATIENT,
    ]
    assert len(whole.combined.patients[1]) > 4 * 12
    slices = genuine_sample.whole_slices(network, cohort)
    again = calibrating.fit_screening([[each.rows for each in own] for own in slices])
    np.testing.assert_array_equal(again.maximum.patients[1], whole.maximum.patients[1])


def test_slices_that_cannot_be_used_calibrate_no_screening(tmp_path: Path) -> None:
    write_patient(tmp_path, "p1", BodyPartExamined="HEAD")
    cohort = Cohort(collect(tmp_path), ["p1"], 7)
    slices = genuine_sample.whole_slices(small_network(), cohort)
    assert slices == [[]]
    assert calibrating.fit_screening([[each.rows for each in own] for own in slices]) is None


def test_every_slice_of_a_folder_is_a_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("p2/b.dcm", "p1/a.dcm"):
        make_slice(tmp_path / name, make_pixels())
    (tmp_path / "p1" / "notes.txt").write_text("no scan")
    (tmp_path / "p1" / "cut.dcm").write_bytes((tmp_path / "p1" / "a.dcm").read_bytes()[:200])
    points = requested_points.slice_points(tmp_path)
    assert [(point.row, point.filename, point.frame) for point in points] == [
        (1, "p1/a.dcm", None),
        (2, "p2/b.dcm", None),
    ]
    assert all(point.is_screening for point in points)
    assert points[0].path == tmp_path / "p1" / "a.dcm"
    assert dict(points[0].cells) == {"filename": "p1/a.dcm", "X": "", "Y": ""}
    assert "cut.dcm left out" in caplog.text
    (tmp_path / "empty").mkdir()
    with pytest.raises(PointsError, match="no points file and no slice that can be read"):
        requested_points.slice_points(tmp_path / "empty")


def test_what_is_screened_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    make_slice(tmp_path / "a.dcm", make_pixels())
    monkeypatch.setattr(requested_points, "MANY_SLICES", 0)
    assert len(requested_points.points_of(str(tmp_path), None)) == 1
    assert (
        "there is no points file: the one slice of the folder is screened as a whole" in caplog.text
    )
    assert "slices to screen: about 2 s each" in caplog.text
    (tmp_path / "test.csv").write_text("filename,X,Y\na,3,4\na,,\n")
    assert [point.is_screening for point in requested_points.points_of(str(tmp_path), None)] == [
        False,
        True,
    ]
    assert (
        "1 of 2 rows name a slice and no place in it: there the whole slice is screened"
        in caplog.text
    )


def test_the_map_around_a_point_holds_what_each_place_is_worth(calibration: Calibration) -> None:
    here = Region(60.0, 70.0, 12.5, 10.0)
    examined = SliceEvidence(genuine(99), CT)
    found = screening.map_around(here, examined, calibration)
    step = screening_grid.step_of(here.radius_px)
    for across, down in ((0, 0), (step, -step)):
        place = replace(here, x=60.0 + across, y=70.0 + down)
        beside = [(0, 0), (step, 0), (0, step), (-step, 0), (0, -step)]
        centres = np.array([(60 + across + x, 70 + down + y) for x, y in beside])
        measured = examined.at_places(centres, here)[1].at(np.arange(1))
        alone = calibrating.Places([place], measured.statistics, measured)
        assert found[70 + down, 60 + across] == pytest.approx(
            -np.log10(calibrating.p_of_places(alone, calibration)[0]), abs=1e-5
        )
    assert np.isnan(found[0, -1])
    assert np.isfinite(found[70 - 2 * step : 70 + 2 * step, 60 - 2 * step : 60 + 2 * step]).all()


def test_the_map_around_a_point_at_the_corner(calibration: Calibration) -> None:
    assert (
        screening.map_around(
            Region(1.0, 1.0, 12.5, 10.0), SliceEvidence(genuine(99), CT), calibration
        ).shape
        == SHAPE
    )


def test_a_series_is_given_the_places_by_themselves() -> None:
    """It averages over places itself; what is averaged twice is seen less."""
    like, scan = Region(0.0, 0.0, 12.5, 10.0), genuine(99)
    places = screening.places_of(scan, CT, like)
    assert places.by_themselves is not None
    grids = screening.grids_of(places, SHAPE, like)
    for name, values in places.by_themselves.items():
        kept = grids[name][np.isfinite(grids[name])]
        expected = values[np.isfinite(values)].astype(np.float32)
        np.testing.assert_array_equal(np.sort(kept), np.sort(expected))
    assert not np.array_equal(places.by_themselves["noise"], places.statistics["noise"])
    assert np.array_equal(places.by_themselves["copy_move"], places.statistics["copy_move"], True)
