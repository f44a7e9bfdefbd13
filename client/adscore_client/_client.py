"""The blocking client."""

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Self, Unpack

from adscore_client._arguments import CallOptions
from adscore_client._channel import ChannelSettings
from adscore_client._checks import CheckReport, Placement
from adscore_client._connection import BlockingConnection, run
from adscore_client._core import BaseClient
from adscore_client._creative import Creative, CreativeInput, ImageInput
from adscore_client._decisions import Arm, DecideOptions, Decision, split_options
from adscore_client._exceptions import AdscoreError
from adscore_client._explanation import NOTHING, Explanation, WhatIf
from adscore_client._results import Grid, Match, Model, Score
from adscore_client._score_stream import ScoreStream


class Client(BaseClient[BlockingConnection]):
    """Scores creatives on adscore servers.

    A client connects with its first call, may be used from several threads, and is closed
    by ``close()`` or its ``with`` block:

        with Client("127.0.0.1:50051") as client:
            score = client.score("Save 20 % on running shoes", "banners/shoes.png")
            print(score.targets["ctr"].mean)

    A call that finds a server gone or busy is retried until its timeout. See
    ``BaseClient.__init__`` for the settings.
    """

    def _connect(self, settings: ChannelSettings) -> BlockingConnection:
        return BlockingConnection(settings)

    def score(
        self,
        headline: str | None = None,
        image: ImageInput | None = None,
        *,
        id: str = "",  # noqa: A002 - the contract's name
        context: Mapping[str, str] | None = None,
        **options: Unpack[CallOptions],
    ) -> Score:
        """Scores one creative.

        Args:
            headline: Text of the headline; None or ``""`` if the creative has none. The model's
                ``Model.limits`` say whether the headline or the image may be absent.
            image: The banner, as a path (``str`` or ``os.PathLike``), the bytes of one
                encoded JPEG, PNG, WebP or GIF file, a file object opened for binary reading
                (read from where it stands, not closed), or a Pillow image (sent as PNG); None
                where the creative has none.
            id: Chosen by the caller and returned with the score; at most 256 characters.
            context: Circumstances of the ad by name, e.g. ``{"placement": "feed"}``.
            options: ``timeout_seconds``, how long reading the image and the call may take
                together (a read that blocks cannot be cut short); ``model``, the name of
                another model than the client's, whose newest version is used unless
                ``model_version`` is given. The client's unless given.

        Raises:
            InvalidCreativeError: The image cannot be read, or the server refused a part.
            AdscoreError: The call failed; the subclass says why.
            TypeError: An argument is of the wrong type.
            ValueError: The timeout is not above 0.
        """
        creative = Creative(headline, image, id, {} if context is None else context)
        return run(self._score(creative, self._options(**options)))

    def score_many(
        self,
        creatives: Iterable[CreativeInput],
        *,
        batch_size: int = 32,
        **options: Unpack[CallOptions],
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

        An error of the whole call (no such model, ...) is raised; results yielded before it stay
        valid. A broken connection is reopened, to another server if there are several, and
        unanswered requests are sent again. An exception of the iterable itself is raised after
        all results before it.

        Creatives are read lazily, a few requests ahead of the results, so that an endless
        iterable takes constant memory. Leaving the loop early ends the call.

        Args:
            creatives: Creatives, or pairs of headline and image.
            batch_size: Creatives per request, from 1 to 1,000; fewer if the message limit requires
                it. At most four requests are in flight.
            options: ``timeout_seconds``, how long to wait for the next answer of the server,
                all attempts together (what the caller does between two results does not
                count); ``model`` and ``model_version`` as for ``score``.

        Raises:
            AdscoreError: The call failed; the subclass says why.
            TypeError: An argument is of the wrong type, or an item is no creative. (A part of
                a creative that is of the wrong type is an error of this creative.)
            ValueError: An argument is out of range.
        """
        # Not a generator itself, so that wrong arguments fail here, not at the first result.
        items = _Items(creatives)
        return _results(self._score_many(items, batch_size, self._options(**options)))

    def score_combinations(
        self,
        headlines: Iterable[str],
        images: Iterable[ImageInput],
        *,
        context: Mapping[str, str] | None = None,
        **options: Unpack[CallOptions],
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
            options: As for ``score``.

        Raises:
            InvalidCreativeError: A headline or an image cannot be read, or was refused; its
                ``field`` says which, e.g. ``"images[5]"``.
            AdscoreError: The call failed; the subclass says why.
            TypeError: An argument is of the wrong type.
            ValueError: The timeout is not above 0.
        """
        return run(self._score_combinations(headlines, images, context, self._options(**options)))

    def match(
        self,
        headlines: Iterable[str],
        images: Iterable[ImageInput],
        **options: Unpack[CallOptions],
    ) -> Match:
        """Says how well each headline fits each image.

            match = client.match(["Running shoes", "Garden chairs"], ["a.png", "b.png"])
            best = match.images_for(0)[0]  # position of the best image for "Running shoes"

        All are sent in one call, and the first that is refused fails it.

        Args:
            headlines: Texts, at least one and none of them empty.
            images: At least one; each as for ``score``, but never None. Headlines and images
                together are at most 1,000 unless the server's operator sets another limit.
            options: As for ``score``.

        Raises:
            InvalidCreativeError: A headline or an image cannot be read, or was refused; its
                ``field`` says which, e.g. ``"images[5]"``.
            ModelUnsupportedError: The model was not trained for it; see ``Model.has_agreement``.
            AdscoreError: The call failed; the subclass says why.
            TypeError: An argument is of the wrong type.
            ValueError: The timeout is not above 0.
        """
        return run(self._match(headlines, images, self._options(**options)))

    def decide(self, arms: Iterable[Arm], **options: Unpack[DecideOptions]) -> Decision:
        """Decides between the creatives of one group, from their predictions and their counts.

            decision = client.decide(
                [
                    Arm("a", ("Save 20 % on shoes", "a.png"), {"ctr": Counts(12_000, 140)}),
                    Arm("b", ("Run faster", "b.png"), {"ctr": Counts(11_500, 171)}),
                ],
                horizon=50_000,
            )
            print(decision.status, decision.best.id, decision.shares)

        Args:
            arms: At least one, each with an id of its own; at most 1,000 unless the server's
                operator sets another limit.
            options: ``aim``, ``"earn"`` (the most successes over the horizon, unless given) or
                ``"learn"`` (to name the best soonest); ``horizon``, trials still to come for
                the whole group, else as many as it has had; ``tolerance``, the share of the
                best rate that one is ready to lose (0.01); ``control``, the id of the arm that
                the others are compared with; ``values``, what a success of each target is
                worth, e.g. ``{"ctr": 0, "sales": 20}``; ``group``, its name, by which the model
                knows whether it was trained on it; ``counted_after_training``, True where all
                counts are from after the training; and those of ``score``.

        Raises:
            InvalidCreativeError: A creative cannot be read, or was refused; its ``field`` says
                which, e.g. ``"arms[2].creative.image"``.
            InvalidRequestError: An arm was refused, e.g. with more successes than trials.
            ModelNotFoundError: The model, or that of a prediction, is not served.
            AdscoreError: The call failed; the subclass says why.
            TypeError: An argument is of the wrong type.
            ValueError: The timeout is not above 0, or there is no such aim.
        """
        call, settings = split_options(options)
        return run(self._decide(arms, self._options(**call), settings))

    def check(
        self,
        placement: str,
        creatives: Iterable[CreativeInput],
        *,
        timeout_seconds: float | None = None,
    ) -> CheckReport:
        """Checks creatives against the rules of a placement; needs no model.

            report = client.check("meta-feed", [("Save 20 %", "a.png"), ("Save 20 %", "b.png")])
            for creative in report.creatives:
                for finding in creative.findings:
                    print(finding.severity, finding.message)

        All are sent in one call, unchanged: their bytes are checked too.

        Args:
            placement: Its name; ``list_placements`` has them all.
            creatives: From 1 to 100 creatives, or pairs of headline and image, of one campaign:
                near-duplicates are looked for among them. Context is not read.
            timeout_seconds: How long reading the images and the call may take together; None
                for the client's. The text on a banner takes the server up to a second.

        Raises:
            InvalidCreativeError: An image file cannot be read, or the server refused a part; its
                ``field`` says which, e.g. ``"creatives[5].headline"``.
            InvalidRequestError: There is no such placement; the text names the nearest one.
            AdscoreError: The call failed; the subclass says why.
            TypeError: An argument is of the wrong type.
            ValueError: The timeout is not above 0.
        """
        return run(self._check(placement, creatives, self._options(timeout_seconds)))

    def list_placements(self, *, timeout_seconds: float | None = None) -> list[Placement]:
        """Lists the placements whose rules the server knows, with their rules.

        Args:
            timeout_seconds: How long the call may take; None for the client's.

        Raises:
            AdscoreError: The call failed; the subclass says why.
        """
        return run(self._list_placements(self._options(timeout_seconds)))

    def explain(
        self,
        headline: str | None = None,
        image: ImageInput | None = None,
        *,
        context: Mapping[str, str] | None = None,
        target: str | None = None,
        what_if: WhatIf = NOTHING,
        **options: Unpack[CallOptions],
    ) -> Explanation:
        """Explains a score: what the model reacts to, which is not what causes clicks.

            explanation = client.explain("Save 20 % on running shoes", "banners/shoes.png")
            for word in explanation.words:
                print(word.text, math.exp(word.effect))  # an odds ratio
            for idea in explanation.ideas:
                print(idea.what, math.exp(idea.effect))

        Args:
            headline: As for ``score``.
            image: As for ``score``, but never made smaller.
            context: As for ``score``.
            target: Name of the target; None for the model's first.
            what_if: Elements of the banner to ask about, and what could be used instead.
            options: As for ``score``.

        Raises:
            InvalidCreativeError: An image cannot be read, or the server refused a part.
            InvalidRequestError: A box lies outside the image, or the target is unknown.
            ModelUnsupportedError: The model predicts no rate, or the server finds no text.
            AdscoreError: The call failed; the subclass says why.
            TypeError: An argument is of the wrong type.
            ValueError: The timeout is not above 0.
        """
        creative = Creative(headline, image, context={} if context is None else context)
        return run(self._explain(creative, target, what_if, self._options(**options)))

    def models(self, *, timeout_seconds: float | None = None) -> list[Model]:
        """Lists every version of every model of the server, by name, the newest first.

        Args:
            timeout_seconds: How long the call may take; None for the client's.

        Raises:
            AdscoreError: The call failed; the subclass says why.
        """
        return run(self._models(self._options(timeout_seconds)))

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
        return run(self._model(self._options(timeout_seconds, name, version)))

    def wait_until_ready(self, timeout_seconds: float | None = None) -> None:
        """Waits until a server serves, e.g. one that was just started.

        Args:
            timeout_seconds: How long to wait; None for the client's.

        Raises:
            DeadlineExceededError: None serves within the timeout.
            AdscoreError: The call failed; the subclass says why.
        """
        run(self._wait_until_ready(self._options(timeout_seconds)))

    def close(self) -> None:
        """Closes the connection and cancels calls in flight. May be called again."""
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


class _Items:
    """Adapts the caller's iterable to the interface that both clients read."""

    def __init__(self, items: Iterable[object]) -> None:
        self._items = iter(items)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> object:
        try:
            return next(self._items)
        except StopIteration:
            raise StopAsyncIteration from None


def _results(stream: ScoreStream) -> Iterator[Score | AdscoreError]:
    try:
        while results := run(stream.next()):
            yield from results
    finally:
        stream.close()
