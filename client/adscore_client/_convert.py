"""Wire messages <-> the types of the client."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from adscore_client._creative import Creative
from adscore_client._exceptions import InvalidCreativeError, WrongTypeError
from adscore_client._image_reader import ImageReader
from adscore_client._results import (
    InputLimits,
    Model,
    ModelState,
    Score,
    TargetScore,
    TrainingSummary,
    Warning,
)
from adscore_protos.v1 import model_pb2, scoring_pb2

_SURROGATE = re.compile("[\ud800-\udfff]")


def creative_to_wire(creative: Creative, reader: ImageReader) -> scoring_pb2.Creative:
    """Reads the image and checks what the wire cannot carry; the server checks the rest.

    Args:
        creative: What the caller passed.
        reader: Reads the image; its limit is that of the encoded message.

    Raises:
        TypeError: A part is of the wrong type.
        InvalidCreativeError: A part cannot be read, or the whole is above the limit.
    """
    wire = scoring_pb2.Creative(
        id=text_to_wire(creative.id, "id"),
        headline="" if creative.headline is None else text_to_wire(creative.headline, "headline"),
        context=context_to_wire(creative.context),
    )
    if creative.image is not None:
        wire.image = reader.read(creative.image)
    if wire.ByteSize() > reader.max_bytes:
        raise InvalidCreativeError(
            f"expected a creative of at most {reader.max_bytes:,} bytes, the message limit. "
            f"Received: {wire.ByteSize():,} bytes, {len(wire.image):,} of them image. Make "
            "it smaller, or pass Client(max_message_bytes=...) if the server takes more",
            field="image" if wire.image else "headline",
            reason="CREATIVE_TOO_LARGE",
        )
    return wire


def context_to_wire(context: object) -> dict[str, str]:
    """Returns the context, if it is one that the wire can carry.

    Raises:
        TypeError: It is no mapping of str to str.
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
        TypeError: It is no str.
        InvalidCreativeError: It has a lone surrogate.
    """
    if not isinstance(value, str):
        raise WrongTypeError(
            f"{field}: expected str. Received: {type(value).__name__} {value!r:.80}", field=field
        )
    if _SURROGATE.search(value):
        raise InvalidCreativeError(
            f"{field}: expected Unicode text. Received: {value!r:.80}, with a lone surrogate. "
            "Decode the text with the encoding that it was written in",
            field=field,
            reason="HEADLINE_NOT_TEXT" if field.startswith("headline") else "TEXT_NOT_UNICODE",
        )
    return value


def score_from_wire(wire: scoring_pb2.Score) -> Score:
    """Converts a score; every field of the wire has one of the same name."""
    return Score(
        creative_id=wire.creative_id,
        targets={
            name: TargetScore(target.mean, target.lower, target.upper, target.percentile)
            for name, target in wire.targets.items()
        },
        agreement=wire.agreement if wire.HasField("agreement") else None,
        warnings=warnings_from_wire(wire.warnings),
        model=wire.model,
        model_version=wire.model_version,
    )


def warnings_from_wire(numbers: Iterable[int]) -> tuple[Warning, ...]:
    """Converts warnings; those that this client does not know keep their number."""
    return tuple(Warning(_enum_name(scoring_pb2.Warning, n, "WARNING_")) for n in numbers)


def model_from_wire(wire: model_pb2.Model) -> Model:
    """Converts a model; every field of the wire has one of the same name."""
    return Model(
        name=wire.name,
        version=wire.version,
        state=ModelState(_enum_name(model_pb2.ModelState, wire.state, "MODEL_STATE_")),
        state_reason=wire.state_reason,
        targets=tuple(wire.targets),
        limits=_limits_from_wire(wire.limits),
        training=_training_from_wire(wire.training),
        metrics={name: dict(metrics.figures) for name, metrics in wire.metrics.items()},
        has_agreement=wire.has_agreement,
    )


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


def _enum_name(kind: Any, number: int, prefix: str) -> str:
    """Returns the name of an enum value; zero is unused, and a newer server may know more."""
    if number == 0 or number not in kind.values():
        return f"UNRECOGNISED_{number}"
    name: str = kind.Name(number)
    return name.removeprefix(prefix)
