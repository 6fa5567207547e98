"""Codes of neighbouring pixels, and what windows say when content was smoothed."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from dfd.calibration import UNUSUAL
from dfd.calibration.forms import speaking_for
from dfd.evidence import co_occurrence, reference_windows, texture
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.evidence.window_table import WindowTable
from dfd.prediction.masks import disk
from dfd.records import Evidence, Form, Prediction, Region
from tests.evidence.one_family import measure_region
from tests.evidence.test_noise import CLICK, CT, RADIUS, SHAPE, white


def smoothed(sigma: float, where: Region = CLICK) -> Prediction:
    """White noise of one level, low-passed inside a disk and scaled back to the same energy.

    Only its texture differs.
    """
    given = white()
    soft = gaussian_filter(given.z, sigma)
    inside = disk(*SHAPE, (where.x, where.y), where.radius_px)
    z = np.where(inside, soft * (given.z[inside].std() / soft[inside].std()), given.z).astype(
        np.float32
    )
    return replace(given, z=z)


def counts_of(prediction: Prediction) -> np.ndarray:
    """``[51, H, W]``: what ``texture.counts_of`` counts in each pixel."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    pixels = torch.from_numpy(np.stack([columns.ravel(), rows.ravel()], axis=1))
    return texture.counts_of(prediction).over(pixels, 0.0).T.unflatten(1, SHAPE).numpy()


def statistic(prediction: Prediction, region: Region = CLICK) -> float:
    return measure_region(texture.FAMILY, region, prediction, CT).statistic


def test_smoothed_noise_of_the_same_strength_stands_out() -> None:
    assert statistic(white()) < 3.0
    assert statistic(smoothed(0.7)) > 3.0 * statistic(white())


def test_a_place_beside_the_edit_stays_ordinary() -> None:
    away = Region(CLICK.x - 3 * RADIUS, CLICK.y, RADIUS)
    assert statistic(smoothed(0.7), away) < 3.0


def test_a_mirrored_slice_gives_the_same_statistic() -> None:
    """A code and its mirror image are one.

    The windows of the slice stand at other places, so alike and not equal.
    """
    given = smoothed(0.7)
    turned = replace(
        given,
        **{
            name: np.ascontiguousarray(getattr(given, name)[:, ::-1])
            for name in ("mean", "spread", "z", "assessed")
        },
    )
    there = Region(SHAPE[1] - 1 - CLICK.x, CLICK.y, RADIUS)
    assert statistic(turned, there) == pytest.approx(statistic(given), rel=0.35)


def test_there_are_twenty_five_classes_and_every_pixel_has_four_codes() -> None:
    assert co_occurrence.CLASSES == 25
    counts = counts_of(white())
    known = counts[0] > 0
    assert (counts[1:26, known].sum(axis=0) == 2).all()
    assert (counts[26:, known].sum(axis=0) == 2).all()
    assert not counts[1:, ~known].any()


def test_codes_do_not_look_at_pixels_that_were_not_assessed() -> None:
    given = white()
    given.assessed[:, 90:] = False
    strange = replace(given, z=np.where(given.assessed, given.z, 50.0).astype(np.float32))
    np.testing.assert_array_equal(counts_of(given), counts_of(strange))


def test_a_pixel_has_a_code_only_where_all_that_it_looks_at_was_assessed() -> None:
    given = white()
    given.assessed[:, 90:] = False
    known = counts_of(given)[0] > 0
    assert known[:, : 90 - co_occurrence.REACH_PX].all()
    assert not known[:, 90 - co_occurrence.REACH_PX :].any()


def test_what_is_compared_are_shares_of_codes_whatever_the_size_of_the_window() -> None:
    counts = texture.counts_of(white())
    centres = torch.tensor([[80, 70], [40, 100]])
    for radius in (5.0, RADIUS):
        windows = WindowTable(radius, centres, torch.zeros(2, 1), torch.zeros(2, 1))
        squares = texture.class_shares(counts, windows).numpy() ** 2
        np.testing.assert_allclose(squares[:, :25].sum(axis=1), 1.0, rtol=1e-6)
        np.testing.assert_allclose(squares[:, 25:].sum(axis=1), 1.0, rtol=1e-6)


def test_a_slice_with_few_windows_is_not_judged() -> None:
    given = white()
    given.assessed[:] = False
    given.assessed[60:100, 60:100] = True
    assert measure_region(texture.FAMILY, CLICK, given, CT).obstacle


def test_a_sentence_that_names_the_kind_is_told_before_that_of_texture() -> None:
    leading, noisy = (
        Evidence("texture", 9.0, reason="texture"),
        Evidence("noise", 5.0, reason="noise is stronger"),
    )

    def chosen(p_of_noise: float, p_of_texture: float) -> str:
        p_by_family = {"noise": p_of_noise, "texture": p_of_texture}
        return speaking_for(Form.ADVERSARIAL_NOISE, [noisy, leading], p_by_family, UNUSUAL).reason

    assert chosen(0.01, 1e-4) == "noise is stronger"
    assert chosen(0.2, 1e-4) == "texture"
    assert chosen(0.01, 0.02) == "noise is stronger"


def test_texture_is_offered_beside_the_others() -> None:
    assert [each.family for each in SliceEvidence(white(), CT).measure(CLICK)] == [
        "noise",
        "copy_move",
        "synthesis",
        "texture",
    ]


def test_windows_are_measured_once_for_all_families(monkeypatch: pytest.MonkeyPatch) -> None:
    given, made = white(), []
    alone = measure_region(texture.FAMILY, CLICK, given, CT)
    prepare = reference_windows.prepare

    def counted(*words: Any) -> reference_windows.SliceReference:
        made.append(words)
        return prepare(*words)

    monkeypatch.setattr(reference_windows, "prepare", counted)
    together = SliceEvidence(given, CT).measure(CLICK)
    assert len(made) == 1
    assert next(each for each in together if each.family == "texture") == alone


@pytest.mark.parametrize(
    "part",
    [
        (slice(20, 120), slice(30, 130)),
        (slice(0, 90), slice(0, 160)),
        (slice(70, 160), slice(1, 159)),
    ],
)
def test_what_is_not_assessed_costs_no_time_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, part: tuple[slice, slice]
) -> None:
    given, assessed = white(), np.zeros(SHAPE, dtype=np.bool_)
    assessed[part] = True
    found = counts_of(replace(given, assessed=assessed))
    monkeypatch.setattr(texture, "bounds_of", lambda _: (slice(0, SHAPE[0]), slice(0, SHAPE[1])))
    np.testing.assert_array_equal(found, counts_of(replace(given, assessed=assessed)))
    assert found.any()
    assert not counts_of(replace(given, assessed=np.zeros_like(assessed))).any()


def test_what_was_prepared_goes_with_the_evidence_and_waits_for_no_collector() -> None:
    gc.disable()
    try:
        evidence = SliceEvidence(white(), CT)
        evidence.measure(CLICK)
        there = weakref.ref(evidence)
        del evidence
        assert there() is None
    finally:
        gc.enable()
