"""Whether a bundle's ``inference.json`` says what this package does without MONAI.

A bundle belongs to its user, who may have put other transforms, another network or keys of his own
into it. Such a bundle is run as it stands, by MONAI.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from dfd.errors import BundleError
from dfd.modalities import MODALITIES, Modality
from dfd.model_paths import bundle_dir, bundle_names
from dfd.models.model import read_model
from dfd.options import options_of
from dfd.settings import ScoreSettings

INFERENCE = Path("configs") / "inference.json"
DIGEST = "e5707d635c53ec28f525085eae3270aa6b56aeb543599f2c2e31a4b7647517fe"
"""Of the shipped configurations, see :func:`digest_of`: reading, network, inferer, postprocessing
and evaluator are those of this package."""
MODALITY = "modality"


def bundle_of(model: Path) -> Path:
    """The bundle folder that a model belongs to.

    Itself, or the shipped one whose name it carries.
    """
    if model.is_dir():
        return model
    name = read_model(model).bundle
    if name not in bundle_names():
        shipped = ", ".join(bundle_names())
        raise BundleError(
            f"{model} does not say which bundle it belongs to; give a file written by `dfd "
            f"train` or one of {shipped}."
        )
    return bundle_dir(name)


def modality_of(bundle: Path) -> Modality | None:
    """The modality of a bundle that differs from the shipped ones in nothing but weights.

    None where it has a configuration of its own, or one of another version.
    """
    try:
        content = json.loads((bundle / INFERENCE).read_text(encoding="utf-8"))
        name = content[MODALITY]
        known = digest_of(content) == DIGEST
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return MODALITIES.get(name) if known and isinstance(name, str) else None


def digest_of(content: dict[str, object]) -> str:
    """SHA-256 of a configuration without its modality and without what every run gives itself."""
    given = {each.option.key for each in options_of(ScoreSettings) if each.option.key}
    rest = {key: value for key, value in content.items() if key not in given | {MODALITY}}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
