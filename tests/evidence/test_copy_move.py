"""Copy-move evidence.

Finds noise that stands twice, at its place and as it was turned, and nothing where it stands once.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from dfd.evidence import copy_move
from dfd.evidence.copy_move import CopyMoveReference
from dfd.evidence.copy_search import search
from dfd.evidence.copy_template import cut_template, transformed_templates
from dfd.evidence.copy_transforms import (
    QUICK_TRANSFORMS,
    TRANSFORMS,
    Effort,
    Transform,
    mirror_pairs,
)
from dfd.evidence.search_plane import SearchPlane, residual_window, search_plane
from dfd.modalities import MODALITIES
from dfd.prediction.masks import disk
from dfd.records import Evidence, FloatImage, Prediction, Region

CT, MR = MODALITIES["ct_lung"], MODALITIES["mri_chest"]
SHAPE = (160, 160)
CLICK = Region(60.0, 70.0, 12.0)
SOURCE = (113.0, 104.0)
"""(x, y) of what is copied."""
AS_IS = Transform()


def noise_of(seed: int, shape: tuple[int, int] = SHAPE, smooth: float = 0.0) -> FloatImage:
    z = np.random.default_rng(seed).normal(0, 1, shape)
    z = gaussian_filter(z, smooth) if smooth else z
    return (z / max(z.std(), 1e-6)).astype(np.float32)


def prediction_of(z: FloatImage, mean: FloatImage | float = 40.0) -> Prediction:
    whole = np.broadcast_to(np.asarray(mean, dtype=np.float32), z.shape).copy()
    return Prediction(
        whole,
        np.full(z.shape, 10.0, np.float32),
        z.astype(np.float32),
        np.ones(z.shape, bool),
        10.0,
    )


def planted(
    z: FloatImage, transform: Transform = AS_IS, feather: float = 0.0, added: float = 0.0
) -> FloatImage:
    """``z`` with what stands at SOURCE brought to the click.

    So that SOURCE is ``transform`` of the click.
    """
    mask = disk(*z.shape, (CLICK.x, CLICK.y), CLICK.radius_px)
    rows, columns = np.nonzero(mask)
    there = np.linalg.inv(transform.back) @ np.stack([rows - CLICK.y, columns - CLICK.x])
    changed = z.copy()
    changed[mask] = map_coordinates(
        z, there + np.array([[SOURCE[1]], [SOURCE[0]]]), order=3, mode="mirror"
    )
    changed[mask] += added * np.random.default_rng(77).normal(0, 1, int(mask.sum()))
    share = np.clip(distance_transform_edt(mask) / (feather + 1.0), 0, 1) if feather else mask
    return (share * changed + (1 - share) * z).astype(np.float32)


def measured(z: FloatImage, region: Region = CLICK, **words: object) -> Evidence:
    prepared = copy_move.prepare(prediction_of(z), 12.0, CT, **words)  # type: ignore[arg-type]
    return copy_move.find_copy(region, prepared)


def searched_in(reference: CopyMoveReference, *others: CopyMoveReference) -> CopyMoveReference:
    """``reference`` with the slices of ``others`` to search as well."""
    more = [replace(one, own=False) for other in others for one in other.searched]
    return replace(reference, searched=(*reference.searched, *more))


def plane_of(planes: np.ndarray) -> SearchPlane:
    valid = np.ones(planes.shape[1:], bool)
    return search_plane(residual_window(planes.astype(np.float32), valid), 10.0)


def assert_found(evidence: Evidence, least: float = 1.8, within: float = 1.5) -> None:
    assert evidence.statistic > least
    assert evidence.source_x == pytest.approx(SOURCE[0], abs=within)
    assert evidence.source_y == pytest.approx(SOURCE[1], abs=within)


@pytest.mark.parametrize("smooth", [0.0, 0.7, 1.2])
def test_an_exact_copy_is_found_at_its_exact_place(smooth: float) -> None:
    evidence = measured(planted(noise_of(1, smooth=smooth)))
    assert_found(
        evidence, least=1.7, within=0.01
    )  # in units of chance, which is larger where both planes hold the same noise
    assert evidence.measures["dx"] == pytest.approx(53.0)
    assert evidence.measures["dy"] == pytest.approx(34.0)
    assert evidence.measures["mirrored"] == 0.0
    assert evidence.measures["degrees"] == 0.0
    assert evidence.measures["size"] == 1.0
    assert evidence.measures["correlation of z"] > 0.95
    assert (
        evidence.reason
        == "the noise here also stands 53 px to the right and 34 px down (correlation 1.00)"
    )


def test_a_click_between_pixels_loses_nothing() -> None:
    evidence = measured(planted(noise_of(1)), replace(CLICK, x=CLICK.x + 0.4, y=CLICK.y - 0.3))
    assert evidence == measured(planted(noise_of(1)))


def test_the_source_is_a_finding_too() -> None:
    evidence = measured(planted(noise_of(1)), Region(*SOURCE, 12.0))
    assert evidence.statistic > 2.0
    assert (evidence.source_x, evidence.source_y) == (CLICK.x, CLICK.y)


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (Transform(True), "mirrored"),
        (Transform(False, 90.0), "rotated by 90 degrees"),
        (Transform(False, 180.0), "rotated by 180 degrees"),
        (Transform(True, 270.0), "mirrored, rotated by 90 degrees"),
        (Transform(False, 7.0), "rotated by [78] degrees"),
        (Transform(True, -12.5), "mirrored, rotated by 1[23] degrees"),
        (Transform(False, 0.0, 0.93), "at 0.9[2345] of its size"),
        (Transform(False, 0.0, 1.08), "at 1.(0[6789]|10) of its size"),
    ],
)
def test_a_copy_is_found_however_it_was_turned(transform: Transform, words: str) -> None:
    evidence = measured(planted(noise_of(2, smooth=0.6), transform, feather=3.0))
    assert_found(evidence)
    assert evidence.measures["mirrored"] == float(transform.mirrored)
    assert (evidence.measures["degrees"] - transform.degrees + 180) % 360 - 180 == pytest.approx(
        0.0, abs=1.5
    )
    assert evidence.measures["size"] == pytest.approx(transform.size, abs=0.025)
    assert re.search(words, evidence.reason)


@pytest.mark.parametrize(("right", "down"), [(12.0, 0.0), (-12.0, 0.0), (0.0, 12.0), (8.0, -9.0)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_click_near_the_rim_of_a_copy_still_finds_it(
    right: float, down: float, mirrored: bool
) -> None:
    """A template in the middle then holds less of the copy than of its surroundings."""
    off = replace(CLICK, x=CLICK.x + right, y=CLICK.y + down)
    evidence = measured(planted(noise_of(1), Transform(mirrored)), off)
    assert evidence.statistic > 1.4
    assert evidence.source_x == pytest.approx(SOURCE[0] + (-right if mirrored else right), abs=0.01)
    assert evidence.source_y == pytest.approx(SOURCE[1] + down, abs=0.01)
    assert evidence.reason.startswith("the noise here also stands")


@pytest.mark.parametrize("added", [0.5, 1.0])
def test_added_noise_does_not_hide_a_copy(added: float) -> None:
    assert_found(measured(planted(noise_of(3), added=added)), least=1.8 if added < 1 else 1.4)


def test_a_feathered_copy_with_another_mean_is_found() -> None:
    z = planted(noise_of(4), feather=3.0)
    mean = (
        40.0
        + 30.0 * gaussian_filter(noise_of(5), 6.0)
        + 25.0 * disk(*SHAPE, (CLICK.x, CLICK.y), 20.0)
    )
    assert_found(
        copy_move.find_copy(
            CLICK, copy_move.prepare(prediction_of(z, gaussian_filter(mean, 3.0)), 12.0, CT)
        )
    )


@pytest.mark.parametrize("step", [(5.0, 0.0), (-4.0, 4.0), (0.0, -7.0)])
def test_a_click_beside_the_middle_finds_the_copy(step: tuple[float, float]) -> None:
    evidence = measured(
        planted(noise_of(6)), replace(CLICK, x=CLICK.x + step[0], y=CLICK.y + step[1])
    )
    assert evidence.statistic > 1.8
    assert (evidence.measures["dx"], evidence.measures["dy"]) == pytest.approx((53.0, 34.0))


@pytest.mark.parametrize("smooth", [0.0, 1.0])
def test_noise_without_a_copy_is_ordinary(smooth: float) -> None:
    found = [measured(noise_of(100 + seed, (128, 128), smooth)).statistic for seed in range(30)]
    # A little above 1 here, where both planes hold the same white noise and so agree more often
    # than they do in scans.
    assert np.median(found) == pytest.approx(1.0, abs=0.25)
    assert max(found) < 1.5


def test_structure_that_repeats_without_its_noise_does_not_fire() -> None:
    """Vessels on a grid: the high-pass of the pixels matches everywhere, z nowhere."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    vessels = np.hypot((rows + 1) % 34 - 16, (columns + 2) % 31 - 15) < 5
    mean = gaussian_filter(np.where(vessels, 300.0, -800.0), 0.7)
    genuine = copy_move.prepare(prediction_of(noise_of(7), mean), 12.0, CT)
    copied = copy_move.prepare(prediction_of(planted(noise_of(7)), mean), 12.0, CT)
    assert (
        copy_move.find_copy(CLICK, copied).statistic
        > 1.2 * copy_move.find_copy(CLICK, genuine).statistic
    )
    assert copy_move.find_copy(CLICK, genuine).statistic < 1.7


