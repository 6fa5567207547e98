"""How well the evidence tells manipulations from genuine places, on patients left out of training.

    python -m benchmarks.studies.first_evidence --modality ct_lung          # eleven simple ones
    python -m benchmarks.studies.first_evidence --modality ct_lung --all    # all not held out

``--model runs/ct.ckpt`` names another model; ``--all`` needs `benchmarks.attacks.training.train
--train` first.

Patients of fold1: the network did not learn from them, but early stopping and the shipped
calibration saw them; false-alarm rates are therefore also told with a calibration that leaves the
patient out. Each edit fills the region of the modality's own radius, is pasted back into the
untouched slice (outside the mask not one value changes) and rounded to whole numbers. Up to 4 edits
of one kind, 4 radii apart, share a slice and a prediction. Of four places alike in mean and edge
strength one is drawn to be edited; the others, in the untouched slice, are the genuine controls.
Slices done are kept in runs/first_evidence and not done again.
"""

from __future__ import annotations

import argparse
import logging
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.attacks import FORGERS
from benchmarks.attacks.registry import FAMILIES, UNTOUCHED, Family
from benchmarks.data import partition, scans
from benchmarks.data.volumes import holding, volumes
from benchmarks.detection import trials
from benchmarks.detection.trials import CONTENT, GENUINE
from benchmarks.metrics.roc import FloatArray, auc, auc_interval, by_patient, found_at
from benchmarks.models import cross_validation, registry
from benchmarks.models.registry import Loaded
from benchmarks.runner import cli
from benchmarks.runner.checkpoint import Ledger, code_digest
from dfd.calibration import (
    SERIES,
    SLICE,
    STRONGLY_UNUSUAL,
    UNUSUAL,
    Calibration,
    combined_p,
    combined_statistic,
    leave_one_out,
)
from dfd.evidence import context_families, lone_slice_families
from dfd.modalities import MODALITIES

logger = logging.getLogger(__name__)

SLICES, SLICES_OF_ALL = 4, 2
"""Per patient, spread over all series; fewer where every forger is tried, which takes some minutes
a slice."""
MEASURED = (*lone_slice_families(), *context_families())
HEAD = ("edit", "regions", "AUC", "found at 5 %", "found at 1 %")


def gather(arguments: argparse.Namespace, loaded: Loaded) -> list[dict[str, Any]]:
    """Rows of all slices; those that an earlier run left behind are taken as they are."""
    modality = MODALITIES[arguments.modality]
    wanted = SLICES_OF_ALL if arguments.all else SLICES
    series = scans.per_patient(scans.listed(modality.name, partition.LEFT_OUT, wanted), wanted)
    if arguments.quick:
        series = [
            scans.Listed(one.patient, one.series, one.scanner, one.kernel, one.refs[:1])
            for one in series[:2]
        ]
    families = families_of(arguments)
    stacks = list(volumes(modality.name, partition.LEFT_OUT))
    kept = _store(arguments, loaded)
    rows = []
    for scan in scans.load(series, modality.name):
        if (scan.name, "") not in kept.done:
            rng = np.random.default_rng([partition.SEED, zlib.crc32(scan.name.encode())])
            kept.add(
                scan.name,
                {
                    "": trials.trials_of(
                        scan, loaded.network, rng, families, holding(stacks, scan.slice.ref)
                    )
                },
            )
            logger.info("%s: %d regions", scan.name, len(kept.done[scan.name, ""]))
        rows += kept.done[scan.name, ""]
    return rows


def families_of(arguments: argparse.Namespace) -> dict[str, Family]:
    """What is tried. Held-out families are never among them.

    They are looked at once, when all choices are frozen.
    """
    if not arguments.all:
        return {name: Family("", forge) for name, forge in FORGERS.items()}
    return {
        name: family
        for name, family in {**UNTOUCHED, **FAMILIES}.items()
        if not family.held_out and arguments.modality in family.modalities
    }


def _store(arguments: argparse.Namespace, loaded: Loaded) -> Ledger:
    """The slices done, with these weights and this code: a change of either begins anew."""
    kind = "all_" if arguments.all else ""
    weights = loaded.model.sha256[:12]
    name = f"{kind}{arguments.modality}_{weights}_{code_digest()}.jsonl"
    return Ledger(partition.ROOT / "runs" / "first_evidence" / name)


def calibrations_of(
    calibration: Calibration | None, names: Sequence[str]
) -> dict[str, Calibration] | None:
    """Per patient of ``names``, who stand in the tables in this order, the calibration without him.

    None where the calibration does not stand on exactly them: then nobody knows whose row is whose.
    """
    if calibration is None or calibration.patients != len(names) or len(names) < 2:
        return None
    return {patient: leave_one_out(number, calibration) for number, patient in enumerate(names)}


