"""How often the form of an alarm is named rightly, by edit.

    python -m benchmarks.studies.named_forms --modality ct_lung                # fold1
    python -m benchmarks.studies.named_forms --modality ct_lung --fold fold0   # to choose rules on

Slices of the patients of a fold, under the attacks of the benchmark that are not held out, measured
by the network that has not seen them and judged by the shipped calibration without that patient.
What was measured is kept in ``runs/named_forms``, so that a change of the rule is judged in
seconds; ``--anew`` measures again.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.attacks.registry import ATTACKS, NOTHING
from benchmarks.data import partition
from benchmarks.detection import trials
from benchmarks.detection.measurements import obstacle
from benchmarks.detection.trials import GENUINE, Version
from benchmarks.models import cross_validation, registry
from benchmarks.runner import cli
from dfd.calibration import SLICE, Calibration, DecisionContext, decide, leave_out
from dfd.errors import UsageError
from dfd.outputs.files import write_atomically
from dfd.records import Evidence, Finding, Form, Point, Region

(FOLD,) = partition.VALIDATION_FOLDS
PER_PATIENT = 1
"""Slices."""
ALARM = 0.05
FORMS = tuple(map(str, Form))
KEPT = ("family", "statistic", "measures", "source_x", "source_y")
"""Of a piece of evidence."""


def measured(modality: str, fold: str, *, quick: bool) -> Iterator[dict[str, Any]]:
    """What was measured of every region, of each slice as it is and under every attack."""
    network = registry.load(str(cross_validation.model_of(modality, fold)), modality).network
    names = [name for name, each in ATTACKS.items() if not each.held_out]
    for setup in trials.setups_of(modality, fold, network, PER_PATIENT, quick=quick):
        patient, radius = setup.scan.source.patient, setup.places.radius
        free = [name for name in names if not obstacle(name, modality, patient)]
        made = (trials.version_of(setup, name, ATTACKS[name]) for name in free)
        for version in (trials.unedited(setup), *made):
            if version is not None and len(version.centres):
                yield from ({"patient": patient, **row} for row in _rows(version, radius))


def _rows(version: Version, radius: float) -> Iterator[dict[str, Any]]:
    regions = [Region(float(x), float(y), radius) for x, y in version.centres]
    for pieces in version.evidence.measure_all(regions):
        evidence = [{name: asdict(piece)[name] for name in KEPT} for piece in pieces]
        yield {"kind": version.kind, "evidence": evidence}


def kept_rows(modality: str, fold: str, *, quick: bool, anew: bool) -> list[dict[str, Any]]:
    """As ``measured``, from the file of an earlier run where there is one."""
    name = f"{partition.FOLDERS[modality]}_{fold}{'_quick' if quick else ''}.jsonl"
    path: Path = partition.ROOT / "runs" / "named_forms" / name
    if anew or not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(row) for row in measured(modality, fold, quick=quick)]
        write_atomically(path, "\n".join(lines).encode())
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def judged(rows: Sequence[Mapping[str, Any]], modality: str) -> Iterator[tuple[str, Finding]]:
    """Kind of edit and answer of each region, the patient left out of the calibration.

    Raises:
        UsageError: the shipped model has no calibration.
    """
    calibration = registry.load(None, modality).calibration
    if calibration is None:
        raise UsageError("The shipped model has no calibration; run `dfd calibrate`.")
    names = cross_validation.standing(modality, calibration)
    others: dict[str, Calibration] = {}
    point = Point(0, "", 0.0, 0.0)
    for row in rows:
        patient = row["patient"]
        if patient not in others:
            others[patient] = leave_out({names.index(patient)}, calibration)
        pieces = [Evidence(**each) for each in row["evidence"]]
        yield row["kind"], decide(point, pieces, others[patient], DecisionContext(setting=SLICE))


def named(answers: Sequence[tuple[str, Finding]]) -> list[dict[str, Any]]:
    """Of each edit: regions, alarms, how often each form is named, share that is right."""
    found = []
    for kind in dict.fromkeys(kind for kind, _ in answers):
        own = [finding for each, finding in answers if each == kind]
        alarms = [finding for finding in own if finding.p_value <= ALARM]
        forms = Counter(str(finding.form) for finding in alarms)
        form = "" if kind == GENUINE else ATTACKS[kind].form
        right = forms[form] / len(alarms) if alarms and form not in ("", NOTHING) else math.nan
        found.append(
            {
                "edit": kind,
                "form": form,
                "regions": len(own),
                "alarms": len(alarms),
                "named": {name: forms[name] for name in FORMS},
                "right": right,
            }
        )
    return found


def means_of(found: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Of the alarms of each form: the share named rightly, all edits counted together."""
    means = {}
    for form in sorted({row["form"] for row in found} - {"", NOTHING}):
        own = [row for row in found if row["form"] == form]
        alarms = sum(row["alarms"] for row in own)
        means[form] = sum(row["named"][form] for row in own) / alarms if alarms else math.nan
    return means


def markdown(content: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    cells = [
        [
            row["edit"],
            row["form"],
            *(str(row[key]) for key in ("regions", "alarms")),
            *(str(row["named"][form]) for form in FORMS),
            "" if math.isnan(row["right"]) else f"{row['right']:.2f}",
        ]
        for row in content["edits"]
    ]
    heads = ["edit", "form", "regions", "alarms", *FORMS, "right"]
    means = ", ".join(f"{form} {value:.2f}" for form, value in content["means"].items())
    return (
        f"# Forms of alarms: {content['modality']}, {content['fold']}\n\nAlarms at p <= {ALARM:g}, "
        f"by the form that is named. Named rightly, of all alarms of a form: {means}.\n\n"
        f"{cli.table(heads, cells)}"
    )


def main() -> None:
    parser = cli.parser(__doc__, model=False)
    parser.add_argument("--fold", choices=cross_validation.FOLDS, default=FOLD)
    parser.add_argument("--anew", action="store_true", help="measure again")
    arguments = parser.parse_args()
    modality, fold, quick = arguments.modality, arguments.fold, arguments.quick
    rows = kept_rows(modality, fold, quick=quick, anew=arguments.anew)
    found = named(list(judged(rows, modality)))
    content = {"modality": modality, "fold": fold, "edits": found, "means": means_of(found)}
    name = f"named_forms_{modality}" + ("" if fold == FOLD else f"_{fold}")
    cli.publish(name, content, markdown(content), quick=quick)


if __name__ == "__main__":
    cli.end(main)
