"""NIfTI volumes in a tree are series like any other, through the real network and evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from dfd.phantom import write_ct_series
from dfd.reading import read_slice
from dfd.repository.parts import PICTURES
from tests.integration.processes import CT_BUNDLE
from tests.repository.conftest import screen

AXIAL = np.diag([-2.8, -2.8, 2.5, 1.0])
"""RAS, mm: x to the left and y to the back."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    """A DICOM series, the same as a volume, a volume of four axes, and what is no volume."""
    if not (CT_BUNDLE / "models" / "model.pt").exists():
        pytest.skip("no shipped weights here")
    root, output = tmp_path_factory.mktemp("scans"), tmp_path_factory.mktemp("out")
    files = write_ct_series(root / "dicom", seed=3, slices=3, size=128)
    scans = [read_slice(path) for path in files]
    stacked = np.stack([np.round(scan.pixels).astype(np.int16).T for scan in scans], axis=2)
    (root / "volumes").mkdir()
    nibabel.Nifti1Image(stacked, AXIAL).to_filename(root / "volumes" / "a.nii.gz")
    # Another volume in the same folder is another series.
    nibabel.Nifti1Image(stacked[..., ::-1], AXIAL).to_filename(root / "volumes" / "b.nii")
    nibabel.Nifti1Image(stacked[..., None].repeat(2, 3), AXIAL).to_filename(root / "four.nii")
    (root / "broken.nii.gz").write_bytes(b"no volume")
    rows = screen(root, output, model="ct_lung_inpainting")
    return output, {f"{row['folder']}/{row['slices']}/{row['bytes']}": row for row in rows}


def test_volumes_are_planned_and_screened(
    run: tuple[Path, dict[str, dict[str, Any]]],
) -> None:
    output, rows = run
    assert sorted((row["folder"], row["status"], row["slices"]) for row in rows.values()) == [
        ("dicom", "scored", 3),
        ("volumes", "scored", 3),
        ("volumes", "scored", 3),
    ]
    assert {row["slices_assessed"] for row in rows.values()} == {3}
    volumes = [row for row in rows.values() if row["folder"] == "volumes"]
    assert len({row["series"] for row in volumes}) == 2
    assert {(row["thickness_mm"], row["series_uid"]) for row in volumes} == {(2.5, "")}
    # A place is shown on its slice in the volume too.
    assert len(list((output / PICTURES).glob("*-1.png"))) == sum(
        row["regions"] > 0 for row in rows.values()
    )


def test_what_is_no_volume_is_skipped_with_the_reason(
    run: tuple[Path, dict[str, dict[str, Any]]],
) -> None:
    import pyarrow.parquet as pq

    output, _ = run
    files = pq.read_table(output / "plan" / "files.parquet").to_pylist()
    reasons = {row["file"]: row["reason"] for row in files if row["status"] == "skipped"}
    assert set(reasons) == {"four.nii", "broken.nii.gz"}
    assert reasons["four.nii"].startswith("it has 4 axes")
    assert reasons["broken.nii.gz"].startswith("it cannot be read as NIfTI")
