"""What it costs that a region is a disk of pixels where pixels are not square.

    DFD_DATA=FOLDER python -m benchmarks.studies.oblong_pixels --modality ct_lung

Four genuine places of two slices of each patient of fold1. At each an edit is laid into an ellipse
as large as the region: a disk in mm, seen in pixels of that ratio of sides. It is scored as always,
by a disk of pixels. With ratio 1 the two are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.attacks.canvas import Canvas, paste
from benchmarks.attacks.noise import white
from benchmarks.data import partition, scans
from benchmarks.data.scans import Scan
from benchmarks.metrics.roc import auc, auc_interval
from benchmarks.models import registry
from benchmarks.runner import cli
from dfd.calibration import SLICE, Calibration, combined_statistic
from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import MODALITIES
from dfd.prediction.predict import predict_slice
from dfd.records import BoolImage, FloatImage, Point, Region
from dfd.regions import region_of

SLICES, PLACES = 2, 4
RATIOS = (1.0, 1.5, 1.8, 3.0)
"""Row over column spacing; the last is that of coronal reformats."""
STRENGTH, BLUR_PX = 0.6, 1.0
GENUINE = "genuine"
Edit = Callable[[Canvas, BoolImage, np.random.Generator], FloatImage]


def blurred(canvas: Canvas, mask: BoolImage, rng: np.random.Generator) -> FloatImage:
    """The region smoothed."""
    filled = np.where(np.isfinite(canvas.pixels), canvas.pixels, canvas.mean)
    return paste(canvas.pixels, gaussian_filter(filled, BLUR_PX).astype(np.float32), mask)


EDITS: dict[str, Edit] = {
    f"white noise, {STRENGTH} residuals": lambda canvas, mask, rng: white(
        canvas, mask, rng, strength=STRENGTH
    ),
    f"blur, sigma {BLUR_PX:g} px": blurred,
}


def ellipse(shape: tuple[int, ...], region: Region, ratio: float) -> BoolImage:
    """``[H, W]``: an ellipse around ``region`` of its area, ``ratio`` times as wide as high."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    away = (rows - region.y) ** 2 * ratio + (columns - region.x) ** 2 / ratio
    return np.asarray(away <= region.radius_px**2)


def of_slice(
    scan: Scan, network: torch.nn.Module, calibration: Calibration
) -> Iterator[tuple[str, float, float]]:
    """(edit, ratio, how rare the evidence is) of random places, genuine ones among them."""
    modality = MODALITIES[scan.modality]
    prediction = predict_slice(scan.pixels, network, modality)
    radius = region_of(Point(0, "", 0.0, 0.0), scan.slice, modality).radius_px
    evidence = SliceEvidence(prediction, modality)
    centres = evidence.windows(radius).table.centres.numpy()
    rng = np.random.default_rng(partition.SEED)
    regions = [
        Region(float(x), float(y), radius)
        for x, y in centres[rng.permutation(len(centres))[:PLACES]]
    ]
    for region in regions:
        yield GENUINE, 1.0, rareness(evidence, region, calibration)
        canvas = Canvas(scan.pixels, prediction.mean, prediction.mean)
        for name, edit in EDITS.items():
            for ratio in RATIOS:
                pixels = edit(
                    canvas,
                    ellipse(scan.pixels.shape, region, ratio),
                    np.random.default_rng(partition.SEED),
                )
                edited = SliceEvidence(predict_slice(pixels, network, modality), modality)
                yield name, ratio, rareness(edited, region, calibration)


def rareness(evidence: SliceEvidence, region: Region, calibration: Calibration) -> float:
    """All evidence of ``region`` together, higher = more suspicious.

    NaN where it cannot be measured.
    """
    tables = calibration.of(SLICE).tables
    values = {
        each.family: each.statistic for each in evidence.measure(region) if each.family in tables
    }
    measured = np.isfinite(list(values.values())).all()
    return combined_statistic(values, tables) if measured else float("nan")


def areas(values: Mapping[tuple[str, float], Mapping[str, list[float]]]) -> list[dict[str, Any]]:
    """AUC of every edit and ratio against the genuine places, with its interval over patients."""
    rng = np.random.default_rng(partition.SEED)
    patients = sorted(values[GENUINE, 1.0])
    plain = [np.asarray(values[GENUINE, 1.0][each]) for each in patients]
    lines = []
    for (name, ratio), by_patient in values.items():
        if name != GENUINE:
            edited = [np.asarray(by_patient.get(each, [])) for each in patients]
            area = auc(np.concatenate(edited), np.concatenate(plain))
            low, high = auc_interval(edited, plain, rng)
            lines.append({"edit": name, "ratio": ratio, "auc": area, "low": low, "high": high})
    return lines


def main() -> None:
    arguments = cli.parser(__doc__, model=False).parse_args()
    loaded = registry.load(None, arguments.modality)
    if loaded.calibration is None:
        raise SystemExit("the shipped model has no calibration")
    series = scans.per_patient(
        scans.select_series(arguments.modality, partition.VALIDATION_FOLDS, SLICES), SLICES
    )
    values: dict[tuple[str, float], dict[str, list[float]]] = {}
    for scan in scans.load(series[:1] if arguments.quick else series, arguments.modality):
        for name, ratio, value in of_slice(scan, loaded.network, loaded.calibration):
            if np.isfinite(value):
                values.setdefault((name, ratio), {}).setdefault(scan.source.patient, []).append(
                    value
                )
    lines = areas(values)
    rows = [
        [
            line["edit"],
            f"{line['ratio']:g}",
            f"{line['auc']:.3f}",
            f"{line['low']:.3f} to {line['high']:.3f}",
        ]
        for line in lines
    ]
    genuine = values[GENUINE, 1.0]
    number = sum(map(len, genuine.values()))
    introduction = (
        f"# Disks of pixels where pixels are oblong: {arguments.modality}\n\n{number} places of "
        f"{len(genuine)} patients of fold1.\n\n"
    )
    text = introduction + cli.table(
        ["edit in an ellipse", "ratio of sides", "AUC", "95 % over patients"], rows
    )
    cli.publish(
        f"oblong_pixels_{arguments.modality}",
        {"places": number, "rows": lines},
        text,
        quick=arguments.quick,
    )


if __name__ == "__main__":
    cli.end(main)
