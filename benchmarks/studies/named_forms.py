"""How often the form of an alarm is named rightly, by edit.

    python -m benchmarks.studies.named_forms --modality ct_lung                # fold1
    python -m benchmarks.studies.named_forms --modality ct_lung --fold fold0   # of the rule's own
    python -m benchmarks.studies.named_forms --fit                             # the rule itself

Slices of the patients of a fold, under the attacks of the benchmark that are not held out and
under stronger noise, measured by the network that has not seen them and judged by the shipped
calibration without that patient. What was measured is kept in ``runs/named_forms``, so that a
change of the rule is judged in seconds; ``--anew`` measures again. The rule
(``dfd.calibration.forms``) is a logistic regression on the alarms of fold0 and fold2 of both
modalities, in which every edit of a form counts alike.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.attacks import noise
from benchmarks.attacks.registry import ATTACKS, NOTHING, Attack
from benchmarks.data import partition
from benchmarks.detection import trials
from benchmarks.detection.measurements import obstacle
from benchmarks.detection.trials import GENUINE, Version
from benchmarks.metrics.bootstrap import interval
from benchmarks.models import cross_validation, registry
from benchmarks.runner import cli
from dfd.calibration import SLICE, Calibration, DecisionContext, decide, forms, leave_out
from dfd.errors import UsageError
from dfd.outputs.files import write_atomically
from dfd.records import Evidence, Finding, Form, Point, Region

(FOLD,) = partition.VALIDATION_FOLDS
PER_PATIENT = 1
"""Slices."""
ALARM = 0.05
FORMS = tuple(map(str, Form))
STRONG = {
    f"white noise {strength} x residual": Attack(
        str(Form.ADVERSARIAL_NOISE), partial(noise.white, strength=strength)
    )
    for strength in (2.0, 4.0)
}
"""Noise that anybody sees, and that must not be taken for an edit because the texture is gone."""
FAINT = "all but strong noise"
EDITS = {name: each for name, each in ATTACKS.items() if not each.held_out} | STRONG
FEWEST = 5
"""Alarms of an edit from which on the rule learns from them."""
STRENGTH = 12.0
"""Of the likelihood against the penalty of squared weights."""
KEPT = ("family", "statistic", "measures", "source_x", "source_y")
"""Of a piece of evidence."""


def measured(
    modality: str, fold: str, kinds: Sequence[str], *, quick: bool
) -> Iterator[dict[str, Any]]:
    """What was measured of every region, of each slice under attacks and as it is (``GENUINE``)."""
    network = registry.load(str(cross_validation.model_of(modality, fold)), modality).network
    for setup in trials.setups_of(modality, fold, network, PER_PATIENT, quick=quick):
        patient, radius = setup.scan.source.patient, setup.places.radius
        genuine = [trials.unedited(setup)] if GENUINE in kinds else []
        known = [name for name in kinds if name in ATTACKS]
        free = [name for name in known if not obstacle(name, modality, patient)]
        free += [name for name in kinds if name in STRONG]
        made = (trials.version_of(setup, name, EDITS[name]) for name in free)
        for version in chain(genuine, made):
            if version is not None and len(version.centres):
                yield from ({"patient": patient, **row} for row in _rows(version, radius))


def _rows(version: Version, radius: float) -> Iterator[dict[str, Any]]:
    regions = [Region(float(x), float(y), radius) for x, y in version.centres]
    for pieces in version.evidence.measure_all(regions):
        evidence = [{name: asdict(piece)[name] for name in KEPT} for piece in pieces]
        yield {"kind": version.kind, "evidence": evidence}


def kept_rows(modality: str, fold: str, *, quick: bool, anew: bool) -> list[dict[str, Any]]:
    """As ``measured``, of every kind; what an earlier run measured is not measured again."""
    name = f"{partition.FOLDERS[modality]}_{fold}{'_quick' if quick else ''}.json"
    path: Path = partition.ROOT / "runs" / "named_forms" / name
    kept: dict[str, Any] = {"kinds": [], "rows": []}
    if path.exists() and not anew:
        kept = json.loads(path.read_text(encoding="utf-8"))
    missing = [kind for kind in (GENUINE, *EDITS) if kind not in kept["kinds"]]
    if missing:
        rows = [*kept["rows"], *measured(modality, fold, missing, quick=quick)]
        kept = {"kinds": [*kept["kinds"], *missing], "rows": rows}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(kept).encode())
    return list(kept["rows"])


def fitted() -> tuple[dict[str, float], float]:
    """Weights and offset of the rule that tells added noise from replaced content."""
    numbers, added, kinds = [], [], []
    for modality in partition.FOLDERS:
        for fold in partition.TRAINING_FOLDS:
            rows = kept_rows(modality, fold, quick=False, anew=False)
            for row, (kind, finding) in zip(rows, judged(rows, modality), strict=True):
                form = "" if kind == GENUINE else EDITS[kind].form
                if finding.p_value <= ALARM and form in (Form.ADVERSARIAL_NOISE, Form.AI_EDIT):
                    pieces = [Evidence(**each) for each in row["evidence"]]
                    pieces = [each for each in pieces if each.family in finding.p_by_family]
                    numbers.append(list(forms.numbers_of(pieces).values()))
                    added.append(form == Form.ADVERSARIAL_NOISE)
                    kinds.append(f"{modality} {kind}")
    names = list(forms.numbers_of([]))
    weights, offset = regression(np.array(numbers), np.array(added), kinds)
    return dict(zip(names, weights.tolist(), strict=True)), offset


def regression(
    numbers: NDArray[np.float64], added: NDArray[np.bool_], kinds: Sequence[str]
) -> tuple[NDArray[np.float64], float]:
    """Weights ``[k]`` and offset of a logistic regression of ``added`` ``[n]`` on ``[n, k]``.

    Both answers count alike, and so do the kinds of each, of which there are ``FEWEST`` or more.
    """
    counts = Counter(kinds)
    shares = np.array([(counts[kind] >= FEWEST) / counts[kind] for kind in kinds])
    for answer in (added, ~added):
        shares[answer] /= shares[answer].sum()
    scaler = StandardScaler().fit(numbers)
    rule = LogisticRegression(C=STRENGTH).fit(scaler.transform(numbers), added, shares)
    weights = rule.coef_[0] / scaler.scale_
    return weights, float(rule.intercept_[0] - weights @ scaler.mean_)


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
        form = "" if kind == GENUINE else EDITS[kind].form
        determined = len(alarms) - forms[Form.UNDETERMINED]
        right = forms[form] / determined if determined and form not in ("", NOTHING) else math.nan
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


def shares_of(
    answers: Sequence[tuple[str, Finding]], patients: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Shares of alarms on edits, with their 95 % intervals over patients.

    Named rightly where a form is named: by form, of all, and of all but ``STRONG``. And how many of
    all stay undetermined.

    Args:
        answers: kind of edit and answer of each region.
        patients: whose each is.
    """
    order = sorted(set(patients))
    counts = {name: np.zeros((len(order), 2)) for name in (*FORMS, "all", FAINT)}
    for (kind, finding), patient in zip(answers, patients, strict=True):
        form = "" if kind == GENUINE else str(EDITS[kind].form)
        if form in ("", NOTHING) or not finding.p_value <= ALARM:
            continue
        place, unsure = order.index(patient), finding.form == Form.UNDETERMINED
        counts[str(Form.UNDETERMINED)][place] += (unsure, 1)
        for name in (form, "all", *(() if kind in STRONG else (FAINT,))):
            counts[name][place] += (finding.form == form, not unsure)
    return {name: _share(each) for name, each in counts.items() if each[:, 1].any()}


