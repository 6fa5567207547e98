"""maps/0001.png and maps/0001.tif.

Where in a slice without a point the evidence lies, for the eye and as numbers.
"""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dfd.calibration import count_in_words
from dfd.errors import OutputError
from dfd.modalities import Modality
from dfd.outputs import panels, png
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
from dfd.outputs.panels import RgbImage, View
from dfd.records import FloatImage, Screening, Slice
from dfd.regions import radius_in_words

FOLDER = "maps"
LARGEST = 4.0
"""Upper end of the colour scale, the same in every picture: one genuine region in ten thousand."""
LISTED = 8
"""Regions that are listed below the map; all of them stand in suspicious_regions.csv."""

_LIST_TOP = BAR_TOP + 76
_LINE = 22
_BLACK = (0, 0, 0)
_TICKS = ("1", "1 in 10", "1 in 100", "1 in 1000", "1 in 10 000")

# Five colours of plasma (Smith and van der Walt 2015): lightness rises steadily, so that they are
# told apart with any colour vision.
_STOPS = np.linspace(0.0, 1.0, 5)
_COLOURS = np.array(
    [(13, 8, 135), (126, 3, 168), (204, 71, 120), (248, 149, 64), (240, 249, 33)], dtype=np.float64
)


def write(
    folder: Path, number: int, scan: Slice, screening: Screening, *, modality: Modality
) -> Path:
    """Write both files of one slice. They hold no name, number or text of the patient.

    Args:
        folder: Existing folder; ``maps`` is made in it.
        number: Number of the row, for the file names.
        scan: The slice.
        screening: What was found in it.
        modality: Its window shows the slice.

    Returns: The picture. The numbers lie beside it: 32-bit float, -log10 p, NaN where nothing can
        be said.

    Raises:
        OutputError: a file cannot be written.
    """
    target = folder / FOLDER / f"{number:04d}.png"
    try:
        target.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{target.parent} cannot be made: {error.strerror}; choose another output folder"
        ) from error
    numbers = io.BytesIO()
    Image.fromarray(screening.map.astype(np.float32)).save(
        numbers, format="TIFF", compression="tiff_adobe_deflate"
    )
    write_atomically(target.with_suffix(".tif"), numbers.getvalue())
    write_atomically(target, png.file_of(png.pack(np.asarray(draw(scan, screening, modality)))))
    return target


def names_of(number: int) -> tuple[str, str]:
    """Picture and numbers of the row with this number, from the folder of the results."""
    return f"{FOLDER}/{number:04d}.png", f"{FOLDER}/{number:04d}.tif"


def has_numbers(folder: Path, number: int) -> bool:
    """Whether a map was written for the row with this number."""
    return _numbers_file(folder, number).is_file()


def read_numbers(folder: Path, number: int) -> FloatImage:
    """The map of a row as :func:`write` put it down.

    ``[H, W]``, -log10 p, NaN where nothing can be said.
    """
    with Image.open(_numbers_file(folder, number)) as image:
        return np.asarray(image, dtype=np.float32)


def _numbers_file(folder: Path, number: int) -> Path:
    return folder / FOLDER / f"{number:04d}.tif"


def draw(scan: Slice, screening: Screening, modality: Modality) -> Image.Image:
    """The picture: the slice, the map beside it, suspicious regions in both.

    And what is expected of them by chance.
    """
    lines = _lines(screening)
    canvas = Image.new("RGB", (WIDTH, _LIST_TOP + _LINE * len(lines) + 50), panels.BACKGROUND)
    pen = Pen(canvas)
    _draw_header(pen, screening, scan.facts.spacing_mm)
    window = panels.display_window(scan, modality)
    titled = {
        "Slice": panels.grey_image(scan, window),
        "How rare the region around each pixel is among genuine regions": colours(screening.map),
    }
    view = panels.whole_view(scan.pixels.shape, PANEL)
    for index, (title, image) in enumerate(titled.items()):
        left = GAP + index * (PANEL + GAP)
        pen.text((left, HEADER), title, 16, colour=WHITE)
        canvas.paste(_panel(image, view, screening), (left, PANEL_TOP))
        draw_ruler(pen, view, scan, (left, PANEL_TOP))
    _draw_window(pen, window, " HU" if scan.facts.unit == "HU" else "")
    _draw_scale(canvas, pen)
    for number, line in enumerate(lines):
        pen.text((GAP, _LIST_TOP + _LINE * number), line, 16, colour=WHITE)
    pen.text((WIDTH / 2, canvas.height - 20), FOOTER, 16, colour=WHITE, anchor="mm")
    return canvas


def colours(values: FloatImage) -> RgbImage:
    """``[H, W, 3]``: -log10 p from dark blue (0) over red to yellow (``LARGEST`` and more).

    Grey where NaN.
    """
    known = np.isfinite(values)
    image = lookup_table()[
        np.round(np.clip(np.where(known, values, 0.0) / LARGEST, 0.0, 1.0) * 255.0).astype(np.uint8)
    ]
    image[~known] = panels.NOT_ASSESSED
    return image


