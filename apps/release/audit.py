"""Asks a public list of vulnerabilities about every package of a bill of materials.

    python apps/release/audit.py dist/deepfakes-detector.cdx.json

Further words go to pip-audit. Exit status: 0 nothing known, 1 something is known, 75 the list could
not be reached.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

UNREACHED = 75
KIND = "pkg:pypi/"


def pins(bill: Path) -> list[str]:
    """The packages of an index in a bill as pip pins them; builds of a version are that version."""
    parts = json.loads(bill.read_text(encoding="utf-8"))["components"]
    return [
        f"{part['name']}=={part['version'].split('+')[0]}"
        for part in parts
        if part.get("purl", "").startswith(KIND)
    ]


def audit(bill: Path, words: list[str]) -> int:
    """Print what is known and give the exit status."""
    wanted = pins(bill)
    if not wanted:
        raise SystemExit(f"{bill} names no package of an index; make it with apps/release/sbom.py")
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        options = ["--no-deps", "--disable-pip", "--progress-spinner=off", "--format=json"]
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", "-s", "osv", *options, "-r", requirements, *words],
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        answers = json.loads(done.stdout)["dependencies"]
    except ValueError:
        sys.stderr.write(
            "the dependencies were not audited: the audit needs a network that reaches the list "
            f"of vulnerabilities ({(done.stderr.splitlines() or ['no answer'])[-1][:300]})\n"
        )
        return UNREACHED
    known = [
        f"{each['name']} {each['version']}: {hit['id']}"
        for each in answers
        for hit in each.get("vulns", ())
    ]
    missed = [f"{each['name']}: {each['skip_reason']}" for each in answers if "skip_reason" in each]
    lines = [
        *known,
        *missed,
        f"{len(answers)} packages audited, {len(known)} vulnerabilities known",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return int(bool(known or missed))


if __name__ == "__main__":
    sys.exit(audit(Path(sys.argv[1]), sys.argv[2:]))
