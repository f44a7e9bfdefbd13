"""Writes a bundle atomically."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from adscore.bundle.contents import (
    FORMAT_VERSION,
    MANIFEST,
    Manifest,
    ManifestFile,
    manifest_digest,
)
from adscore.bundle.folder import is_version


def write_bundle(model_dir: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    """Writes the next version into a model's folder, all or nothing.

    Args:
        model_dir: The model's folder; created if missing.
        manifest: The bundle's manifest.
        files: Contents by file name, the manifest excluded.

    Returns:
        The new bundle's folder.

    Raises:
        OSError: A file cannot be written; no part of the version remains.
    """
    model_dir.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=model_dir))
    try:
        sha256 = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
        encoded = msgspec.Raw(msgspec.json.encode(manifest))
        document = msgspec.json.encode(
            ManifestFile(FORMAT_VERSION, encoded, manifest_digest(encoded), sha256)
        )
        _write_all(partial, {**files, MANIFEST: msgspec.json.format(document, indent=2)})
        partial.chmod(0o755)  # mkdtemp makes folders for the owner only
        return _rename_to_next_version(partial, model_dir)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        with (folder / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _rename_to_next_version(partial: Path, model_dir: Path) -> Path:
    """Takes the next free number; a training that ends at the same time takes another."""
    while True:
        # A file of that name occupies the number too.
        taken = [int(entry.name) for entry in model_dir.iterdir() if is_version(entry.name)]
        target = model_dir / str(max(taken, default=0) + 1)
        try:
            return partial.rename(target)
        except OSError:
            if not os.path.lexists(target):
                raise
