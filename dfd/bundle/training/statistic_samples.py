"""Genuine slices with edits in known places, measured: what the learned statistic learns from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.random import Generator

from dfd.alterations import ADDED_SHARE, Material, edit, in_whole_steps, varied
from dfd.alterations.copies import copied
from dfd.alterations.material import Paint, between
from dfd.alterations.shapes import share_at
from dfd.assessment.genuine_series import usable_scan
from dfd.bundle.keys import Keys
from dfd.bundle.training.crops import normalised
from dfd.context.adjacent_slices import AdjacentSlices
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.intensity import assessed_pixels
from dfd.modalities import Modality
from dfd.prediction.learned_statistic import COPY
from dfd.prediction.predict import predict_slice
from dfd.progress import Progress
from dfd.reading.pixel_values import pixels_of
from dfd.records import BoolImage, Context, FloatImage, Point, Slice
from dfd.regions import region_of

logger = logging.getLogger(__name__)

EDITS, GENUINE = 4, 6
"""Places of each kind in a slice, at most."""
CROP_PX = 160
"""Side of the window that an edit sees."""
RADIUS_FACTORS = (0.6, 1.0, 1.0, 1.0, 1.6)
"""Radii asked about, in those that the modality asks about."""
EDIT_RADII = (0.4, 2.2)
"""Radii of edits, in those asked about."""
SMALLEST_EDIT_PX = 3.0
OFFSET_RADII = 0.6
"""How far off the middle of the edit a click lies at most, in radii of the edit."""
APART_RADII = 5.0
"""Between the middles of edits: more of them would stand in each other's reference windows."""
CLEAR_RADII = 2.0
"""Between a genuine place and the rim of an edit."""
COPIES_SHARE = 0.25
"""Edits that are copies."""
QUICK_SHARE = 0.7
"""Slices in which copies are searched for as in screening."""
DEEP_SHARE = 0.4
"""Edits of slices with neighbours that go on in these."""
UNEDITED_SHARE = 0.25
"""Slices in which nothing is edited."""
FAR_SOURCE_RADII = 4.0
"""How far from its copy a source lies at least."""


class Samples(NamedTuple):
    """Regions of many slices."""

    numbers: torch.Tensor
    """``[n, k]`` as the learned statistic takes them."""
    labels: torch.Tensor
    """``[n]``: 0 genuine, 1 + place of the form among ``learned_statistic.FORMS``."""
    patients: tuple[str, ...]
    """Whose each is."""
    kinds: tuple[str, ...]
    """What was done; empty where nothing was."""


