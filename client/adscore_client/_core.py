"""What both clients do, without any I/O: docs/decisions/sans-io-client.md.

A call is a coroutine here, and its connection does the waiting: that of ``AsyncClient`` waits in
the event loop, that of ``Client`` blocks and never suspends the coroutine.
"""

import itertools
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar, Unpack

import grpc

from adscore_client._address import parse_target
from adscore_client._arguments import (
    Deadline,
    ModelChoice,
    Options,
    check_count,
    check_timeout,
)
from adscore_client._bulk import Bulk
from adscore_client._calls import RETRIED, Connection, Metadata, retry
from adscore_client._channel import (
    ChannelSettings,
    check_tls,
    is_serving,
    read_certificates,
    token_source,
)
from adscore_client._checks import (
    CheckReport,
    Placement,
    add_creatives,
    placement_from_wire,
    report_from_wire,
)
from adscore_client._convert import (
    FRAME_BYTES,
    add_parts,
    context_to_wire,
    fill_creative,
    grid_from_wire,
    match_from_wire,
    model_from_wire,
    score_from_wire,
    text_to_wire,
)
from adscore_client._creative import Creative, CreativeInput, ImageInput, image_file_name
from adscore_client._decision_wire import decision_from_wire, fill_decide_request
from adscore_client._decisions import Arm, Decision
from adscore_client._exceptions import ServerError
from adscore_client._explanation import Explanation, WhatIf, explanation_from_wire, fill_request
from adscore_client._image_reader import ImageReader, require_pillow
from adscore_client._results import Grid, InputLimits, Match, Model, Score, Warning
from adscore_client._score_stream import ScoreStream
from adscore_client._settings import DEFAULTS, ClientSettings, check_names
from adscore_client._status import CallContext, error_from_call, no_answer
from adscore_protos.v1 import check_pb2, model_pb2, scoring_pb2

_MIN_MESSAGE_BYTES = 1024  # fewer do not fit a creative and the name of its model
_MAX_MESSAGE_BYTES = 2**31 - 1  # gRPC's own limit

_READINESS_POLL_SECONDS = 0.1  # between two checks whether a server serves

# A server may begin to serve a newer version, which may read images of another size.
LIMITS_KNOWN_SECONDS = 60.0

ConnectionType = TypeVar("ConnectionType", bound=Connection)


