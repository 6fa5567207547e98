"""The simulation of the empirical null: what it draws, and that its comparison is a fair one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.runner.cli import RESULTS
from benchmarks.studies import empirical_null as study


@pytest.mark.parametrize("normal", [True, False])
def test_genuine_series_have_uniform_p_values_by_the_true_null(normal: bool) -> None:
    drawn = study.simulate(np.random.default_rng(1), 0.05, normal=normal)
    assert len(drawn.z) == sum(study.SIZES)
    assert drawn.tampered.mean() == pytest.approx(0.05, abs=0.012)
    genuine = drawn.true[~drawn.tampered]
    for p in (0.01, 0.05, 0.5):
        assert (genuine <= p).mean() == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 3500))
    assert (drawn.true[drawn.tampered] <= 0.05).mean() > 0.65


def test_the_published_figures_hold_the_list_by_the_empirical_null() -> None:
    published = json.loads((RESULTS / "empirical_null.json").read_text(encoding="utf-8"))
    rows = {(row["null"], row["tampered"], row["way"]): row for row in published["rows"]}
    for share in (0.01, 0.05, 0.1):
        shipped, empirical, true = (rows["normal", share, way] for way in study.WAYS)
        assert empirical["false discovery rate"] < shipped["false discovery rate"] / 1.5
        assert empirical["false discovery rate"] < true["false discovery rate"] + 0.06
        assert empirical["power"] > true["power"] - 0.1
