"""Which kind of image a header tells: what is refused, gets a remark, or is as scanned."""

from __future__ import annotations

import pytest

from dfd.image_kinds import kind_of
from dfd.records import ScanFacts


def facts(modality: str, image_type: str, **terms: str) -> ScanFacts:
    """``image_type`` as DICOM writes it, values joined by backslashes."""
    return ScanFacts(
        modality=modality,
        image_type=tuple(image_type.split("\\")),
        frame_terms=tuple(terms.items()),
    )


@pytest.mark.parametrize(
    "image_type",
    [
        r"ORIGINAL\PRIMARY\P\ND",
        r"ORIGINAL\PRIMARY\P\NORM\DIS2D",
        r"ORIGINAL\PRIMARY\PHASE MAP\P\FFE",
        r"ORIGINAL\PRIMARY\PHASE_MAP",
        r"DERIVED\PRIMARY\PHASE",
        r"ORIGINAL\PRIMARY\VELOCITY MAP\P\PCA",
        r"ORIGINAL\PRIMARY\VELOCITY\NONE",
        r"DERIVED\PRIMARY\PHASE DIFFERENCE",
        r"DERIVED\SECONDARY\M\PHASE",
    ],
)
def test_mr_phase_images_are_refused(image_type: str) -> None:
    found = kind_of(facts("MR", image_type))
    assert found.refusal.startswith("The slice is an MR phase image (ImageType ")
    assert (found.name, found.remark) == ("phase", "")


@pytest.mark.parametrize(
    "image_type",
    [
        r"ORIGINAL\PRIMARY\R\ND",
        r"ORIGINAL\PRIMARY\R_IR\R\IR",
        r"ORIGINAL\PRIMARY\I_FFE\I\FFE",
        r"ORIGINAL\PRIMARY\REAL",
        r"ORIGINAL\PRIMARY\IMAGINARY",
    ],
)
def test_parts_of_complex_mr_images_are_refused(image_type: str) -> None:
    found = kind_of(facts("MR", image_type)).refusal
    assert found.startswith("The slice is one part of a complex MR image (ImageType ")


@pytest.mark.parametrize(
    "image_type", [r"ORIGINAL\PRIMARY\M\ND\MOSAIC", r"ORIGINAL\PRIMARY\FMRI\NONE\ND\MOSAIC"]
)
def test_mosaics_are_refused(image_type: str) -> None:
    assert kind_of(facts("MR", image_type)).refusal.startswith(
        "The slice is a mosaic (ImageType MOSAIC)"
    )


@pytest.mark.parametrize(
    "image_type",
    [
        r"DERIVED\PRIMARY\DIFFUSION\ADC\ND",
        r"DERIVED\PRIMARY\ADC_UNSPECIFIED\ADC\UNSPECIFIED",
        r"DERIVED\SECONDARY\EADC",
        r"DERIVED\SECONDARY\EXP_ADC",
        r"DERIVED\PRIMARY\DIFFUSION\FA\ND\NORM",
        r"DERIVED\PRIMARY\DIFFUSION\TENSOR",
        r"DERIVED\PRIMARY\DIFFUSION\DIFFUSION_ANISO",
        r"ORIGINAL\PRIMARY\T1 MAP\T1\UNSPECIFIED",
        r"DERIVED\PRIMARY\T2_MAP",
        r"DERIVED\PRIMARY\T2_STAR_MAP",
        r"DERIVED\PRIMARY\MYOCARDIUM\T1MAP",
        r"DERIVED\PRIMARY\OTHER\T1",
        r"ORIGINAL\PRIMARY\T2_STAR_UNSPECI\T2_STAR\UNSPECIFIED",
        r"DERIVED\PRIMARY\OTHER\R2_STAR",
        r"ORIGINAL\PRIMARY\B0 MAP\B0\UNSPECIFIED",
        r"DERIVED\PRIMARY\FIELD_MAP",
        r"DERIVED\PRIMARY\FIELDMAP",
        r"ORIGINAL\PRIMARY\PERFUSION\TTP\ND",
        r"DERIVED\PRIMARY\PERFUSION\RELCBF",
        r"DERIVED\PRIMARY\CBV",
        r"DERIVED\SECONDARY\KTRANS",
        r"DERIVED\PRIMARY\FAT_FRACTION",
        r"DERIVED\PRIMARY\METABOLITE_MAP",
        r"DERIVED\PRIMARY\OTHER\STD_DEVIATION",
    ],
)
def test_mr_maps_are_refused(image_type: str) -> None:
    found = kind_of(facts("MR", image_type))
    assert found.name == "map"
    assert found.refusal.startswith("The slice is a map (ImageType ")


