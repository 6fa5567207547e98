"""MR of the chest.

Intensities have no unit: tissue classes are multiples of the slice's robust scale (90th percentile
of the body).
"""

from dfd.modalities.base import Modality, Preset, TissueClass

MRI_CHEST = Modality(
    name="mri_chest",
    bundle="mri_chest_inpainting",
    checkpoint="MRI_InPainting.ckpt",
    dicom_modality="MR",
    sop_classes=("1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"),
    unit="stored",
    relative=True,
    tissues=(
        TissueClass("dark tissue", 0.08, 0.3),
        TissueClass("medium tissue", 0.3, 0.7),
        TissueClass("bright tissue", 0.7, 20.0),
    ),
    floor=0.5,
    body_level=0.12,
    radius_mm=15.0,
    radius_px=11.0,
    window=None,
    foreign_body_parts=(
        "HEAD",
        "BRAIN",
        "SKULL",
        "PROSTATE",
        "PELVIS",
        "KNEE",
        "FOOT",
        "HAND",
        "LEG",
        "ARM",
    ),
    presets=(
        Preset("1 to 99 %", 1.0, 99.0),
        Preset("dark tissue", 1.0, 75.0, tissues=("dark tissue",)),
        Preset("bright tissue", 50.0, 99.9, tissues=("bright tissue",)),
    ),
)
