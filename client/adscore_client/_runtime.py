"""Refuses to run where gRPC would hang: in forked processes and with replaced threads."""

import asyncio
import os
import sys
from weakref import WeakSet

from adscore_client._exceptions import ClientUnusableError

# Calls that gRPC's threads work on; adding and discarding are atomic.
CALLS_UNDER_WAY: set[object] = set()

# Loops in which gRPC was used; in each, one of its threads waits until the loop is closed.
LOOPS: WeakSet[asyncio.AbstractEventLoop] = WeakSet()

_forked_under_way = False


def _after_fork_in_child() -> None:
    # gRPC prepares for a fork unless one of its threads is working: in that case its state here
    # refers to threads that do not exist.
    global _forked_under_way
    _forked_under_way = bool(CALLS_UNDER_WAY) or not all(loop.is_closed() for loop in LOOPS)
    CALLS_UNDER_WAY.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def is_unusable() -> bool:
    """Whether this process was forked while calls were in flight."""
    return _forked_under_way


def check_usable() -> None:
    """Refuses to use gRPC in a process that was forked while calls were in flight.

    Raises:
        ClientUnusableError: The process was forked so.
    """
    if _forked_under_way:
        raise ClientUnusableError(
            "Expected a process of its own, or one that was forked between calls. Received: a "
            "process that was forked while calls of this client or another were under way, where "
            "gRPC hangs. Start processes with multiprocessing.get_context('spawn'), or fork "
            "before the first call"
        )


def prepare_threads() -> None:
    """Enables gRPC's support for gevent if gevent has replaced the threads of this process.

    This must happen before the first channel is opened.
    """
    if _is_replaced_by_gevent():
        from grpc.experimental.gevent import init_gevent

        init_gevent()


def check_stream_threads() -> None:
    """Refuses calls that wait on their own thread if eventlet has replaced threads.

    Raises:
        ClientUnusableError: Threads are replaced; the call would never end.
    """
    if _is_replaced_by_eventlet():
        raise ClientUnusableError(
            "Expected threads of the operating system for score_many. Received: those of "
            "eventlet, with which gRPC does not work. Use score or score_combinations, or call "
            "eventlet.monkey_patch(thread=False)"
        )


def check_loop_threads() -> None:
    """Refuses ``AsyncClient`` if gevent or eventlet has replaced threads.

    Raises:
        ClientUnusableError: Threads are replaced; a call would never end.
    """
    if _is_replaced_by_gevent() or _is_replaced_by_eventlet():
        raise ClientUnusableError(
            "Expected threads of the operating system for AsyncClient. Received: those of gevent "
            "or eventlet, with which gRPC's asyncio does not work. Use Client"
        )


def _is_replaced_by_gevent() -> bool:
    module = sys.modules.get("gevent.monkey")
    return bool(module and module.is_module_patched("threading"))


def _is_replaced_by_eventlet() -> bool:
    module = sys.modules.get("eventlet.patcher")
    return bool(module and module.is_monkey_patched("thread"))
