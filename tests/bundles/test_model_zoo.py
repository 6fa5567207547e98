"""A pull request to MONAI's model zoo would pass with the bundles that ``make bundles`` packs.

The checks are those of the zoo's guide and of its CI (Project-MONAI/model-zoo: CONTRIBUTING.md,
ci/verify_bundle.py and ci/get_bundle_requirements.py, as they were in 2025), on the unpacked files.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ckpt_export, verify_metadata, verify_net_in_out
from packaging.requirements import Requirement
from packaging.version import Version

from dfd.modalities import MODALITIES

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "tests" / "schema" / "metadata.json"
LARGEST_BYTES = 25 * 2**20
"""Of a file in the zoo's repository; a larger one is named in large_files.yml and downloaded."""
NECESSARY = (
    "LICENSE",
    "configs/metadata.json",
    "configs/inference.json",
    "models/model.pt",
    "docs/README.md",
    "docs/data_license.txt",
)
KEYS = {
    "configs/inference.json": ("bundle_root", "device", "network_def", "inferer", "output_dir"),
    "configs/train.json": (
        *("bundle_root", "device", "dataset_dir", "output_dir", "val_interval"),
        *("train#trainer", "train#trainer#max_epochs", "train#dataset", "train#dataset#data"),
        *("train#handlers", "train#preprocessing", "train#inferer"),
        *("validate#evaluator", "validate#handlers", "validate#dataset", "validate#dataset#data"),
        *("validate#preprocessing", "validate#inferer", "validate#key_metric"),
    ),
}
# What MONAI and torch say whenever they load or export a bundle.
pytestmark = [
    pytest.mark.filterwarnings("ignore:parsing config_file"),
    pytest.mark.filterwarnings("ignore:.*weights_only:FutureWarning"),
    pytest.mark.filterwarnings("ignore:No hash value provided"),
    pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader"),
]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The zip files."""
    target = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, ROOT / "apps" / "bundles" / "pack.py", target],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [Path(line) for line in done.stdout.split()]


@pytest.fixture(scope="module")
def models(packed: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the zoo's folder ``models`` would be."""
    folder = tmp_path_factory.mktemp("zoo") / "models"
    for archive in packed:
        with zipfile.ZipFile(archive) as files:
            files.extractall(folder)
    return folder


@pytest.fixture(params=[modality.bundle for modality in MODALITIES.values()])
def bundle(models: Path, request: pytest.FixtureRequest) -> Path:
    return models / request.param


@pytest.fixture
def changed(models: Path, tmp_path: Path) -> Path:
    """A copy of one bundle, to be spoilt."""
    return Path(shutil.copytree(models / "ct_lung_inpainting", tmp_path / "ct_lung_inpainting"))


def content(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))


def has(config: dict[str, Any], key: str) -> bool:
    value: Any = config
    for part in key.split("#"):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def requirements(bundle: Path) -> list[Requirement]:
    """What the zoo's CI installs before it looks at a bundle."""
    about = content(bundle / "configs" / "metadata.json")
    named = {
        "monai": about["monai_version"],
        "torch": about["pytorch_version"],
        "numpy": about["numpy_version"],
    } | about["required_packages_version"]
    return [Requirement(f"{name}=={version}") for name, version in named.items()]


def faults(bundle: Path) -> list[str]:
    """What the zoo would object to in a bundle that it does not hold yet."""
    return [*file_faults(bundle), *config_faults(bundle)]


def file_faults(bundle: Path) -> Iterator[str]:
    held = {path.relative_to(bundle).as_posix(): path for path in bundle.rglob("*")}
    yield from (f"{name} is missing" for name in NECESSARY if name not in held)
    for name, path in held.items():
        if path.stat().st_size > LARGEST_BYTES:
            yield f"{name} is too large"
        if path.suffix == ".py":
            yield f"{name} is code, which the zoo's style checks would read"
        if path.suffix in {".json", ".conf"} and "/home/" in path.read_text(encoding="utf-8"):
            yield f"{name} names a home folder"


def config_faults(bundle: Path) -> Iterator[str]:
    for name, keys in KEYS.items():
        config = content(bundle / name)
        yield from (f"{name} lacks {key}" for key in keys if not has(config, key))
    about = content(bundle / "configs" / "metadata.json")
    if about["version"] not in about["changelog"]:
        yield "the changelog lacks the version"
    if about["version"] != str(max(map(Version, about["changelog"]))):
        yield "the version is not the newest of the changelog"


