"""Headlines and images of the caller -> one Match call, and its answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from adscore_client._arguments import ModelChoice
from adscore_client._convert import text_to_wire
from adscore_client._exceptions import (
    InvalidCreativeError,
    MessageTooLargeError,
    ServerError,
    WrongTypeError,
)
from adscore_client._images import ABSENT_HINT, image_file_name, load_image
from adscore_client._results import Match
from adscore_protos.v1 import scoring_pb2

# Of a headline or an image inside a request: one byte for the number of its field, at most
# five for its length.
_PART_FRAME_BYTES = 6


@dataclass(frozen=True, slots=True)
class PreparedMatch:
    """A call that is ready to be sent.

    Attributes:
        request: The message.
        image_files: Paths of the images that come from files, by field, e.g. ``"images[5]"``.
    """

    request: scoring_pb2.MatchRequest
    image_files: Mapping[str, str] = field(default_factory=dict)


def prepare_match(
    headlines: object, images: object, choice: ModelChoice, max_request_bytes: int
) -> PreparedMatch:
    """Reads the images and checks what the wire cannot carry; the server checks the rest.

    Args:
        headlines: What the caller passed, an iterable of texts.
        images: What the caller passed, an iterable of images.
        choice: The model to use.
        max_request_bytes: Limit of the request, in bytes.

    Raises:
        TypeError: An argument, or an item of one, is of the wrong type.
        InvalidCreativeError: An item cannot be read.
        MessageTooLargeError: The request would be above the limit.
    """
    request = scoring_pb2.MatchRequest(model=choice.model, model_version=choice.model_version)
    image_files: dict[str, str] = {}
    spare = max_request_bytes - request.ByteSize()
    for position, headline in enumerate(_iterable(headlines, "headlines", "str")):
        path = f"headlines[{position}]"
        request.headlines.append(text_to_wire(headline, path))
        spare -= len(request.headlines[-1].encode()) + _PART_FRAME_BYTES
        _check_room(spare, path, max_request_bytes)
    for position, image in enumerate(_iterable(images, "images", "images")):
        path = f"images[{position}]"
        request.images.append(_load(image, path, max_request_bytes))
        spare -= len(request.images[-1]) + _PART_FRAME_BYTES
        _check_room(spare, path, max_request_bytes)
        if name := image_file_name(image):
            image_files[path] = name
    return PreparedMatch(request, image_files)


def match_from_wire(
    wire: scoring_pb2.MatchResponse, request: scoring_pb2.MatchRequest, address: str
) -> Match:
    """Converts the answer to a request.

    Raises:
        ServerError: It has more or fewer numbers than the request has pairs.
    """
    widths = [len(row.agreements) for row in wire.rows]
    if widths != [len(request.images)] * len(request.headlines):
        raise ServerError(
            f"Expected {len(request.headlines)} rows of {len(request.images)} numbers from "
            f"{address}. Received: {len(widths)} rows of {sorted(set(widths))}"
        )
    return Match(
        agreement=tuple(tuple(row.agreements) for row in wire.rows),
        model=wire.model,
        model_version=wire.model_version,
    )


def _iterable(value: object, name: str, items: str) -> Iterable[Any]:
    # One text, one path or one open file is iterable too, and never what was meant.
    single = isinstance(value, str | bytes | bytearray | memoryview | PathLike)
    if single or hasattr(value, "read") or not isinstance(value, Iterable):
        raise TypeError(
            f"{name}: expected an iterable of {items}. Received: {type(value).__name__}. "
            "Pass a list, of one item where there is but one"
        )
    return value


def _load(image: object, path: str, max_bytes: int) -> bytes:
    """Reads one image; what goes wrong is told of its place in the call."""
    if image is None:
        raise WrongTypeError(f"{path}: expected an image. Received: None", field=path)
    try:
        return load_image(image, max_bytes)
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
            f"message limit. Received: more, up to {path}. Match fewer at a time, or pass "
            "Client(max_message_bytes=...) if the server takes more"
        )
