"""Errors that come again and again, and what of them reaches the log."""

import io
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
import pytest

from adscore.creative import Creative
from adscore.scoring.preparation import PreparedCreative
from adscore_protos.v1 import scoring_pb2
from adscore_server.monitoring.log_format import RepeatFilter, log_handler


class Log:
    """What a filter lets through, at a time that the test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.written: list[str] = []
        self._filter = RepeatFilter(interval_seconds=60, clock=lambda: self.seconds)

    def add(self, text: str, level: int = logging.ERROR) -> None:
        record = logging.LogRecord("name", level, "", 0, "%s failed", (text,), None)
        if self._filter.filter(record):
            self.written.append(record.getMessage())


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the server's log holds."""
    stream, logger = io.StringIO(), logging.getLogger("adscore_server")
    handler = log_handler(stream)
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


def test_error_is_written_once_an_interval_with_the_number_of_those_between() -> None:
    log = Log()
    for log.seconds in (0, 1, 59, 60, 61, 300, 301):
        log.add("a")
    more = "a failed\n({} more like it since it was last written)"
    assert log.written == ["a failed", more.format(2), more.format(1)]


def test_error_that_comes_now_and_then_is_written_as_it_is() -> None:
    log = Log()
    for log.seconds in (0, 100, 200):
        log.add("a")
    assert log.written == ["a failed"] * 3


def test_other_errors_and_lower_levels_are_written_each() -> None:
    log = Log()
    log.add("a")
    log.add("b")
    log.add("a", logging.WARNING)
    log.add("a", logging.WARNING)
    assert log.written == ["a failed", "b failed", "a failed", "a failed"]


def test_errors_of_ever_other_texts_take_bounded_memory() -> None:
    log = Log()
    for number in range(1_000):
        log.add(str(number))
    assert len(log.written) == 1_000
    assert len(log._filter._written) == 100


def test_model_that_fails_on_every_creative_does_not_fill_the_log(
    start_server: Any,
    connect: Any,
    replace_scorer: Callable[..., Any],
    creatives: list[Creative],
    written: io.StringIO,
) -> None:
    def fail(creatives: Sequence[PreparedCreative]) -> list[Any]:
        raise RuntimeError(creatives[0].headline)

    stubs = connect(start_server(replace_scorer(fail)).address)
    for _ in range(20):
        assert {result.error.reason for result in stubs.batch_score(creatives)} == {"INTERNAL"}
    calls = [stubs.scoring.Score.future(_request(one), timeout=60) for one in creatives[:40]]
    assert {call.code() for call in calls} == {grpc.StatusCode.INTERNAL}
    assert len(calls) == 40
    # Alone or as one of a batch: each way through the code is written once.
    assert 1 <= written.getvalue().count("Scoring a creative failed: RuntimeError") <= 3
    assert 1 <= written.getvalue().count("/Score failed: RuntimeError") <= 10


def _request(creative: Creative) -> scoring_pb2.ScoreRequest:
    wire = scoring_pb2.Creative(headline=creative.headline, image=creative.image)
    return scoring_pb2.ScoreRequest(creative=wire)
