"""Reads and parses requests of the page, within limits; images are not decoded here.

A body is the length of a JSON object (four bytes, big-endian), the object, and the bytes of one
image file or none.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import ClientDisconnect, Request

from adscore_web.config import PageConfig

CONTENT_TYPE = "application/octet-stream"  # a type that no form on another site can send
_LENGTH_BYTES = 4
_MAX_JSON_BYTES = 1024 * 1024


class RefusedError(Exception):
    """A request that is refused without calling the server.

    Attributes:
        status: HTTP status.
        kind: Name of the cause, for which the page has a text.
    """

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class Capacity:
    """Limits the bytes that all requests hold together; further requests wait for a while."""

    def __init__(self, max_bytes: int, wait_seconds: float) -> None:
        self._free = max_bytes
        self._wait_seconds = wait_seconds
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def held(self, size: int) -> AsyncIterator[None]:
        """Reserves a number of bytes inside the block.

        Raises:
            RefusedError: They did not become free in time.
        """
        async with self._changed:
            try:
                async with asyncio.timeout(self._wait_seconds):
                    await self._changed.wait_for(lambda: self._free >= size)
            except TimeoutError:
                raise RefusedError(503, "busy", "Expected fewer requests at once.") from None
            self._free -= size
        try:
            yield
        finally:
            async with self._changed:
                self._free += size
                self._changed.notify_all()


def declared_bytes(request: Request, config: PageConfig) -> int:
    """The declared length of a request.

    Raises:
        RefusedError: It says none, as an endless one would, or too much, or is of another type.
    """
    if request.headers.get("content-type") != CONTENT_TYPE:
        raise RefusedError(415, "request", f"Expected {CONTENT_TYPE}.")
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        raise RefusedError(411, "request", "Expected a Content-Length.")
    if len(length) > 12 or int(length) > config.max_request_bytes:
        raise RefusedError(
            413, "too_large", f"Expected at most {config.max_request_bytes:,} bytes."
        )
    return int(length)


async def read_frame(request: Request, config: PageConfig) -> tuple[dict[str, Any], bytes]:
    """Reads a request whose declared length was accepted.

    Returns:
        The JSON object, and the bytes of the image.

    Raises:
        RefusedError: The request does not arrive in time, or is malformed.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(config.read_seconds):
            async for part in request.stream():
                body += part
                if len(body) > config.max_request_bytes:  # more than its header declared
                    raise RefusedError(
                        413, "too_large", "Expected no more bytes than Content-Length declares."
                    )
    except TimeoutError:
        text = f"Expected the whole request within {config.read_seconds:g} s."
        raise RefusedError(408, "slow", text) from None
    except ClientDisconnect:
        raise RefusedError(400, "request", "Expected the whole request.") from None
    return parse_frame(bytes(body))


def parse_frame(body: bytes) -> tuple[dict[str, Any], bytes]:
    """Parses a body.

    Raises:
        RefusedError: The body is malformed.
    """
    size = int.from_bytes(body[:_LENGTH_BYTES])
    end = _LENGTH_BYTES + size
    if len(body) < end or not 0 < size <= _MAX_JSON_BYTES:
        raise RefusedError(400, "request", "Expected a JSON object of the length stated before it.")
    text = body[_LENGTH_BYTES:end]
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise RefusedError(400, "request", "Expected a JSON object.")
    return values, body[end:]
