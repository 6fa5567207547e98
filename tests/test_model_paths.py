"""Where models are found, in a checkout and installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfd import model_paths
from dfd.errors import BundleError


def make_bundle(folder: Path) -> Path:
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "inference.json").write_text("{}")
    return folder


@pytest.fixture(params=["checkout", "installed"])
def shipped(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder of bundles in either place; the working folder is an empty one."""
    package = tmp_path / "packages" / "dfd"
    package.mkdir(parents=True)
    if request.param == "checkout":
        (package.parent / "pyproject.toml").touch()
    bundles = (package.parent if request.param == "checkout" else package) / "bundles"
    for name in ("ct_lung_inpainting", "mri_chest_inpainting"):
        make_bundle(bundles / name)
    monkeypatch.setattr(model_paths, "__file__", str(package / "places.py"))
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    return bundles


def test_bundles_are_found_in_either_place(shipped: Path) -> None:
    assert model_paths.bundles_dir() == shipped
    assert model_paths.bundle_names() == ("ct_lung_inpainting", "mri_chest_inpainting")
    assert model_paths.bundle_dir("mri_chest_inpainting") == shipped / "mri_chest_inpainting"


@pytest.mark.parametrize(
    "name", ["ct_lung", "", "..", "../bundles/ct_lung_inpainting", "CT_InPainting.ckpt"]
)
def test_an_unknown_bundle_lists_the_known(shipped: Path, name: str) -> None:
    with pytest.raises(
        BundleError,
        match=(
            r"no shipped model is called .*; there are: "
            r"ct_lung_inpainting, mri_chest_inpainting$"
        ),
    ):
        model_paths.bundle_dir(name)


def test_a_folder_of_somebody_else_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside an installed package (no pyproject.toml there) a folder `bundles` is not looked at."""
    make_bundle(tmp_path / "bundles" / "ct_lung_inpainting")
    monkeypatch.setattr(model_paths, "__file__", str(tmp_path / "dfd" / "places.py"))
    with pytest.raises(
        BundleError,
        match=r"the shipped models are missing from .*; install deepfakes-detector again",
    ):
        model_paths.bundles_dir()


@pytest.mark.parametrize(
    ("text", "bundle"),
    [
        ("ct_lung_inpainting", "ct_lung_inpainting"),
        ("'mri_chest_inpainting'", "mri_chest_inpainting"),
        ("CT_InPainting.ckpt", "ct_lung_inpainting"),
        ("MRI_InPainting.ckpt", "mri_chest_inpainting"),
        ("'./app/models/CT_InPainting.ckpt'", "ct_lung_inpainting"),
        ('"~/app/models/MRI_InPainting.ckpt"', "mri_chest_inpainting"),
        ("/app/models/CT_InPainting.ckpt", "ct_lung_inpainting"),
    ],
)
def test_shipped_models_by_name(shipped: Path, text: str, bundle: str) -> None:
    assert model_paths.resolve_model(text) == shipped / bundle


def test_a_file_that_is_there_comes_before_the_shipped_name(shipped: Path) -> None:
    mine = Path("app/models/CT_InPainting.ckpt")
    mine.parent.mkdir(parents=True)
    mine.touch()
    assert model_paths.resolve_model("'./app/models/CT_InPainting.ckpt'") == mine
    assert model_paths.resolve_model(str(mine.resolve())) == mine.resolve()


def test_a_tilde_is_expanded(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my.ckpt").touch()
    assert model_paths.resolve_model("~/my.ckpt") == tmp_path / "my.ckpt"


def test_a_folder_among_the_scans_does_not_replace_a_shipped_bundle(shipped: Path) -> None:
    """Configurations are code.

    One that came with the data must not be run because of its folder's name.
    """
    make_bundle(Path("ct_lung_inpainting"))
    assert model_paths.resolve_model("ct_lung_inpainting") == shipped / "ct_lung_inpainting"
    assert model_paths.resolve_model("./ct_lung_inpainting") == Path("ct_lung_inpainting")


def test_a_bundle_folder_of_the_user(shipped: Path) -> None:
    mine = make_bundle(Path("mine"))
    assert model_paths.resolve_model("mine") == mine
    Path("empty").mkdir()
    with pytest.raises(
        BundleError, match=r"the folder empty is not a bundle: it has no configs/inference.json"
    ):
        model_paths.resolve_model("empty")


@pytest.mark.parametrize(
    "text", ["my_model.ckpt", "ct_lung", "~nobody_here/x.ckpt", "x" * 5000, "", "''"]
)
def test_nothing_found_says_what_was_tried(shipped: Path, text: str) -> None:
    names = "ct_lung_inpainting, mri_chest_inpainting, CT_InPainting.ckpt, MRI_InPainting.ckpt"
    with pytest.raises(BundleError, match=f"tried .* shipped models, which are {names}$"):
        model_paths.resolve_model(text)
