"""Where else in a slice does a piece of its residual stand?

Masked normalised correlation over places, turns, mirrorings and sizes.

Source: Padfield, Masked object registration in the Fourier domain (IEEE TIP 2012), for planes that
are zero where nothing is known and have mean zero elsewhere; the transforms and the refinement are
ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import map_coordinates, spline_filter

from dfd.evidence.window_features import SUPPORT, disk_offsets
from dfd.intensity import MAD_TO_SD
from dfd.prediction.masks import disk_within
from dfd.records import BoolImage

REACH_PX = 10
"""Largest radius of a piece: smaller than most regions, so that a click beside the middle of a
copy, or its faded rim, takes little away."""
ROOM_PX = 20
"""Half side of the square that turned and resized pieces are sampled from: the largest reach, and
what cubic splines lean on."""
LEAST_ENERGY = 0.25
"""Places whose mean square lies below this (planes have about 1) are flat, and no better match than
their few values support."""
SAMPLED = 480
"""Places, evenly spread, that tell the spread of correlations."""
FEWEST_PLACES = 400
"""Fewer places than this tell no spread."""
NORMAL_KURTOSIS = 3.0
FINER = ((2.5, 0.025, 0.5), (1.25, 0.0125, 0.25), (0.6, 0.006, 0.25))
"""(degrees, size, pixels) that the refinement steps by, in turn: the first is half of the steps of
``TRANSFORMS``."""

GAIN = 1.01
"""A refinement must raise the score by this factor: less comes by chance, and would bend what is
exact."""

FloatArray = NDArray[np.float64]
Planes = NDArray[np.float32]
Offsets = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Transform:
    """What the other place is of this piece: mirrored left to right, then rotated, then resized."""

    mirrored: bool = False
    degrees: float = 0.0
    """Counter-clockwise as seen on a screen."""
    size: float = 1.0
    """Of the other place, where this one has 1."""

    @property
    def back(self) -> FloatArray:
        """``[2, 2]``: leads from (row, column) steps there to steps here."""
        cosine, sine = np.cos(np.radians(self.degrees)), np.sin(np.radians(self.degrees))
        matrix = np.array([[cosine, sine], [-sine, cosine]]) / self.size
        return np.diag([1.0, -1.0]) @ matrix if self.mirrored else matrix


TRANSFORMS = tuple(
    Transform(mirrored, degrees, size)
    for mirrored in (False, True)
    for degrees, size in (
        *((float(degrees), 1.0) for degrees in range(-15, 16, 5)),
        *((0.0, size) for size in (0.9, 0.95, 1.05, 1.1)),
        *((degrees, 1.0) for degrees in (90.0, 180.0, 270.0)),
    )
)
"""At the rim of a piece, steps of 5 degrees and 5 % are under half a pixel from the next: white
noise keeps most of its correlation."""

QUICK_TRANSFORMS = (Transform(), Transform(True))
"""For a search of every place of a slice, which refines nothing: a copy of whole pixels is found as
it is."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How copies are searched for."""

    transforms: tuple[Transform, ...] = TRANSFORMS
    threads: int = 2
    """For the transforms of one piece; 1 where many pieces are searched for at once."""
    refined: int = 2
    """Candidates whose turn, size and fractions of a pixel are searched more finely."""


THOROUGH = Effort()


@dataclass(frozen=True)
class Ground:
    """Residual planes of one slice within the window of its body, and their spectra.

    Made once, searched by every region.
    """

    planes: Planes
    """``[2, H, W]`` with ``REACH_PX`` zeros around: mean 0 and mean square about 1, 0 where nothing
    is known."""
    known: BoolImage
    """``[H, W]``, without the rim."""
    origin: tuple[int, int]
    """(row, column) of the window in the slice."""
    spectra: NDArray[np.complex64]
    """Of ``planes`` as they are and mirrored left to right, ``[2, 2, ...]``."""
    weights: NDArray[np.complex64]
    """Spectra of the squares of ``planes`` and of ``known``, ``[3, ...]``."""
    size: tuple[int, int]
    """Of the transforms."""
    held: dict[float, Held] = field(default_factory=dict)
    """What disks of one radius hold, made when first asked for."""


