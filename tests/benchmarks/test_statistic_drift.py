"""How far statistics of one version of the code lie from those of another."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.runner.checkpoint import Ledger
from benchmarks.studies import statistic_drift as study
from dfd.modalities import CT_LUNG
from dfd.phantom import write_ct_series
from dfd.reading import read_slice
from dfd.records import Region
from tests.bundle.training.test_finalize import small_network

KEY = ("ct_lung", "noise", "point")


def values(*statistics):
    return {KEY: {("slice", number): value for number, value in enumerate(statistics)}}


def test_differences_are_relative_and_counted_beyond_the_limit():
    (row,) = study.compare(values(1.0, 2.0, 4.0), values(1.0, 2.001, 4.04))
    assert row["largest"] == pytest.approx(0.01)
    assert (row["regions"], row["beyond"]) == (3, 1)


def test_a_statistic_near_zero_is_measured_by_the_median_of_its_family():
    (row,) = study.compare(values(0.0, 1.0, 1.0), values(1e-5, 1.0, 1.0))
    assert row["largest"] == pytest.approx(1e-3)


def test_a_number_that_only_one_version_gives_is_infinitely_far():
    nan = float("nan")
    (row,) = study.compare(values(1.0, nan, nan), values(nan, nan, 1.0))
    assert row["beyond"] == 2
    assert row["largest"] == float("inf")


def test_regions_that_one_record_lacks_are_counted():
    (row,) = study.compare(values(1.0, 2.0), values(1.0))
    assert (row["regions"], row["in one record only"]) == (1, 1)


def test_a_copied_disk_holds_the_pixels_of_its_source():
    pixels = np.arange(32 * 32, dtype=np.float32).reshape(32, 32)
    copied = study.with_copy(pixels, Region(8.0, 9.0, 3.0), Region(20.0, 22.0, 3.0))
    assert copied[22, 20] == pixels[9, 8]
    assert copied[23, 21] == pixels[10, 9]
    assert copied[28, 20] == pixels[28, 20]


def test_a_slice_gives_every_region_in_both_ways_of_measuring(tmp_path):
    (path,) = write_ct_series(tmp_path / "scan", seed=5, slices=1, patient="a", size=128)
    rows = study.measured(read_slice(path), 0, small_network(), CT_LUNG)
    assert {row["group"] for row in rows} == {"point", "screening"}
    assert {row["region"] for row in rows} == set(range(len(study.SIZES)))
    ledger = Ledger(tmp_path / "record.jsonl")
    ledger.add("ct_lung 0 a", {"code": rows})
    statistics, predictions = study.read(ledger.path)
    assert len(statistics["ct_lung", "noise", "screening"]) == len(study.SIZES)
    assert predictions == {"ct_lung 0 a": rows[0]["prediction"]}
    assert not any(row["beyond"] for row in study.compare(statistics, statistics))
