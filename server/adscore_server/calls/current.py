"""What is known of the call that is being worked on: for its log line, metrics and limits."""

import re
import time
import uuid
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

REQUEST_ID_HEADER = "x-request-id"

_REQUEST_ID = re.compile(r"[ -~]{1,128}")


@dataclass(slots=True, eq=False)
class Call:
    """One call, from its arrival to its end.

    Attributes:
        method: Full name of the method, e.g. ``"/adscore.v1.ScoringService/Score"``.
        request_id: The caller's id of it, or one that the server made.
        caller: Name of the token that it brought; empty where none is asked for.
        bytes_in: Size of what was received, in bytes.
        bytes_out: Size of what was answered, in bytes.
        creatives: Creatives that it asked to score; of a grid or a match, its parts.
        reason: Why it failed, a stable name; empty where it did not.
        arrival: When it came, in seconds of the monotonic clock.
    """

    method: str
    request_id: str
    caller: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    creatives: int = 0
    reason: str = ""
    arrival: float = field(default_factory=time.monotonic)


# gRPC runs interceptors and behaviour of a call in one context of its own.
_current: ContextVar[Call | None] = ContextVar("adscore_call", default=None)


def begin_call(method: str, metadata: Iterable[Any]) -> Call:
    """Makes the call that `current_call` gives from now on, with the caller's id or a new one."""
    call = Call(method, request_id_from(metadata))
    _current.set(call)
    return call


def current_call() -> Call:
    """The call that is being worked on; one without a name where there is none."""
    return _current.get() or Call("", "")


def request_id_from(metadata: Iterable[Any]) -> str:
    """The id that a caller sent, or a new one where there is none or it breaks the contract.

    Args:
        metadata: Pairs of key and value; a good id is 1 to 128 printable ASCII characters.
    """
    for key, value in metadata or ():
        if key == REQUEST_ID_HEADER and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return uuid.uuid4().hex
