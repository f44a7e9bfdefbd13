"""The results of the client: scores, grids, matches and models, as frozen dataclasses."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


def _plain(value: object) -> Any:
    """Converts results to values that ``json.dumps`` accepts."""
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value.value if isinstance(value, StrEnum) else value


class Result:
    """Base class of the client's results."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as new dicts, lists, strings and numbers, ready for JSON."""
        plain: dict[str, Any] = _plain(self)
        return plain


class OpenEnum(StrEnum):
    """An enum of the wire, which may have more values than this client knows.

    ``UNRECOGNISED_7`` stands for the unknown value with the number 7: it compares, hashes
    and pickles like a member, but iteration leaves it out.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not (isinstance(value, str) and re.fullmatch(r"UNRECOGNISED_-?\d+", value)):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


class Warning(OpenEnum):  # noqa: A001 - the contract's word; the builtin is not used here
    """A reason to trust a score less.

    A newer server may send one that this client does not know: ``UNRECOGNISED_99`` for the
    value with the number 99.
    """

    MISSING_IMAGE = "MISSING_IMAGE"
    """The creative had no image; the model was trained to allow that."""
    MISSING_HEADLINE = "MISSING_HEADLINE"
    """The creative had no headline; the model was trained to allow that."""
    UNFAMILIAR_CREATIVE = "UNFAMILIAR_CREATIVE"
    """The creative is unlike everything that the model was trained on."""
    IMAGE_DOWNSCALED = "IMAGE_DOWNSCALED"
    """The image is so large that small print and fine detail were lost for the model."""
    HEADLINE_TRUNCATED = "HEADLINE_TRUNCATED"
    """The headline is longer than the model reads; only its beginning was used."""
    UNKNOWN_CONTEXT = "UNKNOWN_CONTEXT"
    """A context value was never seen in training and counts as unknown."""
    MISSING_CONTEXT = "MISSING_CONTEXT"
    """A context value that the model reads was left out or empty."""
    IMAGE_BLANK = "IMAGE_BLANK"
    """The image has transparency, and shows nothing on the white background used."""
    HEADLINE_PLACEHOLDER = "HEADLINE_PLACEHOLDER"
    """The headline contains a template's placeholder, or is an empty value such as "NaN"."""


class ModelState(OpenEnum):
    """Whether a model can score; ``UNRECOGNISED_7`` for a value of a newer server."""

    LOADING = "LOADING"
    """It is being verified and warmed."""
    READY = "READY"
    """It scores."""
    REFUSED = "REFUSED"
    """It failed a check and is not used."""


@dataclass(frozen=True, slots=True)
class TargetScore(Result):
    """The prediction for one target. Rates are successes per trial: 0.012 is 1.2 %.

    Attributes:
        mean: Expected rate in the average campaign, from 0 to 1.
        lower: Lower end of the 90 % interval of the rate, from 0 to the mean.
        upper: Upper end of the 90 % interval of the rate, from the mean to 1.
        percentile: Share of the model's reference creatives with a lower predicted rate plus
            half of those with the same, in per cent, from 0 to 100.
    """

    mean: float
    lower: float
    upper: float
    percentile: float

    def __repr__(self) -> str:
        # Four digits exceed a model's precision, and keep a dict of these readable.
        rates = (f"{f.name}={getattr(self, f.name):.4g}" for f in dataclasses.fields(self))
        return f"TargetScore({', '.join(rates)})"

    def __str__(self) -> str:
        return (
            f"{self.mean:.3%} (90 % interval {self.lower:.3%} to {self.upper:.3%}), "
            f"percentile {self.percentile:.0f}"
        )


@dataclass(frozen=True, slots=True)
class Score(Result):
    """Predicted performance of one creative.

    Attributes:
        creative_id: Id of the creative, as passed; may be empty.
        targets: One prediction for each target of the model, by name, e.g. ``"ctr"``.
        agreement: How well headline and image fit together, from -1 to 1; None where the
            model was not trained for it or one of the two is absent.
        warnings: Reasons to trust the score less; empty where there is none.
        model: Name of the model that made the score.
        model_version: Version of that model, a positive integer in decimal.
    """

    creative_id: str
    targets: Mapping[str, TargetScore] = field(hash=False)
    agreement: float | None = None
    warnings: tuple[Warning, ...] = ()
    model: str = ""
    model_version: str = ""


