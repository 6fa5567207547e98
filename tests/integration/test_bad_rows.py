"""Bad scans and bad rows beside good ones.

Each costs its own row one clear sentence and nothing else.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

import dfd
from dfd.cli.entry import run
from dfd.phantom import write_mr_series
from dfd.reading import read_slice
from tests.dicom_maker import make_pixels, make_slice
from tests.integration.conftest import SIZE
from tests.integration.processes import last_line

GOOD = ("good.dcm,45,70", "good.dcm,64,40")
RNG = np.random.default_rng(1)
TISSUE = RNG.normal(1064, 15, (64, 64)).round().astype(np.uint16)
"""Stored values of 40 HU with noise."""
INFINITE = np.where(np.arange(64 * 64).reshape(64, 64) % 7, TISSUE - 1024.0, np.inf).astype(
    np.float32
)

SCANS: dict[str, tuple[np.ndarray, dict[str, object], str]] = {
    "mr": (TISSUE, {"Modality": "MR"}, "is MR but the model ct_lung was made for CT"),
    "rgb": (
        np.zeros((64, 64, 3), np.uint8),
        {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0},
        "is a colour picture",
    ),
    "tiny": (make_pixels((8, 8)), {}, "has 8 x 8 pixels, too small"),
    "constant": (np.full((64, 64), 1064, np.uint16), {}, "is constant"),
    "nan_slope": (TISSUE, {"RescaleSlope": "NaN"}, "RescaleSlope that is not a number"),
    "nan_pixels": (
        np.full((64, 64), np.nan, np.float32),
        {"RescaleIntercept": "0"},
        "only NaN or infinite pixels",
    ),
    "infinite_pixels": (INFINITE, {"RescaleIntercept": "0"}, "too little comparable tissue"),
    "head": (TISSUE, {"BodyPartExamined": "HEAD"}, "shows HEAD"),
    "eight_bits": ((TISSUE % 256).astype(np.uint8), {}, "8-bit export"),
    "lossy": (TISSUE, {"LossyImageCompression": "01"}, "compressed with loss"),
}
"""Name -> stored values, DICOM keywords, what the sentence says."""
ROWS = {
    "good.dcm,-5,3": "column X is negative",
    "good.dcm,500,3": "X = 500 lies outside",
    "good.dcm,abc,3": "column X is 'abc', not a number",
    "good.dcm,3,nan": "column Y is 'nan', not a finite number",
    "good.dcm,inf,3": "column X is 'inf', not a finite number",
    "../../etc/passwd,1,1": "leads out of the data folder",
    "/etc/passwd,1,1": "leads out of the data folder",
    "=cmd|x!A1,1,1": "names no file",
    "absent.dcm,1,1": "names no file",
    "twice.dcm,1,1": "which 2 files are called",
    "text.dcm,1,1": "is not a DICOM file",
    "empty.dcm,1,1": "is not a DICOM file",
    "truncated.dcm,1,1": "cut short or damaged",
    **{f"{name}.dcm,32,32": sentence for name, (_, _, sentence) in SCANS.items()},
}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def mixed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good slice among every bad one; its points stand first, in the middle and last."""
    folder = tmp_path_factory.mktemp("mixed")
    source = data / "test" / "p1" / "file001.dcm"
    shutil.copy(source, folder / "good.dcm")
    (folder / "truncated.dcm").write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    (folder / "text.dcm").write_text("not a scan")
    (folder / "empty.dcm").touch()
    for name in ("a", "b"):
        (folder / name).mkdir()
        shutil.copy(source, folder / name / "twice.dcm")
    for name, (pixels, tags, _) in SCANS.items():
        make_slice(folder / f"{name}.dcm", pixels, **tags)
    bad = list(ROWS)
    half = len(bad) // 2
    lines = [GOOD[0], *bad[:half], GOOD[1], *bad[half:], GOOD[0]]
    (folder / "test.csv").write_text("\n".join(["filename,X,Y", *lines]) + "\n")
    return folder


@pytest.fixture(scope="module")
def table(
    mixed: Path, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, str]]]:
    """The line of the points file -> its rows of scores.csv."""
    before = sorted(path for path in mixed.rglob("*"))
    output = tmp_path_factory.mktemp("output")
    assert (
        run(
            [
                "score",
                "--data",
                str(mixed),
                "--model",
                str(model),
                "--output",
                str(output),
                "--no-images",
            ]
        )
        == 0
    )
    assert sorted(path for path in mixed.rglob("*")) == before
    found: dict[str, list[dict[str, str]]] = {}
    for line, row in zip(
        (mixed / "test.csv").read_text().splitlines()[1:], rows(output / "scores.csv"), strict=True
    ):
        found.setdefault(line, []).append(row)
    return found


