"""Live servers on 127.0.0.1, and helpers to call them with the raw stubs."""

import copy
import importlib.metadata
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from numpy.typing import NDArray
from PIL import Image

from adscore.creative import Creative, Score
from adscore.scoring.preparation import PreparedCreative, PreparedHeadline, PreparedImage
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import model_pb2_grpc, scoring_pb2, scoring_pb2_grpc
from adscore_server.config import ServerConfig
from adscore_server.models.registry import LoadedModel, ModelRegistry
from adscore_server.server import Server

ANY_PORT = ServerConfig(address="127.0.0.1:0")
TIMEOUT_SECONDS = 60.0


class Stubs:
    """The raw stubs on one channel to one server."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)
        self.scoring = scoring_pb2_grpc.ScoringServiceStub(self.channel)
        self.models = model_pb2_grpc.ModelServiceStub(self.channel)

    def score(self, creative: Creative, model: str = "", model_version: str = "") -> Any:
        request = scoring_pb2.ScoreRequest(
            creative=to_wire(creative), model=model, model_version=model_version
        )
        return self.scoring.Score(request, timeout=TIMEOUT_SECONDS).score

    def batch_score(self, creatives: Sequence[Creative], model: str = "") -> Any:
        request = scoring_pb2.BatchScoreRequest(creatives=map(to_wire, creatives), model=model)
        return self.scoring.BatchScore(request, timeout=TIMEOUT_SECONDS).results

    def match(self, headlines: Sequence[str], images: Sequence[bytes], model: str = "") -> Any:
        request = scoring_pb2.MatchRequest(headlines=headlines, images=images, model=model)
        return self.scoring.Match(request, timeout=TIMEOUT_SECONDS)


class ReplacedScorer:
    """A real model, of which a test replaces what runs the graphs."""

    has_agreement = False

    def __init__(
        self, scorer: Scorer, run: Callable[[Sequence[PreparedCreative]], list[Score]]
    ) -> None:
        self.name, self.version, self.manifest = scorer.name, scorer.version, scorer.manifest
        self.preparer = copy.copy(scorer.preparer)
        self.score_combinations = scorer.score_combinations
        self.score_prepared = run


class MatchingScorer(ReplacedScorer):
    """A real model with an agreement that is easily foretold, by length and brightness."""

    has_agreement = True

    def __init__(self, scorer: Scorer) -> None:
        super().__init__(scorer, scorer.score_prepared)

    def match(
        self, headlines: Sequence[PreparedHeadline], images: Sequence[PreparedImage]
    ) -> NDArray[np.float32]:
        lengths = np.array([len(headline.text) for headline in headlines], np.float32)
        brightness = np.array([image.pixels.mean() for image in images], np.float32)
        return np.cos(lengths[:, None] + brightness[None, :])


class HeldScorer(ReplacedScorer):
    """A real model that begins to score only when it is released."""

    def __init__(self, scorer: Scorer) -> None:
        self.runs = self.items = 0
        self.entered = threading.Event()
        self.released = threading.Event()
        super().__init__(scorer, self._run)
        self._scorer = scorer

    def _run(self, creatives: Sequence[PreparedCreative]) -> list[Score]:
        self.runs += 1
        self.items += len(creatives)
        self.entered.set()
        assert self.released.wait(TIMEOUT_SECONDS)
        return self._scorer.score_prepared(creatives)


class ServeProcess:
    """A running `adscore serve`, its address read from the line that it prints."""

    def __init__(self, process: subprocess.Popen[str], ready_line: str) -> None:
        self.process = process
        self.ready_line = ready_line
        self.address = ready_line.partition(" on ")[2].split(": ")[0]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Signals it and waits; returns its exit code and what it wrote to stderr."""
        self.process.send_signal(number)
        _, stderr = self.process.communicate(timeout=TIMEOUT_SECONDS)
        return self.process.returncode, stderr


class HeldProcess:
    """A running `adscore serve` that begins to score, and goes on when it is released."""

    def __init__(self, start: Callable[..., ServeProcess], folder: Path) -> None:
        self._start = start
        self._hold, self._begun = folder / "hold", folder / "begun"

    def start(self, root: Path, *options: str) -> ServeProcess:
        command = [sys.executable, str(Path(__file__).with_name("serve_held.py"))]
        process = self._start(root, *options, command=command)
        self._hold.touch()  # the models have shown by now that they score
        return process

    def has_begun(self) -> bool:
        return self._begun.exists()

    def release(self) -> None:
        self._hold.unlink(missing_ok=True)


