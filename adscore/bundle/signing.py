"""Signs bundles and verifies signatures, with OpenSSF model signing and elliptic-curve keys.

A signature covers manifest.json, every file that has a checksum in it, and the model's name, which
is the subject of its statement: `adscore/NAME`. adscore 0.1 put the version number there, so that
a model could be served under another's name. The signature is stored beside them as `model.sig`. It
does not cover `report.html`, which an owner may delete. The command of model signing also verifies
all but the name: ``model_signing verify key MODEL --signature MODEL/model.sig --public_key FILE``.
"""

import copy
import logging
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import msgspec
from model_signing import hashing, manifest, signing, verifying
from model_signing._hashing.hashing import Digest  # in its manifests, without a public name

from adscore.bundle.contents import REPORT
from adscore.bundle.read import location_of, read_bundle, read_regular_file
from adscore.errors import BundleError, SigningError

SIGNATURE = "model.sig"
_MAX_SIGNATURE_BYTES = 1024 * 1024

_UNSIGNED = (SIGNATURE, REPORT)
_SUBJECT = "adscore/"

_logger = logging.getLogger(__name__)


def sign_bundle(path: Path, private_key: Path) -> Path:
    """Signs one version's folder; replaces an existing signature.

    Args:
        path: The folder.
        private_key: File of the private key: elliptic curve P-256, P-384 or P-521, PEM, without
            a passphrase.

    Returns:
        The signature's file.

    Raises:
        BundleError: The folder is not a whole bundle, or holds other files.
        SigningError: The key cannot be read, or is of another kind.
        OSError: The signature cannot be written.
    """
    digests: dict[str, str] = {}
    bundle = read_bundle(path, lambda _, sha256: digests.update(sha256))
    _require_no_other_files(path, digests)
    try:
        signer = signing.Config().use_elliptic_key_signer(private_key=private_key)
    except Exception as error:  # its libraries have no common base class
        raise _bad_key("private", private_key, error) from error
    partial = path / f".{SIGNATURE}.partial"
    try:
        signer.set_hashing_config(_KnownHashes(digests, bundle.name)).sign(path, partial)
        return partial.replace(path / SIGNATURE)
    finally:
        partial.unlink(missing_ok=True)


class SignatureCheck:
    """Checks bundles for the signature of one key; a `read_bundle` check.

    Args:
        public_key: File of the public key, PEM; read once.

    Raises:
        SigningError: The key cannot be read, or is of another kind.
    """

    def __init__(self, public_key: Path) -> None:
        try:
            self._verifier = verifying.Config().use_elliptic_key_verifier(public_key=public_key)
        except Exception as error:  # its libraries have no common base class
            raise _bad_key("public", public_key, error) from error

    def __call__(self, path: Path, sha256: Mapping[str, str]) -> None:
        """Verifies the checksums of a folder's files, which are then read and compared.

        Raises:
            BundleError: It is unsigned, signed with another key or as another model, or was changed
                since.
        """
        signature = path / SIGNATURE
        if not signature.is_file():
            raise BundleError(
                f"{path}: expected a signature, {SIGNATURE} (adscore sign). Received: none"
            )
        data = read_regular_file(signature, _MAX_SIGNATURE_BYTES)
        _require_no_other_files(path, sha256)
        name = location_of(path)[0]
        try:
            # A copy, so that a check on another thread does not get these checksums.
            verifier = copy.copy(self._verifier).set_hashing_config(_KnownHashes(sha256, name))
            with tempfile.TemporaryDirectory() as folder:  # verify exactly the bytes that were read
                kept = Path(folder) / SIGNATURE
                kept.write_bytes(data)
                verifier.verify(path, kept)
            signed = _subject(data)
        except Exception as error:  # any error of a signature refuses the bundle
            raise BundleError(
                f"{signature}: expected the signature of these files by the required key. "
                f"Received: {_cause(error, sha256)}"
            ) from error
        if not signed.startswith(_SUBJECT):
            _logger.warning(
                "%s names no model, as those of adscore 0.1: whoever writes to the folder can have "
                "it served under any name. Sign it again: adscore sign",
                signature,
            )
        elif signed != _SUBJECT + name:
            raise BundleError(
                f"{signature}: expected the signature of model {name!r}. Received: that of model "
                f"{signed.removeprefix(_SUBJECT)!r}. Give the folder its name, or sign it again"
            )


class _Envelope(msgspec.Struct):
    payload: bytes


class _Signature(msgspec.Struct):
    envelope: _Envelope = msgspec.field(name="dsseEnvelope")


class _Subject(msgspec.Struct):
    name: str


class _Statement(msgspec.Struct):
    subject: list[_Subject]


def _subject(signature: bytes) -> str:
    """The subject of a verified signature."""
    payload = msgspec.json.decode(signature, type=_Signature).envelope.payload
    return msgspec.json.decode(payload, type=_Statement).subject[0].name


class _KnownHashes(hashing.Config):
    """Passes known checksums of a folder's files to model signing, so that it reads none."""

    def __init__(self, sha256: Mapping[str, str], model: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._sha256, self._model = sha256, model

    def hash(
        self,
        model_path: hashing.PathLike,  # noqa: ARG002
        *,
        files_to_hash: Iterable[hashing.PathLike] | None = None,  # noqa: ARG002
    ) -> manifest.Manifest:
        kind = manifest.SerializationType.from_args(
            {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": list(_UNSIGNED),
            }
        )
        items = [
            kind.new_item(name, Digest("sha256", bytes.fromhex(sha256)))
            for name, sha256 in self._sha256.items()
        ]
        return manifest.Manifest(_SUBJECT + self._model, items, kind)


def _require_no_other_files(path: Path, files: Collection[str]) -> None:
    others = sorted({entry.name for entry in path.iterdir()} - {*files, *_UNSIGNED})
    if others:
        raise BundleError(
            f"{path}: expected the model's own files alone. Received also: {', '.join(others)}"
        )


def _cause(error: Exception, files: Iterable[str]) -> str:
    """Why a signature fails; names files that differ, without their digests."""
    text = str(error).strip() or type(error).__name__
    differing = [name for name in files if name in text]
    if text.startswith("Signature mismatch") and differing:
        return f"that of other contents of {', '.join(differing)}"
    return text


def _bad_key(kind: str, path: Path, error: Exception) -> SigningError:
    return SigningError(
        f"expected a {kind} key, elliptic curve P-256, P-384 or P-521, PEM, without a passphrase. "
        f"Received: {path}: {str(error).strip() or type(error).__name__}"
    )
