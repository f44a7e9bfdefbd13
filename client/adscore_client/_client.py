"""The client: one object for one server."""

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Self

from adscore_client._arguments import ModelChoice, check_address, check_count, check_timeout
from adscore_client._batches import (
    Batch,
    Entry,
    PreparedCreative,
    outcomes,
    prepare,
    prepare_item,
)
from adscore_client._connection import Connection
from adscore_client._convert import model_from_wire, score_from_wire
from adscore_client._creative import Creative
from adscore_client._deadline import Deadline
from adscore_client._exceptions import AdscoreError, ServerError
from adscore_client._images import ImageInput
from adscore_client._matching import match_from_wire, prepare_match
from adscore_client._results import Match, Model, Score
from adscore_client._status import CallContext, mapped_errors
from adscore_protos.v1 import model_pb2, scoring_pb2

_MIN_MESSAGE_BYTES = 1024  # less holds no creative beside the name of its model
_MAX_MESSAGE_BYTES = 2**31 - 1  # gRPC's own limit


class Client:
    """Scores creatives on an adscore server.

    A client connects with its first call, may be used from several threads, and is closed
    by ``close()`` or its ``with`` block:

        with Client("127.0.0.1:50051") as client:
            score = client.score("Save 20 % on running shoes", "banners/shoes.png")
            print(score.targets["ctr"].mean)

    Args:
        address: ``HOST:PORT``, or any gRPC target. The connection is not encrypted.
        timeout_seconds: How long a call may take, in seconds, above 0; a method may be given
            another.
        model: Name of the model to use; empty for the server's only model, or its default.
        model_version: Version of that model, e.g. ``"3"``; empty for the newest.
        max_message_bytes: Limit of one request and of one answer, from 1,024 to 2,147,483,647
            bytes. The default is the server's default.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:50051",
        *,
        timeout_seconds: float = 10.0,
        model: str = "",
        model_version: str = "",
        max_message_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        self._address = check_address(address)
        self._timeout_seconds = check_timeout(timeout_seconds)
        self._model_choice = ModelChoice.of(model, model_version)
        self._max_message_bytes = check_count(
            max_message_bytes, "max_message_bytes", _MIN_MESSAGE_BYTES, _MAX_MESSAGE_BYTES
        )
        self._connection = Connection(self._address, self._max_message_bytes)

    def score(
        self,
        headline: str | None = None,
        image: ImageInput | None = None,
        *,
        id: str = "",  # noqa: A002 - the contract's name
        context: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
        model: str | None = None,
        model_version: str | None = None,
    ) -> Score:
        """Scores one creative.

        Args:
            headline: Text of the headline; None or ``""`` where the creative has none. Whether
                it may lack one, or its image, is the model's to say: ``Model.limits``.
            image: The banner, as a path (``str`` or ``os.PathLike``), the bytes of one
                encoded JPEG, PNG, WebP or GIF file, a file object opened for binary reading
                (read from where it stands, not closed), or a Pillow image (sent as PNG); None
                where the creative has none.
            id: Chosen by the caller and returned with the score; at most 256 characters.
            context: Circumstances of the ad by name, e.g. ``{"placement": "feed"}``.
            timeout_seconds: How long reading the image and the call may take together;
                None for the client's. A read that blocks cannot be cut short.
            model: Name of another model than the client's; its newest version is used unless
                one is given.
            model_version: Version of the model; None for the client's.

        Raises:
            InvalidCreativeError: The image cannot be read, or the server refused a part.
            AdscoreError: The call failed; the subclass says why.
            TypeError: An argument is of the wrong type.
            ValueError: The timeout is not above 0.
        """
        timeout = self._timeout(timeout_seconds)
        deadline = Deadline(timeout)
        choice = self._model_choice.replace(model, model_version)
        self._connection.check_open()
        creative = Creative(headline, image, id, {} if context is None else context)
        prepared = prepare(creative, self._max_message_bytes - choice.request_bytes)
        request = scoring_pb2.ScoreRequest(
            creative=prepared.wire, model=choice.model, model_version=choice.model_version
        )
        call = CallContext(self._address, timeout, creative.id, prepared.image_files)
        with mapped_errors(call):
            response = self._connection.scoring().Score(
                request, timeout=deadline.remaining_seconds(creative.id)
            )
        if not response.HasField("score"):
            raise ServerError(f"Expected a score from {self._address}. Received: an empty answer")
        return score_from_wire(response.score)

    def score_many(
        self,
        creatives: Iterable[Creative | tuple[str | None, ImageInput | None]],
        *,
        batch_size: int = 32,
        timeout_seconds: float | None = None,
        model: str | None = None,
        model_version: str | None = None,
    ) -> Iterator[Score | AdscoreError]:
        """Scores any number of creatives, lazily and in their order.

        For each creative the iterator yields what ``score`` would return or, *returned and not
        raised*, the exception that it would raise for this creative: one without its image
        file costs no other its score.

            for result in client.score_many(zip(headlines, paths)):
                if isinstance(result, Score):
                    print(result.creative_id, result.targets["ctr"].mean)
                else:
                    print(result.creative_id, "has no score:", result)

        What fails a whole call (no server, no such model, ...) is raised; what was yielded
        until then stays valid. Creatives are read only as results are asked for, at most
        ``batch_size`` (and one) ahead, so that an endless iterable takes constant memory.

        Args:
            creatives: Creatives, or pairs of headline and image.
            batch_size: Creatives of one call, from 1 to 1,000; fewer are sent together where
                the message limit asks for it.
            timeout_seconds: How long each of the calls may take; None for the client's.
            model: As for ``score``.
            model_version: As for ``score``.

        Raises:
            AdscoreError: A whole call failed; the subclass says why.
            TypeError: An argument is of the wrong type, or an item is no creative. (A part of
                a creative that is of the wrong type is an error of this creative.)
            ValueError: An argument is out of range.
        """
        # Not itself a generator: wrong arguments should fail here, not at the first result.
        batch_size = check_count(batch_size, "batch_size", 1, 1_000)
        timeout = self._timeout(timeout_seconds)
        choice = self._model_choice.replace(model, model_version)
        self._connection.check_open()
        return self._score_lazily(iter(creatives), batch_size, timeout, choice)

    def match(
        self,
        headlines: Iterable[str],
        images: Iterable[ImageInput],
        *,
        timeout_seconds: float | None = None,
        model: str | None = None,
        model_version: str | None = None,
    ) -> Match:
        """Says how well each headline fits each image.

            match = client.match(["Running shoes", "Garden chairs"], ["a.png", "b.png"])
            best = match.images_for(0)[0]  # position of the best image for "Running shoes"

        All are sent in one call, and the first that is refused fails it.

        Args:
            headlines: Texts, at least one and none of them empty.
            images: At least one; each as for ``score``, but never None. Headlines and images
                together are at most 1,000 unless the server's operator sets another limit.
            timeout_seconds: How long reading the images and the call may take together;
                None for the client's. A read that blocks cannot be cut short.
            model: As for ``score``.
            model_version: As for ``score``.

        Raises:
            InvalidCreativeError: A headline or an image cannot be read, or was refused; its
                ``field`` says which, e.g. ``"images[5]"``.
            ModelUnsupportedError: The model was not trained for it; see ``Model.has_agreement``.
            AdscoreError: The call failed; the subclass says why.
            TypeError: An argument is of the wrong type.
            ValueError: The timeout is not above 0.
        """
        timeout = self._timeout(timeout_seconds)
        deadline = Deadline(timeout)
        choice = self._model_choice.replace(model, model_version)
        self._connection.check_open()
        prepared = prepare_match(headlines, images, choice, self._max_message_bytes)
        call = CallContext(self._address, timeout, image_files=prepared.image_files)
        with mapped_errors(call):
            response = self._connection.scoring().Match(
                prepared.request, timeout=deadline.remaining_seconds()
            )
        return match_from_wire(response, prepared.request, self._address)

    def models(self, *, timeout_seconds: float | None = None) -> list[Model]:
        """Lists every version of every model of the server, by name, the newest first.

        Args:
            timeout_seconds: How long the call may take; None for the client's.

        Raises:
            AdscoreError: The call failed; the subclass says why.
        """
        timeout = self._timeout(timeout_seconds)
        with mapped_errors(CallContext(self._address, timeout)):
            response: model_pb2.ListModelsResponse = self._connection.models().ListModels(
                model_pb2.ListModelsRequest(), timeout=timeout
            )
        return [model_from_wire(wire) for wire in response.models]

    def model(
        self,
        name: str | None = None,
        version: str | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> Model:
        """Describes one version of one model.

        Args:
            name: Name of the model; None for the client's.
            version: Version of the model, e.g. ``"3"``; None for the newest or, without a name,
                the client's.
            timeout_seconds: How long the call may take; None for the client's.

        Raises:
            ModelNotFoundError: The server has no such model or version.
            AdscoreError: The call failed; the subclass says why.
        """
        timeout = self._timeout(timeout_seconds)
        choice = self._model_choice.replace(name, version)
        request = model_pb2.GetModelRequest(model=choice.model, model_version=choice.model_version)
        with mapped_errors(CallContext(self._address, timeout)):
            response: model_pb2.GetModelResponse = self._connection.models().GetModel(
                request, timeout=timeout
            )
        return model_from_wire(response.model)

    def close(self) -> None:
        """Closes the connection; calls under way are cancelled. May be called again."""
        self._connection.close()

    def __enter__(self) -> Self:
        self._connection.check_open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self._address}{', closed' if self._connection.is_closed else ''}>"

    def _timeout(self, timeout_seconds: float | None) -> float:
        return self._timeout_seconds if timeout_seconds is None else check_timeout(timeout_seconds)

    def _score_lazily(
        self, items: Iterator[object], batch_size: int, timeout: float, choice: ModelChoice
    ) -> Iterator[Score | AdscoreError]:
        max_bytes = self._max_message_bytes - choice.request_bytes
        batch = Batch(batch_size, max_bytes)
        for position, item in enumerate(items):
            entry = prepare_item(item, position, max_bytes)
            if not batch.has_room_for(entry):
                yield from self._score_batch(batch.take(), timeout, choice)
            batch.add(entry)
            if batch.is_full:
                yield from self._score_batch(batch.take(), timeout, choice)
        yield from self._score_batch(batch.take(), timeout, choice)

    def _score_batch(
        self, entries: list[Entry], timeout: float, choice: ModelChoice
    ) -> list[Score | AdscoreError]:
        request = scoring_pb2.BatchScoreRequest(
            creatives=[entry.wire for entry in entries if isinstance(entry, PreparedCreative)],
            model=choice.model,
            model_version=choice.model_version,
        )
        response = scoring_pb2.BatchScoreResponse()
        call = CallContext(self._address, timeout)
        if request.creatives:  # an empty call would be refused
            with mapped_errors(call):
                response = self._connection.scoring().BatchScore(request, timeout=timeout)
        return outcomes(entries, response.results, call)
