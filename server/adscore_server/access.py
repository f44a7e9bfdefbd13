"""Who may call: a bearer token for everything but health."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import grpc

from adscore_server.current_call import current_call
from adscore_server.errors import UnauthenticatedError
from adscore_server.handlers import refusing
from adscore_server.status import abort
from adscore_server.tokens import TokenFile

if TYPE_CHECKING:
    from adscore_server.handlers import Handler

# Load balancers and Kubernetes ask without a token; the answer says nothing but up or down.
_OPEN_METHODS = "/grpc.health.v1.Health/"


class AccessInterceptor(grpc.ServerInterceptor):
    """Lets calls pass that bring a token of the file; refuses others before reading them.

    Args:
        tokens: The tokens that are accepted.
    """

    def __init__(self, tokens: TokenFile) -> None:
        self._tokens = tokens

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Runs as a call arrives, before it waits for a thread."""
        if str(handler_call_details.method).startswith(_OPEN_METHODS):
            return continuation(handler_call_details)
        token = _bearer_token(handler_call_details.invocation_metadata)
        name = self._tokens.name_of(token) if token else None
        if name is None:
            return refusing(_refusal(UnauthenticatedError(token_given=bool(token))))
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


def _refusal(error: UnauthenticatedError) -> Callable[[Any, grpc.ServicerContext], NoReturn]:
    def refuse(requests: Any, context: grpc.ServicerContext) -> NoReturn:  # noqa: ARG001
        abort(context, error, "access")

    return refuse
