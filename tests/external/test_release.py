"""What a release consists of: wheel, source archive, packed bundles and bill of materials."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import dfd
from dfd.model_paths import bundle_dir, bundle_names
from tests.external.environments import ROOT, environment

RELEASE = ROOT / "apps" / "release"
LIMIT_S = 600
UNREACHED = 75


@pytest.fixture(scope="module")
def python() -> Path:
    """With the programs that a release is made with."""
    return environment(RELEASE / "requirements.txt")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last commit in another folder, with files of another time."""
    folder = tmp_path_factory.mktemp("elsewhere") / "a copy"
    run(["git", "clone", "--quiet", ROOT, folder], ROOT)
    for path in folder.rglob("*"):
        if ".git" not in path.parts:
            os.utime(path, (1_000_000_000, 1_000_000_000))
    return folder


@pytest.fixture(scope="module")
def made(python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Wheel and source archive of the last commit, by their suffix."""
    return distributions(python, ROOT, tmp_path_factory.mktemp("dist"))


def run(words: Sequence[object], cwd: Path, **variables: str) -> str:
    done = ended(words, cwd, **variables)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def ended(words: Sequence[object], cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env=kept | {"OMP_NUM_THREADS": "1"} | variables,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def distributions(python: Path, checkout: Path, target: Path) -> dict[str, Path]:
    told = run([python, checkout / "apps" / "release" / "distributions.py", target], target)
    return {Path(line).suffix: Path(line) for line in told.splitlines()}


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_wheel_and_source_are_the_same_from_another_folder_at_another_time(
    python: Path, made: dict[str, Path], elsewhere: Path, tmp_path: Path
) -> None:
    again = distributions(python, elsewhere, tmp_path)
    assert {path.name for path in again.values()} == {
        f"deepfakes_detector-{dfd.__version__}-py3-none-any.whl",
        f"deepfakes_detector-{dfd.__version__}.tar.gz",
    }
    assert {name: digest(path) for name, path in again.items()} == {
        name: digest(path) for name, path in made.items()
    }


def test_the_source_names_no_user(made: dict[str, Path]) -> None:
    with tarfile.open(made[".gz"]) as archive:
        entries = archive.getmembers()
    assert len(entries) > 300
    assert {(each.uid, each.gid, each.uname, each.gname) for each in entries} == {(0, 0, "", "")}
    assert len({each.mtime for each in entries}) == 1


def test_the_index_would_take_them_and_render_the_readme(
    python: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    run([python, "-m", "twine", "check", "--strict", *made.values()], tmp_path)


def test_a_readme_that_does_not_render_is_seen(
    python: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    with tarfile.open(made[".gz"]) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (folder,) = (tmp_path / "source").iterdir()
    head, _ = (folder / "PKG-INFO").read_text(encoding="utf-8").split("\n\n", 1)
    assert "text/markdown" in head
    text = head.replace("text/markdown", "text/x-rst") + "\n\nTitle\n==\n\n.. nothing::\n"
    (folder / "PKG-INFO").write_text(text, encoding="utf-8")
    with tarfile.open(tmp_path / made[".gz"].name, "w:gz") as archive:
        archive.add(folder, folder.name)
    done = ended([python, "-m", "twine", "check", "--strict", *tmp_path.glob("*.gz")], tmp_path)
    assert done.returncode == 1
    assert "syntax errors in markup" in done.stdout


@pytest.mark.parametrize("kind", [".whl", ".gz"])
def test_it_runs_in_an_empty_environment(kind: str, made: dict[str, Path], tmp_path: Path) -> None:
    """Its requirements lie in this environment: they are gigabytes, and not what is tested."""
    venv.create(tmp_path / "empty", with_pip=False, symlinks=True)
    (packages,) = (tmp_path / "empty").glob("lib/python*/site-packages")
    (packages / "requirements.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = tmp_path / "empty" / "bin" / "python"
    words = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed"]
    run([command, *words, "--no-build-isolation", made[kind]], tmp_path)
    program = tmp_path / "empty" / "bin" / "dfd"
    assert run([program, "--version"], tmp_path).strip() == f"dfd {dfd.__version__}"
    told = run([program, "info"], tmp_path)
    assert told.count(f"model: {packages / 'dfd' / 'bundles'}") == len(bundle_names())
    assert "signature: holds" in told
    if kind == ".whl":  # the other one holds the same code
        run([program, "demo", "--output", tmp_path / "demo"], tmp_path)
        assert (tmp_path / "demo" / "results" / "scores.csv").is_file()


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_its_requirements_can_be_had(version: str, made: dict[str, Path], tmp_path: Path) -> None:
    """On an index, in the pinned releases, for each Python that it says it supports."""
    resolved(tmp_path, ["--python-version", version, "-c", ROOT / "constraints.txt", made[".whl"]])


@pytest.mark.parametrize("name", bundle_names())
def test_what_the_model_zoo_installs_for_a_bundle_can_be_had(
    name: str, made: dict[str, Path], tmp_path: Path
) -> None:
    """The package itself lies beside it, as if it were on the index already."""
    about = json.loads((bundle_dir(name) / "configs" / "metadata.json").read_text("utf-8"))
    core = {
        "monai": about["monai_version"],
        "torch": about["pytorch_version"],
        "numpy": about["numpy_version"],
    }
    pins = [f"{key}=={value}" for key, value in (core | about["required_packages_version"]).items()]
    resolved(tmp_path, ["--find-links", made[".whl"].parent, *pins])


def resolved(folder: Path, words: Sequence[object]) -> None:
    """Pip finds a set of releases; skipped where it reaches no index."""
    options = ["--quiet", "--dry-run", "--ignore-installed", "--only-binary=:all:", "--retries=1"]
    done = ended(
        [sys.executable, "-m", "pip", "install", *options, "--target", folder / "none", *words],
        folder,
    )
    if "NewConnectionError" in done.stderr or "ConnectTimeoutError" in done.stderr:
        pytest.skip("pip reaches no index here")
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_packed_bundles_are_the_same_from_another_folder_at_another_time(
    elsewhere: Path, tmp_path: Path
) -> None:
    digests = []
    for number, checkout in enumerate((ROOT, elsewhere)):
        told = run(
            [sys.executable, checkout / "apps" / "bundles" / "pack.py", tmp_path / str(number)],
            tmp_path,
            PYTHONPATH=str(checkout),
            PYTHONHASHSEED=str(number + 5),
        )
        digests.append({Path(line).name: digest(Path(line)) for line in told.split()})
    assert len(digests[0]) == len(bundle_names())
    assert digests[0] == digests[1]


@pytest.fixture(scope="module")
def bill_file(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("bill") / "deepfakes-detector.cdx.json"
    make_bill(python, target)
    return target


def make_bill(python: Path, target: Path) -> None:
    words = [python, RELEASE / "sbom.py", target, "--python", sys.executable]
    run(words, target.parent, SOURCE_DATE_EPOCH="1700000000")


@pytest.fixture(scope="module")
def bill(bill_file: Path) -> dict[str, Any]:
    return json.loads(bill_file.read_text(encoding="utf-8"))


def licences(part: dict[str, Any]) -> str:
    return json.dumps(part.get("licenses", []))


def test_the_bill_names_the_project_and_what_it_requires(bill: dict[str, Any]) -> None:
    subject = bill["metadata"]["component"]
    assert (subject["name"], subject["version"]) == ("deepfakes-detector", dfd.__version__)
    assert "Apache-2.0" in licences(subject)
    parts = {part["name"]: part for part in bill["components"]}
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    )
    for name, licence in (("torch", "BSD-3-Clause"), ("monai", "Apache"), ("pydicom", "MIT")):
        assert parts[name]["version"].split("+")[0] == pins[name]
        assert licence in licences(parts[name])
    assert [name for name, part in parts.items() if not part.get("licenses")] == []
    assert not parts.keys() & {"pytest", "mypy", "highdicom"}  # neither needed nor asked for


def test_the_bill_names_the_weights(bill: dict[str, Any]) -> None:
    models = {
        part["name"]: part["hashes"]
        for part in bill["components"]
        if part["type"] == "machine-learning-model"
    }
    assert models == {
        name: [{"alg": "SHA-256", "content": digest(bundle_dir(name) / "models" / "model.pt")}]
        for name in bundle_names()
    }
    edges = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    subject = bill["metadata"]["component"]["bom-ref"]
    assert {part for part in edges[subject] if part.split("==")[0] in models}


def test_the_bill_is_the_same_at_another_time(
    python: Path, bill_file: Path, tmp_path: Path
) -> None:
    make_bill(python, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == bill_file.read_bytes()


def test_a_bill_that_breaks_the_schema_is_refused(python: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import sbom\n"
        "class Broken(sbom.JsonV1Dot6):\n"
        "    def output_as_string(self, **words):\n"
        "        return super().output_as_string(**words).replace('CycloneDX', 'Other')\n"
        "sbom.JsonV1Dot6 = Broken\n"
        "sbom.write(sbom.Bom(), sbom.Path(sys.argv[2]))\n"
    )
    done = ended([python, "-c", code, RELEASE, tmp_path / "bill.json"], tmp_path)
    assert done.returncode == 1
    assert "does not follow its schema" in done.stderr
    assert not (tmp_path / "bill.json").exists()


class Vulnerabilities(BaseHTTPRequestHandler):
    """Knows of one, in one version of one package."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = asked["package"]["name"] == "jinja2" and asked["version"] == "2.4"
        answer = json.dumps({"vulns": [FAULT]} if known else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


FAULT = {"id": "TEST-1", "summary": "a fault", "affected": []}


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Vulnerabilities) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def audited(
    python: Path, folder: Path, version: str, words: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    parts = [
        {"name": "jinja2", "version": version, "purl": f"pkg:pypi/jinja2@{version}"},
        {"name": "torch", "version": "2.13.0+cpu", "purl": "pkg:pypi/torch@2.13.0%2Bcpu"},
        {"name": "a_model", "version": "1"},
    ]
    (folder / "bill.json").write_text(json.dumps({"components": parts}))
    return ended(
        [python, RELEASE / "audit.py", folder / "bill.json", "--cache-dir", folder / "c", *words],
        folder,
    )


@pytest.mark.parametrize(("version", "code"), [("2.4", 1), ("3.1.6", 0)])
def test_an_audit_says_what_is_known(
    python: Path, address: str, tmp_path: Path, version: str, code: int
) -> None:
    done = audited(python, tmp_path, version, ["--osv-url", address])
    assert done.returncode == code, done.stderr
    assert ("jinja2 2.4: TEST-1" in done.stdout) == bool(code)
    assert f"2 packages audited, {code} vulnerabilities known" in done.stdout


def test_an_audit_without_the_list_is_none(python: Path, tmp_path: Path) -> None:
    done = audited(python, tmp_path, "3.1.6", ["--osv-url", "http://127.0.0.1:9"])
    assert done.returncode == UNREACHED
    assert "were not audited: the audit needs a network" in done.stderr
    assert not done.stdout


def test_make_has_a_target_for_each_part() -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for target in ("dist", "sbom", "audit", "bundles"):
        run(["make", "--dry-run", target], ROOT)
