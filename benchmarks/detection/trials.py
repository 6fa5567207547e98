"""One slice under every attack.

Edits far apart, matched genuine places as controls, all on the path that scoring takes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.attacks import Canvas
from benchmarks.attacks.inpaint import predict_hole
from benchmarks.attacks.registry import NOTHING, Attack
from benchmarks.data import matched_controls, partition, scans
from benchmarks.data.scans import Scan
from benchmarks.data.volumes import Volume, adjacent_slices
from dfd.evidence.reference_windows import SliceReference
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import MODALITIES
from dfd.prediction.masks import disk
from dfd.prediction.predict import predict_slice
from dfd.progress import progress
from dfd.records import BoolImage, Context, FloatImage, Point, Region
from dfd.regions import region_of

SITES = 4
"""Edits of one kind in one slice, ``benchmarks.data.matched_controls.APART`` radii apart. More
would stand in each other's reference windows."""
CONTROLS = 3
"""Genuine places per edit, matched by predicted mean and edge strength."""
GENUINE = "genuine"
CONTENT = ("mean", "deviation", "edges")
"""What a detector that knows nothing of noise sees, see
``benchmarks.data.matched_controls.content``."""


@dataclass(frozen=True)
class Trial:
    """One region: what was done, and what was measured."""

    patient: str
    slice: str
    kind: str
    """Name of the attack, or ``GENUINE`` for a control."""
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


def places_of(reference: SliceReference, rng: np.random.Generator) -> Places:
    """Places that scoring can assess and that are wholly measured, and their matched controls."""
    radius, table = reference.table.radius, reference.table
    centres, covariates = table.centres.numpy(), table.covariates.numpy()[:, :2]
    usable = np.isfinite(reference.own_first[0].own.numpy()).all(axis=1) & matched_controls.whole(
        centres, reference.prediction.assessed, radius
    )
    centres, covariates = centres[usable], covariates[usable]
    if not len(centres):
        return Places(radius, centres, centres)
    edited, controls = matched_controls.groups(centres, covariates, radius, (SITES, CONTROLS), rng)
    return Places(radius, centres[edited], centres[controls.reshape(-1)])


@dataclass(frozen=True)
class SliceSetup:
    """One slice, ready to be edited in many ways at the same places."""

    scan: Scan
    network: torch.nn.Module
    canvas: Canvas
    places: Places
    evidence: SliceEvidence
    """Of the slice as it is."""
    seed: int
    context: Context | None = None
    """The untouched slices above and below, where the stack goes on to either side."""

    def generator(self, words: str) -> np.random.Generator:
        """What is drawn for ``words``, whatever else is tried."""
        return np.random.default_rng([self.seed, zlib.crc32(words.encode())])


@dataclass(frozen=True)
class Version:
    """The slice with every edit of one kind in it, and their centres ``[n, 2]`` (x, y)."""

    kind: str
    pixels: FloatImage
    centres: NDArray[np.int64]
    evidence: SliceEvidence


def prepare_slice(
    scan: Scan,
    network: torch.nn.Module,
    rng: np.random.Generator,
    volume: tuple[Volume, int] | None = None,
) -> SliceSetup | None:
    """The slice with its places; None where it has none.

    ``volume``: the stack of the slice and its place in it.
    """
    modality = MODALITIES[scan.modality]
    prediction = predict_slice(scan.pixels, network, modality)
    radius = region_of(Point(0, "", 0.0, 0.0), scan.slice, modality).radius_px
    context = None if volume is None else adjacent_slices(*volume, scan.slice.facts.thickness_mm)
    evidence = SliceEvidence(prediction, modality, context)
    places = places_of(evidence.windows(radius), rng)
    if not len(places.edited):
        return None
    masks = places.masks((scan.pixels.shape[0], scan.pixels.shape[1]))
    hole = predict_hole(scan.pixels, np.logical_or.reduce(masks), network, modality.name)
    canvas = _canvas(scan, prediction.mean, hole, volume)
    return SliceSetup(scan, network, canvas, places, evidence, int(rng.integers(2**31)), context)