def _setters(kind: type) -> list[Callable[[Any, Any], None]]:
    return [getattr(kind, field.name).__set__ for field in dataclasses.fields(kind)]


# Scores come by the thousand. A frozen dataclass sets each field through object.__setattr__, which
# takes twice as long as setting the slots, and two thirds of the time to convert a grid.
_MEAN, _LOWER, _UPPER, _PERCENTILE = _setters(TargetScore)
_CREATIVE_ID, _TARGETS, _AGREEMENT, _SCORE_WARNINGS, _MODEL, _VERSION = _setters(Score)


def new_target(mean: float, lower: float, upper: float, percentile: float) -> TargetScore:
    """Returns what ``TargetScore`` would make."""
    made = object.__new__(TargetScore)
    _MEAN(made, mean)
    _LOWER(made, lower)
    _UPPER(made, upper)
    _PERCENTILE(made, percentile)
    return made


def new_score(
    creative_id: str,
    targets: dict[str, TargetScore],
    agreement: float | None,
    warnings: tuple[Warning, ...],
    model: tuple[str, str],
) -> Score:
    """Returns what ``Score`` would make; the model is its name and version."""
    made = object.__new__(Score)
    _CREATIVE_ID(made, creative_id)
    _TARGETS(made, targets)
    _AGREEMENT(made, agreement)
    _SCORE_WARNINGS(made, warnings)
    _MODEL(made, model[0])
    _VERSION(made, model[1])
    return made


@dataclass(frozen=True, slots=True)
class Match(Result):
    """How well each of some headlines fits each of some images.

        match = client.match(["Running shoes", "Garden chairs"], ["a.png", "b.png", "c.png"])
        print(match.agreement[0][2])  # of "Running shoes" and c.png
        print(match.images_for(0)[0])  # position of the image that "Running shoes" fits best

    Attributes:
        agreement: One row for each headline, one number for each image, both in the order in
            which they were passed, from -1 to 1: the higher, the better they fit.
        model: Name of the model that was used.
        model_version: Version of that model, a positive integer in decimal.
    """

    agreement: tuple[tuple[float, ...], ...]
    model: str = ""
    model_version: str = ""

    def images_for(self, headline: int) -> tuple[int, ...]:
        """Ranks the images for one headline; equal ones stay in their order.

        Args:
            headline: Position of the headline, from 0.

        Returns:
            The positions of all images, from 0, the best first.

        Raises:
            IndexError: There is no such headline.
        """
        return _best_first(self.agreement[headline])

    def headlines_for(self, image: int) -> tuple[int, ...]:
        """Ranks the headlines for one image; equal ones stay in their order.

        Args:
            image: Position of the image, from 0.

        Returns:
            The positions of all headlines, from 0, the best first.

        Raises:
            IndexError: There is no such image.
        """
        return _best_first([row[image] for row in self.agreement])


def _best_first(agreements: Sequence[float]) -> tuple[int, ...]:
    return tuple(sorted(range(len(agreements)), key=agreements.__getitem__, reverse=True))


@dataclass(frozen=True, slots=True)
class Combination(Result):
    """One headline with one image, and their score.

    Attributes:
        headline: Position of the headline among those that were passed, from 0.
        image: Position of the image among those that were passed, from 0.
        score: The score of the two together.
    """

    headline: int
    image: int
    score: Score


