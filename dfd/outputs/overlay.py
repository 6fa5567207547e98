"""overlay-0001.png: one picture per point, the slice beside the residual map, for a reader who wants to see what the number means."""

from __future__ import annotations

import io
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dfd.modalities import Modality
from dfd.outputs import panels
from dfd.outputs.files import write_atomically
from dfd.outputs.panels import RgbImage, View
from dfd.records import Finding, Prediction, Region, Slice

FOOTER = "RESEARCH - not for diagnosis. A low score does not show that an image is genuine."
ZOOM = 4.0
"""Radii to each side of the region in the crops."""
NARROW = 2.0
"""Radii around the centre whose percentiles set the narrow window."""

_GAP = 16
_PANEL = 512
_CROP = 336
_WIDTH = 3 * _GAP + 2 * _PANEL
_HEADER = 84
_PANEL_TOP = _HEADER + 26
_BAR_TOP = _PANEL_TOP + _PANEL + 10
_BAR_HEIGHT = 12
_CROP_TOP = _BAR_TOP + 94
_HEIGHT = _CROP_TOP + _CROP + 40
_COMPRESSION = 1
"""zlib level: a noisy picture gains little from more, and encoding is the longest step."""

_WHITE = (240, 240, 240)
_SOFT = (176, 176, 180)
_VERDICT_COLOURS = {"unusual": (255, 225, 40), "strongly unusual": (255, 160, 60)}


@dataclass(frozen=True, slots=True)
class _Pen:
    """Where text goes and in which size; ``anchor`` as in Pillow."""

    draw: ImageDraw.ImageDraw

    def text(self, at: tuple[float, float], words: str, size: int = 15, *, colour: tuple[int, int, int] = _SOFT, anchor: str = "la") -> None:
        self.draw.text(at, words, fill=colour, font=ImageFont.load_default(size=size), anchor=anchor)


@dataclass(frozen=True, slots=True)
class SliceImages:
    """The parts of a picture that all points of one slice share."""

    scan: Slice
    grey: RgbImage
    residual: RgbImage
    window: tuple[float, float]
    modality: Modality


def render_slice(scan: Slice, prediction: Prediction, modality: Modality) -> SliceImages:
    """Prepare a slice for the pictures of several points: its windowed image and its residual map, a third of the work."""
    window = panels.display_window(scan, modality)
    residual = panels.residual_colours(panels.residual_octaves(prediction))
    return SliceImages(scan, panels.grey_image(scan, window), residual, window, modality)