def _share(counts: NDArray[np.float64]) -> dict[str, float]:
    """First over second of the sums over patients ``[n, 2]``."""

    def share(chosen: NDArray[np.int64]) -> float:
        part, whole = counts[chosen].sum(axis=0)
        return float(part / whole) if whole else math.nan

    rng = np.random.default_rng(partition.SEED)
    low, high = interval(share, len(counts), rng)
    return {"share": share(np.arange(len(counts))), "low": low, "high": high}


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
    shares = [
        [name, *(f"{each[key]:.2f}" for key in ("share", "low", "high"))]
        for name, each in content["shares"].items()
    ]
    summary = cli.table(["of alarms on", "named rightly", "from", "to"], shares)
    return (
        f"# Forms of alarms: {content['modality']}, {content['fold']}\n\nAlarms at p <= {ALARM:g}, "
        "by the form that is named. Named rightly, where a form is named (95 % interval over "
        f"patients; undetermined: share of all alarms):\n\n{summary}\n\n{cli.table(heads, cells)}"
    )


def main() -> None:
    parser = cli.parser(__doc__, model=False)
    parser.add_argument("--fold", choices=cross_validation.FOLDS, default=FOLD)
    parser.add_argument("--anew", action="store_true", help="measure again")
    parser.add_argument("--fit", action="store_true", help="print the rule, and nothing else")
    arguments = parser.parse_args()
    if arguments.fit:
        weights, offset = fitted()
        print({name: round(value, 2) for name, value in weights.items()}, round(offset, 2))
        return
    modality, fold, quick = arguments.modality, arguments.fold, arguments.quick
    rows = kept_rows(modality, fold, quick=quick, anew=arguments.anew)
    answers = list(judged(rows, modality))
    shares = shares_of(answers, [row["patient"] for row in rows])
    content = {"modality": modality, "fold": fold, "edits": named(answers), "shares": shares}
    name = f"named_forms_{modality}" + ("" if fold == FOLD else f"_{fold}")
    cli.publish(name, content, markdown(content), quick=quick)


if __name__ == "__main__":
    cli.end(main)
