"""JSON over HTTP with the standard library, which costs a caller less than any client package."""

import base64
import http.client
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

from serving_bench.load import Send
from serving_bench.pictures import Ad
from serving_bench.transports import TIMEOUT_SECONDS, WrongAnswerError


def bentoml(address: str) -> Send:
    """BentoML takes a list, of which it makes batches."""
    return _poster(address, "/score", lambda ad: {"ads": [_body(ad)]})


def litserve(address: str) -> Send:
    """One creative a call."""
    return _poster(address, "/predict", _body)


def ray(address: str) -> Send:
    """One creative a call."""
    return _poster(address, "/score", _body)


def _body(ad: Ad) -> dict[str, str]:
    return {"headline": ad.headline, "image": base64.b64encode(ad.image).decode()}


def _poster(address: str, path: str, body: Callable[[Ad], Any]) -> Send:
    """Posts creatives one by one; each thread keeps a connection open.

    Args:
        address: HOST:PORT.
        path: To post to.
        body: What is posted for a creative.
    """
    connections = threading.local()

    def connection() -> http.client.HTTPConnection:
        if not hasattr(connections, "own"):
            connections.own = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
        return connections.own  # type: ignore[no-any-return]

    def send(ads: Sequence[Ad]) -> None:
        for ad in ads:
            try:
                connection().request(
                    "POST", path, json.dumps(body(ad)), {"Content-Type": "application/json"}
                )
                response = connection().getresponse()
                text = response.read()
            except (http.client.HTTPException, OSError):
                connection().close()  # or it could never be used again
                raise
            if response.status != 200 or b'"mean"' not in text:
                raise WrongAnswerError(f"{path}: {response.status}: {text[:500]!r}")

    return send