@dataclass(frozen=True)
class Held:
    """What disks of one radius hold all over a ground."""

    weight: Planes
    """``[H, W]`` geometric mean of both: for proposing places by both planes at once."""
    places: int
    """How many have a weight."""
    sample: Offsets
    """``[s, 2]`` (row, column) of ``SAMPLED`` allowed places."""
    patches: Planes
    """``[2, n, s]`` what stands there, every column of norm 1."""


@dataclass(frozen=True)
class Piece:
    """A disk cut out of a ground."""

    coefficients: FloatArray
    """``[2, S, S]`` cubic splines of the planes around the middle."""
    middle: tuple[float, float]
    """(row, column) of the disk's centre in the square."""
    offsets: Offsets
    """``[n, 2]`` (row, column) steps of the disk's pixels."""
    place: tuple[float, float]
    """(row, column) in the slice."""
    radius: float


@dataclass(frozen=True, slots=True)
class Match:
    """A place where a piece stands again, more or less."""

    transform: Transform
    row: float
    column: float
    """In the slice that was searched."""
    correlations: tuple[float, float]
    """Of both planes."""
    spreads: tuple[float, float]
    """Robust deviation of the correlations over places and transforms."""
    ground: int = 0
    """Number of the ground searched."""

    @property
    def score(self) -> float:
        """Geometric mean of both correlations in units of their spread, 0 where one is negative.

        Both planes must agree.
        """
        first, second = (
            max(value, 0.0) / spread
            for value, spread in zip(self.correlations, self.spreads, strict=True)
        )
        return float(np.sqrt(first * second))


def ground_of(planes: Planes, known: BoolImage) -> Ground:
    """Crops to the window of what is known, and transforms.

    ``planes`` ``[2, H, W]``, ``known`` ``[H, W]`` with at least one pixel.
    """
    rows, columns = (np.flatnonzero(known.any(axis=axis)) for axis in (1, 0))
    window = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    rim = ((0, 0), (REACH_PX, REACH_PX), (REACH_PX, REACH_PX))
    inside = known[window]
    padded = np.pad(np.where(inside, planes[:, window[0], window[1]], 0.0).astype(np.float32), rim)
    support = np.pad(inside[None].astype(np.float32), rim)
    size = (
        fft.next_fast_len(padded.shape[1], real=True),
        fft.next_fast_len(padded.shape[2], real=True),
    )
    spectra = fft.rfft2(np.stack([padded, padded[:, :, ::-1]]), size)
    weights = fft.rfft2(np.concatenate([padded**2, support]), size)
    return Ground(padded, inside, (window[0].start, window[1].start), spectra, weights, size)


def cut(ground: Ground, place: tuple[float, float], radius: float) -> Piece:
    """The disk of ``radius`` (at most ``REACH_PX``) around ``place`` = (row, column) of the slice.

    Zero outside the window.
    """
    radius = min(radius, float(REACH_PX))
    inner = [value - start for value, start in zip(place, ground.origin, strict=True)]
    corner = [round(value) - ROOM_PX for value in inner]
    side = 2 * ROOM_PX + 1
    square = np.zeros((2, side, side))
    low = [min(max(0, -start), side) for start in corner]
    high = [
        max(min(side, length - start), first)
        for start, length, first in zip(corner, ground.known.shape, low, strict=True)
    ]
    rows, columns = (
        slice(start + first + REACH_PX, start + last + REACH_PX)
        for start, first, last in zip(corner, low, high, strict=True)
    )
    if high[0] > low[0] and high[1] > low[1]:
        square[:, low[0] : high[0], low[1] : high[1]] = ground.planes[:, rows, columns]
    coefficients = np.stack([spline_filter(plane, order=3, mode="mirror") for plane in square])
    return Piece(
        coefficients,
        (inner[0] - corner[0], inner[1] - corner[1]),
        disk_offsets(radius),
        place,
        radius,
    )


