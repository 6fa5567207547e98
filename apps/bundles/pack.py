"""The bundles as zip files for other tools: as committed, and the network as TorchScript.

python apps/bundles/pack.py dist

The same commit and the same releases of the libraries give the same bytes, in any folder and at
any time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from monai.bundle import ckpt_export

from dfd.bundle.config_workflow import quiet_monai
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.errors import BundleError
from dfd.model_paths import bundle_names, bundles_dir
from dfd.models import model_file

SCRIPT = Path("models", "model.ts")
TOLERANCE = 1e-5
"""Largest difference of any value that the module and its TorchScript may give, in units of the
noise scale."""
SHAPES = ((64, 64), (50, 41), (128, 96))
"""Rows and columns to compare at; odd ones are padded inside the network."""
TIME = (1980, 1, 1, 0, 0, 0)
"""Of every file in an archive: the earliest that zip can store."""
READABLE = 0o100644 << 16
HASH_SEED = "0"
"""TorchScript writes attributes in the order of a set, which follows Python's hash seed."""
ORIGINS = (".debug_pkl", ".data/serialization_id")
"""Entries of TorchScript that name the folders of the machine it was made on, and their digest.
They serve error messages only."""


def pack(name: str, target: Path) -> Path:
    """Write ``<name>_v<version>.zip``, which unpacks as ``<name>/…``, and give it.

    Raises:
        BundleError: the TorchScript says something else than the module.
    """
    bundle = bundles_dir() / name
    version = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))[
        "version"
    ]
    target.mkdir(parents=True, exist_ok=True)
    archive = target / f"{name}_v{version}.zip"
    with tempfile.TemporaryDirectory(dir=target) as folder:
        committed, unfinished = Path(folder) / "committed.zip", Path(folder) / archive.name
        # As committed: what training and other tools leave beside the files stays out.
        subprocess.run(
            ["git", "archive", "--format=zip", f"--output={committed}", "HEAD:bundles", name],
            cwd=bundle.parents[1],
            check=True,
        )
        with zipfile.ZipFile(committed) as packed:
            packed.extractall(folder)
        export(Path(folder) / name, Path(folder) / name / SCRIPT)
        write_zip(Path(folder), name, unfinished)
        unfinished.replace(archive)
    return archive


def write_zip(folder: Path, name: str, archive: Path) -> None:
    """Write all files of ``folder/name`` in the order of their names, without times and users."""
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted((folder / name).rglob("*")):
            if path.is_file():
                add(packed, path.relative_to(folder).as_posix(), path.read_bytes())


def add(packed: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a file without anything that depends on the machine."""
    entry = zipfile.ZipInfo(name, TIME)
    entry.external_attr, entry.create_system = READABLE, 3
    entry.compress_type = zipfile.ZIP_DEFLATED
    packed.writestr(entry, content)


def export(bundle: Path, script: Path) -> None:
    """Write the network of ``bundle`` as TorchScript, with its configuration inside as MONAI does.

    Raises:
        BundleError: it says something else than the module.
    """
    configs = {
        "meta_file": str(bundle / "configs" / "metadata.json"),
        "config_file": str(bundle / "configs" / "inference.json"),
    }
    with quiet_monai():
        weights = str(bundle / model_file.SHIPPED_WEIGHTS)
        ckpt_export(
            "network_def",
            filepath=str(script),
            ckpt_file=weights,
            bundle_root=str(bundle),
            **configs,
        )
        drop_origins(script)
        exported = torch.jit.load(script).eval()
    network = MaskedPredictor().eval()
    network.load_state_dict(dict(model_file.load(bundle).weights))
    worst = max(difference(network, exported, shape) for shape in SHAPES)
    if not worst <= TOLERANCE:
        raise BundleError(
            f"the TorchScript of {bundle.name} differs "
            f"from the module by {worst:g}, more than "
            f"{TOLERANCE:g}; do not ship it."
        )


def drop_origins(script: Path) -> None:
    """Write a TorchScript file anew without what names the machine that it was made on."""
    with zipfile.ZipFile(script) as packed:
        entries = [
            (entry, packed.read(entry))
            for entry in packed.infolist()
            if not entry.filename.endswith(ORIGINS)
        ]
    with zipfile.ZipFile(script, "w") as packed:
        for entry, content in entries:
            packed.writestr(entry, content)


def difference(one: torch.nn.Module, other: torch.nn.Module, shape: tuple[int, int]) -> float:
    """Largest difference of their answers to noise of which a fifth is hidden."""
    draw = torch.Generator().manual_seed(1)
    hidden = (torch.rand(1, 1, *shape, generator=draw) < 0.2).float()
    image = torch.cat(
        [10.0 * torch.randn(1, 1, *shape, generator=draw) * (1.0 - hidden), hidden], dim=1
    )
    with torch.inference_mode():
        return float((one(image) - other(image)).abs().max())


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:  # Python reads it only when it starts
        again = [sys.executable, *sys.argv]
        os.execve(sys.executable, again, os.environ | {"PYTHONHASHSEED": HASH_SEED})
    for each in bundle_names():
        sys.stdout.write(f"{pack(each, Path(sys.argv[1]).resolve())}\n")