def test_interpolated_noise_does_not_match_its_own_surroundings() -> None:
    """Twofold zero-filling, as in MR: neighbours are tied, and the tie has side lobes."""
    small = np.fft.fftshift(np.fft.fft2(noise_of(8, (80, 80))))
    large = np.fft.ifft2(np.fft.ifftshift(np.pad(small, 40))).real
    evidence = measured((large / large.std()).astype(np.float32))
    assert evidence.statistic < 1.4
    assert np.hypot(evidence.measures["dx"], evidence.measures["dy"]) > 20


def test_distances_are_told_in_millimetres_where_there_is_a_spacing() -> None:
    evidence = measured(planted(noise_of(1)), spacing_mm=(0.5, 0.7))
    assert evidence.reason.startswith(
        "the noise here also stands 37 mm to the right and 17 mm down "
    )


def test_a_copy_from_another_slice_names_it() -> None:
    other = noise_of(10)
    own = np.where(
        disk(*SHAPE, (CLICK.x, CLICK.y), 12.0),
        np.roll(other, (-34, -53), axis=(0, 1)),
        noise_of(11),
    ).astype(np.float32)
    source = copy_move.prepare(prediction_of(other), 12.0, CT, file="p1/007.dcm")
    reference = copy_move.prepare(prediction_of(own), 12.0, CT, file="p1/003.dcm")
    evidence = copy_move.find_copy(CLICK, searched_in(reference, source))
    assert_found(evidence, within=0.01)
    assert evidence.source_file == "p1/007.dcm"
    assert " in p1/007.dcm" in evidence.reason
    assert copy_move.find_copy(CLICK, reference).statistic < 1.4


