"""Files to series: grouping, order, phases, gaps."""

from __future__ import annotations

import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from dfd.reading import read_series, read_slice
from dfd.records import Series
from tests.dicom_maker import SERIES_UID, make_pixels, make_series, make_slice

CORONAL = [1, 0, 0, 0, 0, -1]
SAGITTAL = [0, 1, 0, 0, 0, -1]


def _only(folder: Path) -> Series:
    series, skipped = read_series(folder)
    assert skipped == []
    assert len(series) == 1
    return series[0]


def _names(series: Series) -> list[str]:
    return [ref.path.stem for ref in series.slices]


def test_slices_are_ordered_by_position_not_by_number_or_name(tmp_path: Path):
    make_series(tmp_path, [5.0, -2.5, 2.5, 0.0])
    series = _only(tmp_path)
    assert _names(series) == ["001", "003", "002", "000"]
    assert [ref.position_mm for ref in series.slices] == [-2.5, 0, 2.5, 5]
    assert (series.uid, series.orientation, series.remarks) == (SERIES_UID, (1, 0, 0, 0, 1, 0), ())
    assert series.facts.manufacturer == "ACME"


def test_positions_are_measured_along_the_normal(tmp_path: Path):
    for number, y in enumerate((30.0, 10.0, 20.0)):
        make_slice(
            tmp_path / f"{number}",
            make_pixels(),
            Modality="MR",
            ImageOrientationPatient=CORONAL,
            ImagePositionPatient=[-99, y, 7],
        )
    series = _only(tmp_path)
    assert _names(series) == ["1", "2", "0"]
    assert [ref.position_mm for ref in series.slices] == [10, 20, 30]
    assert read_slice(tmp_path / "0").ref.position_mm == 30


def test_three_planes_in_one_series_are_three_series(tmp_path: Path):
    for number, plane in enumerate(([1, 0, 0, 0, 1, 0], CORONAL, SAGITTAL) * 2):
        make_slice(
            tmp_path / f"{number}",
            make_pixels(),
            Modality="MR",
            ImageOrientationPatient=plane,
            ImagePositionPatient=[number] * 3,
        )
    series, _ = read_series(tmp_path)
    assert sorted(sorted(_names(one)) for one in series) == [["0", "3"], ["1", "4"], ["2", "5"]]
    assert {one.uid for one in series} == {SERIES_UID}


def test_rounded_direction_cosines_are_one_orientation(tmp_path: Path):
    for number in range(4):
        make_slice(
            tmp_path / f"{number}",
            make_pixels(),
            ImageOrientationPatient=[1, number * 0.001, 0, 0, 1, 0],
            ImagePositionPatient=[0, 0, number],
        )
    assert len(_only(tmp_path).slices) == 4


@pytest.mark.parametrize("names", ["abc", "acb", "bac", "bca", "cab", "cba"])
def test_names_do_not_decide_how_a_fan_of_planes_is_split(tmp_path: Path, names: str):
    for name, tilt in zip(names, (0.0, 0.004, 0.008), strict=True):
        make_slice(
            tmp_path / name,
            make_pixels(),
            ImageOrientationPatient=[1, tilt, 0, 0, 1, 0],
            InstanceNumber=round(tilt * 1000),
        )
    series, _ = read_series(tmp_path)
    assert sorted(len(one.slices) for one in series) == [1, 2]
    assert sorted(one.orientation[1] for one in series) == [0.0, 0.008]


def test_matrix_sizes_and_series_are_kept_apart(tmp_path: Path):
    make_slice(tmp_path / "a", make_pixels((40, 48)))
    make_slice(tmp_path / "b", make_pixels((48, 40)))
    make_slice(tmp_path / "c", make_pixels((40, 48)), SeriesInstanceUID="1.2.3")
    series, _ = read_series(tmp_path)
    assert sorted(_names(one) for one in series) == [["a"], ["b"], ["c"]]


