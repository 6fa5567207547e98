"""Signs weights and calibration of both bundles, offline, with a key of the maintainers.

    openssl ecparam -name prime256v1 -genkey -noout -out release.pem   # once; keep it to yourself
    python apps/bundles/sign.py release.pem

Writes bundles/*/models.sig and the public key that ``dfd info`` checks by.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from dfd.model_paths import bundle_dir, bundle_names
from dfd.models import signature
from dfd.outputs.files import write_atomically


def public_part(private_key: Path) -> bytes:
    """The public key of a private one, both as PEM."""
    key = serialization.load_pem_private_key(private_key.read_bytes(), password=None)
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def main() -> None:
    """Signs both with the key that is named."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    private_key = Path(sys.argv[1])
    write_atomically(signature.PUBLIC_KEY, public_part(private_key))
    for name in bundle_names():
        signature.sign(bundle_dir(name), private_key)
        sys.stdout.write(f"{name}: signature {signature.state_of(bundle_dir(name))}\n")


if __name__ == "__main__":
    main()
