"""Who may call: a bearer token for everything but health."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import grpc

from adscore_server.access.tokens import TokenFile
from adscore_server.calls.current import current_call
from adscore_server.errors import UnauthenticatedError

if TYPE_CHECKING:
    from adscore_server.calls.handlers import Handler

# Load balancers and Kubernetes ask without a token; the answer says nothing but up or down.
_OPEN_METHODS = "/grpc.health.v1.Health/"


class AccessInterceptor(grpc.ServerInterceptor):
    """Lets calls pass that bring a token of the file; refuses others before reading them.

    Args:
        tokens: The tokens that are accepted.
        refused: Makes a handler that fails a call of a method with an error, without waiting
            behind calls that are let in.
    """

    def __init__(self, tokens: TokenFile, refused: "Callable[[str, Exception], Handler]") -> None:
        self._tokens = tokens
        self._refused = refused

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Runs as a call arrives, before it waits for a thread."""
        method = str(handler_call_details.method)
        if method.startswith(_OPEN_METHODS):
            return continuation(handler_call_details)
        token = _bearer_token(handler_call_details.invocation_metadata)
        name = self._tokens.name_of(token) if token else None
        if name is None:
            return self._refused(method, UnauthenticatedError(token_given=bool(token)))
        current_call().caller = name
        return continuation(handler_call_details)


def _bearer_token(metadata: Iterable[Any]) -> str:
    """The token of the header `authorization: Bearer TOKEN`; empty where there is none."""
    for key, value in metadata or ():
        if key == "authorization" and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            if scheme.lower() == "bearer":
                return token.strip()
    return ""