class BaseClient(ABC, Generic[ConnectionType]):
    """The settings of a client, and its calls; see ``Client`` and ``AsyncClient``."""

    def __init__(
        self, address: str | Sequence[str] = "127.0.0.1:50051", **settings: Unpack[ClientSettings]
    ) -> None:
        """Checks the settings; nothing is connected before the first call.

        Args:
            address: ``HOST:PORT``, another gRPC target, or a list of ``IP:PORT`` of servers
                with the same models. With several, as behind ``dns:///NAME:PORT``, calls go to
                them in turn, skipping any that is down or stopping.
            settings: By name:

                - ``timeout_seconds`` (10.0): How long a call may take, all attempts together,
                  in seconds, above 0; a method may be given another.
                - ``model`` (``""``): Name of the model to use; empty for the server's only
                  model, or its default.
                - ``model_version`` (``""``): Version of that model, e.g. ``"3"``; empty for
                  the newest.
                - ``max_message_bytes`` (16,777,216): Limit of one request and of one answer,
                  from 1,024 to 2,147,483,647 bytes. The default is the server's.
                - ``tls`` (False): True to encrypt, trusting public certificates; a ``Tls`` to
                  say more.
                - ``token`` (None): The caller's token, or a function that returns it, called before
                  each call. None for the environment's ``ADSCORE_TOKEN``, ``""`` for none.
                - ``allow_plaintext_token`` (False): Whether to send a token without encryption
                  to another machine.
                - ``shrink_images`` (False): Whether to make images smaller before they are
                  sent, to twice the size that the model reads; needs Pillow. Scores change a
                  little.

        Raises:
            TypeError: An argument is of the wrong type, or unknown.
            ValueError: An argument is out of range, or a file of ``tls`` cannot be read.
            ImportError: Pillow is needed and not installed.
        """
        check_names(settings, type(self).__name__)
        chosen: ClientSettings = {**DEFAULTS, **settings}
        target = parse_target(address)
        tls = check_tls(chosen["tls"], target)
        limit = check_count(
            chosen["max_message_bytes"], "max_message_bytes", _MIN_MESSAGE_BYTES, _MAX_MESSAGE_BYTES
        )
        self._channel = ChannelSettings(
            target,
            limit,
            certificates=None if tls is None else read_certificates(tls),
            server_name=(tls and tls.server_name) or "",
        )
        self._timeout_seconds = check_timeout(chosen["timeout_seconds"])
        self._choice = ModelChoice.of(chosen["model"], chosen["model_version"])
        self._token = token_source(
            chosen["token"],
            target,
            is_encrypted=tls is not None,
            allow_plaintext=chosen["allow_plaintext_token"],
        )
        self._token_may_block = callable(chosen["token"])
        self._shrink_images = chosen["shrink_images"]
        self._missed_context: set[tuple[str, str]] = set()
        self._known_limits: dict[ModelChoice, tuple[InputLimits, Deadline]] = {}
        if self._shrink_images:
            require_pillow()
        self._connection = self._connect(self._channel)

    @abstractmethod
    def _connect(self, settings: ChannelSettings) -> ConnectionType:
        """Returns the connection; opens nothing yet."""

    def __repr__(self) -> str:
        closed = ", closed" if self._connection.is_closed else ""
        return f"<{type(self).__name__} of {self._channel.target.name}{closed}>"

    # === Calls ===

    def _options(
        self,
        timeout_seconds: float | None = None,
        model: str | None = None,
        model_version: str | None = None,
    ) -> Options:
        """Checks the options of one call; its time starts now.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: The timeout is not above 0.
            ClientClosedError: The client is closed.
        """
        timeout = (
            self._timeout_seconds if timeout_seconds is None else check_timeout(timeout_seconds)
        )
        options = Options(self._choice.replace(model, model_version), Deadline(timeout))
        self._connection.check_open()
        return options

    async def _score(self, creative: Creative, options: Options) -> Score:
        choice = options.choice
        reader = await self._reader(options)
        reader = reader.leaving(choice.request_bytes + FRAME_BYTES)
        request = scoring_pb2.ScoreRequest(model=choice.model, model_version=choice.model_version)
        if reader.takes_time(creative.image):
            await self._connection.run(fill_creative, request.creative, creative, reader)
        else:
            fill_creative(request.creative, creative, reader)
        file = image_file_name(creative.image)
        context = self._context(options, creative.id, {"image": file} if file else {})
        wire = await self._send("Score", request, options, context)
        if not wire.HasField("score"):
            raise ServerError(f"Expected a score from {context.address}. Received: an empty answer")
        score = score_from_wire(wire.score)
        self._notice(score)
        return score

    async def _score_combinations(
        self,
        headlines: Iterable[str],
        images: Iterable[ImageInput],
        context: Mapping[str, str] | None,
        options: Options,
    ) -> Grid:
        request = scoring_pb2.ScoreCombinationsRequest(
            model=options.choice.model,
            model_version=options.choice.model_version,
            context={} if context is None else context_to_wire(context),
        )
        reader = await self._reader(options)
        files = await self._connection.run(add_parts, request, headlines, images, reader)
        answered = self._context(options, image_files=files)
        wire = await self._send("ScoreCombinations", request, options, answered)
        grid = grid_from_wire(wire, request, answered.address)
        for one in itertools.islice(grid, 1):  # all share their context
            self._notice(one.score)
        return grid

    async def _match(
        self, headlines: Iterable[str], images: Iterable[ImageInput], options: Options
    ) -> Match:
        request = scoring_pb2.MatchRequest(
            model=options.choice.model, model_version=options.choice.model_version
        )
        reader = await self._reader(options)
        files = await self._connection.run(add_parts, request, headlines, images, reader)
        context = self._context(options, image_files=files)
        wire = await self._send("Match", request, options, context)
        return match_from_wire(wire, request, context.address)

    async def _decide(
        self, arms: Iterable[Arm], options: Options, settings: Mapping[str, Any]
    ) -> Decision:
        request = scoring_pb2.DecideRequest(
            model=options.choice.model, model_version=options.choice.model_version
        )
        reader = await self._reader(options)
        files = await self._connection.run(fill_decide_request, request, arms, settings, reader)
        context = self._context(options, image_files=files)
        wire = await self._send("Decide", request, options, context)
        return decision_from_wire(wire, request, context.address)

    async def _check(
        self, placement: str, creatives: Iterable[CreativeInput], options: Options
    ) -> CheckReport:
        request = check_pb2.CheckRequest(placement=text_to_wire(placement, "placement"))
        reader = ImageReader(self._channel.max_message_bytes)  # the check needs the original file
        files = await self._connection.run(add_creatives, request, creatives, reader)
        context = self._context(options, image_files=files)._replace(keeps_paths=True)
        wire = await self._send("Check", request, options, context)
        return report_from_wire(wire, len(request.creatives), context.address)

    async def _list_placements(self, options: Options) -> list[Placement]:
        request = check_pb2.ListPlacementsRequest()
        wire = await self._send("ListPlacements", request, options, self._context(options))
        return [placement_from_wire(placement) for placement in wire.placements]

    async def _explain(
        self, creative: Creative, target: str | None, what_if: WhatIf, options: Options
    ) -> Explanation:
        request = scoring_pb2.ExplainRequest(
            model=options.choice.model,
            model_version=options.choice.model_version,
            target=text_to_wire("" if target is None else target, "target"),
        )
        # Boxes are in the pixels of the caller's own image, so it is not made smaller.
        reader = ImageReader(self._channel.max_message_bytes)
        files = await self._connection.run(fill_request, request, creative, what_if, reader)
        context = self._context(options, creative.id, files)
        wire = await self._send("Explain", request, options, context)
        if not wire.HasField("explanation"):
            raise ServerError(
                f"Expected an explanation from {context.address}. Received: an empty answer"
            )
        return explanation_from_wire(wire.explanation)

    async def _models(self, options: Options) -> list[Model]:
        request = model_pb2.ListModelsRequest()
        wire = await self._send("ListModels", request, options, self._context(options))
        return [model_from_wire(model) for model in wire.models]

    async def _model(self, options: Options) -> Model:
        request = model_pb2.GetModelRequest(
            model=options.choice.model, model_version=options.choice.model_version
        )
        wire = await self._send("GetModel", request, options, self._context(options))
        return model_from_wire(wire.model)

    async def _wait_until_ready(self, options: Options) -> None:
        context = self._context(options)
        metadata = await self._metadata(context)
        text = "it was not asked"
        while left := options.deadline.left_seconds:
            try:
                if is_serving(await self._connection.call("HealthCheck", b"", left, metadata)):
                    return
                text = "it does not serve yet"
            except grpc.RpcError as exc:
                error = error_from_call(exc, context)
                if error.code not in RETRIED or not error.retryable or self._connection.is_closed:
                    raise error from exc
                text = str(error)
            await self._connection.sleep(min(_READINESS_POLL_SECONDS, left))
        raise no_answer(context, text)

    def _score_many(
        self, items: AsyncIterator[object], batch_size: int, options: Options
    ) -> ScoreStream:
        reader = ImageReader(self._channel.max_message_bytes)
        bulk = Bulk(options.choice, batch_size, reader, self._context(options))

        def reader_of_now() -> Awaitable[ImageReader]:
            # Its time starts with the first request for a result, not with the call of the method.
            deadline = Deadline(options.deadline.timeout_seconds)
            return self._reader(options._replace(deadline=deadline))

        return ScoreStream(
            self._connection, items, bulk, reader_of_now, self._metadata, self._notice
        )

    # === Shared by all calls ===

    def _notice(self, score: Score) -> None:
        """Warns, once per model, that scores lack the context that it reads."""
        model = (score.model, score.model_version)
        if Warning.MISSING_CONTEXT in score.warnings and model not in self._missed_context:
            self._missed_context.add(model)
            warnings.warn(
                f"the model {model[0]}, version {model[1]}, reads context that did not come with "
                "every creative: such creatives are scored without it, and ranked worse "
                f"({Warning.MISSING_CONTEXT}). Pass context={{NAME: VALUE}} with each creative; "
                "client.model().limits.context_names has the names",
                stacklevel=1,
            )

    async def _send(self, method: str, request: Any, options: Options, context: CallContext) -> Any:
        metadata = await self._metadata(context)
        connection, deadline = self._connection, options.deadline
        return await retry(
            lambda: connection.call(
                method, request, deadline.remaining_seconds(context.creative_id), metadata
            ),
            connection,
            deadline,
            context,
        )

    async def _metadata(self, context: CallContext) -> Metadata:
        """Returns the metadata of a call: its id and its token."""
        request_id = ("x-request-id", context.request_id)
        if self._token is None:
            return (request_id,)
        # A token may come from a file or another service.
        token = await self._connection.run(self._token) if self._token_may_block else self._token()
        return (request_id, ("authorization", f"Bearer {token}"))

    def _context(
        self, options: Options, creative_id: str = "", image_files: Mapping[str, str] | None = None
    ) -> CallContext:
        return CallContext(
            self._channel,
            options.deadline.timeout_seconds,
            os.urandom(16).hex(),
            creative_id,
            image_files or {},
        )

    async def _reader(self, options: Options) -> ImageReader:
        if not self._shrink_images:
            return ImageReader(self._channel.max_message_bytes)
        limits, end = self._known_limits.get(options.choice, (None, None))
        if limits is None or end is None or not end.left_seconds:
            limits = (await self._model(options)).limits
            self._known_limits[options.choice] = (limits, Deadline(LIMITS_KNOWN_SECONDS))
        return ImageReader(self._channel.max_message_bytes, limits)
