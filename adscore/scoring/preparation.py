"""Creatives -> what the towers read; the part of scoring that can refuse a creative."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from adscore.bundle import Manifest
from adscore.creative import Creative, Warning
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.cache import EncodedPart, EncodingCache
from adscore.scoring.image import ImageSize, PixelBudget, Pixels, decode
from adscore.scoring.text import normalise

Vocabulary = Mapping[str, tuple[str, ...]]  # by context name, the values seen in training

# A column with more values is an identifier rather than a circumstance; the rarest are left out.
MAX_VALUES = 1_000


def learn_values(values: Iterable[str]) -> tuple[str, ...]:
    """The values of one context name, the most frequent at most, in order; ``""`` is absent."""
    counted = Counter(value for value in values if value)
    return tuple(sorted(value for value, _ in counted.most_common(MAX_VALUES)))


def context_ids(context: Mapping[str, str], vocabulary: Vocabulary) -> tuple[int, ...]:
    """The numbers of a creative's context, in the order of the vocabulary's names."""
    return tuple(_number(context.get(name, ""), values) for name, values in vocabulary.items())


def context_left_out(manifest: Manifest, names: Collection[str]) -> tuple[str, ...]:
    """Context names that a model reads for its targets, and that are not among some others."""
    if not manifest.targets:  # agreement does not depend on the context
        return ()
    known = manifest.preprocessing.context.items()
    return tuple(name for name, values in known if values and name not in names)


def _context_warnings(context: Mapping[str, str], manifest: Manifest) -> Iterator[Warning]:
    """What is wrong with a context: values left out, or never seen in training."""
    given = {name: value for name, value in context.items() if value}
    if context_left_out(manifest, given):
        yield Warning.MISSING_CONTEXT
    known = manifest.preprocessing.context
    if any(value not in known[name] for name, value in given.items()):
        yield Warning.UNKNOWN_CONTEXT


def _number(value: str, values: tuple[str, ...]) -> int:
    return values.index(value) + 1 if value in values else 0


@dataclass(frozen=True, slots=True)
class PreparedHeadline:
    """A headline that passed every check.

    Attributes:
        text: Normalised, never empty.
        encoded: What the tower said of it, where that is known.
    """

    text: str = field(repr=False)
    encoded: EncodedPart | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image that passed every check: its pixels, or what the tower said of them.

    Attributes:
        pixels: (height, width, 3) uint8; None where `encoded` makes them needless.
        downscaled: Whether it was shrunk so far that small print is lost.
        digest: SHA-256 of the file, which a cache knows it by; empty where there is none.
        encoded: What the tower said of it, where that is known.
    """

    pixels: Pixels | None = field(repr=False)
    downscaled: bool = False
    digest: bytes = b""
    encoded: EncodedPart | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PreparedContext:
    """A context that passed every check.

    Attributes:
        ids: For each context name of the model the number of its value; 0 where it is absent.
        warnings: What was noticed.
    """

    ids: tuple[int, ...]
    warnings: tuple[Warning, ...] = ()


@dataclass(frozen=True, slots=True)
class PreparedCreative:
    """A creative that passed every check, as the towers read it.

    Attributes:
        headline: None means absent.
        image: None means absent.
        context_ids: See `PreparedContext`.
        warnings: What was noticed so far.
    """

    headline: PreparedHeadline | None
    image: PreparedImage | None
    context_ids: tuple[int, ...] = ()
    warnings: tuple[Warning, ...] = ()


