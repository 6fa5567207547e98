"""What all pictures share: words, rulers, colours and the place of the two panels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from dfd.outputs.panels import View
from dfd.records import Slice, Verdict

FOOTER = "RESEARCH - not for diagnosis. A low score does not show that an image is genuine."

GAP = 16
PANEL = 512
WIDTH = 3 * GAP + 2 * PANEL
HEADER = 84
PANEL_TOP = HEADER + 26
BAR_TOP = PANEL_TOP + PANEL + 10
BAR_HEIGHT = 12
_KEPT_WORDS = 64
"""Texts whose letters are kept: those of a ruler, a verdict or a title stand in nearly every
picture of a run."""

WHITE = (240, 240, 240)
SOFT = (176, 176, 180)
VERDICT_COLOURS = {Verdict.UNUSUAL: (255, 225, 40), Verdict.STRONGLY_UNUSUAL: (255, 160, 60)}


@dataclass(frozen=True, slots=True)
class Pen:
    """Where text goes and in which size; ``anchor`` as in Pillow."""

    canvas: Image.Image
    edge: int = 0
    """Pixels by which letters are drawn wider."""
    top: int = 0
    """Row of the picture that the first of the canvas is: a canvas may be a band of it."""

    def text(
        self,
        at: tuple[float, float],
        words: str,
        size: int = 15,
        *,
        colour: tuple[int, int, int] = SOFT,
        anchor: str = "la",
    ) -> None:
        """Words at a place, not always a whole pixel."""
        x, y = math.floor(at[0]), math.floor(at[1])
        letters, left, top = _letters(words, size, anchor, self.edge, (at[0] - x, at[1] - y))
        self.canvas.paste(colour, (x + left, y + top - self.top), letters)

    def line(
        self, ends: tuple[float, float, float, float], colour: tuple[int, int, int], width: int = 1
    ) -> None:
        """From one place to another: (x, y, x, y)."""
        left, top, right, bottom = ends
        ImageDraw.Draw(self.canvas).line(
            (left, top - self.top, right, bottom - self.top), fill=colour, width=width
        )


@lru_cache(maxsize=_KEPT_WORDS)
def _letters(
    words: str, size: int, anchor: str, edge: int, shift: tuple[float, float]
) -> tuple[Image.Image, int, int]:
    """How far a text covers each pixel, and where that image lies from the anchor.

    Not to be changed.
    """
    # Larger than any text: to ask for the size first would lay the words out twice.
    across, down = size * (len(words) + 1), 2 * size
    letters = Image.new("L", (2 * across, 2 * down))
    at = across + shift[0], down + shift[1]
    ImageDraw.Draw(letters).text(
        at,
        words,
        fill=255,
        font=ImageFont.load_default(size=size),
        anchor=anchor,
        stroke_width=edge,
    )
    box = letters.getbbox() or (0, 0, 1, 1)
    return letters.crop(box), box[0] - across, box[1] - down


def draw_ruler(pen: Pen, view: View, scan: Slice, corner: tuple[int, int]) -> None:
    """A length of 1, 2 or 5 times a power of ten, about a fifth of the panel.

    In pixels where the header gives no spacing.
    """
    spacing, unit = (scan.facts.spacing_mm[1], "mm") if scan.facts.spacing_mm else (1.0, "px")
    fifth = view.side * spacing / 5.0
    power = 10.0 ** math.floor(math.log10(fifth))
    length = max(step * power for step in (1.0, 2.0, 5.0) if step * power <= fifth)
    left, bottom = corner[0] + 10, corner[1] + view.size - 12
    right = left + length / spacing * view.scale
    inks = ((0, 0, 0), 4), (WHITE, 2)
    for colour, width in inks:
        pen.line((left, bottom, right, bottom), colour, width)
    for colour, width in inks:
        replace(pen, edge=width - 2).text(
            (left, bottom - 6), f"{length:g} {unit}", 14, colour=colour, anchor="lb"
        )
