"""What a run stands on, as ``run.json`` says it."""

from __future__ import annotations

from dfd.bundle import model_file
from dfd.bundle.model_file import Model
from dfd.calibration import Calibration
from dfd.modalities import Modality
from dfd.outputs import run_record


def basis_of(
    model: Model, modality: Modality, calibration: Calibration | None, *, anonymous: bool
) -> dict[str, object]:
    """Versions of the programs and digests of the model; ``anonymous``: without its path."""
    return {
        "versions": run_record.versions(),
        "model": "" if anonymous else str(model.path),
        "bundle": modality.bundle,
        "bundle_version": model_file.bundle_version(model),
        "weights_sha256": model.sha256,
        "calibration_format": (model.calibration or {}).get("format"),
        "calibration_sha256": run_record.digest(model.calibration),
        "calibration_patients": calibration.patients if calibration else 0,
        "smallest_p_value_supported": calibration.smallest_p if calibration else None,
    }
