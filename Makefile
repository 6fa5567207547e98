# make demo    a phantom study is made, tampered with and scored (about two minutes after installation)
# make test    lint, types and tests; with DFD_DATA=FOLDER also those on real scans
# make integration  tests against a browser, a PACS and other programs, which are installed where that can be done
# make image-test  builds the container image without a container engine and runs the platform's acceptance list in it (Debian, root)
# make bench   speed and memory
# make bench-scale  a run over a repository: planning, engine, memory, workers, report (an hour)
# make benchmark every attack and every baseline on the scans of DFD_DATA (hours, resumable; with --quick minutes)
# make bundles the two bundles as zip files under dist/, as committed and with the network as TorchScript
# make dist    wheel and source archive of the last commit, checked as the index would
# make sbom    the software bill of materials (CycloneDX) of the wheel and its requirements
# make audit   asks a public list of vulnerabilities about them (needs a network)
# make docs    the documentation as web pages, docs/_build/html/index.html (make test builds it too)
# make clean   what was built goes; .venv stays
#
# Options: PYTHON=python3.12 (3.11 to 3.13), TORCH_INDEX=URL (where CPU wheels of torch are offered), DFD_DATA=FOLDER, DFD_TEST_CACHE=FOLDER (~/.cache/deepfakes-detector-tests)

SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
TORCH_INDEX ?=
BIN := .venv/bin
STAMP := .venv/.installed
TORCH := $(shell grep '^torch==' constraints.txt)
PIP = $(BIN)/python -m pip install --quiet --constraint constraints.txt $(if $(TORCH_INDEX),--extra-index-url "$(TORCH_INDEX)")

RELEASE := .venv-release/bin
RELEASE_STAMP := .venv-release/.installed
SBOM := dist/deepfakes-detector.cdx.json

.PHONY: demo test integration image-test bench bench-scale benchmark bundles dist sbom audit docs clean
.DELETE_ON_ERROR:

demo: $(STAMP)
	$(BIN)/dfd demo --output demo_output

test: $(STAMP)
	$(BIN)/ruff check dfd tests benchmarks apps docs notebooks
	$(BIN)/mypy
	@test -n "$$DFD_DATA" || echo "DFD_DATA is not set: tests on real scans are left out (marked SKIPPED below); phantoms stand in"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

# Servers and browsers may stumble where processors are busy: what failed is tried once more, and the first failure stays visible above.
integration: $(STAMP)
	bash tests/external/programs.sh
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m external --durations=10 tests/external \
	    || { echo "trying what failed once more"; OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m external --last-failed --last-failed-no-failures none tests/external; }
	@test ! -e runs/entry_points.md || cat runs/entry_points.md

image-test: $(STAMP)
	bash tests/external/programs.sh
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m external --durations=5 tests/external/test_image.py

bench: $(STAMP)
	@$(BIN)/python -c "import onnxruntime" 2>/dev/null || $(PIP) --editable ".[dev,onnx]"
	$(BIN)/python -m benchmarks.speed.bench

bench-scale: $(STAMP)
	$(BIN)/python -m benchmarks.speed.repository_scale
	$(BIN)/python -m benchmarks.speed.repository_report

benchmark: $(STAMP)
	$(BIN)/python -m benchmarks.detection.benchmark --modality ct_lung
	$(BIN)/python -m benchmarks.detection.benchmark --modality mri_chest

bundles: $(STAMP)
	@$(BIN)/python apps/bundles/pack.py dist

dist: $(RELEASE_STAMP)
	@$(RELEASE)/python apps/release/distributions.py dist
	@$(RELEASE)/python -m twine --no-color check --strict dist/*.whl dist/*.tar.gz

# The time of the last commit, so that the same commit gives the same file.
sbom: $(STAMP) $(RELEASE_STAMP)
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(RELEASE)/python apps/release/sbom.py $(SBOM) --python $(BIN)/python

audit: sbom
	@$(RELEASE)/python apps/release/audit.py $(SBOM)

docs: $(STAMP)
	$(BIN)/python -m sphinx -q -W --keep-going -n docs docs/_build/html
	@echo "open docs/_build/html/index.html"

clean:
	rm -rf build dist demo_output docs/_build ./*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find dfd tests benchmarks bundles apps -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment that is there already is kept, and torch with it when it is the wanted release.
$(STAMP): pyproject.toml setup.py constraints.txt
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	    "$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	        || { echo "Python 3.11, 3.12 or 3.13 is needed and '$(PYTHON)' is none of them; pass PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	    echo "making the environment .venv with $(PYTHON)"; \
	    "$(PYTHON)" -m venv .venv || { echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu install python3-venv first" >&2; exit 1; }; \
	fi
	@if $(BIN)/python -c 'import sys; from importlib.metadata import version; sys.exit("torch==" + version("torch").split("+")[0] != sys.argv[1])' "$(TORCH)" 2>/dev/null; then \
	    echo "$(TORCH) is there already"; \
	elif command -v nvidia-smi >/dev/null 2>&1; then \
	    echo "installing $(TORCH) (a GPU is here)"; $(PIP) "$(TORCH)"; \
	elif echo "installing $(TORCH) for the CPU"; $(PIP) "$(TORCH)+cpu" 2>/dev/null; then :; \
	else \
	    echo "no CPU build of $(TORCH) is offered here: installing the usual one, which may be some gigabytes; TORCH_INDEX=URL names a place that offers it"; \
	    $(PIP) "$(TORCH)"; \
	fi
	@echo "installing deepfakes-detector and its tools"
	@$(PIP) --editable ".[dev]"
	@touch $@

# The programs of a release have an environment of their own: the package does not need them.
$(RELEASE_STAMP): apps/release/requirements.txt | $(STAMP)
	@test -x $(RELEASE)/python || $(BIN)/python -m venv .venv-release
	@$(RELEASE)/python -m pip install --quiet --requirement $<
	@touch $@
