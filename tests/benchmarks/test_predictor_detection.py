"""Predictors beside each other: lattices, detection, and that each is judged on the same places."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.data.scans import Scan, SelectedSeries
from benchmarks.detection.trials import GENUINE, Version
from benchmarks.studies import predictor_detection as study
from dfd.evidence import lone_slice_families
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import CT_LUNG
from dfd.phantom import write_ct_series
from dfd.prediction import residual_maps
from dfd.prediction.predict import predict_slice
from dfd.reading import read_slice
from tests.bundle.training.test_finalize import small_network

EDIT = study.EDITS[0]


@pytest.mark.parametrize("passes", study.LATTICES)
def test_every_lattice_hides_each_pixel_once(passes):
    hidden = [study.LATTICES[passes](24, 40, phase) for phase in range(passes)]
    assert (np.sum(hidden, axis=0) == 1).all()


def test_a_predictor_passes_as_often_as_its_lattice_asks(tmp_path):
    (path,) = write_ct_series(tmp_path, seed=5, slices=1, patient="a", size=96)
    pixels, network, calls = read_slice(path).pixels, small_network(), []

    def counted(image):
        calls.append(float(image[:, 1].mean()))
        return network(image)

    prediction = study.Predictor(counted, 3).predict(pixels, "ct_lung")
    assert calls == pytest.approx([1 / 3] * 3, abs=0.01)
    assert prediction.log_odds is None
    assert residual_maps.LATTICE_PASSES == 5
    ours = study.Predictor(network, 5, network.head).predict(pixels, "ct_lung")
    assert np.array_equal(ours.z, predict_slice(pixels, network, CT_LUNG).z)
    assert ours.log_odds is not None


def test_statistics_that_tell_edits_apart_have_an_auc_of_one():
    rng = np.random.default_rng(1)

    def row(patient, kind, level):
        values = level + rng.gamma(9.0, 0.11, len(lone_slice_families()))
        statistics = dict(zip(lone_slice_families(), values.tolist(), strict=True))
        return {"patient": patient, "kind": kind, "curve": "", "statistics": statistics}

    genuine = [row(patient, GENUINE, 0.0) for patient in "abc" for _ in range(30)]
    plain = [row(patient, study.EDITS[1], 0.0) for patient in "abc" for _ in range(30)]
    edited = [row(patient, EDIT, 9.0) for patient in "abc" for _ in range(4)]
    found = study.detection([*genuine, *plain, *edited])
    assert found[EDIT] == 1.0
    assert 0.35 < found[study.EDITS[1]] < 0.65
    assert found["mean"] == pytest.approx((found[EDIT] + found[study.EDITS[1]]) / 2)


def test_each_place_of_each_version_is_measured(tmp_path):
    (path,) = write_ct_series(tmp_path, seed=5, slices=1, patient="a", size=128)
    read = read_slice(path)
    scan = Scan(SelectedSeries("a", ".", "x", "y", (read.ref,)), read, read.pixels)
    network = small_network()
    evidence = SliceEvidence(predict_slice(read.pixels, network, CT_LUNG), CT_LUNG)
    versions = tuple(
        Version(kind, read.pixels, np.array([[60, 60], [70, 40]]), evidence)
        for kind in (GENUINE, EDIT)
    )
    one = study.Material(scan, 9.0, versions)
    with torch.inference_mode():
        rows = study.rows_of(study.Predictor(network), [one])
        assert study.seconds_of(study.Predictor(network), one) > 0.0
    assert [row["kind"] for row in rows] == [GENUINE, GENUINE, EDIT, EDIT]
    assert set(rows[0]["statistics"]) == set(lone_slice_families())
    assert rows[0]["statistics"] == rows[2]["statistics"]
