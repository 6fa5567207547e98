"""Moments propose where a template stands a second time, however it was turned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dfd.evidence.copy_moments import STEP_PX, candidates, moments_of
from dfd.evidence.copy_template import cut_templates
from dfd.evidence.copy_transforms import Transform
from dfd.evidence.search_plane import TURNED_REACH_PX, residual_window, search_plane
from tests.evidence.test_copy_move import CLICK, SHAPE, SOURCE, noise_of, planted


def searched(transform: Transform, valid: np.ndarray | None = None):  # type: ignore[no-untyped-def]
    """The plane of a slice with a copy, and the template at its click."""
    plane = planted(noise_of(5, smooth=0.6), transform)
    there = np.ones(SHAPE, bool) if valid is None else valid
    residual = residual_window(torch.from_numpy(np.stack([plane, plane])), torch.from_numpy(there))
    where = search_plane(residual, TURNED_REACH_PX)
    middles = torch.tensor([(round(CLICK.y), round(CLICK.x))])
    return where, cut_templates(residual, middles, TURNED_REACH_PX)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("degrees", "size"), [(0.0, 1.0), (37.0, 0.85), (-141.0, 1.2)])
def test_the_first_candidate_is_the_source(mirrored: bool, degrees: float, size: float) -> None:
    where, templates = searched(Transform(mirrored, degrees, size))
    moments = moments_of(where)
    assert moments is not None
    found = candidates(templates, moments, where, 17.0, 5)
    assert found.agreement.shape == (1, 5)
    assert found.places[0, 0].tolist() == pytest.approx(SOURCE[::-1], abs=1.5)
    kind, turn, resized = found.parameters[0, 0].tolist()
    assert kind == float(mirrored)
    assert (turn - degrees + 180.0) % 360.0 - 180.0 == pytest.approx(0.0, abs=8.0)
    assert resized == pytest.approx(size, abs=0.16)


def test_near_the_template_nothing_is_proposed() -> None:
    where, templates = searched(Transform())
    moments = moments_of(where)
    assert moments is not None
    found = candidates(templates, moments, where, 40.0, 8)
    away = found.places[0] - templates.places.double()
    assert float(torch.linalg.vector_norm(away, dim=1).min()) > 40.0 - STEP_PX


def test_a_slice_with_hardly_anything_in_it_has_no_moments() -> None:
    valid = np.zeros(SHAPE, bool)
    valid[10:12, 10:12] = True
    assert moments_of(searched(Transform(), valid)[0]) is None


def test_all_that_is_proposed_of_a_small_slice_is_given() -> None:
    """Fewer places than are compared by default."""
    valid = np.zeros(SHAPE, bool)
    valid[40:68, 40:68] = True
    where, templates = searched(Transform(), valid)
    moments = moments_of(where)
    assert moments is not None
    found = candidates(templates, moments, where, 0.0, 4)
    assert found.places.shape == (1, 4, 2)
