"""What the baselines say of the regions of a slice."""

from __future__ import annotations

import functools
import hashlib
import zlib
from collections.abc import Collection, Sequence

from benchmarks import baselines
from benchmarks.detection.trials import SliceSetup, Version
from benchmarks.runner.checkpoint import Rows
from dfd.modalities import MODALITIES


def baselines_of(modality: str, patients: Collection[str] = ()) -> list[str]:
    """Names of the baselines that can be measured now on a group of patients.

    Not those trained on any of them: the network of the group is another than that which such a
    baseline was made with, and whoever joined the group later would be compared with fewer.
    """
    ready = baselines.ready(MODALITIES[modality])
    return [name for name in ready if not set(patients) & set(_trained_on(name, modality))]


def baselines_mark(modality: str, patients: Collection[str] = ()) -> str:
    """Digest of which baselines can be measured on ``patients`` and of what they learned."""
    mark = hashlib.sha256()
    for name in baselines_of(modality, patients):
        mark.update(name.encode())
        state = getattr(baselines.BASELINES[name], "state", "")
        mark.update(baselines.state.place(state, modality).read_bytes() if state else b"")
    return mark.hexdigest()


@functools.cache
def _trained_on(name: str, modality: str) -> tuple[str, ...]:
    state = getattr(baselines.BASELINES[name], "state", "")
    return tuple(baselines.state.learned_from(state, modality)) if state else ()


def with_baselines(setup: SliceSetup, version: Version, rows: Rows, names: Sequence[str]) -> Rows:
    """``rows`` of the centres of ``version``, with what each baseline says of them."""
    if not names:
        return rows
    places = setup.places
    seed = zlib.crc32(f"{setup.seed} {version.kind}".encode())
    view = baselines.SliceView(
        version.pixels,
        version.evidence.prediction,
        setup.network,
        MODALITIES[setup.scan.modality],
        seed,
    )
    values: dict[str, list[float]] = {}
    for name in names:
        baseline = baselines.BASELINES[name]
        prepared = baseline.prepare(view)
        values[name] = [
            float(baseline.measure(prepared, (int(x), int(y)), places.radius))
            for x, y in version.centres
        ]
    return [
        {**row, "baselines": {name: values[name][place] for name in names}}
        for place, row in enumerate(rows)
    ]
