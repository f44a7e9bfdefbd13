"""The log of calls: one line each, with ids, sizes and timings.

The request id is the only text from the caller in a line: no headline, image, token, header,
context, creative id or model name. Failed calls are logged at level info, others at debug.
"""

import json
import logging
import time
from typing import Any

import grpc

from adscore_server.calls.call import Call, Observer

_logger = logging.getLogger(__name__)


class CallLog(Observer):
    """Writes a line for each call that ends."""

    def ended(self, call: Call, code: grpc.StatusCode) -> None:
        """Writes the line."""
        level = logging.DEBUG if code is grpc.StatusCode.OK else logging.INFO
        if not _logger.isEnabledFor(level):
            return
        fields: dict[str, Any] = {
            "request_id": call.request_id,
            "method": call.method.rpartition("/")[2],
            "code": code.name,
            "reason": call.reason,
            "caller": call.caller,
            "milliseconds": round((time.monotonic() - call.arrival) * 1000, 1),
            "creatives": call.creatives,
            "bytes_in": call.bytes_in,
            "bytes_out": call.bytes_out,
        }
        given = {name: value for name, value in fields.items() if value != ""}
        text = " ".join(f"{name}={_word(value)}" for name, value in given.items())
        _logger.log(level, "call %s", text, extra={"fields": given})


def _word(value: Any) -> str:
    """The value as text, quoted if it would read as several words."""
    text = str(value)
    return json.dumps(text) if " " in text or '"' in text else text
