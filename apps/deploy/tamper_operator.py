"""The operators: a DICOM study -> findings, by the one way of ``dfd.score``.

Findings -> a JSON file.
"""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

from monai.deploy.core import (
    ExecutionContext,
    Fragment,
    InputContext,
    Operator,
    OperatorSpec,
    OutputContext,
)

import dfd
from dfd.bundle.datalists import modality_of
from dfd.errors import DfdError
from dfd.modalities import MODALITIES
from dfd.reading import read_series

logger = logging.getLogger(__name__)

AUTO = "auto"
FINDINGS = "findings.json"
RUN_FIELDS = (
    "versions",
    "bundle",
    "bundle_version",
    "weights_sha256",
    "calibration_sha256",
    "calibration_patients",
    "counts",
)
"""Of ``run.json``."""


class TamperOperator(Operator):
    """Scores the points of a study, or every slice where there is no points file.

    Writes what ``dfd score`` writes.

    Output port ``findings``: a dictionary with the rows of ``scores.csv`` and the digests of what
    they stand on. Where study, points or model cannot be used, nothing is emitted and ``problem``
    holds the error: raised in here, it would reach the user as a page of the SDK's own messages.
    """

    def __init__(
        self,
        fragment: Fragment,
        *conditions: object,
        study: Path,
        output: Path,
        points: Path | None = None,
        model: str = AUTO,
    ) -> None:
        """``model``: name of a shipped bundle, a bundle folder or a model file.

        ``auto``: the shipped one of the modality of the study.
        """
        self.study, self.output, self.points, self.model = study, output, points, model
        self.problem: DfdError | None = None
        super().__init__(fragment, *conditions, name="tamper_operator")

    def setup(self, spec: OperatorSpec) -> None:
        """One output port."""
        spec.output("findings")

    def compute(self, _: InputContext, op_output: OutputContext, __: ExecutionContext) -> None:
        """Scores the study."""
        try:
            op_output.emit(self.score(), "findings")
        except DfdError as error:
            self.problem = error

    def score(self) -> dict[str, Any]:
        """What goes to the port.

        Raises:
            DfdError: study, points or model cannot be used.
        """
        model = (
            self.model
            if self.model != AUTO
            else MODALITIES[modality_of(read_series(self.study)[0], self.study)].bundle
        )
        frame = dfd.score(self.study, self.points, model=model, output_dir=self.output, dicom=True)
        record = json.loads((self.output / "run.json").read_text(encoding="utf-8"))
        digests = {name: record[name] for name in RUN_FIELDS}
        rows = [
            {name: _plain(value) for name, value in row.items()} for row in frame.to_dict("records")
        ]
        logger.info("%d rows scored with %s", len(rows), model)
        return {**digests, "notice": record["notice"], "findings": rows}


class FindingsWriter(Operator):
    """Writes what arrives at its port ``findings`` to ``findings.json``."""

    def __init__(self, fragment: Fragment, *conditions: object, output: Path) -> None:
        self.output = output
        super().__init__(fragment, *conditions, name="findings_writer")

    def setup(self, spec: OperatorSpec) -> None:
        """One input port."""
        spec.input("findings")

    def compute(self, op_input: InputContext, _: OutputContext, __: ExecutionContext) -> None:
        """Writes the file under another name first.

        A run that is stopped leaves none that is half written.
        """
        text = json.dumps(op_input.receive("findings"), indent=2, allow_nan=False)
        partial = self.output / f".{FINDINGS}.part"
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(self.output / FINDINGS)


def _plain(value: object) -> object:
    """As JSON has it: NaN is null."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value
