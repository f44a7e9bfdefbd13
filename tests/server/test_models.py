"""Which models a root holds, and how calls find them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from adscore.creative import Creative
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import model_pb2
from adscore_server.config import ModelRootOptions, ServerConfig
from adscore_server.errors import ModelNotFoundError, StartError
from adscore_server.models.registry import LoadedModel, LoadingModel, ModelRegistry, RefusedModel
from adscore_server.models.root import ModelRoot
from adscore_server.server import Server


def open_models(root: Path, default_model: str = "") -> ModelRegistry:
    return ModelRoot(root, ModelRootOptions(default_model)).open()


def _entries(models: ModelRegistry) -> list[tuple[str, str, bool]]:
    return [(one.name, one.version, isinstance(one, LoadedModel)) for one in models.entries]


def _change_a_byte(version: Path) -> None:
    data = bytearray((version / "head.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (version / "head.onnx").write_bytes(data)


def _remove_a_file(version: Path) -> None:
    (version / "tokenizer.json").unlink()


def _make_newer(version: Path) -> None:
    manifest = json.loads((version / "manifest.json").read_text())
    manifest["format_version"] += 1
    (version / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("path", [".", "sample", "sample/1"])
def test_root_may_be_models_a_model_or_a_version(model_dir: Path, path: str) -> None:
    models = open_models(model_dir.parent / path)
    assert _entries(models) == [("sample", "1", True)]
    assert models.loaded[0].load_seconds > 0


def test_model_is_named_by_its_folder_where_the_path_does_not_say(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model_dir)
    assert _entries(open_models(Path())) == [("sample", "1", True)]


def test_newest_version_of_each_model_is_loaded(copied_model: Path) -> None:
    shutil.copytree(copied_model / "1", copied_model / "2")
    shutil.copytree(copied_model / "1", copied_model / "10")
    shutil.copytree(copied_model, copied_model.parent / "banners")
    (copied_model / ".partial-x").mkdir()
    (copied_model.parent / "notes.txt").write_text("not a model")
    models = open_models(copied_model.parent)
    assert _entries(models) == [("banners", "10", True), ("sample", "10", True)]


def test_several_models_need_a_name_or_a_default(copied_model: Path) -> None:
    shutil.copytree(copied_model, copied_model.parent / "banners")
    models = open_models(copied_model.parent)
    assert models.resolve("banners", "").name == "banners"
    with pytest.raises(ModelNotFoundError, match=r"banners version 1, sample version 1.*no name"):
        models.resolve("", "")
    assert open_models(copied_model.parent, "sample").resolve("", "").name == "sample"
    with pytest.raises(StartError, match=r"one of: banners, sample\. Received: 'other'"):
        open_models(copied_model.parent, "other")


@pytest.mark.parametrize(
    ("break_bundle", "reason"),
    [
        (_change_a_byte, "head.onnx: the file was changed"),
        (_remove_a_file, "tokenizer.json: cannot be read"),
        (_make_newer, "expected format version 2 or 3. Received: 4. Install a newer adscore"),
    ],
)
def test_broken_newest_version_is_refused_and_the_one_before_serves(
    copied_model: Path, break_bundle: Callable[[Path], None], reason: str
) -> None:
    shutil.copytree(copied_model / "1", copied_model / "2")
    break_bundle(copied_model / "2")
    models = open_models(copied_model.parent)
    assert _entries(models) == [("sample", "2", False), ("sample", "1", True)]
    [refused] = [one for one in models.entries if isinstance(one, RefusedModel)]
    assert reason in refused.reason
    assert str(copied_model.parent) not in refused.reason
    assert models.resolve("", "").version == "1"
    with pytest.raises(ModelNotFoundError, match="version 2 failed a check"):
        models.resolve("sample", "2")


def test_nothing_but_broken_models_is_an_error(copied_model: Path) -> None:
    _change_a_byte(copied_model / "1")
    with pytest.raises(StartError, match=r"sample version 1, refused: .*head.onnx"):
        open_models(copied_model.parent)


def test_model_that_fails_in_an_unforeseen_way_is_refused(
    copied_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(copied_model, copied_model.parent / "zebra")
    real_open = Scorer.open

    def open_or_fail(path: Path, *options: Any) -> Scorer:
        if path.parent.name == "zebra":
            raise IndexError("graph")
        return real_open(path, *options)

    monkeypatch.setattr(Scorer, "open", open_or_fail)
    models = open_models(copied_model.parent)
    assert _entries(models) == [("sample", "1", True), ("zebra", "1", False)]
    assert "IndexError: graph" in models.entries[1].reason  # type: ignore[union-attr]


@pytest.mark.parametrize(("path", "text"), [("", "holds none"), ("gone", "gone: cannot be read")])
def test_root_without_models_is_an_error(tmp_path: Path, path: str, text: str) -> None:
    with pytest.raises(StartError, match=text):
        open_models(tmp_path / path)


def test_models_are_listed_with_targets_limits_and_metrics(stubs: Any, scorer: Scorer) -> None:
    [model] = stubs.models.ListModels(model_pb2.ListModelsRequest(), timeout=30).models
    manifest = scorer.manifest
    assert (model.name, model.version) == ("sample", "1")
    assert model.state == model_pb2.MODEL_STATE_READY
    assert list(model.targets) == ["ctr"]
    assert model.limits.max_image_bytes == manifest.limits.max_image_bytes
    assert tuple(model.limits.image_formats) == manifest.limits.image_formats
    assert model.limits.max_combinations == manifest.limits.max_combinations
    assert model.limits.image_height == manifest.preprocessing.image_height
    assert model.limits.image_width == manifest.preprocessing.image_width
    assert model.training.preset == "network"
    assert model.training.create_time == manifest.training.create_time
    expected = {name: value for name, value in manifest.metrics["ctr"].items() if value is not None}
    assert dict(model.metrics["ctr"].figures) == expected


def test_model_lists_the_values_of_its_context(
    start_server: Any, connect: Any, model_with_context: Path
) -> None:
    stubs = connect(start_server(Scorer.open(model_with_context)).address)
    [model] = stubs.models.ListModels(model_pb2.ListModelsRequest(), timeout=30).models
    values = {name: list(known.values) for name, known in model.limits.context_values.items()}
    assert values == {"placement": ["feed", "stories"]}


def test_model_says_whether_it_has_agreement(
    stubs: Any, matching_stubs: Any, scorer: Scorer
) -> None:
    request = model_pb2.GetModelRequest()
    model = stubs.models.GetModel(request, timeout=30).model
    assert model.has_agreement == scorer.has_agreement
    assert matching_stubs.models.GetModel(request, timeout=30).model.has_agreement


def test_model_service_tells_why_a_model_was_refused(copied_model: Path, connect: Any) -> None:
    shutil.copytree(copied_model / "1", copied_model / "2")
    _change_a_byte(copied_model / "2")
    with Server(open_models(copied_model), ServerConfig("127.0.0.1:0")) as server:
        stubs = connect(server.address)
        newest, older = stubs.models.ListModels(model_pb2.ListModelsRequest(), timeout=30).models
        assert (newest.version, newest.state) == ("2", model_pb2.MODEL_STATE_REFUSED)
        assert "head.onnx: the file was changed" in newest.state_reason
        assert (older.version, older.state) == ("1", model_pb2.MODEL_STATE_READY)
        request = model_pb2.GetModelRequest(model="sample", model_version="2")
        assert stubs.models.GetModel(request, timeout=30).model == newest
        assert stubs.models.GetModel(model_pb2.GetModelRequest(), timeout=30).model == older


def test_get_model_that_is_not_there(stubs: Any, refusal: Any) -> None:
    request = model_pb2.GetModelRequest(model="other")
    code, reason, *_ = refusal(lambda: stubs.models.GetModel(request, timeout=30))
    assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")


def test_calls_reach_the_model_that_they_name(
    copied_model: Path, connect: Any, creatives: list[Creative]
) -> None:
    shutil.copytree(copied_model, copied_model.parent / "banners")
    with Server(open_models(copied_model.parent), ServerConfig("127.0.0.1:0")) as server:
        stubs = connect(server.address)
        for name in ("banners", "sample"):
            assert stubs.score(creatives[0], name).model == name
            assert stubs.batch_score(creatives[:1], name)[0].score.model == name


def test_swap_counts_as_one_change_whatever_is_shown_meanwhile(scorer: Any) -> None:
    served, loading = LoadedModel(scorer), LoadingModel("sample", "2")
    server = Server(ModelRegistry([served]))
    server.serve_models(ModelRegistry([loading, served]))
    assert server.statistics().model_changes == 0
    server.serve_models(ModelRegistry([LoadedModel(scorer, 1.0)]))
    assert server.statistics().model_changes == 1
    server.stop()
