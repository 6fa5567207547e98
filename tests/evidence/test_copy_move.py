"""Copy-move evidence.

Finds noise that stands twice, at its place and as it was turned, and nothing where it stands once.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from dfd.evidence import copy_move
from dfd.evidence.best_matches import QUICK
from dfd.evidence.copy_move import CopyMoveReference
from dfd.evidence.copy_search import search
from dfd.evidence.copy_template import Templates, cut_templates, transformed_values
from dfd.evidence.copy_tiles import proposed_places
from dfd.evidence.copy_transforms import (
    AS_IT_IS,
    Transform,
    back_matrices,
    parameters_of,
    with_mirrored,
)
from dfd.evidence.family import Measured
from dfd.evidence.running_sums import disk_offsets
from dfd.evidence.search_plane import SearchPlane, residual_window, search_plane, squares_of
from dfd.modalities import MODALITIES
from dfd.prediction.masks import disk
from dfd.records import Evidence, FloatImage, Prediction, Region

TURNS = (*(Transform(False, 5.0 * step) for step in range(-3, 4)), Transform(False, 0.0, 0.9))
CT, MR = MODALITIES["ct_lung"], MODALITIES["mri_chest"]
SHAPE = (160, 160)
CLICK = Region(60.0, 70.0, 12.0)
SOURCE = (113.0, 104.0)
"""(x, y) of what is copied."""


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
    z: FloatImage, transform: Transform = AS_IT_IS[0], feather: float = 0.0, added: float = 0.0
) -> FloatImage:
    """``z`` with what stands at SOURCE brought to the click.

    So that SOURCE is ``transform`` of the click.
    """
    mask = disk(*z.shape, (CLICK.x, CLICK.y), CLICK.radius_px)
    rows, columns = np.nonzero(mask)
    back = back_matrices(parameters_of((transform,)))[0].numpy()
    there = np.linalg.inv(back) @ np.stack([rows - CLICK.y, columns - CLICK.x])
    changed = z.copy()
    changed[mask] = map_coordinates(
        z, there + np.array([[SOURCE[1]], [SOURCE[0]]]), order=3, mode="mirror"
    )
    changed[mask] += added * np.random.default_rng(77).normal(0, 1, int(mask.sum()))
    share = np.clip(distance_transform_edt(mask) / (feather + 1.0), 0, 1) if feather else mask
    return (share * changed + (1 - share) * z).astype(np.float32)


def find_copy(region: Region, reference: CopyMoveReference) -> Evidence:
    return copy_move.find_copies([region], reference)[0]


def prepared(
    z: FloatImage, file: str = "", spacing_mm: tuple[float, float] | None = None
) -> CopyMoveReference:
    reference = copy_move.prepare(prediction_of(z), 12.0, CT)
    named = (replace(each, file=file, spacing_mm=spacing_mm) for each in reference.searched)
    return replace(reference, searched=tuple(named))


def measured(z: FloatImage, region: Region = CLICK) -> Evidence:
    return find_copy(region, prepared(z))


def searched_in(reference: CopyMoveReference, *others: CopyMoveReference) -> CopyMoveReference:
    """``reference`` with the slices of ``others`` to search as well."""
    more = [replace(one, own=False) for other in others for one in other.searched]
    return replace(reference, searched=(*reference.searched, *more))


def plane_of(planes: np.ndarray) -> SearchPlane:
    valid = torch.ones(planes.shape[1:], dtype=torch.bool)
    return search_plane(residual_window(torch.from_numpy(planes).float(), valid), 10.0)


def templates_at(plane: SearchPlane, *places: tuple[float, float]) -> Templates:
    """Disks around ``places`` (x, y)."""
    middles = torch.tensor([(round(y), round(x)) for x, y in places])
    return cut_templates(plane.residual, middles, 10.0)


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
    assert evidence.source_x == pytest.approx(SOURCE[0] + (-right if mirrored else right), abs=0.5)
    assert evidence.source_y == pytest.approx(SOURCE[1] + down, abs=0.5)
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
        find_copy(CLICK, copy_move.prepare(prediction_of(z, gaussian_filter(mean, 3.0)), 12.0, CT))
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
    assert find_copy(CLICK, copied).statistic > 1.2 * find_copy(CLICK, genuine).statistic
    assert find_copy(CLICK, genuine).statistic < 1.7


def test_interpolated_noise_does_not_match_its_own_surroundings() -> None:
    """Twofold zero-filling, as in MR: neighbours are tied, and the tie has side lobes."""
    small = np.fft.fftshift(np.fft.fft2(noise_of(8, (80, 80))))
    large = np.fft.ifft2(np.fft.ifftshift(np.pad(small, 40))).real
    evidence = measured((large / large.std()).astype(np.float32))
    assert evidence.statistic < 1.4
    assert np.hypot(evidence.measures["dx"], evidence.measures["dy"]) > 20


def test_distances_are_told_in_millimetres_where_there_is_a_spacing() -> None:
    evidence = find_copy(CLICK, prepared(planted(noise_of(1)), spacing_mm=(0.5, 0.7)))
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
    source, reference = prepared(other, "p1/007.dcm"), prepared(own, "p1/003.dcm")
    evidence = find_copy(CLICK, searched_in(reference, source))
    assert_found(evidence, within=0.01)
    assert evidence.source_file == "p1/007.dcm"
    assert " in p1/007.dcm" in evidence.reason
    assert find_copy(CLICK, reference).statistic < 1.4


def test_the_same_place_in_an_adjacent_slice_or_a_duplicate_is_no_finding() -> None:
    z = noise_of(12)
    reference, adjacent, duplicate = (
        prepared(values.astype(np.float32), name)
        for values, name in (
            (z, "own"),
            (0.6 * z + 0.8 * noise_of(13), "adjacent"),
            (z, "duplicate"),
        )
    )
    assert find_copy(CLICK, searched_in(reference, adjacent, duplicate)).statistic < 1.4
    twice, own = prepared(planted(z), "duplicate"), prepared(planted(z), "own")
    assert find_copy(CLICK, searched_in(own, twice)).source_file == "own"


def test_air_and_padding_are_no_place_to_be_copied_from() -> None:
    given_ = prediction_of(planted(noise_of(14)))
    given_.assessed[85:, :] = False  # the source lies there
    reference = copy_move.prepare(given_, 12.0, CT)
    evidence = find_copy(CLICK, reference)
    assert evidence.statistic < 1.4
    assert evidence.source_y < 85 + 6
    blind = find_copy(Region(60.0, 90.0, 12.0), reference)
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
    assert find_copy(CLICK, copy_move.prepare(given_, 12.0, CT)).obstacle == copy_move.NO_SUPPORT


def test_a_slice_that_repeats_everywhere_does_not_crash() -> None:
    assert np.isfinite(measured(np.tile(noise_of(20, (40, 40)), (4, 4))).statistic)
    half = noise_of(21, (160, 80))
    assert np.isfinite(measured(np.hstack([half, half[:, ::-1]])).statistic)


def test_the_unit_of_the_slice_does_not_matter() -> None:
    z = planted(noise_of(22))
    plain = prediction_of(z, 400.0)
    scaled = replace(plain, mean=plain.mean * 7, spread=plain.spread * 7)
    one, other = (find_copy(CLICK, copy_move.prepare(each, 12.0, MR)) for each in (plain, scaled))
    assert other.statistic == pytest.approx(one.statistic, rel=1e-3)


def test_nothing_is_changed_in_place_and_the_answer_is_the_same_twice() -> None:
    given_, kept = prediction_of(planted(noise_of(23))), prediction_of(planted(noise_of(23)))
    reference = copy_move.prepare(given_, 12.0, CT)
    assert find_copy(CLICK, reference) == find_copy(CLICK, reference)
    for name in ("mean", "spread", "z", "assessed"):
        np.testing.assert_array_equal(getattr(given_, name), getattr(kept, name))


def test_quarter_turns_and_mirrors_are_sampled_exactly() -> None:
    plane = noise_of(24, (81, 81))
    templates = templates_at(plane_of(np.stack([plane, plane])), (40.0, 40.0))
    tried = [
        Transform(mirrored, degrees)
        for mirrored in (False, True)
        for degrees in (0.0, 90.0, 180.0, 270.0)
    ]
    rows, columns = 40 + templates.offsets.numpy().T
    (sampled,) = transformed_values(templates, parameters_of(tuple(tried)))
    for transform, values in zip(tried, sampled, strict=True):
        seen = np.rot90(
            plane[:, ::-1] if transform.mirrored else plane, round(transform.degrees / 90)
        )
        expected = seen[rows, columns]
        np.testing.assert_allclose(values[0], expected / np.linalg.norm(expected), atol=1e-4)


def test_values_between_pixels_are_those_of_cubic_splines() -> None:
    """Against SciPy."""
    planes = np.stack([noise_of(26), noise_of(27)])
    templates = templates_at(plane_of(planes), (60.0, 70.0), (90.0, 31.0))
    tried = (Transform(True, 12.5, 0.93), Transform(False, -4.0, 1.08))
    shifts = torch.tensor([[[0.25, -0.5], [0.0, 0.75]], [[-0.25, 0.5], [0.125, 0.0]]])
    sampled = transformed_values(templates, parameters_of(tried), shifts.double())
    for number, (row, column) in enumerate(templates.places.tolist()):
        for one, back in enumerate(back_matrices(parameters_of(tried)).numpy()):
            steps = templates.offsets.numpy() + shifts[number, one].numpy()
            where = back @ steps.T + np.array([[row], [column]])
            for plane, values in zip(planes, sampled[number, one], strict=True):
                square = plane[row - 20 : row + 21, column - 20 : column + 21].astype(np.float64)
                expected = map_coordinates(
                    square, where - np.array([[row - 20], [column - 20]]), order=3, mode="mirror"
                )
                np.testing.assert_allclose(values, expected / np.linalg.norm(expected), atol=2e-6)


def test_all_transforms_are_tried_once() -> None:
    backs = back_matrices(parameters_of(with_mirrored(TURNS)))
    assert len({tuple(np.round(each.flatten().tolist(), 6) + 0.0) for each in backs}) == 16


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    mirrored=st.booleans(),
    degrees=st.floats(-180, 180),
    size=st.floats(0.8, 1.25),
)
def test_any_transform_within_the_limits_is_found(
    mirrored: bool, degrees: float, size: float
) -> None:
    transform = Transform(mirrored, degrees, size)
    evidence = measured(planted(noise_of(25, smooth=0.6), transform))
    assert_found(evidence, least=1.3)
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
    found, _ = search(templates_at(plane, (CLICK.x, CLICK.y)), plane, 21.0)
    assert found.places[0, 0].tolist() == pytest.approx(SOURCE[::-1], abs=0.6)


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
    templates = templates_at(plane, (CLICK.x, CLICK.y))
    found, _ = search(templates, plane, 21.0)
    best = found.best(1)
    assert best.correlations[0, 0].tolist() == pytest.approx([1.0, 1.0], abs=1e-3)
    assert best.parameters[0, 0].tolist() == [float(mirrored), 0.0, 1.0]
    assert best.places[0, 0].tolist() == list(SOURCE[::-1])


def test_each_turn_is_followed_by_its_mirror_image() -> None:
    plane = plane_of(np.stack([noise_of(35), noise_of(36)]))
    templates = templates_at(plane, (CLICK.x, CLICK.y))
    values = transformed_values(templates, parameters_of(with_mirrored(TURNS)))
    plain, mirrored = squares_of(values, templates.offsets)[0].unflatten(0, (2, -1))
    torch.testing.assert_close(mirrored, plain.flip(-1), rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_regions_together_give_what_each_gives_alone(threads: int) -> None:
    reference = prepared(planted(noise_of(1)))
    regions = [replace(CLICK, x=CLICK.x + 3.0 * number) for number in range(7)]
    alone = [find_copy(region, reference) for region in regions]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = copy_move.find_copies(regions, reference)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert together.statistics.tolist() == pytest.approx(
        [each.statistic for each in alone], rel=1e-6
    )
    assert [each.reason for each in together] == [each.reason for each in alone]


def screened(z: FloatImage, regions: list[Region]) -> Measured:
    return copy_move.find_copies(regions, prepared(z), QUICK)


GRID = [Region(float(x), float(y), 12.0) for y in range(8, 160, 16) for x in range(8, 160, 16)]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("added", [0.0, 0.5])
def test_a_copy_is_found_among_the_places_of_a_slice(mirrored: bool, added: float) -> None:
    z = planted(noise_of(41), Transform(mirrored), added=added)
    found = screened(z, GRID)
    near, genuine = GRID[4 * 10 + 3], screened(noise_of(41), GRID)
    assert (near.x, near.y) == (56.0, 72.0)
    assert int(np.nanargmax(found.statistics)) in {
        number
        for number, each in enumerate(GRID)
        for middle in ((CLICK.x, CLICK.y), SOURCE)
        if np.hypot(each.x - middle[0], each.y - middle[1]) < 12.0
    }
    assert np.nanmax(found.statistics) > 1.3 * np.nanmax(genuine.statistics)
    record = found[GRID.index(near)]
    across = -(near.x - CLICK.x) if mirrored else near.x - CLICK.x
    assert record.source_x == SOURCE[0] + across
    assert record.source_y == SOURCE[1] + near.y - CLICK.y
    assert record.measures["mirrored"] == float(mirrored)


def test_what_is_screened_does_not_depend_on_what_else_is_asked() -> None:
    z = planted(noise_of(42))
    everywhere = screened(z, GRID).statistics
    some = [5, 33, 43, 44, 77]
    alone = [screened(z, [GRID[number]]).statistics[0] for number in some]
    assert alone == pytest.approx(everywhere[some].tolist(), rel=1e-6, nan_ok=True)


def test_proposed_places_are_those_of_the_whole_tile() -> None:
    """A tile that stands a second time in the slice, and mirrored in a third place."""
    planes = np.stack([noise_of(43, (200, 200)), noise_of(44, (200, 200))])
    tile = planes[:, 40:80, 0:40].copy()
    planes[:, 140:180, 130:170] = tile
    planes[:, 100:140, 60:100] = tile[:, :, ::-1]
    plane = plane_of(planes)
    templates = templates_at(plane, (20.0, 60.0), (30.0, 50.0))
    near = torch.from_numpy(disk_offsets(21.0))
    places = proposed_places(templates, plane, near)
    assert places[:, 0, 0].tolist() == [[160, 150], [150, 160]]
    assert places[:, 1, 0].tolist() == [[120, 79], [110, 69]]
