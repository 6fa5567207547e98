"""MONAI Deploy app: a folder with a DICOM study in, scores of its regions or slices out.

    python apps/deploy -i STUDY -o OUTPUT

``DFD_POINTS`` names a points file (else one in the study folder is taken, else every slice is
screened), ``DFD_MODEL`` another model.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from monai.deploy.conditions import CountCondition
from monai.deploy.core import AppContext, Application

from dfd.cli.exits import verdict_of
from tamper_operator import AUTO, FindingsWriter, TamperOperator


class TamperApp(Application):
    """Study folder -> ``TamperOperator`` -> ``FindingsWriter``."""

    score: TamperOperator

    def compose(self) -> None:
        """Wires both operators."""
        context: AppContext = Application.init_app_context(self.argv)
        points = os.environ.get("DFD_POINTS")
        output = Path(context.output_path)
        # Without the condition a source runs for ever.
        once = CountCondition(self, 1)
        self.score = TamperOperator(
            self,
            once,
            study=Path(context.input_path),
            output=output,
            points=Path(points) if points else None,
            model=os.environ.get("DFD_MODEL") or AUTO,
        )
        self.add_flow(self.score, FindingsWriter(self, output=output), {("findings", "findings")})


def main() -> int:
    """Runs the app and gives the exit status, that of ``dfd``."""
    app = TamperApp()
    app.run()
    if app.score.problem is None:
        return 0
    code, line = verdict_of(app.score.problem)
    sys.stderr.write(f"dfd: {line}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
