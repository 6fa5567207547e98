"""Overlays: the residual map measures what it says, the outline lies where the region is.

And the picture names nobody.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dfd.errors import OutputError
from dfd.modalities import MODALITIES
from dfd.outputs import outlines, overlay, panels
from dfd.outputs.drawing import GAP, PANEL, PANEL_TOP, WHITE
from dfd.records import Finding, Point, Prediction, Region, ScanFacts, Slice, SliceRef

CT, MR = MODALITIES["ct_lung"], MODALITIES["mri_chest"]


def make(shape=(120, 160), *, seed=0, spacing=(0.7, 0.7), unit="HU"):
    """A slice of noise and its prediction; a strip on the left is not assessed."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal(shape).astype(np.float32)
    assessed = np.ones(shape, bool)
    assessed[:, : shape[1] // 8] = False
    pixels = (-850 + 30 * z).astype(np.float32)
    scan = Slice(
        SliceRef(Path("DOE_JANE/DOE.dcm")),
        ScanFacts(unit=unit, spacing_mm=spacing),
        pixels,
        np.ones(shape, bool),
    )
    return scan, Prediction(
        np.full(shape, -850, np.float32),
        np.full(shape, 30, np.float32),
        np.where(assessed, z, 0),
        assessed,
    )


def change(prediction, **fields):
    kept = {name: getattr(prediction, name) for name in ("mean", "spread", "z", "assessed")}
    return Prediction(**{**kept, **fields})


@pytest.fixture
def finding():
    return Finding(
        Point(2, "DOE.dcm", 80, 60),
        "strongly unusual",
        2.3,
        0.005,
        form="AI edit",
        radius_mm=10.0,
        tissue="lung",
    )


# --- the residual map


def test_octaves_are_relative_to_the_slice():
    _, prediction = make()
    octaves = panels.residual_octaves(prediction)
    assert np.array_equal(np.isnan(octaves), ~prediction.assessed)
    assert abs(float(np.nanmedian(octaves))) < 1e-6
    louder = panels.residual_octaves(change(prediction, z=prediction.z * 7))
    np.testing.assert_allclose(louder, octaves, atol=1e-5)


@pytest.mark.parametrize(("factor", "octaves"), [(2.0, 2.0), (0.5, -2.0)])
def test_a_region_of_other_energy_shows_as_octaves(factor, octaves):
    _, prediction = make()
    z = prediction.z.copy()
    z[40:80, 70:110] *= factor
    inside = panels.residual_octaves(change(prediction, z=z))[48:72, 78:102]
    assert abs(float(np.median(inside)) - octaves) < 0.25


def test_energy_is_a_mean_over_assessed_pixels_only():
    """Constant energy stays constant up to every border.

    Nothing leaks in from pixels that are not assessed.
    """
    _, prediction = make()
    z = np.where(prediction.assessed, 3.0, 99.0).astype(np.float32)
    octaves = panels.residual_octaves(change(prediction, z=z))
    np.testing.assert_allclose(octaves[prediction.assessed], 0.0, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_map_of_nothing_is_drawn_all_the_same(tmp_path, finding, value):
    scan, prediction = make()
    for broken in (
        change(prediction, z=np.full_like(prediction.z, value)),
        change(prediction, assessed=np.zeros_like(prediction.assessed)),
    ):
        assert overlay.write(
            tmp_path, 1, scan, Region(80, 60, 12), broken, finding=finding, modality=CT
        ).is_file()


def test_colours_run_from_blue_over_white_to_orange_and_grey():
    octaves = np.array([[-9.0, -3.0, 0.0, 3.0, 9.0, np.nan]], dtype=np.float32)
    low, lower, middle, upper, high, unknown = panels.residual_colours(octaves)[0].astype(int)
    assert (low == lower).all()
    assert (high == upper).all()
    assert low[2] > low[0] + 100
    assert high[0] > high[2] + 100
    assert middle.min() > 235
    assert tuple(unknown) == panels.NOT_ASSESSED


def test_colours_can_be_told_apart_without_colour_vision():
    """Each half of the table rises or falls in lightness steadily.

    And the two ends differ in blue against yellow.
    """
    lightness = panels.lookup_table().astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness[:127]) > 0).all()
    assert (np.diff(lightness[129:]) < 0).all()


