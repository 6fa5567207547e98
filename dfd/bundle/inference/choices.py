"""What a run writes beside the scores, chosen once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dfd.modalities import Modality
from dfd.outputs.run_log import RunLog
from dfd.settings import check_dicom


@dataclass(frozen=True)
class Choices:
    """What a run writes beside the scores."""

    images: bool = True
    """Write overlays, and maps of slices that are screened."""
    report: bool = True
    """Write ``report.html``."""
    anonymous: bool = False
    """Replace names in every output."""
    dicom: bool = False
    """Write DICOM results."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """Anything else to be kept in ``run.json``."""
    log: RunLog = field(default_factory=RunLog)
    """What was said before the folder of the results was known."""

    def deciding(self, modality: Modality, device: str) -> dict[str, object]:
        """What numbers and pictures follow from besides model, points and data."""
        chosen = {name: getattr(self, name) for name in ("images", "report", "anonymous", "dicom")}
        return {"modality": modality.name, "device": device, **chosen}

    def __post_init__(self) -> None:
        """Refuse what cannot be written before anything is scored."""
        check_dicom(dicom=self.dicom, anonymous=self.anonymous)
        if self.dicom:
            from dfd.outputs.dicom import require

            require()
