"""MR has no unit: the shipped model gives one answer to a slice in whatever scale it is."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import dcmread

import dfd
from dfd.phantom import write_mr_series

SIZE = 128
SCALES = ((1.0, 0.0), (1e-4, 0.0), (0.0037, -3.1), (1e4, 1e4))
"""Slopes and intercepts of DICOM files."""


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One phantom slice with added noise at one place, in several scales, as DICOM and NIfTI."""
    folder = tmp_path_factory.mktemp("scales")
    source = dcmread(write_mr_series(folder / "source", seed=5, slices=1, size=SIZE)[0])
    pixels = source.pixel_array.astype(np.int64)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    inside = (rows - 64) ** 2 + (columns - 40) ** 2 < 36
    added = np.rint(
        np.random.default_rng(2).normal(0.0, 0.3 * np.percentile(pixels, 95), pixels.shape)
    )
    pixels = np.clip(pixels + np.where(inside, added, 0), 0, None).astype(np.uint16)
    source.PixelData = pixels.tobytes()
    data = folder / "data"
    lines = ["filename,X,Y,frame"]
    for number, (slope, intercept) in enumerate(SCALES):
        source.RescaleSlope, source.RescaleIntercept = slope, intercept
        source.SOPInstanceUID = f"1.2.3.{number}"
        (data / str(number)).mkdir(parents=True)
        source.save_as(data / str(number) / "a.dcm")
        lines += [f"{number}/a.dcm,{x},{y}," for x, y in ((40, 64), (64, 40))]
    row, column = (float(mm) for mm in source.PixelSpacing)
    values = pixels.T[:, :, None].astype(np.float64)
    for name, scaled in (
        ("unit", (values / values.max()).astype(np.float32)),
        ("shifted", values * 0.21 - 1e4),
    ):
        nibabel.save(
            nibabel.Nifti1Image(scaled, np.diag([column, row, 6.0, 1.0])), data / f"{name}.nii.gz"
        )
        lines += [f"{name}.nii.gz,{x},{y},1" for x, y in ((40, 64), (64, 40))]
    (data / "test.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return data


def test_the_p_value_does_not_depend_on_scale_and_offset(scans: Path, tmp_path: Path) -> None:
    found = dfd.score(
        scans,
        model="mri_chest_inpainting",
        output_dir=tmp_path,
        images=False,
        report=False,
        device="cpu",
    )
    by_point = found["p_value"].to_numpy().reshape(-1, 2)
    assert found["verdict"].isin(["no anomaly found", "unusual", "strongly unusual"]).all(), found[
        "error"
    ].tolist()
    np.testing.assert_allclose(by_point, np.broadcast_to(by_point[0], by_point.shape), rtol=1e-6)
    assert by_point[0, 0] < by_point[0, 1]