# --- the slice


def test_windows():
    scan, _ = make(unit="stored")
    assert panels.display_window(scan, CT) == (-1350.0, 150.0)
    low, high = panels.display_window(scan, MR)
    assert (low, high) == tuple(np.percentile(scan.pixels, [1, 99]))
    only = np.zeros(scan.pixels.shape, bool)
    assert panels.display_window(scan, MR, only) == (0.0, 1.0)
    only[5, 5] = True
    low, high = panels.display_window(scan, CT, only)
    assert low < scan.pixels[5, 5] < high


def test_what_is_no_measurement_is_black_and_counts_for_nothing():
    scan, _ = make(unit="stored")
    pixels, valid = scan.pixels.copy(), scan.valid.copy()
    pixels[0, 0], pixels[0, 1], valid[0, :3] = np.nan, 1e9, False
    padded = Slice(scan.ref, scan.facts, pixels, valid)
    window = panels.display_window(padded, MR)
    assert window[1] < 0
    image = panels.grey_image(padded, window)
    assert (image[0, :3] == 0).all()
    assert image.max() == 255


# --- views


@pytest.mark.parametrize("shape", [(128, 128), (100, 160), (161, 90), (300, 200)])
def test_the_outline_lies_where_the_region_is(shape):
    """The centre of gravity of the outline, taken back to slice pixels, is the point.

    Checked in both kinds of panel.
    """
    region = Region(x=shape[1] * 0.6, y=shape[0] * 0.3, radius_px=12)
    for view in (panels.whole_view(shape, 512), panels.region_view(region, 4.0, shape, 336)):
        shown = outlines.show(np.zeros((*shape, 3), np.uint8), view, region).astype(int)
        assert shown.shape == (view.size, view.size, 3)
        yellow = (shown[:, :, 0] > 200) & (shown[:, :, 2] < 100)
        rows, columns = np.nonzero(yellow)
        x, y = (
            (
                (np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2 + 0.5)
                / view.scale
            )
            + np.array([np.floor(view.left), np.floor(view.top)])
            - 0.5
        )
        assert (x, y) == pytest.approx((region.x, region.y), abs=0.35)
        assert (columns.max() - columns.min()) / view.scale / 2 == pytest.approx(12, abs=0.6)


@pytest.mark.parametrize(("x", "y"), [(40, 20), (2, 3), (63, 60)])
def test_pixels_are_shown_where_they_are(x, y):
    image = np.zeros((64, 64, 3), np.uint8)
    image[y, x] = 255
    view = panels.region_view(Region(x, y, 4), 4.0, (64, 64), 330)
    shown = outlines.show(image, view, Region(-500, -500, 1)).astype(int).sum(axis=2)
    row, column = np.unravel_index(shown.argmax(), shown.shape)
    assert (column, row) == pytest.approx(view.place(x, y), abs=0.5 * view.scale)


@pytest.mark.parametrize("region", [Region(30.4, 20, 5), Region(1, 62.7, 9), Region(-50, 900, 3)])
def test_grey_is_shown_as_its_three_colours_would_be(region):
    grey = np.random.default_rng(3).integers(0, 256, (64, 80), dtype=np.uint8)
    for view in (
        panels.whole_view(grey.shape, 128),
        panels.region_view(region, 4.0, grey.shape, 336),
    ):
        np.testing.assert_array_equal(
            panels.cut(grey, view), panels.cut(np.repeat(grey[:, :, None], 3, axis=2), view)
        )