def sampled(
    piece: Piece, transforms: Sequence[Transform], shifts: FloatArray | None = None
) -> FloatArray:
    """``[t, 2, n]``: what each place would hold if it were the piece under each transform.

    At the piece's offsets; every row of norm 1, or 0.

    ``shifts`` ``[t, 2]`` are (row, column) steps by which the other place lies off the whole pixel.
    """
    steps = np.broadcast_to(
        piece.offsets.T.astype(np.float64), (len(transforms), 2, len(piece.offsets))
    )
    if shifts is not None:
        steps = steps + shifts[:, :, None]
    back = np.stack([transform.back for transform in transforms])
    places = (back @ steps + np.asarray(piece.middle)[:, None]).swapaxes(0, 1)
    values = np.stack(
        [
            map_coordinates(plane, places, order=3, mode="mirror", prefilter=False)
            for plane in piece.coefficients
        ],
        axis=1,
    )
    norms = np.sqrt((values**2).sum(axis=2, keepdims=True))
    return np.asarray(np.divide(values, norms, out=np.zeros_like(values), where=norms > 1e-6))


def held_by(ground: Ground, radius: float) -> Held:
    """What disks of ``radius`` hold; made once for each radius."""
    if radius not in ground.held:
        ground.held[radius] = _held(ground, disk_offsets(radius))
    return ground.held[radius]


def _held(ground: Ground, offsets: Offsets) -> Held:
    full = np.zeros((2 * REACH_PX + 1, 2 * REACH_PX + 1), dtype=np.float32)
    full[offsets[:, 0] + REACH_PX, offsets[:, 1] + REACH_PX] = 1.0
    sums = _correlated(ground, ground.weights, full[None])
    allowed = (sums[2] >= SUPPORT * len(offsets)) & ground.known
    inverse = np.where(
        allowed, 1.0 / np.sqrt(np.maximum(sums[:2], LEAST_ENERGY * len(offsets))), 0.0
    ).astype(np.float32)
    places = np.argwhere(allowed)
    sample = (
        places[np.linspace(0, len(places) - 1, SAMPLED).astype(np.int64)] if len(places) else places
    )
    index = sample[:, None] + offsets[None] + REACH_PX
    patches = (
        ground.planes[:, index[..., 0], index[..., 1]]
        * inverse[:, sample[:, 0], sample[:, 1]][..., None]
    )
    weight = np.sqrt(inverse[0] * inverse[1])
    return Held(
        weight, int(np.count_nonzero(weight)), sample, np.ascontiguousarray(patches.swapaxes(1, 2))
    )


def _spectra_of(templates: Planes, size: tuple[int, int]) -> NDArray[np.complex64]:
    """Of small ``templates`` ``[k, 21, 21]``.

    Most rows of the padded template are empty: it is transformed along its few rows first.
    """
    return np.asarray(fft.fft(fft.rfft(templates, n=size[1], axis=2), n=size[0], axis=1))


def _correlated(ground: Ground, spectra: NDArray[np.complex64], templates: Planes) -> Planes:
    """``[k, H, W]`` sums of products of planes, given by their spectra.

    With small ``templates`` ``[1 or k, 21, 21]`` at every place.
    """
    height, width = ground.known.shape
    products = spectra * np.conj(_spectra_of(templates, ground.size))
    return np.asarray(fft.irfft2(products, ground.size)[:, :height, :width], dtype=np.float32)


