"""Reads a bundle and verifies all of it."""

import contextlib
import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from adscore.bundle.contents import (
    FORMAT_VERSION,
    GOLDEN,
    HEAD,
    HEADLINE_ENCODER,
    IMAGE_ENCODER,
    MANIFEST,
    READABLE_FORMATS,
    Bundle,
    FormatVersion,
    Manifest,
    ManifestFile,
    manifest_digest,
)
from adscore.bundle.validate import validate_graph, validate_manifest
from adscore.errors import BundleError

MAX_MANIFEST_BYTES = 16 * 1024 * 1024
MAX_FILE_BYTES = 2 * 1024**3  # the limit of Protocol Buffers, and so of ONNX
_MAX_FILES = 100
# Larger files are hashed before they are read into memory, so that a corrupt one takes none.
_HASHED_FIRST_BYTES = 64 * 1024 * 1024

# Given the folder and the SHA-256 of its files by name, manifest included, before any other file
# is read; raises BundleError.
BundleCheck = Callable[[Path, Mapping[str, str]], None]


def read_bundle(path: Path, check: BundleCheck | None = None) -> Bundle:
    """Reads one version's folder and verifies its format and every checksum.

    Nothing in a folder is trusted: files must be regular, of bounded size and inside it, and
    graphs must not refer to other files.

    Args:
        path: The folder.
        check: A further requirement, such as a signature.

    Raises:
        BundleError: The folder is not a bundle, has another format or an invalid manifest, lacks
            a file, or holds one that was changed; or the check refused it.
    """
    data = read_regular_file(path / MANIFEST, MAX_MANIFEST_BYTES)
    document = _parse_manifest_file(path / MANIFEST, data)
    if check is not None:
        check(path, {MANIFEST: hashlib.sha256(data).hexdigest(), **document.sha256})
    manifest = _parse_manifest(path / MANIFEST, document)
    files = {
        name: _read_checked(path / name, expected) for name, expected in document.sha256.items()
    }
    for name, contents in files.items():
        if name.endswith(".onnx"):
            validate_graph(path / name, contents)
    return Bundle(*location_of(path), manifest, files)


def location_of(path: Path) -> tuple[str, str]:
    """Name and version of the model in a folder.

    A link keeps its own name, which gives the version.
    """
    named = Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow it
    return named.parent.name, named.name


def read_manifest(path: Path) -> Manifest:
    """Reads the manifest of a bundle and no other file.

    Args:
        path: One version's folder.

    Raises:
        BundleError: The folder is not a bundle, or has another format or an invalid manifest.
    """
    data = read_regular_file(path / MANIFEST, MAX_MANIFEST_BYTES)
    return _parse_manifest(path / MANIFEST, _parse_manifest_file(path / MANIFEST, data))


def read_regular_file(path: Path, max_bytes: int) -> bytes:
    """Reads a file of an untrusted folder without blocking on a pipe.

    Raises:
        BundleError: It cannot be read, is not a regular file, is too large, or is a link to one
            outside its folder.
    """
    with _opened(path, max_bytes) as (file, size):
        return file.read(size)


def _read_checked(path: Path, sha256: str) -> bytes:
    with _opened(path, MAX_FILE_BYTES) as (file, size):
        if size > _HASHED_FIRST_BYTES:
            _require_digest(path, hashlib.file_digest(file, "sha256").hexdigest(), sha256)
            file.seek(0)
        data = file.read(size)
    _require_digest(path, hashlib.sha256(data).hexdigest(), sha256)
    return data


def _require_digest(path: Path, received: str, expected: str) -> None:
    if received != expected:
        raise BundleError(
            f"{path}: the file was changed after the model was written: expected "
            f"SHA-256 {expected}. Received: {received}. Restore the folder or train again"
        )


@contextlib.contextmanager
def _opened(path: Path, max_bytes: int) -> Iterator[tuple[io.BufferedReader, int]]:
    """The open file and its size in bytes."""
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(path.parent.resolve()):
            raise BundleError(f"{path}: expected a file of the folder. Received: a link out of it")
        # Without O_NONBLOCK, opening a pipe would wait for its writer.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
        with open(real, "rb", opener=lambda name, _: os.open(name, flags)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BundleError(f"{path}: expected a regular file. Received: another kind")
            if status.st_size > max_bytes:
                raise BundleError(
                    f"{path}: expected at most {max_bytes} bytes. Received: {status.st_size}"
                )
            yield file, status.st_size
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    except RuntimeError as error:  # Path.resolve before Python 3.13
        raise BundleError(f"{path}: cannot be read: a link to itself") from error


def _needed(manifest: Manifest) -> set[str]:
    """Files that a model must have, given what it reads and predicts."""
    needed = {GOLDEN}
    if manifest.limits.max_headline_characters:
        needed.add(HEADLINE_ENCODER)  # only the graph tells whether it reads tokens
    if manifest.limits.image_formats:
        needed.add(IMAGE_ENCODER)
    if manifest.targets:
        needed.add(HEAD)
    return needed


def _parse_manifest_file(path: Path, data: bytes) -> ManifestFile:
    try:
        received = msgspec.json.decode(data, type=FormatVersion).format_version
        if received not in READABLE_FORMATS:
            versions = " or ".join(map(str, READABLE_FORMATS))
            raise BundleError(
                f"{path}: expected format version {versions}. Received: {received}. "
                f"{'Install a newer adscore' if received > FORMAT_VERSION else 'Train again'}"
            )
        document = msgspec.json.decode(data, type=ManifestFile)
        if manifest_digest(document.manifest) != document.manifest_sha256:
            raise BundleError(
                f"{path}: the file was changed after the model was written. Restore the folder "
                "or train again"
            )
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BundleError(f"{path}: expected a bundle's manifest. Received: {error}") from error
    if len(document.sha256) > _MAX_FILES:
        raise BundleError(f"{path}: expected at most {_MAX_FILES} files. Received: more")
    for name in document.sha256:
        if Path(name).name != name or name in ("", "..") or "\0" in name:
            raise BundleError(f"{path}: expected file names. Received: {name!r}")
    return document


def _parse_manifest(path: Path, document: ManifestFile) -> Manifest:
    try:
        manifest = msgspec.json.decode(document.manifest, type=Manifest)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BundleError(f"{path}: expected a bundle's manifest. Received: {error}") from error
    validate_manifest(path, manifest)
    missing = _needed(manifest) - document.sha256.keys()
    if missing:
        raise BundleError(f"{path}: expected a checksum of {', '.join(sorted(missing))}")
    return manifest
