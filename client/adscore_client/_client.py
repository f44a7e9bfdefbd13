"""The client that blocks."""

import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Self

from adscore_client._base import BaseClient
from adscore_client._bulk import Bulk
from adscore_client._connection import BulkStream, Connection
from adscore_client._core import READINESS_POLL_SECONDS, Call, CallOptions
from adscore_client._creative import Creative, CreativeInput
from adscore_client._exceptions import AdscoreError, ServerUnavailableError
from adscore_client._grid import Grid
from adscore_client._images import ImageInput
from adscore_client._results import InputLimits, Match, Model, Score
from adscore_client._status import no_answer


class Client(BaseClient[Connection]):
    """Scores creatives on adscore servers.

    A client connects with its first call, may be used from several threads, and is closed
    by ``close()`` or its ``with`` block:

        with Client("127.0.0.1:50051") as client:
            score = client.score("Save 20 % on running shoes", "banners/shoes.png")
            print(score.targets["ctr"].mean)

    A call that finds a server gone or busy is made again, up to five times within its
    timeout. See ``BaseClient.__init__`` for the settings.
    """

    def _connect(self) -> Connection:
        return Connection(self._core)

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
        options = self._core.options(timeout_seconds, model, model_version)
        self._connection.check_open()
        creative = Creative(headline, image, id, {} if context is None else context)
        return self._connection.send(self._core.score(creative, options, self._shrink_for(options)))

    def score_many(
        self,
        creatives: Iterable[CreativeInput],
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

        What fails the whole call (no such model, ...) is raised; what was yielded until then
        stays valid. A connection that breaks is opened again, to another server where there
        are several, and what had no answer yet is sent again. An exception of the iterable
        itself is raised once all results before it were yielded.

        Creatives are read only as results are asked for, some requests ahead, so that an
        endless iterable takes constant memory. Leaving the loop early ends the call.

        Args:
            creatives: Creatives, or pairs of headline and image.
            batch_size: Creatives of one request, from 1 to 1,000; fewer are sent together
                where the message limit asks for it. Four requests are on their way at most.
            timeout_seconds: How long to wait for the next answer of the server, all attempts
                together; None for the client's. What the caller does between two results
                does not count.
            model: As for ``score``.
            model_version: As for ``score``.

        Raises:
            AdscoreError: The call failed; the subclass says why.
            TypeError: An argument is of the wrong type, or an item is no creative. (A part of
                a creative that is of the wrong type is an error of this creative.)
            ValueError: An argument is out of range.
        """
        # Not itself a generator: wrong arguments should fail here, not at the first result.
        options = self._core.options(timeout_seconds, model, model_version)
        bulk = self._core.bulk(options, batch_size)
        self._connection.check_open()
        return self._score_lazily(iter(creatives), bulk, options)

    def score_combinations(
        self,
        headlines: Iterable[str],
        images: Iterable[ImageInput],
        *,
        context: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
        model: str | None = None,
        model_version: str | None = None,
    ) -> Grid:
        """Scores every combination of headlines and images, much faster than one by one.

            grid = client.score_combinations(headlines, images)
            grid.scores[0][2]  # the first headline with the third image
            grid.best(5)  # the five combinations with the highest rates

        All are sent in one call, and the first that is refused fails it.

        Args:
            headlines: Texts, at least one and none of them empty.
            images: At least one; each as for ``score``, but never None. Headlines times images
                are at most ``Model.limits.max_combinations``.
            context: As for ``score``; all combinations share it.
            timeout_seconds: How long reading the images and the call may take together;
                None for the client's. A read that blocks cannot be cut short.
            model: As for ``score``.
            model_version: As for ``score``.

        Raises:
            InvalidCreativeError: A headline or an image cannot be read, or was refused; its
                ``field`` says which, e.g. ``"images[5]"``.
            AdscoreError: The call failed; the subclass says why.
            TypeError: An argument is of the wrong type.
            ValueError: The timeout is not above 0.
        """
        options = self._core.options(timeout_seconds, model, model_version)
        self._connection.check_open()
        return self._connection.send(
            self._core.combinations(headlines, images, context, options, self._shrink_for(options))
        )

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
        options = self._core.options(timeout_seconds, model, model_version)
        self._connection.check_open()
        return self._connection.send(
            self._core.match(headlines, images, options, self._shrink_for(options))
        )

    def models(self, *, timeout_seconds: float | None = None) -> list[Model]:
        """Lists every version of every model of the server, by name, the newest first.

        Args:
            timeout_seconds: How long the call may take; None for the client's.

        Raises:
            AdscoreError: The call failed; the subclass says why.
        """
        return self._connection.send(self._core.models(self._core.options(timeout_seconds)))

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
        options = self._core.options(timeout_seconds, name, version)
        return self._connection.send(self._core.model(options))

    def wait_until_ready(self, timeout_seconds: float | None = None) -> None:
        """Waits until a server is there and serves, e.g. one that was started a moment ago.

        Args:
            timeout_seconds: How long to wait; None for the client's.

        Raises:
            DeadlineExceededError: None serves within the timeout.
            AdscoreError: The call failed; the subclass says why.
        """
        options = self._core.options(timeout_seconds)
        call = self._core.readiness(options)
        while not self._serves(call):
            if options.deadline.left_seconds <= READINESS_POLL_SECONDS:
                raise no_answer(call.context)
            time.sleep(READINESS_POLL_SECONDS)

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
        return self._describe(self._connection.is_closed)

    def _serves(self, readiness: Call[bool]) -> bool:
        try:
            return self._connection.send(readiness, wait_for_ready=True)
        except ServerUnavailableError:  # the one of a moment ago, or what a proxy says of none
            return False

    def _shrink_for(self, options: CallOptions) -> InputLimits | None:
        if not self._core.shrink_images:
            return None
        limits = self._core.known_limits(options.choice)
        if limits is None:
            limits = self._connection.send(self._core.model(options)).limits
            self._core.learn_limits(options.choice, limits)
        return limits

    def _score_lazily(
        self, items: Iterator[object], bulk: Bulk, options: CallOptions
    ) -> Iterator[Score | AdscoreError]:
        bulk.shrink_images_for(self._shrink_for(options.renewed()))
        with BulkStream(self._connection, self._core, bulk) as stream:
            while not bulk.is_done:
                while bulk.wants_items:
                    for request in bulk.read_on(items):
                        stream.send(request)
                results = bulk.take_results()
                yield from results
                if not (results or bulk.is_done):
                    bulk.answer(stream.receive())
        bulk.raise_failure()
