"""Whatever a user calls files, folders and columns.

Results without names are those of a run with neutral names, to the letter.
"""

from __future__ import annotations

import csv
import io
import logging
import shutil
import tempfile
from contextlib import redirect_stdout
from dataclasses import astuple, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from dfd.assessment.notes import ReconstructionNotes
from dfd.bundle.reader import LoadSliced
from dfd.calibration import SLICE, Calibration, DecisionContext, decide, fit
from dfd.cli import jobs
from dfd.errors import PointsError
from dfd.evidence import noise
from dfd.evidence.copy_match import Match, SearchedSlice, reason_for
from dfd.evidence.copy_transforms import Transform
from dfd.evidence.search_plane import residual_window, search_plane
from dfd.evidence.window_features import MEASURES
from dfd.modalities import MODALITIES
from dfd.outputs import report, scores, suspicious
from dfd.outputs.anonymous import LocalNames, tell_columns_left_out
from dfd.outputs.report.data import ReportData, ReportRun
from dfd.outputs.run_log import RunLog
from dfd.points import read_points, role_of
from dfd.records import (
    Evidence,
    Finding,
    Point,
    Reconstruction,
    Region,
    Slice,
    Suspicion,
)
from dfd.regions import region_of
from dfd.scoring.patient_points import place_points
from dfd.settings import ScoreSettings
from tests.dicom_maker import make_pixels, make_slice

CT = MODALITIES["ct_lung"]
WORDS = (
    *(
        "slice",
        "noise",
        "in",
        "tissue",
        "the",
        "a",
        "p",
        "row",
        "HU",
        "copy",
        "region",
        "of this slice",
        "unusual",
        "X",
        "score",
        "(hidden)",
    ),
    *(
        "slice-0001",
        "O'Brien",
        "Doe^Jane",
        "Müller, Jörg",
        "name.dcm",
        "1",
        "300",
        "x (frame 2)",
        "100%s",
        "{0}",
        "&amp;<b>",
        "\ufdd0a\ufdd1",
    ),
)


@dataclass(frozen=True)
class Names:
    """What a user called things."""

    folder: str = "folder"
    other: str = "other"
    file: str = "file-a"
    source: str = "file-b"
    column: str = "column"
    content: str = "text"


def usable(name: str) -> bool:
    """Whether a file can be called so, and a cell means it.

    Blanks at its ends are cut off, and ``C:`` is a drive.
    """
    return (
        name == name.strip()
        and name[:1].isalnum()
        and name[1:2] != ":"
        and not name.lower().endswith((".dcm", ".nii", ".gz", ".csv"))
    )


LETTERS = st.characters(exclude_characters='/\\"', exclude_categories=("Cc", "Cs", "Zl", "Zp"))
FREE = st.text(LETTERS, min_size=1, max_size=30).filter(usable)
NAMES = st.builds(Names, *[FREE | st.sampled_from(WORDS)] * 6)


@cache
def calibrated() -> Calibration:
    rng = np.random.default_rng(0)
    rows = [
        [
            dict(zip(("noise", "series_copy"), map(float, pair), strict=True))
            for pair in rng.lognormal(0.2, 0.4, (40, 2))
        ]
        for _ in range(19)
    ]
    return Calibration("ct_lung_inpainting", "0" * 64, 10.0, {}, {SLICE: fit(rows)})