@dataclass(frozen=True, slots=True)
class Grid(Result):
    """Scores of every combination of some headlines with some images.

        grid = client.score_combinations(headlines, images)
        grid.scores[0][2].targets["ctr"]  # the first headline with the third image
        for one in grid.best(3):
            print(headlines[one.headline], images[one.image], one.score.targets["ctr"])

    Attributes:
        scores: One row for each headline, one score for each image, both in the order in
            which they were passed.
        model: Name of the model that made the scores.
        model_version: Version of that model, a positive integer in decimal.
    """

    scores: tuple[tuple[Score, ...], ...]
    model: str = ""
    model_version: str = ""

    def __iter__(self) -> Iterator[Combination]:
        """Yields every combination, row by row."""
        for headline, row in enumerate(self.scores):
            for image, score in enumerate(row):
                yield Combination(headline, image, score)

    def best(self, count: int = 1, *, target: str | None = None) -> list[Combination]:
        """Ranks the combinations by their expected rate; equal ones stay in their order.

        Args:
            count: How many to return at most.
            target: Name of the target to rank by; None if the model has only one.

        Raises:
            ValueError: The target is unknown, or None with several to choose from.
        """
        name = self._target(target)
        ranked = sorted(self, key=lambda one: one.score.targets[name].mean, reverse=True)
        return ranked[:count]

    def __repr__(self) -> str:
        # Keep thousands of scores off the screen.
        width = len(self.scores[0]) if self.scores else 0
        return (
            f"Grid({len(self.scores)} headlines x {width} images, model={self.model!r}, "
            f"model_version={self.model_version!r})"
        )

    def _target(self, target: str | None) -> str:
        names = sorted(self.scores[0][0].targets) if self.scores and self.scores[0] else []
        if target is None and len(names) == 1:
            return names[0]
        if target is None or target not in names:
            raise ValueError(
                f"target: expected the name of one target of the model, {names}. "
                f"Received: {target!r}"
            )
        return target


@dataclass(frozen=True, slots=True)
class InputLimits(Result):
    """What a model accepts of a creative.

    Attributes:
        max_headline_characters: Longest headline, in Unicode code points; 0 where the model
            reads no headline.
        max_image_bytes: Largest image file, in bytes.
        max_image_pixels: Largest image, in pixels (width times height).
        image_formats: Accepted image formats, e.g. ``"JPEG"``; empty where the model reads no
            image.
        headline_optional: Whether a creative may come without a headline.
        image_optional: Whether a creative may come without an image.
        context_names: Context names that the model reads, none of them required; other names
            are refused. A value that was never seen in training is scored, with a warning.
        max_combinations: Most combinations of one grid: headlines times images.
        image_height: Height that the model stretches an image to, in pixels; 0 where it reads
            none.
        image_width: Width that the model stretches an image to, in pixels.
        context_values: By context name, the values that were seen in training, at most the first
            1,000; empty where the server is older than this client.
    """

    max_headline_characters: int
    max_image_bytes: int
    max_image_pixels: int
    image_formats: tuple[str, ...]
    headline_optional: bool
    image_optional: bool
    context_names: tuple[str, ...]
    max_combinations: int = 0
    image_height: int = 0
    image_width: int = 0
    context_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class TrainingSummary(Result):
    """How a model was trained.

    Attributes:
        preset: Name of the preset, e.g. ``"default"``.
        creatives: Number of creatives used for fitting.
        groups: Number of groups (campaigns) among them; 0 where the table had none.
        seed: Seed of split, initialisation and order.
        create_time: When the model was written, RFC 3339 in UTC.
        adscore_version: Version of adscore that wrote it.
    """

    preset: str
    creatives: int
    groups: int
    seed: int
    create_time: str
    adscore_version: str


@dataclass(frozen=True, slots=True)
class Model(Result):
    """One version of one model of the server.

    Attributes:
        name: Name, e.g. ``"banners"``.
        version: Version, a positive integer in decimal.
        state: Whether it can score.
        state_reason: Why it cannot, if ``state`` is ``REFUSED``.
        targets: Names of the rates that it predicts.
        limits: What it accepts.
        training: How it was trained.
        metrics: Metrics on groups left out, by target and name, e.g. ``metrics["ctr"]["auc"]``, and
            the ends of their 90 % intervals, ``["auc_lower"]`` and ``["auc_upper"]``; metrics that
            the data do not define are absent.
        has_agreement: Whether scores carry agreement and ``Client.match`` works.
    """

    name: str
    version: str
    state: ModelState
    state_reason: str
    targets: tuple[str, ...]
    limits: InputLimits
    training: TrainingSummary
    metrics: Mapping[str, Mapping[str, float]] = field(hash=False)
    has_agreement: bool = False
