"""Whether the learned statistic beats the root of summed squares, on edits it was not taught.

    python -m benchmarks.studies.learned_statistic --modality ct_lung         # the shipped weights
    python -m benchmarks.studies.learned_statistic --modality ct_lung --next  # of the next version

Slices of fold1, which neither the networks nor the statistic have seen, under attacks of the
benchmark. The same regions are ranked twice, calibrated on the genuine regions of the other
patients: by the root of summed squares of all families, and of these and the learned statistic.
``named``: of the edited regions above 95 % of the genuine ones by the latter, the share
whose form the odds of the learned statistic name rightly. Weights without a statistic have the
first ranking alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.attacks.registry import ATTACKS, NOTHING
from benchmarks.data import partition
from benchmarks.detection import ablation, trials
from benchmarks.detection.measurements import obstacle
from benchmarks.detection.trials import GENUINE, Version
from benchmarks.metrics.roc import auc, auc_interval, by_patient
from benchmarks.models import registry, stacked_statistic
from benchmarks.runner import cli
from dfd.evidence import lone_slice_families
from dfd.models.model_file import weights_digest
from dfd.records import TOGETHER, Evidence, Region

(FOLD,) = partition.VALIDATION_FOLDS
PER_PATIENT = 2
"""Slices."""
LEARNED = "learned"
WEIGHED = ablation.Variant(LEARNED, ablation.only(*lone_slice_families(), TOGETHER))
"""The ranking of a model that has a learned statistic."""
NAMED_ABOVE = 0.95
"""Share of genuine regions above which a region's form counts."""


def edits(modality: str) -> list[str]:
    """The attacks whose numbers may be looked at while choices are made."""
    return [name for name, each in ATTACKS.items() if not each.held_out]


def rows_of(modality: str, network: torch.nn.Module, *, quick: bool) -> Iterator[dict[str, Any]]:
    """What was measured of every region, of each slice as it is and under every attack."""
    names = edits(modality)[:2] if quick else edits(modality)
    for setup in trials.setups_of(modality, FOLD, network, PER_PATIENT, quick=quick):
        scan = setup.scan
        free = [name for name in names if not obstacle(name, modality, scan.source.patient)]
        made = (trials.version_of(setup, name, ATTACKS[name]) for name in free)
        for version in (trials.unedited(setup), *made):
            if version is not None and len(version.centres):
                rows = _measured(version, setup.places.radius)
                yield from ({"patient": scan.source.patient, **row} for row in rows)


def _measured(version: Version, radius: float) -> Iterator[dict[str, Any]]:
    regions = [Region(float(x), float(y), radius) for x, y in version.centres]
    for pieces in version.evidence.measure_all(regions):
        yield _row(version.kind, pieces)


def _row(kind: str, pieces: Sequence[Evidence]) -> dict[str, Any]:
    together = next((each for each in pieces if each.family == TOGETHER), None)
    odds = {} if together is None else {str(k): float(v) for k, v in together.measures.items()}
    return {
        "kind": kind,
        "curve": "",
        "statistics": {each.family: each.statistic for each in pieces},
        "form": max(odds, key=lambda form: odds[form]) if odds else "",
    }


def compared(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each edit: patients, regions, AUC of either ranking, share that is named rightly."""
    has = any(TOGETHER in row["statistics"] for row in rows)
    by_root, weighed = (ablation.scored(rows, each) for each in (ablation.VARIANTS[0], WEIGHED))
    scored = [
        {**row, LEARNED: other[ablation.SCORE] if has else math.nan}
        for row, other in zip(by_root, weighed, strict=True)
    ]
    genuine = [row for row in scored if row["kind"] == GENUINE]
    learned = np.array([row[LEARNED] for row in genuine])
    border = float(np.nanquantile(learned, NAMED_ABOVE)) if has else math.inf
    found = []
    for kind in dict.fromkeys(row["kind"] for row in scored if row["kind"] != GENUINE):
        own = [row for row in scored if row["kind"] == kind]
        beyond = [row for row in own if row[LEARNED] > border]
        right = [row["form"] == ATTACKS[kind].form for row in beyond]
        found.append(
            {
                "edit": kind,
                "form": ATTACKS[kind].form,
                "patients": len({row["patient"] for row in own}),
                "regions": len(own),
                "root": _with_interval(own, genuine, ablation.SCORE),
                LEARNED: _with_interval(own, genuine, LEARNED) if has else None,
                "alarms": len(beyond),
                "named": float(np.mean(right)) if right else math.nan,
            }
        )
    return found


def _with_interval(
    edited: Sequence[Mapping[str, Any]], genuine: Sequence[Mapping[str, Any]], key: str
) -> dict[str, float]:
    """AUC of ``key``, and its interval over patients."""
    names = sorted({row["patient"] for row in genuine})
    changed, untouched = (
        by_patient([row[key] for row in rows], [row["patient"] for row in rows], names)
        for rows in (edited, genuine)
    )
    low, high = auc_interval(changed, untouched, np.random.default_rng(partition.SEED))
    area = auc(np.concatenate(changed), np.concatenate(untouched))
    return {"auc": area, "low": low, "high": high}


def markdown(content: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    cells = [
        [
            row["edit"],
            str(row["patients"]),
            str(row["regions"]),
            *(_ranged(row[key]) for key in ("root", LEARNED)),
            f"{row['alarms']}",
            f"{row['named']:.2f}",
        ]
        for row in content["edits"]
    ]
    heads = ["edit", "patients", "regions", "root of squares", LEARNED, "alarms", "named"]
    means = ", ".join(f"{key} {value:.3f}" for key, value in content["means"].items())
    return (
        f"# Learned statistic: {content['modality']}\n\nWeights {content['weights']}. AUC against "
        f"genuine regions of the same slices (95 % interval over patients). Mean over the edits: "
        f"{means}.\n\n{cli.table(heads, cells)}"
    )


def _ranged(one: Mapping[str, float] | None) -> str:
    return "" if one is None else f"{one['auc']:.3f} ({one['low']:.2f} to {one['high']:.2f})"


def main() -> None:
    parser = cli.parser(__doc__, model=False)
    parser.add_argument("--next", action="store_true", help="take the weights of the next version")
    arguments = parser.parse_args()
    file = stacked_statistic.model_of(arguments.modality, FOLD, upcoming=arguments.next)
    network = registry.load(str(file), arguments.modality).network
    rows = list(rows_of(arguments.modality, network, quick=arguments.quick))
    found = compared(rows)
    means = {
        key: float(np.mean([row[key]["auc"] for row in found if row["form"] != NOTHING]))
        for key in ("root", LEARNED)
        if all(row[key] for row in found)
    }
    content = {
        "modality": arguments.modality,
        "weights": weights_digest(network.state_dict())[:12],
        "means": means,
        "edits": found,
    }
    name = f"learned_statistic_{arguments.modality}{'_next' if arguments.next else ''}"
    cli.publish(name, content, markdown(content), quick=arguments.quick)


if __name__ == "__main__":
    cli.end(main)
