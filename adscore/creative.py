"""The words of the domain: what is scored, in which columns it stands, what a score says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Creative:
    """What a viewer sees of an ad.

    Attributes:
        headline: Text as written by its author; ``""`` means absent.
        image: One encoded JPEG, PNG, WebP, GIF or AVIF file; ``b""`` means absent.
        id: Chosen by the caller and returned with the score; may be empty.
        context: Circumstances by name, e.g. ``{"placement": "feed"}``.
    """

    headline: str
    image: bytes = field(repr=False)
    id: str = ""
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InputLimits:
    """What a model accepts; part of its bundle, so that server and command line agree.

    A model that reads no headline accepts 0 characters of it; one that reads no image accepts
    no format.

    The byte and pixel limits keep one request from taking the memory of many: a PNG
    of 400 kB can hold 12,000 x 12,000 pixels, which take 566 MB to decode.
    """

    max_headline_characters: int = 1_000
    max_image_bytes: int = 10 * 1024 * 1024
    max_image_pixels: int = 50_000_000
    image_formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
    headline_optional: bool = False
    image_optional: bool = False
    context_names: tuple[str, ...] = ()
    # Headlines times images of one grid: 100 x 100, whose scores fill about 0.3 MB on the wire.
    max_combinations: int = 10_000

    @property
    def modalities(self) -> tuple[str, ...]:
        """The parts of a creative that the model reads: headline, image, context."""
        read = {
            "headline": self.max_headline_characters > 0,
            "image": bool(self.image_formats),
            "context": bool(self.context_names),
        }
        return tuple(name for name, is_read in read.items() if is_read)

    def lowered(
        self,
        max_headline_characters: int | None = None,
        max_image_bytes: int | None = None,
        max_image_pixels: int | None = None,
    ) -> "InputLimits":
        """The same with lower limits; one that is None, or higher, changes nothing."""
        most = {
            "max_headline_characters": max_headline_characters,
            "max_image_bytes": max_image_bytes,
            "max_image_pixels": max_image_pixels,
        }
        changes = {name: min(limit, getattr(self, name)) for name, limit in most.items() if limit}
        return replace(self, **changes)


NO_COLUMN = "none"  # how a user says that a table has no such column


def named_column(name: str | None) -> str | None:
    """A column as a user names it; None where there is no such column."""
    return None if name == NO_COLUMN else name


_FRACTIONAL = ":fractional"


@dataclass(frozen=True, slots=True)
class Target:
    """A rate to learn: successes per trial, or a 0/1 label, which is a rate with one trial.

    Attributes:
        name: Name of the rate, e.g. ``"ctr"``.
        successes: Column of the successes, e.g. ``"clicks"``, or of the label.
        trials: Column of the trials, e.g. ``"impressions"``; None for a label.
        fractional: Whether successes may be parts of one, as attribution models count conversions.
    """

    name: str
    successes: str
    trials: str | None
    fractional: bool = False

    @classmethod
    def parse(cls, text: str) -> "Target":
        """Reads ``NAME=SUCCESSES/TRIALS``, the same with ``:fractional``, or ``NAME=LABEL``.

        Raises:
            ValueError: The text has another form.
        """
        name, equals, columns = text.partition("=")
        fractional = columns.endswith(_FRACTIONAL)
        successes, slash, trials = columns.removesuffix(_FRACTIONAL).partition("/")
        if not (name and equals and successes) or bool(slash) != bool(trials):
            raise ValueError(f"expected NAME=SUCCESSES/TRIALS or NAME=LABEL. Received: {text!r}")
        if fractional and not trials:
            raise ValueError(f"expected NAME=SUCCESSES/TRIALS{_FRACTIONAL}. Received: {text!r}")
        return cls(name, successes, trials or None, fractional)

    @property
    def count_columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return (self.successes,) if self.trials is None else (self.successes, self.trials)

    @property
    def columns(self) -> str:
        """The part after the name: ``SUCCESSES/TRIALS``, with ``:fractional``, or ``LABEL``."""
        mark = _FRACTIONAL if self.fractional else ""
        return self.successes if self.trials is None else f"{self.successes}/{self.trials}{mark}"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what; None where there is no such column.

    Attributes:
        id: Identifies a row; row numbers stand in where it is None.
        headline: Text of the headline.
        image: Path of the image file, or its bytes (Parquet).
        group: Whatever rows are compared within, e.g. the campaign.
        context: Circumstances of the ad, such as its placement.
    """

    id: str | None = "creative_id"
    headline: str | None = "headline"
    image: str | None = "image"
    group: str | None = "campaign_id"
    context: tuple[str, ...] = ()

    def named(self) -> list[str]:
        """Names of all columns that must be there."""
        single = (self.id, self.headline, self.image, self.group)
        return [name for name in (*single, *self.context) if name is not None]


