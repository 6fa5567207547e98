"""A DICOM object that is no scan is refused by the name that its SOP class gives it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread, uid
from pydicom.config import disable_value_validation
from pydicom.dataset import FileMetaDataset

from dfd.errors import SeriesError
from dfd.reading import read_series, read_slice
from dfd.reading.kinds import kind_of
from tests.dicom_maker import make_pixels, make_slice

WITH_PIXELS = {
    "Segmentation": (uid.SegmentationStorage, {"Modality": "SEG"}),
    "Label Map Segmentation": ("1.2.840.10008.5.1.4.1.1.66.7", {"Modality": "SEG"}),
    "Parametric Map": (uid.ParametricMapStorage, {"Modality": "MR"}),
    "RT Dose": (uid.RTDoseStorage, {"Modality": "RTDOSE"}),
}
BARE = {
    "RT Structure Set": uid.RTStructureSetStorage,
    "RT Plan": uid.RTPlanStorage,
    "Comprehensive SR (structured report)": uid.ComprehensiveSRStorage,
    "X-Ray Radiation Dose SR (structured report)": uid.XRayRadiationDoseSRStorage,
    "Grayscale Softcopy Presentation State": uid.GrayscaleSoftcopyPresentationStateStorage,
    "Key Object Selection Document": uid.KeyObjectSelectionDocumentStorage,
    "Encapsulated PDF": uid.EncapsulatedPDFStorage,
    "Spatial Registration": uid.SpatialRegistrationStorage,
    "12-lead ECG Waveform": uid.TwelveLeadECGWaveformStorage,
    "MR Spectroscopy": uid.MRSpectroscopyStorage,
}
CAPTURE = uid.SecondaryCaptureImageStorage


def bare(path: Path, sop_class: str) -> Path:
    """An object without an image."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.PatientID = (
        sop_class,
        "1.2.3.4",
        "canary-id",
    )
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("name", WITH_PIXELS)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_an_object_with_pixels_is_called_what_it_is(tmp_path: Path, name: str, kind: type) -> None:
    sop_class, tags = WITH_PIXELS[name]
    path = make_slice(tmp_path / "a.dcm", make_pixels().astype(kind), SOPClassUID=sop_class, **tags)
    with pytest.raises(
        SeriesError, match=f"a.dcm is a DICOM {name}, not a CT or MR slice: leave it out"
    ):
        read_slice(path)


def test_a_segmentation_of_single_bits_is_called_that(tmp_path: Path) -> None:
    path = make_slice(
        tmp_path / "a.dcm",
        make_pixels((40, 48)).astype(np.uint8),
        SOPClassUID=uid.SegmentationStorage,
        Modality="SEG",
    )
    dataset = dcmread(path)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelData = (
        1,
        1,
        0,
        bytes(40 * 48 // 8),
    )
    dataset.save_as(path)
    with pytest.raises(SeriesError, match="is a DICOM Segmentation, not a CT or MR slice"):
        read_slice(path)


@pytest.mark.parametrize("name", BARE)
def test_an_object_without_image_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    with pytest.raises(SeriesError) as caught:
        read_slice(bare(tmp_path / "a.dcm", BARE[name]))
    assert (
        str(caught.value)
        == f"{tmp_path / 'a.dcm'} is a DICOM {name}, not a CT or MR slice: leave it out"
    )


def test_what_lies_among_slices_is_left_out_by_its_name(tmp_path: Path) -> None:
    make_slice(tmp_path / "a.dcm", make_pixels())
    make_slice(tmp_path / "b.dcm", make_pixels(), SOPClassUID=uid.SegmentationStorage)
    bare(tmp_path / "c.dcm", uid.EncapsulatedPDFStorage)
    series, skipped = read_series(tmp_path)
    assert [ref.path.name for one in series for ref in one.slices] == ["a.dcm"]
    assert [each.reason.split(" is a ")[1].split(",")[0] for each in skipped] == [
        "DICOM Segmentation",
        "DICOM Encapsulated PDF",
    ]


@pytest.mark.parametrize(
    ("pixels", "tags", "words"),
    [
        (
            make_pixels((40, 48, 3)).astype(np.uint8),
            {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
            "Secondary Capture Image in colour",
        ),
        (
            make_pixels().astype(np.uint8),
            {},
            (
                "Secondary Capture Image of 8 bits, a picture made for a screen: give the "
                "original slice"
            ),
        ),
        (
            make_pixels(),
            {"BitsStored": 1, "HighBit": 0},
            "Secondary Capture Image of 1 bit, a picture made for a screen",
        ),
        (
            make_pixels(),
            {"Modality": "OT"},
            "Secondary Capture Image of modality OT, not a CT or MR slice: leave it out",
        ),
    ],
    ids=["in colour", "of 8 bits", "of one bit", "of another modality"],
)
def test_a_capture_of_a_screen_is_called_that(
    tmp_path: Path, pixels: np.ndarray, tags: dict[str, object], words: str
) -> None:
    with pytest.raises(SeriesError, match=f"a.dcm is a DICOM {words}"):
        read_slice(make_slice(tmp_path / "a.dcm", pixels, SOPClassUID=CAPTURE, **tags))


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"SOPClassUID": None, "preamble": False},
        {"SOPClassUID": "1.2.3.4.5"},
        {"SOPClassUID": CAPTURE},
        {"Modality": "MR"},
    ],
)
def test_a_scan_stays_one_whatever_an_anonymiser_made_of_its_class(
    tmp_path: Path, tags: dict[str, object]
) -> None:
    assert read_slice(make_slice(tmp_path / "a.dcm", make_pixels(), **tags)).pixels.shape == (
        40,
        48,
    )


@pytest.mark.parametrize(
    "sop_class",
    [
        uid.PositronEmissionTomographyImageStorage,
        uid.ComputedRadiographyImageStorage,
        uid.RTImageStorage,
    ],
)
def test_images_of_other_scanners_are_left_to_the_model(tmp_path: Path, sop_class: str) -> None:
    path = make_slice(tmp_path / "a.dcm", make_pixels(), SOPClassUID=sop_class, Modality="PT")
    assert read_slice(path).facts.modality == "PT"


def test_the_class_may_stand_in_the_file_meta_alone(tmp_path: Path) -> None:
    path = make_slice(tmp_path / "a.dcm", make_pixels(), SOPClassUID=uid.SegmentationStorage)
    dataset = dcmread(path)
    del dataset.SOPClassUID
    assert kind_of(dataset) == "Segmentation"


@pytest.mark.parametrize(
    "sop_class",
    [
        uid.CTImageStorage,
        uid.EnhancedCTImageStorage,
        uid.LegacyConvertedEnhancedCTImageStorage,
        uid.MRImageStorage,
        uid.EnhancedMRImageStorage,
        uid.LegacyConvertedEnhancedMRImageStorage,
        "",
        "not a UID",
        "1.2.840.10008.1.1",
    ],
)
def test_scans_and_unknown_classes_have_no_other_name(sop_class: str) -> None:
    header = Dataset()
    with disable_value_validation():
        header.SOPClassUID = sop_class
    assert kind_of(header) == ""
