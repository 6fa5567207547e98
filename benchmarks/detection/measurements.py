"""One slice in parts.

Every attack with every baseline beside our evidence, and the curves over click offset, edit size
and strength.
"""

from __future__ import annotations

import functools
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacks import checkpoints, noise
from benchmarks.attacks.registry import ADVERSARIAL, ATTACKS, UNTOUCHED, Attack
from benchmarks.data import matched_controls, partition, scans, volumes
from benchmarks.data.scans import Scan, SelectedSeries
from benchmarks.data.volumes import Volume
from benchmarks.detection import trials, variants
from benchmarks.detection.baseline_values import with_baselines
from benchmarks.detection.trials import GENUINE, Places, SliceSetup, Version
from benchmarks.models import registry
from benchmarks.models.registry import Loaded
from benchmarks.runner.checkpoint import Rows
from dfd.context.adjacent import same_place

OFFSET, SIZE, STRENGTH = "offset", "size", "strength"
OFFSETS_PX = (0.0, 4.0, 8.0, 12.0, 16.0, 24.0)
"""Between the click and the centre of the edit."""
SIZES_PX = (4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
"""Radii of edits, while the measured region keeps the modality's own radius."""
DIRECTIONS = 16
"""Ways in which a click may miss."""
REPRESENTATIVES = ("white noise 0.6 x residual", "copy-move, feathered 3 px", "GAN inpainting")
"""One attack of each form, for the curves."""
FAINT = 0.15
STRENGTHS: dict[float, str] = {
    FAINT: "white noise 0.15 x residual",
    **{s: f"white noise {s:.1f} x residual" for s in (0.3, 0.6, 1.0)},
}
"""Of white noise, in local residuals -> attack."""
TABLE: dict[str, Attack] = {
    **UNTOUCHED,
    **ATTACKS,
    STRENGTHS[FAINT]: Attack(ADVERSARIAL, partial(noise.white, strength=FAINT)),
}


@dataclass(frozen=True)
class Part:
    """Something that is measured of a slice."""

    kind: str
    """Name of an attack, or ``GENUINE``."""
    curve: str = ""
    """``OFFSET``, ``SIZE`` or ``STRENGTH``; empty for the table of attacks."""
    at: float = 0.0
    """Pixels (``SIZE``) or residuals (``STRENGTH``)."""

    def key(self, modality: str) -> str:
        """Under which its rows are kept.

        Names the attack's network too, so that a network trained again is tried again.
        """
        words = f"{self.curve} {self.at:g}: {self.kind}" if self.curve else self.kind
        return words + _network_mark(
            TABLE[self.kind].network if self.kind in TABLE else "", modality
        )


@functools.cache
def _network_mark(network: str, modality: str) -> str:
    path = checkpoints.place(network, modality)
    return (
        f" [{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}]"
        if network and path.exists()
        else ""
    )


@dataclass(frozen=True)
class Task:
    """What is to be measured of one slice."""

    source: SelectedSeries
    """With one slice in it."""
    folder: Path
    """Where all scans of the patient lie."""
    modality: str
    model: str
    parts: tuple[Part, ...]
    baselines: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """That of the ``Scan``."""
        ref = self.source.refs[0]
        return f"{self.source.patient}/{self.source.series}/{ref.path.name}#{ref.frame}"


def parts_of(attacks: Sequence[str], modality: str, patient: str, *, curves: bool) -> list[Part]:
    """What can be measured of a slice of ``patient``.

    Attacks whose network was trained on the patient, or is not trained yet, are left out.
    """
    usable = [name for name in attacks if not obstacle(name, modality, patient)]
    parts = [Part(GENUINE), *map(Part, usable)]
    if STRENGTHS[1.0] in usable:
        parts.append(Part(STRENGTHS[FAINT], STRENGTH, FAINT))
    for name in (name for name in REPRESENTATIVES if curves and name in usable):
        parts += [Part(name, OFFSET), *(Part(name, SIZE, size) for size in SIZES_PX)]
    return sorted(parts, key=lambda part: part.kind)  # what needs the same edit stands together


def obstacle(name: str, modality: str, patient: str) -> str:
    """Why an attack cannot be tried on a patient; empty where it can."""
    network = TABLE[name].network
    if not network:
        return ""
    learned = _trained_on_patients(network, modality)
    if learned is None:
        return f"its network {network!r} is not trained"
    return f"its network {network!r} was trained on the patient" if patient in learned else ""


@functools.cache
def _trained_on_patients(network: str, modality: str) -> tuple[str, ...] | None:
    return checkpoints.learned(network, modality)


def measure(task: Task) -> dict[str, Rows]:
    """Rows of every part of ``task``, by key.

    None of a slice that scoring would refuse or that has no places.
    """
    loaded = _loaded(task.model, task.modality)
    rows: dict[str, Rows] = {part.key(task.modality): [] for part in task.parts}
    for scan in scans.load([task.source], task.modality):
        rng = np.random.default_rng([partition.SEED, zlib.crc32(scan.name.encode())])
        setup = trials.prepare_slice(scan, loaded.network, rng, _volume(scan, task.folder))
        if setup is not None:
            rows |= {
                part.key(task.modality): part_rows
                for part, part_rows in _measure_parts(setup, task)
            }
    return rows


@functools.lru_cache(maxsize=1)
def _loaded(model: str, modality: str) -> Loaded:
    return registry.load(model, modality)


def _volume(scan: Scan, folder: Path) -> tuple[Volume, int] | None:
    """The stack that holds the slice."""
    for one in scans.of_patient(scan.source.patient, folder, scan.modality, volumes.ALL_SLICES):
        if any(same_place(scan.slice.ref, ref) for ref in one.refs):
            return volumes.find_stack(
                volumes.to_volumes(list(scans.load([one], scan.modality))), scan.slice.ref
            )
    return None


def _measure_parts(setup: SliceSetup, task: Task) -> Iterator[tuple[Part, Rows]]:
    latest: tuple[str, Version | None] = ("", None)
    for part in task.parts:
        if part.curve == SIZE:
            yield part, _rows_of_size(setup, part)
            continue
        if latest[0] != part.kind:
            latest = (
                part.kind,
                trials.unedited(setup)
                if part.kind == GENUINE
                else trials.version_of(setup, part.kind, TABLE[part.kind]),
            )
        version = latest[1]
        if version is None:
            yield part, []
        elif part.curve == OFFSET:
            yield part, _rows_of_missed_clicks(setup, version)
        else:
            plain = _with_curve(
                trials.measure_regions(setup, version),
                setup,
                part.curve,
                [part.at] * len(version.centres),
            )
            rows = plain if part.curve else variants.added(plain, version, setup.places.radius)
            yield (
                part,
                rows if part.curve else with_baselines(setup, version, rows, task.baselines),
            )


def _with_curve(rows: Rows, setup: SliceSetup, curve: str, at: Sequence[float]) -> Rows:
    return [
        {**row, "curve": curve, "at": place, "radius": setup.places.radius}
        for row, place in zip(rows, at, strict=True)
    ]


def _rows_of_size(setup: SliceSetup, part: Part) -> Rows:
    """Edits of another size at the same places: as many as do not touch each other."""
    centres: list[NDArray[np.int64]] = []
    for centre in setup.places.edited:
        if all(
            np.hypot(*(centre - other))
            >= matched_controls.CLEAR * max(part.at, setup.places.radius)
            for other in centres
        ):
            centres.append(centre)
    places = Places(part.at, np.asarray(centres), setup.places.genuine)
    version = trials.version_of(setup, part.kind, TABLE[part.kind], places)
    return (
        []
        if version is None
        else _with_curve(
            trials.measure_regions(setup, version), setup, SIZE, [part.at] * len(version.centres)
        )
    )


def _rows_of_missed_clicks(setup: SliceSetup, version: Version) -> Rows:
    """The edited slice, measured at clicks that miss the edit in a random direction.

    The direction leads towards no other edit.
    """
    rng, rows = setup.generator(f"{OFFSET} {version.kind}"), []
    for centre in version.centres.astype(np.float64):
        others = [other for other in version.centres if tuple(other) != tuple(centre)]
        angle = 2 * np.pi * (rng.permutation(DIRECTIONS) + rng.random()) / DIRECTIONS
        steps = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        ends = centre + OFFSETS_PX[-1] * steps
        room = [
            min((float(np.hypot(*(end - other))) for other in others), default=np.inf)
            for end in ends
        ]
        clear = np.asarray(room) >= matched_controls.CLEAR * setup.places.radius
        step = steps[int(np.argmax(clear)) if clear.any() else int(np.argmax(room))]
        height, width = version.pixels.shape
        clicks = centre + np.asarray(OFFSETS_PX)[:, None] * step
        inside = ((clicks >= 0) & (clicks <= [width - 1, height - 1])).all(axis=1)
        kept_in = [at for at, within in zip(OFFSETS_PX, inside, strict=True) if within]
        rows += _with_curve(
            trials.measure_regions(setup, version, clicks[inside]), setup, OFFSET, kept_in
        )
    return rows


def slices_of(series: Sequence[SelectedSeries]) -> list[SelectedSeries]:
    """The same, one entry for each slice."""
    return [replace(one, refs=(ref,)) for one in series for ref in one.refs]
