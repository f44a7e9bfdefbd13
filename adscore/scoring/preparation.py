"""Creatives -> inputs of the towers; the part of scoring that can refuse a creative."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from adscore.bundle import Manifest
from adscore.creative import Creative, Warning
from adscore.errors import InvalidCreativeError, Reason, did_you_mean
from adscore.scoring.cache import EncodedPart, EncodingCache
from adscore.scoring.image import ImageSize, Pixels, UndecodedImage
from adscore.scoring.pixel_budget import PixelBudget
from adscore.scoring.text import is_placeholder, normalise

Vocabulary = Mapping[str, tuple[str, ...]]  # by context name, the values seen in training

# A column with more values looks like an identifier; its rarest values are left out.
MAX_VALUES = 1_000


def learn_values(values: Iterable[str]) -> tuple[str, ...]:
    """The most frequent values of one context name, in order; ``""`` counts as absent."""
    counted = Counter(value for value in values if value)
    return tuple(sorted(value for value, _ in counted.most_common(MAX_VALUES)))


def context_ids(context: Mapping[str, str], vocabulary: Vocabulary) -> tuple[int, ...]:
    """The numbers of a creative's context, in the order of the vocabulary's names."""
    return tuple(_number(context.get(name, ""), values) for name, values in vocabulary.items())


def context_left_out(manifest: Manifest, names: Collection[str]) -> tuple[str, ...]:
    """Context names that a model reads for its targets and that `names` lacks."""
    if not manifest.targets:  # agreement does not depend on the context
        return ()
    known = manifest.preprocessing.context.items()
    return tuple(name for name, values in known if values and name not in names)


def _context_warnings(context: Mapping[str, str], manifest: Manifest) -> Iterator[Warning]:
    """Warnings about a context: values that are missing, or were never seen in training."""
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
        warnings: What was noticed.
    """

    text: str = field(repr=False)
    encoded: EncodedPart | None = field(default=None, repr=False)
    warnings: tuple[Warning, ...] = ()


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image that passed every check: its pixels, or the tower's cached output.

    Attributes:
        pixels: (height, width, 3) uint8; None if `encoded` is known.
        warnings: Warnings so far.
        digest: SHA-256 of the file, its cache key; empty without a cache.
        encoded: The tower's cached output, if any.
    """

    pixels: Pixels | None = field(repr=False)
    warnings: tuple[Warning, ...] = ()
    digest: bytes = b""
    encoded: EncodedPart | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """An image that passed every check of its header.

    Attributes:
        undecoded: Its pixels to be.
        digest: As of `PreparedImage`.
    """

    undecoded: UndecodedImage
    digest: bytes = b""

    @property
    def pixels(self) -> int:
        """Pixels to claim from the preparer's budget before decoding."""
        return self.undecoded.pixels

    @property
    def takes_long(self) -> bool:
        """Whether decoding is too slow for others to wait behind it."""
        return self.undecoded.takes_long


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
class ToDecode:
    """A creative or part that passed every check before its image is decoded.

    Attributes:
        image: None means absent; already prepared on a cache hit.
    """

    image: CheckedImage | PreparedImage | None

    @property
    def pixels(self) -> int:
        """Pixels to claim from the preparer's budget before the image is decoded."""
        return self.image.pixels if isinstance(self.image, CheckedImage) else 0

    @property
    def takes_long(self) -> bool:
        """Whether decoding the image is too slow for others to wait behind it."""
        return isinstance(self.image, CheckedImage) and self.image.takes_long


