"""Places all over a slice, and the map that their numbers make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from dfd.evidence import copy_move, screening_grid
from dfd.evidence.best_matches import QUICK, THOROUGH, Effort
from dfd.evidence.copy_move import CopyMoveReference
from dfd.evidence.family import Measured
from dfd.evidence.slice_evidence import SliceEvidence, at_place
from dfd.prediction.masks import disk
from dfd.records import Evidence, Region
from tests.evidence.test_noise import CT, RADIUS, SHAPE, white

LIKE = Region(0.0, 0.0, RADIUS, 10.0)


@pytest.mark.parametrize(("radius", "step"), [(14.3, 16), (30.0, 16), (10.0, 12), (6.0, 8)])
def test_small_regions_lie_closer(radius: float, step: int) -> None:
    assert screening_grid.step_of(radius) == step


def test_places_stand_wherever_there_is_support_and_carry_the_evidence_of_a_point() -> None:
    known = ~disk(*SHAPE, (40, 120), 30.0)
    examined = SliceEvidence(replace(white(), assessed=known), CT)
    regions, measured = examined.everywhere(LIKE)
    assert all(region.radius_mm == 10.0 for region in regions)
    assert {region.x % screening_grid.step_of(RADIUS) for region in regions} == {
        screening_grid.step_of(RADIUS) // 2
    }
    assert not [region for region in regions if np.hypot(region.x - 40, region.y - 120) < 18]
    assert len(regions) > 0.6 * (SHAPE[0] // screening_grid.step_of(RADIUS)) ** 2
    assert len(regions) == len(measured) == len(measured.statistics["noise"])
    assert not [found[0].obstacle for found in measured if found[0].obstacle]
    (again,) = examined.measure_all([regions[7]])
    for alone, beside_others in zip(again[::2], measured[7][::2], strict=True):
        assert replace(alone, statistic=beside_others.statistic) == beside_others
    assert [each.statistic for each in measured[7]] == [
        values[7] for values in measured.statistics.values()
    ]
    assert list(measured[5:8])[2] == measured[7]


def test_copies_are_sought_quickly_all_over_a_slice_and_thoroughly_at_a_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Effort] = []

    def measured(
        regions: Sequence[Region], reference: CopyMoveReference, effort: Effort
    ) -> Measured:
        asked.append(effort)
        return Measured(np.ones(len(regions)), lambda number: Evidence("copy_move", 1.0))

    monkeypatch.setattr(copy_move, "find_copies", measured)
    examined = SliceEvidence(white(), CT)
    examined.measure(replace(LIKE, x=80.0, y=80.0))
    assert asked == [THOROUGH]
    asked.clear()
    examined.everywhere(LIKE)
    assert asked == [QUICK]


def test_a_place_asked_about_by_itself_is_measured_as_all_over_the_slice() -> None:
    examined = SliceEvidence(white(), CT)
    regions, measured = examined.everywhere(LIKE)
    inner = next(n for n, region in enumerate(regions) if region.x > 60 and region.y > 60)
    again = at_place(regions[inner], examined)
    for one, other in zip(again, measured[inner], strict=True):
        assert one.statistic == pytest.approx(other.statistic, rel=1e-6)
    (lone,) = examined.measure_all([regions[inner]], quick=True)
    assert lone[0].statistic == measured.by_themselves["noise"][inner]
    assert lone[0].statistic != again[0].statistic


def test_a_slice_without_a_measurement_has_no_place() -> None:
    nothing = replace(white(), assessed=np.zeros(SHAPE, bool))
    regions, measured = SliceEvidence(nothing, CT).everywhere(LIKE)
    assert regions == []
    assert list(measured) == []


def test_the_map_holds_each_value_at_its_place_and_lines_between() -> None:
    places = np.array([[8, 8], [24, 8], [8, 24], [24, 24], [40, 8]])
    known = np.ones((40, 60), bool)
    known[0] = False
    found = screening_grid.painted(places, np.array([1.0, 3.0, 1.0, 3.0, np.nan]), known, 16)
    assert found.dtype == np.float32
    assert [found[8, 8], found[8, 24], found[24, 24]] == [1.0, 3.0, 3.0]
    np.testing.assert_allclose(found[8:25, 16], 2.0, rtol=1e-6)
    assert np.isnan(found[0]).all()
    assert np.isnan(found[:, 41:]).all()
    assert np.nanmax(found) == 3.0


def test_a_map_of_no_place_is_empty() -> None:
    assert np.isnan(
        screening_grid.painted(np.zeros((0, 2), np.int64), np.zeros(0), np.ones((20, 30), bool), 16)
    ).all()


def test_an_averaged_region_is_wider_by_its_steps() -> None:
    like = Region(0.0, 0.0, 10.0, 8.0)
    assert screening_grid.averaged_region(2, 3, 0, like) == Region(42.0, 30.0, 10.0, 8.0)
    # A step of 12 px, 1.2 radii.
    wider = screening_grid.averaged_region(2, 3, 1, like)
    assert (wider.radius_px, wider.radius_mm) == (22.0, pytest.approx(17.6))
    assert screening_grid.averaged_region(0, 0, 1, Region(0.0, 0.0, 10.0)).radius_mm is None
