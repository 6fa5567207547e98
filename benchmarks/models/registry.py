"""The network behind a model's name, ready to predict."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

from dfd.bundle.inference.results import calibration_of
from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.calibration import Calibration
from dfd.modalities import MODALITIES
from dfd.model_paths import bundle_dir, resolve_model
from dfd.models import model_file
from dfd.models.model_file import Model


@dataclass(frozen=True)
class Loaded:
    """A model with its network in evaluation mode."""

    model: Model
    network: MaskedPredictor

    @cached_property
    def calibration(self) -> Calibration | None:
        """Read when first asked for.

        The network alone serves whatever version its calibration is of.

        Raises:
            CalibrationError: it is damaged, or of a version that cannot be read.
        """
        return calibration_of(self.model)


def load(name: str | None, modality: str) -> Loaded:
    """The model of ``name``, its network built as the bundle's configuration says.

    ``name`` None: the shipped model of ``modality``.

    Raises:
        BundleError: there is none, or it belongs to the other modality.
    """
    bundle = MODALITIES[modality].bundle
    model = model_file.load(resolve_model(name or bundle))
    definition = json.loads(
        (bundle_dir(bundle) / "configs" / "inference.json").read_text(encoding="utf-8")
    )["network_def"]
    network = MaskedPredictor(
        **{key: value for key, value in definition.items() if not key.startswith("_")}
    )
    model_file.put_into(network, model, bundle)
    network.eval()
    return Loaded(model, network)
