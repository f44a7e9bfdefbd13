"""Models that are signed, and servers that ask for it; with throwaway keys."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("model_signing", reason="the extra `sign` is not installed")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from model_signing import hashing, signing, verifying

from adscore.bundle import read_bundle
from adscore.bundle.signing import SIGNATURE, SignatureCheck, sign_bundle
from adscore.creative import Creative
from adscore.errors import BundleError, SigningError


class KeyPair:
    """A private and a public key, as files."""

    def __init__(self, folder: Path, name: str, key: Any = None) -> None:
        key = key or ec.generate_private_key(ec.SECP256R1())
        self.private, self.public = folder / f"{name}.pem", folder / f"{name}.pub"
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        self.private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
        public = serialization.PublicFormat.SubjectPublicKeyInfo
        self.public.write_bytes(key.public_key().public_bytes(pem, public))


@pytest.fixture
def keys(tmp_path: Path) -> KeyPair:
    return KeyPair(tmp_path, "ours")


@pytest.fixture
def signed(copied_model: Path, keys: KeyPair) -> Path:
    """A signed version's folder."""
    sign_bundle(copied_model / "1", keys.private)
    return copied_model / "1"


def _change_a_file(version: Path) -> None:
    # With its checksum set right, so that only the signature tells.
    old = hashlib.sha256((version / "MODEL_CARD.md").read_bytes()).hexdigest()
    (version / "MODEL_CARD.md").write_bytes(b"another model")
    new = hashlib.sha256(b"another model").hexdigest()
    manifest = version / "manifest.json"
    manifest.write_text(manifest.read_text().replace(old, new))


def _remove_the_signature(version: Path) -> None:
    (version / SIGNATURE).unlink()


def _spoil_the_signature(version: Path) -> None:
    (version / SIGNATURE).write_text("{}")


def _add_a_file(version: Path) -> None:
    (version / "extra.onnx").write_bytes(b"")


def _take_the_signature_of_another(version: Path) -> None:
    other = version.parent / ".other"
    shutil.copytree(version, other)
    _change_a_file(other)
    (other / SIGNATURE).unlink()
    keys = KeyPair(version.parent.parent, "theirs")
    shutil.copy(sign_bundle(other, keys.private), version / SIGNATURE)
    shutil.rmtree(other)


def test_signed_bundle_passes(signed: Path, keys: KeyPair) -> None:
    bundle = read_bundle(signed, SignatureCheck(keys.public))
    assert bundle.files == read_bundle(signed).files
    assert SIGNATURE not in bundle.files


def test_report_may_be_deleted_or_added(signed: Path, keys: KeyPair) -> None:
    (signed / "report.html").unlink(missing_ok=True)
    read_bundle(signed, SignatureCheck(keys.public))
    (signed / "report.html").write_text("another page")
    read_bundle(signed, SignatureCheck(keys.public))


def test_tool_of_model_signing_agrees(signed: Path, keys: KeyPair) -> None:
    def verify() -> None:
        config = verifying.Config().use_elliptic_key_verifier(public_key=keys.public)
        config.verify(signed, signed / SIGNATURE)

    verify()
    (signed / "report.html").unlink(missing_ok=True)
    verify()
    (signed / "head.onnx").write_bytes(b"changed")
    with pytest.raises(ValueError, match=r"head\.onnx"):
        verify()


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (_remove_the_signature, r"expected a signature, model\.sig"),
        (_change_a_file, "other contents of .*MODEL_CARD.md"),
        (_add_a_file, r"own files alone\. Received also: extra\.onnx"),
        (_spoil_the_signature, r"model\.sig: expected the signature of these files"),
        (_take_the_signature_of_another, "Key mismatch"),
    ],
)
def test_bundle_that_is_not_as_it_was_signed_is_refused(
    signed: Path, keys: KeyPair, spoil: Callable[[Path], None], text: str
) -> None:
    spoil(signed)
    with pytest.raises(BundleError, match=text):
        read_bundle(signed, SignatureCheck(keys.public))


def test_bundle_of_another_key_is_refused(signed: Path, tmp_path: Path) -> None:
    other = KeyPair(tmp_path, "other")
    with pytest.raises(BundleError, match="Key mismatch"):
        read_bundle(signed, SignatureCheck(other.public))


def test_what_is_read_is_what_was_verified(signed: Path, keys: KeyPair) -> None:
    """A file that changes after the check is refused."""
    check = SignatureCheck(keys.public)

    def check_and_change(path: Path, sha256: Any) -> None:
        check(path, sha256)
        (signed / "head.onnx").write_bytes(b"changed meanwhile")

    with pytest.raises(BundleError, match=r"head\.onnx: the file was changed"):
        read_bundle(signed, check_and_change)


