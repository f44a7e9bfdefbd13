"""What both clients share, without sending anything: calls to make, answers to convert."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

from adscore_client._access import Tls, Token, check_tls, read_certificates, token_source
from adscore_client._address import parse_target
from adscore_client._arguments import ModelChoice, check_count, check_timeout
from adscore_client._batches import prepare
from adscore_client._bulk import Bulk
from adscore_client._channel import ChannelSettings
from adscore_client._combinations import grid_from_wire
from adscore_client._convert import context_to_wire, model_from_wire, score_from_wire
from adscore_client._creative import Creative
from adscore_client._deadline import Deadline
from adscore_client._exceptions import ServerError
from adscore_client._grid import Grid
from adscore_client._image_reader import ImageReader, require_pillow
from adscore_client._matching import match_from_wire
from adscore_client._methods import is_serving
from adscore_client._parts import prepare_parts
from adscore_client._results import InputLimits, Match, Model, Score
from adscore_client._status import CallContext
from adscore_protos.v1 import model_pb2, scoring_pb2

_MIN_MESSAGE_BYTES = 1024  # less holds no creative beside the name of its model
_MAX_MESSAGE_BYTES = 2**31 - 1  # gRPC's own limit

READINESS_POLL_SECONDS = 0.1  # between two questions whether a server serves

# A server may begin to serve a newer version, which may read images of another size.
LIMITS_KNOWN_SECONDS = 60.0

Result = TypeVar("Result")
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Call(Generic[Result]):
    """One call of one request, ready to be sent.

    Attributes:
        method: Name of the method, e.g. ``"Score"``.
        request: The message.
        convert: Makes the result of the answer.
        metadata: What is sent beside the message.
        deadline: When the answer must be there.
        context: What the text of an error names.
    """

    method: str
    request: Any
    convert: Callable[[Any], Result]
    metadata: Metadata
    deadline: Deadline
    context: CallContext


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What a caller chose for one call.

    Attributes:
        choice: The model.
        deadline: Begins as the method is called, so that reading images counts.
    """

    choice: ModelChoice
    deadline: Deadline

    def renewed(self) -> Self:
        """Returns the same options with the time from now."""
        return replace(self, deadline=Deadline(self.deadline.timeout_seconds))


