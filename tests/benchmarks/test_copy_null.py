"""What is told of the null of the search for copies."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.data.scans import Scan, SelectedSeries
from benchmarks.studies import copy_null
from dfd.evidence import chance_correlations
from dfd.phantom import write_ct_series
from dfd.reading import read_slice
from tests.bundle.training.test_finalize import small_network


def test_a_tie_to_edges_is_seen(rng):
    edges = rng.normal(size=400)
    tied = copy_null.numbers(edges, np.exp(0.2 * edges))
    free = copy_null.numbers(edges, np.exp(0.2 * rng.normal(size=400)))
    assert tied["rank correlation with edges"] == pytest.approx(1.0)
    assert abs(free["rank correlation with edges"]) < 0.15
    assert free["99 % over median"] > free["95 % over median"] > 1.0


def test_each_place_is_measured_in_both_ways(tmp_path):
    (path,) = write_ct_series(tmp_path, seed=5, slices=1, patient="a", size=128)
    read = read_slice(path)
    scan = Scan(SelectedSeries("a", ".", "x", "y", (read.ref,)), read, read.pixels)
    before = chance_correlations.tail_factor
    rows = np.array(list(copy_null.of_slice(scan, small_network())))
    assert len(rows) > 10
    assert (rows[:, 1] <= rows[:, 2] + 1e-9).all()
    assert (rows[:, 1] < 0.95 * rows[:, 2]).any()
    assert chance_correlations.tail_factor is before