class Preparer:
    """Checks, normalises and decodes creatives for one model; safe to call from many threads.

    Args:
        manifest: What the model reads and accepts.
        cache: What its towers said before; a part that it holds is not decoded.
    """

    def __init__(self, manifest: Manifest, cache: EncodingCache | None = None) -> None:
        read = manifest.preprocessing
        self._cache = cache
        self._limits = manifest.limits
        self._budget = PixelBudget(manifest.limits.max_image_pixels)
        self._manifest = manifest
        self._size = ImageSize(read.image_height, read.image_width, read.image_resampling)

    def creative(self, creative: Creative) -> PreparedCreative:
        """Prepares all parts of a creative.

        Raises:
            InvalidCreativeError: With the field at fault.
        """
        headline = self.headline(creative.headline)
        context = self.context(creative.context)
        image = self.image(creative.image)  # last, since it is what costs
        return self.assembled(headline, image, context)

    def headline(self, headline: str) -> PreparedHeadline | None:
        """Normalises a headline; None where it is absent.

        Raises:
            InvalidCreativeError: It is no text, too long, absent where the model needs it, or
                there where the model reads none.
        """
        if headline and not self._limits.max_headline_characters:
            raise _not_read("headline", Reason.HEADLINE_NOT_READ)
        text = normalise(headline, self._limits)
        if text:
            return PreparedHeadline(text, self._cache.get(text) if self._cache else None)
        if self._limits.max_headline_characters and not self._limits.headline_optional:
            raise _missing("headline", Reason.HEADLINE_MISSING)
        return None

    def required_headline(self, headline: str) -> PreparedHeadline:
        """The same for a headline that may not be absent."""
        prepared = self.headline(headline)
        if prepared is None:
            raise _absent("headline", Reason.HEADLINE_MISSING)
        return prepared

    def image(self, image: bytes) -> PreparedImage | None:
        """Decodes an image; None where it is absent.

        Raises:
            InvalidCreativeError: It cannot be decoded, is too large, absent where the model
                needs it, or there where the model reads none.
        """
        if image and not self._limits.image_formats:
            raise _not_read("image", Reason.IMAGE_NOT_READ)
        if image:
            return self._decoded(image)
        if self._limits.image_formats and not self._limits.image_optional:
            raise _missing("image", Reason.IMAGE_MISSING)
        return None

    def required_image(self, image: bytes) -> PreparedImage:
        """The same for an image that may not be absent."""
        prepared = self.image(image)
        if prepared is None:
            raise _absent("image", Reason.IMAGE_MISSING)
        return prepared

    def known_image(self, digest: bytes) -> PreparedImage | None:
        """An image by the SHA-256 of its file; None where the cache does not hold it."""
        encoded = self._cache.get(digest) if self._cache and digest else None
        return None if encoded is None else PreparedImage(None, encoded.noticed, digest, encoded)

    def context(self, context: Mapping[str, str]) -> PreparedContext:
        """Numbers a context.

        Raises:
            InvalidCreativeError: It has a name that the model does not read.
        """
        names = self._limits.context_names
        if unread := sorted(context.keys() - set(names)):
            raise InvalidCreativeError(
                f"context[{unread[0]}]",
                Reason.CONTEXT_NAME_UNKNOWN,
                f"expected one of {list(names)}. Received: a name that the model does not read",
            )
        warnings = tuple(_context_warnings(context, self._manifest))
        return PreparedContext(context_ids(context, self._manifest.preprocessing.context), warnings)

    def assembled(
        self,
        headline: PreparedHeadline | None,
        image: PreparedImage | None,
        context: PreparedContext,
    ) -> PreparedCreative:
        """Puts the prepared parts of a creative together.

        Raises:
            InvalidCreativeError: It has neither headline nor image.
        """
        if headline is None and image is None:
            raise InvalidCreativeError(
                "headline",
                Reason.HEADLINE_MISSING,
                "expected a headline, an image or both. Received: neither",
            )
        noticed = {
            Warning.MISSING_HEADLINE: headline is None and self._limits.max_headline_characters > 0,
            Warning.MISSING_IMAGE: image is None and bool(self._limits.image_formats),
            Warning.IMAGE_DOWNSCALED: image is not None and image.downscaled,
        }
        warnings = tuple(warning for warning, here in noticed.items() if here)
        return PreparedCreative(headline, image, context.ids, (*warnings, *context.warnings))

    def _decoded(self, image: bytes) -> PreparedImage:
        # A file above the limit is not worth a hash; `decode` refuses it.
        if self._cache is None or len(image) > self._limits.max_image_bytes:
            return PreparedImage(*decode(image, self._size, self._limits, self._budget))
        digest = hashlib.sha256(image).digest()
        if (known := self.known_image(digest)) is not None:
            return known
        return PreparedImage(*decode(image, self._size, self._limits, self._budget), digest)


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
