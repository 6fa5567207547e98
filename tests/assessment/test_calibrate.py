"""What each setting of a calibration counts."""

from __future__ import annotations

import numpy as np
import pytest

from dfd.assessment.calibrate import calibration_of
from dfd.assessment.genuine_sample import GenuineSample, ScreenedPlaces
from dfd.calibration import SCREENING, SERIES_SCREENING, SLICE
from dfd.evidence import lone_slice_families
from dfd.model_paths import bundle_dir, bundle_names
from dfd.models import model_file
from dfd.records import TOGETHER

FAMILIES = (*lone_slice_families(), TOGETHER)


def genuine(patients: int) -> GenuineSample:
    """Regions, a screened slice and a series of three slices of each patient."""
    rng = np.random.default_rng(0)

    def rows(count: int) -> list[dict[str, float]]:
        values = rng.lognormal(0.0, 0.4, (count, len(FAMILIES)))
        return [dict(zip(FAMILIES, map(float, row), strict=True)) for row in values]

    def grids() -> dict[str, np.ndarray]:
        return {name: rng.lognormal(0.0, 0.4, (6, 6)).astype(np.float32) for name in FAMILIES}

    places = [[ScreenedPlaces(own, own)] for own in (rows(60) for _ in range(patients))]
    return GenuineSample(
        [rows(40) for _ in range(patients)],
        places,
        {},
        [f"p{number}" for number in range(patients)],
        [[[[grids(), grids(), grids()]]] for _ in range(patients)],
    )


def test_the_learned_statistic_counts_in_slices_and_not_in_series() -> None:
    settings = calibration_of([genuine(12)], "ct_lung", "ab").settings
    assert set(settings[SLICE].tables) == set(settings[SCREENING].tables) == set(FAMILIES)
    assert set(settings[SERIES_SCREENING].tables) == set(lone_slice_families())


@pytest.mark.parametrize("bundle", bundle_names())
def test_so_it_does_in_the_shipped_models(bundle: str) -> None:
    shipped = model_file.load(bundle_dir(bundle)).calibration
    assert shipped is not None
    series = shipped["settings"][SERIES_SCREENING]["families"]
    assert set(series) == set(lone_slice_families())
    assert set(shipped["families"]) == {*lone_slice_families(), TOGETHER}