def rates(
    rows: Sequence[Mapping[str, Any]],
    calibration: Calibration | None,
    others: Mapping[str, Calibration] | None,
) -> dict[str, float]:
    """Share of regions at or below each threshold of the p-value.

    With the shipped calibration, and with one that leaves the patient out.
    """
    usable = [row for row in rows if np.isfinite(row["statistic"])]
    shipped = (
        [combined_p(row["statistics"], calibration.of(SLICE))[0] for row in usable]
        if calibration
        else []
    )
    left_out = (
        [combined_p(row["statistics"], others[row["patient"]].of(SLICE))[0] for row in usable]
        if others
        else []
    )
    return {
        f"{name} p <= {limit:g}": float(np.mean([value <= limit for value in values]))
        if values
        else float("nan")
        for name, values in (("shipped", shipped), ("patient left out", left_out))
        for limit in (UNUSUAL, STRONGLY_UNUSUAL)
    }


def summarise(
    rows: Sequence[Mapping[str, Any]], kind: str, patients: Sequence[str]
) -> dict[str, Any]:
    """AUC with interval, detection, and what content alone says.

    For one kind of edit against all controls.
    """
    edited, genuine = ([row for row in rows if row["kind"] == wanted] for wanted in (kind, GENUINE))
    parts, beside = (
        [
            by_patient(
                [row.get(key, np.nan) for row in side], [row["patient"] for row in side], patients
            )
            for side in (edited, genuine)
        ]
        for key in ("statistic", "beside")
    )
    pooled, with_neighbours = ([np.concatenate(side) for side in both] for both in (parts, beside))
    low, high = auc_interval(parts[0], parts[1], np.random.default_rng(partition.SEED))
    told = {
        "kind": kind,
        "regions": len(pooled[0]),
        "not assessable": len(edited) - len(pooled[0]),
        "auc": auc(pooled[0], pooled[1]),
        "low": low,
        "high": high,
    }
    told |= {
        f"found at {alarms:g}": found_at(pooled[0], pooled[1], alarms) for alarms in (0.05, 0.01)
    }
    told["auc with neighbours"] = auc(*with_neighbours)
    told["low with neighbours"], told["high with neighbours"] = auc_interval(
        beside[0], beside[1], np.random.default_rng(partition.SEED)
    )
    told |= {
        f"auc by {family}": auc(*(_of_family(side, family) for side in (edited, genuine)))
        for family in MEASURED
    }
    told |= {
        f"auc of {name}": auc(
            *(
                np.asarray([row[name] for row in side], dtype=np.float64)
                for side in (edited, genuine)
            )
        )
        for name in CONTENT
    }
    return told


def _of_family(rows: Sequence[Mapping[str, Any]], family: str) -> FloatArray:
    return _finite([row["statistics"].get(family, np.nan) for row in rows])


def _finite(values: Sequence[float]) -> FloatArray:
    told = np.asarray(values, dtype=np.float64)
    return told[np.isfinite(told)]


def beside_of(statistics: Mapping[str, float], calibration: Calibration | None) -> float:
    """The combination of all families where the slices above and below were at hand.

    NaN where they were not, or are not calibrated.
    """
    setting = calibration.settings.get(SERIES) if calibration else None
    compared = any(np.isfinite(statistics.get(family, np.nan)) for family in context_families())
    if setting is None or not compared:
        return float("nan")
    return combined_statistic(statistics, setting.tables)