@pytest.mark.parametrize(
    ("image_type", "name"),
    [
        (r"DERIVED\SECONDARY\REFORMATTED", "reformat"),
        (r"DERIVED\SECONDARY\MPR", "reformat"),
        (r"DERIVED\SECONDARY\MPR\CSA MPR\CSAPARALLEL", "reformat"),
        (r"DERIVED\SECONDARY\CURVED_MPR", "reformat"),
        (r"DERIVED\PRIMARY\PROJECTION IMAGE\M\FFE", "reformat"),
        (r"DERIVED\PRIMARY\M\MIP", "reformat"),
        (r"DERIVED\SECONDARY\OTHER\MAX_IP", "reformat"),
        (r"DERIVED\PRIMARY\M\MNIP", "reformat"),
        (r"ORIGINAL\PRIMARY\M\SUB", "arithmetic"),
        (r"DERIVED\SECONDARY\SUBTRACTION", "arithmetic"),
        (r"DERIVED\PRIMARY\OTHER\SUBTRACTED", "arithmetic"),
        (r"DERIVED\PRIMARY\OTHER\MEAN", "arithmetic"),
        (r"DERIVED\PRIMARY\DIFFUSION\TRACEW\ND\DIS2D", "arithmetic"),
        (r"DERIVED\PRIMARY\DIFFUSION\CALC_BVALUE", "arithmetic"),
    ],
)
def test_mr_images_computed_from_others_get_a_remark(image_type: str, name: str) -> None:
    found = kind_of(facts("MR", image_type))
    assert (found.name, found.refusal) == (name, "")
    assert "which changes its noise" in found.remark


@pytest.mark.parametrize(
    "image_type",
    [
        "",
        r"ORIGINAL\PRIMARY",
        r"ORIGINAL\PRIMARY\M",
        r"ORIGINAL\PRIMARY\M\ND",
        r"ORIGINAL\PRIMARY\M\NORM\DIS2D\FM4_1\FIL",
        r"ORIGINAL\SECONDARY\M\NORM\DIS2D",
        r"ORIGINAL\PRIMARY\M_FFE\M\FFE",
        r"ORIGINAL\PRIMARY\M_B1\M\B1",
        r"ORIGINAL\PRIMARY\M_PCA\M\PCA",
        r"ORIGINAL\PRIMARY\OTHER",
        r"ORIGINAL\PRIMARY\CARDIAC\NONE",
        r"ORIGINAL\PRIMARY\EPI\NONE",
        r"ORIGINAL\PRIMARY\LOCALIZER\NONE",
        r"ORIGINAL\PRIMARY\T1\NONE",
        r"ORIGINAL\PRIMARY\T2_STAR\NONE",
        r"ORIGINAL\PRIMARY\PROTON_DENSITY\NONE",
        r"ORIGINAL\PRIMARY\PERFUSION\NONE\ND",
        r"ORIGINAL\PRIMARY\DIFFUSION\NONE\ND\NORM",
        r"ORIGINAL\PRIMARY\M\NORM\T1",
        r"ORIGINAL\PRIMARY\M\DIXON\WATER",
        r"DERIVED\PRIMARY\DIXON\IN_PHASE",
        r"DERIVED\PRIMARY\DIXON\OPP_PHASE\FAT",
        r"DERIVED\PRIMARY\IP\IP\DERIVED",
        r"DERIVED\SECONDARY",
        r"DERIVED\SECONDARY\OTHER",
    ],
)
def test_mr_as_scanned_is_as_it_is(image_type: str) -> None:
    found = kind_of(facts("MR", image_type))
    assert (found.name, found.refusal, found.remark) == ("", "", "")


@pytest.mark.parametrize(
    ("image_type", "name"),
    [
        (r"ORIGINAL\PRIMARY\LOCALIZER\CT_SOM5 TOP", "localizer"),
        (r"ORIGINAL\PRIMARY\SCOUT", "localizer"),
        (r"DERIVED\SECONDARY\SCREEN SAVE", "picture"),
        (r"DERIVED\SECONDARY\OTHER\CSA REPORT", "picture"),
        (r"DERIVED\SECONDARY\DOSE_REPORT", "picture"),
        (r"DERIVED\PRIMARY\AXIAL\IODINE_MAP", "map"),
        (r"DERIVED\PRIMARY\AXIAL\IODINE", "map"),
        (r"ORIGINAL\PRIMARY\AXIAL\MAT_SPECIFIC", "map"),
        (r"ORIGINAL\PRIMARY\AXIAL\EFF_ATOMIC_NUM", "map"),
        (r"ORIGINAL\PRIMARY\AXIAL\ELECTRON_DENSITY", "map"),
        (r"DERIVED\SECONDARY\WATER (IODINE)", "map"),
        (r"DERIVED\SECONDARY\PERFUSION\CBF", "map"),
    ],
)
def test_ct_that_is_no_slice_in_hu_is_refused(image_type: str, name: str) -> None:
    found = kind_of(facts("CT", image_type))
    assert found.name == name
    assert found.refusal
    assert ": " in found.refusal


