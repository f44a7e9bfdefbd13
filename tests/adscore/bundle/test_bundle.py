import hashlib
import json
import os
import shutil
import tracemalloc
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from adscore import bundle
from adscore.bundle import (
    Bundle,
    list_versions,
    read_bundle,
    require_model_dir,
    resolve_bundle,
    write_bundle,
)
from adscore.errors import BundleError
from adscore.scoring.scorer import Scorer

NEEDED = [
    bundle.HEADLINE_ENCODER,
    bundle.IMAGE_ENCODER,
    bundle.HEAD,
    bundle.TOKENIZER,
    bundle.GOLDEN,
]
WITH_CHECKSUM = [
    *NEEDED,
    bundle.KERAS_MODEL,
    bundle.MEAN_EMBEDDINGS,
    bundle.TRAINING_GROUPS,
    bundle.MODEL_CARD,
]
NESTED = b"[" * 200_000  # deeper than any parser follows
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def copy(model_dir: Path, tmp_path: Path) -> Path:
    """A version's folder that a test may spoil."""
    return Path(shutil.copytree(model_dir / "1", tmp_path / "sample" / "1"))


@pytest.fixture(scope="module")
def whole(model_dir: Path) -> Bundle:
    return read_bundle(model_dir / "1")


def edit_manifest(version: Path, edit: Edit) -> None:
    """Edits manifest.json; what it says of itself keeps a matching checksum."""
    path = version / bundle.MANIFEST
    document = json.loads(path.read_text())
    edit(document)
    manifest = json.dumps(document["manifest"], ensure_ascii=False, separators=(",", ":"))
    document["manifest_sha256"] = hashlib.sha256(manifest.encode()).hexdigest()
    path.write_text(json.dumps(document, ensure_ascii=False))


def replace_file(version: Path, name: str, data: bytes) -> None:
    """Replaces a file together with its checksum."""
    (version / name).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    edit_manifest(version, lambda document: document["sha256"].update({name: digest}))


def refusal(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        Scorer.open(path)
    return str(caught.value)


# === Whole bundles ===


def test_what_was_written_is_read(whole: Bundle, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "model", whole.manifest, whole.files)
    again = read_bundle(path)
    assert (again.name, again.version) == ("model", "1")
    assert again.manifest == whole.manifest
    assert again.files == whole.files
    assert {file.name for file in path.iterdir()} == {*WITH_CHECKSUM, bundle.MANIFEST}
    assert path.stat().st_mode & 0o777 == 0o755


def test_an_edited_manifest_with_a_matching_checksum_opens(copy: Path) -> None:
    edit_manifest(copy, lambda document: None)
    Scorer.open(copy)


def test_versions_are_ordered_as_numbers(whole: Bundle, tmp_path: Path) -> None:
    for name in ("2", "10", "007", "latest", "٣", ".partial-1"):
        (tmp_path / name).mkdir()
    (tmp_path / "99").write_text("a file")
    assert list_versions(tmp_path) == [2, 10]
    assert resolve_bundle(tmp_path) == tmp_path / "10"
    assert write_bundle(tmp_path, whole.manifest, whole.files).name == "100"


def test_a_version_may_be_named_itself(model_dir: Path) -> None:
    assert resolve_bundle(model_dir / "1") == model_dir / "1"


@pytest.mark.parametrize("name", ["missing", "empty", "file"])
def test_what_is_no_model_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert str(tmp_path / name) in refusal(tmp_path / name)


# === Spoiled bundles ===


@pytest.mark.parametrize("name", WITH_CHECKSUM)
@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_a_changed_byte_is_refused(copy: Path, name: str, place: float) -> None:
    data = bytearray((copy / name).read_bytes())
    data[round(place * (len(data) - 1))] ^= 1
    (copy / name).write_bytes(data)
    message = refusal(copy)
    assert str(copy / name) in message
    assert "changed" in message


def test_a_changed_byte_of_the_manifest_is_refused(copy: Path) -> None:
    path = copy / bundle.MANIFEST
    data = path.read_bytes()
    for place in range(0, len(data), 29):
        if data[place : place + 1].isspace():
            continue
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(BundleError):
            read_bundle(copy)
    path.write_bytes(data)
    read_bundle(copy)


@pytest.mark.parametrize("name", [*WITH_CHECKSUM, bundle.MANIFEST])
def test_a_missing_file_is_refused(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert name in refusal(copy)


@pytest.mark.parametrize("name", NEEDED)
def test_a_manifest_without_a_files_checksum_is_refused(copy: Path, name: str) -> None:
    edit_manifest(copy, lambda document: document["sha256"].pop(name))
    assert name in refusal(copy)


@pytest.mark.parametrize(
    ("received", "advice"), [(bundle.FORMAT_VERSION + 1, "Install a newer"), (1, "Train again")]
)
def test_another_format_is_refused(copy: Path, received: int, advice: str) -> None:
    def of_another_format(document: dict[str, Any]) -> None:
        document.clear()
        document.update({"format_version": received, "manifest": "of another shape"})

    edit_manifest(copy, of_another_format)
    message = refusal(copy)
    assert f"expected format version 2 or {bundle.FORMAT_VERSION}. Received: {received}" in message
    assert advice in message


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe", NESTED, b'{"format_version": "1"}'),
        *(b'{"format_version": 1, "x": %b' % NESTED, b'{"format_version": 1}'),
    ],
    ids=range(10),
)
def test_a_malformed_manifest_is_refused(copy: Path, data: bytes) -> None:
    (copy / bundle.MANIFEST).write_bytes(data)
    assert bundle.MANIFEST in refusal(copy)


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document["manifest"].pop("limits"),
        lambda document: document["manifest"].update(targets="ctr"),
        lambda document: document["manifest"].update(reference={}),
        lambda document: document["manifest"].update(targets=["ctr", "cvr"]),
        lambda document: document["manifest"]["preprocessing"].update(image_height=7),
        lambda document: document["manifest"]["preprocessing"].update(image_height=-1),
        lambda document: document["manifest"]["preprocessing"].update(headline_tokens=0),
    ],
    ids=range(7),
)
def test_a_manifest_that_does_not_fit_the_graphs_is_refused(copy: Path, edit: Edit) -> None:
    edit_manifest(copy, edit)
    refusal(copy)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/b", ".", "..", "", "nul\0"])
