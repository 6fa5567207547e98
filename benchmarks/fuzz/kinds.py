"""The table of kinds: how files of each are damaged, and what reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz.cases import Kind, MalformedError, is_line

SHARES = {"dicom": 0.6, "nifti": 0.14, "csv": 0.16, "model": 0.1}
"""Of all files."""


def dicom() -> Kind:
    """DICOM files, by the three functions that read them."""
    from benchmarks.fuzz import dicom as files

    intact = {files.NEIGHBOUR: files.neighbour()}
    return Kind("dicom", files.mutant, _slices(), {"read_series": read_folder}, intact)


def nifti() -> Kind:
    """NIfTI files, by the same."""
    from benchmarks.fuzz import nifti as files

    return Kind("nifti", files.mutant, _slices(), {"read_series": read_folder})


def csv() -> Kind:
    """Points files, beside a folder with a few scans."""
    from benchmarks.fuzz import dicom as scans
    from benchmarks.fuzz import tables

    slices = {f"data/{name}": scans.neighbour() for name in ("p1/a.dcm", "p1/b.dcm", "b.dcm")}
    more = {"data/volume.nii.gz": b"", "data/ü/é.dcm": b""}
    return Kind("csv", tables.mutant, {"read_points": read_table}, intact_files={**slices, **more})


def model() -> Kind:
    """Model files and calibrations."""
    from benchmarks.fuzz import models

    intact = {"bundle/models/model.pt": models.bundle_weights()}
    return Kind("model", models.mutant, {"load": models.read}, intact_files=intact)


KINDS: dict[str, Callable[[], Kind]] = {"dicom": dicom, "nifti": nifti, "csv": csv, "model": model}


def _slices() -> dict[str, Any]:
    return {"read_slice": read_one, "read_facts": read_header}


def read_one(path: Path, frame: int | None) -> object:
    """``read_slice``; the result must be what it promises."""
    from dfd.reading import read_slice

    scan = read_slice(path, frame)
    _check(scan.pixels.dtype == np.float32, f"pixels are {scan.pixels.dtype}")
    _check(scan.pixels.ndim == 2, f"pixels have {scan.pixels.ndim} axes")
    _check(scan.valid.shape == scan.pixels.shape, "pixels and their mask differ in size")
    _check(bool(np.isfinite(scan.pixels).all()), "pixels are not finite")
    _check(bool(scan.valid.any()), "nothing is measured")
    return scan


def read_header(path: Path, _: int | None) -> object:
    """``read_facts``."""
    from dfd.reading import read_facts

    return read_facts(path)


def read_folder(folder: Path, _: int | None) -> object:
    """``read_series``; what it leaves out must have a reason of one line each."""
    from dfd.reading import read_series

    series, skipped = read_series(folder)
    for each in skipped:
        _check(is_line(each.reason), f"a reason that is no line: {each.reason[-300:]!r}")
    _check(all(one.slices for one in series), "a series without slices")
    return series


def read_table(path: Path, _: int | None) -> object:
    """``read_points``; errors of rows must be one line each, and files must lie in the data."""
    from dfd.points import read_points

    data = path.parent / "data"
    points = read_points(path, data)
    for point in points:
        valid = not point.error or is_line(point.error)
        _check(valid, f"an error that is no line: {point.error[-300:]!r}")
        _check(bool(point.error) or point.path is not None, "a row with neither scan nor error")
        outside = point.path is not None and not point.path.is_relative_to(data)
        _check(not outside, f"a scan outside the data folder: {point.path}")
    return points


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise MalformedError(what)
