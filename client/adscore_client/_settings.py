"""The settings of a client by name, and their defaults."""

import difflib
from collections.abc import Mapping
from typing import TypedDict

from adscore_client._channel import Tls, Token


class ClientSettings(TypedDict, total=False):
    """The settings of a client beside its address; see ``BaseClient.__init__``."""

    timeout_seconds: float
    model: str
    model_version: str
    max_message_bytes: int
    tls: Tls | bool
    token: Token | None
    allow_plaintext_token: bool
    shrink_images: bool


DEFAULTS: ClientSettings = {
    "timeout_seconds": 10.0,
    "model": "",
    "model_version": "",
    "max_message_bytes": 16 * 1024 * 1024,
    "tls": False,
    "token": None,
    "allow_plaintext_token": False,
    "shrink_images": False,
}


def check_names(settings: Mapping[str, object], function: str) -> None:
    """Refuses unknown settings.

    Raises:
        TypeError: A setting is unknown; the text suggests a similar one.
    """
    for name in settings.keys() - DEFAULTS.keys():
        near = difflib.get_close_matches(name, DEFAULTS, 1)
        hint = f". Did you mean {near[0]!r}?" if near else ""
        raise TypeError(
            f"{function}: expected settings among {', '.join(DEFAULTS)}. Received: {name!r}{hint}"
        )
