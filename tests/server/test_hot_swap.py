"""Models that come, break and go under a running `adscore serve`, seen by its callers."""

import gc
import shutil
import signal
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from adscore.creative import Creative
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import model_pb2
from adscore_server.models.registry import LoadedModel, ModelRegistry

POLL = ("--poll-seconds", "0.1")
LIMIT_SECONDS = 60.0


class Callers:
    """Threads that score one creative again and again, until they are told to stop."""

    def __init__(self, stubs: Any, creative: Creative, count: int = 4) -> None:
        self._stubs, self._creative = stubs, creative
        self._stopping = threading.Event()
        self.answers: list[tuple[str, float]] = []
        self.errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._call) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    @property
    def last_version(self) -> str:
        return self.answers[-1][0] if self.answers else ""

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(LIMIT_SECONDS)

    def _call(self) -> None:
        while not self._stopping.is_set():
            try:
                score = self._stubs.score(self._creative)
                self.answers.append((score.model_version, score.targets["ctr"].mean))
            except Exception as error:
                self.errors.append(error)


def publish(model: Path, version: int) -> None:
    """Adds a copy of version 1 as the training would: renamed when it is whole."""
    partial = shutil.copytree(model / "1", model / f".partial-{version}")
    partial.rename(model / str(version))


def versions(stubs: Any) -> list[tuple[str, int]]:
    models = stubs.models.ListModels(model_pb2.ListModelsRequest(), timeout=30).models
    return [(model.version, model.state) for model in models]


def health(stubs: Any, service: str) -> int:
    check = health_pb2_grpc.HealthStub(stubs.channel).Check
    return int(check(health_pb2.HealthCheckRequest(service=service), timeout=30).status)


def test_swaps_under_load_fail_no_call_and_change_no_score(
    start_process: Any,
    connect: Any,
    wait_until: Any,
    copied_model: Path,
    creatives: list[Creative],
    scorer: Scorer,
) -> None:
    process = start_process(copied_model.parent, *POLL)
    stubs = connect(process.address)
    callers = Callers(stubs, creatives[0])
    for version in (2, 3, 4):
        publish(copied_model, version)
        wait_until(lambda version=version: callers.last_version == str(version))
    shutil.rmtree(copied_model / "4")
    wait_until(lambda: callers.last_version == "3")
    callers.stop()
    assert callers.errors == []
    expected = scorer.score([creatives[0]])[0].targets["ctr"].mean
    assert all(mean == pytest.approx(expected, rel=1e-4) for _, mean in callers.answers)
    code, stderr = process.stop()
    assert code == 0
    assert "Model sample version 3 is loaded after" in stderr
    assert "Traceback" not in stderr


def test_broken_version_is_shown_with_its_reason_while_the_old_serves(
    start_process: Any,
    connect: Any,
    wait_until: Any,
    copied_model: Path,
    creatives: list[Creative],
) -> None:
    stubs = connect(start_process(copied_model.parent, *POLL).address)
    partial = shutil.copytree(copied_model / "1", copied_model / ".partial")
    (partial / "head.onnx").write_bytes(b"no graph")
    partial.rename(copied_model / "2")
    refused, ready = model_pb2.MODEL_STATE_REFUSED, model_pb2.MODEL_STATE_READY
    wait_until(lambda: versions(stubs) == [("2", refused), ("1", ready)])
    request = model_pb2.GetModelRequest(model="sample", model_version="2")
    reason = stubs.models.GetModel(request, timeout=30).model.state_reason
    assert reason.startswith("sample/2/head.onnx: the file was changed")
    assert stubs.score(creatives[0]).model_version == "1"
    shutil.copy(copied_model / "1" / "head.onnx", copied_model / "2" / "head.onnx")
    wait_until(lambda: stubs.score(creatives[0]).model_version == "2")


def test_server_that_waits_for_a_model_says_so_until_it_comes(
    start_process: Any,
    connect: Any,
    refusal: Any,
    wait_until: Any,
    model_dir: Path,
    tmp_path: Path,
    creatives: list[Creative],
) -> None:
    process = start_process(tmp_path, *POLL, "--wait-for-model")
    assert process.ready_line.endswith(": no model yet")
    stubs = connect(process.address)
    status = health_pb2.HealthCheckResponse
    assert health(stubs, "") == health(stubs, "adscore.v1.ScoringService") == status.NOT_SERVING
    assert health(stubs, "adscore.v1.ModelService") == status.SERVING
    assert versions(stubs) == []
    code, reason, *_ = refusal(lambda: stubs.score(creatives[0]))
    assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_STARTING")
    shutil.copytree(model_dir, tmp_path / "sample")
    wait_until(lambda: health(stubs, "adscore.v1.ScoringService") == status.SERVING)
    assert stubs.score(creatives[0]).model == "sample"
    assert process.stop()[0] == 0


def test_no_model_is_opened_while_the_server_drains(
    held_process: Any,
    connect: Any,
    wait_until: Any,
    copied_model: Path,
    creatives: list[Creative],
) -> None:
    options = ("--poll-seconds", "0.05", "--drain-seconds", "100")
    process = held_process.start(copied_model.parent, *options)
    stubs = connect(process.address)
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.extend(stubs.batch_score(creatives)))
    caller.start()
    wait_until(held_process.has_begun)
    process.process.send_signal(signal.SIGTERM)
    wait_until(lambda: health(stubs, "") == health_pb2.HealthCheckResponse.NOT_SERVING)
    publish(copied_model, 2)
    time.sleep(0.5)  # in which a server that still scanned would find it ten times
    assert not answers
    held_process.release()
    caller.join(LIMIT_SECONDS)
    assert [result.score.model_version for result in answers] == ["1"] * len(creatives)
    _, stderr = process.process.communicate(timeout=LIMIT_SECONDS)
    assert process.process.returncode == 0
    assert "version 1 is loaded" in stderr
    assert "version 2" not in stderr


def test_polling_can_be_off(
    start_process: Any, connect: Any, copied_model: Path, creatives: list[Creative]
) -> None:
    process = start_process(copied_model.parent, "--poll-seconds", "0", "--keep-versions", "2")
    stubs = connect(process.address)
    publish(copied_model, 2)
    time.sleep(0.5)  # in which a server that scanned would have begun to load it
    assert stubs.score(creatives[0]).model_version == "1"
    assert len(versions(stubs)) == 1


def test_model_that_was_replaced_is_freed_with_its_last_call(
    start_server: Any,
    connect: Any,
    wait_until: Any,
    copied_model: Path,
    creatives: list[Creative],
) -> None:
    old, new = (Scorer.open(copied_model) for _ in range(2))
    server = start_server(old)
    callers = Callers(connect(server.address), creatives[0], count=8)
    gc.disable()  # what is freed only by looking for cycles would stay for long
    try:
        freed = weakref.ref(old)
        del old
        wait_until(lambda: len(callers.answers) > 100)
        server.serve_models(ModelRegistry([LoadedModel(new)]))
        wait_until(lambda: freed() is None)
    finally:
        gc.enable()
        callers.stop()
    assert callers.errors == []
