"""Who is trained on, who is left out, and which slices a points file asks for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfd.assessment.cohort import patients_of
from dfd.bundle import datalists
from dfd.bundle.datalists import (
    Cohort,
    Collection,
    cohort_of,
    collect,
    modality_of,
    point_items,
    training_items,
    validation_items,
    validation_patients,
)
from dfd.errors import SeriesError
from dfd.records import Point, ScanFacts, Series
from dfd.scoring import requested_points
from tests.dicom_maker import make_pixels, make_slice

ROOT = Path("data")
QUICK = settings(max_examples=50, deadline=None, derandomize=True)


def collection(groups: dict[str, str], slices: int = 3) -> Collection:
    """Patients with their scanner."""
    made = [
        {
            "image": f"{patient}/{number}.dcm",
            "frame": None,
            "patient": patient,
            "group": group,
            "spacing_mm": None,
        }
        for patient, group in groups.items()
        for number in range(slices)
    ]
    return Collection(tuple(made), "ct_lung")


@pytest.mark.parametrize(
    ("files", "hashes", "expected"),
    [
        (["p1/a", "p1/x/b", "p2/c"], ["h1", "h1", "h2"], ["p1", "p1", "p2"]),
        (["p1/a", "p2/b", "p3/c"], ["h1", "h2", "h1"], ["p1", "p2", "p1"]),
        (["p1/a", "p2/b"], ["same", "same"], ["p1", "p2"]),
        (["p1/a", "p2/b"], ["", ""], ["p1", "p2"]),
        (["p1/a", "p2/b", "p3/c"], ["h1", "", "h2"], ["p1", "p2", "p3"]),
        (["a", "b", "c"], ["h1", "h2", "h1"], ["h1", "h2", "h1"]),
        (["a", "b"], ["same", "same"], ["", ""]),
        (["p1/a", "b", "c"], ["h1", "h1", "h2"], ["p1", "p1", "h2"]),
        # A chain: p1 and p3 share no PatientID with each other, but both share one with p2.
        (["p1/a", "p2/b", "p2/c", "p3/d"], ["h2", "h1", "h2", "h1"], ["p1"] * 4),
        ([], [], []),
    ],
)
def test_patients_are_folders_joined_by_patient_id(
    files: list[str], hashes: list[str], expected: list[str]
) -> None:
    assert patients_of([ROOT / file for file in files], hashes, ROOT) == expected


@pytest.mark.parametrize(
    ("hashes", "studies", "expected"),
    [
        # Two PatientIDs in one study are one patient, whatever the folders.
        (["h1", "h2", "h3"], ["s1", "s1", "s2"], ["p1", "p1", "p3"]),
        (["h1", "h1", "h1"], ["s1", "s1", "s2"], ["p1", "p1", "p3"]),
        # One study for all is a constant of an anonymiser, and says nothing.
        (["h1", "h2", "h3"], ["s1", "s1", "s1"], ["p1", "p2", "p3"]),
        (["h1", "h1", "h1"], ["s1", "s1", "s1"], ["p1", "p2", "p3"]),
        (["h1", "h2", "h2"], ["", "", ""], ["p1", "p2", "p2"]),
        (["h1", "h2", "h3"], ["s1", "", "s1"], ["p1", "p2", "p3"]),
        (["h1", "h2", "h3"], ["s1", "s2", "s1"], ["p1", "p2", "p1"]),
    ],
)
def test_a_study_is_of_one_patient(
    hashes: list[str], studies: list[str], expected: list[str]
) -> None:
    paths = [ROOT / f"p{number}" / "a.dcm" for number in (1, 2, 3)]
    assert patients_of(paths, hashes, ROOT, studies) == expected


def test_patients_are_counted_whatever_an_anonymiser_made_of_the_identifiers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # p1 and p2 share a study under two PatientIDs; p3 has no PatientID and no SeriesInstanceUID; p4
    # has another's SeriesInstanceUID.
    make_slice(tmp_path / "p1" / "a", make_pixels(seed=1), PatientID="A", StudyInstanceUID="1.1")
    make_slice(tmp_path / "p2" / "a", make_pixels(seed=2), PatientID="B", StudyInstanceUID="1.1")
    for name in ("x/a", "y/b"):
        make_slice(
            tmp_path / "p3" / name,
            make_pixels(seed=3),
            PatientID=None,
            SeriesInstanceUID=None,
            StudyInstanceUID="1.2",
        )
    make_slice(tmp_path / "p4" / "a", make_pixels(seed=4), PatientID="D", StudyInstanceUID="1.3")
    make_slice(tmp_path / "p5" / "a", make_pixels(seed=5), PatientID=None, StudyInstanceUID="1.4")
    found = collect(tmp_path)
    assert {
        Path(item["image"]).relative_to(tmp_path).parts[0]: item["patient"] for item in found.items
    } == {
        "p1": "p1",
        "p2": "p1",
        "p3": "p3",
        "p4": "p4",
        "p5": "p5",
    }
    assert "StudyInstanceUID" not in caplog.text


@pytest.mark.parametrize("patient_id", ["constant", None])
def test_one_uid_for_everything_leaves_folders_to_tell_patients_apart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, patient_id: str | None
) -> None:
    constant = dict.fromkeys(("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"), "1.2.3")
    for number, patient in enumerate(("p1", "p2", "p3")):
        for z in (0, 2):
            place = {"ImagePositionPatient": [0, 0, z], "PatientID": patient_id}
            make_slice(
                tmp_path / patient / f"{z}",
                make_pixels((40, 40 + number), seed=9 * number + z),
                **constant,
                **place,
            )
    found = collect(tmp_path)
    assert found.patients == ["p1", "p2", "p3"]
    assert len(found.items) == 6
    assert "6 slices differ and share their SOPInstanceUID with others" in caplog.text
    assert (
        "all scans carry one StudyInstanceUID, which tells no patients apart: by folder and "
        "PatientID there are 3"
    ) in caplog.text


def test_copies_are_collected_once_and_that_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_slice(tmp_path / "p1" / "a.dcm", make_pixels())
    (tmp_path / "p1" / "b.dcm").write_bytes(path.read_bytes())
    for found in (
        [item["image"] for item in collect(tmp_path).items],
        [str(point.path) for point in requested_points.slice_points(tmp_path)],
    ):
        assert found == [str(path)]
    told = (
        f"1 slice is left out, since another file holds the same, as {path} does for "
        f"{path.with_name('b.dcm')}"
    )
    assert caplog.messages == [told, told]


@QUICK
@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "h1", "h2", "h3", "h4"])),
        min_size=1,
        max_size=12,
    ),
    st.randoms(),
)
def test_no_patient_is_split_whatever_the_order(pairs: list[tuple[str, str]], random) -> None:
    paths = [ROOT / folder / f"{number}.dcm" for number, (folder, _) in enumerate(pairs)]
    names = patients_of(paths, [key for _, key in pairs], ROOT)
    for place in (0, 1) if len({key for _, key in pairs if key}) > 1 else (0,):
        owners: dict[str, set[str]] = {}
        for pair, name in zip(pairs, names, strict=True):
            if pair[place]:
                owners.setdefault(pair[place], set()).add(name)
        assert all(len(names) == 1 for names in owners.values())
    order = list(range(len(pairs)))
    random.shuffle(order)
    shuffled = patients_of(
        [paths[index] for index in order], [pairs[index][1] for index in order], ROOT
    )
    assert shuffled == [names[index] for index in order]


def series(modality: str) -> Series:
    return Series("1", (), (), ScanFacts(modality=modality))


def test_the_modality_is_the_one_all_scans_share() -> None:
    assert modality_of([series("CT"), series("CT"), series("PT")], ROOT) == "ct_lung"
    assert modality_of([series("MR")], ROOT) == "mri_chest"


def test_mixed_modalities_are_an_error_that_lists_them() -> None:
    with pytest.raises(
        SeriesError,
        match=r"data mixes modalities \(2 CT, 1 MR series\); give one folder per modality",
    ):
        modality_of([series("CT"), series("MR"), series("CT")], ROOT)


@pytest.mark.parametrize(
    ("given_series", "listed"), [([], "nothing readable"), (["PT", ""], "1 PT, 1 unknown")]
)
def test_a_folder_without_a_known_modality_is_refused(given_series: list[str], listed: str) -> None:
    with pytest.raises(
        SeriesError, match=rf"holds no series a model exists for \({listed}\); expected CT or MR"
    ):
        modality_of([series(name) for name in given_series], ROOT)


def test_collect_reads_a_folder(tmp_path: Path) -> None:
    for patient in ("p1", "p2"):
        for number in range(2):
            make_slice(
                tmp_path / patient / f"{number}.dcm",
                make_pixels(seed=number),
                PatientID=f"id {patient}",
                SeriesInstanceUID=f"1.2.{patient[1]}",
                ImagePositionPatient=[0, 0, number],
                ConvolutionKernel="B70f",
            )
    (tmp_path / "p1" / "notes.txt").write_text("not a scan")
    found = collect(tmp_path)
    assert found.modality == "ct_lung"
    assert found.patients == ["p1", "p2"]
    assert [Path(item["image"]).name for item in found.of(["p2"])] == ["0.dcm", "1.dcm"]
    assert {item["group"] for item in found.items} == {"ACME Scanner 1 B70f"}
    assert {item["frame"] for item in found.items} == {None}
    assert {item["spacing_mm"] for item in found.items} == {(0.7, 0.8)}


def test_collect_of_mixed_scans(tmp_path: Path) -> None:
    make_slice(tmp_path / "p1" / "a.dcm", make_pixels(), SeriesInstanceUID="1.2.1")
    make_slice(tmp_path / "p2" / "b.dcm", make_pixels(), SeriesInstanceUID="1.2.2", Modality="MR")
    with pytest.raises(SeriesError, match="mixes modalities"):
        collect(tmp_path)
    assert [Path(item["image"]).name for item in collect(tmp_path, "mri_chest").items] == ["b.dcm"]


def test_collect_of_the_wrong_modality(tmp_path: Path) -> None:
    make_slice(tmp_path / "p1" / "a.dcm", make_pixels())
    with pytest.raises(SeriesError, match="holds no MR series that can be read"):
        collect(tmp_path, "mri_chest")


def test_several_frames_have_numbers(tmp_path: Path) -> None:
    make_slice(tmp_path / "p1" / "a.dcm", make_pixels((3, 40, 48)), Modality="MR")
    assert [item["frame"] for item in collect(tmp_path).items] == [0, 1, 2]


def test_a_quarter_of_the_patients_is_left_out_over_all_scanners() -> None:
    found = collection(
        {f"a{n}": "A" for n in range(8)}
        | {f"b{n}": "B" for n in range(4)}
        | {f"c{n}": "C" for n in range(4)}
    )
    left_out = validation_patients(found)
    assert len(left_out) == 4
    assert Counter(name[0] for name in left_out) == {"a": 2, "b": 1, "c": 1}
    assert left_out == sorted(left_out)


def test_the_choice_does_not_hang_on_the_order_of_files() -> None:
    found = collection({f"p{n}": "AB"[n % 2] for n in range(10)})
    turned = Collection(found.items[::-1], found.modality)
    assert validation_patients(found) == validation_patients(turned)


@QUICK
@given(st.integers(0, 40), st.integers(1, 5))
def test_someone_is_left_to_learn_from(count: int, scanners: int) -> None:
    found = collection({f"p{n}": f"scanner {n % scanners}" for n in range(count)}, slices=1)
    left_out = validation_patients(found)
    assert set(left_out) <= set(found.patients)
    if count < 2:
        assert left_out == []
    else:
        assert 1 <= len(left_out) < count
        trained = {item["patient"] for item in training_items(found, left_out)}
        assert trained == set(found.patients) - set(left_out)


def test_named_patients_are_left_out() -> None:
    found = collection({"p1": "A", "p2": "A", "p3": "A"})
    assert validation_patients(found, ["p3", "p1"]) == ["p1", "p3"]
    with pytest.raises(
        SeriesError,
        match=r"validation patient p9 is not in the training folder; it holds p1, p2, p3",
    ):
        validation_patients(found, ["p1", "p9"])


def test_a_cohort_is_all_patients_or_those_named() -> None:
    found = collection({"p1": "A", "p2": "A"})
    assert cohort_of(found, [], 5) == Cohort(found, ["p1", "p2"], 5)
    assert cohort_of(found, ["p2"], 5).patients == ["p2"]
    with pytest.raises(SeriesError, match="p9 is not in the training folder"):
        cohort_of(found, ["p9"], 5)


def test_weights_follow_the_square_root_of_a_scanners_slices() -> None:
    made = [
        *collection({"a": "common"}, slices=100).items,
        *collection({"b": "rare"}, slices=4).items,
    ]
    weights = np.array(datalists.balanced_weights(made))
    assert weights[:100].sum() / weights[100:].sum() == pytest.approx(5.0)
    assert len(set(weights[:100])) == 1


def test_an_epoch_is_at_least_a_batch_and_has_an_end() -> None:
    assert (
        datalists.crops_per_epoch([{}], datalists.CROPS_PER_SLICE + 1)
        == datalists.CROPS_PER_SLICE + 1
    )
    some = datalists.crops_per_epoch([{}] * 100, 64)
    assert datalists.crops_per_epoch([{}], 64) < some <= datalists.MOST_CROPS
    assert datalists.crops_per_epoch([{}] * 10**6, 64) == datalists.MOST_CROPS


def test_validation_draws_are_spread_over_patients() -> None:
    found = collection({"p1": "A", "p2": "A", "p3": "B", "p4": "B"}, slices=5)
    chosen = validation_items(found, ["p1", "p3", "p4"], 32)
    assert len(chosen) == 32
    counts = Counter(item["patient"] for item in chosen)
    assert set(counts) == {"p1", "p3", "p4"}
    assert max(counts.values()) - min(counts.values()) <= 1
    assert [item["draw"] for item in chosen] == list(range(32))
    per_slice = Counter(item["image"] for item in chosen)
    assert set(per_slice.values()) <= {2, 3}
    assert validation_items(found, ["p1", "p3", "p4"], 32) == chosen


def test_without_patients_left_out_all_are_drawn_from() -> None:
    found = collection({"p1": "A"}, slices=5)
    assert {item["patient"] for item in validation_items(found, [], 4)} == {"p1"}
    assert all("draw" not in item for item in found.items)


def test_points_of_one_slice_are_one_item() -> None:
    a, b = Path("a.dcm"), Path("b.dcm")
    points = [
        Point(2, "a", 1, 1, path=a),
        Point(3, "b", 1, 1, path=b),
        Point(4, "bad", 1, 1, path=a, error="row 4: X is missing"),
        Point(5, "a", 2, 2, path=a),
        Point(6, "a", 2, 2, path=a, frame=1),
        Point(7, "a", 2, 2, path=a, frame=3),
        Point(8, "nowhere", 2, 2),
    ]
    found = point_items(points)
    assert [
        (item["image"], item["frame"], [point.row for point in item["points"]]) for item in found
    ] == [
        ("a.dcm", None, [2, 5]),
        ("b.dcm", None, [3]),
        ("a.dcm", 0, [6]),
        ("a.dcm", 2, [7]),
    ]