def search(
    piece: Piece, ground: Ground, apart: float, number: int = 0, effort: Effort = THOROUGH
) -> tuple[list[Match], float]:
    """Candidates over all transforms, the best refined and first.

    And the score that such a search reaches by chance; none where places are few.

    Under each transform both planes together propose one place at least ``apart`` pixels from the
    piece; then ``Match.score`` asks each for itself.
    """
    held = held_by(ground, piece.radius)
    height, width = ground.known.shape
    middle = (piece.place[1] - ground.origin[1], piece.place[0] - ground.origin[0])
    window, near = disk_within(height, width, middle, apart)
    weight = held.weight.copy()
    weight[window][near] = 0.0
    places = held.places - int(np.count_nonzero(held.weight[window][near]))
    clear = (held.sample[:, 1] - middle[0]) ** 2 + (held.sample[:, 0] - middle[1]) ** 2 > apart**2
    if places < FEWEST_PLACES or not clear.any():
        return [], 0.0
    transforms = effort.transforms
    values = sampled(piece, transforms)
    # A product of matrices would wake threads that then spin, and take the cores from other
    # searches.
    chance = np.einsum("tkn,kns->kts", values.astype(np.float32), held.patches)[:, :, clear]
    spreads = MAD_TO_SD * np.median(np.abs(chance), axis=(1, 2))
    if spreads.min() <= 0:
        return [], 1.0
    proposed = _proposed(values / spreads[:, None], piece, (ground, weight), effort)
    offered = [
        Match(
            transform,
            row + ground.origin[0],
            column + ground.origin[1],
            (0.0, 0.0),
            (float(spreads[0]), float(spreads[1])),
            number,
        )
        for transform, (row, column) in zip(transforms, proposed, strict=True)
    ]
    found = [
        replace(match, correlations=pair)
        for match, pair in zip(offered, _at(offered, values, piece, ground), strict=True)
    ]
    found.sort(key=lambda match: -match.score)
    tied = float(np.clip(np.mean(chance[0] * chance[1]) / (spreads[0] * spreads[1]), 0.0, 1.0))
    ordinary = ordinary_score(places * len(transforms), tied) * heaviness(chance)
    best = [refined(match, piece, ground) for match in found[: effort.refined]] or found
    return sorted(best, key=lambda match: -match.score), ordinary


def ordinary_score(trials: int, tied: float) -> float:
    """What ``Match.score`` comes to by chance.

    Where the sum of both planes is the largest of so many, each holds about half of it.

    The largest of n independent normal numbers is about sqrt(2 ln n) (Leadbetter, Lindgren,
    Rootzen, Extremes, 1983, theorem 1.5.3); the sum of two that are correlated by ``tied`` has the
    variance 2 (1 + tied).
    """
    return float(np.sqrt(np.log(max(trials, 2)) * (1.0 + tied)))


def heaviness(chance: Planes) -> float:
    """How much further than normal numbers the correlations ``chance`` ``[2, t.

    S]`` of a piece reach, in units of their robust spread; >= 1.

    A piece with structure resembles most places as little as any, and the few with alike structure
    much: its correlations have heavy tails, and their largest grows about as their kurtosis
    (measured on genuine slices, docs/explanation/method.md). The score holds the root of both
    planes.
    """
    squares = chance.astype(np.float64) ** 2
    kurtosis = (squares**2).mean(axis=(1, 2)) / squares.mean(axis=(1, 2)) ** 2
    return float(np.sqrt(np.prod(np.maximum(kurtosis / NORMAL_KURTOSIS, 1.0))))