@pytest.mark.parametrize(
    ("image_type", "name"),
    [
        (r"DERIVED\SECONDARY\AXIAL\MPR", "reformat"),
        (r"DERIVED\SECONDARY\OTHER\CSA MPR\CSAPARALLEL\AXIAL\CT_SOM7 SPI DUAL\STD", "reformat"),
        (r"DERIVED\SECONDARY\AXIAL\AVERAGE", "reformat"),
        (r"ORIGINAL\PRIMARY\CVIEW", "reformat"),
        (r"DERIVED\SECONDARY\CORONAL", "reformat"),
        (r"DERIVED\SECONDARY\MIP", "reformat"),
        (r"DERIVED\SECONDARY\AXIAL\SUBTRACTION", "arithmetic"),
        (r"ORIGINAL\PRIMARY\AXIAL\VMI", "energies"),
        (r"DERIVED\PRIMARY\AXIAL\MONO 70 KEV", "energies"),
        (r"DERIVED\PRIMARY\AXIAL\MONOENERGETIC_PLUS", "energies"),
        (r"DERIVED\PRIMARY\AXIAL\VNC", "energies"),
        (r"ORIGINAL\PRIMARY\AXIAL\MAT_REMOVED", "energies"),
    ],
)
def test_ct_computed_from_others_gets_a_remark(image_type: str, name: str) -> None:
    found = kind_of(facts("CT", image_type))
    assert (found.name, found.refusal) == (name, "")
    assert "which changes its noise" in found.remark


@pytest.mark.parametrize(
    "image_type",
    [
        "",
        r"ORIGINAL\PRIMARY\AXIAL",
        r"ORIGINAL\SECONDARY\AXIAL",
        r"ORIGINAL\PRIMARY\AXIAL\HELIX",
        r"ORIGINAL\PRIMARY\AXIAL\CT_SOM5 SPI",
        r"DERIVED\PRIMARY\AXIAL\CT_SOM5 SPI",
        r"ORIGINAL\PRIMARY\AXIAL\CT_SOM7 SPI DUAL\STD\SNRG\DET_AB",
        r"ORIGINAL\PRIMARY\AXIAL\CT_SOM10 DET3D\T1\COUNT_2SRC\CONVCT",
        r"ORIGINAL\PRIMARY\VOLUME\NONE",
        r"DERIVED\SECONDARY\AXIAL",
        r"ORIGINAL\PRIMARY\AXIAL\P",
    ],
)
def test_ct_as_scanned_is_as_it_is(image_type: str) -> None:
    found = kind_of(facts("CT", image_type))
    assert (found.name, found.refusal, found.remark) == ("", "", "")


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        ({"ComplexImageComponent": "PHASE"}, "phase"),
        ({"ComplexImageComponent": "IMAGINARY"}, "part"),
        ({"VolumetricProperties": "SAMPLED"}, "reformat"),
        ({"VolumetricProperties": "DISTORTED"}, "reformat"),
        ({"VolumeBasedCalculationTechnique": "MAX_IP"}, "reformat"),
        ({"PixelPresentation": "COLOR"}, "map"),
        ({"SOPClassUID": "Parametric Map Storage"}, "map"),
        ({"SOPClassUID": "Secondary Capture Image Storage"}, "capture"),
        ({"(0043,102F)": "PHASE"}, "phase"),
        (
            {
                "ComplexImageComponent": "MAGNITUDE",
                "VolumetricProperties": "VOLUME",
                "PixelPresentation": "MONOCHROME",
            },
            "",
        ),
        ({"VolumeBasedCalculationTechnique": "NONE"}, ""),
        ({"ComplexImageComponent": "MIXED"}, ""),
    ],
)
def test_other_elements_tell_the_kind_too(terms: dict[str, str], name: str) -> None:
    found = kind_of(facts("MR", r"ORIGINAL\PRIMARY\OTHER\NONE", **terms))
    assert found.name == name
    element, value = next(iter(terms.items()))
    assert not name or f"({element} {value})" in found.refusal + found.remark


def test_a_velocity_encoded_magnitude_is_scored() -> None:
    image_type = r"ORIGINAL\PRIMARY\VELOCITY\NONE"
    assert kind_of(facts("MR", image_type, ComplexImageComponent="MAGNITUDE")).name == ""
    assert kind_of(facts("MR", image_type, ComplexImageComponent="PHASE")).name == "phase"


@pytest.mark.parametrize("modality", ["", "PT", "CR"])
def test_other_modalities_are_judged_elsewhere(modality: str) -> None:
    assert kind_of(facts(modality, r"DERIVED\SECONDARY\P\MPR\MOSAIC")).name == ""
