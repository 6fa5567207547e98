"""Whether a slice is what a model was made for, and what can be measured in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dfd.modalities import MODALITIES, Modality
from dfd.reading import read_slice
from dfd.records import FloatImage, ScanFacts, Slice, SliceRef
from dfd.suitability import lung_share, objections

CT, MR = MODALITIES["ct_lung"], MODALITIES["mri_chest"]
CT_FACTS = ScanFacts(
    modality="CT",
    unit="HU",
    body_part="CHEST",
    image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
    spacing_mm=(0.7, 0.7),
)
MR_FACTS = replace(
    CT_FACTS, modality="MR", unit="stored", image_type=("ORIGINAL", "PRIMARY", "OTHER")
)


def _thorax(lung: bool = True, side: int = 96) -> FloatImage:
    """A round body of 30 HU in air, with two lungs of -850 HU, noise of 10 HU."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    pixels = np.where(np.hypot(x, y) < 0.4, 30.0, -1000.0)
    if lung:
        pixels[np.hypot(np.abs(x) - 0.17, y) < 0.11] = -850.0
    return (pixels + np.random.default_rng(1).normal(0, 10, pixels.shape)).astype(np.float32)


def _scan(facts: ScanFacts = CT_FACTS, pixels: FloatImage | None = None) -> Slice:
    pixels = _thorax() if pixels is None else pixels
    return Slice(SliceRef(Path("secret/a.dcm")), facts, pixels, np.ones(pixels.shape, bool))


def test_an_ordinary_slice_meets_no_objection():
    found = objections(_scan(), CT)
    assert (found.refusal, found.not_assessable, found.remarks) == ("", "", ())
    found = objections(_scan(MR_FACTS, _thorax() + 2000), MR)
    assert (found.refusal, found.not_assessable, found.remarks) == ("", "", ())


