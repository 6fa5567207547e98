"""Edits lie apart, and nothing but the edit tells them from their controls."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.data import matched_controls
from benchmarks.metrics.roc import auc
from dfd.prediction.masks import disk

RADIUS = 8.0


@pytest.fixture
def places(rng):
    """A grid of places whose first covariate has a few outliers, as a slice has."""
    rows, columns = np.mgrid[10:250:4, 10:250:4]
    centres = np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.int64)
    covariates = np.column_stack([rng.standard_t(2, len(centres)), rng.normal(size=len(centres))])
    return centres, covariates


def distances(one, other):
    return np.hypot(*(one[:, None] - other[None]).transpose(2, 0, 1))


def test_no_two_places_share_a_pixel_and_edits_lie_apart(places, rng):
    centres, covariates = places
    edited, beside = matched_controls.groups(centres, covariates, RADIUS, (4, 3), rng)
    assert beside.shape == (4, 3)
    used = centres[np.concatenate([edited, beside.ravel()])]
    between = distances(used, used)[~np.eye(len(used), dtype=bool)]
    assert between.min() >= matched_controls.CLEAR * RADIUS
    masks = [disk(260, 260, (float(x), float(y)), RADIUS) for x, y in used]
    assert np.sum(masks, axis=0).max() == 1
    assert (
        distances(centres[edited], centres[edited])[~np.eye(4, dtype=bool)].min()
        >= matched_controls.APART * RADIUS
    )


def test_controls_are_alike(places, rng):
    centres, covariates = places
    differences, strangers = [], []
    for _ in range(20):
        edited, beside = matched_controls.groups(centres, covariates, RADIUS, (4, 3), rng)
        differences += list(
            np.abs(covariates[edited][:, None] - covariates[beside])[..., 0].ravel()
        )
        strangers += list(
            np.abs(covariates[edited][:, 0] - covariates[rng.integers(0, len(centres), 4), 0])
        )
    assert np.median(differences) < 0.3 * np.median(strangers)


def test_without_an_edit_the_sides_are_exchangeable(places, rng):
    # How far a place is from the ordinary: what a control sought around a given place would have
    # less of.
    centres, covariates = places
    outlying = np.abs(covariates[:, 0])
    edited, genuine = [], []
    for _ in range(150):
        sites, beside = matched_controls.groups(centres, covariates, RADIUS, (4, 3), rng)
        edited += list(outlying[sites])
        genuine += list(outlying[beside.ravel()])
    assert auc(np.array(edited), np.array(genuine)) == pytest.approx(0.5, abs=0.04)


def test_too_little_room_gives_fewer_groups(places, rng):
    centres, covariates = places
    near = (centres < 60).all(axis=1)
    edited, beside = matched_controls.groups(centres[near], covariates[near], RADIUS, (4, 3), rng)
    assert len(edited) == len(beside) < 4


def test_places_half_in_the_air_are_left_out():
    measured = np.ones((60, 60), dtype=bool)
    measured[:, :20] = False
    centres = np.array([[40, 30], [20, 30], [5, 30]])
    assert matched_controls.whole(centres, measured, RADIUS).tolist() == [True, False, False]


def test_content_sees_mean_deviation_and_edges():
    pixels = np.zeros((64, 64), dtype=np.float32)
    pixels[:, 32:] = 100.0
    mean, deviation, edges = matched_controls.content(pixels, (31.5, 32.0), RADIUS, 5.0)
    assert mean == pytest.approx(50.0)
    assert deviation == pytest.approx(50.0)
    assert 0.1 < edges < 0.6
    assert matched_controls.content(pixels, (12.0, 32.0), RADIUS, 5.0) == (0.0, 0.0, 0.0)