@dataclass(frozen=True)
class Edited:
    """A slice with edits, and where."""

    pixels: FloatImage
    context: Context | None
    places: tuple[tuple[float, float], ...]
    """(x, y) that are asked about."""
    labels: tuple[int, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class SampleMaker:
    """Edits and measures slices of genuine scans by one network.

    Args:
        items: slices, as of ``dfd.bundle.datalists.collect``.
        network: predictor and head, trained.
        modality: of the slices.
        painters: networks that draw anew.
    """

    items: Sequence[Mapping[str, Any]]
    network: torch.nn.Module
    modality: Modality
    painters: tuple[Paint, ...] = ()

    def make(self, slices: int, seed: int) -> Samples:
        """Samples of so many slices, patients in turn; the seed decides everything."""
        rng = np.random.default_rng(seed)
        patients = sorted({str(item[Keys.PATIENT]) for item in self.items})
        parts: list[Samples] = []
        adjacent = AdjacentSlices()
        with Progress("editing and measuring genuine slices", slices) as done:
            for number in range(slices):
                if number % len(patients) == 0:
                    turn = rng.permutation(patients)
                patient = str(turn[number % len(patients)])
                own = [item for item in self.items if str(item[Keys.PATIENT]) == patient]
                item = own[int(rng.integers(len(own)))]
                scan = usable_scan(item, self.modality)
                if scan is not None:
                    part = self._of_slice(scan, patient, adjacent, rng)
                    parts += [] if part is None else [part]
                done.update()
        return joined(parts)

    def _of_slice(
        self, scan: Slice, patient: str, adjacent: AdjacentSlices, rng: Generator
    ) -> Samples | None:
        context = adjacent.of(scan)[0] if rng.random() < 0.5 else None
        radius_mm = self.modality.radius_mm * float(rng.choice(RADIUS_FACTORS))
        point = Point(0, "", 0.0, 0.0, radius_mm=radius_mm)
        like = region_of(point, scan, self.modality)
        edited = self._edited(pixels_of(scan), context, like.radius_px, rng)
        if edited is None:
            return None
        prediction = predict_slice(edited.pixels, self.network, self.modality)
        evidence = SliceEvidence(prediction, self.modality, edited.context)
        regions = [replace(like, x=x, y=y) for x, y in edited.places]
        numbers = evidence.numbers(regions, quick=bool(rng.random() < QUICK_SHARE))
        return Samples(
            numbers.cpu(),
            torch.tensor(edited.labels),
            (patient,) * len(regions),
            edited.kinds,
        )

    def _edited(
        self, pixels: FloatImage, context: Context | None, radius: float, rng: Generator
    ) -> Edited | None:
        image, measured, scale = normalised(pixels, self.modality.name)
        around = () if context is None else (context.below, context.above)
        beside = [np.where(np.isfinite(each), each / scale, image) for each in around]
        material = varied(
            Material(image, image, beside[-1] if beside else image, 1.0 / scale), rng
        )
        body = assessed_pixels(pixels, self.modality)
        sites = _sites(body, radius, rng)
        if not len(sites):
            return None
        state = _State(material.pixels.copy(), [each.copy() for each in beside])
        places, labels, kinds = [], [], []
        rims: list[tuple[float, float, float]] = []
        for row, column in sites if rng.random() >= UNEDITED_SHARE else ():
            size = max(SMALLEST_EDIT_PX, radius * between(rng, *EDIT_RADII))
            form, kind = self._edit(state, material, (row, column), size, rng)
            turn, away = rng.uniform(0, 2 * np.pi), size * OFFSET_RADII * np.sqrt(rng.random())
            places.append((column + away * np.cos(turn), row + away * np.sin(turn)))
            labels.append(1 + form)
            kinds.append(kind)
            rims.append((row, column, size))
        for row, column in _clear(body, rims, radius, rng):
            places.append((float(column), float(row)))
            labels.append(0)
            kinds.append("")
        whole = in_whole_steps(state.pixels, material.step) * scale
        changed = np.where(measured, whole, pixels).astype(np.float32)
        if context is not None:
            below, above = (
                np.where(np.isfinite(old), new * scale, old).astype(np.float32)
                for old, new in zip(around, state.beside, strict=True)
            )
            context = replace(context, below=below, above=above)
        height, width = pixels.shape
        inside = tuple(
            (min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)) for x, y in places
        )
        return Edited(changed, context, inside, tuple(labels), tuple(kinds))

    def _edit(
        self,
        state: _State,
        material: Material,
        middle: tuple[int, int],
        size: float,
        rng: Generator,
    ) -> tuple[int, str]:
        """Edits one place of ``state``; gives the form and the name of what was done."""
        window = _window(middle, material.pixels.shape)
        corner = (middle[0] - window[0].start, middle[1] - window[1].start)
        crop = _cut(material.pixels, window)
        share = share_at(CROP_PX, corner, size, rng)
        if rng.random() < COPIES_SHARE:
            source = _source(middle, material.pixels.shape, size, rng)
            put = copied(material.pixels, source, middle, CROP_PX, rng)
            put = np.roll(put, [a - CROP_PX // 2 for a in corner], axis=(0, 1))
            state.put(window, crop + share * (put - crop), crop)
            return COPY, "copied"
        form = 0 if rng.random() < ADDED_SHARE else 1
        elsewhere = _source(middle, material.pixels.shape, size, rng)
        donor = _cut(material.donor, _window(elsewhere, material.pixels.shape))
        small = replace(
            material,
            pixels=crop,
            donor=donor,
            above=_cut(material.above, window),
            paint=None,
            regenerate=self.painters,
        )
        pixels, _, kind = edit(small, share, form, rng)
        state.put(window, pixels, crop)
        if state.beside and rng.random() < DEEP_SHARE:
            for number, image in enumerate(state.beside):
                own = replace(small, pixels=_cut(image, window))
                changed, _, _ = edit(own, share, form, rng)
                state.put_beside(number, window, changed, own.pixels)
        return form, kind


@dataclass
class _State:
    """A slice and those beside it, as far as they are edited. In noise units."""

    pixels: FloatImage
    beside: list[FloatImage]

    def put(self, window: tuple[slice, slice], new: FloatImage, old: FloatImage) -> None:
        """Puts ``new`` where it differs from ``old``, both of a window."""
        _paste(self.pixels, window, new, old)

    def put_beside(
        self, number: int, window: tuple[slice, slice], new: FloatImage, old: FloatImage
    ) -> None:
        """The same in one of the slices beside."""
        _paste(self.beside[number], window, new, old)


def _paste(
    image: FloatImage, window: tuple[slice, slice], new: FloatImage, old: FloatImage
) -> None:
    rows, columns = window
    part = image[rows, columns]
    height, width = part.shape
    new, old = new[:height, :width], old[:height, :width]
    part[new != old] = new[new != old]


def _window(middle: tuple[int, int], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The crop around a place, moved into the image where it can be."""
    rows, columns = (
        max(0, min(place - CROP_PX // 2, size - CROP_PX))
        for place, size in zip(middle, shape, strict=True)
    )
    return slice(rows, rows + CROP_PX), slice(columns, columns + CROP_PX)


def _cut(image: FloatImage, window: tuple[slice, slice]) -> FloatImage:
    """``[CROP_PX, CROP_PX]``; what lies beyond the image is continued from its border."""
    part = image[window]
    short = [(0, CROP_PX - side) for side in part.shape]
    return np.pad(part, short, mode="edge") if any(after for _, after in short) else part.copy()


def _sites(body: BoolImage, radius: float, rng: Generator) -> list[tuple[int, int]]:
    """(row, column) of places in the body for edits, apart from each other."""
    rows, columns = np.nonzero(body)
    chosen: list[tuple[int, int]] = []
    for number in rng.permutation(len(rows))[:400]:
        place = int(rows[number]), int(columns[number])
        if all(np.hypot(place[0] - r, place[1] - c) > APART_RADII * radius for r, c in chosen):
            chosen.append(place)
        if len(chosen) == EDITS:
            break
    return chosen


def _clear(
    body: BoolImage,
    rims: Sequence[tuple[float, float, float]],
    radius: float,
    rng: Generator,
) -> list[tuple[int, int]]:
    """(row, column) of places in the body that no edit reaches."""
    rows, columns = np.nonzero(body)
    chosen: list[tuple[int, int]] = []
    for number in rng.permutation(len(rows))[:400]:
        row, column = int(rows[number]), int(columns[number])
        if all(
            np.hypot(row - r, column - c) > size + CLEAR_RADII * radius for r, c, size in rims
        ):
            chosen.append((row, column))
        if len(chosen) == GENUINE:
            break
    return chosen


def _source(
    middle: tuple[int, int], shape: tuple[int, ...], size: float, rng: Generator
) -> tuple[int, int]:
    """A place some way off, of which the slice holds something all around."""
    margin = int(min(size, min(shape) / 4))
    for _ in range(20):
        place = tuple(int(rng.integers(margin, side - margin)) for side in shape)
        if np.hypot(place[0] - middle[0], place[1] - middle[1]) > FAR_SOURCE_RADII * size:
            break
    return place[0], place[1]


def joined(parts: Sequence[Samples]) -> Samples:
    """Several as one."""
    return Samples(
        torch.cat([part.numbers for part in parts]),
        torch.cat([part.labels for part in parts]),
        tuple(name for part in parts for name in part.patients),
        tuple(kind for part in parts for kind in part.kinds),
    )
