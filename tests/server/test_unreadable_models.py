"""Folders of models that cannot be read, for now or for good."""

import errno
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from adscore.bundle import list_versions
from adscore_server.models import folders
from adscore_server.models.folders import Layout, read_root

from .watched_root import Watched, add


def test_folder_that_may_not_be_read_is_left_out(
    copied_model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _lock(monkeypatch, copied_model.parent / "lost+found")
    with caplog.at_level(logging.WARNING):
        watched = Watched(copied_model.parent)
        assert watched.poll(3) == ["sample 1 ready"]
    [record] = caplog.records
    assert "lost+found: cannot be read: Permission denied" in record.getMessage()


def test_model_whose_folder_may_no_longer_be_read_serves_on(
    copied_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(copied_model, copied_model.parent / "banners")
    watched = Watched(copied_model.parent)
    _lock(monkeypatch, copied_model.parent / "banners")
    assert watched.poll(2) == ["banners 1 ready", "sample 1 ready"]


def test_version_is_tried_again_when_its_mode_changes(copied_model: Path) -> None:
    [[before]] = read_root(copied_model.parent)[Layout.MODELS]
    (copied_model / "1" / "head.onnx").chmod(0o600)
    (copied_model / "1" / "head.onnx").chmod(0o640)
    [[after]] = read_root(copied_model.parent)[Layout.MODELS]
    assert before != after


@pytest.mark.parametrize("error", [errno.EMFILE, errno.EIO])
def test_version_that_failed_for_want_of_files_is_tried_again_as_it_is(
    copied_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: int,
) -> None:
    watched = Watched(copied_model.parent)
    lacking = add(copied_model, 2) / "head.onnx"
    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
        _fail_reading(patched, lacking, error)
        assert watched.poll(4) == ["sample 2 refused", "sample 1 ready"]
    [record] = caplog.records  # once, however often it was tried
    assert f"head.onnx: cannot be read: {os.strerror(error)}" in record.getMessage()
    assert watched.root.counts.refused == 1
    assert watched.poll() == ["sample 2 ready"]


def test_changed_files_that_could_not_be_read_for_want_of_files_are_tried_again(
    copied_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(copied_model.parent)
    scorer = watched.now.resolve("", "")
    (copied_model / "1" / "head.onnx").touch()
    with monkeypatch.context() as patched:
        _fail_reading(patched, copied_model / "1" / "head.onnx", errno.EMFILE)
        watched.poll(3)
        assert watched.now.resolve("", "") is scorer
    watched.poll()
    assert watched.now.resolve("", "") is not scorer


def test_version_that_cannot_be_looked_at_for_want_of_files_is_not_taken_for_removed(
    copied_model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add(copied_model, 2)
    watched = Watched(copied_model.parent)
    watched.poll()
    _fail(monkeypatch, os, "scandir", copied_model / "2", errno.EMFILE)
    with caplog.at_level(logging.WARNING):
        assert watched.poll(3) == ["sample 2 ready"]
    [record] = caplog.records
    assert "Too many open files. What is served stays" in record.getMessage()


def _fail_reading(monkeypatch: pytest.MonkeyPatch, file: Path, error: int) -> None:
    _fail(monkeypatch, os, "open", file, error)


def _fail(
    monkeypatch: pytest.MonkeyPatch, owner: Any, function: str, place: Path, error: int
) -> None:
    """Makes a function fail at one place."""
    real = getattr(owner, function)

    def failing(path: Any, *arguments: Any, **options: Any) -> Any:
        if Path(path) == place:
            raise OSError(error, os.strerror(error), str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(owner, function, failing)


def _lock(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Makes a folder unreadable, for root too."""
    folder.mkdir(exist_ok=True)

    def listed(path: Path) -> list[int]:
        if path == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return list_versions(path)

    monkeypatch.setattr(folders, "list_versions", listed)