def setups_of(
    modality: str, fold: str, network: torch.nn.Module, slices: int, *, quick: bool
) -> Iterator[SliceSetup]:
    """So many slices of each patient of ``fold`` that have places; of few patients for a check."""
    per_patient = 1 if quick else slices
    series = scans.per_patient(scans.select_series(modality, (fold,), per_patient), per_patient)
    series = series[:2] if quick else series
    slices_in_all = sum(len(one.refs) for one in series)
    loaded = progress(scans.load(series, modality), "measuring slices", slices_in_all)
    for number, scan in enumerate(loaded):
        setup = prepare_slice(scan, network, np.random.default_rng([partition.SEED, number]))
        if setup is not None:
            yield setup


def unedited(setup: SliceSetup) -> Version:
    """The slice as it is, with the centres of the controls."""
    return Version(GENUINE, setup.scan.pixels, setup.places.genuine, setup.evidence)


def version_of(
    setup: SliceSetup, kind: str, attack: Attack, places: Places | None = None
) -> Version | None:
    """The slice edited by ``attack``.

    None where it needs the neighbouring slices and there are none. ``places``: others than the
    setup's own.
    """
    if attack.needs_stack and setup.canvas.stack is None:
        return None
    own, canvas, places = setup.generator(kind), setup.canvas, places or setup.places
    if attack.edit_at is not None and attack.sites is not None:
        centres = attack.sites(canvas, SITES, own)
        edits = [attack.edit_at(canvas, (float(x), float(y)), own) for x, y in centres]
    else:
        masks = places.masks((canvas.pixels.shape[0], canvas.pixels.shape[1]))
        centres, edits = (
            places.edited,
            [attack.edit(canvas, mask, own) for mask in masks] if attack.edit else [],
        )
    if attack.form not in (
        "",
        NOTHING,
    ):  # an attack that changed nothing left nothing to detect
        changes = [not np.array_equal(changed, canvas.pixels, equal_nan=True) for changed in edits]
        centres = centres[np.asarray(changes, dtype=bool)]
    edited = canvas.pixels
    for changed in edits:
        edited = np.where(changed != canvas.pixels, changed, edited)
    modality = MODALITIES[setup.scan.modality]
    return Version(
        kind,
        edited,
        centres,
        SliceEvidence(predict_slice(edited, setup.network, modality), modality, setup.context),
    )


def trials_of(
    scan: Scan,
    network: torch.nn.Module,
    rng: np.random.Generator,
    attacks: Mapping[str, Attack],
    volume: tuple[Volume, int] | None = None,
) -> list[dict[str, Any]]:
    """Every region of one slice under every one of ``attacks``, as plain rows.

    ``volume``: the stack of the slice and its place in it.

    Where the stack goes on to either side, its untouched neighbours are the context of the edited
    slice too.
    """
    setup = prepare_slice(scan, network, rng, volume)
    if setup is None:
        return []
    rows = measure_regions(setup, unedited(setup))
    for kind, attack in attacks.items():
        version = version_of(setup, kind, attack)
        rows += measure_regions(setup, version) if version is not None else []
    return rows


def _canvas(
    scan: Scan, mean: FloatImage, hole: FloatImage, volume: tuple[Volume, int] | None
) -> Canvas:
    canvas = Canvas(scan.pixels, mean, hole, patient=scan.source.patient, modality=scan.modality)
    if volume is not None:
        return replace(
            canvas, stack=volume[0].pixels, index=volume[1], spacing_mm=volume[0].spacing_mm
        )
    facts = scan.slice.facts
    if facts.spacing_mm is None:
        return canvas
    return replace(
        canvas, spacing_mm=(facts.thickness_mm or facts.spacing_mm[0], *facts.spacing_mm)
    )


def measure_regions(
    setup: SliceSetup,
    version: Version,
    centres: NDArray[np.float64] | NDArray[np.int64] | None = None,
) -> list[dict[str, Any]]:
    """What is found at the centres of ``version``, or at other ``centres`` ``[n, 2]`` (x, y) of it.

    One row each.
    """
    rows, scan, radius = [], setup.scan, setup.places.radius
    for x, y in version.centres if centres is None else centres:
        evidence_of = version.evidence.measure(Region(float(x), float(y), radius))
        content = matched_controls.content(
            version.pixels, (float(x), float(y)), radius, version.evidence.prediction.noise_scale
        )
        statistics = {each.family: each.statistic for each in evidence_of}
        rows.append(
            asdict(
                Trial(
                    scan.source.patient,
                    scan.name,
                    version.kind,
                    statistics,
                    evidence_of[0].tissue,
                    *content,
                )
            )
        )
    return rows
