"""Another reconstruction of a slice is found beside it, within the data alone.

And what it shows is told.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch

from dfd.assessment import notes
from dfd.assessment.notes import ReconstructionNotes
from dfd.bundle.inference.load_context import LoadReconstructionsd
from dfd.bundle.reader import LoadSliced
from dfd.context import reconstructions
from dfd.context.reconstruction_agreement import Agreement, Content
from dfd.context.reconstructions import MOST_RECONSTRUCTIONS
from dfd.context.sibling_folders import MOST_SIBLINGS
from dfd.modalities import MODALITIES
from dfd.outputs.anonymous import LocalNames
from dfd.phantom import write_ct_series
from dfd.reading import read_slice, study_of
from dfd.reading.pixel_values import pixels_of
from dfd.records import Finding, Point, Reconstruction, Region
from dfd.sentences import joined
from tests.dicom_maker import make_pixels, make_slice

CT, MR = MODALITIES["ct_lung"], MODALITIES["mri_chest"]
SPACE = {"FrameOfReferenceUID": "1.2.7"}


def sliced(path: Path, **tags: object) -> Path:
    seed = int(str(tags.pop("seed", 1)))
    return make_slice(path, make_pixels(seed=seed), **(SPACE | tags))


def names(path: Path, within: Path | None) -> list[str]:
    found = LoadReconstructionsd(within=within)(LoadSliced()({"image": str(path)}))
    return [twin.name for twin in found.get("reconstructions", ())]


def test_a_twin_is_found_in_the_folder_and_in_sister_folders(tmp_path: Path) -> None:
    own = sliced(tmp_path / "p" / "B" / "1.dcm")
    sliced(tmp_path / "p" / "B" / "2.dcm", seed=2, SeriesInstanceUID="1.2.9")
    sliced(tmp_path / "p" / "L" / "7.dcm", seed=3, SeriesInstanceUID="1.2.10")
    assert names(own, tmp_path) == ["p/B/2.dcm", "p/L/7.dcm"]
    assert names(own, None) == ["2.dcm"]


@pytest.mark.parametrize(
    "tags",
    [
        {"SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.1"},
        {"StudyInstanceUID": "1.2.4"},
        {"FrameOfReferenceUID": "1.2.8"},
        {"FrameOfReferenceUID": None},
        {"ImagePositionPatient": [0, 0, 0.2]},
        {"ImagePositionPatient": [0.2, 0, 0]},
        {"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]},
        {"PixelSpacing": [0.7, 0.81]},
        {"SliceThickness": "5"},
        {"AcquisitionTime": "120000"},
        {"KVP": "80"},
        {"ImageType": ["DERIVED", "SECONDARY", "MPR"]},
        {"RescaleType": "Z_EFF"},
    ],
    ids=lambda tags: "-".join(tags),
)
def test_what_is_no_other_reconstruction_is_no_twin(
    tmp_path: Path, tags: dict[str, object]
) -> None:
    own = sliced(tmp_path / "B" / "1.dcm", KVP="120", AcquisitionTime="110000")
    sliced(
        tmp_path / "L" / "1.dcm",
        **(
            {"seed": 2, "SeriesInstanceUID": "1.2.9", "KVP": "120", "AcquisitionTime": "110000"}
            | tags
        ),
    )
    assert names(own, tmp_path) == []


def test_another_matrix_is_no_twin(tmp_path: Path) -> None:
    own = sliced(tmp_path / "B" / "1.dcm")
    make_slice(tmp_path / "L" / "1.dcm", make_pixels((48, 48)), SeriesInstanceUID="1.2.9", **SPACE)
    assert names(own, tmp_path) == []


def test_nothing_outside_the_data_folder_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = sliced(tmp_path / "data" / "B" / "1.dcm")
    sliced(tmp_path / "other" / "1.dcm", seed=2, SeriesInstanceUID="1.2.9")
    sliced(tmp_path / "data" / "L" / "1.dcm", seed=2, SeriesInstanceUID="1.2.9")
    asked: list[Path] = []
    monkeypatch.setattr(reconstructions, "study_of", lambda folder: (asked.append(folder), "")[1])
    for within in (tmp_path / "data" / "B", None, tmp_path / "elsewhere"):
        assert names(own, within) == []
    assert not asked
    names(own, tmp_path / "data")
    assert asked == [tmp_path / "data" / "L"]


def test_of_many_sisters_the_nearest_by_name_are_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = sliced(tmp_path / "p50" / "1.dcm")
    for number in range(30, 80):
        (tmp_path / f"p{number}").mkdir(exist_ok=True)
    asked: list[Path] = []
    monkeypatch.setattr(reconstructions, "study_of", lambda folder: (asked.append(folder), "")[1])
    loader, item = LoadReconstructionsd(within=tmp_path), LoadSliced()({"image": str(own)})
    assert "reconstructions" not in loader(loader(item))
    assert [folder.name for folder in asked] == [
        f"p{number}" for number in range(42, 59) if number != 50
    ]
    assert len(asked) == MOST_SIBLINGS


def test_no_more_than_a_few_twins_are_read(tmp_path: Path) -> None:
    own = sliced(tmp_path / "1.dcm")
    for number in range(2, 6):
        sliced(tmp_path / f"{number}.dcm", seed=number, SeriesInstanceUID=f"1.2.{number}")
    assert len(names(own, tmp_path)) == MOST_RECONSTRUCTIONS


def test_a_twin_that_cannot_be_read_costs_the_comparison_alone(tmp_path: Path) -> None:
    own = sliced(tmp_path / "B" / "1.dcm")
    other = sliced(tmp_path / "L" / "1.dcm", seed=2, SeriesInstanceUID="1.2.9")
    other.write_bytes(other.read_bytes()[:-2000])
    found = LoadReconstructionsd(within=tmp_path)(LoadSliced()({"image": str(own)}))
    assert not {"reconstructions", "error"} & found.keys()


def test_a_bare_image_and_an_unreadable_file_pass(tmp_path: Path) -> None:
    image = torch.zeros(1, 32, 32)
    assert LoadReconstructionsd()({"image": image}) == {"image": image}
    assert "reconstructions" not in LoadReconstructionsd()(
        LoadSliced()({"image": str(tmp_path / "nowhere.dcm")})
    )


def test_the_study_of_a_folder_is_that_of_its_first_file(tmp_path: Path) -> None:
    sliced(tmp_path / "p" / "b.dcm", StudyInstanceUID="1.2.3")
    (tmp_path / "p" / "a.txt").write_text("notes", encoding="utf-8")
    assert study_of(tmp_path / "p") == "1.2.3"
    assert study_of(tmp_path) == study_of(tmp_path / "nowhere") == ""


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One slice in two kernels, in sister folders."""
    root = tmp_path_factory.mktemp("kernels")
    for kernel in ("soft", "sharp"):
        write_ct_series(
            root / "p 1" / kernel, seed=6, slices=1, kernel=kernel, patient="c", size=256
        )
    return root


