"""overlay-0001.png: one picture per point, the slice beside the residual map, for a reader who wants to see what the number means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dfd.modalities import Modality
from dfd.outputs import panels, png
from dfd.outputs.files import write_atomically
from dfd.outputs.panels import GreyImage, RgbImage, View
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
_OVERVIEWS_LEFT = (_GAP, 2 * _GAP + _PANEL)
_HEIGHT = _CROP_TOP + _CROP + 40
_KEPT_WORDS = 64
"""Texts whose letters are kept: those of a ruler, a verdict or a title stand in nearly every picture of a run."""

_WHITE = (240, 240, 240)
_SOFT = (176, 176, 180)
_VERDICT_COLOURS = {"unusual": (255, 225, 40), "strongly unusual": (255, 160, 60)}


@dataclass(frozen=True, slots=True)
class _Pen:
    """Where text goes and in which size; ``anchor`` as in Pillow."""

    canvas: Image.Image
    edge: int = 0
    """Pixels by which letters are drawn wider."""

    def text(self, at: tuple[float, float], words: str, size: int = 15, *, colour: tuple[int, int, int] = _SOFT, anchor: str = "la") -> None:
        x, y = math.floor(at[0]), math.floor(at[1])
        letters, left, top = _letters(words, size, anchor, self.edge, (at[0] - x, at[1] - y))
        self.canvas.paste(colour, (x + left, y + top), letters)

    def line(self, ends: tuple[float, float, float, float], colour: tuple[int, int, int], width: int = 1) -> None:
        ImageDraw.Draw(self.canvas).line(ends, fill=colour, width=width)


@lru_cache(maxsize=_KEPT_WORDS)
def _letters(words: str, size: int, anchor: str, edge: int, shift: tuple[float, float]) -> tuple[Image.Image, int, int]:
    """How far a text covers each pixel, and where that image lies from the anchor. Not to be changed."""
    # Larger than any text: to ask for the size first would lay the words out twice.
    across, down = size * (len(words) + 1), 2 * size
    letters = Image.new("L", (2 * across, 2 * down))
    at = across + shift[0], down + shift[1]
    ImageDraw.Draw(letters).text(at, words, fill=255, font=ImageFont.load_default(size=size), anchor=anchor, stroke_width=edge)
    box = letters.getbbox() or (0, 0, 1, 1)
    return letters.crop(box), box[0] - across, box[1] - down


@dataclass(frozen=True, slots=True)
class SliceImages:
    """The parts of a picture that all points of one slice share."""

    scan: Slice
    grey: GreyImage
    residual: RgbImage
    modality: Modality
    view: View
    """The whole slice."""
    overviews: tuple[RgbImage, RgbImage]
    """Slice and residual map in that view."""
    sheet: Image.Image
    """The picture without what belongs to a point and without rulers, which lie above the outlines."""
    packed: png.Packed
    """The sheet with the rulers of the overviews."""


def render_slice(scan: Slice, prediction: Prediction, modality: Modality) -> SliceImages:
    """Prepare a slice for the pictures of several points: most of the work where there are several."""
    window = panels.display_window(scan, modality)
    residual = panels.residual_colours(panels.residual_octaves(prediction))
    grey = panels.grey_image(scan, window)
    view = panels.whole_view(scan.pixels.shape[:2], _PANEL)
    overviews = panels.cut(grey, view), panels.cut(residual, view)
    sheet = _sheet(overviews, window, _unit(scan))
    ruled = sheet.copy()
    for left in _OVERVIEWS_LEFT:
        _draw_ruler(_Pen(ruled), view, scan, (left, _PANEL_TOP))
    return SliceImages(scan, grey, residual, modality, view, overviews, sheet, png.pack(np.asarray(ruled)))


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
    canvas = images.sheet.copy()
    _draw_header(_Pen(canvas), finding, region)
    source = _source_of(finding, region)
    _draw_overviews(canvas, images, region, source)
    _draw_crops(canvas, images, region, source)
    path = folder / f"overlay-{number:04d}.png"
    write_atomically(path, png.file_of(png.pack(np.asarray(canvas), images.packed)))
    return path


def _sheet(overviews: tuple[RgbImage, RgbImage], window: tuple[float, float], unit: str) -> Image.Image:
    """What stands in the picture of every point of a slice."""
    sheet = Image.new("RGB", (_WIDTH, _HEIGHT), panels.BACKGROUND)
    pen = _Pen(sheet)
    for left, image in zip(_OVERVIEWS_LEFT, overviews, strict=True):
        sheet.paste(Image.fromarray(image), (left, _PANEL_TOP))
    pen.text((_OVERVIEWS_LEFT[1], _HEADER), "Residual map: how far each pixel lies from what the network expected", 16, colour=_WHITE)
    _draw_grey_bar(pen, window, unit)
    _draw_colour_bar(pen)
    pen.text((_WIDTH / 2, _HEIGHT - 20), FOOTER, 16, colour=_WHITE, anchor="mm")
    return sheet


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
    pen = _Pen(canvas)
    pen.text((_OVERVIEWS_LEFT[0], _HEADER), "Slice" if source is None else "Slice (blue: where the same noise stands)", 16, colour=_WHITE)
    outlines = panels.outlines(images.view, region, source)
    frame = panels.frame(outlines)
    for left, image in zip(_OVERVIEWS_LEFT, images.overviews, strict=True):
        marked = Image.fromarray(panels.mark(image, outlines, frame))
        canvas.paste(marked, (left + int(frame[1].start), _PANEL_TOP + int(frame[0].start)))
        _draw_ruler(pen, images.view, images.scan, (left, _PANEL_TOP))


def _draw_crops(canvas: Image.Image, images: SliceImages, region: Region, source: Region | None) -> None:
    pen = _Pen(canvas)
    scan = images.scan
    view = panels.region_view(region, ZOOM, scan.pixels.shape[:2], _CROP)
    part, part_view, box = panels.near(scan, view)
    narrow = panels.display_window(part, images.modality, panels.disk(box, region, NARROW))
    titled: dict[str, GreyImage | RgbImage] = {
        "Region, same window": images.grey[box],
        f"Narrow window {_range(narrow, _unit(scan))} (not clinical)": panels.grey_image(part, narrow),
        "Region, residual map": images.residual[box],
    }
    outlines = panels.outlines(view, region, source)
    step = (_WIDTH - 2 * _GAP - _CROP) / 2
    for index, (title, image) in enumerate(titled.items()):
        left = round(_GAP + index * step)
        pen.text((left, _CROP_TOP - 22), title, 15, colour=_WHITE)
        canvas.paste(Image.fromarray(panels.mark(panels.cut(image, part_view), outlines)), (left, _CROP_TOP))
        _draw_ruler(pen, view, scan, (left, _CROP_TOP))


def _draw_ruler(pen: _Pen, view: View, scan: Slice, corner: tuple[int, int]) -> None:
    """A length of 1, 2 or 5 times a power of ten, about a fifth of the panel; in pixels where the header gives no spacing."""
    spacing, unit = (scan.facts.spacing_mm[1], "mm") if scan.facts.spacing_mm else (1.0, "px")
    fifth = view.side * spacing / 5.0
    power = 10.0 ** math.floor(math.log10(fifth))
    length = max(step * power for step in (1.0, 2.0, 5.0) if step * power <= fifth)
    left, bottom = corner[0] + 10, corner[1] + view.size - 12
    right = left + length / spacing * view.scale
    inks = ((0, 0, 0), 4), (_WHITE, 2)
    for colour, width in inks:
        pen.line((left, bottom, right, bottom), colour, width)
    for colour, width in inks:
        _Pen(pen.canvas, edge=width - 2).text((left, bottom - 6), f"{length:g} {unit}", 14, colour=colour, anchor="lb")


def _draw_grey_bar(pen: _Pen, window: tuple[float, float], unit: str) -> None:
    levels = np.round(np.linspace(0.0, 255.0, _PANEL)).astype(np.uint8)
    pen.canvas.paste(Image.fromarray(np.tile(levels, (_BAR_HEIGHT + 1, 1))), (_GAP, _BAR_TOP))
    below = _BAR_TOP + _BAR_HEIGHT + 5
    pen.text((_GAP, below), _level(window[0]), 14)
    pen.text((_GAP + _PANEL / 2, below), f"window {_range(window, unit)}", 14, anchor="ma")
    pen.text((_GAP + _PANEL, below), _level(window[1]), 14, anchor="ra")


def _draw_colour_bar(pen: _Pen) -> None:
    left = _OVERVIEWS_LEFT[1]
    table = np.broadcast_to(panels.lookup_table(), (_BAR_HEIGHT, 256, 3))
    pen.canvas.paste(Image.fromarray(np.ascontiguousarray(table)).resize((_PANEL, _BAR_HEIGHT)), (left, _BAR_TOP))
    octaves = int(panels.OCTAVES)
    for octave in range(-octaves, octaves + 1):
        at = left + (octave + octaves) / (2 * octaves) * (_PANEL - 1)
        pen.line((at, _BAR_TOP + _BAR_HEIGHT, at, _BAR_TOP + _BAR_HEIGHT + 4), _SOFT)
        anchor = "la" if octave == -octaves else "ra" if octave == octaves else "ma"
        pen.text((at, _BAR_TOP + _BAR_HEIGHT + 5), f"x{2**octave}" if octave >= 0 else f"x1/{2**-octave}", 14, anchor=anchor)
    below = _BAR_TOP + _BAR_HEIGHT + 24
    pen.text((left, below), "smoother than the slice", 14)
    pen.text((left + _PANEL / 2, below), "as its median", 14, anchor="ma")
    pen.text((left + _PANEL, below), "rougher than the slice", 14, anchor="ra")
    pen.canvas.paste(panels.NOT_ASSESSED, (left, below + 21, left + 15, below + 32))
    pen.text((left + 21, below + 18), "not assessed      (energy of the residual, averaged over about 7 x 7 pixels)", 14)


def _range(window: tuple[float, float], unit: str) -> str:
    return f"{_level(window[0])} to {_level(window[1])}{unit}"


def _level(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100.0 else f"{value:.3g}"


def _unit(scan: Slice) -> str:
    return " HU" if scan.facts.unit == "HU" else ""