def _proposed(
    values: FloatArray, piece: Piece, where: tuple[Ground, Planes], effort: Effort
) -> list[tuple[int, int]]:
    """The place (row, column) of a ground, weighted.

    Where both planes together resemble each of ``values`` ``[t, 2, n]`` most.

    A mirrored piece stands where the piece itself, turned the other way, stands in the mirrored
    ground: both share one spectrum.
    """
    ground, weight = where
    height, width = ground.known.shape

    def best(numbers: list[int]) -> list[tuple[int, int]]:
        template = np.zeros((2, 2 * REACH_PX + 1, 2 * REACH_PX + 1), dtype=np.float32)
        template[:, piece.offsets[:, 0] + REACH_PX, piece.offsets[:, 1] + REACH_PX] = values[
            numbers[0]
        ]
        if effort.transforms[numbers[0]].mirrored:
            template = template[:, :, ::-1]
        spectrum = np.conj(_spectra_of(template, ground.size))
        return [peak(spectrum, effort.transforms[number].mirrored) for number in numbers]

    def peak(spectrum: NDArray[np.complex64], mirrored: bool) -> tuple[int, int]:
        product = spectrum * ground.spectra[int(mirrored)]
        product[0] += product[1]
        found = fft.irfft2(product[0], ground.size)[:height, :width]
        row, column = divmod(
            int(((found[:, ::-1] if mirrored else found) * weight).argmax()), width
        )
        return row, column

    pairs = paired(effort.transforms)
    if effort.threads == 1 or len(pairs) <= effort.threads:
        places = [best(numbers) for numbers in pairs]
    else:
        with ThreadPoolExecutor(max_workers=effort.threads) as pool:
            places = list(pool.map(best, pairs))
    told = {
        number: place
        for numbers, found in zip(pairs, places, strict=True)
        for number, place in zip(numbers, found, strict=True)
    }
    return [told[number] for number in range(len(values))]


@cache
def paired(transforms: tuple[Transform, ...]) -> list[list[int]]:
    """Numbers of ``transforms``, those together that differ by a mirror.

    One template serves both.
    """
    together: dict[tuple[float, float], list[int]] = {}
    for number, transform in enumerate(transforms):
        turned = -transform.degrees if transform.mirrored else transform.degrees
        together.setdefault((round(turned % 360.0, 6), transform.size), []).append(number)
    return list(together.values())


def _at(
    matches: Sequence[Match], values: FloatArray, piece: Piece, ground: Ground
) -> list[tuple[float, float]]:
    """Correlations of both planes at the whole pixels nearest to ``matches``.

    Given what should stand there (``sampled``).
    """
    height, width = ground.known.shape
    rows = np.clip(np.rint([match.row - ground.origin[0] for match in matches]), 0, height - 1)
    columns = np.clip(np.rint([match.column - ground.origin[1] for match in matches]), 0, width - 1)
    index = (
        np.stack([rows, columns], axis=1).astype(np.int64)[:, :, None]
        + piece.offsets.T[None]
        + REACH_PX
    )
    there = ground.planes[:, index[:, 0], index[:, 1]].swapaxes(0, 1)
    norms = np.sqrt(np.maximum((there**2).sum(axis=2), LEAST_ENERGY * len(piece.offsets)))
    return [(float(first), float(second)) for first, second in (values * there).sum(axis=2) / norms]


def refined(match: Match, piece: Piece, ground: Ground) -> Match:
    """The same place with turn, size and fractions of a pixel searched more finely.

    As long as ``Match.score`` rises.
    """
    for degrees, size, pixels in FINER:
        turn = [
            (
                replace(
                    match.transform,
                    degrees=match.transform.degrees + a * degrees,
                    size=match.transform.size + b * size,
                ),
                0.0,
                0.0,
            )
            for a in (-1, 0, 1)
            for b in (-1, 0, 1)
        ]
        match = _best_of(match, turn, piece, ground)
        move = [(match.transform, a * pixels, b * pixels) for a in (-1, 0, 1) for b in (-1, 0, 1)]
        match = _best_of(match, move, piece, ground)
    return match


def _best_of(
    match: Match, tried: list[tuple[Transform, float, float]], piece: Piece, ground: Ground
) -> Match:
    options = [
        replace(match, transform=transform, row=match.row + down, column=match.column + right)
        for transform, down, right in tried
    ]
    inner = np.array(
        [[option.row - ground.origin[0], option.column - ground.origin[1]] for option in options]
    )
    nearest = np.clip(np.rint(inner), 0, np.array(ground.known.shape) - 1)
    values = sampled(piece, [option.transform for option in options], nearest - inner)
    options = [
        replace(option, correlations=pair)
        for option, pair in zip(options, _at(options, values, piece, ground), strict=True)
    ]
    # A refinement that gains nothing must not move a place that is exact.
    best = max(options, key=lambda option: option.score)
    return best if best.score > GAIN * match.score else match