def test_the_same_place_in_an_adjacent_slice_or_a_duplicate_is_no_finding() -> None:
    z = noise_of(12)
    reference, adjacent, duplicate = (
        copy_move.prepare(prediction_of(values.astype(np.float32)), 12.0, CT, file=name)
        for values, name in (
            (z, "own"),
            (0.6 * z + 0.8 * noise_of(13), "adjacent"),
            (z, "duplicate"),
        )
    )
    assert copy_move.find_copy(CLICK, searched_in(reference, adjacent, duplicate)).statistic < 1.4
    twice = copy_move.prepare(prediction_of(planted(z)), 12.0, CT, file="duplicate")
    own = copy_move.prepare(prediction_of(planted(z)), 12.0, CT, file="own")
    assert copy_move.find_copy(CLICK, searched_in(own, twice)).source_file == "own"


def test_air_and_padding_are_no_place_to_be_copied_from() -> None:
    given_ = prediction_of(planted(noise_of(14)))
    given_.assessed[85:, :] = False  # the source lies there
    reference = copy_move.prepare(given_, 12.0, CT)
    evidence = copy_move.find_copy(CLICK, reference)
    assert evidence.statistic < 1.4
    assert evidence.source_y < 85 + 6
    blind = copy_move.find_copy(Region(60.0, 90.0, 12.0), reference)
    assert np.isnan(blind.statistic)
    assert blind.obstacle == copy_move.NO_SUPPORT
    assert blind.source_x is None


