"""One slice, tried with every forger: edits far apart, matched genuine places beside them, all through the path that scoring takes."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import matching
from benchmarks.holes import predict_hole
from benchmarks.scans import Scan
from benchmarks.tampering import Canvas
from benchmarks.tampering.families import Family
from benchmarks.volumes import Volume, beside
from dfd.evidence import SliceEvidence
from dfd.evidence.tables import SliceTables
from dfd.masking import disk
from dfd.modalities import MODALITIES
from dfd.predict import predict_slice
from dfd.records import BoolImage, FloatImage, Point, Region
from dfd.regions import region_of

SITES = 4
"""Edits of one kind in one slice, ``matching.APART`` radii apart. More would stand in each other's reference windows."""
CONTROLS = 3
"""Genuine places per edit, matched by predicted mean and edge strength."""
GENUINE = "genuine"


@dataclass(frozen=True)
class Trial:
    """One region: what was done, and what was measured."""

    patient: str
    slice: str
    kind: str
    """Name of the forger, or ``GENUINE`` for a control."""
    statistics: dict[str, float]
    """Of each family."""
    tissue: str
    mean: float
    deviation: float
    edges: float


@dataclass(frozen=True)
class Places:
    """Where one slice is edited and compared. Centres ``[n, 2]`` (x, y)."""

    radius: float
    edited: NDArray[np.int64]
    genuine: NDArray[np.int64]

    def masks(self, shape: tuple[int, int]) -> list[BoolImage]:
        """``[H, W]`` of each edit."""
        return [disk(shape[0], shape[1], (float(x), float(y)), self.radius) for x, y in self.edited]


def places_of(reference: SliceTables, rng: np.random.Generator) -> Places:
    """Draws places that scoring can assess and that are wholly measured, and their matched controls."""
    radius, table = reference.table.radius, reference.table
    usable = np.isfinite(reference.scales[-1].own).all(axis=1) & matching.whole(table.centres, reference.prediction.assessed, radius)
    centres, covariates = table.centres[usable], table.covariates[usable, :2]
    if not len(centres):
        return Places(radius, centres, centres)
    edited, beside = matching.groups(centres, covariates, radius, (SITES, CONTROLS), rng)
    return Places(radius, centres[edited], centres[beside.reshape(-1)])


def trials_of(
    scan: Scan, network: torch.nn.Module, rng: np.random.Generator, families: Mapping[str, Family], volume: tuple[Volume, int] | None = None
) -> list[dict[str, Any]]:
    """Every region of one slice under every one of ``families``, as plain rows. ``volume``: the stack of the slice and its place in it.

    Where the stack goes on to either side, its untouched neighbours are the context of the edited slice too.
    """
    modality = MODALITIES[scan.modality]
    prediction = predict_slice(scan.pixels, network, modality)
    radius = region_of(Point(0, "", 0.0, 0.0), scan.slice, modality).radius_px
    context = None if volume is None else beside(*volume, scan.slice.facts.thickness_mm)
    examined = SliceEvidence(prediction, modality, context)
    places = places_of(examined.windows(radius), rng)
    if not len(places.edited):
        return []
    masks = places.masks((scan.pixels.shape[0], scan.pixels.shape[1]))
    hole = predict_hole(scan.pixels, np.logical_or.reduce(masks), network, modality.name)
    canvas = _canvas(scan, prediction.mean, hole, volume)
    rows = _measured(scan, scan.pixels, GENUINE, examined, (places.genuine, radius))
    seed = int(rng.integers(2**31))  # each family draws for itself, whichever others are tried
    for kind, family in families.items():
        if family.needs_stack and volume is None:
            continue
        own = np.random.default_rng([seed, zlib.crc32(kind.encode())])
        if family.forge_at is not None and family.sites is not None:
            centres = family.sites(canvas, SITES, own)
            edits = [family.forge_at(canvas, (float(x), float(y)), own) for x, y in centres]
        else:
            centres, edits = places.edited, [family.forge(canvas, mask, own) for mask in masks] if family.forge else []
        edited = scan.pixels
        for changed in edits:
            edited = np.where(changed != canvas.pixels, changed, edited)
        after = SliceEvidence(predict_slice(edited, network, modality), modality, context)
        rows += _measured(scan, edited, kind, after, (centres, radius))
    return rows


def _canvas(scan: Scan, mean: FloatImage, hole: FloatImage, volume: tuple[Volume, int] | None) -> Canvas:
    canvas = Canvas(scan.pixels, mean, hole, patient=scan.listed.patient, modality=scan.modality)
    if volume is not None:
        return replace(canvas, stack=volume[0].pixels, index=volume[1], spacing_mm=volume[0].spacing_mm)
    facts = scan.slice.facts
    if facts.spacing_mm is None:
        return canvas
    return replace(canvas, spacing_mm=(facts.thickness_mm or facts.spacing_mm[0], *facts.spacing_mm))


def _measured(scan: Scan, pixels: FloatImage, kind: str, examined: SliceEvidence, places: tuple[NDArray[np.int64], float]) -> list[dict[str, Any]]:
    rows, (centres, radius) = [], places
    for x, y in centres:
        found = examined.measure(Region(float(x), float(y), radius))
        content = matching.content(pixels, (float(x), float(y)), radius, examined.prediction.noise_scale)
        statistics = {each.family: each.statistic for each in found}
        rows.append(asdict(Trial(scan.listed.patient, scan.name, kind, statistics, found[0].tissue, *content)))
    return rows
