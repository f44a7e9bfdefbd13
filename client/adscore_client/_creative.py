"""What the caller asks to have scored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from adscore_client._images import ImageInput, describe_image


@dataclass(frozen=True, slots=True, repr=False)
class Creative:
    """What a viewer sees of an ad. Nothing is read or checked before it is scored.

    Attributes:
        headline: Text of the headline, any script; None or ``""`` means absent.
        image: The banner, as a path (``str`` or ``os.PathLike``), the bytes of one encoded
            JPEG, PNG, WebP or GIF file, a file object opened for binary reading, or a Pillow
            image; None means absent.
        id: Chosen by the caller and returned with the score; at most 256 characters.
        context: Circumstances of the ad by name, e.g. ``{"placement": "feed"}``.
    """

    headline: str | None = None
    image: ImageInput | None = None
    id: str = ""
    context: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __repr__(self) -> str:
        # An image of megabytes must not fill a log.
        parts = [f"headline={self.headline!r}", f"image={describe_image(self.image)}"]
        parts += [f"id={self.id!r}"] if self.id else []
        parts += [f"context={self.context!r}"] if self.context else []
        return f"Creative({', '.join(parts)})"


CreativeInput: TypeAlias = Creative | tuple[str | None, ImageInput | None]