def write(  # noqa: PLR0913 - the keywords are records that a caller has anyway
    folder: Path, number: int, scan: Slice, region: Region, prediction: Prediction, *, finding: Finding, modality: Modality
) -> Path:
    """Write the picture of one point. It holds no name, number or text of the patient, and pixels only.

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


def write_rendered(folder: Path, number: int, images: SliceImages, region: Region, finding: Finding) -> Path:
    """As ``write``, for a slice that ``render_slice`` has prepared.

    Raises:
        OutputError: the file cannot be written.
    """
    canvas = Image.new("RGB", (_WIDTH, _HEIGHT), panels.BACKGROUND)
    pen = _Pen(ImageDraw.Draw(canvas))
    _draw_header(pen, finding, region)
    source = _source_of(finding, region)
    _draw_overviews(canvas, images, region, source)
    _draw_grey_bar(pen, images.window, _unit(images.scan))
    _draw_colour_bar(canvas, pen)
    _draw_crops(canvas, images, region, source)
    pen.text((_WIDTH / 2, _HEIGHT - 20), FOOTER, 16, colour=_WHITE, anchor="mm")
    stream = io.BytesIO()
    canvas.save(stream, format="PNG", compress_level=_COMPRESSION, compress_type=zlib.Z_RLE)
    path = folder / f"overlay-{number:04d}.png"
    write_atomically(path, stream.getvalue())
    return path


def _draw_header(pen: _Pen, finding: Finding, region: Region) -> None:
    colour = _VERDICT_COLOURS.get(finding.verdict, _WHITE)
    form = f" ({finding.form})" if finding.form else ""
    pen.text((_GAP, 14), finding.verdict + form, 27, colour=colour)
    if math.isfinite(finding.p_value):
        words = f"p = {finding.p_value:.2g}" + (f"   score {finding.score:.2f}" if math.isfinite(finding.score) else "")
        pen.text((_WIDTH - _GAP, 14), words, 27, colour=colour, anchor="ra")
    radius_mm = finding.radius_mm if finding.radius_mm is not None else region.radius_mm
    radius = f"radius {region.radius_px:.1f} px" if radius_mm is None else f"radius {radius_mm:.1f} mm"
    details = [radius, f"tissue: {finding.tissue}" if finding.tissue else "", f"X {region.x:g} (column), Y {region.y:g} (row), counted from 0"]
    pen.text((_GAP, 54), "     ".join(detail for detail in details if detail), 17)
    if finding.extrapolated:
        pen.text((_WIDTH - _GAP, 54), "extrapolated beyond the calibration patients", 17, colour=colour, anchor="ra")


def _source_of(finding: Finding, region: Region) -> Region | None:
    """Where the noise of the region stands again in this slice."""
    if finding.source_x is None or finding.source_y is None or finding.source_file:
        return None
    return Region(finding.source_x, finding.source_y, region.radius_px)


def _draw_overviews(canvas: Image.Image, images: SliceImages, region: Region, source: Region | None) -> None:
    pen = _Pen(ImageDraw.Draw(canvas))
    view = panels.whole_view(images.scan.pixels.shape[:2], _PANEL)
    slice_title = "Slice" if source is None else "Slice (blue: where the same noise stands)"
    titled = {slice_title: images.grey, "Residual map: how far each pixel lies from what the network expected": images.residual}
    for index, (title, image) in enumerate(titled.items()):
        left = _GAP + index * (_PANEL + _GAP)
        pen.text((left, _HEADER), title, 16, colour=_WHITE)
        canvas.paste(Image.fromarray(panels.show(image, view, region, source)), (left, _PANEL_TOP))
        _draw_ruler(pen, view, images.scan, (left, _PANEL_TOP))


def _draw_crops(canvas: Image.Image, images: SliceImages, region: Region, source: Region | None) -> None:
    pen = _Pen(ImageDraw.Draw(canvas))
    scan = images.scan
    narrow = panels.display_window(scan, images.modality, panels.disk(scan.pixels.shape[:2], region, NARROW))
    titled = {
        "Region, same window": images.grey,
        f"Narrow window {_range(narrow, _unit(scan))} (not clinical)": panels.grey_image(scan, narrow),
        "Region, residual map": images.residual,
    }
    view = panels.region_view(region, ZOOM, scan.pixels.shape[:2], _CROP)
    step = (_WIDTH - 2 * _GAP - _CROP) / 2
    for index, (title, image) in enumerate(titled.items()):
        left = round(_GAP + index * step)
        pen.text((left, _CROP_TOP - 22), title, 15, colour=_WHITE)
        canvas.paste(Image.fromarray(panels.show(image, view, region, source)), (left, _CROP_TOP))
        _draw_ruler(pen, view, scan, (left, _CROP_TOP))


def _draw_ruler(pen: _Pen, view: View, scan: Slice, corner: tuple[int, int]) -> None:
    """A length of 1, 2 or 5 times a power of ten, about a fifth of the panel; in pixels where the header gives no spacing."""
    spacing, unit = (scan.facts.spacing_mm[1], "mm") if scan.facts.spacing_mm else (1.0, "px")
    fifth = view.side * spacing / 5.0
    power = 10.0 ** math.floor(math.log10(fifth))
    length = max(step * power for step in (1.0, 2.0, 5.0) if step * power <= fifth)
    left, bottom = corner[0] + 10, corner[1] + view.size - 12
    right = left + length / spacing * view.scale
    for colour, width in (((0, 0, 0), 4), (_WHITE, 2)):
        pen.draw.line((left, bottom, right, bottom), fill=colour, width=width)
    pen.draw.text(
        (left, bottom - 6),
        f"{length:g} {unit}",
        fill=_WHITE,
        font=ImageFont.load_default(size=14),
        anchor="lb",
        stroke_width=2,
        stroke_fill=(0, 0, 0),
    )


def _draw_grey_bar(pen: _Pen, window: tuple[float, float], unit: str) -> None:
    for column in range(_PANEL):
        level = round(255 * column / (_PANEL - 1))
        pen.draw.line((_GAP + column, _BAR_TOP, _GAP + column, _BAR_TOP + _BAR_HEIGHT), fill=(level, level, level))
    below = _BAR_TOP + _BAR_HEIGHT + 5
    pen.text((_GAP, below), _level(window[0]), 14)
    pen.text((_GAP + _PANEL / 2, below), f"window {_range(window, unit)}", 14, anchor="ma")
    pen.text((_GAP + _PANEL, below), _level(window[1]), 14, anchor="ra")


def _draw_colour_bar(canvas: Image.Image, pen: _Pen) -> None:
    left = 2 * _GAP + _PANEL
    table = np.broadcast_to(panels.lookup_table(), (_BAR_HEIGHT, 256, 3))
    canvas.paste(Image.fromarray(np.ascontiguousarray(table)).resize((_PANEL, _BAR_HEIGHT)), (left, _BAR_TOP))
    octaves = int(panels.OCTAVES)
    for octave in range(-octaves, octaves + 1):
        at = left + (octave + octaves) / (2 * octaves) * (_PANEL - 1)
        pen.draw.line((at, _BAR_TOP + _BAR_HEIGHT, at, _BAR_TOP + _BAR_HEIGHT + 4), fill=_SOFT)
        anchor = "la" if octave == -octaves else "ra" if octave == octaves else "ma"
        pen.text((at, _BAR_TOP + _BAR_HEIGHT + 5), f"x{2**octave}" if octave >= 0 else f"x1/{2**-octave}", 14, anchor=anchor)
    below = _BAR_TOP + _BAR_HEIGHT + 24
    pen.text((left, below), "smoother than the slice", 14)
    pen.text((left + _PANEL / 2, below), "as its median", 14, anchor="ma")
    pen.text((left + _PANEL, below), "rougher than the slice", 14, anchor="ra")
    pen.draw.rectangle((left, below + 21, left + 14, below + 31), fill=panels.NOT_ASSESSED)
    pen.text((left + 21, below + 18), "not assessed      (energy of the residual, averaged over about 7 x 7 pixels)", 14)


def _range(window: tuple[float, float], unit: str) -> str:
    return f"{_level(window[0])} to {_level(window[1])}{unit}"


def _level(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100.0 else f"{value:.3g}"


def _unit(scan: Slice) -> str:
    return " HU" if scan.facts.unit == "HU" else ""
