"""MONAI's own tools take the bundles.

Verify, export, load, workflow properties, and the map without a points file.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, load, verify_net_in_out
from monai.utils import set_determinism

from dfd import calibration
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.calibration import SLICE, Calibration, Setting
from dfd.evidence import noise
from dfd.modalities import MODALITIES, Modality
from dfd.models import model_file
from dfd.phantom import write_ct_series, write_mr_series

ROOT = Path(__file__).resolve().parents[2]
# What MONAI says whenever it parses a configuration or builds a reader.
pytestmark = [
    pytest.mark.filterwarnings("ignore:parsing config_file"),
    pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader"),
    pytest.mark.filterwarnings("ignore:.*weights_only:FutureWarning"),
]


@pytest.fixture(scope="module", params=MODALITIES)
def modality(request: pytest.FixtureRequest) -> Modality:
    return MODALITIES[request.param]


@pytest.fixture(scope="module")
def bundle(modality: Modality, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the bundle with random weights and a calibration made up for them.

    So that nothing depends on the shipped ones.
    """
    copy = tmp_path_factory.mktemp("bundles") / modality.bundle
    shutil.copytree(
        ROOT / "bundles" / modality.bundle, copy, ignore=shutil.ignore_patterns("models")
    )
    torch.manual_seed(1)
    weights = MaskedPredictor().state_dict()
    (copy / "models").mkdir()
    torch.save(weights, copy / "models" / "model.pt")
    rng = np.random.default_rng(1)
    table = calibration.fit_table([list(rng.gamma(2.0, 1.0, 100)) for _ in range(5)])
    made_up = Calibration(
        modality.bundle,
        model_file.weights_digest(weights),
        modality.radius_mm,
        {},
        {SLICE: Setting({noise.FAMILY.name: table})},
    )
    (copy / "models" / "calibration.json").write_text(json.dumps(calibration.to_json(made_up)))
    return copy


@pytest.fixture(scope="module")
def scans(modality: Modality, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients of one slice, and a point in each."""
    folder = tmp_path_factory.mktemp("scans")
    write = write_ct_series if modality.dicom_modality == "CT" else write_mr_series
    for patient in ("p1", "p2"):
        write(folder / patient, seed=3, slices=1, patient=patient, size=64)
    (folder / "test.csv").write_text("filename,X,Y\np1/file001.dcm,32,32\np2/file001.dcm,20,30\n")
    return folder


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """What the workflows set for the whole process goes back."""
    yield
    set_determinism(None)


def files(bundle: Path) -> dict[str, str]:
    return {
        "meta_file": str(bundle / "configs" / "metadata.json"),
        "config_file": str(bundle / "configs" / "inference.json"),
    }


def test_the_network_takes_and_gives_what_the_metadata_says(bundle: Path) -> None:
    verify_net_in_out("network_def", **files(bundle), device="cpu", n=3, p=2)


def test_it_exports_to_torchscript(bundle: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.ts"
    ckpt_export(
        "network_def",
        filepath=str(target),
        ckpt_file=str(bundle / "models" / "model.pt"),
        **files(bundle),
    )
    exported = torch.jit.load(target)
    network = MaskedPredictor()
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True))
    image = torch.stack([torch.randn(50, 41), (torch.rand(50, 41) < 0.2).float()])[None]
    with torch.inference_mode():
        torch.testing.assert_close(exported(image), network(image))


@pytest.mark.parametrize("workflow_type", ["train", "inference"])
def test_monai_loads_the_network(bundle: Path, workflow_type: str) -> None:
    network = load(
        bundle.name, bundle_dir=str(bundle.parent), device="cpu", workflow_type=workflow_type
    )
    assert isinstance(network, MaskedPredictor)
    assert model_file.weights_digest(network.state_dict()) == model_file.load(bundle).sha256


def properties(bundle: Path, config: str, **overrides: object) -> list[str] | None:
    workflow = ConfigWorkflow(
        config_file=str(bundle / "configs" / f"{config}.json"),
        workflow_type="train" if config == "train" else "infer",
        logging_file=False,
        bundle_root=str(bundle),
        **overrides,
    )
    workflow.initialize()
    return workflow.check_properties()


def test_the_training_workflow_has_all_properties(
    bundle: Path, scans: Path, tmp_path: Path
) -> None:
    assert (
        properties(
            bundle,
            "train",
            data_path=str(scans),
            model_path=str(tmp_path / "m.ckpt"),
            validation_crops=2,
        )
        == []
    )


def test_the_inference_workflow_has_all_properties(
    bundle: Path, scans: Path, tmp_path: Path
) -> None:
    assert properties(bundle, "inference", data_path=str(scans), output_dir=str(tmp_path)) == []


def test_a_missing_property_is_noticed(bundle: Path, scans: Path, tmp_path: Path) -> None:
    broken = tmp_path / bundle.name
    shutil.copytree(bundle, broken)
    content = json.loads((broken / "configs" / "inference.json").read_text(encoding="utf-8"))
    content["evaluator"]["postprocessing"] = "@post"
    content["post"] = content.pop("postprocessing")
    (broken / "configs" / "inference.json").write_text(json.dumps(content))
    assert properties(broken, "inference", data_path=str(scans), output_dir=str(tmp_path)) == [
        "postprocessing"
    ]


def test_a_bare_image_gives_a_map(bundle: Path, scans: Path, modality: Modality) -> None:
    parser = ConfigParser()
    parser.read_config(str(bundle / "configs" / "inference.json"))
    parser["bundle_root"] = str(bundle)
    parser["data_path"] = os.devnull  # what does not need the scans must not look for them
    preprocessing, inferer, postprocessing = (
        parser.get_parsed_content(name) for name in ("preprocessing", "inferer", "postprocessing")
    )
    network = parser.get_parsed_content("network")
    model_file.put_into(network, parser.get_parsed_content("model"), modality.bundle)
    images = torch.stack(
        [
            preprocessing({"image": str(scans / patient / "file001.dcm")})["image"].as_tensor()
            for patient in ("p1", "p2")
        ]
    )
    assert images.shape == (2, 1, 64, 64)
    assert torch.equal(preprocessing({"image": images})["image"], images)
    answer = postprocessing({"image": images, "pred": inferer(images, network)})["pred"]
    assert answer.shape == images.shape
    assert bool((answer >= 0).all())
    assert bool((answer > 0).any())
    one = postprocessing({"image": images[:1], "pred": inferer(images[:1], network)})["pred"]
    assert torch.equal(one, answer[:1])
