"""Puts committed numbers into the pages that people read.

The model cards, the page on limits, and the reports of the benchmark.

    python -m benchmarks.detection.model_cards

On cards and page, the text between two marks (HTML comments, which readers do not see) is made
from benchmarks/results/benchmark_*.json (development patients) and benchmark_*_test.json; the words
around stay. The reports, benchmarks/results/benchmark_*.md, are made from them as a whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.data.partition import ROOT
from benchmarks.detection import report, results, targets
from benchmarks.detection.report import number
from benchmarks.runner import cli
from dfd.errors import UsageError
from dfd.modalities import MODALITIES
from dfd.model_paths import bundle_dir
from dfd.outputs.files import write_atomically

Numbers = Mapping[str, Any]
LIMITS_PAGE = ROOT / "docs" / "explanation" / "limits.md"
BEGIN, END = "<!-- made by benchmarks.detection.model_cards: {} -->", "<!-- end -->"
HARD = {
    "CT-GAN, tumour injected (held out)": "CT-GAN injection",
    "CT-GAN, tumour removed (held out)": "CT-GAN removal",
    "CT-GAN, tumour removed, copied noise added (held out)": "CT-GAN removal + copied noise",
    "fill by a diffusion model (held out)": "diffusion inpainting",
    "fill by a GAN": "GAN inpainting",
    "fill by a GAN, with matched noise": ("GAN inpainting + spectrum-matched noise"),
    "harmonic fill": "harmonic fill",
    "harmonic fill, with matched noise": "harmonic fill + spectrum-matched noise",
    "non-local means": "non-local means",
    "non-local means, with matched noise": "non-local means + spectrum-matched noise",
    "white noise, 0.3 x the residual": "white noise 0.3 x residual",
    "white noise, 0.6 x": "white noise 0.6 x residual",
    "PGD attack, 0.6 x": "PGD 0.6 x residual",
    "smooth noise, 1.0 x, sigma 2 px": "smooth noise 1.0 x residual, sigma 2 px",
    "smooth attack, 1.0 x": "smooth attack 1.0 x residual, sigma 2 px",
    "copy from another slice of the series": "copy-move from another slice, feathered 3 px",
    "resampling round trip 0.75": "resampling round trip 0.75",
    "no edit (must be 0.5)": "null edit (must be 0.5)",
    "lesion-like places, untouched (must be 0.5)": "lesion-like place, untouched (must be 0.5)",
    "parenchyma, untouched (must be 0.5)": "parenchyma, untouched (must be 0.5)",
}
"""Words of the page -> name of the edit: what is hard, or must not be found."""
WITH = "with adjacent slices"
SECTIONS = {"benchmark": "", "benchmark test": "_test"}
"""Mark on a card -> end of the name of the results that it tells."""


def benchmark_of(modality: str, end: str = "") -> Numbers | None:
    """The committed numbers of the whole benchmark (``end``: of ``SECTIONS``).

    None where it was not run yet.
    """
    path = cli.RESULTS / f"benchmark_{modality}{end}.json"
    return restored(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def restored(content: Any) -> Any:  # noqa: ANN401 - what JSON holds
    """The same with NaN where ``benchmarks.runner.cli.rounded`` put None.

    Keys whose value may be yes, no or none stay.
    """
    if isinstance(content, dict):
        return {
            key: value if key in ("above every", "met") else restored(value)
            for key, value in content.items()
        }
    if isinstance(content, list):
        return [restored(value) for value in content]
    return float("nan") if content is None else content


def benchmark_section(numbers: Numbers) -> str:
    """What a card says of the whole benchmark.

    What was to be reached, forms, every edit, false alarms, and groups of scans.
    """
    who = (
        f"{numbers['patients']} patients, each scored by a network that was not trained on that "
        f"patient. P-values come from {numbers['calibration patients']} other patients."
    )
    parts = [
        who,
        targets.markdown(numbers["targets"]),
        "#### Forms",
        report.forms(numbers["forms"]),
        "#### Edits",
        _edits(numbers),
        "#### False alarms on genuine controls",
        report.alarms(numbers["false alarms"]),
        "#### Scanners, kernels and tissues (AUC)",
        report.groups(numbers["forms"]),
    ]
    return "\n\n".join(part.replace("## Targets", "#### Targets") for part in parts if part)


def _edits(numbers: Numbers) -> str:
    """Every edit, and the places that must not be told from others.

    Lone slice, then with neighbours.
    """
    with_context = {one["kind"]: one for one in numbers["beside"]}
    cells = [
        [
            *(
                one["kind"],
                str(one["patients"]),
                str(one["regions"]),
                report.ranged(one, "auc"),
                *(number(one[key]) for key in report.SENSITIVITIES),
            ),
            " / ".join(number(one[name]) for name in report.RATES[:2]),
            report.ranged(with_context[one["kind"]], "auc") if one["kind"] in with_context else "-",
        ]
        for one in (*numbers["families"], *numbers["untouched"])
    ]
    heads = [
        "edit",
        "patients",
        "regions",
        "AUC",
        *report.FOUND_HEADS,
        report.RATE_HEADS[0],
        "AUC with adjacent slices",
    ]
    return cli.table(heads, cells)


def metrics_table(numbers: Numbers) -> str:
    """Detection of each form, and the false alarms, in few numbers (``eval_metrics``)."""
    cells = [
        [one["form"], *(report.ranged(one, key) for key in ("auc", *report.SENSITIVITIES))]
        for one in numbers["forms"]
    ]
    rates = [number(numbers["false alarms"]["all"][name]) for name in report.RATES[:2]]
    explanation = (
        f"On genuine controls {report.SHORT[0]} in {rates[0]} and {report.SHORT[1]} in {rates[1]} "
        "of the regions."
    )
    return cli.table(["form", "AUC", *report.FOUND_HEADS], cells) + "\n\n" + explanation


def differences_table(pairs: Mapping[str, tuple[Numbers, Numbers]]) -> str:
    """Edits of ``HARD`` whose AUC on test patients lies outside the interval of development.

    ``pairs``: modality -> (development, test).
    """
    rows = [
        [
            MODALITIES[modality].bundle,
            f"{words}{suffix}",
            *(report.ranged(one, "auc") for one in two),
        ]
        for modality, (development, test) in pairs.items()
        for words, name in HARD.items()
        for suffix, first, second in zip(
            ("", f", {WITH}"), _parts(development), _parts(test), strict=True
        )
        if (two := [one for part in (first, second) for one in part if one["kind"] == name])[1:]
        and _differs(*two)
    ]
    return cli.table(["bundle", "edit", "development", "test"], rows)


def _parts(numbers: Numbers) -> tuple[Sequence[Numbers], Sequence[Numbers]]:
    """Edits without context, and with adjacent slices."""
    return (*numbers["families"], *numbers["untouched"]), numbers["beside"]


def _differs(development: Numbers, test: Numbers) -> bool:
    """In the two decimals that the tables show."""
    low, high = (round(bound, 2) for bound in development["auc interval"])
    return bool(math.isfinite(low) and not low <= round(test["auc"], 2) <= high)


def limits_table(every: Mapping[str, Numbers]) -> str:
    """What is hard, of both modalities side by side.

    Lone slice, then with neighbours where there are any.
    """
    rows = [
        [words, *(cell for numbers in every.values() for cell in _cells(numbers, name))]
        for words, name in HARD.items()
    ]
    heads = [
        "edit",
        *(head for modality in every for head in (MODALITIES[modality].bundle, WITH)),
    ]
    return cli.table(heads, rows)


def _cells(numbers: Numbers, name: str) -> list[str]:
    """AUC of one edit with its interval, alone and with neighbours.

    A dash where it was not tried.
    """
    return [
        next((report.ranged(one, "auc") for one in part if one["kind"] == name), "-")
        for part in _parts(numbers)
    ]


def curves_section(every: Mapping[str, Numbers]) -> str:
    """For each modality: detection by the miss of a click, the size and the strength of an edit."""
    parts = []
    for modality, numbers in every.items():
        parts += [f"### {MODALITIES[modality].bundle}", *report.curves(numbers["curves"], level=4)]
        parts += [
            f"![{curve}](../../benchmarks/results/benchmark_{modality}_{curve}.png)"
            for curve in numbers["curves"]
        ]
    return "\n\n".join(parts)


def filled(text: str, name: str, table: str, page: Path, mark: str = BEGIN) -> str:
    """``text`` with ``table`` between the marks of ``name``; ``mark``: the first of them.

    Raises:
        UsageError: ``page`` has no such marks.
    """
    begin = mark.format(name)
    head, begun, rest = text.partition(begin)
    _, closed, tail = rest.partition(END)
    if not begun or not closed:
        raise UsageError(
            f"{page} has no line {begin!r} with {END!r} after it; put both where the table belongs."
        )
    return f"{head}{begin}\n{table}\n{END}{tail}"


def all_filled(text: str, tables: Mapping[str, str], page: Path) -> str:
    """``filled`` with each of ``tables``, by name."""
    for name, table in tables.items():
        text = filled(text, name, table, page)
    return text


def pages() -> dict[Path, Callable[[str], str]]:
    """Page -> how its text is brought up to date."""
    result: dict[Path, Callable[[str], str]] = {}
    for modality in MODALITIES:
        card = bundle_dir(MODALITIES[modality].bundle) / "docs" / "README.md"
        wholes = {name: benchmark_of(modality, end) for name, end in SECTIONS.items()}
        tables = {name: benchmark_section(numbers) for name, numbers in wholes.items() if numbers}
        if test := wholes["benchmark test"]:
            tables["metrics"] = metrics_table(test)
        result[card] = partial(all_filled, tables=tables, page=card)
        for end in SECTIONS.values():
            if numbers := benchmark_of(modality, end):
                result[cli.RESULTS / f"benchmark_{modality}{end}.md"] = partial(_report, numbers)
    result[LIMITS_PAGE] = partial(all_filled, tables=_limits_tables(), page=LIMITS_PAGE)
    return result


def _limits_tables() -> dict[str, str]:
    """Tables of the page on limits, by name; none where the benchmark was not run yet."""
    development = {modality: whole for modality in MODALITIES if (whole := benchmark_of(modality))}
    if not development:
        return {}
    pairs = {
        modality: (whole, test)
        for modality, whole in development.items()
        if (test := benchmark_of(modality, "_test"))
    }
    return {
        "hard": limits_table(development),
        "test": differences_table(pairs),
        "curves": curves_section(development),
    }


def _report(numbers: Numbers, _: str) -> str:
    """The report of a run of the benchmark, from its numbers."""
    return results.markdown(numbers).rstrip() + "\n"


def main() -> None:
    cli.parser(__doc__, model=False).parse_args()
    for page, fill in pages().items():
        write_atomically(page, fill(page.read_text(encoding="utf-8")).encode())
        print(f"brought up to date: {page.relative_to(ROOT)}")


if __name__ == "__main__":
    cli.end(main)