@dataclass(frozen=True, slots=True)
class GivenColumns:
    """Columns as a user names them: None says nothing, and `NO_COLUMN` that there is none.

    Attributes:
        id: See `Columns`, as for the others.
        headline: Text of the headline.
        image: The image.
        group: Whatever rows are compared within.
        context: Circumstances of the ad; ``(NO_COLUMN,)`` says that there are none.
    """

    id: str | None = None
    headline: str | None = None
    image: str | None = None
    group: str | None = None
    context: Sequence[str] | None = None

    def over(self, others: Columns | None) -> Columns:
        """All columns: those that are named here, and of the others the rest.

        Args:
            others: Such as those of a model's training; None stands for the usual names.
        """
        rest = others or Columns()
        context = rest.context if self.context is None else dict.fromkeys(self.context)
        return Columns(
            id=named_column(self.id or rest.id),
            headline=named_column(self.headline or rest.headline),
            image=named_column(self.image or rest.image),
            group=named_column(self.group or rest.group),
            context=tuple(name for name in context if name != NO_COLUMN),
        )


class Warning(StrEnum):  # noqa: A001 - the domain's word; the builtin is not used here
    """A reason to trust a score less; the values are the wire's names without their prefix."""

    MISSING_IMAGE = "MISSING_IMAGE"
    MISSING_HEADLINE = "MISSING_HEADLINE"
    UNFAMILIAR_CREATIVE = "UNFAMILIAR_CREATIVE"
    IMAGE_DOWNSCALED = "IMAGE_DOWNSCALED"
    HEADLINE_TRUNCATED = "HEADLINE_TRUNCATED"
    UNKNOWN_CONTEXT = "UNKNOWN_CONTEXT"
    MISSING_CONTEXT = "MISSING_CONTEXT"
    IMAGE_BLANK = "IMAGE_BLANK"
    HEADLINE_PLACEHOLDER = "HEADLINE_PLACEHOLDER"


INTERVAL_LEVEL = 0.90  # probability of the interval of a score
# A float32 sigmoid saturates at exactly 0 or 1, which has no beta distribution and an infinite
# log loss: computations keep this far from both.
MIN_RATE = 1e-12


@dataclass(frozen=True, slots=True)
class TargetScore:
    """The prediction for one target. Rates are successes per trial, from 0 to 1.

    Attributes:
        mean: Expected rate in the average campaign.
        lower: Lower end of the 90 % interval of the rate; at most the mean.
        upper: Upper end of the 90 % interval of the rate; at least the mean.
        percentile: Share of the model's reference creatives with a lower predicted rate plus
            half of those with the same, in per cent, from 0 to 100.
    """

    mean: float
    lower: float
    upper: float
    percentile: float


@dataclass(frozen=True, slots=True)
class Score:
    """Predicted performance of one creative.

    Attributes:
        targets: One prediction for each target of the model, by name.
        agreement: How well headline and image fit together, from -1 to 1, or None where
            the model was not trained for it or one of the two is absent.
        warnings: Reasons to trust the score less.
    """

    targets: Mapping[str, TargetScore]
    agreement: float | None = None
    warnings: tuple[Warning, ...] = ()
