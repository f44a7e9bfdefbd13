"""The bundle: a trained model as a folder, `NAME/VERSION/`, that can be checked and trusted.

    manifest.json           what the model is, and the SHA-256 of every other file
    headline_encoder.onnx   headline inputs -> embedding
    image_encoder.onnx      pixels -> embedding
    head.onnx               embeddings -> mean and concentration of each target
    tokenizer.json          headline -> token ids
    golden.json             a few creatives with their scores, scored again at every load
    model.keras             what was trained of it, for Keras: with frozen encoders, all but these
    training_groups.txt     digests of the groups it has seen, so that evaluation can avoid them
    MODEL_CARD.md           the same for a person

There are no pickles. A bundle is written under a temporary name and renamed, so that
whoever polls the folder sees all of it or nothing.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from adscore.creative import InputLimits
from adscore.errors import BundleError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
HEADLINE_ENCODER = "headline_encoder.onnx"
IMAGE_ENCODER = "image_encoder.onnx"
HEAD = "head.onnx"
TOKENIZER = "tokenizer.json"
GOLDEN = "golden.json"
KERAS_MODEL = "model.keras"
TRAINING_GROUPS = "training_groups.txt"
MODEL_CARD = "MODEL_CARD.md"


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What the towers read.

    Attributes:
        headline_tokens: Number of token ids of a headline, padding included; with a frozen
            encoder, the number that it is cut to, special tokens included.
        image_height: Height of the image tower's input, in pixels.
        image_width: Width of the image tower's input, in pixels.
        image_resampling: How an image is stretched: a number of `PIL.Image.Resampling`.
        headline_padding_id: Id that fills up a headline.
        headline_padding_left: Whether padding stands before the headline, or after it.
        headlines_apart: Whether the text tower reads headlines one by one, because its
            arithmetic would let the others of a batch change a headline's embedding.
        ngram_buckets: Number of ids of the hashed n-grams; 0 for a tower that reads none.
    """

    headline_tokens: int
    image_height: int
    image_width: int
    image_resampling: int = 2
    headline_padding_id: int = 0
    headline_padding_left: bool = True
    headlines_apart: bool = False
    ngram_buckets: int = 0


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """How a model was trained.

    Attributes:
        preset: Name of the network, ``"default"`` or ``"baseline"``.
        creatives: Number of creatives used for fitting and early stopping.
        groups: Number of groups (campaigns) among them; 0 where the table had none.
        seed: Seed of split, initialisation and order.
        seconds: Duration of the training, preparation of the images included.
        epochs: Passes over the data until the kept weights.
        create_time: When the bundle was written, RFC 3339 in UTC.
        adscore_version: Version of adscore that wrote it.
        target_columns: By target, the columns it was learned from, as ``SUCCESSES/TRIALS`` or
            ``LABEL``.
        libraries: Versions of the libraries that made it, by name.
        encoders: Name of the frozen encoder of each tower, `headline` or `image`, that has one.
    """

    preset: str
    creatives: int
    groups: int
    seed: int
    seconds: float
    epochs: int
    create_time: str
    adscore_version: str
    target_columns: Mapping[str, str]
    libraries: Mapping[str, str]
    encoders: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself, apart from its checksums.

    Attributes:
        targets: Names of the predicted rates, in the order of the head's columns.
        limits: What the model accepts of a creative.
        preprocessing: What the towers read.
        reference: By target, the 0th to 100th percentiles of the predicted mean over the
            reference creatives, 101 rising numbers.
        training: How the model was trained.
        metrics: By target, figures on groups that were held out of training; None for a
            figure that has no meaning for the data.
    """

    targets: tuple[str, ...]
    limits: InputLimits
    preprocessing: Preprocessing
    reference: Mapping[str, tuple[float, ...]]
    training: TrainingSummary
    metrics: Mapping[str, Mapping[str, float | int | None]]


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """A creative and the scores that the model gave it when it was written.

    Attributes:
        headline: The headline.
        image: The image file, encoded.
        means: Predicted mean rate by target.
    """

    headline: str
    image: bytes
    means: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle read into memory, with every checksum verified.

    Attributes:
        name: Name of the model: its folder's name.
        version: Version of the model: the name of the bundle's own folder, a number.
        manifest: What it says of itself.
        files: Contents by file name, the manifest excluded.
    """

    name: str
    version: str
    manifest: Manifest
    files: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _ManifestFile:
    """manifest.json as it is written."""

    format_version: int
    manifest: Manifest
    sha256: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _FormatVersion:
    """The one entry of manifest.json that every format has."""

    format_version: int


