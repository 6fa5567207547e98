"""Where else does a slice hold a piece of its residual?

Masked normalised correlation over places, turns, mirrorings and sizes.

Source: Padfield, Masked object registration in the Fourier domain (IEEE TIP 2012); the transforms
and the refinement are ours.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from dfd.evidence.copy_refinement import refined
from dfd.evidence.copy_template import Match, Template, correlations_at, transformed_templates
from dfd.evidence.copy_transforms import THOROUGH, Effort, FloatArray, mirror_pairs
from dfd.evidence.search_plane import REACH_PX, Planes, SearchPlane, template_spectra
from dfd.intensity import MAD_TO_SD
from dfd.prediction.masks import disk_within

FEWEST_PLACES = 400
"""Fewer places than this give no reliable spread."""
NORMAL_KURTOSIS = 3.0


def search(
    template: Template, plane: SearchPlane, apart: float, number: int = 0, effort: Effort = THOROUGH
) -> tuple[list[Match], float]:
    """Candidates over all transforms, the best refined and first.

    And the score that such a search reaches by chance; no candidates where places are few.

    Under each transform both planes together propose one place at least ``apart`` pixels from the
    template; then ``Match.score`` ranks them by each plane for itself. ``number``: of the slice,
    for ``Match.slice_number``. The template must have the radius that ``plane`` was made for.
    """
    transforms = effort.transforms
    weight, places, clear = _places_apart(template, plane, apart)
    if places < FEWEST_PLACES or not clear.any():
        return [], 0.0
    values = transformed_templates(template, transforms)
    # A product of matrices would wake threads that then spin, and take the cores from other
    # searches.
    chance = np.einsum("tkn,kns->kts", values.astype(np.float32), plane.terms.patches)[:, :, clear]
    spreads = MAD_TO_SD * np.median(np.abs(chance), axis=(1, 2))
    if spreads.min() <= 0:
        return [], 1.0
    proposed = _proposed(values / spreads[:, None], template, (plane, weight), effort)
    top, left = plane.residual.origin
    candidates = [
        Match(
            transform,
            row + top,
            column + left,
            (0.0, 0.0),
            (float(spreads[0]), float(spreads[1])),
            number,
        )
        for transform, (row, column) in zip(transforms, proposed, strict=True)
    ]
    correlations = correlations_at(candidates, values, template, plane.residual)
    matches = [
        replace(match, correlations=pair)
        for match, pair in zip(candidates, correlations, strict=True)
    ]
    matches.sort(key=lambda match: -match.score)
    tied = float(np.clip(np.mean(chance[0] * chance[1]) / (spreads[0] * spreads[1]), 0.0, 1.0))
    ordinary = ordinary_score(places * len(transforms), tied) * tail_factor(chance)
    best = [refined(match, template, plane.residual) for match in matches[: effort.refined]]
    return sorted(best or matches, key=lambda match: -match.score), ordinary


def _places_apart(
    template: Template, plane: SearchPlane, apart: float
) -> tuple[Planes, int, NDArray[np.bool_]]:
    """The weight ``[H, W]`` of places at least ``apart`` from the template, and how many have one.

    And which of the sampled places lie that far away.
    """
    terms, (top, left) = plane.terms, plane.residual.origin
    height, width = plane.residual.valid.shape
    middle = (template.place[1] - left, template.place[0] - top)
    window, near = disk_within(height, width, middle, apart)
    weight = terms.weight.copy()
    weight[window][near] = 0.0
    places = terms.places - int(np.count_nonzero(terms.weight[window][near]))
    sample = terms.sample
    clear = (sample[:, 1] - middle[0]) ** 2 + (sample[:, 0] - middle[1]) ** 2 > apart**2
    return weight, places, clear


def ordinary_score(trials: int, tied: float) -> float:
    """What ``Match.score`` comes to by chance.

    Where the sum of both planes is the largest of so many, each holds about half of it.

    The largest of n independent normal numbers is about sqrt(2 ln n) (Leadbetter, Lindgren,
    Rootzen, Extremes, 1983, theorem 1.5.3); the sum of two that are correlated by ``tied`` has the
    variance 2 (1 + tied).
    """
    return float(np.sqrt(np.log(max(trials, 2)) * (1.0 + tied)))


def tail_factor(chance: Planes) -> float:
    """How much further than normal numbers a template's chance correlations reach; >= 1.

    ``chance`` ``[2, t, s]``: the correlations, in units of their robust spread.

    A template with structure resembles most places as little as any, and the few with similar
    structure much: its correlations have heavy tails, and their largest grows about as their
    kurtosis (measured on genuine slices, docs/explanation/method.md). The score holds the root of
    both planes.
    """
    squares = chance.astype(np.float64) ** 2
    kurtosis = (squares**2).mean(axis=(1, 2)) / squares.mean(axis=(1, 2)) ** 2
    return float(np.sqrt(np.prod(np.maximum(kurtosis / NORMAL_KURTOSIS, 1.0))))


def _proposed(
    values: FloatArray, template: Template, where: tuple[SearchPlane, Planes], effort: Effort
) -> list[tuple[int, int]]:
    """The (row, column) of a plane, weighted, that resembles each of ``values`` ``[t, 2, n]`` most.

    Both planes together.

    Where the mirrored template matches, the template itself, turned the other way, matches in the
    mirrored plane: both share one spectrum.
    """
    plane, weight = where
    height, width = plane.residual.valid.shape
    rows, columns = (template.offsets + REACH_PX).T

    def best(numbers: list[int]) -> list[tuple[int, int]]:
        padded = np.zeros((2, 2 * REACH_PX + 1, 2 * REACH_PX + 1), dtype=np.float32)
        padded[:, rows, columns] = values[numbers[0]]
        if effort.transforms[numbers[0]].mirrored:
            padded = padded[:, :, ::-1]
        spectrum = np.conj(template_spectra(padded, plane.size))
        return [peak(spectrum, effort.transforms[number].mirrored) for number in numbers]

    def peak(spectrum: NDArray[np.complex64], mirrored: bool) -> tuple[int, int]:
        product = spectrum * plane.spectra[int(mirrored)]
        product[0] += product[1]
        resemblance = fft.irfft2(product[0], plane.size)[:height, :width]
        row, column = divmod(
            int(((resemblance[:, ::-1] if mirrored else resemblance) * weight).argmax()), width
        )
        return row, column

    pairs = mirror_pairs(effort.transforms)
    if effort.threads == 1 or len(pairs) <= effort.threads:
        peaks = [best(numbers) for numbers in pairs]
    else:
        with ThreadPoolExecutor(max_workers=effort.threads) as pool:
            peaks = list(pool.map(best, pairs))
    by_number = {
        number: place
        for numbers, places in zip(pairs, peaks, strict=True)
        for number, place in zip(numbers, places, strict=True)
    }
    return [by_number[number] for number in range(len(values))]
