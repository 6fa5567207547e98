"""Cuts of ellipsoids and the parts made of them."""

import numpy as np
import pytest

from dfd.phantom.assembly import Assembly
from dfd.phantom.geometry import Section, cut, inside, paint, spindle_shapes, turned_shape


def test_cut_of_a_ball_has_the_radius_that_pythagoras_gives():
    assembly = Assembly()
    assembly.solid((1.0, 2.0, 3.0), (5.0, 5.0, 5.0))
    discs = cut(assembly.solids(), 6.0)
    assert discs.present[0]
    assert discs.centres[0] == pytest.approx([1.0, 2.0])
    assert discs.shapes[0] == pytest.approx(np.eye(2) * (25.0 - 9.0))
    assert not cut(assembly.solids(), 8.1).present[0]


@pytest.mark.parametrize("position", [-4.0, 0.0, 3.5])
def test_cut_of_a_leaning_ellipsoid_holds_the_same_points_as_the_solid(rng, position):
    shape = spindle_shapes(np.array([[0.48, 0.6, 0.64]]), np.array([20.0]), np.array([6.0]))[0]
    assembly = Assembly()
    assembly.shaped(np.array([1.0, -2.0, 0.5]), shape)
    points = rng.uniform(-25.0, 25.0, (4000, 2))
    away = np.column_stack([points, np.full(4000, position)]) - [1.0, -2.0, 0.5]
    expected = np.einsum("pi,ij,pj->p", away, np.linalg.inv(shape), away) <= 1.0
    found = inside(cut(assembly.solids(), position), 0, points[:, 0], points[:, 1])
    assert expected.sum() > 50
    assert np.array_equal(found, expected)


def test_turn_goes_from_x_towards_y():
    assembly = Assembly()
    assembly.shaped(np.zeros(3), turned_shape((10.0, 1.0, 1.0), 45.0))
    discs = cut(assembly.solids(), 0.0)
    assert inside(discs, 0, np.array(6.0), np.array(6.0))
    assert not inside(discs, 0, np.array(6.0), np.array(-6.0))


def test_overlapping_solids_of_one_tissue_count_once():
    assembly = Assembly()
    assembly.fill(
        [assembly.solid((x, 0.0, 0.0), (10.0, 10.0, 10.0)) for x in (-4.0, 0.0, 4.0)],
        ("fat", "air"),
    )
    section = Section(cut(assembly.solids(), 0.0), tuple(assembly.parts))
    axis = np.linspace(-20.0, 20.0, 81)
    assert set(np.unique(paint(section, {"air": 0.0, "fat": 7.0}, axis, axis))) == {0.0, 7.0}
