"""What surrounds every call: reading the request, errors, the log line, and draining."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError, Message

from adscore_server.errors import CallReason, InvalidRequestError, ServerStoppingError
from adscore_server.status import describe, log_unexpected, to_rpc_status

# Health and reflection answer as they always do, while the server drains too.
_OWN_METHODS = "/adscore.v1."

_logger = logging.getLogger(__name__)

_Behaviour = Callable[[Any, grpc.ServicerContext], Message]
if TYPE_CHECKING:  # generic in its stubs alone
    _Handler = grpc.RpcMethodHandler[Any, Any]


class CallInterceptor(grpc.ServerInterceptor):
    """Gives every unary call of adscore's services its status, log line and drain refusal."""

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
        handler = continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or handler.unary_unary is None or not method.startswith(_OWN_METHODS):
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
        start = time.monotonic()
        try:
            if isinstance(request, DecodeError):
                raise _unreadable()
            response = behaviour(request, context)
        except Exception as error:
            failure = describe(error)
            if failure.code is grpc.StatusCode.INTERNAL:
                log_unexpected(error, method)
            _log_call(method, failure.code, start, request, None)
            context.abort_with_status(to_rpc_status(failure))
        _log_call(method, grpc.StatusCode.OK, start, request, response)
        return response

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


def _log_call(
    method: str, code: grpc.StatusCode, start: float, request: Any, response: Message | None
) -> None:
    """One line a call, of sizes and timing alone: never what a creative holds."""
    if not _logger.isEnabledFor(logging.DEBUG):
        return
    _logger.debug(
        "%s %s %.1f ms, %d bytes in, %d bytes out",
        method,
        code.name,
        (time.monotonic() - start) * 1000,
        request.ByteSize() if isinstance(request, Message) else 0,
        response.ByteSize() if response is not None else 0,
    )