@pytest.mark.parametrize("place", [(0.0, 0.0), (159.0, 80.0), (-0.5, 159.4)])
def test_a_click_at_the_corner_has_no_support(place: tuple[float, float]) -> None:
    assert measured(noise_of(15), Region(*place, 12.0)).obstacle == copy_move.NO_SUPPORT


@pytest.mark.parametrize("place", [(11.0, 80.0), (80.0, 154.0), (150.2, 9.7)])
def test_a_region_near_the_border_is_measured(place: tuple[float, float]) -> None:
    evidence = measured(noise_of(16), Region(*place, 12.0))
    assert 0.5 < evidence.statistic < 1.5
    assert 0 <= evidence.source_x < SHAPE[1]
    assert 0 <= evidence.source_y < SHAPE[0]


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (26, 26), (40, 3)])
def test_tiny_slices_give_an_obstacle(shape: tuple[int, int]) -> None:
    evidence = measured(noise_of(17, shape), Region(shape[1] / 2, shape[0] / 2, 6.0))
    assert np.isnan(evidence.statistic)
    assert evidence.obstacle in {copy_move.NO_PLACE, copy_move.NO_SUPPORT}


def test_without_noise_nothing_can_be_said() -> None:
    evidence = measured(np.zeros(SHAPE, np.float32))
    assert np.isnan(evidence.statistic)
    assert evidence.obstacle == copy_move.NO_NOISE
    flat = noise_of(18)
    flat[40:100, 30:90] = 0.0
    assert measured(flat).obstacle == copy_move.NO_NOISE


def test_nothing_assessed_gives_an_obstacle() -> None:
    given_ = prediction_of(noise_of(19))
    given_.assessed[:] = False
    assert (
        copy_move.find_copy(CLICK, copy_move.prepare(given_, 12.0, CT)).obstacle
        == copy_move.NO_SUPPORT
    )


def test_a_slice_that_repeats_everywhere_does_not_crash() -> None:
    assert np.isfinite(measured(np.tile(noise_of(20, (40, 40)), (4, 4))).statistic)
    half = noise_of(21, (160, 80))
    assert np.isfinite(measured(np.hstack([half, half[:, ::-1]])).statistic)


def test_the_unit_of_the_slice_does_not_matter() -> None:
    z = planted(noise_of(22))
    plain = prediction_of(z, 400.0)
    scaled = replace(plain, mean=plain.mean * 7, spread=plain.spread * 7)
    one, other = (
        copy_move.find_copy(CLICK, copy_move.prepare(each, 12.0, MR)) for each in (plain, scaled)
    )
    assert other.statistic == pytest.approx(one.statistic, rel=1e-3)


def test_nothing_is_changed_in_place_and_the_answer_is_the_same_twice() -> None:
    given_, kept = prediction_of(planted(noise_of(23))), prediction_of(planted(noise_of(23)))
    reference = copy_move.prepare(given_, 12.0, CT)
    assert copy_move.find_copy(CLICK, reference) == copy_move.find_copy(CLICK, reference)
    for name in ("mean", "spread", "z", "assessed"):
        np.testing.assert_array_equal(getattr(given_, name), getattr(kept, name))


def test_quarter_turns_and_mirrors_are_sampled_exactly() -> None:
    plane = noise_of(24, (81, 81))
    template = cut_template(plane_of(np.stack([plane, plane])).residual, (40.0, 40.0), 10.0)
    tried = [
        Transform(mirrored, degrees)
        for mirrored in (False, True)
        for degrees in (0.0, 90.0, 180.0, 270.0)
    ]
    for transform, values in zip(tried, transformed_templates(template, tried), strict=True):
        seen = np.rot90(
            plane[:, ::-1] if transform.mirrored else plane, round(transform.degrees / 90)
        )
        expected = seen[40 + template.offsets[:, 0], 40 + template.offsets[:, 1]]
        np.testing.assert_allclose(values[0], expected / np.linalg.norm(expected), atol=1e-4)


