"""Which predictor detects best for its time: smaller ones, fewer passes, other runtimes.

    python -m benchmarks.studies.predictor_detection --modality ct_lung

Edits are made once, by the shipped network, in slices of fold1; every candidate then predicts the
same slices and is judged by the same places. Detection is the AUC of all families of a lone slice
together, calibrated on the genuine places of the other patients (`benchmarks.detection.ablation`),
a mean over a handful of edits of each form. Candidates: the shipped weights with other lattices,
without the head, and in 8 bits (where onnx and onnxruntime, and openvino and nncf, are installed);
and predictors trained from scratch for the same CPU time, --minutes each, without a head
(`benchmarks.predictor.architecture_search`). A run that was stopped goes on by candidate; all are
timed at the end, on two idle cores.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.attacks.registry import ATTACKS
from benchmarks.data import partition, scans
from benchmarks.data.scans import Scan
from benchmarks.detection import ablation, trials
from benchmarks.detection.measurements import obstacle
from benchmarks.detection.trials import GENUINE, Version
from benchmarks.metrics.roc import auc
from benchmarks.models import registry
from benchmarks.predictor import architecture_search
from benchmarks.predictor.architecture_search import CANDIDATES
from benchmarks.runner import checkpoint, cli
from benchmarks.speed.engines import Pass, engines
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import MODALITIES
from dfd.outputs.files import write_atomically
from dfd.prediction import residual_maps
from dfd.prediction.masks import lattice
from dfd.prediction.predict import predict_slice
from dfd.records import BoolImage, FloatImage, Prediction, Region

logger = logging.getLogger(__name__)

CODE = ("benchmarks/studies/predictor_detection.py", "benchmarks/speed/engines.py")
EDITS = (
    "white noise 0.6 x residual",
    "copy-move, feathered 3 px",
    "GAN inpainting",
    "mean fill + spectrum-matched noise",
    "harmonic fill",
    "blur, sigma 0.8 px",
)
"""A handful of each form. Those whose network is not there are left out."""
PER_PATIENT = 4
"""Slices."""
TRAINED = ("ours, 16-24-32-48", "ours, 32-48-64-96", "ours, 48-64-96-128")
FEWER_BITS = ("ONNX Runtime int8", "OpenVINO int8")
"""Runtimes whose numbers differ from those of torch by more than rounding; how fast the others are
says `benchmarks.speed.bench`."""
TIMED_RUNS = 3

Lattice = Callable[[int, int, int], BoolImage]
"""(height, width, phase) -> pixels that are hidden."""


def diagonal(height: int, width: int, phase: int) -> BoolImage:
    """Three passes: every third diagonal is hidden."""
    rows, columns = np.ogrid[:height, :width]
    hidden: BoolImage = (rows + columns) % 3 == phase
    return hidden


def square(height: int, width: int, phase: int) -> BoolImage:
    """Four passes: one pixel of each 2 x 2 is hidden."""
    rows, columns = np.ogrid[:height, :width]
    hidden: BoolImage = (rows % 2 == phase // 2) & (columns % 2 == phase % 2)
    return hidden


LATTICES: dict[int, Lattice] = {3: diagonal, 4: square, 5: lattice}
"""Passes -> lattice; the last one is ours."""


@dataclass(frozen=True)
class Predictor:
    """A way to predict a slice."""

    run: Pass
    passes: int = 5
    head: torch.nn.Module | None = None

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """As the network."""
        return self.run(image)

    def predict(self, pixels: FloatImage, modality: str) -> Prediction:
        """The slice, every pixel while it is hidden."""
        with lattice_of(self.passes):
            return predict_slice(pixels, self, MODALITIES[modality])


@contextmanager
def lattice_of(passes: int) -> Iterator[None]:
    """Predictions hide pixels by the lattice of so many passes."""
    with patch.multiple(residual_maps, LATTICE_PASSES=passes, lattice=LATTICES[passes]):
        yield


@dataclass(frozen=True)
class Material:
    """One slice under some edits, and the places that are looked at."""

    scan: Scan
    radius: float
    versions: tuple[Version, ...]
    """The first is the slice as it is."""


def material(modality: str, *, quick: bool) -> list[Material]:
    """Slices of fold1 with the edits that the shipped network makes, the same in every run."""
    network = registry.load(None, modality).network
    series = scans.per_patient(
        scans.select_series(modality, partition.VALIDATION_FOLDS, PER_PATIENT), PER_PATIENT
    )
    if quick:
        series = scans.per_patient(series, 1)[:2]
    found = []
    for number, scan in enumerate(scans.load(series, modality)):
        rng = np.random.default_rng([partition.SEED, number])
        setup = trials.prepare_slice(scan, network, rng)
        if setup is not None:
            names = EDITS[:1] if quick else EDITS
            edited = [
                trials.version_of(setup, name, ATTACKS[name])
                for name in names
                if not obstacle(name, modality, scan.source.patient)
            ]
            versions = (trials.unedited(setup), *(each for each in edited if each is not None))
            found.append(Material(scan, setup.places.radius, versions))
    return found


def rows_of(predictor: Predictor, slices: Sequence[Material]) -> list[dict[str, Any]]:
    """The statistics of every place, as the ablation takes them."""
    rows = []
    for one in slices:
        for version in one.versions:
            prediction = predictor.predict(version.pixels, one.scan.modality)
            evidence = SliceEvidence(prediction, MODALITIES[one.scan.modality])
            regions = [Region(float(x), float(y), one.radius) for x, y in version.centres]
            rows += [
                {
                    "patient": one.scan.source.patient,
                    "kind": version.kind,
                    "curve": "",
                    "statistics": {each.family: each.statistic for each in pieces},
                }
                for pieces in (evidence.measure_all(regions) if regions else ())
            ]
    return rows


def detection(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """AUC of each edit, and their mean."""
    scored = [
        row
        for row in ablation.scored(rows, ablation.VARIANTS[0])
        if math.isfinite(row[ablation.SCORE])
    ]
    values = {
        kind: np.array([row[ablation.SCORE] for row in scored if row["kind"] == kind])
        for kind in (GENUINE, *EDITS)
    }
    found = {kind: auc(values[kind], values[GENUINE]) for kind in EDITS if len(values[kind])}
    return {**found, "mean": float(np.mean(list(found.values()))) if found else math.nan}


def seconds_of(predictor: Predictor, one: Material) -> float:
    """Median wall seconds to predict the slice, after one run that warms up."""
    times = []
    for _ in range(TIMED_RUNS + 1):
        started = time.perf_counter()
        predictor.predict(one.scan.pixels, one.scan.modality)
        times.append(time.perf_counter() - started)
    return float(np.median(times[1:]))


def predictors(
    modality: str, folder: Path, minutes: float, *, quick: bool
) -> dict[str, Callable[[], Predictor]]:
    """Name -> what makes the candidate; training happens there.

    ``folder``: for files of other runtimes.
    """
    network = registry.load(None, modality).network
    found: dict[str, Callable[[], Predictor]] = {
        f"shipped, {passes} passes": partial(Predictor, network, passes, network.head)
        for passes in (5, 4, 3)
    }
    found["shipped, without the head"] = partial(Predictor, network)
    if quick:
        return found
    for name, run in engines(network, folder).items():
        if name in FEWER_BITS:
            found[f"shipped, {name}"] = partial(Predictor, run, 5, network.head)
    for name in TRAINED:
        found[f"trained {minutes:g} min: {name}"] = partial(trained, name, modality, minutes)
    return found


def trained(name: str, modality: str, minutes: float) -> Predictor:
    """A candidate of ``benchmarks.predictor.architecture_search``, trained from scratch."""
    candidate = CANDIDATES[name]
    pool = architecture_search.crops(
        modality,
        partition.TRAINING_FOLDS,
        architecture_search.TRAINING_CROPS,
        partition.SEED,
    )
    return Predictor(architecture_search.train(candidate, pool, 60.0 * minutes), candidate.passes)


def compared(modality: str, minutes: float, *, quick: bool) -> list[dict[str, Any]]:
    """A row for each candidate, best first; those that are done are not measured again."""
    key = f"{modality}_{minutes:g}_{checkpoint.code_digest(CODE)}{'_quick' if quick else ''}"
    state = partition.ROOT / "runs" / "predictor_detection" / key
    state.mkdir(parents=True, exist_ok=True)
    slices = material(modality, quick=quick)
    rows = []
    with TemporaryDirectory() as folder:
        makers = predictors(modality, Path(folder), minutes, quick=quick)
        for name, make in makers.items():
            file = state / f"{name.replace(' ', '_').replace(':', '')}.json"
            if not file.exists():
                logger.info("measuring %s", name)
                predictor = make()
                with torch.inference_mode():
                    row = {
                        "predictor": name,
                        "passes": predictor.passes,
                        "auc": detection(rows_of(predictor, slices)),
                    }
                write_atomically(file, json.dumps(row).encode())
            rows.append(json.loads(file.read_text(encoding="utf-8")))
        # Untrained networks take as long, and times taken in one go can be compared.
        untrained = predictors(modality, Path(folder), 0.0, quick=quick).values()
        with torch.inference_mode():
            seconds = [seconds_of(make(), slices[0]) for make in untrained]
    timed = [{**row, "seconds": one} for row, one in zip(rows, seconds, strict=True)]
    return sorted(timed, key=lambda row: -float(row["auc"]["mean"]))


def main() -> None:
    """Command line."""
    parser = cli.parser(__doc__, model=False)
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="CPU minutes per training (default: 10)"
    )
    arguments = parser.parse_args()
    rows = compared(arguments.modality, arguments.minutes, quick=arguments.quick)
    kinds = [kind for kind in EDITS if any(kind in row["auc"] for row in rows)]
    cells = [
        [
            row["predictor"],
            str(row["passes"]),
            f"{row['seconds']:.3f}",
            f"{row['auc']['mean']:.3f}",
            *(f"{row['auc'].get(kind, math.nan):.3f}" for kind in kinds),
        ]
        for row in rows
    ]
    text = (
        f"# Predictors by detection and time: {arguments.modality}\n\nSlices of fold1; AUC of all "
        "families of a lone slice together, each edit against genuine places; seconds to predict "
        "one slice.\n\n" + cli.table(["predictor", "passes", "seconds", "mean AUC", *kinds], cells)
    )
    content = {"modality": arguments.modality, "predictors": rows}
    name = f"predictor_detection_{arguments.modality}"
    cli.publish(name, content, text, quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
