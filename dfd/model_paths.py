"""Where things lie: the shipped bundles, and the model that a user names. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from dfd.errors import BundleError
from dfd.modalities import MODALITIES

_QUOTES = "'\""
_BUNDLE_MARK = Path("configs", "inference.json")
"""What a folder must hold to be taken for a bundle."""


def bundles_dir() -> Path:
    """Folder that holds the shipped bundles.

    Beside the code in a checkout, inside the package when installed.

    Raises:
        BundleError: Where neither is there.
    """
    package = Path(__file__).resolve().parent
    installed = package / "bundles"
    if installed.is_dir():
        return installed
    checkout = package.parent / "bundles"
    # Beside an installed package there may be a folder `bundles` of somebody else; only a checkout
    # has a pyproject.toml there.
    if checkout.is_dir() and (package.parent / "pyproject.toml").is_file():
        return checkout
    raise BundleError(
        f"the shipped models are missing from {installed}; install deepfakes-detector again"
    )


def bundle_names() -> tuple[str, ...]:
    """Names of the shipped bundles, sorted; empty where there are none."""
    return tuple(
        sorted(folder.parent.parent.name for folder in bundles_dir().glob(f"*/{_BUNDLE_MARK}"))
    )


def bundle_dir(name: str) -> Path:
    """Folder of one shipped bundle.

    Raises:
        BundleError: Where no shipped bundle has this name.
    """
    names = bundle_names()
    if name not in names:
        raise BundleError(
            f"no shipped model is called {name!r}; there are: {', '.join(names) or 'none'}"
        )
    return bundles_dir() / name


def resolve_model(text: str) -> Path:
    """Folder of the bundle, or the model file, that a user's words mean.

    The exact name of a shipped bundle always means the shipped one: a folder of that name among the
    scans must not replace it, since a bundle's configuration is code. Otherwise the words are
    looked up as they stand and with quotes stripped and ``~`` expanded (both relative to the
    working folder), then the last part by name among the shipped models (``CT_InPainting.ckpt``,
    ``MRI_InPainting.ckpt``).

    Raises:
        BundleError: Where nothing is found, or a folder is no bundle; names what was tried and what
            is shipped.
    """
    bare = text.strip().strip(_QUOTES).strip()
    if bare in _bundles_of_modalities():
        return bundle_dir(bare)
    tried = list(dict.fromkeys(Path(words) for words in (text, bare) if words.strip()))
    for path in map(_expanded, tried):
        if _exists(path):
            return _model_at(path)
    checkpoints = {modality.checkpoint: modality.bundle for modality in MODALITIES.values()}
    name = Path(bare).name
    if name in checkpoints:
        return bundle_dir(checkpoints[name])
    shipped = ", ".join([*_bundles_of_modalities(), *checkpoints])
    places = " and ".join(str(Path.cwd() / _expanded(path)) for path in tried) or "an empty name"
    raise BundleError(
        f"no model {bare!r}: tried {places} and the names of the shipped models, which are "
        f"{shipped}"
    )


def _bundles_of_modalities() -> tuple[str, ...]:
    return tuple(modality.bundle for modality in MODALITIES.values())


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # `~somebody` who has no home here
        return path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long for the file system, a folder that may not be entered
        return False


def _model_at(path: Path) -> Path:
    if path.is_dir() and not (path / _BUNDLE_MARK).is_file():
        raise BundleError(
            f"the folder {path} is not a bundle: it has no {_BUNDLE_MARK}; name a bundle "
            "folder or a model file"
        )
    return path