def test_a_name_that_leads_elsewhere_is_refused(copy: Path, name: str) -> None:
    (copy.parent / "secret").write_bytes(b"secret")
    digest = hashlib.sha256(b"secret").hexdigest()
    edit_manifest(copy, lambda document: document["sha256"].update({name: digest}))
    assert f"expected file names. Received: {name!r}" in refusal(copy)


# === Files of an untrusted folder ===


def sparse(path: Path, size: int) -> None:
    """A file of so many bytes that takes no disk."""
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


@pytest.mark.parametrize("name", [bundle.MANIFEST, bundle.HEAD, bundle.MODEL_CARD])
def test_a_pipe_is_refused_without_waiting_for_its_writer(copy: Path, name: str) -> None:
    (copy / name).unlink()
    os.mkfifo(copy / name)
    with pytest.raises(BundleError, match=f"{name}: expected a regular file"):
        read_bundle(copy)


def test_a_folder_in_the_place_of_a_file_is_refused(copy: Path) -> None:
    (copy / bundle.HEAD).unlink()
    (copy / bundle.HEAD).mkdir()
    assert f"{bundle.HEAD}: cannot be read: Is a directory" in refusal(copy)


@pytest.mark.parametrize("name", [bundle.MANIFEST, bundle.HEAD])
def test_a_link_out_of_the_folder_is_refused(copy: Path, name: str) -> None:
    (copy / name).rename(copy.parent / name)
    (copy / name).symlink_to(copy.parent / name)
    assert f"{name}: expected a file of the folder. Received: a link out of it" in refusal(copy)


def test_a_link_to_itself_is_refused(copy: Path) -> None:
    (copy / bundle.HEAD).unlink()
    (copy / bundle.HEAD).symlink_to(copy / bundle.HEAD)
    assert "cannot be read" in refusal(copy)


def test_links_inside_the_folder_and_to_it_are_followed(copy: Path, tmp_path: Path) -> None:
    """As in the volumes of Kubernetes."""
    (copy / "data").mkdir()
    (copy / bundle.HEAD).rename(copy / "data" / bundle.HEAD)
    (copy / bundle.HEAD).symlink_to(Path("data") / bundle.HEAD)
    link = tmp_path / "7"
    link.symlink_to(copy)
    assert Scorer.open(link).version == "7"


@pytest.mark.parametrize(
    ("name", "size"), [(bundle.MANIFEST, 1_000_000_000), (bundle.HEAD, 3 * 1024**3)]
)
def test_a_file_too_large_is_refused_by_its_size(copy: Path, name: str, size: int) -> None:
    sparse(copy / name, size)
    message = refusal(copy)
    assert f"{name}: expected at most" in message
    assert f"Received: {size}" in message


