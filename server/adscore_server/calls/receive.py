"""Requests and answers without a thread per call: the only file that uses grpcio's internals.

grpcio gives each call a thread, which waits for the request and for its turn, then hands the work
on. Here gRPC's own serving thread receives the request and queues it as bytes; the worker that
answers makes gRPC send the answer. docs/decisions/server-calls.md says what that saves.

It relies on three facts that grpcio does not promise, unchanged from 1.71 to 1.85:

- how it calls `submit` of the executor that a behaviour names, and that `submit` may return None;
- `_RequestIterator._raise_or_start_receive_message`, which asks for the next message;
- `_Context`, which it creates for a behaviour only when that runs.

`receiver` tests them with a call, and falls back to the public API, a thread per call, if they do
not hold.
"""

import contextlib
import functools
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import grpc

if TYPE_CHECKING:  # generic only in the stubs
    Handler = grpc.RpcMethodHandler[Any, Any]

# It takes milliseconds when it works, but seconds on a machine busy with starting other things,
# which must not make a server slower for good.
_CHECK_SECONDS = 15.0

_logger = logging.getLogger(__name__)


class Received(Protocol):
    """A call as a receiver sees it; all but `deliver` run on gRPC's thread and must not block."""

    respond: Callable[[], object] | None

    def begin(self, context: grpc.ServicerContext) -> bool:
        """The call has arrived; returns whether to read its request. If not, it is answered."""

    def receive(self, raw: bytes) -> None:
        """The request has arrived."""

    def deliver(self, context: grpc.ServicerContext) -> bytes:
        """Returns the answer or aborts."""


class Receiver(Protocol):
    """Creates the handlers of calls."""

    def handler(self, call: Received) -> "Handler":
        """A handler for one call of any method."""

    def shutdown(self, *, wait: bool) -> None:
        """Ends its threads, if any."""


def receiver(max_calls: int) -> Receiver:
    """The receiver without threads if this grpcio allows it, else the public one.

    Args:
        max_calls: Calls held at once.
    """
    if works_without_threads():
        return ThreadlessReceiver()
    _logger.warning("This grpcio is not known to adscore: calls take a thread each, and more CPU")
    return ThreadReceiver(max_calls)


class ThreadlessReceiver(ThreadPoolExecutor):
    """Stands in for the executor in which grpcio would run a behaviour."""

    def __init__(self) -> None:
        super().__init__(1)  # never started

    def handler(self, call: Received) -> "Handler":
        """See `Receiver`."""
        return grpc.stream_unary_rpc_method_handler(
            _Behaviour(call, self), request_deserializer=functools.partial(_receive, call)
        )

    def submit(self, run: Callable[..., Any], /, *args: Any, **_: Any) -> Any:
        """Runs on the serving thread, which holds the call's lock; an exception would kill it."""
        _respond, event, state, behaviour, requests, deserializer, _serializer = args
        call = behaviour.call
        try:
            call.respond = functools.partial(run, *args)
            if call.begin(grpc._server._Context(event, state, deserializer)):  # type: ignore[attr-defined]
                requests()._raise_or_start_receive_message()
        except grpc.RpcError:
            pass  # the caller has gone; gRPC notifies the call
        except Exception:
            _logger.exception("A call could not begin")
            with contextlib.suppress(Exception):
                event.call.cancel()


class ThreadReceiver(ThreadPoolExecutor):
    """The public API: a thread receives the request and waits for the answer.

    Args:
        max_calls: Calls held at once.
    """

    def __init__(self, max_calls: int) -> None:
        super().__init__(2 * max_calls, "call")  # calls that are refused take a thread too

    def handler(self, call: Received) -> "Handler":
        """See `Receiver`."""

        def answer(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            answered = threading.Event()
            call.respond = answered.set
            if call.begin(context):
                call.respond = context.cancel  # nothing else ends the wait for the request
                with contextlib.suppress(StopIteration):
                    raw = next(requests)
                    call.respond = answered.set
                    call.receive(raw)
                    if context.add_callback(answered.set):
                        answered.wait()
            return call.deliver(context)

        answer.experimental_thread_pool = self  # type: ignore[attr-defined]
        return grpc.stream_unary_rpc_method_handler(answer)


class _Behaviour:
    """What grpcio calls once the answer is there; an object, since it needs attributes."""

    __slots__ = ("call", "experimental_thread_pool")

    def __init__(self, call: Received, executor: ThreadPoolExecutor) -> None:
        self.call = call
        self.experimental_thread_pool = executor

    def __call__(self, _requests: Any, context: grpc.ServicerContext) -> bytes:
        return self.call.deliver(context)


def _receive(call: Received, raw: bytes) -> bytes:
    """Serves as deserializer; returns nothing useful, because grpcio would keep it."""
    call.receive(raw)
    return b""


@functools.cache
def works_without_threads() -> bool:
    """Whether this grpcio works as expected: tries one call over the loopback interface."""
    server = grpc.server(ThreadPoolExecutor(1))
    try:
        server.add_generic_rpc_handlers((_Echo(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
            echo: Any = channel.unary_unary("/echo")
            return bool(echo(b"echo", timeout=_CHECK_SECONDS) == b"echo")
    except Exception:
        return False
    finally:
        server.stop(None)


class _Echo(grpc.GenericRpcHandler):
    """Answers each call with its request."""

    def service(self, _details: grpc.HandlerCallDetails) -> "Handler":
        return ThreadlessReceiver().handler(_EchoCall())


class _EchoCall:
    respond: Callable[[], object] | None = None
    raw = b""

    def begin(self, context: grpc.ServicerContext) -> bool:
        return context.add_callback(lambda: None)

    def receive(self, raw: bytes) -> None:
        self.raw = raw
        threading.Thread(target=self.respond).start()  # as a worker does

    def deliver(self, _context: grpc.ServicerContext) -> bytes:
        return self.raw