@dataclass(frozen=True, slots=True)
class CheckedCreative(ToDecode):
    """A creative that passed every check before its image is decoded.

    Attributes:
        headline: None means absent.
        context: Its context.
    """

    headline: PreparedHeadline | None
    context: PreparedContext


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
    """Checks, normalises and decodes creatives for one model; thread-safe.

    In one step, or in two for callers that must not hold a core while a large image waits:

        checked = preparer.check(creative)
        with preparer.budget.claim(checked.pixels):  # see `PixelBudget` for other ways to wait
            prepared = preparer.decode(checked)

    Args:
        manifest: What the model reads and accepts.
        cache: Cache of the towers' outputs; a part that it holds is not decoded.
        budget: Bounds what is decoded at once, shared with other models; None creates a
            separate one.
    """

    def __init__(
        self,
        manifest: Manifest,
        cache: EncodingCache | None = None,
        budget: PixelBudget | None = None,
    ) -> None:
        self.budget = budget or PixelBudget(manifest.limits.max_image_pixels)
        self._cache = cache
        self._limits = manifest.limits
        self._manifest = manifest
        self._size = ImageSize.of(manifest.preprocessing)

    # === A creative ===

    def creative(self, creative: Creative) -> PreparedCreative:
        """Prepares all parts of a creative.

        Raises:
            InvalidCreativeError: With the field at fault.
        """
        checked = self.check(creative)
        with self.budget.claim(checked.pixels):
            return self.decode(checked)

    def check(self, creative: Creative) -> CheckedCreative:
        """Prepares all parts of a creative except the pixels of its image, which cost most.

        Raises:
            InvalidCreativeError: With the field at fault.
        """
        headline = self.headline(creative.headline)
        context = self.context(creative.context)
        image = self.check_image(creative.image)
        _require_something(headline, image)
        return CheckedCreative(image, headline, context)

    def decode(self, checked: CheckedCreative) -> PreparedCreative:
        """Decodes the image of a creative whose pixels are claimed.

        Raises:
            InvalidCreativeError: The image is broken.
        """
        image = checked.image
        if isinstance(image, CheckedImage):
            image = self.decode_image(image)
        return self.assembled(checked.headline, image, checked.context)

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
        _require_something(headline, image)
        warnings: list[Warning] = []
        if headline is not None:
            warnings += headline.warnings
        elif self._limits.max_headline_characters:
            warnings.append(Warning.MISSING_HEADLINE)
        if image is not None:
            warnings += image.warnings
        elif self._limits.image_formats:
            warnings.append(Warning.MISSING_IMAGE)
        return PreparedCreative(headline, image, context.ids, (*warnings, *context.warnings))

    # === Its parts ===

    def headline(self, headline: str) -> PreparedHeadline | None:
        """Normalises a headline; None where it is absent.

        Raises:
            InvalidCreativeError: It is no text, too long, absent where the model needs it, or
                there where the model reads none.
        """
        if headline and not self._limits.max_headline_characters:
            raise _not_read("headline", Reason.HEADLINE_NOT_READ)
        text = normalise(headline, self._limits, self._manifest.preprocessing.version)
        if text:
            warnings = (Warning.HEADLINE_PLACEHOLDER,) if is_placeholder(text) else ()
            return PreparedHeadline(text, self._cache.get(text) if self._cache else None, warnings)
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
        checked = self.check_image(image)
        if not isinstance(checked, CheckedImage):
            return checked
        with self.budget.claim(checked.pixels):
            return self.decode_image(checked)

    def required_image(self, image: bytes) -> PreparedImage:
        """The same for an image that may not be absent."""
        prepared = self.image(image)
        if prepared is None:
            raise _absent("image", Reason.IMAGE_MISSING)
        return prepared

    def check_image(self, image: bytes) -> CheckedImage | PreparedImage | None:
        """Checks an image before it is decoded; prepared where the cache holds it.

        Raises:
            InvalidCreativeError: As `image`, as far as the header tells.
        """
        if not image:
            if self._limits.image_formats and not self._limits.image_optional:
                raise _missing("image", Reason.IMAGE_MISSING)
            return None
        if not self._limits.image_formats:
            raise _not_read("image", Reason.IMAGE_NOT_READ)
        digest = b""
        # Do not hash a file above the limit.
        if self._cache is not None and len(image) <= self._limits.max_image_bytes:
            digest = hashlib.sha256(image).digest()
            if (known := self.known_image(digest)) is not None:
                return known
        return CheckedImage(UndecodedImage(image, self._size, self._limits), digest)

    def decode_image(self, checked: CheckedImage) -> PreparedImage:
        """Decodes an image whose pixels are claimed.

        Raises:
            InvalidCreativeError: It is broken.
        """
        return PreparedImage(*checked.undecoded.decode(), checked.digest)

    def known_image(self, digest: bytes) -> PreparedImage | None:
        """An image by the SHA-256 of its file; None on a cache miss."""
        encoded = self._cache.get(digest) if self._cache and digest else None
        return None if encoded is None else PreparedImage(None, encoded.warnings, digest, encoded)

    def context(self, context: Mapping[str, str]) -> PreparedContext:
        """Converts a context to ids.

        Raises:
            InvalidCreativeError: It has a name that the model does not read.
        """
        names = self._limits.context_names
        if unread := sorted(context.keys() - set(names)):
            text = (
                f"expected one of {', '.join(names)}. Received: a name that the model does not read"
                if names
                else "expected no context, since the model reads none. Received: a value"
            )
            raise InvalidCreativeError(
                f"context[{unread[0]}]",
                Reason.CONTEXT_NAME_UNKNOWN,
                text + did_you_mean(unread[0], names),
            )
        warnings = tuple(_context_warnings(context, self._manifest))
        return PreparedContext(context_ids(context, self._manifest.preprocessing.context), warnings)


# === Refusals ===


def _require_something(headline: object, image: object) -> None:
    if headline is None and image is None:
        raise InvalidCreativeError(
            "headline",
            Reason.HEADLINE_MISSING,
            "expected a headline, an image or both. Received: neither",
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
