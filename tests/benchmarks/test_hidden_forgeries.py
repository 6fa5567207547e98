"""A repository with hidden forgeries: what is written into it, and what is read from the answer."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
from pydicom import dcmread

from benchmarks.data.volumes import Volume
from benchmarks.studies import hidden_forgeries
from dfd.phantom import write_ct_series
from dfd.reading import read_slice

EDIT = {"folder": "p2/ct", "edit": "copy", "x": 1, "y": 2, "first": 2, "last": 3}


def table() -> pd.DataFrame:
    """Three series, the forged one second; one of the others was not assessable."""
    return pd.DataFrame(
        {
            "folder": ["p1/ct", "p2/ct", "p3/ct"],
            "rank": [1, 2, 3],
            "status": ["scored", "scored", "not assessable"],
            "modality": "ct_lung",
            "slices": [9, 8, 7],
            "p_value": [0.01, 0.04, np.nan],
            "p_empirical": [0.2, 0.04, np.nan],
            "q_empirical": [0.05, 0.3, np.nan],
            "verdict": ["unusual", "unusual", "not assessable"],
            "form": ["", "copy-move", ""],
        }
    )


def test_a_forged_series_is_found_by_its_folder() -> None:
    (row,) = hidden_forgeries.ranked(table(), [EDIT])
    assert (row["rank"], row["form"], row["slices"]) == (2, "copy-move", "2 to 3 of 8")
    assert (row["p_value"], row["q_empirical"]) == (0.04, 0.3)


def test_alarms_are_counted_among_genuine_series_that_were_scored() -> None:
    assert hidden_forgeries.counted(table(), [EDIT]) == {
        "series": 3,
        "genuine, scored": 1,
        "genuine, shipped p <= 0.05": 1,
        "genuine, empirical p <= 0.05": 0,
        "genuine, empirical q <= 0.1": 1,
    }


def test_an_edited_slice_keeps_its_header_and_all_other_values(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "genuine", seed=1, slices=3, size=64)
    pixels = [read_slice(file).pixels for file in files]
    changed = [each.copy() for each in pixels]
    changed[1][20:30, 20:30] += 40.0
    place = tmp_path / "forged"
    place.mkdir()
    volume = SimpleNamespace(refs=[SimpleNamespace(path=file) for file in files], pixels=pixels)
    written = hidden_forgeries._write(cast(Volume, volume), cast(Any, changed), place)
    assert written == [1]
    (file,) = place.iterdir()
    differs = read_slice(file).pixels != pixels[1]
    assert file.name == files[1].name
    assert differs[20:30, 20:30].all()
    assert differs.sum() == 100
    before, after = dcmread(files[1]), dcmread(file)
    assert before.SOPInstanceUID == after.SOPInstanceUID
    assert before.Manufacturer == after.Manufacturer
