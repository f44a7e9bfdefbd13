"""The caller's arguments -> wire messages -> results."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, TypeVar

from adscore_client._creative import ABSENT_HINT, Creative, image_file_name
from adscore_client._exceptions import (
    InvalidCreativeError,
    MessageTooLargeError,
    ServerError,
    WrongTypeError,
)
from adscore_client._image_reader import ImageReader
from adscore_client._results import (
    Grid,
    InputLimits,
    Match,
    Model,
    ModelState,
    Score,
    TrainingSummary,
    Warning,
    new_score,
    new_target,
)
from adscore_protos.v1 import model_pb2, scoring_pb2

# Overhead of a creative, headline or image in a request: one byte for the number of its field, at
# most five for its length.
FRAME_BYTES = 6

_SURROGATE = re.compile("[\ud800-\udfff]")

_WARNINGS = {scoring_pb2.Warning.Value(f"WARNING_{one}"): one for one in Warning}

PartsRequest = TypeVar(
    "PartsRequest",
    scoring_pb2.MatchRequest,
    scoring_pb2.ScoreCombinationsRequest,
    scoring_pb2.ExplainRequest,
)

# === Requests ===


def fill_creative(wire: scoring_pb2.Creative, creative: Creative, reader: ImageReader) -> int:
    """Reads the image and checks what the wire cannot carry; the server checks the rest.

    Args:
        wire: The message to fill, an empty one.
        creative: What the caller passed.
        reader: Reads the image; its limit is that of the encoded message.

    Returns:
        Bytes of the encoded message.

    Raises:
        TypeError: A part is of the wrong type.
        InvalidCreativeError: A part cannot be read, or the whole is above the limit.
    """
    wire.id = text_to_wire(creative.id, "id")
    try:
        headline = text_to_wire("" if creative.headline is None else creative.headline, "headline")
        wire.headline = headline
        if creative.context != {}:
            wire.context.update(context_to_wire(creative.context))
        image = b"" if creative.image is None else reader.read(creative.image)
        wire.image = image
        # protobuf would encode the whole message to know its size.
        size = wire.ByteSize() if wire.context else _encoded_bytes(creative.id, headline, image)
        if size > reader.max_bytes:
            raise _creative_too_large(size, len(image), reader.max_bytes)
    except InvalidCreativeError as exc:
        exc.creative_id = creative.id
        raise
    return size


def _encoded_bytes(*parts: str | bytes) -> int:
    """Bytes of a message with these fields: for each, a byte for its number, its length, itself."""
    total = 0
    for part in parts:
        size = len(part.encode()) if isinstance(part, str) and not part.isascii() else len(part)
        total += size and 1 + (size.bit_length() + 6) // 7 + size
    return total


def _creative_too_large(size: int, image_bytes: int, max_bytes: int) -> InvalidCreativeError:
    return InvalidCreativeError(
        f"expected a creative of at most {max_bytes:,} bytes, the message limit. "
        f"Received: {size:,} bytes, {image_bytes:,} of them image. Make "
        "it smaller, or pass Client(max_message_bytes=...) if the server takes more",
        field="image" if image_bytes else "headline",
        reason="CREATIVE_TOO_LARGE",
    )


def context_to_wire(context: object) -> dict[str, str]:
    """Returns the context, if it is one that the wire can carry.

    Raises:
        TypeError: It is not a mapping of str to str.
        InvalidCreativeError: A text has a lone surrogate.
    """
    if not isinstance(context, Mapping):
        raise WrongTypeError(
            f"context: expected a mapping of str to str. Received: {context!r:.80}",
            field="context",
        )
    return {
        text_to_wire(name, "context"): text_to_wire(value, f"context[{name}]")
        for name, value in context.items()
    }


def text_to_wire(value: object, field: str) -> str:
    """Returns the text, if it is one that the wire can carry.

    Args:
        value: What the caller passed.
        field: Path of the field that it is for.

    Raises:
        TypeError: It is not a str.
        InvalidCreativeError: It has a lone surrogate.
    """
    if not isinstance(value, str):
        raise WrongTypeError(
            f"{field}: expected str. Received: {type(value).__name__} {value!r:.80}", field=field
        )
    if not value.isascii() and _SURROGATE.search(value):
        raise InvalidCreativeError(
            f"{field}: expected Unicode text. Received: {value!r:.80}, with a lone surrogate. "
            "Decode the text with the encoding that it was written in",
            field=field,
            reason="HEADLINE_NOT_TEXT" if field.startswith("headline") else "TEXT_NOT_UNICODE",
        )
    return value


def add_parts(
    request: PartsRequest, headlines: object, images: object, reader: ImageReader
) -> dict[str, str]:
    """Puts headlines and images into a request; the server checks what the wire can carry.

    Args:
        request: What else the call says; it gets the headlines and images.
        headlines: What the caller passed, an iterable of texts.
        images: What the caller passed, an iterable of images.
        reader: Reads an image; its limit is that of the request.

    Returns:
        Paths of the images that come from files, by field, e.g. ``"images[5]"``.

    Raises:
        TypeError: An argument, or an item of one, is of the wrong type.
        InvalidCreativeError: An item cannot be read.
        MessageTooLargeError: The request would be above the limit.
    """
    image_files: dict[str, str] = {}
    spare = reader.max_bytes - request.ByteSize()
    for position, headline in enumerate(iterable(headlines, "headlines", "str")):
        path = f"headlines[{position}]"
        request.headlines.append(text_to_wire(headline, path))
        spare -= len(request.headlines[-1].encode()) + FRAME_BYTES
        require_capacity(spare, path, reader, "headlines and images")
    for position, image in enumerate(iterable(images, "images", "images")):
        path = f"images[{position}]"
        data = _load_part(image, path, reader)
        request.images.append(data)
        spare -= len(data) + FRAME_BYTES
        require_capacity(spare, path, reader, "headlines and images")
        if name := image_file_name(image):
            image_files[path] = name
    return image_files


def iterable(value: object, name: str, items: str) -> Iterable[Any]:
    """Returns the caller's argument if it is an iterable of items.

    Raises:
        TypeError: It is not iterable, or is a single item that happens to be.
    """
    # A single text, path or open file is iterable too, and always a mistake.
    single = isinstance(value, str | bytes | bytearray | memoryview | PathLike)
    if single or hasattr(value, "read") or not isinstance(value, Iterable):
        raise TypeError(
            f"{name}: expected an iterable of {items}. Received: {type(value).__name__}. "
            "Pass a list, of one item where there is but one"
        )
    return value


def _load_part(image: object, path: str, reader: ImageReader) -> bytes:
    """Reads one image; errors name its place in the call."""
    if image is None:
        raise WrongTypeError(f"{path}: expected an image. Received: None", field=path)
    try:
        return reader.read(image)
    except InvalidCreativeError as exc:
        raise InvalidCreativeError(_of_part(exc, path), field=path, reason=exc.reason) from exc
    except WrongTypeError as exc:
        raise WrongTypeError(_of_part(exc, path), field=path) from exc


def _of_part(exc: Exception, path: str) -> str:
    # Here an image may not be absent, so do not advise to leave it out.
    return path + str(exc).removeprefix("image").replace(ABSENT_HINT, "")


def require_capacity(
    spare: int, path: str, reader: ImageReader, what: str, remedy: str = "Pass fewer at a time, or"
) -> None:
    """Checks that a request is within the message limit.

    Args:
        spare: Bytes left; below 0 if the request is too large.
        path: What was added last.
        reader: Its limit is that of the request.
        what: All that was added.
        remedy: What the caller can do; the text then names the other remedy.

    Raises:
        MessageTooLargeError: The request is too large.
    """
    if spare < 0:
        raise MessageTooLargeError(
            f"Expected {what} of at most {reader.max_bytes:,} bytes together, the message limit. "
            f"Received: more, up to {path}. {remedy} Client(max_message_bytes=...) if the server "
            "takes more"
        )


# === Answers ===


def score_from_wire(wire: scoring_pb2.Score) -> Score:
    """Converts a score; every field of the wire has one of the same name."""
    return new_score(
        wire.creative_id,
        {
            name: new_target(target.mean, target.lower, target.upper, target.percentile)
            for name, target in wire.targets.items()
        },
        wire.agreement if wire.HasField("agreement") else None,
        warnings_from_wire(wire.warnings),
        (wire.model, wire.model_version),
    )


def warnings_from_wire(numbers: Sequence[int]) -> tuple[Warning, ...]:
    """Converts warnings; those that this client does not know keep their number."""
    if not numbers:
        return ()
    return tuple(_WARNINGS.get(n) or Warning(f"UNRECOGNISED_{n}") for n in numbers)


def grid_from_wire(
    wire: scoring_pb2.ScoreCombinationsResponse,
    request: scoring_pb2.ScoreCombinationsRequest,
    address: str,
) -> Grid:
    """Converts the answer to a request.

    Raises:
        ServerError: It has more or fewer numbers than the request has combinations.
    """
    height, width = len(request.headlines), len(request.images)
    _check_sizes(wire, height, width, address)
    columns = [
        map(new_target, grid.means, grid.lowers, grid.uppers, grid.percentiles)
        for grid in wire.targets.values()
    ]
    targets = zip(*columns, strict=True) if columns else itertools.repeat(())
    agreements = iter(wire.agreements) if wire.agreements else itertools.repeat(None)
    shared = warnings_from_wire(wire.warnings)
    of_headlines = _by_part(wire.headline_warnings, height)
    of_images = _by_part(wire.image_warnings, width)
    names, model = list(wire.targets), (wire.model, wire.model_version)

    def score(row: int, column: int) -> Score:
        warnings = of_images[column] + of_headlines[row] + shared
        return new_score(
            "",
            dict(zip(names, next(targets), strict=True)),
            next(agreements),
            tuple(dict.fromkeys(warnings)) if warnings else (),
            model,
        )

    return Grid(
        tuple(tuple(score(row, column) for column in range(width)) for row in range(height)),
        *model,
    )


def _by_part(parts: Sequence[scoring_pb2.PartWarnings], count: int) -> list[tuple[Warning, ...]]:
    return [warnings_from_wire(part.warnings) for part in parts] or [()] * count


def _check_sizes(
    wire: scoring_pb2.ScoreCombinationsResponse, height: int, width: int, address: str
) -> None:
    lists = [
        column
        for grid in wire.targets.values()
        for column in (grid.means, grid.lowers, grid.uppers, grid.percentiles)
    ]
    sizes = {len(column) for column in lists} | ({len(wire.agreements)} - {0})
    parts = (len(wire.headline_warnings), len(wire.image_warnings))
    is_whole = sizes <= {height * width} and parts[0] in (0, height) and parts[1] in (0, width)
    if not is_whole:
        raise ServerError(
            f"Expected {height * width} numbers for each column, and warnings for {height} "
            f"headlines and {width} images, from {address}. Received: {sorted(sizes)} numbers, "
            f"and warnings for {parts[0]} and {parts[1]}"
        )


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


def model_from_wire(wire: model_pb2.Model) -> Model:
    """Converts a model; every field of the wire has one of the same name."""
    return Model(
        name=wire.name,
        version=wire.version,
        state=_state_from_wire(wire.state),
        state_reason=wire.state_reason,
        targets=tuple(wire.targets),
        limits=_limits_from_wire(wire.limits),
        training=_training_from_wire(wire.training),
        metrics={name: dict(metrics.figures) for name, metrics in wire.metrics.items()},
        has_agreement=wire.has_agreement,
    )


def _state_from_wire(number: int) -> ModelState:
    # Zero is unused, and a newer server may send further values.
    if number == 0 or number not in model_pb2.ModelState.values():
        return ModelState(f"UNRECOGNISED_{number}")
    return ModelState(model_pb2.ModelState.Name(number).removeprefix("MODEL_STATE_"))


def _limits_from_wire(wire: model_pb2.InputLimits) -> InputLimits:
    return InputLimits(
        max_headline_characters=wire.max_headline_characters,
        max_image_bytes=wire.max_image_bytes,
        max_image_pixels=wire.max_image_pixels,
        image_formats=tuple(wire.image_formats),
        headline_optional=wire.headline_optional,
        image_optional=wire.image_optional,
        context_names=tuple(wire.context_names),
        max_combinations=wire.max_combinations,
        image_height=wire.image_height,
        image_width=wire.image_width,
        context_values={
            name: tuple(known.values) for name, known in sorted(wire.context_values.items())
        },
    )


def _training_from_wire(wire: model_pb2.TrainingSummary) -> TrainingSummary:
    return TrainingSummary(
        preset=wire.preset,
        creatives=wire.creatives,
        groups=wire.groups,
        seed=wire.seed,
        create_time=wire.create_time,
        adscore_version=wire.adscore_version,
    )
