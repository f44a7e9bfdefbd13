"""The folders of a model's versions."""

import os
from pathlib import Path

from adscore.bundle.contents import MANIFEST
from adscore.errors import BundleError


def is_version(name: str) -> bool:
    """Whether a folder's name is a version: a number, written as `str` writes it."""
    return name.isascii() and name.isdigit() and (name == "0" or not name.startswith("0"))


def list_versions(model_dir: Path) -> list[int]:
    """The versions under a model's folder, oldest first; other entries do not count."""
    if not model_dir.is_dir():
        return []
    names = (entry.name for entry in model_dir.iterdir() if entry.is_dir())
    return sorted(int(name) for name in names if is_version(name))


def resolve_bundle(path: Path) -> Path:
    """Resolves a path to a bundle: itself, or the newest version in a model's folder.

    Raises:
        BundleError: The path is neither.
    """
    if (path / MANIFEST).is_file():
        return path
    versions = list_versions(path)
    if not versions:
        raise BundleError(
            f"expected a model's folder with a version in it, or one version's folder "
            f"(with {MANIFEST}). Received: {path}, which "
            f"{'has neither' if path.is_dir() else 'is not a folder'}"
        )
    return path / str(versions[-1])


def require_model_dir(path: Path) -> None:
    """Checks that a version can be written under a folder, before it is trained.

    Raises:
        BundleError: It is a file, one version's folder, or may not be written to.
    """
    if (path / MANIFEST).exists():
        raise BundleError(
            f"expected a model's folder, under which versions are written. Received: {path}, "
            "which is one version"
        )
    existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        problem = "may not be written to" if existing.is_dir() else "is a file"
        raise BundleError(f"expected a model's folder. Received: {path}; {existing} {problem}")
