"""Watches every call of adscore's services from outside: its id, its end, its answers."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import Message

from adscore_protos.v1 import model_pb2, scoring_pb2
from adscore_server.calls.creative_count import count_creatives
from adscore_server.calls.current import REQUEST_ID_HEADER, Call, begin_call
from adscore_server.calls.handlers import Behaviour, behaviour_of, replaced

if TYPE_CHECKING:
    from adscore_server.calls.handlers import Handler

OWN_METHODS = "/adscore.v1."

# A caller can ask for any name; only these go into the log and into labels of metrics.
_KNOWN_METHODS = frozenset(
    f"/{service.full_name}/{method.name}"
    for file in (scoring_pb2.DESCRIPTOR, model_pb2.DESCRIPTOR)
    for service in file.services_by_name.values()
    for method in service.methods
)


class Observer:
    """Is told of calls, in the thread that works on them; must be quick and never fail."""

    def began(self, call: Call, context: grpc.ServicerContext) -> None:
        """The call has its thread."""

    def answered(self, call: Call, response: Message) -> None:
        """The call has one more answer, which is not yet sent."""

    def ended(self, call: Call, code: grpc.StatusCode) -> None:
        """The call is over, with this code."""


class ObservingInterceptor(grpc.ServerInterceptor):
    """The outermost interceptor: gives calls their id and tells observers of their end.

    Args:
        observers: Whom it tells.
    """

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Runs as a call arrives, before it waits for a thread."""
        method = str(handler_call_details.method)
        if method not in _KNOWN_METHODS:
            return continuation(handler_call_details)
        call = begin_call(method, handler_call_details.invocation_metadata)
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        watch = self._watch_stream if handler.response_streaming else self._watch
        return replaced(
            handler,
            functools.wraps(behaviour_of(handler))(watch(call, behaviour_of(handler))),
            _counting(handler.request_deserializer, call),
        )

    def _watch(self, call: Call, behaviour: Behaviour) -> Behaviour:
        def answer(request: Any, context: grpc.ServicerContext) -> Message:
            self._begin(call, context)
            try:
                response: Message = behaviour(request, context)
                self._answered(call, response)
            except BaseException:
                self._end(call, _code_of_failure(context))
                raise
            # Nobody gets the answer whose client has gone, or whose deadline has passed.
            gone = not context.is_active()
            self._end(call, grpc.StatusCode.CANCELLED if gone else grpc.StatusCode.OK)
            return response

        return answer

    def _watch_stream(self, call: Call, behaviour: Behaviour) -> Behaviour:
        def answer(request: Any, context: grpc.ServicerContext) -> Iterator[Message]:
            self._begin(call, context)
            code = grpc.StatusCode.CANCELLED  # unless it is read to its end
            try:
                for response in behaviour(request, context):
                    self._answered(call, response)
                    yield response
                code = grpc.StatusCode.OK
            except Exception:
                code = _code_of_failure(context)
                raise
            finally:
                self._end(call, code)

        return answer

    def _begin(self, call: Call, context: grpc.ServicerContext) -> None:
        # Behind the answer; an error has it in its details. Ahead of it, it would be a message of
        # its own, after which gRPC makes the call no second time, neither after QUEUE_FULL nor
        # after the end of the server.
        context.set_trailing_metadata(((REQUEST_ID_HEADER, call.request_id),))
        for observer in self._observers:
            observer.began(call, context)

    def _answered(self, call: Call, response: Message) -> None:
        call.bytes_out += response.ByteSize()
        for observer in self._observers:
            observer.answered(call, response)

    def _end(self, call: Call, code: grpc.StatusCode) -> None:
        for observer in self._observers:
            observer.ended(call, code)


def _code_of_failure(context: grpc.ServicerContext) -> grpc.StatusCode:
    """The code that a failed call was aborted with; its client may have gone before."""
    if not context.is_active():
        return grpc.StatusCode.CANCELLED
    grpcs: Any = context  # its stubs do not know this method
    code: grpc.StatusCode | None = grpcs.code()
    return code or grpc.StatusCode.UNKNOWN


def _counting(
    deserialize: Callable[[bytes], Any] | None, call: Call
) -> Callable[[bytes], Any] | None:
    """Counts the bytes and creatives that a call brings as they are read."""
    if deserialize is None:
        return None

    def read(data: bytes) -> Any:
        call.bytes_in += len(data)
        request = deserialize(data)
        call.creatives += count_creatives(request)
        return request

    return read
