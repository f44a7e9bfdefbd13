"""A creative as the caller passes it; its image in any form -> encoded bytes."""

import io
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Protocol, TypeAlias, TypeGuard

from adscore_client._exceptions import InvalidCreativeError, WrongTypeError


class BinaryFile(Protocol):
    """A file object opened for binary reading."""

    def read(self, size: int, /) -> bytes:
        """Returns at most ``size`` bytes, none at the end."""


class PillowImage(Protocol):
    """The part of ``PIL.Image.Image`` used here; Pillow itself is never imported."""

    @property
    def mode(self) -> str:
        """Layout of the pixels, e.g. ``"RGB"``."""

    def convert(self, mode: str) -> Any:
        """Returns the image in another mode."""

    def getexif(self) -> Any:
        """Returns the EXIF data, a mutable mapping."""

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None:  # noqa: A002
        """Writes the image."""


ImageInput: TypeAlias = (
    str | PathLike[str] | bytes | bytearray | memoryview | BinaryFile | PillowImage
)


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
        # Keep megabytes of image bytes out of logs.
        parts = [f"headline={self.headline!r}", f"image={describe_image(self.image)}"]
        parts += [f"id={self.id!r}"] if self.id else []
        parts += [f"context={self.context!r}"] if self.context else []
        return f"Creative({', '.join(parts)})"


CreativeInput: TypeAlias = Creative | tuple[str | None, ImageInput | None]


def as_creative(item: object) -> Creative | None:
    """Returns a creative, or a pair of headline and image as one; None for anything else."""
    if isinstance(item, Creative):
        return item
    return Creative(*item) if isinstance(item, tuple) and len(item) == 2 else None


# === Reading an image ===

_ACCEPTED = "a path, bytes, a file object opened for binary reading or a Pillow image"

# Appended to an error's text if the image is not one.
ABSENT_HINT = ". Pass None where the creative has no image"

# Modes that PNG supports directly; the others are converted without loss if possible, else to RGB,
# which a model reads in any case.
_PNG_MODES = frozenset({"1", "L", "LA", "I;16", "P", "RGB", "RGBA"})
_NEAREST_PNG_MODE = {"I": "I;16", "I;16B": "I;16", "La": "LA", "PA": "RGBA", "RGBa": "RGBA"}
_EXIF_ORIENTATION = 0x0112


def load_image(image: object, max_bytes: int) -> bytes:
    """Reads the whole encoded image.

    Args:
        image: Whatever the caller passed but None.
        max_bytes: Reading stops beyond this number, so that a wrong path cannot fill the
            memory; longer files are refused.

    Raises:
        TypeError: The image is not of an accepted type.
        InvalidCreativeError: It cannot be read, is empty or is too long.
    """
    if isinstance(image, bytes):
        data = image
    elif isinstance(image, bytearray | memoryview):
        size = memoryview(image).nbytes
        if size > max_bytes:
            raise _wrong_size(size, max_bytes, describe_image(image))
        data = bytes(image)
    elif isinstance(image, str | PathLike):
        data = _read_path(image, max_bytes)
    elif is_pillow_image(image):
        data = _save_as_png(image)
    elif callable(getattr(image, "read", None)):
        data = _read_file_object(image, max_bytes)
    else:
        raise WrongTypeError(
            f"image: expected {_ACCEPTED}. Received: {_type_name(image)}. "
            "Pixels in an array become a Pillow image with PIL.Image.fromarray",
            field="image",
        )
    if not 0 < len(data) <= max_bytes:
        raise _wrong_size(len(data), max_bytes, describe_image(image))
    return data


def is_pillow_image(image: object) -> TypeGuard[PillowImage]:
    """Whether this is a Pillow image, without importing Pillow.

    A caller who has one has already imported the module.
    """
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def image_file_name(image: object) -> str:
    """Returns the path of the image; empty if unknown."""
    if image is None or isinstance(image, bytes):
        return ""
    if isinstance(image, str | PathLike):
        return os.fsdecode(image)
    # For an open file; the name of a temporary one may be its descriptor, a number.
    name = getattr(image, "name", None) or getattr(image, "filename", None)
    return name if isinstance(name, str) else ""