@pytest.mark.parametrize(
    ("facts", "modality", "sentence"),
    [
        (MR_FACTS, CT, "The slice is MR but the model ct_lung was made for CT"),
        (CT_FACTS, MR, "The slice is CT but the model mri_chest was made for MR"),
        (replace(CT_FACTS, modality="PT", unit="stored"), CT, "The slice is PT but"),
        (
            replace(CT_FACTS, body_part="HEAD"),
            CT,
            "The slice shows HEAD but the model ct_lung was not made for that body part",
        ),
        (replace(CT_FACTS, bits_stored=8), CT, "The slice is an 8-bit export"),
        (
            replace(CT_FACTS, unit="stored"),
            CT,
            "The slice holds stored values without unit but the model ct_lung needs HU",
        ),
        (
            replace(CT_FACTS, modality=""),
            MR,
            "The slice holds HU but the model mri_chest needs stored values without unit",
        ),
        (
            replace(CT_FACTS, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")),
            CT,
            "The slice is a localizer",
        ),
        (
            replace(CT_FACTS, image_type=("ORIGINAL", "PRIMARY", "SCOUT"), unit="stored"),
            CT,
            "The slice is a localizer",
        ),
        (
            replace(CT_FACTS, image_type=("DERIVED", "SECONDARY", "IODINE")),
            CT,
            "The slice is a map (ImageType IODINE)",
        ),
        (
            replace(MR_FACTS, image_type=("ORIGINAL", "PRIMARY", "P", "ND")),
            MR,
            "The slice is an MR phase image (ImageType P)",
        ),
        (
            replace(MR_FACTS, image_type=("ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC")),
            MR,
            "The slice is a mosaic (ImageType MOSAIC)",
        ),
        (
            replace(MR_FACTS, frame_terms=(("ComplexImageComponent", "REAL"),)),
            MR,
            "The slice is one part of a complex MR image",
        ),
        *(
            (replace(CT_FACTS, spacing_mm=spacing), CT, f"The pixels are {words} mm, as those of")
            for spacing, words in (
                ((1e-6, 1e-6), "1e-06 x 1e-06"),
                ((0.07, 0.07), "0.07 x 0.07"),
                ((0.7, 664.0), "0.7 x 664"),
            )
        ),
    ],
)
def test_refusals(facts: ScanFacts, modality: Modality, sentence: str):
    refusal = objections(_scan(facts), modality).refusal
    assert refusal.startswith(sentence)
    assert ": " in refusal
    assert "secret" not in refusal


@pytest.mark.parametrize("part", ["BRAIN", "HEADNECK", "HEAD W/O CONTRAST", "head_neck", "KNEE"])
def test_foreign_body_parts(part: str):
    assert (
        "was not made for that body part"
        in objections(_scan(replace(CT_FACTS, body_part=part)), CT).refusal
    )


@pytest.mark.parametrize(
    "part",
    [
        "",
        "CHEST",
        "TH CT CHEST WO C",
        "CHEST_TO_PELVIS",
        "NECK CHEST ABDOMEN",
        "LIVER",
        "PHARMA",
        "LEGACY",
        "ABDOMEN PELVIS",
    ],
)
def test_body_parts_that_may_show_the_chest(part: str):
    assert objections(_scan(replace(CT_FACTS, body_part=part)), CT).refusal == ""


def test_values_of_a_screen_picture_are_no_hounsfield():
    pixels = np.clip((_thorax() + 1350) / 1500 * 255, 0, 255).astype(np.float32)
    assert objections(_scan(pixels=pixels), CT).refusal.startswith(
        "The slice holds only values from 0 to 255"
    )
    scan = _scan(pixels=pixels)
    scan.pixels[0, 0] = -1000
    assert objections(scan, CT).refusal == ""
    scan.valid[0, 0] = False
    assert objections(scan, CT).refusal != ""


def test_a_stretched_8_bit_export_gets_a_remark():
    pixels = (np.round((_thorax() + 1350) / 8) * 8 - 1350).astype(np.float32)
    assert objections(_scan(pixels=pixels), CT).remarks == (
        "the slice has no more than 256 distinct values, as if it had been an 8-bit export",
    )


def test_lossy_compression_makes_a_score_meaningless():
    found = objections(_scan(replace(CT_FACTS, lossy=True)), CT)
    assert (
        found.not_assessable
        == "The slice was compressed with loss, which removes the noise that is measured here"
    )
    assert found.refusal == ""


@pytest.mark.parametrize(
    ("facts", "remark"),
    [
        (
            replace(CT_FACTS, image_type=("DERIVED", "SECONDARY", "REFORMATTED")),
            r"computed from other slices (ImageType REFORMATTED)",
        ),
        (
            replace(CT_FACTS, image_type=("DERIVED", "SECONDARY", "MPR")),
            r"computed from other slices (ImageType MPR)",
        ),
        (
            replace(CT_FACTS, image_type=("ORIGINAL", "PRIMARY", "CVIEW")),
            r"computed from other slices (ImageType CVIEW)",
        ),
        (
            replace(CT_FACTS, image_type=("DERIVED", "PRIMARY", "AXIAL")),
            "derived from another image (ImageType DERIVED)",
        ),
        (
            replace(CT_FACTS, image_type=("DERIVED", "PRIMARY", "AXIAL", "VMI")),
            "computed from several X-ray energies (ImageType VMI)",
        ),
        (
            replace(CT_FACTS, frame_terms=(("VolumetricProperties", "SAMPLED"),)),
            "computed from other slices (VolumetricProperties SAMPLED)",
        ),
        (
            replace(CT_FACTS, plane="coronal"),
            "the plane is coronal, and CT is scanned axially: the slice is a reformat",
        ),
        (
            replace(CT_FACTS, plane="sagittal", image_type=("ORIGINAL", "PRIMARY")),
            "the plane is sagittal, and CT is scanned axially",
        ),
        (
            replace(CT_FACTS, plane="oblique", modality=""),
            "the plane is oblique, and CT is scanned axially",
        ),
        (replace(CT_FACTS, spacing_mm=None), "no pixel spacing"),
        (
            replace(CT_FACTS, spacing_mm=None, detector_spacing=True),
            "no pixel spacing in the patient but only one on the detector",
        ),
        (replace(CT_FACTS, spacing_mm=(1.68, 1.37)), "the pixels are not square (1.68 x 1.37 mm)"),
    ],
)
def test_remarks(facts: ScanFacts, remark: str):
    (found,) = objections(_scan(facts), CT).remarks
    assert remark in found
    assert objections(_scan(facts), CT).refusal == ""


@pytest.mark.parametrize("plane", ["", "axial", "coronal", "sagittal", "oblique"])
def test_mr_is_scanned_in_any_plane(plane: str):
    found = objections(_scan(replace(MR_FACTS, plane=plane), _thorax() + 2000), MR)
    assert (found.refusal, found.remarks) == ("", ())


def test_mr_that_was_subtracted_gets_a_remark():
    facts = replace(MR_FACTS, image_type=("DERIVED", "SECONDARY", "SUB"))
    (remark,) = objections(_scan(facts, _thorax() + 2000), MR).remarks
    assert (
        remark
        == "the slice was computed from other images (ImageType SUB), which changes its noise"
    )


def test_mr_pixels_need_not_be_square():
    assert (
        objections(_scan(replace(MR_FACTS, spacing_mm=(1.0, 1.2)), _thorax() + 2000), MR).remarks
        == ()
    )


def test_a_slice_without_aerated_lung_gets_a_remark():
    remark = "the slice shows no aerated lung, so it is unlike the slices that the model knows"
    assert objections(_scan(pixels=_thorax(lung=False)), CT).remarks == (remark,)
    assert (
        objections(_scan(pixels=_thorax(lung=False)), replace(CT, wants_lung=False)).remarks == ()
    )
    air = np.full((40, 40), -1000, np.float32) + np.eye(40, dtype=np.float32)
    assert objections(_scan(pixels=air), CT).remarks == (remark,)


@pytest.mark.parametrize("side", [96, 512])
def test_the_share_of_lung_is_an_area_whatever_the_matrix(side: int):
    pixels = _thorax(side=side)
    assert lung_share(pixels, np.ones(pixels.shape, bool)) == pytest.approx(
        2 * 0.11**2 / 0.4**2, rel=0.06
    )


def test_air_beside_the_body_is_no_lung():
    pixels = _thorax(lung=False)
    pixels[:10] = -800  # foam above the body
    assert lung_share(pixels, np.ones(pixels.shape, bool)) == 0.0


@pytest.mark.real_data
def test_real_slices_meet_no_objection(data_root: Path):
    for kind, modality in (("ct", CT), ("mr", MR)):
        for folder in sorted((data_root / kind).iterdir()):
            if folder.is_dir():
                found = objections(read_slice(min(folder.rglob("*.dcm"))), modality)
                assert (found.refusal, found.not_assessable, found.remarks) == ("", "", ()), folder


@pytest.mark.real_data
def test_real_odd_files(data_root: Path):
    odd = data_root / "odd"
    assert (
        "compressed with loss"
        in objections(read_slice(odd / "lossy_derived/1-019.dcm"), CT).not_assessable
    )
    assert (
        "not square"
        in objections(read_slice(odd / "resampled_same_z/CView_IMG0045.dcm"), CT).remarks[0]
    )
    # A head and neck slice that calls itself LUNG.
    assert (
        "no aerated lung"
        in objections(read_slice(odd / "identical_pixels/1-001.dcm"), CT).remarks[0]
    )
    assert objections(read_slice(odd / "odd_number_strings/images_000005.dcm"), CT).refusal == ""
