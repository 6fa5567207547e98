"""The bundles as zip files for other tools: as committed, and the network as TorchScript.

python apps/bundles/pack.py dist
"""

from __future__ import annotations

import json
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
        unfinished, script = Path(folder) / archive.name, Path(folder) / SCRIPT.name
        # As committed: what training and other tools leave beside the files stays out.
        subprocess.run(
            ["git", "archive", "--format=zip", f"--output={unfinished}", "HEAD:bundles", name],
            cwd=bundle.parents[1],
            check=True,
        )
        with zipfile.ZipFile(unfinished) as packed:
            packed.extractall(folder)
        export(Path(folder) / name, script)
        with zipfile.ZipFile(unfinished, "a", zipfile.ZIP_DEFLATED) as packed:
            packed.write(script, f"{name}/{SCRIPT.as_posix()}")
        unfinished.replace(archive)
    return archive


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
    for each in bundle_names():
        sys.stdout.write(f"{pack(each, Path(sys.argv[1]).resolve())}\n")