@pytest.mark.parametrize("line", ROWS)
def test_a_bad_row_gets_one_sentence(table: dict[str, list[dict[str, str]]], line: str) -> None:
    (row,) = table[line]
    said = row["error"] or row["reason"]
    assert re.search(re.escape(ROWS[line]), said)
    assert row["verdict"] == ("unreadable" if row["error"] else "not assessable")
    assert row["score"] + row["p_value"] == ""
    assert "\n" not in said
    assert "Error(" not in said


@pytest.mark.parametrize("line", GOOD)
def test_good_rows_score_as_if_the_bad_ones_were_not_there(
    table: dict[str, list[dict[str, str]]], data: Path, model: Path, tmp_path: Path, line: str
) -> None:
    shutil.copy(data / "test" / "p1" / "file001.dcm", tmp_path / "good.dcm")
    (tmp_path / "test.csv").write_text(f"filename,X,Y\n{line}\n")
    alone = dfd.score(tmp_path, model=model, output_dir=tmp_path / "out", images=False)
    assert {row["score"] for row in table[line]} == {repr(float(alone["score"][0]))}


@pytest.mark.parametrize("spacing", [None, [0, 0], [-1, 0.7]])
def test_without_a_spacing_a_row_is_scored_in_pixels_and_says_so(
    data: Path, model: Path, tmp_path: Path, spacing: list[float] | None
) -> None:
    dataset = pydicom.dcmread(data / "test" / "p1" / "file001.dcm")
    if spacing is None:
        del dataset.PixelSpacing
    else:
        dataset.PixelSpacing = spacing
    dataset.save_as(tmp_path / "slice.dcm")
    (tmp_path / "test.csv").write_text("filename,X,Y\nslice.dcm,45,70\n")
    (row,) = dfd.score(
        tmp_path, model=model, output_dir=tmp_path / "out", images=False
    ).itertuples()
    assert row.score >= 0
    assert (
        "the slice has no pixel spacing, so regions are measured in pixels and not in mm"
        in row.reason
    )
    assert row.extrapolated
    assert np.isnan(row.radius_mm)