def to_wire(creative: Creative) -> scoring_pb2.Creative:
    return scoring_pb2.Creative(
        id=creative.id,
        headline=creative.headline,
        image=creative.image,
        context=dict(creative.context),
    )


def serve(*scorers: Any, config: ServerConfig = ANY_PORT) -> Server:
    return Server(ModelRegistry(LoadedModel(scorer) for scorer in scorers), config)


@pytest.fixture(scope="session")
def server(scorer: Scorer) -> Iterator[Server]:
    with serve(scorer) as running:
        yield running


@pytest.fixture(scope="session")
def stubs(server: Server) -> Iterator[Stubs]:
    connected = Stubs(server.address)
    yield connected
    connected.channel.close()


@pytest.fixture
def connect() -> Iterator[Callable[[str], Stubs]]:
    """Connects to a server that a test started itself."""
    opened: list[Stubs] = []

    def open_stubs(address: str) -> Stubs:
        opened.append(Stubs(address))
        return opened[-1]

    yield open_stubs
    for one in opened:
        one.channel.close()


@pytest.fixture
def start_server() -> Iterator[Callable[..., Server]]:
    """Serves models for one test."""
    started: list[Server] = []

    def start(*scorers: Any, config: ServerConfig = ANY_PORT) -> Server:
        started.append(serve(*scorers, config=config))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.stop(drain_seconds=0)


@pytest.fixture
def held_scorer(scorer: Scorer) -> Iterator[HeldScorer]:
    held = HeldScorer(scorer)
    yield held
    held.released.set()


@pytest.fixture
def replace_scorer(scorer: Scorer) -> Callable[..., ReplacedScorer]:
    return lambda run: ReplacedScorer(scorer, run)


@pytest.fixture
def matching_scorer(scorer: Scorer) -> MatchingScorer:
    return MatchingScorer(scorer)


@pytest.fixture
def matching_stubs(start_server: Any, connect: Any, matching_scorer: MatchingScorer) -> Stubs:
    """The stubs of a server whose model has agreement."""
    connected: Stubs = connect(start_server(matching_scorer).address)
    return connected


@pytest.fixture(scope="session")
def refusal() -> Callable[[Callable[[], Any]], tuple[grpc.StatusCode, str, str, str]]:
    """Makes a call that should fail; gives its code, reason, field and text."""

    def call(make: Callable[[], Any]) -> tuple[grpc.StatusCode, str, str, str]:
        with pytest.raises(grpc.RpcError) as caught:
            make()
        error: Any = caught.value
        status = rpc_status.from_call(error)
        info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        for detail in status.details if status else ():
            detail.Unpack(info)
            detail.Unpack(bad_request)
        if status:
            assert info.domain == "adscore"
        fields = [violation.field for violation in bad_request.field_violations]
        return error.code(), info.reason, ",".join(fields), error.details()

    return call


@pytest.fixture(scope="session")
def adscore_command() -> list[str]:
    """The `adscore` command, with the commands that the server contributes."""
    if not importlib.metadata.entry_points(group="adscore.commands", name="serve"):
        pytest.skip("adscore is not installed here, so its entry points are missing")
    return [sys.executable, "-m", "adscore"]


@pytest.fixture
def start_process(adscore_command: list[str]) -> Iterator[Callable[..., ServeProcess]]:
    """Runs `adscore serve` until the test ends, and waits until it is ready."""
    started: list[subprocess.Popen[str]] = []

    def start(root: Path, *options: str, command: Sequence[str] = adscore_command) -> ServeProcess:
        arguments = ["serve", str(root), "--address", "127.0.0.1:0", *options]
        process = subprocess.Popen(
            [*command, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )
        started.append(process)
        assert process.stdout
        line = process.stdout.readline().strip()
        assert line.startswith(("Ready on ", "Listening on ")), process.communicate()[1]
        return ServeProcess(process, line)

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def held_process(
    start_process: Callable[..., ServeProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HeldProcess]:
    folder = tmp_path / "held"
    folder.mkdir()
    monkeypatch.setenv("ADSCORE_HELD", str(folder))
    held = HeldProcess(start_process, folder)
    yield held
    held.release()


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """Encodes a Pillow image."""

    def save(image: Image.Image, kind: str, **options: Any) -> bytes:
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    return save


@pytest.fixture(scope="session")
def image(creatives: list[Creative]) -> bytes:
    """One whole banner."""
    return creatives[0].image


@pytest.fixture
def copied_model(model_dir: Path, tmp_path: Path) -> Path:
    """A model's folder that the test may break; its parent is a root."""
    copy = tmp_path / "root" / model_dir.name
    shutil.copytree(model_dir, copy)
    return copy