def test_without_series_uid_a_folder_is_a_series(tmp_path: Path):
    for name in ("p1/a", "p1/b", "p2/a"):
        make_slice(
            tmp_path / name,
            make_pixels(),
            SeriesInstanceUID=None,
            ImagePositionPatient=[0, 0, ord(name[-1])],
        )
    series, _ = read_series(tmp_path)
    assert [len(one.slices) for one in series] == [2, 1]
    assert all(one.uid == "" for one in series)


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("TemporalPositionIdentifier", [3, 1, 2]),
        ("AcquisitionTime", ["120003.5", "120001", "120002"]),
        ("TriggerTime", [300, 20, 100]),
        ("InstanceNumber", [30, 4, 12]),
    ],
)
def test_several_slices_at_one_position_are_phases(
    tmp_path: Path, keyword: str, values: list[object]
):
    for z in (0.0, 8.0):
        for name, value in zip("cab", values, strict=True):
            make_slice(
                tmp_path / f"{name}{z:.0f}",
                make_pixels(),
                **{"ImagePositionPatient": [0, 0, z], keyword: value},
            )
    series = _only(tmp_path)
    assert _names(series) == ["a0", "a8", "b0", "b8", "c0", "c8"]
    assert [ref.phase for ref in series.slices] == [0, 0, 1, 1, 2, 2]
    assert series.remarks == (
        "2 of 2 positions hold several slices, up to 3: they are taken as phases",
    )


def test_a_repeated_instance_is_kept_once_with_a_remark(tmp_path: Path):
    first, *_ = make_series(tmp_path, [0.0, 5.0])
    (tmp_path / "copy").write_bytes(first.read_bytes())
    series = _only(tmp_path)
    assert _names(series) == ["000", "001"]
    assert series.remarks == ("1 slice repeats the SOPInstanceUID of another and was left out",)


@pytest.mark.parametrize(
    ("positions", "remarks"),
    [
        ([0.0, 1.0, 2.0, 5.0, 6.0], ("2 of 7 slices are missing between 2.0 and 5.0 mm",)),
        (
            [0.0, 5.0, 15.0, 20.0, 25.0, 35.0],
            (
                "1 of 8 slices is missing between 5.0 and 15.0 mm",
                "1 of 8 slices is missing between 25.0 and 35.0 mm",
            ),
        ),
        ([0.0, 1.0, 2.0, 3.4], ()),
        ([0.0, 100.0], ()),
        ([0.0], ()),
    ],
)
def test_gaps_are_named(tmp_path: Path, positions: list[float], remarks: tuple[str, ...]):
    make_series(tmp_path, positions)
    series = _only(tmp_path)
    assert series.remarks == remarks
    assert [ref.position_mm for ref in series.slices] == positions


def test_without_position_the_instance_number_orders(tmp_path: Path):
    for name, number in zip("abc", (10, 9, 2), strict=True):
        make_slice(tmp_path / name, make_pixels(), ImagePositionPatient=None, InstanceNumber=number)
    series = _only(tmp_path)
    assert _names(series) == ["c", "b", "a"]
    assert (series.orientation, {ref.position_mm for ref in series.slices}) == ((), {None})
    assert series.remarks == (
        "no slice says where it lies: the order is that of InstanceNumber, and gaps cannot be told",
    )


def test_a_ct_that_calls_itself_axial_and_is_not_gets_a_remark(tmp_path: Path):
    make_slice(tmp_path / "a", make_pixels(), ImageOrientationPatient=CORONAL)
    assert _only(tmp_path).remarks == (
        (
            "the header says AXIAL but the plane is not: this is a reformat, resampled from other "
            "slices"
        ),
    )


def test_classic_frames_become_slices_in_their_order(tmp_path: Path):
    path = make_slice(tmp_path / "a", make_pixels((3, 40, 48)), ImagePositionPatient=None)
    assert [(ref.path, ref.frame) for ref in _only(tmp_path).slices] == [
        (path, 0),
        (path, 1),
        (path, 2),
    ]


