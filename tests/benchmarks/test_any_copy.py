"""Copies under any transform: what is pasted, where it is from, and the table of the study."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from benchmarks.attacks.any_copy import KINDS, SIZES, Copied, Kind, matrix_of, pasted
from benchmarks.attacks.canvas import Canvas
from benchmarks.detection import trials
from benchmarks.studies import any_copy as study


def canvas() -> Canvas:
    rng = np.random.default_rng(3)
    pixels = gaussian_filter(rng.normal(0, 40, (160, 160)), 0.8).astype(np.float32)
    return Canvas(pixels, np.zeros_like(pixels), pixels)


def copy_of(kind: Kind, radius: float = 12.0) -> tuple[Canvas, Copied]:
    given = canvas()
    copied = pasted(given, (70, 60), radius, kind, np.random.default_rng(5))
    assert copied is not None
    return given, copied


@pytest.mark.parametrize("name", KINDS)
def test_the_middle_of_a_copy_shows_its_source(name: str) -> None:
    given, copied = copy_of(KINDS[name])
    steps = np.array([(0, 0), (2, -1), (-3, 2)])
    shown = copied.pixels[70 + steps[:, 0], 60 + steps[:, 1]]
    there = np.array([copied.source_of(step) for step in steps]).T
    expected = map_coordinates(given.pixels, there, order=3)
    if KINDS[name].brighter:
        shown, expected = shown - shown.mean(), expected - expected.mean()
    np.testing.assert_allclose(shown, expected, atol=0.5)


@pytest.mark.parametrize("name", KINDS)
def test_what_lies_outside_a_copy_stays(name: str) -> None:
    given, copied = copy_of(KINDS[name])
    rows, columns = np.nonzero(copied.pixels != given.pixels)
    away = np.hypot(rows - 70, columns - 60)
    assert 8.0 < away.max() < (24.0 if KINDS[name].irregular else 12.1)
    assert KINDS[name].irregular == (
        np.ptp(np.bincount((away < 14).astype(int))) >= 0 and bool((away > 12.5).any())
    )


def test_sizes_and_mirror_images_are_as_asked() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        matrix = matrix_of(Kind(turned=True, resized=True, mirrored=True), rng)
        size = 1.0 / np.sqrt(abs(np.linalg.det(matrix)))
        assert SIZES[0] <= size <= SIZES[1]
        assert np.linalg.det(matrix) < 0
    assert np.array_equal(matrix_of(Kind(), rng), np.eye(2))


def test_where_nothing_fits_nothing_is_copied() -> None:
    small = Canvas(*(np.zeros((20, 20), np.float32) for _ in range(3)))
    assert pasted(small, (10, 10), 8.0, Kind(), np.random.default_rng(0)) is None


def test_the_table_counts_what_is_found() -> None:
    found = {
        (trials.GENUINE, 0.0): study.Found([1.0, 1.1, 0.9, np.nan], [], ["a", "b", "a", "b"]),
        ("turned", 10.0): study.Found([2.0, 0.5], [True, False], ["a", "b"]),
    }
    (row,) = study.rows_of(found)
    assert (row["copies"], row["auc"], row["source within 3 px"]) == (2, 0.5, 0.5)
    assert row["above 95 % of genuine"] == 0.5
    assert "| turned | 10.0 | 2 | 0.500 |" in study.markdown("ct_lung", [row])


def test_no_copy_is_taken_from_where_another_is_put() -> None:
    rng = np.random.default_rng(2)
    pixels = np.rint(rng.normal(0, 40, (220, 220))).astype(np.float32)
    given = SimpleNamespace(
        canvas=Canvas(pixels, np.zeros_like(pixels), pixels),
        places=SimpleNamespace(edited=np.array([(60, 60), (150, 60), (60, 150), (150, 150)])),
    )
    changed, copies = study.copies_in(given, KINDS["as it is"], 15.0, rng)  # type: ignore[arg-type]
    assert len(copies) == 4
    assert np.isfinite(changed).all()
    for (row, column), copied in copies:
        y, x = (int(each) for each in copied.source)
        assert np.array_equal(
            changed[row - 8 : row + 9, column - 8 : column + 9],
            changed[y - 8 : y + 9, x - 8 : x + 9],
        )
