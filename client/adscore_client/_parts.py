"""Lists of headlines and images of the caller -> one request that has both."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Generic, TypeVar

from adscore_client._convert import text_to_wire
from adscore_client._exceptions import (
    InvalidCreativeError,
    MessageTooLargeError,
    WrongTypeError,
)
from adscore_client._image_reader import ImageReader
from adscore_client._images import ABSENT_HINT, image_file_name
from adscore_protos.v1 import scoring_pb2

# Of a headline or an image inside a request: one byte for the number of its field, at most
# five for its length.
_PART_FRAME_BYTES = 6

Request = TypeVar("Request", scoring_pb2.MatchRequest, scoring_pb2.ScoreCombinationsRequest)


@dataclass(frozen=True, slots=True)
class PreparedParts(Generic[Request]):
    """A request that is ready to be sent.

    Attributes:
        request: The message.
        image_files: Paths of the images that come from files, by field, e.g. ``"images[5]"``.
    """

    request: Request
    image_files: Mapping[str, str] = field(default_factory=dict)


def prepare_parts(
    request: Request, headlines: object, images: object, reader: ImageReader
) -> PreparedParts[Request]:
    """Reads the images and checks what the wire cannot carry; the server checks the rest.

    Args:
        request: What else the call says; it gets the headlines and images.
        headlines: What the caller passed, an iterable of texts.
        images: What the caller passed, an iterable of images.
        reader: Reads an image; its limit is that of the request.

    Raises:
        TypeError: An argument, or an item of one, is of the wrong type.
        InvalidCreativeError: An item cannot be read.
        MessageTooLargeError: The request would be above the limit.
    """
    image_files: dict[str, str] = {}
    spare = reader.max_bytes - request.ByteSize()
    for position, headline in enumerate(_iterable(headlines, "headlines", "str")):
        path = f"headlines[{position}]"
        request.headlines.append(text_to_wire(headline, path))
        spare -= len(request.headlines[-1].encode()) + _PART_FRAME_BYTES
        _check_room(spare, path, reader.max_bytes)
    for position, image in enumerate(_iterable(images, "images", "images")):
        path = f"images[{position}]"
        request.images.append(_load(image, path, reader))
        spare -= len(request.images[-1]) + _PART_FRAME_BYTES
        _check_room(spare, path, reader.max_bytes)
        if name := image_file_name(image):
            image_files[path] = name
    return PreparedParts(request, image_files)


def _iterable(value: object, name: str, items: str) -> Iterable[Any]:
    # One text, one path or one open file is iterable too, and never what was meant.
    single = isinstance(value, str | bytes | bytearray | memoryview | PathLike)
    if single or hasattr(value, "read") or not isinstance(value, Iterable):
        raise TypeError(
            f"{name}: expected an iterable of {items}. Received: {type(value).__name__}. "
            "Pass a list, of one item where there is but one"
        )
    return value


def _load(image: object, path: str, reader: ImageReader) -> bytes:
    """Reads one image; what goes wrong is told of its place in the call."""
    if image is None:
        raise WrongTypeError(f"{path}: expected an image. Received: None", field=path)
    try:
        return reader.read(image)
    except InvalidCreativeError as exc:
        raise InvalidCreativeError(_told(exc, path), field=path, reason=exc.reason) from exc
    except WrongTypeError as exc:
        raise WrongTypeError(_told(exc, path), field=path) from exc


def _told(exc: Exception, path: str) -> str:
    # Here an image may not be absent, and its absence is no way out.
    return path + str(exc).removeprefix("image").replace(ABSENT_HINT, "")


def _check_room(spare: int, path: str, max_request_bytes: int) -> None:
    if spare < 0:
        raise MessageTooLargeError(
            f"Expected headlines and images of at most {max_request_bytes:,} bytes together, the "
            f"message limit. Received: more, up to {path}. Pass fewer at a time, or "
            "Client(max_message_bytes=...) if the server takes more"
        )
