"""What a run stands on, as ``run.json`` says it."""

from __future__ import annotations

from dfd.assessment.criteria import Criteria
from dfd.calibration import Calibration, from_json
from dfd.models.model import Model, bundle_version
from dfd.outputs import run_record


def calibration_of(model: Model) -> Calibration | None:
    """The calibration that comes with ``model``.

    Raises:
        CalibrationError: it is damaged, or of a version that cannot be read.
    """
    return from_json(model.calibration) if model.calibration is not None else None


def basis_of(model: Model, criteria: Criteria, *, anonymous: bool) -> dict[str, object]:
    """Versions of the programs and digests of the model; ``anonymous``: without its path."""
    calibration = criteria.calibration
    return {
        "versions": run_record.versions(),
        "model": "" if anonymous else str(model.path),
        "bundle": criteria.modality.bundle,
        "bundle_version": bundle_version(model),
        "weights_sha256": model.sha256,
        "calibration_format": (model.calibration or {}).get("format"),
        "calibration_sha256": run_record.digest(model.calibration),
        "calibration_patients": calibration.patients if calibration else 0,
        "smallest_p_value_supported": calibration.smallest_p if calibration else None,
    }
