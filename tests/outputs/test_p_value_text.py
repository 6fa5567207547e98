"""p-values in words."""

from __future__ import annotations

import math

import pytest

from dfd.outputs.p_value_text import p_equation, p_number


@pytest.mark.parametrize(
    ("p", "number", "equation"),
    [
        (1.0, "1", "p = 1"),
        (0.0234, "0.023", "p = 0.023"),
        (0.001, "0.001", "p = 0.001"),
        (0.00042, "4.2e-04", "p = 4.2e-04"),
        (1e-6, "1.0e-06", "p = 1.0e-06"),
        (9e-7, "< 0.000001", "p < 0.000001"),
        (0.0, "< 0.000001", "p < 0.000001"),
        (math.nan, "–", "p = –"),
    ],
)
def test_small_ones_are_said_as_a_bound(p: float, number: str, equation: str) -> None:
    assert p_number(p) == number
    assert p_equation(p) == equation
