"""Inspects the bytes of a request before parsing, above all to count its creatives.

A compressed message of 16 kB can hold millions of empty creatives, each of which costs a hundred
bytes and a microsecond to parse. This module reads only tags and lengths, up to a limit. Counting
stops at bytes that are not a valid message; the parser then reports the error.
"""

from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError, Message

from adscore_server.errors import CallReason, InvalidRequestError

_VARINT, _FIXED64, _BYTES, _GROUP, _END_OF_GROUP, _FIXED32 = range(6)
# Average fields of a creative, including its context; the request's own fields come on top.
_FIELDS_OF_A_CREATIVE = 32
_FIELDS_OF_A_REQUEST = 300
# Limit for a request that only names a model, a service or a symbol.
_MAX_NAMING_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a request holds the items to count.

    Attributes:
        counted: Numbers of the fields with creatives, or with headlines and images.
        nested: Those among them that are messages, whose fields count too.
        inside: Fields of these messages that are messages again, whose fields count too.
    """

    counted: frozenset[int]
    nested: frozenset[int] = frozenset()
    inside: frozenset[int] = frozenset()


def count_parts(raw: bytes, layout: Layout, max_creatives: int) -> int:
    """Counts the creatives of a request; for a grid, its headlines and images.

    Args:
        raw: The request.
        layout: Where they are.
        max_creatives: How many a request may hold.

    Raises:
        InvalidRequestError: It has more fields than that many creatives can need.
    """
    left = _FIELDS_OF_A_REQUEST + _FIELDS_OF_A_CREATIVE * max_creatives
    parts = groups = 0
    ends = [len(raw)]
    place = 0
    try:
        while ends:
            if place >= ends[-1]:
                ends.pop()
                continue
            left -= 1
            if left < 0:
                raise _too_large(max_creatives)
            tag, place = _varint(raw, place)
            number, kind = tag >> 3, tag & 7
            if kind == _BYTES:
                size, place = _varint(raw, place)
                if len(ends) == 1 and not groups and number in layout.counted:
                    parts += 1
                    if number in layout.nested and place + size <= ends[0]:
                        ends.append(place + size)
                        continue
                elif len(ends) == 2 and number in layout.inside and place + size <= ends[-1]:
                    ends.append(place + size)
                    continue
                place += size
            elif kind == _VARINT:
                _, place = _varint(raw, place)
            elif kind in (_FIXED64, _FIXED32):
                place += 8 if kind == _FIXED64 else 4
            elif len(ends) == 1:  # the parser keeps the contents of a group unparsed
                groups += (kind == _GROUP) - (kind == _END_OF_GROUP)
    except IndexError:
        pass  # truncated: the parser refuses it
    return parts


def parse(kind: type[Message], raw: bytes) -> Any:
    """Parses a request.

    Raises:
        InvalidRequestError: The bytes are not a message of this kind. (grpcio would answer
            INTERNAL, as if the server were at fault.)
    """
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise InvalidRequestError(
            "",
            CallReason.REQUEST_UNREADABLE,
            "expected a request of adscore.v1, with text in UTF-8. Received: bytes that are none",
        ) from error


def require_small(raw: bytes) -> bytes:
    """Returns a request that only names something, after checking its size.

    Raises:
        InvalidRequestError: It is larger than a name needs.
    """
    if len(raw) > _MAX_NAMING_BYTES:
        raise InvalidRequestError(
            "",
            CallReason.REQUEST_TOO_LARGE,
            f"expected at most {_MAX_NAMING_BYTES} bytes. Received: {len(raw)} bytes",
        )
    return raw


def _varint(raw: bytes, place: int) -> tuple[int, int]:
    """A varint, seven bits per byte, and the position after it."""
    byte = raw[place]
    if byte < 128:
        return byte, place + 1
    number, shift = byte & 127, 7
    while byte > 127:
        place += 1
        byte = raw[place]
        number |= (byte & 127) << shift
        shift += 7
        if shift > 70:
            raise IndexError
    return number, place + 1


def _too_large(max_creatives: int) -> InvalidRequestError:
    return InvalidRequestError(
        "",
        CallReason.REQUEST_TOO_LARGE,
        f"expected at most {max_creatives} creatives, with at most {_FIELDS_OF_A_CREATIVE} fields "
        "each on average, entries of the context included. Received: more",
    )
