"""Where gRPC would hang: what works there, and what is refused at once.

Each program runs in a process of its own: it forks, or replaces the threads of its process.
"""

import asyncio
import importlib.util
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from adscore_client import AsyncClient, ClientUnusableError
from adscore_client.testing import FakeServer

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

FORK = """
    import multiprocessing
    import sys
    import threading

    from adscore_client import Client

    address = sys.argv[1]
    context = multiprocessing.get_context("fork")

    def score(queue, client):
        try:
            (client or Client(address, timeout_seconds=20)).score("in the child")
            queue.put("scored")
        except Exception as error:
            queue.put(type(error).__name__)

    def in_child(client=None):
        queue = context.Queue()
        process = context.Process(target=score, args=(queue, client))
        process.start()
        said = queue.get(timeout=60)
        process.join(60)
        return said
"""


@pytest.fixture
def server():
    with FakeServer() as running:
        yield running


def run_program(address: str, *parts: str) -> str:
    """Runs a program; returns what it printed."""
    code = "\n".join(map(textwrap.dedent, parts))
    done = subprocess.run(
        [sys.executable, "-c", code, address],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@needs_fork
def test_fork_before_and_between_calls_leaves_a_client_that_works(server):
    program = """
        client = Client(address, timeout_seconds=20)
        print(in_child(client), in_child())
        client.score("first")
        print(in_child(client), in_child())
        client.score("again")
    """
    assert run_program(server.address, FORK, program).split() == ["scored"] * 4


@needs_fork
@pytest.mark.parametrize("kind", ["score", "score_many"])
def test_fork_during_a_call_leaves_a_child_whose_calls_are_refused(kind):
    under_way, release = threading.Semaphore(0), threading.Event()

    def score(creative):
        if creative.headline == "slow":
            under_way.release()
            release.wait(60)
        return 0.01

    program = f"""
        from adscore_client.testing import FakeServer

        client = Client(address, timeout_seconds=60)

        def call():
            if {kind!r} == "score":
                client.score("slow")
            else:
                list(client.score_many([("slow", None)]))

        thread = threading.Thread(target=call)
        thread.start()
        sys.stdin.readline()  # the call has reached the server
        print(in_child(client), in_child(), flush=True)
        thread.join(60)
        client.score("the parent's")
        print(in_child(client))
    """
    code = "\n".join(map(textwrap.dedent, (FORK, program)))
    with FakeServer(score) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", code, server.address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert under_way.acquire(timeout=60)
            process.stdin.write("\n")
            process.stdin.flush()
            said = process.stdout.readline().split()
            release.set()
            rest, _ = process.communicate(timeout=60)
        finally:
            release.set()
            process.kill()
            process.wait()
    assert said == ["ClientUnusableError"] * 2
    assert rest.split() == ["scored"]


@needs_fork
def test_fork_while_an_event_loop_uses_grpc_leaves_a_child_whose_calls_are_refused(server):
    program = """
        import asyncio

        from adscore_client import AsyncClient

        async def main():
            async with AsyncClient(address, timeout_seconds=20) as client:
                await client.score("first")
                print(await asyncio.to_thread(in_child))

        asyncio.run(main())
        print(in_child())
    """
    said = run_program(server.address, FORK, program).split()
    assert said == ["ClientUnusableError", "scored"]


def test_one_asyncio_client_works_in_one_loop_after_another(server):
    client = AsyncClient(server.address, timeout_seconds=20)
    for _ in range(3):
        asyncio.run(client.score("headline"))

    async def last() -> int:
        async with client:
            return len([result async for result in client.score_many([("a", None)] * 3)])

    assert asyncio.run(last()) == 3
    assert len(server.calls) == 4


def test_one_asyncio_client_in_two_loops_at_once_is_refused(server):
    async def main() -> None:
        async with AsyncClient(server.address, timeout_seconds=20) as client:
            await client.score("headline")
            with ThreadPoolExecutor(1) as pool:
                other = pool.submit(asyncio.run, client.score("headline"))
                with pytest.raises(ClientUnusableError, match="one AsyncClient for each loop"):
                    await asyncio.wrap_future(other)
            await client.score("headline")

    asyncio.run(main())
    assert len(server.calls) == 2


def needs(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed")


@needs("gevent")
@pytest.mark.parametrize("prepared", [False, True])
def test_gevent_has_results_while_other_greenlets_go_on(prepared, server):
    program = f"""
        from gevent import monkey

        monkey.patch_all()
        import sys

        import gevent
        if {prepared}:
            from grpc.experimental.gevent import init_gevent

            init_gevent()
        from adscore_client import Client, ClientUnusableError, AsyncClient

        turns = []

        def take_turns():
            while True:
                turns.append(1)
                gevent.sleep(0)

        gevent.spawn(take_turns)
        with Client(sys.argv[1], timeout_seconds=20) as client:
            client.score("headline")
            print(len(list(client.score_many([("a", None)] * 100, batch_size=5))))
        print(len(turns) > 10)

        import asyncio
        try:
            asyncio.run(AsyncClient(sys.argv[1]).score("headline"))
        except ClientUnusableError as error:
            print("gevent" in str(error))
    """
    assert run_program(server.address, program).split() == ["100", "True", "True"]


@needs("eventlet")
def test_eventlet_is_refused_where_grpc_would_wait_for_ever(server):
    program = """
        import eventlet

        eventlet.monkey_patch()
        import sys

        from adscore_client import Client, ClientUnusableError

        with Client(sys.argv[1], timeout_seconds=20) as client:
            client.score("headline")
            try:
                list(client.score_many([("a", None)]))
            except ClientUnusableError as error:
                print("eventlet" in str(error))
    """
    assert run_program(server.address, program) == "True"