def test_enhanced_frames_are_split_and_ordered_like_files(tmp_path: Path):
    frames = []
    for plane, corner in ((CORONAL, [0, 9, 0]), (SAGITTAL, [4, 0, 0]), (CORONAL, [0, 2, 0])):
        orientation, position, frame = Dataset(), Dataset(), Dataset()
        orientation.ImageOrientationPatient, position.ImagePositionPatient = plane, corner
        frame.PlaneOrientationSequence, frame.PlanePositionSequence = [orientation], [position]
        frames.append(frame)
    gone = {"ImageOrientationPatient": None, "ImagePositionPatient": None}
    make_slice(
        tmp_path / "a",
        make_pixels((3, 40, 48)),
        Modality="MR",
        PerFrameFunctionalGroupsSequence=frames,
        **gone,
    )
    series, _ = read_series(tmp_path)
    assert sorted([(ref.frame, ref.position_mm) for ref in one.slices] for one in series) == [
        [(1, -4.0)],
        [(2, 2.0), (0, 9.0)],
    ]


@settings(max_examples=25, deadline=None)
@given(
    positions=st.lists(st.integers(-50, 50), min_size=1, max_size=8),
    seed=st.randoms(use_true_random=False),
)
def test_the_order_of_files_does_not_matter(positions: list[int], seed: random.Random):
    with TemporaryDirectory() as named:
        folder, other = Path(named, "a"), Path(named, "b")
        paths = make_series(folder, [float(z) for z in positions])
        names = [f"{name:03d}" for name in range(len(paths))]
        seed.shuffle(names)
        other.mkdir()
        for path, name in zip(paths, names, strict=True):
            (other / name).write_bytes(path.read_bytes())
        (one,), (two,) = read_series(folder)[0], read_series(other)[0]
    assert [(ref.sop_uid, ref.position_mm, ref.phase) for ref in one.slices] == [
        (ref.sop_uid, ref.position_mm, ref.phase) for ref in two.slices
    ]
    assert (one.remarks, one.facts.kernel) == (two.remarks, two.facts.kernel)
    first_phase = [ref.position_mm for ref in one.slices if ref.phase == 0]
    assert first_phase == sorted(set(map(float, positions)))
    assert len(one.slices) == len(positions)


@pytest.mark.real_data
def test_real_scouts_are_split_by_orientation(data_root: Path):
    series, skipped = read_series(data_root / "mr/scd-0000101")
    assert skipped == []
    assert sorted(len(one.slices) for one in series) == [2, 2, 3, 12]
    assert len({one.uid for one in series}) == 1
    (cine,) = (one for one in series if len(one.slices) == 12)
    assert [ref.phase for ref in cine.slices] == list(range(12))
    assert [ref.path.stem for ref in cine.slices] == [f"{number:03d}" for number in range(1, 13)]


@pytest.mark.real_data
def test_a_gap_in_a_real_series_is_named(data_root: Path, tmp_path: Path):
    source = data_root / "ct/acrinflt_001/ge_soft_5mm_day64"
    series, _ = read_series(source)
    assert [one.remarks for one in series] == [()]
    for path in source.iterdir():
        if path.stem not in ("005", "006"):
            (tmp_path / path.name).symlink_to(path)
    assert _only(tmp_path).remarks == ("2 of 12 slices are missing between -349.5 and -336.8 mm",)


@pytest.mark.real_data
def test_two_dates_of_a_real_patient_are_two_series(data_root: Path):
    series, _ = read_series(data_root / "ct/acrinflt_001")
    assert sorted(len(one.slices) for one in series) == [6, 12]
    assert len({one.facts.patient_hash for one in series}) == 1


@pytest.mark.real_data
def test_every_real_slice_is_in_one_series_and_fast(data_root: Path):
    began = time.monotonic()
    series, skipped = read_series(data_root / "ct")
    took = time.monotonic() - began
    assert (len(series), sum(len(one.slices) for one in series), skipped) == (26, 301, [])
    assert {one.remarks for one in series} == {()}
    # The bound is 2 s on a quiet machine (0.5 measured); the factor is for a busy one.
    assert took < 10


@pytest.mark.real_data
def test_a_real_reformat_is_remarked(data_root: Path):
    (series,), _ = read_series(data_root / "odd/resampled_same_z")
    assert series.remarks == (
        (
            "the header says AXIAL but the plane is not: this is a reformat, resampled from other "
            "slices"
        ),
    )
    assert [ref.position_mm for ref in series.slices] == [-0.839844, 0.839844]
