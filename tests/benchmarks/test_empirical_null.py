"""The simulation of the empirical null: what it draws, and that its comparison is a fair one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.runner.cli import RESULTS
from benchmarks.studies import empirical_null as study
from benchmarks.studies.empirical_null_simulation import (
    HEAVY,
    MAXIMUM,
    NORMAL,
    NULLS,
    RANKS,
    SIZES,
    ranks,
    simulate,
)


@pytest.mark.parametrize("null", NULLS)
def test_genuine_series_have_uniform_p_values_by_the_true_null(null: str) -> None:
    drawn = simulate(np.random.default_rng(1), 0.05, null)
    assert len(drawn.p_values) == sum(SIZES)
    assert drawn.tampered.mean() == pytest.approx(0.05, abs=0.012)
    genuine = drawn.true[~drawn.tampered]
    for p in (0.01, 0.05, 0.5):
        assert (genuine <= p).mean() == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 3500))
    assert (drawn.true[drawn.tampered] <= 0.05).mean() > 0.65


def test_p_values_of_the_strangest_slice_pile_up_at_1() -> None:
    drawn = simulate(np.random.default_rng(1), 0.0, MAXIMUM)
    assert (drawn.p_values == 1.0).mean() > 0.2


def test_ranks_go_from_1_to_the_smallest_supported_and_on() -> None:
    patients = np.arange(16.0)
    p = ranks(np.array([-1.0, 7.5, 15.0, 16.0]), patients)
    assert p[:2] == pytest.approx([1.0, 9 / 17])
    assert p[2] == pytest.approx(2 / 17)
    assert p[3] < 1 / 17


def test_the_published_figures_hold_the_list_by_the_empirical_null() -> None:
    published = json.loads((RESULTS / "empirical_null.json").read_text(encoding="utf-8"))
    rows = {(row["null"], row["tampered"], row["way"]): row for row in published["rows"]}
    for share in (0.01, 0.05, 0.1):
        shipped, empirical, true = (rows[NORMAL, share, way] for way in study.WAYS)
        assert empirical["false discovery rate"] < shipped["false discovery rate"] / 1.5
        assert empirical["false discovery rate"] < true["false discovery rate"] + 0.06
        assert empirical["power"] > true["power"] - 0.15
    # What the documentation warns of.
    assert rows[HEAVY, 0.01, "empirical"]["false discovery rate"] > 0.2
    assert rows[RANKS, 0.01, "empirical"]["false discovery rate"] > 0.2
    assert rows[MAXIMUM, 0.05, "empirical"]["false discovery rate"] < 0.2