@pytest.mark.parametrize(
    ("region", "source"),
    [(Region(30, 20, 5), None), (Region(2, 60, 9), Region(75, 8, 9)), (Region(-50, 900, 3), None)],
)
def test_a_part_is_marked_as_the_whole_panel_is(region, source):
    panel = np.random.default_rng(4).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    drawn = outlines.outlines(panels.whole_view((64, 80), 128), region, source)
    box = outlines.frame(drawn)
    pasted = panel.copy()
    pasted[box] = outlines.mark(panel, drawn, box)
    np.testing.assert_array_equal(pasted, outlines.mark(panel, drawn))


@pytest.mark.parametrize("region", [Region(40, 30, 5), Region(0, 63, 14.3), Region(79, 1, 200)])
def test_the_narrow_window_of_a_crop_is_that_of_the_slice(region):
    scan, _ = make((64, 80))
    part, _, box = panels.near(scan, panels.region_view(region, overlay.ZOOM, (64, 80), 336))
    whole = panels.disk((slice(0, 64), slice(0, 80)), region, overlay.NARROW)
    assert panels.display_window(
        part, CT, panels.disk(box, region, overlay.NARROW)
    ) == panels.display_window(scan, CT, whole)


# --- the picture


def test_the_picture_is_pixels_only(tmp_path, finding):
    scan, prediction = make()
    path = overlay.write(
        tmp_path, 7, scan, Region(80, 60, 14, 10.0), prediction, finding=finding, modality=CT
    )
    assert path == tmp_path / "overlay-0007.png"
    data = path.read_bytes()
    kinds, at = [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kinds.append(data[at + 4 : at + 8])
        at += 12 + length
    assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}
    assert b"DOE" not in data


def test_the_picture_is_the_same_for_every_name(tmp_path, finding):
    """No name gets into the picture: other names, same bytes."""
    scan, prediction = make()
    other = Slice(
        SliceRef(Path("SMITH")),
        ScanFacts(unit="HU", spacing_mm=(0.7, 0.7), patient_hash="abc", manufacturer="SMITH"),
        scan.pixels,
        scan.valid,
    )
    renamed = Finding(
        Point(9, "SMITH"),
        "strongly unusual",
        2.3,
        0.005,
        form="AI edit",
        reason="SMITH",
        source_file="SMITH",
        radius_mm=10.0,
        tissue="lung",
        error="SMITH",
    )
    first = overlay.write(
        tmp_path, 1, scan, Region(80, 60, 14), prediction, finding=finding, modality=CT
    ).read_bytes()
    second = overlay.write(
        tmp_path, 2, other, Region(80, 60, 14), prediction, finding=renamed, modality=CT
    ).read_bytes()
    assert first == second


def test_an_outline_does_not_hide_the_ruler_of_an_overview(tmp_path, finding):
    scan, prediction = make((160, 160))

    def picture(region):
        path = overlay.write(tmp_path, 1, scan, region, prediction, finding=finding, modality=CT)
        with Image.open(path) as image:
            return np.asarray(image)[PANEL_TOP : PANEL_TOP + PANEL, GAP : GAP + PANEL].copy()

    clear, covered = picture(Region(80, 60, 10)), picture(Region(12, 150, 8))
    ruler = (clear == WHITE).all(axis=2)
    ruler[:-20] = False
    assert ruler.sum() > 100
    beside = (clear != covered).any(axis=2)
    assert beside[-20:].any()
    assert not beside[ruler].any()


