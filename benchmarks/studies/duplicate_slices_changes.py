"""What becomes of a slice that is published twice: the changes of the study of duplicates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from openjpeg.utils import decode, encode_array
from scipy.ndimage import gaussian_filter, zoom

from dfd.records import FloatImage
from dfd.repository.fingerprint import TURNS, filled_pixels, turned

LUNG_WINDOW = (-1350.0, 150.0)
Change = Callable[[FloatImage, np.random.Generator], FloatImage]


def after_turn(turn: int) -> Change:
    """That turn."""
    return lambda pixels, _: turned(pixels, turn)


def jpeg_2000(ratio: float) -> Change:
    """Lossy JPEG 2000 of that compression ratio, from 16 bits."""

    def change(pixels: FloatImage, _: np.random.Generator) -> FloatImage:
        low = float(np.nanmin(pixels))
        stored = np.round(np.nan_to_num(pixels, nan=low) - low).astype(np.uint16)
        return np.asarray(decode(encode_array(stored, compression_ratios=[ratio])), np.float32)

    return change


def noise(share: float) -> Change:
    """White noise of that share of the slice's own, measured in the middle third."""

    def change(pixels: FloatImage, rng: np.random.Generator) -> FloatImage:
        height, width = pixels.shape
        middle = pixels[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
        rough = np.diff(middle, axis=0)[:, 1:] - np.diff(middle, axis=0)[:, :-1]
        sd = float(np.nanmedian(np.abs(rough))) / 0.6745 / 2
        return (pixels + rng.normal(0.0, share * sd, pixels.shape)).astype(np.float32)

    return change


def cropped(share: float) -> Change:
    """That share of the width and height is cut off on each side."""

    def change(pixels: FloatImage, _: np.random.Generator) -> FloatImage:
        rows, columns = (round(share * size) for size in pixels.shape)
        return pixels[rows : pixels.shape[0] - rows, columns : pixels.shape[1] - columns]

    return change


def eight_bits(pixels: FloatImage, _: np.random.Generator) -> FloatImage:
    """256 grey values; what lies outside the window is clipped.

    The lung window in CT, 1st to 99th percentile in MR.
    """
    low, high = LUNG_WINDOW if np.nanmin(pixels) < -500 else np.nanpercentile(pixels, [1, 99])
    return np.round((np.clip(pixels, low, high) - low) / (high - low) * 255).astype(np.float32)


def resized(factor: float) -> Change:
    """Another matrix, by cubic splines."""

    def change(pixels: FloatImage, _: np.random.Generator) -> FloatImage:
        filled = filled_pixels(pixels)
        return np.asarray(zoom(pixels if filled is None else filled, factor, order=3), np.float32)

    return change


CHANGES: dict[str, Change] = {
    **{name: after_turn(turn) for turn, name in enumerate(TURNS) if turn},
    "values times 0.37 plus 11": lambda pixels, _: pixels * np.float32(0.37) + np.float32(11),
    "shifted by (5, -9) pixels": lambda pixels, _: np.roll(pixels, (5, -9), (0, 1)),
    "padded by 13 to 41 pixels": lambda pixels, _: np.pad(
        pixels, ((13, 30), (7, 41)), constant_values=np.float32(np.nanmin(pixels))
    ),
    **{f"{share:.0%} cut off on each side": cropped(share) for share in (0.03, 0.06, 0.125)},
    **{f"JPEG 2000, {ratio} to 1": jpeg_2000(ratio) for ratio in (4, 8, 12, 16)},
    **{f"noise, {share:g} of its own": noise(share) for share in (0.25, 0.5, 1.0)},
    "smoothed, sigma 0.5 pixels": lambda pixels, _: gaussian_filter(
        np.nan_to_num(pixels, nan=float(np.nanmin(pixels))), 0.5
    ),
    "windowed to 8 bits, clipped": eight_bits,
    **{f"resized by {factor:g}": resized(factor) for factor in (0.95, 0.5)},
}
