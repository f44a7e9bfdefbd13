"""gRPC's four kinds of method handler, put together again with a part replaced."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:  # generic in its stubs alone
    Handler = grpc.RpcMethodHandler[Any, Any]

Behaviour = Callable[[Any, grpc.ServicerContext], Any]

# By whether requests and whether responses are a stream.
_KINDS: dict[tuple[bool, bool], tuple[str, Callable[..., Any]]] = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


def behaviour_of(handler: "Handler") -> Behaviour:
    """What the handler runs: takes the request, or an iterator of them, and the context."""
    name, _ = _KINDS[bool(handler.request_streaming), bool(handler.response_streaming)]
    behaviour: Behaviour = getattr(handler, name)
    return behaviour


def replaced(
    handler: "Handler",
    behaviour: Behaviour | None = None,
    request_deserializer: Callable[[bytes], Any] | None = None,
) -> "Handler":
    """A handler of the same kind with another behaviour or deserializer, or both."""
    _, make = _KINDS[bool(handler.request_streaming), bool(handler.response_streaming)]
    made: Handler = make(
        behaviour or behaviour_of(handler),
        request_deserializer=request_deserializer or handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
    return made


def refusing(refuse: Behaviour) -> "Handler":
    """A handler that fails calls of every kind alike, and reads nothing of what they send."""
    return grpc.stream_stream_rpc_method_handler(refuse)
