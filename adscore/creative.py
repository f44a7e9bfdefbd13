"""The words of the domain: what is scored, and what a score says."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Creative:
    """What a viewer sees of an ad.

    Attributes:
        headline: Text as written by its author; ``""`` means absent.
        image: One encoded JPEG, PNG, WebP or GIF file; ``b""`` means absent.
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
    image_formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF")
    headline_optional: bool = False
    image_optional: bool = False
    context_names: tuple[str, ...] = ()
    # Headlines times images of one grid: 100 x 100, whose scores fill about 0.3 MB on the wire.
    max_combinations: int = 10_000

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


class Warning(StrEnum):  # noqa: A001 - the domain's word; the builtin is not used here
    """A reason to trust a score less; the values are the wire's names without their prefix."""

    MISSING_IMAGE = "MISSING_IMAGE"
    MISSING_HEADLINE = "MISSING_HEADLINE"
    UNFAMILIAR_CREATIVE = "UNFAMILIAR_CREATIVE"
    IMAGE_DOWNSCALED = "IMAGE_DOWNSCALED"
    HEADLINE_TRUNCATED = "HEADLINE_TRUNCATED"
    UNKNOWN_CONTEXT = "UNKNOWN_CONTEXT"


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
