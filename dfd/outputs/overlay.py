"""overlay-0001.png.

One picture per point, the slice beside the residual map, for a reader who wants to see what the
number means.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from dfd.modalities import Modality
from dfd.outputs import outlines, panels, png
from dfd.outputs.drawing import (
    BAR_HEIGHT,
    BAR_TOP,
    FOOTER,
    GAP,
    HEADER,
    PANEL,
    PANEL_TOP,
    SOFT,
    VERDICT_COLOURS,
    WHITE,
    WIDTH,
    Pen,
    draw_ruler,
)
from dfd.outputs.files import write_atomically
from dfd.outputs.p_value_text import p_equation
from dfd.outputs.panels import GreyImage, RgbImage, View
from dfd.records import Finding, FloatImage, Prediction, Region, Slice
from dfd.regions import radius_in_words

ZOOM = 4.0
"""Radii to each side of the region in the crops."""
NARROW = 2.0
"""Radii around the centre whose percentiles set the narrow window."""

_CROP = 336
_CROP_TITLE = BAR_TOP + 72
_CROP_TOP = _CROP_TITLE + 22
_OVERVIEWS_LEFT = (GAP, 2 * GAP + PANEL)
_HEIGHT = _CROP_TOP + _CROP + 40


@dataclass(frozen=True, slots=True)
class SliceImages:
    """The parts of a picture that all points of one slice share."""

    scan: Slice
    grey: GreyImage
    octaves: FloatImage
    """The residual map as ``panels.residual_octaves`` gives it."""
    residual: RgbImage
    modality: Modality
    view: View
    """The whole slice."""
    overviews: tuple[RgbImage, RgbImage]
    """Slice and residual map in that view."""
    sheet: Image.Image
    """The picture without what belongs to a point and without rulers, which lie above the
    outlines."""
    packed: png.Packed
    """The sheet with the rulers of the overviews."""


def name_of(number: int) -> str:
    """The name of the picture of the point with this number."""
    return f"overlay-{number:04d}.png"


def render_slice(scan: Slice, prediction: Prediction, modality: Modality) -> SliceImages:
    """Prepare a slice for the pictures of several points.

    Most of the work where there are several.
    """
    window = panels.display_window(scan, modality)
    octaves = panels.residual_octaves(prediction)
    residual = panels.residual_colours(octaves)
    grey = panels.grey_image(scan, window)
    view = panels.whole_view(scan.pixels.shape[:2], PANEL)
    overviews = panels.cut(grey, view), panels.cut(residual, view)
    sheet = _sheet(overviews, window, _unit(scan))
    ruled = sheet.copy()
    for left in _OVERVIEWS_LEFT:
        draw_ruler(Pen(ruled), view, scan, (left, PANEL_TOP))
    return SliceImages(
        scan, grey, octaves, residual, modality, view, overviews, sheet, png.pack(np.asarray(ruled))
    )


def write(  # noqa: PLR0913 - the keywords are records that a caller has anyway
    folder: Path,
    number: int,
    scan: Slice,
    region: Region,
    prediction: Prediction,
    *,
    finding: Finding,
    modality: Modality,
) -> Path:
    """Write the picture of one point.

    It holds no name, number or text of the patient, and pixels only.

    Args:
        folder: Existing folder.
        number: Number of the point, for the file name.
        scan: The slice.
        region: The disk that was judged.
        prediction: What the network expected in this slice.
        finding: Verdict, p-value, radius and tissue for the header.
        modality: Its window shows the slice; without one the 1st to 99th percentile.

    Raises:
        OutputError: the file cannot be written.
    """
    return write_rendered(folder, number, render_slice(scan, prediction, modality), region, finding)


def write_rendered(
    folder: Path, number: int, images: SliceImages, region: Region, finding: Finding
) -> Path:
    """As ``write``, for a slice that ``render_slice`` has prepared.

    Raises:
        OutputError: the file cannot be written.
    """
    pixels = images.packed.pixels.copy()
    source = _source_of(finding, region)
    with _band(pixels, images.sheet, slice(0, PANEL_TOP)) as pen:
        _draw_header(pen, finding, region, images.scan.facts.spacing_mm)
        title = "Slice" if source is None else "Slice (blue: where the same noise stands)"
        pen.text((_OVERVIEWS_LEFT[0], HEADER), title, 16, colour=WHITE)
    _draw_overviews(pixels, images, region, source)
    with _band(pixels, images.sheet, slice(_CROP_TITLE, _CROP_TOP + _CROP)) as pen:
        _draw_crops(pen, images, region, source)
    path = folder / name_of(number)
    write_atomically(path, png.file_of(png.pack(pixels, images.packed)))
    return path


@contextmanager
def _band(pixels: RgbImage, sheet: Image.Image, rows: slice) -> Iterator[Pen]:
    """Draw on some rows of a picture alone: a whole canvas takes as long as all that is drawn."""
    band = sheet.crop((0, rows.start, sheet.width, rows.stop))
    yield Pen(band, top=rows.start)
    pixels[rows] = np.asarray(band)


def _sheet(
    overviews: tuple[RgbImage, RgbImage], window: tuple[float, float], unit: str
) -> Image.Image:
    """What stands in the picture of every point of a slice."""
    sheet = Image.new("RGB", (WIDTH, _HEIGHT), panels.BACKGROUND)
    pen = Pen(sheet)
    for left, image in zip(_OVERVIEWS_LEFT, overviews, strict=True):
        sheet.paste(Image.fromarray(image), (left, PANEL_TOP))
    pen.text(
        (_OVERVIEWS_LEFT[1], HEADER),
        "Residual map: how far each pixel lies from what the network expected",
        16,
        colour=WHITE,
    )
    _draw_grey_bar(pen, window, unit)
    _draw_colour_bar(pen)
    pen.text((WIDTH / 2, _HEIGHT - 20), FOOTER, 16, colour=WHITE, anchor="mm")
    return sheet


def _draw_header(
    pen: Pen, finding: Finding, region: Region, spacing_mm: tuple[float, float] | None
) -> None:
    colour = VERDICT_COLOURS.get(finding.verdict, WHITE)
    form = f" ({finding.form})" if finding.form else ""
    pen.text((GAP, 14), finding.verdict + form, 27, colour=colour)
    if math.isfinite(finding.p_value):
        words = p_equation(finding.p_value) + (
            f"   score {finding.score:.2f}" if math.isfinite(finding.score) else ""
        )
        pen.text((WIDTH - GAP, 14), words, 27, colour=colour, anchor="ra")
    radius_mm = finding.radius_mm if finding.radius_mm is not None else region.radius_mm
    radius = radius_in_words(region.radius_px, radius_mm, spacing_mm)
    details = [
        radius,
        f"tissue: {finding.tissue}" if finding.tissue else "",
        f"X {region.x:g} (column), Y {region.y:g} (row), counted from 0",
    ]
    pen.text((GAP, 54), "     ".join(detail for detail in details if detail), 17)
    if finding.extrapolated:
        pen.text((WIDTH - GAP, 54), "extrapolated", 17, colour=colour, anchor="ra")


def _source_of(finding: Finding, region: Region) -> Region | None:
    """Where the noise of the region stands again in this slice."""
    if finding.source_x is None or finding.source_y is None or finding.source_file:
        return None
    return Region(finding.source_x, finding.source_y, region.radius_px)


def _draw_overviews(
    pixels: RgbImage, images: SliceImages, region: Region, source: Region | None
) -> None:
    """Outlines in both overviews, below the rulers that stand in ``pixels`` already."""
    drawn = outlines.outlines(images.view, region, source)
    rows, columns = outlines.frame(drawn)
    for left, image in zip(_OVERVIEWS_LEFT, images.overviews, strict=True):
        marked = Image.fromarray(outlines.mark(image, drawn, (rows, columns)))
        draw_ruler(Pen(marked), images.view, images.scan, (-columns.start, -rows.start))
        pixels[
            PANEL_TOP + rows.start : PANEL_TOP + rows.stop,
            left + columns.start : left + columns.stop,
        ] = np.asarray(marked)


def _draw_crops(pen: Pen, images: SliceImages, region: Region, source: Region | None) -> None:
    scan = images.scan
    view = panels.region_view(region, ZOOM, scan.pixels.shape[:2], _CROP)
    part, part_view, box = panels.near(scan, view)
    narrow = panels.display_window(part, images.modality, panels.disk(box, region, NARROW))
    titled: dict[str, GreyImage | RgbImage] = {
        "Region, same window": images.grey[box],
        f"Narrow window {_range(narrow, _unit(scan))} (not clinical)": panels.grey_image(
            part, narrow
        ),
        "Region, residual map": images.residual[box],
    }
    drawn = outlines.outlines(view, region, source)
    step = (WIDTH - 2 * GAP - _CROP) / 2
    for index, (title, image) in enumerate(titled.items()):
        left = round(GAP + index * step)
        pen.text((left, _CROP_TITLE), title, 15, colour=WHITE)
        pen.canvas.paste(
            Image.fromarray(outlines.mark(panels.cut(image, part_view), drawn)),
            (left, _CROP_TOP - pen.top),
        )
        draw_ruler(pen, view, scan, (left, _CROP_TOP))


def _draw_grey_bar(pen: Pen, window: tuple[float, float], unit: str) -> None:
    levels = np.round(np.linspace(0.0, 255.0, PANEL)).astype(np.uint8)
    pen.canvas.paste(Image.fromarray(np.tile(levels, (BAR_HEIGHT + 1, 1))), (GAP, BAR_TOP))
    below = BAR_TOP + BAR_HEIGHT + 5
    pen.text((GAP, below), _level(window[0]), 14)
    pen.text((GAP + PANEL / 2, below), f"window {_range(window, unit)}", 14, anchor="ma")
    pen.text((GAP + PANEL, below), _level(window[1]), 14, anchor="ra")


def _draw_colour_bar(pen: Pen) -> None:
    left = _OVERVIEWS_LEFT[1]
    table = np.broadcast_to(panels.lookup_table(), (BAR_HEIGHT, 256, 3))
    pen.canvas.paste(
        Image.fromarray(np.ascontiguousarray(table)).resize((PANEL, BAR_HEIGHT)), (left, BAR_TOP)
    )
    octaves = int(panels.OCTAVES)
    for octave in range(-octaves, octaves + 1):
        at = left + (octave + octaves) / (2 * octaves) * (PANEL - 1)
        pen.line((at, BAR_TOP + BAR_HEIGHT, at, BAR_TOP + BAR_HEIGHT + 4), SOFT)
        anchor = "la" if octave == -octaves else "ra" if octave == octaves else "ma"
        pen.text(
            (at, BAR_TOP + BAR_HEIGHT + 5),
            f"x{2**octave}" if octave >= 0 else f"x1/{2**-octave}",
            14,
            anchor=anchor,
        )
    below = BAR_TOP + BAR_HEIGHT + 24
    pen.text((left, below), "smoother than the slice", 14)
    pen.text((left + PANEL / 2, below), "as its median", 14, anchor="ma")
    pen.text((left + PANEL, below), "rougher than the slice", 14, anchor="ra")
    pen.canvas.paste(panels.NOT_ASSESSED, (left, below + 21, left + 15, below + 32))
    pen.text(
        (left + 21, below + 18),
        "not assessed      (energy of the residual, averaged over about 7 x 7 pixels)",
        14,
    )


def _range(window: tuple[float, float], unit: str) -> str:
    return f"{_level(window[0])} to {_level(window[1])}{unit}"


def _level(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100.0 else f"{value:.3g}"


def _unit(scan: Slice) -> str:
    return " HU" if scan.facts.unit == "HU" else ""