def lookup_table() -> RgbImage:
    """The colours of the map, ``[256, 3]``, from ordinary to rare."""
    level = np.linspace(0.0, 1.0, 256)
    return np.stack(
        [np.round(np.interp(level, _STOPS, channel)) for channel in _COLOURS.T], axis=1
    ).astype(np.uint8)


def _lines(screening: Screening) -> list[str]:
    """What is said of each region; where there are too many, how many more there are."""
    if not screening.suspicions:
        return [
            "No region stands out."
            if math.isfinite(screening.finding.p_value)
            else screening.finding.reason
        ]
    lines = []
    for number, each in enumerate(screening.suspicions[:LISTED], start=1):
        found = each.finding
        chance = (
            f"{count_in_words(each.expected_false_alarms)} such regions are expected by chance in "
            "a genuine slice"
        )
        lines.append(
            f"{number}    X {found.point.x:g}, Y {found.point.y:g}    {found.form}    {chance}"
        )
    more = len(screening.suspicions) - LISTED
    return [*lines, *([f"and {more} more in suspicious_regions.csv"] if more > 0 else [])]


def _draw_header(pen: Pen, screening: Screening, spacing_mm: tuple[float, float] | None) -> None:
    finding = screening.finding
    colour = VERDICT_COLOURS.get(finding.verdict, WHITE)
    form = f" ({finding.form})" if finding.form else ""
    pen.text((GAP, 14), f"Whole slice: {finding.verdict}{form}", 27, colour=colour)
    if math.isfinite(finding.p_value):
        pen.text(
            (WIDTH - GAP, 14),
            f"{p_equation(finding.p_value)}   score {finding.score:.2f}",
            27,
            colour=colour,
            anchor="ra",
        )
    radius = radius_in_words(screening.radius_px, finding.radius_mm, spacing_mm)
    pen.text(
        (GAP, 54),
        (
            f"no point was given: every region of {radius} was looked at; X (column) and Y (row) "
            "are counted from 0"
        ),
        17,
    )
    if finding.extrapolated:
        pen.text((WIDTH - GAP, 54), "extrapolated", 17, colour=colour, anchor="ra")


def _panel(image: RgbImage, view: View, screening: Screening) -> Image.Image:
    """The whole image in a square panel, suspicious regions outlined and numbered."""
    left, top = math.floor(view.left), math.floor(view.top)
    side = round(view.side)
    square = Image.new("RGB", (side, side), panels.OUTSIDE)
    square.paste(Image.fromarray(image), (-left, -top))
    panel = square.resize((view.size, view.size), Image.Resampling.BICUBIC)
    placed = View(left, top, side, view.size)
    for number, each in reversed(
        list(enumerate(screening.suspicions, start=1))
    ):  # the strongest lies on top
        x, y = placed.place(each.finding.point.x, each.finding.point.y)
        radius = screening.radius_px * placed.scale
        for colour, width, beyond in ((_BLACK, 4, 1.0), (WHITE, 2, 0.0)):
            reach = radius + beyond
            ImageDraw.Draw(panel).ellipse(
                (x - reach, y - reach, x + reach, y + reach), outline=colour, width=width
            )
        slant = radius * math.sqrt(0.5) + 2.0
        right = x + slant < view.size - 24
        at = (x + slant if right else x - slant, y - slant if y - slant > 16 else y + slant)
        for colour, edge in ((_BLACK, 2), (WHITE, 0)):
            Pen(panel, edge).text(
                at, str(number), 17, colour=colour, anchor="lm" if right else "rm"
            )
    return panel


def _draw_window(pen: Pen, window: tuple[float, float], unit: str) -> None:
    for column in range(PANEL):
        level = round(255 * column / (PANEL - 1))
        pen.line((GAP + column, BAR_TOP, GAP + column, BAR_TOP + BAR_HEIGHT), (level, level, level))
    pen.text(
        (GAP + PANEL / 2, BAR_TOP + BAR_HEIGHT + 5),
        f"window {window[0]:.4g} to {window[1]:.4g}{unit}",
        14,
        anchor="ma",
    )


def _draw_scale(canvas: Image.Image, pen: Pen) -> None:
    left, below = 2 * GAP + PANEL, BAR_TOP + BAR_HEIGHT
    table = np.broadcast_to(lookup_table(), (BAR_HEIGHT, 256, 3))
    canvas.paste(
        Image.fromarray(np.ascontiguousarray(table)).resize((PANEL, BAR_HEIGHT)), (left, BAR_TOP)
    )
    for number, words in enumerate(_TICKS):
        at = left + number / (len(_TICKS) - 1) * (PANEL - 1)
        pen.line((at, below, at, below + 4), SOFT)
        pen.text(
            (at, below + 5),
            words,
            14,
            anchor="la" if number == 0 else "ra" if number == len(_TICKS) - 1 else "ma",
        )
    ImageDraw.Draw(canvas).rectangle(
        (left, below + 28, left + 14, below + 38), fill=panels.NOT_ASSESSED
    )
    pen.text(
        (left + 21, below + 25),
        "not assessed      (p-value of one region; the scale is the same in every picture)",
        14,
    )
