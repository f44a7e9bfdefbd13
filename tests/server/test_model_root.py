"""What a server makes of its folder as versions come, break and go."""

import logging
import os
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from adscore_server.config import ModelRootOptions
from adscore_server.errors import StartError
from adscore_server.models.folders import Layout, read_root
from adscore_server.models.root import ModelRoot

from .watched_root import Watched, add, held


def break_(version: Path) -> None:
    (version / "head.onnx").write_bytes(b"no graph")


def test_new_version_is_shown_loading_and_then_replaces_the_old(copied_model: Path) -> None:
    watched = Watched(copied_model.parent)
    add(copied_model, 2)
    assert watched.poll(2) == ["sample 2 ready"]
    assert watched.published == [["sample 2 loading", "sample 1 ready"], ["sample 2 ready"]]
    assert watched.root.counts.loaded == 2
    assert watched.root.counts.dropped == 1


def test_unchanged_root_publishes_nothing(copied_model: Path) -> None:
    watched = Watched(copied_model.parent)
    scorer = watched.now.resolve("", "")
    watched.poll(3)
    assert watched.published == []
    assert watched.now.resolve("", "") is scorer


def test_version_that_is_still_being_copied_is_left_alone(copied_model: Path) -> None:
    watched = Watched(copied_model.parent)
    source, target = copied_model / "1", copied_model / "2"
    target.mkdir()
    for file in sorted(source.iterdir()):  # the manifest comes before some others
        shutil.copy(file, target)
        assert watched.poll() == ["sample 1 ready"]
    assert watched.poll() == ["sample 2 ready"]
    assert watched.root.counts.refused == 0


