"""The software bill of materials (CycloneDX 1.6, JSON) of what an environment or an image holds.

    python apps/release/sbom.py dist/deepfakes-detector.cdx.json --python .venv/bin/python
    python apps/release/sbom.py dist/image.cdx.json --image FOLDER --extras dicom

The first lists the package, what it requires and the weights of both bundles, and leaves out what
else is installed. The second lists the same of an unpacked image, and the Debian packages in it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import uuid
import venv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import cast

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = canonicalize_name("deepfakes-detector")
BUNDLED = Path("dfd", "bundles")
WEIGHTS = Path("models", "model.pt")
VENV = Path("opt", "dfd")
"""Of the image."""


def installed(site: Path) -> dict[NormalizedName, Distribution]:
    """What lies in a folder of packages, by normalised name."""
    return {
        canonicalize_name(each.metadata["Name"]): each for each in distributions(path=[str(site)])
    }


def required(
    held: dict[NormalizedName, Distribution], extras: Sequence[str]
) -> dict[NormalizedName, set[NormalizedName]]:
    """The project and all that it requires there -> what each requires by itself."""
    found: dict[NormalizedName, set[NormalizedName]] = {}
    waiting: list[tuple[NormalizedName, tuple[str, ...]]] = [(PROJECT, tuple(extras))]
    seen = set()
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen or name not in held:
            continue
        seen.add((name, wanted))
        below = found.setdefault(name, set())
        for line in held[name].requires or ():
            requirement = Requirement(line)
            marker = requirement.marker
            if marker and not any(marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                continue
            other = canonicalize_name(requirement.name)
            if other != name and other in held:
                below.add(other)
            waiting.append((other, tuple(sorted(requirement.extras))))
    return found


def listed(site: Path) -> Bom:
    """The bill of all packages in a folder, as cyclonedx-py writes it."""
    with tempfile.TemporaryDirectory() as folder:
        # An environment that holds nothing but a reference to that folder: its own Python may be
        # part of an image and need not start here.
        venv.create(folder, with_pip=False)
        (packages,) = Path(folder).glob("lib/python*/site-packages")
        (packages / "there.pth").write_text(f"{site}\n", encoding="utf-8")
        bill = Path(folder) / "bill.json"
        words = ["environment", "--output-reproducible", "--short-PURLs", "--no-validate"]
        done = subprocess.run(
            [sys.executable, "-m", "cyclonedx_py", *words, "-o", str(bill), folder],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"cyclonedx-py cannot list the packages in {site}: {done.stderr}")
        return cast(Bom, Bom.from_json(json.loads(bill.read_text(encoding="utf-8"))))


def python_bill(site: Path, extras: Sequence[str]) -> Bom:
    """The project as the subject of a bill, and the packages that it requires in a folder."""
    held = installed(site)
    if PROJECT not in held:
        raise SystemExit(f"{PROJECT} is not installed in {site}; install it there first")
    needs = required(held, extras)
    source = listed(site)
    parts = {canonicalize_name(each.name): each for each in source.components}
    bill = Bom(metadata=source.metadata)
    for name in needs:
        if not parts[name].licenses and (text := held[name].metadata.json.get("license")):
            parts[name].licenses.add(LicenseFactory().make_from_string(text))
    subject = parts[PROJECT]
    subject.type = ComponentType.APPLICATION
    subject.external_references.clear()  # where it was built
    subject.purl = PackageURL("pypi", name=PROJECT, version=subject.version)
    bill.metadata.component = subject
    bill.components.update(parts[name] for name in needs if name != PROJECT)
    for name, below in needs.items():
        bill.register_dependency(parts[name], [parts[other] for other in below])
    return bill


def models(bundles: Path) -> Iterator[Component]:
    """The weights of each bundle as a component."""
    for path in sorted(bundles.glob("*/configs/metadata.json")):
        bundle, about = path.parents[1], json.loads(path.read_text(encoding="utf-8"))
        digest = hashlib.sha256((bundle / WEIGHTS).read_bytes()).hexdigest()
        yield Component(
            type=ComponentType.MACHINE_LEARNING_MODEL,
            name=bundle.name,
            version=about["version"],
            bom_ref=f"{bundle.name}=={about['version']}",
            description=about["description"],
            copyright=about["copyright"],
            licenses=[LicenseFactory().make_from_string("Apache-2.0")],
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        )


def debian_packages(image: Path) -> Iterator[Component]:
    """The packages of the distribution in an unpacked image, without licences (none are listed)."""
    columns = "${Package}\t${Version}\t${Architecture}\n"
    done = subprocess.run(
        ["dpkg-query", f"--admindir={image / 'var/lib/dpkg'}", "--show", "--showformat", columns],
        check=True,
        capture_output=True,
        text=True,
    )
    for line in done.stdout.splitlines():
        name, version, architecture = line.split("\t")
        yield Component(
            name=name,
            version=version,
            bom_ref=f"deb:{name}=={version}",
            purl=PackageURL("deb", "debian", name, version, {"arch": architecture}),
        )


def write(bill: Bom, target: Path) -> None:
    """Write a bill that the schema accepts; the same content gives the same bytes."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.now(UTC)
    bill.metadata.timestamp = datetime.fromtimestamp(int(epoch), UTC) if epoch else now
    refs = sorted(str(each.bom_ref.value) for each in bill.components)
    bill.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, " ".join(refs))
    text = JsonV1Dot6(bill).output_as_string(indent=2)
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise SystemExit(f"the bill of materials does not follow its schema: {error}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text + "\n", encoding="utf-8")


def packages_of(python: Path) -> Path:
    """The folder of packages of a Python."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return Path(done.stdout.strip())


def main() -> None:
    """Writes the bill that the arguments ask for."""
    parser = argparse.ArgumentParser(description=re.split(r"\n\n", str(__doc__))[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--python", type=Path, help="of an environment with the package")
    parser.add_argument("--image", type=Path, help="folder of an unpacked image")
    parser.add_argument("--extras", nargs="*", default=[], help="optional parts of the package")
    given = parser.parse_args()
    if (given.python is None) == (given.image is None):
        parser.error("one of --python and --image is needed")
    if given.image:
        (site,) = (given.image / VENV).glob("lib/python*/site-packages")
    else:
        site = packages_of(given.python)
    bill = python_bill(site, given.extras)
    weights = list(models(site / BUNDLED if (site / BUNDLED).is_dir() else ROOT / "bundles"))
    packages = list(debian_packages(given.image)) if given.image else []
    bill.components.update([*weights, *packages])
    subject = bill.metadata.component
    bill.register_dependency(subject, [*weights, *packages])
    write(bill, given.target)
    sys.stdout.write(f"{given.target}\n")


if __name__ == "__main__":
    main()
