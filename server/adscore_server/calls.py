"""What surrounds every call: reading the request, errors, and draining."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError, Message

from adscore_server.errors import CallReason, InvalidRequestError, ServerStoppingError
from adscore_server.observation import OWN_METHODS
from adscore_server.status import abort

_Behaviour = Callable[[Any, grpc.ServicerContext], Message]
if TYPE_CHECKING:  # generic in its stubs alone
    _Handler = grpc.RpcMethodHandler[Any, Any]


class CallInterceptor(grpc.ServerInterceptor):
    """Gives every unary call of adscore's services its status and drain refusal."""

    def __init__(self) -> None:
        self._stopping = False

    def refuse_new_calls(self) -> None:
        """From now on, calls that arrive are answered with UNAVAILABLE."""
        self._stopping = True

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], _Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "_Handler | None":
        """Runs as a call arrives, before it waits for a thread."""
        # Health and reflection answer as they always do, while the server drains too.
        handler = continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or handler.unary_unary is None or not method.startswith(OWN_METHODS):
            return handler
        return grpc.unary_unary_rpc_method_handler(
            _answer_errors(method, _refuse if self._stopping else handler.unary_unary),
            request_deserializer=_tolerant(handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )


class CallThreads(ThreadPoolExecutor):
    """Threads that work on calls, and a way to wait for the calls that they hold."""

    def __init__(self, threads: int) -> None:
        super().__init__(max_workers=threads, thread_name_prefix="call")
        self._calls: set[Future[Any]] = set()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Takes a call; it waits where all threads are busy."""
        future = super().submit(fn, *args, **kwargs)
        self._calls.add(future)
        future.add_done_callback(self._calls.discard)
        return future

    def wait_for_calls(self, timeout_seconds: float) -> bool:
        """Waits for the calls taken so far; those that come meanwhile do not count.

        Returns:
            Whether all of them ended in time.
        """
        return not wait(self._calls.copy(), timeout_seconds).not_done


def _answer_errors(method: str, behaviour: _Behaviour) -> _Behaviour:
    def answer(request: Any, context: grpc.ServicerContext) -> Message:
        try:
            if isinstance(request, DecodeError):
                raise _unreadable()
            return behaviour(request, context)
        except Exception as error:
            abort(context, error, method)

    return answer


def _refuse(request: Any, context: grpc.ServicerContext) -> Message:  # noqa: ARG001
    raise ServerStoppingError


def _tolerant(
    deserialize: Callable[[bytes], Any] | None,
) -> Callable[[bytes], Any] | None:
    """Hands a request that cannot be read on as the error, for a status that says so.

    grpcio itself would answer INTERNAL, as if the fault were the server's.
    """
    if deserialize is None:
        return None

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError as error:
            return error

    return read


def _unreadable() -> InvalidRequestError:
    return InvalidRequestError(
        "",
        CallReason.REQUEST_UNREADABLE,
        "expected a request of adscore.v1, with text in UTF-8. Received: bytes that are none",
    )
