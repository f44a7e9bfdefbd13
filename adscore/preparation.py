"""Creatives -> what the towers read; the part of scoring that can refuse a creative."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from adscore.bundle import Manifest
from adscore.context import context_ids, unknown_context
from adscore.creative import Creative, InputLimits, Warning
from adscore.errors import InvalidCreativeError, Reason
from adscore.image import ImageSize, Pixels, decode
from adscore.text import normalise


@dataclass(frozen=True, slots=True)
class PreparedCreative:
    """A creative that passed every check, as the towers read it.

    Attributes:
        headline: Normalised headline; ``""`` means absent.
        pixels: (height, width, 3) uint8; None means absent.
        context_ids: For each context name of the model the number of its value; see `context`.
        warnings: What was noticed so far.
    """

    headline: str
    pixels: Pixels | None = field(repr=False)
    context_ids: tuple[int, ...] = ()
    warnings: tuple[Warning, ...] = ()


class Preparer:
    """Checks, normalises and decodes creatives for one model; safe to call from many threads.

    Args:
        manifest: What the model reads and accepts.
    """

    def __init__(self, manifest: Manifest) -> None:
        read = manifest.preprocessing
        self._limits: InputLimits = manifest.limits
        self._vocabulary: Mapping[str, tuple[str, ...]] = read.context
        self._size = ImageSize(read.image_height, read.image_width, read.image_resampling)

    def headline(self, headline: str) -> str:
        """Normalises a headline; ``""`` means absent.

        Raises:
            InvalidCreativeError: It is no text, too long, absent where the model needs it, or
                there where the model reads none.
        """
        if headline and not self._limits.max_headline_characters:
            raise _not_read("headline", Reason.HEADLINE_NOT_READ)
        text = normalise(headline, self._limits)
        if not text and self._limits.max_headline_characters and not self._limits.headline_optional:
            raise _missing("headline", Reason.HEADLINE_MISSING)
        return text

    def required_headline(self, headline: str) -> str:
        """The same for a headline that may not be absent."""
        text = self.headline(headline)
        if not text:
            raise _absent("headline", Reason.HEADLINE_MISSING)
        return text

    def image(self, image: bytes) -> tuple[Pixels | None, bool]:
        """Decodes an image.

        Returns:
            Pixels (height, width, 3) uint8, or None where it is absent; and whether it was
            shrunk so far that small print is lost.

        Raises:
            InvalidCreativeError: It cannot be decoded, is too large, absent where the model
                needs it, or there where the model reads none.
        """
        if image and not self._limits.image_formats:
            raise _not_read("image", Reason.IMAGE_NOT_READ)
        if image:
            return decode(image, self._size, self._limits)
        if self._limits.image_formats and not self._limits.image_optional:
            raise _missing("image", Reason.IMAGE_MISSING)
        return None, False

    def required_image(self, image: bytes) -> tuple[Pixels, bool]:
        """The same for an image that may not be absent."""
        pixels, downscaled = self.image(image)
        if pixels is None:
            raise _absent("image", Reason.IMAGE_MISSING)
        return pixels, downscaled

    def creative(self, creative: Creative) -> PreparedCreative:
        """Prepares all parts of a creative.

        Raises:
            InvalidCreativeError: With the field at fault.
        """
        headline = self.headline(creative.headline)
        if not headline and not creative.image:
            raise InvalidCreativeError(
                "headline",
                Reason.HEADLINE_MISSING,
                "expected a headline, an image or both. Received: neither",
            )
        _require_known_names(creative.context, self._limits)
        pixels, downscaled = self.image(creative.image)
        noticed = {
            Warning.MISSING_HEADLINE: not headline and self._limits.max_headline_characters > 0,
            Warning.MISSING_IMAGE: pixels is None and bool(self._limits.image_formats),
            Warning.IMAGE_DOWNSCALED: downscaled,
            Warning.UNKNOWN_CONTEXT: unknown_context(creative.context, self._vocabulary),
        }
        warnings = tuple(warning for warning, here in noticed.items() if here)
        ids = context_ids(creative.context, self._vocabulary)
        return PreparedCreative(headline, pixels, ids, warnings)


def _require_known_names(context: Mapping[str, str], limits: InputLimits) -> None:
    unknown = sorted(context.keys() - set(limits.context_names))
    if unknown:
        raise InvalidCreativeError(
            f"context[{unknown[0]}]",
            Reason.CONTEXT_NAME_UNKNOWN,
            f"expected one of {list(limits.context_names)}. Received: a name that "
            "the model does not read",
        )


def _absent(field_name: str, reason: Reason) -> InvalidCreativeError:
    return InvalidCreativeError(
        field_name,
        reason,
        f"expected {'text' if field_name == 'headline' else 'an encoded image'}. Received: none",
    )


def _missing(field_name: str, reason: Reason) -> InvalidCreativeError:
    return InvalidCreativeError(
        field_name,
        reason,
        f"expected {'text' if field_name == 'headline' else 'an encoded image'}; this model "
        "was not trained to do without. Received: none",
    )


def _not_read(field_name: str, reason: Reason) -> InvalidCreativeError:
    return InvalidCreativeError(
        field_name,
        reason,
        f"expected none; this model was trained without {field_name}s and would not look at it. "
        "Received: one",
    )
