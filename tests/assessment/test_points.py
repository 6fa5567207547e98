"""Predictions become findings, one per point and in order, or a map where there are no points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dfd.assessment.criteria import Criteria
from dfd.assessment.points import PointAssessor
from dfd.bundle.inference.inferer import as_tensor
from dfd.bundle.inference.scoring import ScoreRegionsd, first_of_batch, prepare_slice
from dfd.calibration import SLICE, Calibration, Setting, fit, fit_table
from dfd.errors import SeriesError
from dfd.evidence import noise, reference_windows
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import MODALITIES
from dfd.prediction.learned_statistic import LearnedStatistic
from dfd.prediction.masks import disk
from dfd.records import Point, Prediction, Region, ScanFacts, Slice, SliceRef
from tests.evidence.one_family import measure_regions

CT = MODALITIES["ct_lung"]
SHAPE = (160, 160)
FACTS = ScanFacts(
    modality="CT",
    unit="HU",
    spacing_mm=(0.8, 0.8),
    image_type=("ORIGINAL", "PRIMARY"),
    body_part="CHEST",
)


def scan(**facts: Any) -> Slice:
    rng = np.random.default_rng(5)
    pixels = (40.0 + rng.normal(0, 12.0, SHAPE)).astype(np.float32)
    # A lung, or the slice would be told to show none.
    pixels[20:60, 20:60] -= 840.0
    return Slice(SliceRef(Path("a.dcm")), replace(FACTS, **facts), pixels, np.ones(SHAPE, bool))


def prediction(edit: tuple[float, float] | None = None) -> Prediction:
    z = np.random.default_rng(6).normal(0, 1, SHAPE)
    if edit:
        z = np.where(disk(*SHAPE, edit, 13.0), 2.2 * z, z)
    mean = np.full(SHAPE, 40.0, np.float32)
    return Prediction(
        mean, np.full(SHAPE, 12.0, np.float32), z.astype(np.float32), np.ones(SHAPE, bool), 12.0
    )


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    """Noise evidence of thirty untouched slices."""

    def genuine(seed: int) -> list[float]:
        rng = np.random.default_rng(100 + seed)
        of = replace(prediction(), z=rng.normal(0, 1, SHAPE).astype(np.float32))
        regions = [Region(float(x), float(y), 12.5, 10.0) for x, y in rng.uniform(20, 140, (20, 2))]
        return [each.statistic for each in measure_regions(noise.FAMILY, regions, of, CT)]

    setting = Setting({"noise": fit_table([genuine(seed) for seed in range(30)])})
    return Calibration(CT.bundle, "ab", 10.0, {}, {SLICE: setting})


def scored(
    points: list[Point], calibration: Calibration | None, of: Prediction | None = None, **facts: Any
) -> dict[str, Any]:
    given = scan(**facts)
    batch = {
        "image": torch.from_numpy(given.pixels)[None, None],
        "pred": as_tensor(of or prediction())[None],
        "scan": given,
        "points": points,
    }
    return ScoreRegionsd(calibration=calibration)(batch)


def test_the_learned_statistic_of_the_model_is_used() -> None:
    """As a tensor, a prediction has lost it."""
    torch.manual_seed(0)
    statistic = LearnedStatistic()
    of = replace(prediction(), weigh=statistic)
    values = SliceEvidence(of, CT).measure_all([Region(100.0, 100.0, 12.5, 10.0)]).statistics
    setting = fit([[{name: float(value[0]) for name, value in values.items()}]])
    calibration = Calibration(CT.bundle, "ab", 10.0, {}, {SLICE: setting})
    point = Point(2, "a", 100.0, 100.0)
    batch = {
        "image": torch.from_numpy(scan().pixels)[None, None],
        "pred": as_tensor(of)[None],
        "scan": scan(),
        "points": [point],
    }
    weighing = replace(calibration, weigh=statistic)
    (bundle,) = ScoreRegionsd(calibration=weighing)(batch)["findings"]
    ((core,), _) = PointAssessor(Criteria(CT, calibration)).assess(scan(), [point], of)
    assert bundle.p_value == core.p_value
    assert bundle.verdict == core.verdict == "no anomaly found"
    (without,) = ScoreRegionsd(calibration=calibration)(batch)["findings"]
    assert without.verdict == "not assessable"
    planes = {key: batch[key] for key in ("image", "pred")}
    mapped = ScoreRegionsd(calibration=weighing)(planes)["pred"]
    assert float(mapped.max()) > 0.0


def test_one_finding_per_point_in_order(calibration: Calibration) -> None:
    points = [
        Point(2, "a", 100, 100),
        Point(3, "a", 500, 20),
        Point(4, "a", 80, 120),
        Point(5, "a", 100, 100, radius_mm=14.0),
    ]
    answer = scored(points, calibration)
    assert [finding.point for finding in answer["findings"]] == points
    assert [finding.verdict for finding in answer["findings"]][1] == "unreadable"
    assert "row 3: X = 500 lies outside" in answer["findings"][1].error
    assert [region and region.radius_mm for region in answer["regions"]] == [10.0, None, 10.0, 14.0]
    assert answer["regions"][0].radius_px == pytest.approx(12.5)
    assert all(0 < answer["findings"][place].p_value <= 1 for place in (0, 2, 3))
    np.testing.assert_array_equal(answer["prediction"].z, prediction().z)


def test_an_edit_stands_out_from_the_untouched_points(calibration: Calibration) -> None:
    points = [Point(2, "a", 100, 100), Point(3, "a", 60, 120), Point(4, "a", 120, 50)]
    found = scored(points, calibration, prediction(edit=(100, 100)))["findings"]
    assert found[0].verdict == "strongly unusual"
    assert found[0].form == "adversarial noise"
    assert {finding.verdict for finding in found[1:]} == {"no anomaly found"}
    assert found[0].score > max(finding.score for finding in found[1:])
    assert found[0].tissue == "soft tissue"


def test_a_point_is_scored_the_same_alone_and_in_company(calibration: Calibration) -> None:
    points = [
        Point(2, "a", 100, 100),
        Point(3, "a", 60, 120),
        Point(4, "a", 120, 50, radius_mm=7.5),
    ]
    together = scored(points, calibration)["findings"]
    assert [scored([point], calibration)["findings"][0] for point in points] == together


def test_windows_are_measured_once_per_radius(
    calibration: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    prepare = reference_windows.prepare

    def counted(given, radius, modality, device):
        asked.append(radius)
        return prepare(given, radius, modality, device)

    monkeypatch.setattr(reference_windows, "prepare", counted)
    scored(
        [Point(row, "a", 100, 100, radius_mm=8.0 + 2 * (row % 2)) for row in range(6)], calibration
    )
    assert len(asked) == 2


def test_the_noise_scale_is_that_of_the_slice(calibration: Calibration) -> None:
    assert (
        scored([Point(2, "a", 100, 100)], calibration)["prediction"].noise_scale
        == prediction().noise_scale
    )


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"modality": "MR"}, "slice is MR"),
        ({"body_part": "HEAD"}, "HEAD"),
        ({"bits_stored": 8}, "8-bit"),
    ],
)
def test_a_slice_of_another_kind_is_unreadable(
    calibration: Calibration, facts: dict[str, Any], words: str
) -> None:
    answer = scored([Point(2, "a", 1, 1), Point(3, "b", 2, 2)], calibration, **facts)
    assert [finding.verdict for finding in answer["findings"]] == ["unreadable"] * 2
    assert [finding.error[:3] for finding in answer["findings"]] == ["'a'", "'b'"]
    assert words in answer["findings"][0].error
    assert answer["regions"] == [None, None]


def test_a_lossy_slice_is_not_assessable(calibration: Calibration) -> None:
    (finding,) = scored([Point(2, "a", 100, 100)], calibration, lossy=True)["findings"]
    assert finding.verdict == "not assessable"
    assert "compressed with loss" in finding.reason
    assert not finding.error


def test_remarks_reach_the_finding(calibration: Calibration) -> None:
    (finding,) = scored([Point(2, "a", 100, 100)], calibration, spacing_mm=None)["findings"]
    assert finding.extrapolated
    assert "no pixel spacing" in finding.reason
    assert finding.radius_mm is None


def test_a_file_that_could_not_be_read(calibration: Calibration) -> None:
    points = [Point(2, "a", 1, 1), Point(3, "a", 2, 2)]
    batch = {
        "image": torch.full((1, 1, 32, 32), torch.nan),
        "pred": torch.zeros(1, 5, 32, 32),
        "points": points,
        "error": "a.dcm is cut off",
    }
    answer = ScoreRegionsd(calibration=calibration)(batch)
    assert [(finding.verdict, finding.error) for finding in answer["findings"]] == [
        ("unreadable", "a.dcm is cut off")
    ] * 2
    assert answer["regions"] == [None, None]


def test_without_calibration_nothing_is_said() -> None:
    (finding,) = scored([Point(2, "a", 100, 100)], None)["findings"]
    assert finding.verdict == "not assessable"
    assert "no calibration" in finding.reason


@pytest.mark.parametrize("batched", [True, False])
def test_a_bare_image_gives_a_map(calibration: Calibration, batched: bool) -> None:
    image, planes = (
        torch.from_numpy(scan().pixels)[None],
        as_tensor(replace(prediction(edit=(100, 60)), assessed=~disk(*SHAPE, (40, 120), 15.0))),
    )
    data = (
        {"image": image[None], "pred": planes[None]}
        if batched
        else {"image": image, "pred": planes}
    )
    answer = ScoreRegionsd(calibration=calibration)(data)["pred"]
    assert answer.shape == ((1, 1, *SHAPE) if batched else (1, *SHAPE))
    assert answer.dtype == torch.float32
    found = answer.reshape(SHAPE).numpy()
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert found[55:65, 95:105].mean() > 5 * np.median(found)
    row, column = np.unravel_index(found.argmax(), SHAPE)
    assert (row - 60) ** 2 + (column - 100) ** 2 < 14**2
    assert (found[disk(*SHAPE, (40, 120), 14.0)] == 0).all()


def test_a_file_that_could_not_be_read_gives_no_map(calibration: Calibration) -> None:
    batch = {
        "image": torch.full((1, 32, 32), torch.nan),
        "pred": torch.zeros(5, 32, 32),
        "error": "a.nii holds 3 frames",
    }
    with pytest.raises(SeriesError, match=r"^a\.nii holds 3 frames$"):
        ScoreRegionsd(calibration=calibration)(batch)


def test_a_map_without_calibration_is_empty() -> None:
    planes = as_tensor(prediction())
    assert (
        ScoreRegionsd()({"image": torch.from_numpy(scan().pixels)[None], "pred": planes})["pred"]
        == 0
    ).all()


def test_the_input_is_left_alone(calibration: Calibration) -> None:
    data = {"image": torch.from_numpy(scan().pixels)[None], "pred": as_tensor(prediction())}
    before = data["pred"].clone()
    ScoreRegionsd(calibration=calibration)(data)
    assert torch.equal(data["pred"], before)


def test_a_batch_is_one_slice() -> None:
    item = {"image": torch.zeros(1, 4, 5), "scan": scan(), "points": [Point(2, "a")]}
    batch = first_of_batch([item])
    assert batch["image"].shape == (1, 1, 4, 5)
    assert isinstance(
        batch["image"], np.ndarray
    )  # a tensor would pass through /dev/shm, which is small in containers
    assert batch["scan"] is item["scan"]
    image, label = prepare_slice(batch, torch.device("cpu"))
    assert image.shape == (1, 1, 4, 5)
    assert label is None
    with pytest.raises(ValueError, match="unpack"):
        first_of_batch([item, item])