def list_versions(model_dir: Path) -> list[int]:
    """The versions under a model's folder, oldest first; other entries do not count."""
    if not model_dir.is_dir():
        return []
    names = (entry.name for entry in model_dir.iterdir() if entry.is_dir())
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def resolve_bundle(path: Path) -> Path:
    """The bundle that a path means: itself, or the newest version under a model's folder.

    Raises:
        BundleError: There is neither.
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


def write_bundle(model_dir: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    """Writes the next version under a model's folder, all or nothing.

    Args:
        model_dir: The model's folder; made where it is missing.
        manifest: What the bundle says of itself.
        files: Contents by file name, the manifest excluded.

    Returns:
        The new bundle's folder.
    """
    model_dir.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=model_dir))
    try:
        sha256 = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
        document = msgspec.json.encode(_ManifestFile(FORMAT_VERSION, manifest, sha256))
        for name, data in {**files, MANIFEST: msgspec.json.format(document, indent=2)}.items():
            _write_durably(partial / name, data)
        partial.chmod(0o755)  # mkdtemp's folders are its owner's alone
        return _rename_to_next_version(partial, model_dir)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def read_bundle(path: Path) -> Bundle:
    """Reads one version's folder and verifies its format and every checksum.

    Raises:
        BundleError: The folder is not a bundle, is of another format, lacks a file, or
            holds one that was changed.
    """
    document = _read_manifest(path / MANIFEST)
    files = {}
    for name, expected in document.sha256.items():
        if Path(name).name != name:
            raise BundleError(f"{path / MANIFEST}: expected file names. Received: {name!r}")
        files[name] = _read_file(path / name)
        received = hashlib.sha256(files[name]).hexdigest()
        if received != expected:
            raise BundleError(
                f"{path / name}: the file was changed after the model was written: expected "
                f"SHA-256 {expected}. Received: {received}. Restore the folder or train again"
            )
    missing = {HEADLINE_ENCODER, IMAGE_ENCODER, HEAD, TOKENIZER, GOLDEN} - files.keys()
    if missing:
        raise BundleError(f"{path / MANIFEST}: expected a checksum of {', '.join(sorted(missing))}")
    resolved = path.resolve()
    return Bundle(resolved.parent.name, resolved.name, document.manifest, files)


def group_digest(group: str) -> str:
    """What `training_groups.txt` holds of a group: enough to recognise it, not to read it."""
    return hashlib.sha256(group.encode()).hexdigest()[:16]


def _read_manifest(path: Path) -> _ManifestFile:
    data = _read_file(path)
    try:
        received = msgspec.json.decode(data, type=_FormatVersion).format_version
        if received != FORMAT_VERSION:
            raise BundleError(
                f"{path}: expected format version {FORMAT_VERSION}. Received: {received}. "
                f"{'Install a newer adscore' if received > FORMAT_VERSION else 'Train again'}"
            )
        return msgspec.json.decode(data, type=_ManifestFile)
    except msgspec.MsgspecError as error:
        raise BundleError(f"{path}: expected a bundle's manifest. Received: {error}") from error


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _rename_to_next_version(partial: Path, model_dir: Path) -> Path:
    """Takes the next free number; a training that ends at the same moment takes another."""
    while True:
        target = model_dir / str(max(list_versions(model_dir), default=0) + 1)
        try:
            return partial.rename(target)
        except OSError:
            if not target.exists():
                raise
