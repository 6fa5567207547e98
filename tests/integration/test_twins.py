"""A study in two kernels from end to end: an edit of one is told and changes no score.

A lone run and names in anonymous results say nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from dfd.phantom import write_ct_series
from tests.integration.processes import DFD, finish

SIZE = 192
UNTOUCHED, EDITED = (65, 100), (125, 105)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One slice in two kernels; a block of the soft one is brighter by 250 HU."""
    folder = tmp_path_factory.mktemp("kernels")
    for kernel in ("soft", "sharp"):
        write_ct_series(
            folder / "doe" / kernel, seed=6, slices=1, kernel=kernel, patient="c", size=SIZE
        )
    path = folder / "doe" / "soft" / "file001.dcm"
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array.copy()
    x, y = EDITED
    pixels[y - 5 : y + 6, x - 5 : x + 6] += 250
    dataset.PixelData = pixels.astype(np.uint16).tobytes()
    dataset.save_as(path)
    rows = [f"doe/soft/file001.dcm,{x},{y}" for x, y in (UNTOUCHED, EDITED)]
    (folder / "points.csv").write_text("\n".join(["filename,X,Y", *rows]) + "\n", encoding="utf-8")
    return folder


def scored(scans: Path, model: Path, output: Path, *flags: str) -> pd.DataFrame:
    done = finish(
        [
            *DFD,
            "score",
            "--data",
            scans,
            "--model",
            model,
            "--output",
            output,
            "--device",
            "cpu",
            "--no-images",
            *flags,
        ],
        output.parent,
    )
    assert done.returncode == 0, done.stderr
    return pd.read_csv(output / "scores.csv")


def test_what_a_second_kernel_shows_is_told_and_changes_no_score(
    scans: Path, model: Path, tmp_path: Path
) -> None:
    told, alone, hidden = (
        scored(scans, model, tmp_path / name, *flags)
        for name, *flags in (("a",), ("b", "--lone"), ("c", "--anonymous"))
    )
    assert (
        "the other reconstruction of this study ('doe/sharp/file001.dcm') shows the same "
        "content here"
    ) in told["reason"][0]
    assert (
        "another reconstruction of this study ('doe/sharp/file001.dcm') shows other content here"
        in told["reason"][1]
    )
    assert not alone["reason"].str.contains("reconstruction").any()
    pd.testing.assert_frame_equal(told.drop(columns="reason"), alone.drop(columns="reason"))
    assert (
        hidden["reason"]
        .str.contains(r"reconstruction of this study \((?:\(hidden\))\) shows")
        .all()
    )
    written = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "c").iterdir())
    assert "sharp" not in written
    assert "doe/" not in written