REGION = Region(90.0, 130.0, 7.0)


def told(root: Path, edit: float = 0.0) -> tuple[str, ...]:
    item: dict[Any, Any] = LoadReconstructionsd(within=root)(
        LoadSliced()({"image": str(root / "p 1" / "soft" / "file001.dcm")})
    )
    (twin,) = item["reconstructions"]
    pixels = twin.pixels.copy()
    pixels[123:138, 83:98] += edit
    return ReconstructionNotes(item["scan"], (Reconstruction(twin.name, pixels),), CT).of(REGION)


def test_it_is_told_whether_both_show_the_same(phantoms: Path) -> None:
    (same,) = told(phantoms)
    assert same.startswith(
        "the other reconstruction of this study ('p 1/sharp/file001.dcm') shows the same "
        "content here, within "
    )
    (other,) = told(phantoms, 250.0)
    assert other.startswith(
        "another reconstruction of this study ('p 1/sharp/file001.dcm') shows other content "
        "here: the two differ by "
    )
    assert other.endswith("HU is usual at such places of this slice")


OTHER = "shows other content here: the two differ by"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Agreement(Content.SAME, 0.2, 0.3), "shows the same content here, within 1 HU"),
        (Agreement(Content.SAME, 42.4, 40.0), "shows the same content here, within 42 HU"),
        (Agreement(Content.SAME, 100.0, 90.0), "shows the same content here, within 100 HU"),
        # Wider than tissues differ: an edit would lie within it too.
        (
            Agreement(Content.SAME, 7958.0, 8000.0),
            "differs here no more than is usual at such places of this slice",
        ),
        (
            Agreement(Content.OTHER, 12.0, 0.2),
            f"{OTHER} 12 HU, less than 1 HU is usual at such places of this slice",
        ),
        (
            Agreement(Content.OTHER, 7958.0, 40.0),
            f"{OTHER} 7958 HU, 40 HU is usual at such places of this slice",
        ),
        (Agreement(Content.UNDECIDED, 3.0, 3.0), ""),
    ],
)
def test_a_bound_is_told_where_it_says_something(found: Agreement, words: str) -> None:
    told = notes._sentence("a/b", found)
    assert told.partition("reconstruction of this study ('a/b') ")[2] == words


def test_the_very_same_pixels_are_no_agreement(phantoms: Path, tmp_path: Path) -> None:
    shutil.copytree(phantoms / "p 1" / "soft", tmp_path / "B")
    dataset = pydicom.dcmread(tmp_path / "B" / "file001.dcm")
    dataset.SeriesInstanceUID = "1.2.3.9"
    dataset.save_as(tmp_path / "B" / "again.dcm")
    item = LoadReconstructionsd(within=tmp_path)(
        LoadSliced()({"image": str(tmp_path / "B" / "file001.dcm")})
    )
    for modality in (CT, MR):
        assert ReconstructionNotes(item["scan"], item["reconstructions"], modality).of(REGION) == (
            "another series of this study ('B/again.dcm') holds the very same pixels",
        )


def test_series_without_a_physical_unit_are_not_compared(phantoms: Path) -> None:
    scan = read_slice(phantoms / "p 1" / "soft" / "file001.dcm")
    assert (
        ReconstructionNotes(scan, (Reconstruction("a", pixels_of(scan) + np.float32(9.0)),), MR).of(
            REGION
        )
        == ()
    )
    assert ReconstructionNotes(scan, (), CT).of(REGION) == ()


def test_names_are_hidden_where_results_are_anonymous(phantoms: Path) -> None:
    scan = read_slice(phantoms / "p 1" / "soft" / "file001.dcm")
    for name in ("Doe Jane/L kernel/IM 1", "Doe", "O'Brien/1"):
        changed = pixels_of(scan)
        for twin in (
            Reconstruction(name, changed),
            Reconstruction(name, changed + np.float32(1.0)),
        ):
            (sentence,) = ReconstructionNotes(scan, (twin,), CT).of(REGION)
            reason = joined("; ", ("nothing", sentence, "more"))
            finding = Finding(
                Point(2, "p 1/soft/file001.dcm", 1.0, 1.0), "no anomaly found", reason=reason
            )
            (hidden,) = LocalNames([finding]).hide([finding])
            assert name in finding.reason
            assert not any(
                word in hidden.reason for word in ("Doe", "Jane", "kernel", "IM", "Brien")
            )
            assert hidden.reason.replace("(hidden)", repr(name)) == finding.reason