def test_the_archive_is_named_as_the_zoo_names_it(packed: list[Path]) -> None:
    assert len(packed) == len(MODALITIES)
    for archive in packed:
        name, version = archive.stem.split("_v")  # as the zoo splits it
        with zipfile.ZipFile(archive) as files:
            assert {each.split("/")[0] for each in files.namelist()} == {name}
            about = json.loads(files.read(f"{name}/configs/metadata.json"))
        assert about["version"] == version


def test_files_keys_and_version_are_as_asked_for(bundle: Path) -> None:
    assert faults(bundle) == []


def change_json(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    config = content(file)
    change(config)
    file.write_text(json.dumps(config), encoding="utf-8")


def enlarge(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(LARGEST_BYTES + 1)


SPOILT: dict[str, Callable[[Path], object]] = {
    "LICENSE is missing": lambda bundle: (bundle / "LICENSE").unlink(),
    "docs/data_license.txt is missing": lambda bundle: (
        bundle / "docs" / "data_license.txt"
    ).unlink(),
    "models/model.pt is too large": lambda bundle: enlarge(bundle / "models" / "model.pt"),
    "scripts/a.py is code, which the zoo's style checks would read": lambda bundle: (
        (bundle / "scripts").mkdir(),
        (bundle / "scripts" / "a.py").touch(),
    ),
    "configs/train.json names a home folder": lambda bundle: change_json(
        bundle / "configs" / "train.json", lambda config: config.update(data_path="/home/me")
    ),
    "configs/train.json lacks train#trainer#max_epochs": lambda bundle: change_json(
        bundle / "configs" / "train.json", lambda config: config["train"]["trainer"].clear()
    ),
    "configs/inference.json lacks output_dir": lambda bundle: change_json(
        bundle / "configs" / "inference.json", lambda config: config.pop("output_dir")
    ),
    "the changelog lacks the version": lambda bundle: change_json(
        bundle / "configs" / "metadata.json", lambda config: config.update(version="9.9.9")
    ),
    "the version is not the newest of the changelog": lambda bundle: change_json(
        bundle / "configs" / "metadata.json", lambda config: config.update(version="0.1.0")
    ),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_a_fault_is_seen(changed: Path, fault: str) -> None:
    SPOILT[fault](changed)
    assert fault in faults(changed)


def test_the_metadata_follow_the_schema(bundle: Path, tmp_path: Path) -> None:
    meta_file = bundle / "configs" / "metadata.json"
    assert content(meta_file)["schema"] == "/".join(
        ("https://project-monai.github.io", "schema", "meta_schema_20240725.json")
    )
    schema = Path(shutil.copy(SCHEMA, tmp_path / "schema.json"))  # a file that is there is kept
    verify_metadata(meta_file=str(meta_file), filepath=str(schema))


def files(bundle: Path) -> dict[str, str]:
    return {
        "meta_file": str(bundle / "configs" / "metadata.json"),
        "config_file": str(bundle / "configs" / "inference.json"),
        "bundle_root": str(bundle),
    }


def test_the_network_takes_and_gives_what_the_metadata_say(bundle: Path) -> None:
    verify_net_in_out(net_id="network_def", **files(bundle))


def test_other_channels_than_the_metadata_say_are_seen(changed: Path) -> None:
    change_json(
        changed / "configs" / "metadata.json",
        lambda about: about["network_data_format"]["outputs"]["pred"].update(num_channels=3),
    )
    with pytest.raises(ValueError, match="channel number"):
        verify_net_in_out(net_id="network_def", **files(changed))


def test_weights_export_to_torchscript_and_the_packed_one_loads(
    bundle: Path, tmp_path: Path
) -> None:
    made = tmp_path / "verify_model.ts"
    weights = str(bundle / "models" / "model.pt")
    ckpt_export(net_id="network_def", filepath=str(made), ckpt_file=weights, **files(bundle))
    image = torch.randn(1, 2, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        exported, shipped = (
            torch.jit.load(path)(image) for path in (made, bundle / "models" / "model.ts")
        )
    torch.testing.assert_close(exported, shipped)


def test_what_the_zoo_installs_is_pinned(bundle: Path) -> None:
    wanted = {requirement.name: str(requirement.specifier) for requirement in requirements(bundle)}
    assert wanted.keys() >= {"monai", "torch", "numpy", "deepfakes-detector", "pydicom"}
    assert all(specifier.startswith("==") for specifier in wanted.values())


def test_the_packed_script_does_not_name_the_machine_it_was_made_on(bundle: Path) -> None:
    with zipfile.ZipFile(bundle / "models" / "model.ts") as script:
        held = b"".join(script.read(name) for name in script.namelist())
    assert str(ROOT).encode() not in held
    assert sys.prefix.encode() not in held