def by_tissue(rows: Sequence[Mapping[str, Any]], kind: str) -> dict[str, float]:
    """AUC within each tissue class that holds at least ten regions of either side."""
    told = {}
    for tissue in sorted({row["tissue"] for row in rows if row["tissue"]}):
        sides_of = [
            np.asarray(
                [
                    row["statistic"]
                    for row in rows
                    if row["kind"] == wanted
                    and row["tissue"] == tissue
                    and np.isfinite(row["statistic"])
                ]
            )
            for wanted in (kind, GENUINE)
        ]
        if min(map(len, sides_of)) >= 10:
            told[tissue] = auc(*sides_of)
    return told


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All numbers."""
    started = time.monotonic()
    loaded = registry.load(arguments.model, arguments.modality)
    patients, calibration = (
        partition.patients(arguments.modality, partition.LEFT_OUT),
        loaded.calibration,
    )
    # A model of one's own was calibrated on whom its training left out.
    behind = (
        patients
        if arguments.model or calibration is None
        else cross_validation.standing(arguments.modality, calibration)
    )
    others = calibrations_of(calibration, behind)
    tables = calibration.of(SLICE).tables if calibration else {}
    rows = [
        {
            **row,
            "statistic": combined_statistic(row["statistics"], tables),
            "beside": beside_of(row["statistics"], calibration),
        }
        for row in gather(arguments, loaded)
    ]
    seen = [patient for patient in patients if any(row["patient"] == patient for row in rows)]
    kinds = []
    for kind in families_of(arguments):
        edited = [row for row in rows if row["kind"] == kind]
        kinds.append(
            {
                **summarise(rows, kind, seen),
                **rates(edited, calibration, others),
                "tissues": by_tissue(rows, kind),
            }
        )
    genuine = [row for row in rows if row["kind"] == GENUINE]
    return {
        "modality": arguments.modality,
        "weights_sha256": loaded.model.sha256,
        "seed": partition.SEED,
        "patients": len(seen),
        "slices": len({row["slice"] for row in rows}),
        "controls": len(genuine),
        "calibration patients": calibration.patients if calibration else 0,
        "false alarms": rates(genuine, calibration, others),
        "false alarms by patient": {
            patient: rates(
                [row for row in genuine if row["patient"] == patient], calibration, others
            )
            for patient in seen
        },
        "kinds": kinds,
        "seconds": time.monotonic() - started,
    }


def markdown(content: Mapping[str, Any]) -> str:
    """The result as read by people."""
    names = list(content["false alarms"])
    rows = [_cells(kind, names) for kind in content["kinds"]]
    alarms = [f"{content['false alarms'][name]:.2f}" for name in names]
    rows.append(
        [
            "genuine controls (realised false alarms)",
            str(content["controls"]),
            "",
            "",
            "",
            *alarms,
            "",
            "",
            "",
        ]
    )
    tissues = [
        [
            kind["kind"],
            ", ".join(f"{name} {value:.2f}" for name, value in kind["tissues"].items()) or "-",
        ]
        for kind in content["kinds"]
    ]
    parts = [
        f"# Evidence on manipulations: {content['modality']}",
        f"{content['patients']} patients of fold1 (left out of training; early stopping and "
        "the shipped calibration saw them), "
        f"{content['slices']} slices, {content['controls']} matched genuine places. Up to "
        f"{trials.SITES} edits per slice and kind, 4 radii apart, "
        "each as large as the region asked about; "
        "which of four places alike in mean and edge strength is edited is drawn, the other "
        f"{trials.CONTROLS} are controls. "
        "AUC with a 95 % interval over patients; found at 5 % and 1 % false alarms of these "
        "controls; share at or below the p-value thresholds "
        f"with the shipped calibration ({content['calibration patients']} patients) and with "
        "the patient left out of it. "
        "The combination is the length of the vector of the families' -log10 rarities, for "
        "the lone slice and once more with the untouched slices "
        "above and below (where there are any, and the calibration has tables for them); then "
        "the AUC of each family by itself. "
        "Last column: AUC of content alone (mean / deviation / edge share); 0.5 says nothing, "
        "far below says as much as far above.",
        cli.table(
            [*HEAD, *names, "AUC with neighbours", " / ".join(MEASURED), "content alone"], rows
        ),
        "AUC within each tissue that holds at least ten regions of either side:",
        cli.table(["edit", "tissue"], tissues),
        (
            f"Weights {content['weights_sha256'][:12]}, seed {content['seed']}, "
            f"{content['seconds']:.0f} s."
        ),
    ]
    return "\n\n".join(parts)


def ranged_beside(kind: Mapping[str, Any]) -> str:
    """AUC with neighbours and its interval; a dash where there were none."""
    if not np.isfinite(kind["auc with neighbours"]):
        return "-"
    return (
        f"{kind['auc with neighbours']:.2f} ({kind['low with neighbours']:.2f} to "
        f"{kind['high with neighbours']:.2f})"
    )


def _cells(kind: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [
        kind["kind"],
        str(kind["regions"]),
        f"**{kind['auc']:.2f}** ({kind['low']:.2f} to {kind['high']:.2f})",
        f"{kind['found at 0.05']:.2f}",
        f"{kind['found at 0.01']:.2f}",
        *(f"{kind[name]:.2f}" for name in names),
        ranged_beside(kind),
        " / ".join(f"{kind[f'auc by {family}']:.2f}" for family in MEASURED),
        " / ".join(f"{kind[f'auc of {name}']:.2f}" for name in CONTENT),
    ]


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--all",
        action="store_true",
        help="every forger that is not held out, in place of the simple ones",
    )
    arguments = parser.parse_args()
    content = run(arguments)
    cli.publish(
        f"{'families' if arguments.all else 'first_evidence'}_{arguments.modality}",
        content,
        markdown(content),
        quick=arguments.quick,
    )


if __name__ == "__main__":
    cli.end(main)
