"""CT of the lung.

HU limits of tissues: Kalender, Computed Tomography, 3rd ed., section 1.2.3; the lung limit of -500
HU is the usual one of densitometry.
"""

from dfd.modalities.base import Modality, Preset, TissueClass

CT_LUNG = Modality(
    name="ct_lung",
    bundle="ct_lung_inpainting",
    checkpoint="CT_InPainting.ckpt",
    dicom_modality="CT",
    sop_classes=("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"),
    unit="HU",
    relative=False,
    tissues=(
        TissueClass("lung", -990.0, -500.0),
        TissueClass("fat", -500.0, -20.0),
        TissueClass("soft tissue", -20.0, 150.0),
        TissueClass("bone or contrast", 150.0, 4000.0),
    ),
    # Several exporters clip at -1000 HU or write -1024 outside the field of view; lung parenchyma
    # lies well above.
    floor=-999.5,
    body_level=-930.0,
    radius_mm=10.0,
    radius_px=14.0,
    window=(-1350.0, 150.0),
    foreign_body_parts=(
        "HEAD",
        "BRAIN",
        "SKULL",
        "NECK",
        "PELVIS",
        "KNEE",
        "FOOT",
        "HAND",
        "LEG",
        "ARM",
    ),
    # Centre and width -600 and 1500, 40 and 400, 500 and 2000, as most viewers have them.
    presets=(
        Preset("lung", -1350.0, 150.0),
        Preset("mediastinum", -160.0, 240.0, tissues=("fat", "soft tissue")),
        Preset("bone", -500.0, 1500.0, tissues=("bone or contrast",)),
    ),
    wants_lung=True,
)
