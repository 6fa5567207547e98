"""What kind of image each frame is, read from classic, enhanced and private elements."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian, SecondaryCaptureImageStorage

from dfd.image_kinds import kind_of
from dfd.reading import read_slice
from tests.dicom_maker import make_pixels, make_slice


def frame_type(modality: str, image_type: str, **terms: str) -> Dataset:
    """A functional group that says of what type a frame is."""
    item, group = Dataset(), Dataset()
    item.FrameType = image_type.split("\\")
    for keyword, value in terms.items():
        setattr(item, keyword, value)
    setattr(group, f"{modality}ImageFrameTypeSequence", [item])
    return group


def test_each_frame_of_an_enhanced_file_has_a_kind_of_its_own(tmp_path: Path) -> None:
    groups = [
        frame_type("MR", r"ORIGINAL\PRIMARY\T1\NONE", ComplexImageComponent="MAGNITUDE"),
        frame_type("MR", r"ORIGINAL\PRIMARY\T1\NONE", ComplexImageComponent="PHASE"),
        frame_type("MR", r"DERIVED\PRIMARY\DIFFUSION\ADC"),
        frame_type("MR", r"DERIVED\PRIMARY\OTHER\MAXIMUM", VolumetricProperties="SAMPLED"),
        frame_type("MR", r"ORIGINAL\PRIMARY\CINE\NONE"),
    ]
    mixed = ["MIXED", "PRIMARY", "DIFFUSION", "ADC"]
    path = make_slice(
        tmp_path / "a.dcm",
        make_pixels((5, 40, 48)),
        Modality="MR",
        ImageType=mixed,
        ComplexImageComponent="MIXED",
        PerFrameFunctionalGroupsSequence=groups,
    )
    kinds = [kind_of(read_slice(path, frame).facts).name for frame in range(5)]
    assert kinds == ["", "phase", "map", "reformat", ""]


def test_the_shared_group_holds_for_all_frames(tmp_path: Path) -> None:
    shared = frame_type("CT", r"DERIVED\PRIMARY\VOLUME\NONE", VolumeBasedCalculationTechnique="MPR")
    path = make_slice(
        tmp_path / "a.dcm", make_pixels((2, 40, 48)), SharedFunctionalGroupsSequence=[shared]
    )
    facts = read_slice(path, 1).facts
    assert facts.image_type == ("DERIVED", "PRIMARY", "VOLUME", "NONE")
    assert kind_of(facts).remark.startswith("the slice was computed from other slices")


@pytest.mark.parametrize(("number", "name"), [(0, ""), (1, "phase"), (2, "part"), (3, "part")])
@pytest.mark.parametrize("known", [True, False], ids=["named", "value representation lost"])
def test_ge_tells_the_parts_of_a_complex_image_in_a_private_element(
    tmp_path: Path, number: int, name: str, known: bool
) -> None:
    path = make_slice(
        tmp_path / "a.dcm", make_pixels(), Modality="MR", ImageType=["ORIGINAL", "PRIMARY", "OTHER"]
    )
    dataset = pydicom.dcmread(path)
    block = dataset.private_block(0x0043, "GEMS_PARM_01", create=True)
    block.add_new(0x2F, "SS" if known else "UN", number if known else number.to_bytes(2, "little"))
    dataset.save_as(path)
    assert kind_of(read_slice(path).facts).name == name


def test_another_vendor_may_use_that_element_for_anything(tmp_path: Path) -> None:
    path = make_slice(tmp_path / "a.dcm", make_pixels(), Modality="MR")
    dataset = pydicom.dcmread(path)
    dataset.private_block(0x0043, "OTHER VENDOR", create=True).add_new(0x2F, "LO", "anything")
    dataset.save_as(path)
    assert kind_of(read_slice(path).facts).name == ""


@pytest.mark.parametrize(
    ("storage", "name"),
    [(SecondaryCaptureImageStorage, "capture"), ("1.2.3.4", "")],
)
def test_the_storage_class_is_told_where_it_is_none_of_slices(
    tmp_path: Path, storage: str, name: str
) -> None:
    path = make_slice(tmp_path / "a.dcm", make_pixels(), SOPClassUID=storage)
    assert kind_of(read_slice(path).facts).name == name


def test_terms_are_read_whatever_the_encoding(tmp_path: Path) -> None:
    tags = {"Modality": "MR", "ImageType": ["ORIGINAL", "PRIMARY", "p ", "nd"]}
    path = make_slice(tmp_path / "a.dcm", make_pixels(), syntax=ImplicitVRLittleEndian, **tags)
    assert kind_of(read_slice(path).facts).name == "phase"


@pytest.mark.parametrize(
    ("orientation", "plane"),
    [
        ([1, 0, 0, 0, 1, 0], "axial"),
        ([-1, 0, 0, 0, -1, 0], "axial"),
        ([1, 0, 0, 0, 0.87, -0.5], "axial"),
        ([1, 0, 0, 0, 0, -1], "coronal"),
        ([0, 1, 0, 0, 0, -1], "sagittal"),
        ([1, 0, 0, 0, 0.7071, -0.7071], "oblique"),
        (None, ""),
    ],
)
def test_the_plane_is_told_by_the_orientation(
    tmp_path: Path, orientation: list[float] | None, plane: str
) -> None:
    path = make_slice(tmp_path / "a.dcm", make_pixels(), ImageOrientationPatient=orientation)
    assert read_slice(path).facts.plane == plane


def test_the_plane_of_a_volume_is_told_by_its_transform(tmp_path: Path) -> None:
    volume = np.random.default_rng(1).integers(-900, 100, (40, 48, 3)).astype(np.int16)
    coronal = np.array([[1, 0, 0, 0], [0, 0, 2, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    for name, affine, plane in (("a.nii", np.eye(4), "axial"), ("b.nii", coronal, "coronal")):
        nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / name)
        assert read_slice(tmp_path / name, 1).facts.plane == plane