def test_header_residual_and_pixels_all_show(tmp_path, finding):
    """Whatever a reader must see changes the picture.

    Verdict, p-value, radius, tissue, extrapolation, slice and residual.
    """
    scan, prediction = make()
    region = Region(80, 60, 14)

    def picture(found=finding, predicted=prediction, modality=CT):
        path = overlay.write(tmp_path, 1, scan, region, predicted, finding=found, modality=modality)
        with Image.open(path) as image:
            assert image.mode == "RGB"
            return np.asarray(image).copy()

    plain = picture()
    changes = {
        "verdict": "unusual",
        "p_value": 0.04,
        "radius_mm": 11.0,
        "tissue": "fat",
        "extrapolated": True,
        "form": "copy-move",
    }
    known = {
        name: getattr(finding, name)
        for name in ("point", "verdict", "score", "p_value", "form", "radius_mm", "tissue")
    }
    for name, value in changes.items():
        changed = picture(Finding(**{**known, name: value}))
        assert (changed[:90] != plain[:90]).any(), name
        assert (changed[90:] == plain[90:]).all(), name
    assert (
        picture(predicted=change(prediction, z=prediction.z[::-1].copy()))[110:622, 544:1056]
        != plain[110:622, 544:1056]
    ).any()
    assert (picture(modality=MR)[110:622, 16:528] != plain[110:622, 16:528]).any()


@pytest.mark.parametrize("shape", [(8, 8), (64, 64), (512, 300), (256, 256)])
@pytest.mark.parametrize(
    "region",
    [Region(4, 4, 2.5), Region(0, 0, 14, 10.0), Region(63.5, 7, 900, 200.0), Region(-50, 900, 3)],
)
def test_any_size_and_place_can_be_drawn(tmp_path, shape, region):
    scan, prediction = make(shape, spacing=None, unit="stored")
    bare = Finding(Point(2, "a"), "not assessable")
    path = overlay.write(tmp_path, 12345, scan, region, prediction, finding=bare, modality=MR)
    with Image.open(path) as image:
        assert image.size == (1072, image.height)


def test_rendering_once_for_several_points_is_the_same(tmp_path, finding):
    scan, prediction = make()
    images = overlay.render_slice(scan, prediction, CT)
    for number, region in enumerate([Region(80, 60, 14), Region(30, 30, 5)], start=1):
        shared = overlay.write_rendered(tmp_path, number, images, region, finding).read_bytes()
        alone = overlay.write(
            tmp_path, number, scan, region, prediction, finding=finding, modality=CT
        ).read_bytes()
        assert shared == alone


def test_records_are_not_changed(tmp_path, finding):
    scan, prediction = make()
    before = [
        array.copy() for array in (scan.pixels, scan.valid, prediction.z, prediction.assessed)
    ]
    overlay.write(tmp_path, 1, scan, Region(80, 60, 14), prediction, finding=finding, modality=CT)
    assert all(
        np.array_equal(old, new)
        for old, new in zip(
            before, (scan.pixels, scan.valid, prediction.z, prediction.assessed), strict=True
        )
    )


def test_no_folder_is_one_sentence(tmp_path, finding):
    scan, prediction = make()
    with pytest.raises(
        OutputError, match=r"overlay-0001.png cannot be written: its folder is not there"
    ):
        overlay.write(
            tmp_path / "absent",
            1,
            scan,
            Region(80, 60, 14),
            prediction,
            finding=finding,
            modality=CT,
        )


def test_the_place_where_the_noise_stands_again_is_outlined() -> None:
    grey = np.full((120, 120, 3), 90, dtype=np.uint8)
    region, source = Region(30.0, 40.0, 10.0), Region(80.0, 70.0, 10.0)
    view = panels.whole_view((120, 120), 240)
    alone, both = outlines.show(grey, view, region), outlines.show(grey, view, region, source)
    blue = np.abs(both.astype(int) - outlines.SOURCE).sum(axis=2) < 60
    assert blue.sum() > 60
    rows, columns = np.nonzero(blue)
    assert (np.hypot(columns - 161, rows - 141) < 23).all()  # circle and cross, at twice the size
    unchanged = np.hypot(*(np.indices((240, 240)) - np.array([141, 161])[:, None, None])) > 26
    np.testing.assert_array_equal(both[unchanged], alone[unchanged])