def test_broken_version_is_refused_once_and_the_old_serves_on(
    copied_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(copied_model.parent)
    break_(add(copied_model, 2))
    with caplog.at_level(logging.WARNING):
        assert watched.poll(5) == ["sample 2 refused", "sample 1 ready"]
    assert watched.root.counts.refused == 1
    [record] = caplog.records
    assert "sample version 2 is refused" in record.getMessage()
    assert watched.now.resolve("", "").version == "1"


def test_repaired_version_is_tried_again(copied_model: Path) -> None:
    watched = Watched(copied_model.parent)
    break_(add(copied_model, 2))
    watched.poll(2)
    shutil.copy(copied_model / "1" / "head.onnx", copied_model / "2" / "head.onnx")
    assert watched.poll(2) == ["sample 2 ready"]


def test_removed_version_brings_the_one_before_back(copied_model: Path) -> None:
    add(copied_model, 2)
    watched = Watched(copied_model.parent)
    assert held(watched.now) == ["sample 2 ready"]
    watched.poll()
    (copied_model / "2").rename(copied_model / ".withdrawn")
    assert watched.poll() == ["sample 1 ready"]
    # Never a moment without one that scores.
    assert watched.published == [["sample 2 ready", "sample 1 loading"], ["sample 1 ready"]]


def test_removed_version_serves_on_where_those_before_are_broken(copied_model: Path) -> None:
    add(copied_model, 2)
    watched = Watched(copied_model.parent)
    break_(copied_model / "1")
    watched.poll()
    shutil.rmtree(copied_model / "2")
    assert watched.poll(2) == ["sample 2 ready", "sample 1 refused"]


def test_changed_files_of_a_served_version_replace_it_only_if_they_pass(
    copied_model: Path,
) -> None:
    whole = shutil.copytree(copied_model / "1", copied_model / ".whole")
    watched = Watched(copied_model.parent)
    scorer = watched.now.resolve("", "")
    break_(copied_model / "1")
    assert watched.poll(2) == ["sample 1 ready"]
    assert watched.now.resolve("", "") is scorer
    assert watched.root.counts.refused == 1
    shutil.rmtree(copied_model / "1")
    whole.rename(copied_model / "1")
    assert watched.poll(2) == ["sample 1 ready"]
    assert watched.now.resolve("", "") is not scorer


def test_models_come_and_go(copied_model: Path) -> None:
    watched = Watched(copied_model.parent)
    banners = shutil.copytree(copied_model, copied_model.parent / "banners")
    assert watched.poll(2) == ["banners 1 ready", "sample 1 ready"]
    shutil.rmtree(banners)
    assert watched.poll() == ["sample 1 ready"]


def test_root_that_is_empty_or_gone_is_a_fault_and_what_is_served_stays(
    copied_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(copied_model.parent)
    away = copied_model.parent.parent / "away"
    copied_model.rename(away)
    with caplog.at_level(logging.WARNING):
        assert watched.poll(3) == ["sample 1 ready"]
        copied_model.parent.rmdir()
        assert watched.poll(3) == ["sample 1 ready"]
    assert len(caplog.records) == 2  # each fault once
    copied_model.parent.mkdir()
    away.rename(copied_model)
    assert watched.poll(2) == ["sample 1 ready"]
    assert len(watched.published) == 0


@pytest.mark.parametrize(
    ("slip", "layout"),
    [
        (lambda root: (root / "manifest.json").touch(), Layout.VERSION),
        (lambda root: shutil.copytree(root / "sample" / "1", root / "2"), Layout.MODEL),
    ],
)
def test_slip_of_a_copy_in_the_root_is_told_and_drops_no_model(
    copied_model: Path,
    caplog: pytest.LogCaptureFixture,
    slip: Callable[[Path], object],
    layout: Layout,
) -> None:
    watched = Watched(copied_model.parent)
    slip(copied_model.parent)
    add(copied_model, 3)
    with caplog.at_level(logging.WARNING):
        assert watched.poll(3) == ["sample 3 ready"]
    [record] = caplog.records  # once
    assert f"files that read as {layout}; they are not served" in record.getMessage()


@pytest.mark.parametrize("served", [".", "1"])
def test_folder_of_one_model_or_version_stays_one(copied_model: Path, served: str) -> None:
    root = copied_model / served
    watched = Watched(root)
    shutil.copytree(copied_model / "1", root / "banners" / "7")
    (root / "manifest.json").touch()
    assert watched.poll(3) == ["sample 1 ready"]


def test_root_that_becomes_of_another_kind_leaves_what_is_served(copied_model: Path) -> None:
    watched = Watched(copied_model.parent)
    (copied_model / "1").rename(copied_model.parent / "1")
    copied_model.rmdir()
    assert watched.poll(3) == ["sample 1 ready"]


def test_root_that_reads_in_several_ways_at_the_start_is_refused(copied_model: Path) -> None:
    shutil.copytree(copied_model / "1", copied_model.parent / "2")
    with pytest.raises(StartError, match=r"one model's folder: .*/2; a folder of models: .*/1\."):
        ModelRoot(copied_model.parent).open()


def test_folder_of_a_version_must_have_a_number_for_its_name(copied_model: Path) -> None:
    (copied_model / "1").rename(copied_model / "latest")
    with pytest.raises(StartError, match=r"version's folder to be a number.*latest, which is one"):
        ModelRoot(copied_model / "latest").open()


def test_model_that_calls_without_a_name_get_stays_when_another_comes(
    copied_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(copied_model.parent)
    banners = shutil.copytree(copied_model, copied_model.parent / "banners")
    with caplog.at_level(logging.WARNING):
        watched.poll(4)
        assert watched.now.resolve("", "").name == "sample"
        [told] = caplog.records
        assert "still get sample, although banners appeared" in told.getMessage()
        assert "--default-model sample" in told.getMessage()
        shutil.rmtree(copied_model)
        watched.poll(2)
    assert watched.now.resolve("", "").name == "banners"
    assert "get banners now: sample is gone" in caplog.records[-1].getMessage()
    assert banners.is_dir()


def test_pipe_and_huge_file_in_a_version_refuse_it_and_hold_nothing_up(copied_model: Path) -> None:
    watched = Watched(copied_model.parent)
    pipe, huge = add(copied_model, 2) / "head.onnx", add(copied_model, 3) / "head.onnx"
    pipe.unlink()
    os.mkfifo(pipe)
    os.truncate(huge, 3 * 1024**3)
    (add(copied_model, 4) / "manifest.json").unlink()
    os.mkfifo(copied_model / "4" / "manifest.json")
    os.mkfifo(copied_model.parent / "banners")
    refused = [f"sample {version} refused" for version in (4, 3, 2)]
    assert watched.poll(2) == [*refused, "sample 1 ready"]


def test_so_many_versions_are_kept_as_are_asked_for(copied_model: Path) -> None:
    add(copied_model, 2)
    add(copied_model, 3)
    watched = Watched(copied_model.parent, keep_versions=2)
    assert held(watched.now) == ["sample 3 ready", "sample 2 ready"]
    two = watched.now.resolve("sample", "2")
    break_(add(copied_model, 5))
    add(copied_model, 4)
    assert watched.poll(2) == ["sample 5 refused", "sample 4 ready", "sample 3 ready"]
    assert two not in [model.scorer for model in watched.now.loaded]


def test_old_model_is_freed_once_it_is_replaced(copied_model: Path) -> None:
    watched = Watched(copied_model.parent)
    old = weakref.ref(watched.now.resolve("", ""))
    add(copied_model, 2)
    watched.poll(2)
    assert old() is None


def test_links_keep_their_own_names_and_may_be_swapped(copied_model: Path, tmp_path: Path) -> None:
    releases = tmp_path / "releases"
    shutil.copytree(copied_model / "1", releases / "a" / "17")
    current = tmp_path / "models" / "banners" / "3"
    current.parent.mkdir(parents=True)
    current.symlink_to(releases / "a" / "17")
    watched = Watched(tmp_path / "models")
    assert held(watched.now) == ["banners 3 ready"]
    shutil.copytree(copied_model / "1", releases / "b" / "18")
    current.unlink()
    current.symlink_to(releases / "b" / "18")
    scorer = watched.now.resolve("", "")
    assert watched.poll(2) == ["banners 3 ready"]
    assert watched.now.resolve("", "") is not scorer


def test_root_may_be_a_link(copied_model: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(copied_model)
    [[folder]] = read_root(link)[Layout.MODEL]
    assert (folder.name, folder.version) == ("current", "1")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"keep_versions": 0}, "keep_versions: expected at least 1"),
        ({"poll_seconds": -1}, "poll_seconds: expected 0 or more"),
        ({"wait_for_model": True, "poll_seconds": 0}, "expected poll_seconds above 0"),
    ],
)
def test_options_outside_their_range_are_refused(options: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ModelRootOptions(**options)  # type: ignore[arg-type]


def test_what_the_start_refused_is_shown_to_those_who_wait(copied_model: Path) -> None:
    break_(copied_model / "1")
    waiting = ModelRoot(copied_model.parent, ModelRootOptions(wait_for_model=True))
    with pytest.raises(StartError):
        waiting.open()
    published: list[list[str]] = []
    waiting.poll(lambda registry: published.append(held(registry)))
    assert published == [["sample 1 refused"]]


def test_other_models_serve_while_the_default_is_waited_for(copied_model: Path) -> None:
    options = ModelRootOptions(wait_for_model=True, default_model="banners")
    waiting = ModelRoot(copied_model.parent, options)
    with pytest.raises(StartError):
        waiting.open()
    published: list[list[str]] = []
    waiting.poll(lambda registry: published.append(held(registry)))
    assert published == [["sample 1 ready"]]


def test_reason_of_a_version_that_is_the_root_does_not_tell_where_it_lies(
    copied_model: Path,
) -> None:
    break_(copied_model / "1")
    with pytest.raises(StartError) as refused:
        ModelRoot(copied_model / "1").open()
    assert str(copied_model) not in str(refused.value)