def test_a_cell_that_looks_like_a_formula_is_made_harmless(
    table: dict[str, list[dict[str, str]]],
) -> None:
    assert table["=cmd|x!A1,1,1"][0]["filename"] == "'=cmd|x!A1"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty"),
        ("filename,X\na,1\n", "Y"),
        ("filename,X,Y\n", "no points|no rows|holds no"),
        ("\0\1\2", "test.csv"),
    ],
    ids=["empty", "no column Y", "only a header", "binary"],
)
def test_a_bad_points_file_is_one_sentence(
    content: str,
    sentence: str,
    scans: Callable[..., Path],
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = scans()
    (folder / "test.csv").write_text(content)
    assert (
        run(
            [
                "score",
                "--data",
                str(folder),
                "--model",
                str(model),
                "--output",
                str(tmp_path / "out"),
            ]
        )
        == 2
    )
    errors = capsys.readouterr().err
    assert re.search(sentence, last_line(errors))
    assert errors.count("\n") == 1
    assert not list((tmp_path / "out").glob("*"))


def test_ten_thousand_rows_of_which_few_have_a_file(
    scans: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    lines = [
        f"slice001.dcm,{40 + number % 30},60" if number % 1000 == 0 else f"gone{number}.dcm,1,1"
        for number in range(10_000)
    ]
    assert (
        run(
            [
                "score",
                "--data",
                str(scans(*lines)),
                "--model",
                str(model),
                "--output",
                str(tmp_path / "out"),
                "--no-images",
            ]
        )
        == 0
    )
    table = rows(tmp_path / "out" / "scores.csv")
    assert len(table) == 10_000
    assert [number for number, row in enumerate(table) if row["score"]] == list(
        range(0, 10_000, 1000)
    )
    assert all("names no file" in row["error"] for row in table if not row["score"])


def test_a_ct_point_is_refused_by_an_mr_model_and_the_other_way_round(
    data: Path, model: Path, mr_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mr = write_mr_series(tmp_path / "mr", seed=1, slices=1, size=SIZE)[0]
    mr.with_name("test.csv").write_text(f"filename,X,Y\n{mr.name},60,60\n")
    ct = tmp_path / "ct"
    ct.mkdir()
    shutil.copy(data / "test" / "p1" / "file001.dcm", ct)
    (ct / "test.csv").write_text("filename,X,Y\nfile001.dcm,60,60\n")
    for folder, its, sentence in (
        (
            mr.parent,
            model,
            (
                "The slice is MR but the model ct_lung was made for CT: choose the model "
                "mri_chest_inpainting, or one"
            ),
        ),
        (
            ct,
            mr_model,
            (
                "The slice is CT but the model mri_chest was made for MR: choose the model "
                "ct_lung_inpainting, or one"
            ),
        ),
    ):
        assert (
            run(
                [
                    "score",
                    "--data",
                    str(folder),
                    "--model",
                    str(its),
                    "--output",
                    str(tmp_path / "out"),
                ]
            )
            == 2
        )
        assert sentence in last_line(capsys.readouterr().err)


def test_a_nifti_volume_scores_as_the_slices_it_was_made_of(
    data: Path, model: Path, tmp_path: Path
) -> None:
    sources = sorted((data / "test" / "p1").glob("*.dcm"))
    slices = [read_slice(path) for path in sources]
    spacing = slices[0].facts.spacing_mm
    volume = np.stack([scan.pixels.T for scan in slices], axis=-1)
    image = nibabel.Nifti1Image(volume, np.diag([spacing[1], spacing[0], 2.5, 1.0]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "volume.nii.gz")
    for path in sources:
        shutil.copy(path, tmp_path)
    good = [
        "file001.dcm,45,70,",
        "volume.nii.gz,45,70,1",
        "file002.dcm,64,40,",
        "volume.nii.gz,64,40,2",
    ]
    lines = [*good, "volume.nii.gz,64,40,3", "volume.nii.gz,64,40,"]
    (tmp_path / "test.csv").write_text("\n".join(["filename,X,Y,frame", *lines]) + "\n")
    frame = dfd.score(tmp_path, model=model, output_dir=tmp_path / "out", images=False)
    np.testing.assert_allclose(frame["score"][[1, 3]], frame["score"][[0, 2]], rtol=1e-3)
    by_family = frame[["p_noise", "p_copy_move", "p_synthesis"]].to_numpy()
    np.testing.assert_allclose(by_family[[1, 3]], by_family[[0, 2]], rtol=1e-3)
    assert (
        by_family[0] != by_family[2]
    ).any()  # the score, of a model calibrated on a few phantoms, may be the same by chance
    assert "frame" in frame["error"][4]
    assert "frame" in frame["error"][5]


def test_reader_processes_change_no_number(mixed: Path, model: Path, tmp_path: Path) -> None:
    for workers in (0, 2):
        dfd.score(
            mixed, model=model, output_dir=tmp_path / str(workers), images=False, workers=workers
        )
    assert (tmp_path / "0" / "scores.csv").read_bytes() == (
        tmp_path / "2" / "scores.csv"
    ).read_bytes()


@pytest.mark.real_data
@pytest.mark.skipif(
    "DFD_DATA" not in os.environ, reason="DFD_DATA is not set: the odd real files are left out"
)
def test_odd_real_files_are_scored_or_say_why_not(
    data_root: Path, model: Path, tmp_path: Path
) -> None:
    odd = data_root / "odd"
    files = [
        min(folder.glob("*.dcm")).relative_to(odd).as_posix() for folder in sorted(odd.iterdir())
    ]
    points = tmp_path / "points.csv"
    points.write_text("filename,X,Y\n" + "".join(f"{file},256,300\n" for file in files))
    frame = dfd.score(odd, points, model=model, output_dir=tmp_path / "out", images=False)
    said = dict(zip(frame["filename"], frame["verdict"], strict=True))
    assert said.pop("truncated/1-084.dcm") == "unreadable"
    assert said.pop("lossy_derived/1-019.dcm") == "not assessable"
    assert set(said.values()) <= {
        "no anomaly found",
        "unusual",
        "strongly unusual",
        "not assessable",
    }
    for error, reason, score in zip(frame["error"], frame["reason"], frame["score"], strict=True):
        assert bool(error) != bool(reason)
        assert np.isfinite(score) or "\n" not in (error or reason)
