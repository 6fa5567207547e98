"""The cost of the search for copies: every way runs on the same places and changes nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.attacks.registry import ATTACKS
from benchmarks.detection import trials
from benchmarks.studies import copy_search_cost as study
from dfd.evidence import copy_peaks
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import CT_LUNG
from dfd.phantom import write_ct_series
from dfd.prediction.predict import predict_slice
from dfd.reading import read_slice
from tests.bundle.training.test_finalize import small_network


def test_the_kinds_of_copies_are_attacks() -> None:
    assert set(study.COPIES) <= set(ATTACKS)


def test_each_way_has_a_cost_and_finds_what_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = write_ct_series(tmp_path, seed=5, slices=1, patient="a", size=128)
    pixels = read_slice(path).pixels
    copied = pixels.copy()
    copied[50:78, 50:78] = pixels[50:78, 20:48]
    centres = np.array([[64, 64], [34, 64]])
    given = [
        trials.Version(
            kind,
            image,
            centres,
            SliceEvidence(predict_slice(image, small_network(), CT_LUNG), CT_LUNG),
        )
        for kind, image in ((trials.GENUINE, pixels), (study.COPIES[0], copied))
    ]
    monkeypatch.setattr(
        study, "versions", lambda *_, **__: iter([(version, 6.0) for version in given])
    )
    before = copy_peaks.AT_ONCE
    rows = study.measured("ct_lung", quick=True)
    assert copy_peaks.AT_ONCE is before
    assert [row["way"] for row in rows] == list(study.WAYS)
    assert all(row["milliseconds"] > 0 for row in rows)
    assert rows[0]["auc"] == {study.COPIES[0]: 1.0}
    text = study.markdown("ct_lung", rows)
    assert "2 templates at once" in text
