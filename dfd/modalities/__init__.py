"""The table of modalities. A new one is one file beside this one and one line here."""

from dfd.modalities.base import Modality, Preset, TissueClass
from dfd.modalities.ct_lung import CT_LUNG
from dfd.modalities.mri_chest import MRI_CHEST

MODALITIES: dict[str, Modality] = {
    modality.name: modality
    for modality in (
        CT_LUNG,
        MRI_CHEST,
    )
}

__all__ = ["MODALITIES", "Modality", "Preset", "TissueClass"]
