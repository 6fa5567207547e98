"""Forged series hidden in a repository of genuine ones: at which rank does `dfd screen` list them?

    DFD_DATA=FOLDER python -m benchmarks.studies.hidden_forgeries FOLDER

Scans of development patients are copied into FOLDER/repository. In some series, one for each kind
of edit, a place is edited over several slices; headers and names stay as they were. The repository
is screened into FOLDER/screened, whose report.html can then be looked at. FOLDER holds scans: keep
it out of the project. The same command again goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

import dfd
from benchmarks.attacks.cubes import Stack
from benchmarks.attacks.volumetric import STACK_ATTACKS, Ball
from benchmarks.data import partition, volumes
from benchmarks.data.volumes import Volume
from benchmarks.detection.series_trials import (
    LEAST_SLICES,
    RADIUS_MM,
    SeriesSetup,
    canvases_of,
    obstacle,
    site_of,
)
from benchmarks.runner import cli
from dfd.calibration import UNUSUAL
from dfd.modalities import MODALITIES
from dfd.model_paths import resolve_model
from dfd.models import model_file
from dfd.outputs.files import write_atomically
from dfd.prediction.network import shipped_network

NAME = "hidden_forgeries"
KEY = "forged.json"
"""Which series are forged, and how; beside the repository, not in it."""
SITES_TRIED = 5
"""Slices in which a place for an edit is looked for."""


def make_repository(folder: Path, folds: Sequence[str]) -> list[dict[str, Any]]:
    """Copy the scans, forge one series for each kind of edit, and give what was forged."""
    key = folder / KEY
    if key.exists():
        return list(json.loads(key.read_text(encoding="utf-8")))
    shutil.rmtree(folder / "repository", ignore_errors=True)
    forged = []
    for modality in MODALITIES:
        left = dict(STACK_ATTACKS)
        network = _network(modality)
        for volume in volumes.volumes(modality, folds):
            place = folder / "repository" / volume.patient / volume.series.replace(" ", "_")
            place.mkdir(parents=True, exist_ok=True)
            for ref in volume.refs:
                shutil.copy2(ref.path, place)
            kind = next(_kinds(left, modality, volume), "")
            edit = _forge(SeriesSetup.of(volume, modality, network), kind, place) if kind else None
            if edit is not None:
                del left[kind]
                forged.append({"folder": f"{volume.patient}/{place.name}", "edit": kind, **edit})
    write_atomically(key, json.dumps(forged, indent=1).encode())
    return forged


def _network(modality: str) -> Any:  # noqa: ANN401 - a module of torch
    network = shipped_network().eval()
    loaded = model_file.load(resolve_model(MODALITIES[modality].bundle))
    model_file.put_into(network, loaded, MODALITIES[modality].bundle)
    return network


def _kinds(left: Mapping[str, Any], modality: str, volume: Volume) -> Iterator[str]:
    """The edits that are still to be hidden and that this series can have."""
    # Half of the patients stay genuine.
    whole = len(volume.refs) >= LEAST_SLICES and zlib.crc32(volume.patient.encode()) % 2 == 0
    for kind, attack in left.items():
        if whole and not obstacle(attack, modality, volume.patient):
            yield kind


def _forge(setup: SeriesSetup, kind: str, place: Path) -> dict[str, Any] | None:
    """Edit the copied files of a series; None where it has no place for such an edit."""
    stack = setup.volume.pixels
    rng = np.random.default_rng([partition.SEED, zlib.crc32(f"{setup.name} {kind}".encode())])
    predictions = [setup.predict(pixels) for pixels in stack]
    canvases = canvases_of(setup, predictions)
    for middle in rng.permutation(len(stack))[:SITES_TRIED].tolist():
        site = site_of(setup, STACK_ATTACKS[kind], canvases[middle], predictions[middle], rng)
        if site is None:
            continue
        changed = STACK_ATTACKS[kind].edit(canvases, Ball(middle, site, RADIUS_MM), rng)
        numbers = _write(setup.volume, changed, place)
        if numbers:
            first, last = numbers[0] + 1, numbers[-1] + 1
            return {"x": site[0], "y": site[1], "first": first, "last": last}
    return None


def _write(volume: Volume, changed: Stack, place: Path) -> list[int]:
    """Write the slices that differ, with the headers of the genuine ones; which they are."""
    written = []
    for number, (ref, pixels) in enumerate(zip(volume.refs, changed, strict=True)):
        if np.array_equal(pixels, volume.pixels[number], equal_nan=True):
            continue
        scan = dcmread(ref.path)
        stored = scan.pixel_array
        slope, intercept = (
            float(scan.get("RescaleSlope", 1)),
            float(scan.get("RescaleIntercept", 0)),
        )
        differs = np.isfinite(pixels) & (pixels != volume.pixels[number])
        values = np.rint((np.nan_to_num(pixels) - intercept) / slope)
        limits = np.iinfo(stored.dtype)
        edited = np.where(differs, np.clip(values, limits.min, limits.max), stored)
        scan.PixelData = edited.astype(stored.dtype).tobytes()
        scan.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        scan.save_as(place / ref.path.name, enforce_file_format=True)
        written.append(number)
    return written


def ranked(table: pd.DataFrame, forged: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the screening said of each forged series."""
    rows = []
    for edit in forged:
        row = table[table["folder"] == edit["folder"]].sort_values("rank").iloc[0]
        said = {name: row[name] for name in ("rank", "verdict", "form", "status")}
        numbers = {name: float(row[name]) for name in ("p_value", "p_empirical", "q_empirical")}
        slices = f"{edit['first']} to {edit['last']} of {row['slices']}"
        rows.append({"edit": edit["edit"], "modality": row["modality"], "slices": slices, **said})
        rows[-1] |= numbers | {"rank": int(row["rank"])}
    return sorted(rows, key=lambda each: each["rank"])


def counted(table: pd.DataFrame, forged: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Series, and alarms among those that are genuine."""
    genuine = table[~table["folder"].isin([each["folder"] for each in forged])]
    scored = genuine[genuine["status"] == "scored"]
    return {
        "series": len(table),
        "genuine, scored": len(scored),
        "genuine, shipped p <= 0.05": int((scored["p_value"] <= UNUSUAL).sum()),
        "genuine, empirical p <= 0.05": int((scored["p_empirical"] <= UNUSUAL).sum()),
        "genuine, empirical q <= 0.1": int((scored["q_empirical"] <= 0.1).sum()),
    }


def summary(content: Mapping[str, Any]) -> str:
    """In Markdown."""
    columns = ["rank", "modality", "edit", "slices", "p_value", "p_empirical", "q_empirical"]
    columns += ["verdict", "form"]
    rows = [
        [f"{row[name]:.3g}" if isinstance(row[name], float) else str(row[name]) for name in columns]
        for row in content["forged"]
    ]
    counts = [[name, str(number)] for name, number in content["counts"].items()]
    return cli.table(columns, rows) + "\n\n" + cli.table(["count", ""], counts) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, help="where repository and results go")
    parser.add_argument(
        "--folds",
        nargs="+",
        default=list(partition.VALIDATION_FOLDS),
        help="of development patients (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="results go to runs/quick")
    arguments = parser.parse_args()
    forged = make_repository(arguments.folder, arguments.folds)
    table = dfd.screen(
        arguments.folder / "repository",
        arguments.folder / "screened",
        device="cpu",
        workers=arguments.workers,
    )
    content = {
        "folds": arguments.folds,
        "forged": ranked(table, forged),
        "counts": counted(table, forged),
    }
    cli.publish(NAME, content, summary(content), quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
