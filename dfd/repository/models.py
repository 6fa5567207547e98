"""The models of a run: one for each modality."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from dfd.calibration import SERIES_SCREENING
from dfd.errors import BundleError
from dfd.modalities import MODALITIES, Modality
from dfd.model_paths import resolve_model
from dfd.models.model import read_model
from dfd.records import ScanFacts
from dfd.scoring import configuration
from dfd.suitability import header_objection


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """A model by its name: what travels to a worker."""

    path: str
    modality: str
    """Name in ``MODALITIES``."""
    sha256: str
    """Of its weights and calibration."""

    @property
    def bundle(self) -> str:
        """Name of the bundle it belongs to."""
        return MODALITIES[self.modality].bundle


def models_of(asked: str) -> tuple[PlannedModel, ...]:
    """The model that was asked for; the shipped one of each modality where none was.

    Read without torch.

    Raises:
        BundleError: there is no such model, or its bundle has a configuration of its own.
    """
    return tuple(map(_model, [asked] if asked else [each.bundle for each in MODALITIES.values()]))


def _model(asked: str) -> PlannedModel:
    from dfd.outputs.run_record import digest

    path = resolve_model(asked)
    modality = configuration.modality_of(configuration.bundle_of(path))
    if modality is None:
        raise BundleError(
            f"{path} belongs to a bundle with a configuration of its own, which can score points "
            "but not screen a repository: choose another model"
        )
    model = read_model(path)
    if SERIES_SCREENING not in (model.calibration or {}).get("settings", {}):
        raise BundleError(
            f"{path} is not calibrated for series: run `dfd calibrate` with genuine scans, or "
            "choose another model"
        )
    sha256 = digest([model.sha256, digest(model.calibration)])
    return PlannedModel(str(path.resolve()), modality.name, sha256)


def fitting(facts: ScanFacts, models: tuple[PlannedModel, ...]) -> tuple[str, str]:
    """(bundle, why slices of such a header are not screened); one of the two is empty."""
    return _fitting(facts, tuple(model.modality for model in models))


@lru_cache(4096)
def _fitting(facts: ScanFacts, names: tuple[str, ...]) -> tuple[str, str]:
    modalities = [MODALITIES[name] for name in names]
    chosen = next((each for each in modalities if _is_for(facts, each)), None)
    if chosen is None and len(modalities) > 1:
        return "", (
            f"The slice is {facts.modality or 'of no modality'} and there is no model for it: "
            "leave it out"
        )
    objection = header_objection(facts, chosen or modalities[0])
    return ("", objection) if objection else ((chosen or modalities[0]).bundle, "")


def _is_for(facts: ScanFacts, modality: Modality) -> bool:
    """Whether a slice is of a modality; a NIfTI volume names none, and its unit decides."""
    if facts.modality:
        return facts.modality == modality.dicom_modality
    return facts.unit == modality.unit