def test_a_large_file_is_hashed_before_it_takes_memory(copy: Path) -> None:
    sparse(copy / bundle.HEAD, 100_000_000)
    tracemalloc.start()
    try:
        assert f"{bundle.HEAD}: the file was changed" in refusal(copy)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_a_check_comes_before_every_file_but_the_manifest(copy: Path) -> None:
    for file in copy.iterdir():
        if file.name != bundle.MANIFEST:
            file.unlink()
    told: dict[str, str] = {}

    def refuse(_: Path, sha256: Mapping[str, str]) -> None:
        told.update(sha256)
        raise BundleError("not by my key")

    with pytest.raises(BundleError, match="not by my key"):
        read_bundle(copy, refuse)
    assert {bundle.MANIFEST, *WITH_CHECKSUM} == told.keys()


# === Golden scores ===


def test_golden_scores_that_are_off_are_refused(copy: Path) -> None:
    golden = json.loads((copy / bundle.GOLDEN).read_text())
    golden[1]["means"]["ctr"] *= 1.01
    replace_file(copy, bundle.GOLDEN, json.dumps(golden).encode())
    message = refusal(copy)
    assert "golden creative 1" in message
    assert "Received" in message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        NESTED,
        b'[{"headline": "a", "image": "", "means": {"ctr": 0.1}}]',
        b'[{"headline": "a", "image": "AAAA", "means": {"ctr": 0.1}}]',
        b'[{"headline": "a", "image": "AAAA", "means": {"cvr": 0.1}}]',
        b'[{"headline": "a", "image": "AAAA", "means": {}}]',
    ],
    ids=range(9),
)
def test_golden_scores_that_say_nothing_are_refused(copy: Path, data: bytes) -> None:
    replace_file(copy, bundle.GOLDEN, data)
    assert "golden" in refusal(copy)


@pytest.mark.parametrize("name", NEEDED[:4])
def test_a_file_of_another_kind_is_refused(copy: Path, name: str) -> None:
    replace_file(copy, name, b"not what it should be")
    said = "expected an ONNX graph" if name.endswith(".onnx") else "cannot be opened"
    assert said in refusal(copy)


def test_exchanged_graphs_are_refused(copy: Path) -> None:
    replace_file(copy, bundle.IMAGE_ENCODER, (copy / bundle.HEADLINE_ENCODER).read_bytes())
    refusal(copy)


# === Writing ===


def test_nothing_half_written_is_left_when_a_file_cannot_be_written(
    whole: Bundle, tmp_path: Path
) -> None:
    # Written after the others, into a folder that does not exist.
    with pytest.raises(OSError, match="No such file"):
        write_bundle(tmp_path / "model", whole.manifest, {**whole.files, "sub/file": b""})
    assert list((tmp_path / "model").iterdir()) == []


def test_a_file_in_the_models_place_is_refused_and_kept(whole: Bundle, tmp_path: Path) -> None:
    (tmp_path / "model").write_text("mine")
    with pytest.raises(OSError, match="exists"):
        write_bundle(tmp_path / "model", whole.manifest, whole.files)
    assert (tmp_path / "model").read_text() == "mine"


def test_a_file_in_a_versions_place_is_kept(whole: Bundle, tmp_path: Path) -> None:
    (tmp_path / "1").write_text("mine")
    (tmp_path / "2").symlink_to("nowhere")
    assert write_bundle(tmp_path, whole.manifest, whole.files) == tmp_path / "3"
    assert (tmp_path / "1").read_text() == "mine"


def test_concurrent_writers_get_versions_of_their_own(whole: Bundle, tmp_path: Path) -> None:
    small = {bundle.MODEL_CARD: b"quickly written, so that writers meet"}
    with ThreadPoolExecutor(16) as pool:
        paths = list(pool.map(lambda _: write_bundle(tmp_path, whole.manifest, small), range(160)))
    versions = list(range(1, 161))
    assert sorted(int(path.name) for path in paths) == list_versions(tmp_path) == versions
    for path in tmp_path.iterdir():
        assert {file.name for file in path.iterdir()} == {bundle.MODEL_CARD, bundle.MANIFEST}


def test_a_place_for_a_model_is_checked_before_it_is_trained(
    model_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    require_model_dir(tmp_path / "new" / "model")
    require_model_dir(model_dir)
    for path in (model_dir / "1", tmp_path / "file", tmp_path / "file" / "model"):
        with pytest.raises(BundleError, match="expected a model's folder"):
            require_model_dir(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