def describe_image(image: object) -> str:
    """Returns a short text for a person: a path, or a type with a size."""
    if image is None or isinstance(image, str):
        return repr(image)
    if isinstance(image, PathLike):
        return repr(os.fsdecode(image))
    if isinstance(image, bytes | bytearray | memoryview):
        return f"<{type(image).__name__} of {memoryview(image).nbytes:,} bytes>"
    name = image_file_name(image)
    return f"<{_type_name(image)}{f' of {name!r}' if name else ''}>"


def _read_path(path: str | PathLike[str], max_bytes: int) -> bytes:
    if path == "":
        raise InvalidCreativeError(
            "image: expected the path of an image file. Received: an empty path" + ABSENT_HINT,
            field="image",
            reason="IMAGE_FILE_UNREADABLE",
        )
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - the path may be any os.PathLike
            return file.read(max_bytes + 1)
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        raise _unreadable(os.fsdecode(path), exc) from exc


def _read_file_object(file: Any, max_bytes: int) -> bytes:
    name = image_file_name(file) or _type_name(file)
    data = bytearray()
    while len(data) <= max_bytes:  # a raw file may return less than requested
        try:
            chunk = file.read(max_bytes + 1 - len(data))
        except (OSError, ValueError) as exc:  # ValueError: a closed file, or text that is not UTF-8
            raise _unreadable(name, exc) from exc
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise WrongTypeError(
                f"image: expected a file object that reads bytes. Received: {name}, which "
                f"reads {_type_name(chunk)}. Open it with mode 'rb'",
                field="image",
            )
        if not chunk:
            break
        data += chunk
    return bytes(data)


def _save_as_png(image: PillowImage) -> bytes:
    """Encodes without loss, so that the server sees the pixels that the caller has."""
    buffer = io.BytesIO()
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
        if image.mode not in _PNG_MODES:
            image = image.convert(_NEAREST_PNG_MODE.get(image.mode, "RGB"))
        options: dict[str, Any] = {}
        if orientation != 1:
            # Only the orientation, by which the server rotates the image: other EXIF data may say
            # who took the picture, and where.
            exif = type(image.getexif())()
            exif[_EXIF_ORIENTATION] = orientation
            options["exif"] = exif
        image.save(buffer, format="PNG", **options)
    except Exception as exc:  # by format, Pillow raises OSError, SyntaxError, ValueError, ...
        raise InvalidCreativeError(
            f"image: expected a Pillow image that can be saved as PNG. Received: "
            f"{describe_image(image)}: {exc}",
            field="image",
            reason="IMAGE_UNREADABLE",
        ) from exc
    return buffer.getvalue()


def _unreadable(name: str, exc: Exception) -> InvalidCreativeError:
    hint = ""
    if name.startswith(("http://", "https://")):
        hint = ". An address is not a path: download the image and pass its bytes"
    cause = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return InvalidCreativeError(
        f"image: expected a readable image file. Received: {name!r}: {cause}{hint}",
        field="image",
        reason="IMAGE_FILE_UNREADABLE",
    )


def _wrong_size(size: int, max_bytes: int, what: str) -> InvalidCreativeError:
    if size == 0:
        # If sent, it would mean "no image" and be scored as such.
        return InvalidCreativeError(
            f"image: expected an encoded image. Received: {what}, which is empty" + ABSENT_HINT,
            field="image",
            reason="IMAGE_EMPTY",
        )
    return InvalidCreativeError(
        f"image: expected at most {max_bytes:,} bytes, the message limit. Received: {what}, "
        "which is larger. Make the image smaller, save it as JPEG or WebP, or pass "
        "Client(max_message_bytes=...) if the server takes more",
        field="image",
        reason="CREATIVE_TOO_LARGE",
    )


def _type_name(value: object) -> str:
    kind = type(value)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
