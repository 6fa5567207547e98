"""From the windows of a series to its p-value."""

from __future__ import annotations

import numpy as np
import pytest

from dfd.calibration import SERIES_SCREENING, SLICE, Calibration, Setting, fit, from_json, to_json
from dfd.calibration.series import PEAKS, Grids, SeriesWindows, Stacks, fit_series
from dfd.calibration.series_windows import RUNS

ROWS, COLUMNS = 12, 14
PATIENTS = 20


def slice_of(rng: np.random.Generator, level: float = 1.0) -> Grids:
    """A genuine slice: two families, some places without a measurement."""
    values = level * rng.exponential(1.0, (2, ROWS, COLUMNS))
    values[:, :2] = np.nan
    return {"noise": values[0], "texture": values[1]}


def series_of(rng: np.random.Generator, slices: int = 12, level: float = 1.0) -> Stacks:
    return [[slice_of(rng, level) for _ in range(slices)]]


def edited(stacks: Stacks, slices: range, place: tuple[int, int], by: float) -> Stacks:
    """The same with ``by`` added to every family at one place of some slices."""
    (stack,) = stacks
    changed = [{name: values.copy() for name, values in each.items()} for each in stack]
    for number in slices:
        for values in changed[number].values():
            values[place] += by
    return [changed]


@pytest.fixture(scope="module")
def setting() -> Setting:
    rng = np.random.default_rng(1)
    tables = fit([[{"noise": v, "texture": w} for v, w in rng.exponential(1.0, (400, 2))]]).tables
    levels = rng.uniform(0.7, 1.4, PATIENTS)
    made = fit_series([[series_of(rng, level=level)] for level in levels], tables)
    assert made is not None
    return made


def looked_at(stacks: Stacks, setting: Setting) -> SeriesWindows:
    windows = SeriesWindows(setting)
    for stack in stacks:
        windows.begin_stack()
        for statistics in stack:
            windows.add(statistics)
    return windows


def test_an_edit_that_no_slice_shows_by_itself_adds_up(setting: Setting) -> None:
    rng = np.random.default_rng(2)
    genuine = series_of(rng)
    assert looked_at(genuine, setting).p_value()[0] > 0.1
    windows = looked_at(edited(genuine, range(3, 8), (7, 9), 4.0), setting)
    first = windows.peaks()[0]
    assert windows.p_value()[0] < 0.02
    assert (first.row, first.column) == (7, 9)
    assert (first.window.slices, first.first, first.last) == (5, 3, 7)
    assert 3 <= first.strongest <= 7
    lone = looked_at(edited(genuine, range(5, 6), (7, 9), 4.0), setting)
    assert lone.p_value()[0] > windows.p_value()[0]


def test_genuine_series_alarm_as_often_as_they_should(setting: Setting) -> None:
    rng = np.random.default_rng(3)
    levels = rng.uniform(0.7, 1.4, 60)
    p = [looked_at(series_of(rng, level=level), setting).p_value()[0] for level in levels]
    assert 0.0 <= np.mean(np.array(p) <= 0.1) <= 0.2
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.2)


def test_a_series_that_is_odd_all_over_is_measured_in_its_own_spread(setting: Setting) -> None:
    rng = np.random.default_rng(4)
    assert looked_at(series_of(rng, level=3.0), setting).p_value()[0] > 0.05


def test_a_long_series_pays_for_its_length(setting: Setting) -> None:
    rng = np.random.default_rng(5)
    short = edited(series_of(rng), range(3, 8), (7, 9), 2.5)
    (stack,) = short
    long = [[*stack, *(slice_of(rng) for _ in range(108))]]
    one, other = looked_at(short, setting), looked_at(long, setting)
    assert other.places == 10 * one.places
    assert other.rarity() < one.rarity()
    assert other.p_value()[0] >= one.p_value()[0]


def test_a_run_ends_with_its_stack(setting: Setting) -> None:
    rng = np.random.default_rng(6)
    (stack,) = edited(series_of(rng), range(4, 8), (7, 9), 3.0)
    whole, cut = (looked_at(stacks, setting) for stacks in ([stack], [[each] for each in stack]))
    assert {each.window.slices for each in cut.peaks()} == {1}
    assert cut.rarity() < whole.rarity()


def test_peaks_are_clear_of_each_other_and_few(setting: Setting) -> None:
    rng = np.random.default_rng(7)
    windows = looked_at(series_of(rng, 60), setting)
    peaks = windows.peaks()
    assert all(not one.overlaps(other) for n, one in enumerate(peaks) for other in peaks[:n])
    assert [each.share for each in peaks] == sorted(each.share for each in peaks)
    # What is kept does not grow with the number of slices.
    assert all(len(each) <= PEAKS for each in windows._peaks.values())
    assert len(windows._alone) == max(RUNS)


def test_nothing_measured_is_no_answer(setting: Setting) -> None:
    empty = {name: np.full((ROWS, COLUMNS), np.nan) for name in ("noise", "texture")}
    windows = looked_at([[empty, empty]], setting)
    assert windows.peaks() == []
    assert np.isnan(windows.rarity())
    assert fit_series([[[[empty]]]], setting.tables) is None


@pytest.mark.parametrize("singles", [3, 30])
def test_patients_with_single_slices_take_no_windows_from_the_others(
    setting: Setting, singles: int
) -> None:
    rng = np.random.default_rng(8)
    several = [[series_of(rng)] for _ in range(12)]
    lone: list[list[Stacks]] = [[series_of(rng, slices=1)] for _ in range(singles)]
    made = fit_series([*several, *lone], setting.tables)
    assert made is not None
    assert made.windows.keys() == setting.windows.keys()
    assert made.maximum is not None
    assert made.maximum.numbers == tuple(range(12))
    # Where hardly anybody has neighbouring slices, single slices are compared with each other.
    mostly_lone = fit_series([*several[:2], *lone], setting.tables)
    assert mostly_lone is not None
    assert mostly_lone.maximum is not None
    assert len(mostly_lone.maximum.patients) == 2 + singles


def test_a_stored_setting_is_the_same(setting: Setting) -> None:
    calibration = Calibration(
        "b", "ab", 10.0, {}, {SLICE: Setting(setting.tables), SERIES_SCREENING: setting}
    )
    stored = from_json(to_json(calibration)).settings[SERIES_SCREENING]
    rng = np.random.default_rng(8)
    stacks = edited(series_of(rng), range(3, 8), (7, 9), 3.0)
    assert looked_at(stacks, stored).p_value() == looked_at(stacks, setting).p_value()
