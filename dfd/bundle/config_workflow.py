"""Builds and runs a bundle's workflows as its JSON says, through MONAI."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from monai.bundle import ConfigWorkflow

from dfd.errors import BundleError, DfdError


@contextmanager
def quiet_monai() -> Iterator[None]:
    """Silence MONAI, which warns of every config it parses and of every plug-in it misses."""
    # MONAI's modules set levels on loggers of their own, so each is named.
    names = [
        name
        for name in logging.root.manager.loggerDict
        if name.split(".")[0] in ("ignite", "monai")
    ]
    loud = [logging.getLogger(name) for name in (*names, "py.warnings")]
    levels = [log.level for log in loud]
    for log in loud:
        log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(loud, levels, strict=True):
            log.setLevel(level)


@contextmanager
def unwrapped() -> Iterator[None]:
    """MONAI wraps what its parts raise; callers are promised errors of this program as they are."""
    found: DfdError | None = None
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, DfdError):
            cause = cause.__cause__
        if cause is None:
            raise
        found = cause
    if found is not None:  # raised out here, so that it does not carry the wrapper along
        raise found


def run_config(bundle: Path, config: str, overrides: Mapping[str, object]) -> object:
    """Runs ``configs/<config>.json`` of a bundle and gives the last result of its run list.

    Raises:
        BundleError: an override names no key of the configuration.
        DfdError: what the parts of the workflow raise.
    """
    file = bundle / "configs" / f"{config}.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    for key in overrides:
        if key.split("::")[0] not in content:
            raise BundleError(
                f"{file} has no key {key!r}; it belongs to another version of this program."
            )
    with unwrapped(), quiet_monai():
        run_id = {"train": "training", "inference": "inference", "evaluate": "calibrating"}[config]
        workflow = ConfigWorkflow(
            config_file=str(file),
            meta_file=str(bundle / "configs" / "metadata.json"),
            logging_file=False,
            run_id=run_id,
            workflow_type="train" if config == "train" else "infer",
            bundle_root=str(bundle),
            **overrides,
        )
        workflow.initialize()
        result = workflow.run()
        workflow.finalize()
    return result[-1]
