"""How the benchmark calls LitServe: JSON over HTTP, a connection for each caller."""

import base64
from typing import Any

from peers.json_http import poster
from serving_bench.load import Send
from serving_bench.pictures import Ad


def score(address: str) -> Send:
    """One creative a call."""
    return poster(address, "/predict", _body)


def _body(ad: Ad) -> dict[str, Any]:
    return {"headline": ad.headline, "image": base64.b64encode(ad.image).decode()}