def test_all_transforms_are_tried_once() -> None:
    assert len(set(TRANSFORMS)) == len(TRANSFORMS) == 28


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    mirrored=st.booleans(),
    degrees=st.floats(-15, 15),
    size=st.sampled_from([0.9, 0.97, 1.0, 1.04, 1.1]),
    quarter=st.booleans(),
)
def test_any_transform_within_the_limits_is_found(
    mirrored: bool, degrees: float, size: float, quarter: bool
) -> None:
    transform = (
        Transform(mirrored, 90.0)
        if quarter
        else Transform(mirrored, degrees if size == 1.0 else 0.0, size)
    )
    evidence = measured(planted(noise_of(25, smooth=0.6), transform))
    assert_found(evidence)
    assert evidence.measures["mirrored"] == float(mirrored)


def test_both_planes_propose_a_place_together() -> None:
    """Each plane alone resembles another place more."""
    first, second = noise_of(31), noise_of(32)
    small = disk(*SHAPE, (CLICK.x, CLICK.y), 12.0)

    def mixed(plane: FloatImage, decoy: tuple[int, int]) -> FloatImage:
        source, other = (np.roll(plane, shift, axis=(0, 1)) for shift in ((-34, -53), decoy))
        return np.where(small, 0.65 * source + 0.75 * other, plane).astype(np.float32)

    planes = np.stack([mixed(first, (-60, 0)), mixed(second, (45, -30))])
    plane = plane_of(planes)
    template = cut_template(plane.residual, (CLICK.y, CLICK.x), 10.0)
    found, _ = search(template, plane, 21.0, effort=Effort((AS_IS,), 1))
    assert (found[0].column, found[0].row) == pytest.approx(SOURCE, abs=0.6)


@pytest.mark.parametrize("mirrored", [False, True])
def test_what_shares_a_spectrum_is_found_as_if_it_was_searched_alone(mirrored: bool) -> None:
    planes = np.stack([noise_of(33), noise_of(34)])
    source = np.roll(planes, (-34, -53), axis=(1, 2))
    if mirrored:  # about the column of the click
        source = np.roll(
            planes[:, :, ::-1], (-34, 2 * round(CLICK.x) - SHAPE[1] + 1 + 53), axis=(1, 2)
        )
    copied = np.where(disk(*SHAPE, (CLICK.x, CLICK.y), 12.0), source, planes).astype(np.float32)
    plane = plane_of(copied)
    template = cut_template(plane.residual, (CLICK.y, CLICK.x), 10.0)
    together, _ = search(template, plane, 21.0, effort=Effort(QUICK_TRANSFORMS, 1, refined=0))
    alone, _ = search(template, plane, 21.0, effort=Effort((Transform(mirrored),), 1, refined=0))
    assert together[0].correlations == pytest.approx((1.0, 1.0), abs=1e-3)
    assert together[0].transform == alone[0].transform == Transform(mirrored)
    assert (together[0].row, together[0].column) == (alone[0].row, alone[0].column)


def test_transforms_that_differ_by_a_mirror_go_in_pairs() -> None:
    pairs = mirror_pairs(TRANSFORMS)
    assert sorted(number for numbers in pairs for number in numbers) == list(range(len(TRANSFORMS)))
    assert {len(numbers) for numbers in pairs} == {2}
    plane = plane_of(np.stack([noise_of(35), noise_of(36)]))
    template = cut_template(plane.residual, (CLICK.y, CLICK.x), 10.0)
    for one, other in pairs:
        templates = np.zeros((2, 2, 21, 21))
        templates[:, :, template.offsets[:, 0] + 10, template.offsets[:, 1] + 10] = (
            transformed_templates(template, [TRANSFORMS[one], TRANSFORMS[other]])
        )
        np.testing.assert_allclose(templates[0], templates[1][:, :, ::-1], atol=1e-9)
