"""The demonstration.

A phantom study is made, some regions are tampered with, and the shipped CT model scores them.
"""

from __future__ import annotations

from pathlib import Path

from dfd import workflow
from dfd.modalities import MODALITIES
from dfd.outputs import scores
from dfd.phantom import write_demo_study
from dfd.records import Finding
from dfd.settings import ScoreSettings

NOTE = (
    "The scans are phantoms, not the calibration population: the p-values here show how the "
    "tool works, not how often it errs.\n"
    "For research on image collections; not a medical device."
)


def run(output: Path, seed: int) -> str:
    """Makes the study under ``output``, scores it, and gives the text to show.

    Raises:
        OutputError: ``output`` cannot be written.
    """
    study = write_demo_study(output / "study", seed=seed)
    settings = ScoreSettings(
        data=study.parent,
        points=study,
        model=MODALITIES["ct_lung"].bundle,
        output_dir=output / "results",
        seed=seed,
    )
    findings = workflow.score(settings)
    table = scores.table(sorted(findings, key=lambda finding: finding.point.cells.get("what", "")))
    results = output / "results"
    pictures = "\n".join(
        f"  {results}/overlay-{number:04d}.png   {what_of(finding)}"
        for number, finding in enumerate(findings, start=1)
    )
    return f"{table}\n\n{NOTE}\n\nPictures to open:\n{pictures}\nEvery number: {results}/scores.csv"


def what_of(finding: Finding) -> str:
    """What the study did at this point, and what was said of it."""
    return f"{finding.point.cells.get('what', '')}: {finding.verdict}"