class Core:
    """The settings of a client, and the calls that follow from them.

    Args:
        address: As of the clients, like all others.
    """

    def __init__(
        self,
        address: str | Sequence[str],
        *,
        timeout_seconds: float,
        model: str,
        model_version: str,
        max_message_bytes: int,
        tls: Tls | bool,
        token: Token | None,
        allow_plaintext_token: bool,
        shrink_images: bool,
    ) -> None:
        target = parse_target(address)
        checked_tls = check_tls(tls, target)
        self.address = target.name
        self.channel = ChannelSettings(
            target,
            check_count(
                max_message_bytes, "max_message_bytes", _MIN_MESSAGE_BYTES, _MAX_MESSAGE_BYTES
            ),
            certificates=None if checked_tls is None else read_certificates(checked_tls),
            server_name=(checked_tls and checked_tls.server_name) or "",
        )
        self._timeout_seconds = check_timeout(timeout_seconds)
        self._choice = ModelChoice.of(model, model_version)
        self._token = token_source(
            token,
            target,
            is_encrypted=checked_tls is not None,
            allow_plaintext=allow_plaintext_token,
        )
        self.shrink_images = shrink_images
        self._known_limits: dict[ModelChoice, tuple[InputLimits, Deadline]] = {}
        if shrink_images:
            require_pillow()

    def options(
        self,
        timeout_seconds: float | None,
        model: str | None = None,
        model_version: str | None = None,
    ) -> CallOptions:
        """Checks what a caller chose for one call; its time begins now.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: The timeout is not above 0.
        """
        timeout = (
            self._timeout_seconds if timeout_seconds is None else check_timeout(timeout_seconds)
        )
        return CallOptions(self._choice.replace(model, model_version), Deadline(timeout))

    def known_limits(self, choice: ModelChoice) -> InputLimits | None:
        """Returns what a model accepts; None where that is not known, or no more for sure."""
        limits, end = self._known_limits.get(choice, (None, None))
        return limits if end and end.left_seconds else None

    def learn_limits(self, choice: ModelChoice, limits: InputLimits) -> None:
        """Takes what a model accepts, as the server said a moment ago."""
        self._known_limits[choice] = (limits, Deadline(LIMITS_KNOWN_SECONDS))

    def metadata(self, context: CallContext) -> Metadata:
        """Returns what is sent beside the message: who calls, and the id of the call."""
        metadata = (("x-request-id", context.request_id),)
        if self._token is None:
            return metadata
        return (*metadata, ("authorization", f"Bearer {self._token()}"))

    def score(
        self, creative: Creative, options: CallOptions, shrink_for: InputLimits | None
    ) -> Call[Score]:
        """Prepares a Score call.

        Raises:
            InvalidCreativeError: The image cannot be read, or a part cannot be sent.
            TypeError: A part is of the wrong type.
        """
        choice = options.choice
        reader = self._reader(shrink_for).leaving(choice.request_bytes)
        prepared = prepare(creative, reader)
        request = scoring_pb2.ScoreRequest(
            creative=prepared.wire, model=choice.model, model_version=choice.model_version
        )
        context = self._context(options, creative.id, prepared.image_files)
        return self._call("Score", request, self._convert_score, options, context)

    def bulk(self, options: CallOptions, batch_size: int) -> Bulk:
        """Prepares a StreamScore call.

        Raises:
            TypeError: The size is no int.
            ValueError: It is out of range.
        """
        return Bulk(options.choice, batch_size, self._reader(None), self._context(options))

    def combinations(
        self,
        headlines: Iterable[str],
        images: Iterable[Any],
        context: Mapping[str, str] | None,
        options: CallOptions,
        shrink_for: InputLimits | None,
    ) -> Call[Grid]:
        """Prepares a ScoreCombinations call.

        Raises:
            InvalidCreativeError: An item cannot be read.
            MessageTooLargeError: The request would be above the message limit.
            TypeError: An argument is of the wrong type.
        """
        request = scoring_pb2.ScoreCombinationsRequest(
            model=options.choice.model,
            model_version=options.choice.model_version,
            context=context_to_wire({} if context is None else context),
        )
        parts = prepare_parts(request, headlines, images, self._reader(shrink_for))
        return self._call(
            "ScoreCombinations",
            parts.request,
            lambda wire: grid_from_wire(wire, parts.request, self.address),
            options,
            self._context(options, image_files=parts.image_files),
        )

    def match(
        self,
        headlines: Iterable[str],
        images: Iterable[Any],
        options: CallOptions,
        shrink_for: InputLimits | None,
    ) -> Call[Match]:
        """Prepares a Match call.

        Raises:
            InvalidCreativeError: An item cannot be read.
            MessageTooLargeError: The request would be above the message limit.
            TypeError: An argument is of the wrong type.
        """
        request = scoring_pb2.MatchRequest(
            model=options.choice.model, model_version=options.choice.model_version
        )
        parts = prepare_parts(request, headlines, images, self._reader(shrink_for))
        return self._call(
            "Match",
            parts.request,
            lambda wire: match_from_wire(wire, parts.request, self.address),
            options,
            self._context(options, image_files=parts.image_files),
        )

    def models(self, options: CallOptions) -> Call[list[Model]]:
        """Prepares a ListModels call."""
        return self._call(
            "ListModels",
            model_pb2.ListModelsRequest(),
            lambda wire: [model_from_wire(model) for model in wire.models],
            options,
            self._context(options),
        )

    def model(self, options: CallOptions) -> Call[Model]:
        """Prepares a GetModel call."""
        request = model_pb2.GetModelRequest(
            model=options.choice.model, model_version=options.choice.model_version
        )
        return self._call(
            "GetModel",
            request,
            lambda wire: model_from_wire(wire.model),
            options,
            self._context(options),
        )

    def readiness(self, options: CallOptions) -> Call[bool]:
        """Prepares a call of Check of grpc.health.v1.Health."""
        return self._call("Check", b"", is_serving, options, self._context(options))

    def _call(
        self,
        method: str,
        request: Any,
        convert: Callable[[Any], Result],
        options: CallOptions,
        context: CallContext,
    ) -> Call[Result]:
        return Call(method, request, convert, self.metadata(context), options.deadline, context)

    def _context(
        self,
        options: CallOptions,
        creative_id: str = "",
        image_files: Mapping[str, str] | None = None,
    ) -> CallContext:
        return CallContext(
            self.address,
            options.deadline.timeout_seconds,
            request_id=os.urandom(16).hex(),
            creative_id=creative_id,
            image_files=image_files or {},
        )

    def _reader(self, shrink_for: InputLimits | None) -> ImageReader:
        return ImageReader(self.channel.max_message_bytes, shrink_for)

    def _convert_score(self, wire: scoring_pb2.ScoreResponse) -> Score:
        if not wire.HasField("score"):
            raise ServerError(f"Expected a score from {self.address}. Received: an empty answer")
        return score_from_wire(wire.score)
