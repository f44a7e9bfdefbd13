"""Live servers with scripted answers, on a free port of this machine."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import status_pb2

from adscore_client import AdscoreError, Client
from adscore_protos.v1 import model_pb2_grpc, scoring_pb2, scoring_pb2_grpc

Handler = Callable[[Any, grpc.ServicerContext], Any]
Found = TypeVar("Found")


UNARY = {"Score", "BatchScore", "ScoreCombinations", "Match", "Explain"}


class ScriptedScoring(scoring_pb2_grpc.ScoringServiceServicer):
    def __init__(self, handlers: dict[str, Handler]) -> None:
        for name in handlers.keys() & UNARY:
            setattr(self, name, handlers[name])
        if "StreamScore" in handlers:
            setattr(self, "StreamScore", _answer_each(handlers["StreamScore"]))  # noqa: B010


def _answer_each(handler: Handler) -> Any:
    """A StreamScore method that answers requests as they come, with the handler's results."""

    def stream(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        for request in requests:
            results = handler(request, context).results
            yield scoring_pb2.StreamScoreResponse(request_id=request.request_id, results=results)

    return stream


class ScriptedModels(model_pb2_grpc.ModelServiceServicer):
    def __init__(self, handlers: dict[str, Handler]) -> None:
        for name in handlers.keys() & {"ListModels", "GetModel"}:
            setattr(self, name, handlers[name])


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Starts a server with the given handlers, e.g. ``serve(Score=...)``; returns its address."""
    servers = []

    def start(
        *,
        address: str = "127.0.0.1:0",
        credentials: grpc.ServerCredentials | None = None,
        **handlers: Handler,
    ) -> str:
        server = grpc.server(
            ThreadPoolExecutor(max_workers=2),
            options=[("grpc.max_receive_message_length", 16 * 1024 * 1024)],
        )
        scoring_pb2_grpc.add_ScoringServiceServicer_to_server(ScriptedScoring(handlers), server)
        model_pb2_grpc.add_ModelServiceServicer_to_server(ScriptedModels(handlers), server)
        if credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, credentials)
        server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(grace=None).wait()


@pytest.fixture
def connect(serve: Callable[..., str]) -> Iterator[Callable[..., Client]]:
    """Returns a client of a server with the given handlers; other arguments are the client's."""
    clients = []

    def start(**arguments: Any) -> Client:
        names = {*UNARY, "StreamScore", "ListModels", "GetModel"}
        handlers = {name: arguments.pop(name) for name in names & arguments.keys()}
        client = Client(serve(**handlers), **arguments)
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def patiently() -> Callable[[Callable[[float], Found], Callable[[Found], bool]], Found]:
    """Tries what ends at a deadline: anew with a longer one where it did not come so far in time.

    On an idle machine the first try, of half a second, is the only one.
    """

    def run(attempt: Callable[[float], Found], came_so_far: Callable[[Found], bool]) -> Found:
        for seconds in (0.5, 2.0, 8.0):
            if came_so_far(found := attempt(seconds)):
                return found
        return attempt(60.0)

    return run


@pytest.fixture(scope="session")
def failure_of() -> Callable[..., Callable[[float], AdscoreError]]:
    """Makes what scores with a client of its own and gives the error of that, by its timeout."""

    def make(address: str, **settings: Any) -> Callable[[float], AdscoreError]:
        def attempt(seconds: float) -> AdscoreError:
            with (
                Client(address, timeout_seconds=seconds, **settings) as client,
                pytest.raises(AdscoreError) as caught,
            ):
                client.score("headline")
            return caught.value

        return attempt

    return make


@pytest.fixture
def refuse() -> Callable[..., None]:
    """Fails a call with a code, a text and messages of google.rpc as details."""

    def fail(
        context: grpc.ServicerContext, code: grpc.StatusCode, text: str, *details: Any
    ) -> None:
        packed = [any_pb2.Any() for _ in details]
        for message, detail in zip(packed, details, strict=True):
            message.Pack(detail)
        status = status_pb2.Status(code=code.value[0], message=text, details=packed)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, text)

    return fail


@pytest.fixture
def score_each() -> Handler:
    """A StreamScore handler that scores every creative with the length of its headline."""

    def handler(request: Any, context: grpc.ServicerContext) -> Any:
        results = [
            scoring_pb2.BatchScoreResult(
                id=creative.id,
                score=scoring_pb2.Score(
                    creative_id=creative.id,
                    targets={"ctr": scoring_pb2.TargetScore(mean=len(creative.headline))},
                ),
            )
            for creative in request.creatives
        ]
        return scoring_pb2.BatchScoreResponse(results=results)

    return handler


@pytest.fixture
def score_recorder() -> Handler:
    """A Score handler that keeps the requests, as ``score_recorder.requests``."""

    requests: list[Any] = []

    def handler(request: Any, context: grpc.ServicerContext) -> Any:
        requests.append(request)
        return scoring_pb2.ScoreResponse(score=scoring_pb2.Score())

    setattr(handler, "requests", requests)  # noqa: B010
    return handler
