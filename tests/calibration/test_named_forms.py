"""The form that evidence speaks for where no statistic was learned."""

from __future__ import annotations

import math

import pytest

from dfd.calibration import form_of
from dfd.calibration.forms import COPY_P, OFFSET, WEIGHTS, numbers_of
from dfd.evidence.window_features import GRAIN, MEASURES
from dfd.records import Evidence, Form

ADDED = {
    "energy": 5.0,
    "correlation 0,1": -2.0,
    "correlation 1,0": -2.0,
    "correlation 1,1": 2.0,
    "correlation 1,-1": 2.0,
    "added noise": 6.0,
    "replaced content": 4.0,
}
"""As white noise of the strength of the residual in a slice of MR."""


def pieces(texture: float = 1.2, copy: float = 1.0, **changes: float) -> list[Evidence]:
    return [
        Evidence("noise", 9.0, ADDED | changes),
        Evidence("copy_move", copy),
        Evidence("synthesis", 9.0),
        Evidence("texture", texture),
    ]


def p_values(**changes: float) -> dict[str, float]:
    return {"noise": 1e-4, "copy_move": 0.5, "synthesis": 1e-3, "texture": 0.3} | changes


def test_more_noise_of_the_same_texture_was_added() -> None:
    assert form_of(pieces(), p_values()) == Form.ADVERSARIAL_NOISE


def test_another_texture_makes_it_an_edit_by_way_of_undetermined() -> None:
    textures = [1.0 + step / 50 for step in range(400)]
    forms = [form_of(pieces(texture), p_values()) for texture in textures]
    assert list(dict.fromkeys(forms)) == [
        Form.ADVERSARIAL_NOISE,
        Form.UNDETERMINED,
        Form.AI_EDIT,
    ]


@pytest.mark.parametrize("energy", [0.0, -0.1, -8.0])
def test_less_noise_was_never_added(energy: float) -> None:
    assert form_of(pieces(energy=energy, **{"added noise": 20.0}), p_values()) == Form.AI_EDIT


def test_what_is_a_copy_by_itself_is_a_copy() -> None:
    assert form_of(pieces(), p_values(copy_move=COPY_P)) == Form.COPY_MOVE
    assert form_of(pieces(), p_values(copy_move=2 * COPY_P)) == Form.ADVERSARIAL_NOISE
    leading = p_values(copy_move=0.01, noise=0.02, synthesis=0.02)
    assert form_of(pieces(), leading) == Form.COPY_MOVE
    series = [*pieces(), Evidence("series_copy", 4.0)]
    assert form_of(series, p_values(series_copy=1e-5)) == Form.COPY_MOVE


def test_what_departs_from_the_slices_beside_first_is_an_edit() -> None:
    beside = [*pieces(), Evidence("neighbours", 9.0)]
    assert form_of(beside, p_values(neighbours=1e-6)) == Form.AI_EDIT
    assert form_of(beside, p_values(neighbours=0.04)) == Form.ADVERSARIAL_NOISE


def test_what_was_not_measured_counts_as_ordinary() -> None:
    ordinary = dict.fromkeys(numbers_of([]), 0.0) | {"texture": math.log1p(1.0)}
    assert numbers_of([]) == ordinary
    assert numbers_of([Evidence("texture", math.nan)]) == ordinary


def test_the_rule_knows_every_measure_of_the_noise() -> None:
    """Names are strings here, so that no network is imported to read a calibration."""
    assert WEIGHTS.keys() == numbers_of([]).keys()
    assert all(map(math.isfinite, [*WEIGHTS.values(), OFFSET]))
    for name in MEASURES:
        changed = numbers_of([Evidence("noise", 1.0, {name: 3.0})])
        assert changed != numbers_of([]), name
    assert len(MEASURES[GRAIN]) == 7