def laid_out(root: Path, names: Names) -> list[Point]:
    """A data folder and the rows of its points file, good and bad ones."""
    data = root / names.folder
    for folder in (names.folder, names.other):
        for file in (names.file, names.source):
            (data / folder).mkdir(parents=True, exist_ok=True)
            (data / folder / file).write_bytes(b"not DICOM")
    make_slice(data / names.folder / names.file, make_pixels((40, 40)))
    inside = f"{names.folder}/{names.file}"
    rows = [
        (inside, "20", "20", ""),
        (inside, "400", "20", ""),
        (inside, "20", "twenty", ""),
        (f"{names.other}/{names.file}", "20", "20", ""),
        (f"{names.folder}/{names.file}/{names.content}", "20", "20", ""),
        (names.file, "20", "20", ""),
        (f"../{names.file}", "20", "20", ""),
        (inside, "20", "20", "-1"),
        (inside, "", "", ""),
    ]
    with (data / "test.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["filename", "X", "Y", "radius", names.column])
        table.writerows([*row, names.content] for row in rows)
    with (data / "mm.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["filename", "x_mm", "y_mm", "z_mm"])
        table.writerows(
            (name, "16", "14", z)
            for name, z in ((inside, "0"), (inside, "90"), (f"{names.other}/{names.file}", "0"))
        )
    in_mm = [replace(point, row=point.row + 20) for point in read_points(data / "mm.csv", data)]
    return [*read_points(data / "test.csv", data), *place_points(in_mm, data)]


def another_slice(name: str) -> SearchedSlice:
    """A slice that something was copied from."""
    residual = residual_window(torch.ones(2, 40, 40), torch.ones(40, 40, dtype=torch.bool))
    return SearchedSlice(search_plane(residual, 10.0), name, own=False)


def found(point: Point, names: Names) -> Finding:
    """What the program says of a row, by its own sentences."""
    if point.error or point.path is None:
        return Finding(point, "unreadable", error=point.error)
    loaded = LoadSliced()({"image": str(point.path)})
    if "error" in loaded:
        return Finding(point, "unreadable", error=loaded["error"])
    scan: Slice = loaded["scan"]
    if point.is_screening:
        return Finding(
            point, "unusual", 1.5, 0.03, "AI edit", "the only suspicious region lies at x 3, y 4"
        )
    try:
        region = region_of(point, scan, CT)
    except PointsError as error:
        return Finding(point, "unreadable", error=error.sentence)
    measures = dict.fromkeys(MEASURES, 0.0) | {"energy": 9.0}
    noisy = Evidence(
        "noise",
        2.0,
        measures,
        "lung",
        noise.reason_for(measures),
        reason_by_form=noise.reasons_by_form(measures),
    )
    reference = another_slice(names.source)
    reason = reason_for(Match(Transform(), 3.0, 4.0, (0.9, 0.8)), region, reference)
    copied = Evidence(
        "series_copy",
        20.0,
        {},
        "lung",
        reason,
        source_x=4.0,
        source_y=3.0,
        source_file=names.source,
    )
    twin = Reconstruction(
        f"{names.other}/{names.source}",
        np.where(scan.valid, scan.pixels, np.nan).astype(np.float32),
    )
    around = DecisionContext(
        10.0,
        {},
        ("the pixels are not square",),
        notes=ReconstructionNotes(scan, (twin,), CT).of(region),
    )
    return decide(point, [noisy, copied], calibrated(), around)


def told(findings: list[Finding], folder: Path, *, anonymous: bool) -> dict[str, str]:
    """Everything that a run writes and prints."""
    folder.mkdir()
    scores.write(folder, findings, anonymous=anonymous)
    places = [
        [Suspicion(replace(findings[0], point=replace(each.point, x=3.0, y=4.0)), 0.2)]
        for each in findings
        if each.point.is_screening
    ]
    suspicious.write(folder, places, findings, anonymous=anonymous)
    report.write(
        folder,
        findings,
        ReportData(pictured=False),
        ReportRun(CT, calibrated(), {}),
        anonymous=anonymous,
    )
    printed = io.StringIO()
    with redirect_stdout(printed):
        jobs._score(ScoreSettings(Path(), anonymous=anonymous), findings)
    with (log := RunLog()).listening():
        tell_columns_left_out(finding.point for finding in findings)
        logging.getLogger("dfd.test").warning(
            "%s left out: %s", findings[0].point.path, findings[3].error
        )
    lines = "\n".join(line.split(" ", 2)[2] for line in log.lines(anonymous=anonymous))
    frame = scores.findings_frame(findings, anonymous=anonymous).to_csv()
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} | {
        "stdout": printed.getvalue(),
        "log": lines,
        "frame": frame,
    }


def run(names: Names, *, anonymous: bool = True) -> dict[str, str]:
    root = Path(tempfile.mkdtemp())
    try:
        findings = [found(point, names) for point in laid_out(root, names)]
        return told(findings, root / "a result", anonymous=anonymous)
    finally:
        shutil.rmtree(root)


@cache
def neutral() -> dict[str, str]:
    return run(Names())


def unlike(names: Names) -> bool:
    """Whether the names keep apart what the neutral ones keep apart."""
    return len({names.folder, names.other}) == 2 == len({names.file, names.source}) and not role_of(
        names.column
    )


@settings(max_examples=60, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@given(NAMES)
def test_results_without_names_do_not_depend_on_names(names: Names) -> None:
    assume(unlike(names))
    hidden = run(names)
    for place, text in hidden.items():
        assert text == neutral()[place], place


@pytest.mark.parametrize("word", WORDS)
def test_a_name_that_is_a_word_of_the_program_does_no_harm(word: str) -> None:
    # A column called like a known one is that one.
    column = word if not role_of(word) else f"{word} of the patient"
    assert run(Names(word, f"{word}2", word, f"{word}3", column, word)) == neutral()


def test_what_the_neutral_run_says() -> None:
    """All sentences are there, so that the comparison compares something."""
    said = neutral()["scores.csv"]
    for words in (
        (
            "the noise here also stands 12 mm to the left and 13 mm up in slice-0006 (correlation "
            "0.90)"
        ),
        (
            "another series of this study ((hidden)) holds the very same pixels; the pixels are "
            "not square"
        ),
        (
            "row 3: X = 400 lies outside slice-0001, whose X runs from 0 to 39; correct the "
            "point, or name the columns"
        ),
        "row 4: column Y is (hidden), not a number",
        "slice-0002 is not a DICOM file: leave it out",
        "names no file below the data folder (slice-0003)",
        "which 2 files are called ((hidden), (hidden)); write the path of the one that is meant",
        "leads out of the data folder (slice-0005)",
        (
            "row 23: slice-0001 has no slice at (16, 14, 90) mm: the nearest, (hidden), is 90.0 "
            "mm away"
        ),
        "row 24: slice-0002 is not a DICOM file: leave it out",
    ):
        assert words in said, words
    assert (
        "further column of the points file is left out of results without names: (hidden)"
        in neutral()["log"]
    )
    assert "1 further column of the points file" in neutral()["report.html"]
    assert said.splitlines()[0].startswith(
        "filename,X,Y,radius,x_mm,y_mm,z_mm,slice_file,slice_frame,slice_x,slice_y,score,"
    )
    for text in neutral().values():
        assert not [
            name for name in ("folder/", "file-a", "file-b", "\ufdd0", "\ufdd1") if name in text
        ]


def test_with_names_the_sentences_are_the_same() -> None:
    clear = run(Names("in", "the", "noise", "slice", "tissue", "Doe"), anonymous=False)[
        "scores.csv"
    ]
    assert "in slice (correlation 0.90)" in clear
    assert "another series of this study ('the/slice') holds the very same pixels" in clear
    assert "column Y is 'twenty', not a number" in clear
    assert clear.splitlines()[0].startswith("filename,X,Y,radius,input_tissue,x_mm,")
    rows, hidden = (
        list(csv.DictReader(io.StringIO(text))) for text in (clear, neutral()["scores.csv"])
    )
    assert [row["p_value"] for row in rows] == [row["p_value"] for row in hidden]


def point(row: int, name: str, **given_: object) -> Point:
    return Point(row, name, 1.0, 2.0, path=Path("/d") / name, **given_)


def test_a_source_is_numbered_as_the_file_that_it_is() -> None:
    """Sources are named from the slice's own folder on.

    Two of one name in two folders are two files.
    """
    given_ = [
        ("a/1", "3"),
        ("b/1", "3"),
        ("b/3", "1"),
        ("c/v.nii", "v.nii (frame 7)"),
        ("c/w", "v (frame 7)"),
        ("c/4", ""),
    ]
    findings = [
        Finding(point(row, name), "unusual", source_file=source)
        for row, (name, source) in enumerate(given_)
    ]
    hidden = LocalNames(findings).hide(findings)
    assert [each.point.filename for each in hidden] == [
        f"slice-{number:04d}" for number in range(1, 7)
    ]
    assert [each.source_file for each in hidden] == [
        "slice-0007",
        "slice-0003",
        "slice-0002",
        "slice-0004 (frame 7)",
        "slice-0008",
        "",
    ]


def test_the_header_of_a_known_column_says_no_more_than_its_role() -> None:
    cells = {"Filename(.dcm)": "a", "x [Doe]": "1", "Y": "2", "LABEL": "", "Frame (Jane)": ""}
    findings = [Finding(point(1, "a", cells=cells), "unreadable")]
    (hidden,) = LocalNames(findings).hide(findings)
    assert list(hidden.point.cells) == ["filename", "X", "Y", "label", "frame"]


def test_cells_of_known_columns_hold_numbers_or_nothing() -> None:
    cells = {
        "filename": "a",
        "X": "1,5",
        "Y": "-2.5e3",
        "frame": "",
        "radius": "Doe",
        "label": "p1",
    }
    (hidden,) = LocalNames(findings := [Finding(point(1, "a", cells=cells), "unreadable")]).hide(
        findings
    )
    assert list(hidden.point.cells.values()) == [
        "slice-0001",
        "1,5",
        "-2.5e3",
        "",
        "(hidden)",
        "(hidden)",
    ]


def test_columns_are_named_to_the_user_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tell_columns_left_out([point(1, "a", cells={"filename": "a"})])
    tell_columns_left_out(
        [
            point(1, "a", cells={"X": "1", "PatientName": "Doe"}),
            point(2, "a", cells={"Doe's note": ""}),
        ]
    )
    assert [record.getMessage() for record in caplog.records] == [
        (
            "2 further columns of the points file are left out of results without names: "
            "PatientName, Doe's note"
        )
    ]
    with (log := RunLog()).listening():
        tell_columns_left_out([point(1, "a", cells={"Doe's note": ""})])
    (line,) = log.lines(anonymous=True)
    assert line.endswith(
        "1 further column of the points file is left out of results without names: (hidden)"
    )


def test_evidence_loses_its_names_too() -> None:
    region = Region(20.0, 20.0, 10.0)
    reference = another_slice("Doe")
    reason = reason_for(Match(Transform(), 3.0, 4.0, (0.9, 0.8)), region, reference)
    evidence = Evidence(
        "series_copy", 3.0, reason=reason, source_file="Doe", reason_by_form={"copy-move": reason}
    )
    finding = Finding(point(1, "a"), "unusual", evidence=(evidence,))
    (hidden,) = LocalNames([finding]).hide([finding])
    assert "Doe" not in str([astuple(each) for each in hidden.evidence])
