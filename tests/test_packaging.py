"""The wheel carries both bundles with their weights and works in an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import dfd
from dfd.modalities import MODALITIES

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.ts", "runs", "eval")
"""Never part of a wheel: what training and exports leave beside the shipped files."""
STAND_IN = (
    "LICENSE",
    "configs/inference.json",
    "configs/logging.conf",
    "docs/README.md",
    "models/model.pt",
    "models/calibration.json",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a wheel is made from.

    Where a bundle is not there yet, files of the same names stand in.
    """
    tree = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    shutil.copytree(ROOT / "dfd", tree / "dfd", ignore=LEFT_OUT)
    for modality in MODALITIES.values():
        source, target = ROOT / "bundles" / modality.bundle, tree / "bundles" / modality.bundle
        if source.is_dir():
            shutil.copytree(source, target, ignore=LEFT_OUT)
        for file in STAND_IN:
            if not (target / file).exists():
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                (target / file).write_text("{}")
    return tree


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("wheel")
    options = [
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--wheel-dir",
        str(output),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, str(tree)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (made,) = output.glob("*.whl")
    return made


def test_the_wheel_holds_code_and_bundles(tree: Path, wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    code = [
        path
        for kind in ("*.py", "*.j2", "*.css", "*.js", "*.pub")
        for path in (tree / "dfd").rglob(kind)
    ]
    expected = {path.relative_to(tree).as_posix() for path in code} | {"dfd/py.typed"}
    expected |= {
        f"dfd/{path.relative_to(tree).as_posix()}"
        for path in (tree / "bundles").rglob("*")
        if path.is_file()
    }
    assert expected == {name for name in held if ".dist-info/" not in name}


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    info = f"deepfakes_detector-{dfd.__version__}.dist-info"
    metadata = message_from_bytes(archive.read(f"{info}/METADATA"))
    assert metadata["Name"] == "deepfakes-detector"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == "<3.14,>=3.11"
    assert "dfd = dfd.__main__:main" in archive.read(f"{info}/entry_points.txt").decode()
    assert f"{info}/licenses/LICENSE" in archive.namelist()


def test_the_wheel_works_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    installed, empty = tmp_path / "installed", tmp_path / "empty"
    empty.mkdir()
    zipfile.ZipFile(wheel).extractall(installed)
    code = (
        "import dfd.model_paths as p; print(p.__file__); [print(p.resolve_model(name)) for name in "
        "('CT_InPainting.ckpt', 'mri_chest_inpainting')]"
    )
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=empty,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = [
        Path(line).relative_to(installed / "dfd").as_posix() for line in done.stdout.splitlines()
    ]
    assert found == ["model_paths.py", "bundles/ct_lung_inpainting", "bundles/mri_chest_inpainting"]


def requirements() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    return {wanted.name: wanted for wanted in map(Requirement, lines)}


def test_pinned_releases_lie_within_the_bounds() -> None:
    wanted = requirements()
    pins = [
        Requirement(line)
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert "torch" in {pin.name for pin in pins}
    for pin in pins:
        (version,) = (clause.version for clause in pin.specifier)
        assert wanted[pin.name].specifier.contains(version), f"{pin} is outside {wanted[pin.name]}"


def test_the_gpl_decoder_is_not_in_the_core() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not [
        line
        for line in project["dependencies"]
        if "libjpeg>" in line and "pylibjpeg-libjpeg" in line
    ]
    assert project["optional-dependencies"]["gpl-decoders"]
