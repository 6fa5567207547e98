"""CPU seconds of the baselines: to prepare a slice and to measure a region.

Each on one slice of a patient of fold1.

    OMP_NUM_THREADS=1 python -m benchmarks.baselines.cost --modality ct_lung

Prints a table; baselines that have not learned yet are left out and named.
"""

from __future__ import annotations

import time

import numpy as np

from benchmarks.baselines import BASELINES, SliceView, offered, ready
from benchmarks.data import partition, scans
from benchmarks.models import registry
from benchmarks.runner import cli
from dfd.evidence.window_features import grid_centres
from dfd.modalities import MODALITIES, Modality
from dfd.prediction.predict import predict_slice
from dfd.records import Point
from dfd.regions import region_of

REGIONS = 20


def view_of(modality: Modality, model: str | None) -> tuple[SliceView, float]:
    """The middle slice of the first series of fold1, and the radius of a region in it."""
    series = scans.per_patient(
        scans.select_series(modality.name, partition.VALIDATION_FOLDS, 3)[:1], 3
    )
    loaded = list(scans.load(series, modality.name))
    scan = loaded[len(loaded) // 2]
    network = registry.load(model, modality.name).network
    radius = region_of(Point(0, "", 0.0, 0.0), scan.slice, modality).radius_px
    return SliceView(
        scan.pixels,
        predict_slice(scan.pixels, network, modality),
        network,
        modality,
        partition.SEED,
    ), radius


def seconds_of(name: str, view: SliceView, radius: float) -> tuple[float, float, float]:
    """CPU seconds of preparing, of the first region, and of each further one (median).

    The first differs since some baselines prepare for each radius.
    """
    baseline = BASELINES[name]
    baseline.prepare(view)  # files are read and libraries are loaded once, not once per slice
    started = time.process_time()
    prepared = baseline.prepare(view)
    preparing = time.process_time() - started
    places = np.random.default_rng(view.seed).permutation(grid_centres(view.prediction, radius))[
        : REGIONS + 1
    ]
    times = []
    for x, y in places:
        started = time.process_time()
        baseline.measure(prepared, (int(x), int(y)), radius)
        times.append(time.process_time() - started)
    return preparing, times[0], float(np.median(times[1:]))


def main() -> None:
    arguments = cli.parser(__doc__).parse_args()
    modality = MODALITIES[arguments.modality]
    view, radius = view_of(modality, arguments.model)
    names = ready(modality)
    rows = [
        [name, *(f"{seconds:.4f}" for seconds in seconds_of(name, view, radius))] for name in names
    ]
    print(
        f"{modality.name}, a slice of {view.pixels.shape[0]} x {view.pixels.shape[1]}, "
        f"regions of radius {radius:.1f} px; CPU seconds:\n"
    )
    print(cli.table(["baseline", "a slice", "first region", "each further region"], rows))
    for name in offered(modality):
        if name not in names:
            print(
                f"{name} has not learned yet: python -m benchmarks.baselines.train --modality "
                f"{modality.name} --name {BASELINES[name].state}"
            )


if __name__ == "__main__":
    cli.end(main)
