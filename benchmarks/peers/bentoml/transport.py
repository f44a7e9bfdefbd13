"""How the benchmark calls BentoML: JSON over HTTP, a connection for each caller."""

import base64
from typing import Any

from peers.json_http import poster
from serving_bench.load import Send
from serving_bench.pictures import Ad


def score(address: str) -> Send:
    """One creative a call, which BentoML puts into batches."""
    return poster(address, "/score", _body)


def _body(ad: Ad) -> dict[str, Any]:
    return {"ads": [{"headline": ad.headline, "image": base64.b64encode(ad.image).decode()}]}
