"""Reading a bundle and verifying all of it."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from adscore.bundle.contents import (
    FORMAT_VERSION,
    GOLDEN,
    HEAD,
    HEADLINE_ENCODER,
    IMAGE_ENCODER,
    MANIFEST,
    TOKENIZER,
    Bundle,
    FormatVersion,
    Manifest,
    ManifestFile,
    manifest_digest,
)
from adscore.errors import BundleError

# Told the folder and the contents of its files, manifest included; raises BundleError.
BundleCheck = Callable[[Path, Mapping[str, bytes]], None]


def read_bundle(path: Path, check: BundleCheck | None = None) -> Bundle:
    """Reads one version's folder and verifies its format and every checksum.

    Args:
        path: The folder.
        check: What else is asked of it, for instance a signature.

    Raises:
        BundleError: The folder is not a bundle, is of another format, lacks a file, or
            holds one that was changed; or the check refused it.
    """
    data = _read_file(path / MANIFEST)
    document, manifest = _parse_manifest(path / MANIFEST, data)
    files = {}
    for name, expected in document.sha256.items():
        if Path(name).name != name or name in ("", "..") or "\0" in name:
            raise BundleError(f"{path / MANIFEST}: expected file names. Received: {name!r}")
        files[name] = _read_file(path / name)
        received = hashlib.sha256(files[name]).hexdigest()
        if received != expected:
            raise BundleError(
                f"{path / name}: the file was changed after the model was written: expected "
                f"SHA-256 {expected}. Received: {received}. Restore the folder or train again"
            )
    missing = _needed(manifest) - files.keys()
    if missing:
        raise BundleError(f"{path / MANIFEST}: expected a checksum of {', '.join(sorted(missing))}")
    if check is not None:
        check(path, {MANIFEST: data, **files})
    # A link keeps its own name: it stands for the version that it is called.
    named = Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow it
    return Bundle(named.parent.name, named.name, manifest, files)


def _needed(manifest: Manifest) -> set[str]:
    """Files that a model must have, by what it reads and predicts."""
    needed = {GOLDEN}
    if manifest.limits.max_headline_characters:
        needed |= {HEADLINE_ENCODER, TOKENIZER}
    if manifest.limits.image_formats:
        needed.add(IMAGE_ENCODER)
    if manifest.targets:
        needed.add(HEAD)
    return needed


def _parse_manifest(path: Path, data: bytes) -> tuple[ManifestFile, Manifest]:
    try:
        received = msgspec.json.decode(data, type=FormatVersion).format_version
        if received != FORMAT_VERSION:
            raise BundleError(
                f"{path}: expected format version {FORMAT_VERSION}. Received: {received}. "
                f"{'Install a newer adscore' if received > FORMAT_VERSION else 'Train again'}"
            )
        document = msgspec.json.decode(data, type=ManifestFile)
        if manifest_digest(document.manifest) != document.manifest_sha256:
            raise BundleError(
                f"{path}: the file was changed after the model was written. Restore the folder "
                "or train again"
            )
        return document, msgspec.json.decode(document.manifest, type=Manifest)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BundleError(f"{path}: expected a bundle's manifest. Received: {error}") from error


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
