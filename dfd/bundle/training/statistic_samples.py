"""Genuine slices with edits in known places, measured: what the learned statistic learns from."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.random import Generator

from dfd.alterations import ADDED_SHARE, Material, edit, in_whole_steps, varied
from dfd.alterations.copies import copied, drawn_transform
from dfd.alterations.material import Paint, between
from dfd.alterations.shapes import share_at
from dfd.assessment.genuine_series import usable_scan
from dfd.bundle.keys import Keys
from dfd.bundle.training.crops import normalised
from dfd.bundle.training.edit_places import (
    CROP_PX,
    clear,
    cut,
    paste,
    sites,
    source_of,
    window_of,
)
from dfd.context.adjacent_slices import AdjacentSlices
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.intensity import assessed_pixels
from dfd.modalities import Modality
from dfd.prediction.learned_statistic import COPY
from dfd.prediction.predict import predict_slice
from dfd.progress import Progress
from dfd.reading.pixel_values import pixels_of
from dfd.records import Context, FloatImage, Point, Slice
from dfd.regions import region_of

logger = logging.getLogger(__name__)

RADIUS_FACTORS = (0.6, 1.0, 1.0, 1.0, 1.6)
"""Radii asked about, in those that the modality asks about."""
EDIT_RADII = (0.4, 2.2)
"""Radii of edits, in those asked about."""
SMALLEST_EDIT_PX = 3.0
OFFSET_RADII = 0.6
"""How far off the middle of the edit a click lies at most, in radii of the edit."""
COPIES_SHARE = 0.25
"""Edits that are copies."""
QUICK_SHARE = 0.5
"""Slices in which copies are searched for as in screening, which does not find turned ones."""
DEEP_SHARE = 0.4
"""Edits of slices with neighbours that go on in these."""
UNEDITED_SHARE = 0.25
"""Slices in which nothing is edited."""


COPIED = "copied"
"""Name of what was done where a place was copied."""


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
class Asked:
    """A place that is asked about."""

    x: float
    y: float
    label: int = 0
    """As in ``Samples``."""
    kind: str = ""
    radius: float = 0.0
    """Of the edit, in pixels."""

    def within(self, shape: tuple[int, ...]) -> Asked:
        """The nearest place inside a slice of ``shape``."""
        x, y = min(max(self.x, 0.0), shape[1] - 1.0), min(max(self.y, 0.0), shape[0] - 1.0)
        return replace(self, x=x, y=y)


@dataclass(frozen=True)
class Edited:
    """A slice with edits, and what is asked of it."""

    pixels: FloatImage
    context: Context | None
    asked: tuple[Asked, ...]


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
        quick = bool(rng.random() < QUICK_SHARE)
        edited = self._edited(pixels_of(scan), context, like.radius_px, rng, quick=quick)
        if edited is None:
            return None
        prediction = predict_slice(edited.pixels, self.network, self.modality)
        evidence = SliceEvidence(prediction, self.modality, edited.context)
        regions = [replace(like, x=each.x, y=each.y) for each in edited.asked]
        numbers = evidence.numbers(regions, quick=quick)
        labels = torch.tensor([each.label for each in edited.asked])
        kinds = tuple(each.kind for each in edited.asked)
        return Samples(numbers.cpu(), labels, (patient,) * len(regions), kinds)

    def _edited(
        self,
        pixels: FloatImage,
        context: Context | None,
        radius: float,
        rng: Generator,
        *,
        quick: bool,
    ) -> Edited | None:
        """The slice with edits, and the places asked about; None where it has no place for one.

        ``quick``: its copies are neither turned nor resized.
        """
        image, measured, scale = normalised(pixels, self.modality.name)
        around = () if context is None else (context.below, context.above)
        beside = [np.where(np.isfinite(each), each / scale, image) for each in around]
        material = Material(image, image, beside[-1] if beside else image, 1.0 / scale)
        if context is None:  # those beside would have to be changed alike
            material = varied(material, rng)
        body = assessed_pixels(pixels, self.modality)
        state = _State(material.pixels.copy(), [each.copy() for each in beside], quick)
        chosen = sites(body, radius, rng)
        asked = [
            self._edit(state, material, site, radius, rng)
            for site in (chosen if rng.random() >= UNEDITED_SHARE else ())
        ]
        rims = [(*site, each.radius) for site, each in zip(chosen, asked, strict=False)]
        asked += [Asked(float(x), float(y)) for y, x in clear(body, rims, radius, rng)]
        if not asked:
            return None
        whole = in_whole_steps(state.pixels, material.step) * scale
        changed = np.where(measured, whole, pixels).astype(np.float32)
        if context is not None:
            below, above = (
                np.where(np.isfinite(old), new * scale, old).astype(np.float32)
                for old, new in zip(around, state.beside, strict=True)
            )
            context = replace(context, below=below, above=above)
        return Edited(changed, context, tuple(each.within(pixels.shape) for each in asked))

    def _edit(
        self,
        state: _State,
        material: Material,
        middle: tuple[int, int],
        radius: float,
        rng: Generator,
    ) -> Asked:
        """Edits one place of ``state``; gives the click that asks about it."""
        size = max(SMALLEST_EDIT_PX, radius * between(rng, *EDIT_RADII))
        window = window_of(middle, material.pixels.shape)
        corner = (middle[0] - window[0].start, middle[1] - window[1].start)
        crop = cut(material.pixels, window)
        share = share_at(CROP_PX, corner, size, rng)
        elsewhere = source_of(middle, material.pixels.shape, size, rng)
        if rng.random() < COPIES_SHARE:
            form, kind = COPY, COPIED
            matrix = drawn_transform(rng, turned=not state.quick)
            put = copied(material.pixels, (elsewhere, middle), CROP_PX, matrix, rng)
            put = np.roll(put, [place - CROP_PX // 2 for place in corner], axis=(0, 1))
            state.put(window, crop + share * (put - crop), crop)
        else:
            form = 0 if rng.random() < ADDED_SHARE else 1
            small = replace(
                material,
                pixels=crop,
                donor=cut(material.donor, window_of(elsewhere, material.pixels.shape)),
                above=cut(material.above, window),
                regenerate=self.painters,
            )
            pixels, _, kind = edit(small, share, form, rng)
            state.put(window, pixels, crop)
            if state.beside and rng.random() < DEEP_SHARE:
                state.deepen(window, small, partial(edit, share=share, form=form, rng=rng))
        turn, away = rng.uniform(0, 2 * np.pi), size * OFFSET_RADII * np.sqrt(rng.random())
        x, y = middle[1] + away * np.cos(turn), middle[0] + away * np.sin(turn)
        return Asked(x, y, 1 + form, kind, size)


@dataclass
class _State:
    """A slice and those beside it, as far as they are edited. In noise units."""

    pixels: FloatImage
    beside: list[FloatImage]
    quick: bool
    """Copies are neither turned nor resized."""

    def put(self, window: tuple[slice, slice], new: FloatImage, old: FloatImage) -> None:
        """Puts ``new`` where it differs from ``old``, both of a window."""
        paste(self.pixels, window, new, old)

    def deepen(
        self,
        window: tuple[slice, slice],
        material: Material,
        change: Callable[[Material], tuple[FloatImage, FloatImage, str]],
    ) -> None:
        """Edits the slices beside in the same window."""
        for image in self.beside:
            own = replace(material, pixels=cut(image, window))
            paste(image, window, change(own)[0], own.pixels)


def joined(parts: Sequence[Samples]) -> Samples:
    """Several as one."""
    return Samples(
        torch.cat([part.numbers for part in parts]),
        torch.cat([part.labels for part in parts]),
        tuple(name for part in parts for name in part.patients),
        tuple(kind for part in parts for kind in part.kinds),
    )
