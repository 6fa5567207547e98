"""Whole series as they are and with one edit in three dimensions each: what every place measures.

What is kept of a series are the statistics of all families on the grid of places of every slice, so
that another way of adding them up needs no new measurement.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.attacks import checkpoints
from benchmarks.attacks.canvas import Canvas
from benchmarks.attacks.cubes import Stack
from benchmarks.attacks.volumetric import STACK_ATTACKS, Ball, StackAttack
from benchmarks.data import partition
from benchmarks.data.volumes import Volume
from benchmarks.detection import trials
from dfd.assessment.screening import grids_of, places_of
from dfd.calibration.series import Grids
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import MODALITIES
from dfd.outputs.files import write_atomically
from dfd.prediction.predict import predict_slice
from dfd.reading import read_slice
from dfd.records import FloatImage, Point, Prediction, Region
from dfd.regions import region_of

GENUINE = "genuine"
SITES = 2
"""Edits of one kind in one series, each in a series of its own."""
LEAST_SLICES = 3
"""Of a stack that is edited."""
RADIUS_MM = 10.0
"""Of the balls that are edited; the cubes of CT-GAN have a size of their own."""


@dataclass(frozen=True)
class Edit:
    """Where a series was edited."""

    x: float
    y: float
    first: int
    last: int
    """Of the slices that differ."""


@dataclass(frozen=True)
class MeasuredSeries:
    """Statistics of every place of every slice of a stack."""

    patient: str
    kind: str
    """Name of the attack, or ``GENUINE``."""
    radius: float
    """Of the regions, in pixels."""
    families: tuple[str, ...]
    values: NDArray[np.float32]
    """``[S, F, R, C]``, NaN where nothing was measured."""
    edit: Edit | None = None

    def grids(self) -> list[Grids]:
        """Of each slice."""
        return [dict(zip(self.families, each, strict=True)) for each in self.values]


@dataclass(frozen=True)
class SeriesSetup:
    """A stack, ready to be measured and edited."""

    volume: Volume
    modality: str
    network: torch.nn.Module
    like: Region

    @classmethod
    def of(cls, volume: Volume, modality: str, network: torch.nn.Module) -> SeriesSetup:
        """Regions as large as a point without a radius asks about."""
        ref = volume.refs[0]
        scan = read_slice(ref.path, ref.frame, MODALITIES[modality].unit)
        like = region_of(Point(0, "", 0.0, 0.0), scan, MODALITIES[modality])
        return cls(volume, modality, network, like)

    @property
    def name(self) -> str:
        """Unique among the stacks of all patients; no path."""
        refs = "".join(f"{ref.path.name}#{ref.frame}" for ref in self.volume.refs)
        mark = zlib.crc32(f"{self.volume.series} {refs}".encode())
        return f"{self.modality}_{self.volume.patient}_{mark:08x}"

    def predict(self, pixels: FloatImage) -> Prediction:
        """What the network expects in a slice."""
        return predict_slice(pixels, self.network, MODALITIES[self.modality])

    def grids(self, pixels: FloatImage, prediction: Prediction) -> Grids:
        """Of one slice."""
        places = places_of(prediction, MODALITIES[self.modality], self.like)
        return grids_of(places, pixels.shape, self.like)


def obstacle(attack: StackAttack, modality: str, patient: str) -> bool:
    """Whether an attack cannot be tried on a patient: its network is not there, or has seen him."""
    if modality not in attack.modalities:
        return True
    if not attack.network:
        return False
    learned = checkpoints.learned(attack.network, modality)
    return learned is None or patient in learned


def measured(setup: SeriesSetup, kinds: Sequence[str], folder: Path) -> Iterator[MeasuredSeries]:
    """The series as it is, and under each of ``kinds``.

    What ``folder`` holds already is read; what is measured is written there.
    """
    genuine = _kept(folder / f"{setup.name}_{zlib.crc32(GENUINE.encode()):08x}_0.npz")
    predictions: list[Prediction] = []
    if genuine is None:
        predictions = [setup.predict(pixels) for pixels in setup.volume.pixels]
        genuine = _measured(setup, GENUINE, setup.volume.pixels, predictions)
        _keep(genuine, folder / f"{setup.name}_{zlib.crc32(GENUINE.encode()):08x}_0.npz")
    yield genuine
    if len(setup.volume.refs) < LEAST_SLICES:
        return
    for kind in kinds:
        for site in range(SITES):
            file = folder / f"{setup.name}_{zlib.crc32(kind.encode()):08x}_{site}.npz"
            nothing = file.with_suffix(".none")
            if nothing.exists():
                continue
            one = _kept(file)
            if one is None:
                predictions = predictions or [setup.predict(each) for each in setup.volume.pixels]
                one = _edited(setup, kind, site, genuine, predictions)
                if one is None:
                    write_atomically(nothing, b"")
                    continue
                _keep(one, file)
            yield one


def _measured(
    setup: SeriesSetup, kind: str, stack: Stack, predictions: Sequence[Prediction]
) -> MeasuredSeries:
    grids = [setup.grids(*each) for each in zip(stack, predictions, strict=True)]
    families = tuple(dict.fromkeys(name for each in grids for name in each))
    values = np.stack([np.stack([each[name] for name in families]) for each in grids])
    return MeasuredSeries(
        setup.volume.patient, kind, setup.like.radius_px, families, values.astype(np.float32)
    )


def _edited(
    setup: SeriesSetup,
    kind: str,
    site: int,
    genuine: MeasuredSeries,
    predictions: Sequence[Prediction],
) -> MeasuredSeries | None:
    """The series with one edit; None where it has no place for it, or nothing changed."""
    words = f"{setup.name} {kind} {site}"
    rng = np.random.default_rng([partition.SEED, zlib.crc32(words.encode())])
    stack = setup.volume.pixels
    middle = int(rng.integers(len(stack) // 4, max(len(stack) // 4 + 1, 3 * len(stack) // 4)))
    canvases = canvases_of(setup, predictions)
    centre = site_of(setup, STACK_ATTACKS[kind], canvases[middle], predictions[middle], rng)
    if centre is None:
        return None
    changed = STACK_ATTACKS[kind].edit(canvases, Ball(middle, centre, RADIUS_MM), rng)
    differ = [
        number
        for number, (one, other) in enumerate(zip(changed, stack, strict=True))
        if not np.array_equal(one, other, equal_nan=True)
    ]
    if not differ:
        return None
    values = genuine.values.copy()
    for number in differ:
        grids = setup.grids(changed[number], setup.predict(changed[number]))
        values[number] = np.stack([grids[name] for name in genuine.families])
    edit = Edit(*centre, differ[0], differ[-1])
    return MeasuredSeries(genuine.patient, kind, genuine.radius, genuine.families, values, edit)


def canvases_of(setup: SeriesSetup, predictions: Sequence[Prediction]) -> list[Canvas]:
    """Of each slice of a stack."""
    volume = setup.volume
    return [
        Canvas(
            pixels,
            prediction.mean,
            pixels,
            stack=volume.pixels,
            index=number,
            spacing_mm=volume.spacing_mm,
            patient=volume.patient,
            modality=setup.modality,
        )
        for number, (pixels, prediction) in enumerate(zip(volume.pixels, predictions, strict=True))
    ]


def site_of(
    setup: SeriesSetup,
    attack: StackAttack,
    canvas: Canvas,
    prediction: Prediction,
    rng: np.random.Generator,
) -> tuple[float, float] | None:
    """(x, y): where the attack wants it, or at any place that can be assessed."""
    if attack.sites is not None:
        sites = attack.sites(canvas, 1, rng)
    else:
        reference = SliceEvidence(prediction, MODALITIES[setup.modality])
        sites = trials.places_of(reference.windows(setup.like.radius_px), rng).edited[:1]
    return (float(sites[0][0]), float(sites[0][1])) if len(sites) else None


def _keep(one: MeasuredSeries, file: Path) -> None:
    stream = io.BytesIO()
    edit = one.edit
    where = [] if edit is None else [edit.x, edit.y, edit.first, edit.last]
    np.savez_compressed(
        stream,
        values=one.values,
        radius=one.radius,
        edit=np.array(where),
        patient=np.array(one.patient),
        kind=np.array(one.kind),
        families=np.array(one.families),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, stream.getvalue())


def _kept(file: Path) -> MeasuredSeries | None:
    if not file.exists():
        return None
    with np.load(file, allow_pickle=False) as content:
        where = content["edit"].tolist()
        edit = Edit(where[0], where[1], int(where[2]), int(where[3])) if where else None
        return MeasuredSeries(
            str(content["patient"]),
            str(content["kind"]),
            float(content["radius"]),
            tuple(content["families"].tolist()),
            content["values"],
            edit,
        )
