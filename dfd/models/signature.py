"""Whether weights and calibration of a bundle are those that the maintainers signed.

Signatures are those of OpenSSF model signing (https://github.com/sigstore/model-transparency): a
manifest of digests of the files below ``models/``, signed by an elliptic key, offline. The public
key comes with this package, so that who exchanges model and signature together is found out too.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from dfd.models.model import SHIPPED_WEIGHTS

SIGNATURE = Path("models.sig")
"""In the folder of a bundle."""
PUBLIC_KEY = Path(__file__).parent / "release_key.pub"
HOLDS = "holds"
BROKEN = "does not hold: weights or calibration are not those that were released"
UNSIGNED = "none"
UNCHECKED = "not checked: pip install deepfakes-detector[signing]"


def state_of(bundle: Path, public_key: Path = PUBLIC_KEY) -> str:
    """What is to be said of the signature of a bundle folder: one of the sentences above.

    ``UNSIGNED`` also of a model file that is no folder: users' own models have no signature.
    """
    signature = bundle / SIGNATURE
    if not signature.is_file() or not public_key.is_file():
        return UNSIGNED
    if find_spec("model_signing") is None:
        return UNCHECKED
    from model_signing import verifying

    config = verifying.Config().use_elliptic_key_verifier(public_key=public_key)
    # Beside the signed files other tools put theirs, such as the network as TorchScript.
    config.set_ignore_unsigned_files(True)
    try:
        config.verify((bundle / SHIPPED_WEIGHTS).parent, signature)
    except Exception:  # noqa: BLE001 - a damaged signature raises whatever its parser raises
        return BROKEN
    return HOLDS


def sign(bundle: Path, private_key: Path) -> Path:
    """Signs weights and calibration of a bundle folder; gives the file.

    Needs the extra ``signing``.
    """
    from model_signing import signing

    target = bundle / SIGNATURE
    config = signing.Config().use_elliptic_key_signer(private_key=private_key)
    config.sign((bundle / SHIPPED_WEIGHTS).parent, target)
    return target