def test_signature_is_checked_before_large_files_are_read(signed: Path, keys: KeyPair) -> None:
    with (signed / "manifest.json").open("a") as file:
        file.write(" ")
    with (signed / "head.onnx").open("wb") as file:
        file.truncate(3 * 1024**3)
    with pytest.raises(BundleError, match=r"other contents of manifest\.json"):
        read_bundle(signed, SignatureCheck(keys.public))


def test_huge_signature_is_refused_by_its_size(signed: Path, keys: KeyPair) -> None:
    with (signed / SIGNATURE).open("wb") as file:
        file.truncate(1_000_000_000)
    with pytest.raises(BundleError, match="expected at most"):
        read_bundle(signed, SignatureCheck(keys.public))


def test_signature_holds_for_the_name_of_its_model(signed: Path, keys: KeyPair) -> None:
    other = signed.parent.with_name("other")
    signed.parent.rename(other)
    with pytest.raises(BundleError, match=r"model 'other'\. Received: that of model 'sample'"):
        read_bundle(other / "1", SignatureCheck(keys.public))
    sign_bundle(other / "1", keys.private)
    read_bundle(other / "1", SignatureCheck(keys.public))
    (other / "1").rename(other / "7")
    assert read_bundle(other / "7", SignatureCheck(keys.public)).version == "7"


def test_signature_of_adscore_0_1_holds_and_its_missing_name_is_shown(
    copied_model: Path, keys: KeyPair, caplog: pytest.LogCaptureFixture
) -> None:
    version = copied_model / "1"
    signer = signing.Config().use_elliptic_key_signer(private_key=keys.private)
    ignored = [version / SIGNATURE, version / "report.html"]
    hashes = hashing.Config().set_ignored_paths(paths=ignored, ignore_git_paths=False)
    signer.set_hashing_config(hashes).sign(version, version / SIGNATURE)
    read_bundle(version, SignatureCheck(keys.public))
    assert f"{version / SIGNATURE} names no model" in caplog.text
    caplog.clear()
    sign_bundle(version, keys.private)
    read_bundle(version, SignatureCheck(keys.public))
    assert not caplog.text


def test_signing_again_replaces_the_signature(signed: Path, tmp_path: Path) -> None:
    other = KeyPair(tmp_path, "other")
    sign_bundle(signed, other.private)
    read_bundle(signed, SignatureCheck(other.public))
    assert [file.name for file in signed.iterdir() if "sig" in file.name] == [SIGNATURE]


def test_broken_bundle_is_not_signed(copied_model: Path, keys: KeyPair) -> None:
    (copied_model / "1" / "head.onnx").write_bytes(b"changed")
    with pytest.raises(BundleError, match="the file was changed"):
        sign_bundle(copied_model / "1", keys.private)
    assert not (copied_model / "1" / SIGNATURE).exists()


def test_wrong_keys_are_named(copied_model: Path, tmp_path: Path) -> None:
    odd = KeyPair(tmp_path, "odd", ed25519.Ed25519PrivateKey.generate())
    for file in (odd.private, tmp_path / "gone.pem", copied_model / "1" / "manifest.json"):
        with pytest.raises(SigningError, match=file.name):
            sign_bundle(copied_model / "1", file)
        with pytest.raises(SigningError, match=file.name):
            SignatureCheck(file)


def test_server_serves_signed_versions_alone(
    start_process: Any,
    connect: Any,
    adscore_command: list[str],
    copied_model: Path,
    keys: KeyPair,
    creatives: list[Creative],
) -> None:
    shutil.copytree(copied_model / "1", copied_model / "2")
    signing = [*adscore_command, "sign", str(copied_model / "1"), "--key", str(keys.private)]
    assert subprocess.run(signing, capture_output=True, text=True, check=True).stdout.startswith(
        "wrote "
    )
    process = start_process(copied_model, "--require-signature", str(keys.public))
    assert connect(process.address).score(creatives[0]).model_version == "1"
    _, stderr = process.stop()
    assert "version 2 is refused" in stderr
    assert "expected a signature" in stderr


def test_key_that_is_none_keeps_the_server_from_starting(model_dir: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "adscore", "serve", str(model_dir), "--require-signature"]
    result = subprocess.run(
        [*command, str(tmp_path / "gone.pub")], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "error: expected a public key" in result.stderr
    assert "Traceback" not in result.stderr
