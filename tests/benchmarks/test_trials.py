"""A slice goes through every attack on the path that scoring takes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.attacks import SIMPLE_EDITS
from benchmarks.attacks.inpaint import predict_hole
from benchmarks.attacks.registry import Attack
from benchmarks.data.scans import Scan, SelectedSeries, spread
from benchmarks.data.volumes import Volume, adjacent_slices
from benchmarks.detection import trials
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.prediction.masks import disk
from dfd.records import ScanFacts, Slice, SliceRef

ATTACKS = {name: Attack("", edit) for name, edit in SIMPLE_EDITS.items()}


@pytest.fixture
def scan(rng):
    """A round body of soft tissue with noise, air around it."""
    noise = gaussian_filter(rng.normal(size=(160, 160)), 0.6) * 40
    pixels = np.where(disk(160, 160, (80, 80), 70), np.rint(40 + noise), -1000.0).astype(np.float32)
    facts = ScanFacts(modality="CT", unit="HU", spacing_mm=(1.7, 1.7))
    ref = SliceRef(Path("p/1.dcm"))
    return Scan(
        SelectedSeries("p", "s", "scanner", "kernel", (ref,)),
        Slice(ref, facts, pixels, np.ones(pixels.shape, dtype=bool)),
        pixels,
    )


@pytest.fixture
def network():
    torch.manual_seed(1)
    return MaskedPredictor(channels=(4, 4, 4, 4), filters=2).eval()


def test_every_attack_is_tried_at_the_same_places(scan, network, rng):
    rows = trials.trials_of(scan, network, rng, ATTACKS)
    kinds = [row["kind"] for row in rows]
    edited = kinds.count(next(iter(SIMPLE_EDITS)))
    assert 1 <= edited <= trials.SITES
    assert all(kinds.count(kind) == edited for kind in SIMPLE_EDITS)
    assert kinds.count(trials.GENUINE) == edited * trials.CONTROLS
    assert all(row["patient"] == "p" and row["slice"] == "p/s/1.dcm#0" for row in rows)
    assert np.isfinite([row["statistics"]["noise"] for row in rows]).mean() > 0.9


def test_untouched_neighbours_are_the_context_of_the_edited_slice(scan, network, rng):
    refs = tuple(SliceRef(Path(f"p/{number}.dcm"), position_mm=2.0 * number) for number in range(3))
    pixels = np.stack([np.roll(scan.pixels, 40 * number, axis=0) for number in (2, 0, 1)])
    volume = Volume("p", "s", refs, pixels, (2.0, 1.7, 1.7))
    families = {"white noise 1.0 x residual": ATTACKS["white noise 1.0 x residual"]}
    rows = trials.trials_of(scan, network, rng, families, (volume, 1))
    assert np.isfinite([row["statistics"]["neighbours"] for row in rows]).mean() > 0.9
    assert all(
        "neighbours" not in row["statistics"]
        for row in trials.trials_of(scan, network, rng, families, (volume, 0))
    )
    assert adjacent_slices(volume, 1, 0.9) is None
    assert adjacent_slices(volume, 1, 2.0).distances_mm == (2.0, 2.0)


def test_a_slice_without_a_body_gives_no_rows(scan, network, rng):
    empty = dataclasses.replace(scan, pixels=np.full_like(scan.pixels, np.nan))
    assert trials.trials_of(empty, network, rng, ATTACKS) == []


def test_a_hole_is_filled_without_looking_into_it(scan, network):
    mask = disk(160, 160, (80, 70), 9.0)
    filled = predict_hole(scan.pixels, mask, network, "ct_lung")
    np.testing.assert_array_equal(filled[~mask], scan.pixels[~mask])
    assert not np.allclose(filled[mask], scan.pixels[mask])
    # Within the range of the tissue, so that neither the noise scale nor what counts as measured
    # changes with it.
    changed = np.where(mask, np.roll(scan.pixels, 1, axis=1), scan.pixels)
    np.testing.assert_allclose(
        predict_hole(changed, mask, network, "ct_lung")[mask], filled[mask], rtol=0.02
    )


@pytest.mark.parametrize(
    ("count", "wanted", "places"),
    [(10, 3, [1, 5, 8]), (2, 6, [0, 1]), (1, 4, [0]), (12, 2, [3, 9])],
)
def test_slices_are_spread_over_a_series(count, wanted, places):
    assert spread(count, wanted) == places
