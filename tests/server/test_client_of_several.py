"""The client with real servers: several of them, one that dies, one that stops, a busy one."""

import itertools
import logging
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from adscore_client import Client, Score
from adscore_server.config import ServerConfig

CALLS = 600


def disturb_at(servers, progress):
    """Kills the first server after a third of the calls, stops the second after two thirds."""

    def run() -> None:
        for number, kind in enumerate((signal.SIGKILL, signal.SIGTERM)):
            while progress() < (number + 1) * CALLS // 3:
                threading.Event().wait(0.005)
            servers[number].process.send_signal(kind)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_no_call_fails_as_one_server_is_killed_and_one_stops(start_process, model_dir, creatives):
    servers = [start_process(model_dir) for _ in range(3)]
    counter = itertools.count()
    done = [0]

    def score(creative) -> Score:
        result = client.score(creative.headline, creative.image)
        done[0] = next(counter)
        return result

    with Client([s.address for s in servers], timeout_seconds=60) as client:
        disturber = disturb_at(servers, lambda: done[0])
        with ThreadPoolExecutor(8) as pool:
            repeated = itertools.islice(itertools.cycle(creatives), CALLS)
            scores = list(pool.map(score, repeated))
    disturber.join()
    assert len(scores) == CALLS
    again = zip(scores, scores[len(creatives) : 2 * len(creatives)], strict=False)
    for one, other in again:  # of other batches, which change the last digits
        assert one.targets["ctr"].mean == pytest.approx(other.targets["ctr"].mean, rel=1e-4)
    assert servers[1].process.wait(60) == 0


def test_stream_goes_on_as_one_server_is_killed_and_one_stops(start_process, model_dir, creatives):
    servers = [start_process(model_dir) for _ in range(3)]
    results: list[Any] = []
    with Client([s.address for s in servers], timeout_seconds=60) as client:
        disturber = disturb_at(servers, lambda: len(results))
        repeated = itertools.islice(itertools.cycle(creatives), CALLS)
        pairs = ((creative.headline, creative.image) for creative in repeated)
        for result in client.score_many(pairs, batch_size=8):
            results.append(result)
    disturber.join()
    assert len(results) == CALLS
    assert all(isinstance(result, Score) for result in results)
    assert results[: len(creatives)] == results[len(creatives) : 2 * len(creatives)]


def test_caller_above_its_rate_is_slowed_down_and_not_refused(start_server, scorer, creatives):
    config = ServerConfig(address="127.0.0.1:0", creatives_per_second=10.0)
    with Client(start_server(scorer, config=config).address, timeout_seconds=60) as client:
        for creative in creatives[:20]:
            assert client.score(creative.headline, creative.image)


def test_stream_that_is_read_to_its_end_is_answered_in_the_log(
    start_server, scorer, creatives, wait_until, caplog
):
    caplog.set_level(logging.DEBUG, "adscore_server")
    server = start_server(scorer)
    pairs = [(creative.headline, creative.image) for creative in creatives[:10]]
    for _ in range(10):  # the end of a short program, and its client's, follows at once
        with Client(server.address, timeout_seconds=60) as client:
            assert len(list(client.score_many(pairs, batch_size=4))) == 10
    wait_until(lambda: len(_stream_codes(caplog)) == 10)
    assert _stream_codes(caplog) == ["OK"] * 10


def _stream_codes(caplog):
    lines = [getattr(record, "fields", {}) for record in caplog.records]
    return [line["code"] for line in lines if line.get("method") == "StreamScore"]
