"""Bearer tokens and the limit of each: who is let in, who is not, and what they are told."""

import errno
import hashlib
import logging
import os
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
import typer
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from adscore.creative import Creative
from adscore_protos.v1 import model_pb2, scoring_pb2
from adscore_server.access.rate_limit import RateLimiter, TokenBucket
from adscore_server.access.tokens import (
    TokenFile,
    add_token_line,
    new_token,
    parse_token_lines,
    token_line,
)
from adscore_server.commands import token as token_command
from adscore_server.config import ServerConfig
from adscore_server.errors import StartError


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def token_file(tmp_path: Path) -> tuple[Path, str]:
    """A file with one token, and the token."""
    token = new_token()
    path = tmp_path / "tokens"
    path.write_text(f"# who\n\n{token_line('campaign-tool', token)}\n")
    return path, token


def _config(path: Path, **settings: Any) -> ServerConfig:
    return ServerConfig(address="127.0.0.1:0", tokens=path, **settings)


def _list_models(stubs: Any, authorization: str | None) -> Any:
    metadata = () if authorization is None else (("authorization", authorization),)
    return stubs.models.ListModels(model_pb2.ListModelsRequest(), metadata=metadata, timeout=60)


# === The file ===


def test_file_holds_the_hash_and_not_the_token(token_file: tuple[Path, str]) -> None:
    path, token = token_file
    assert token not in path.read_text()
    assert hashlib.sha256(token.encode()).hexdigest() in path.read_text()
    assert TokenFile(path).name_of(token) == "campaign-tool"
    assert TokenFile(path).name_of(token[:-1]) is None


def test_a_name_may_have_two_tokens_while_it_goes_over_to_the_new_one(tmp_path: Path) -> None:
    old, new = new_token(), new_token()
    path = tmp_path / "tokens"
    path.write_text(f"{token_line('a', old)}\n{token_line('a', new)}\n")
    assert [TokenFile(path).name_of(one) for one in (old, new)] == ["a", "a"]


@pytest.mark.parametrize("end", ["\n", ""])
def test_token_is_added_behind_a_last_line_with_or_without_its_end(
    tmp_path: Path, end: str
) -> None:
    old, new = new_token(), new_token()
    path = tmp_path / "tokens"
    path.write_text(f"{token_line('a', old)}{end}")
    add_token_line(path, token_line("b", new))
    assert [TokenFile(path).name_of(one) for one in (old, new)] == ["a", "b"]


@given(st.text())
def test_any_text_is_read_or_refused_without_quoting_it(text: str) -> None:
    lines = [line.strip() for line in text.splitlines()]
    if all(not line or line.startswith("#") for line in lines):
        assert parse_token_lines(text) == {}
    else:
        with pytest.raises(ValueError, match=r"^line \d+: .* Received: something else$"):
            parse_token_lines(text)


@pytest.mark.parametrize("text", ["", "# none\n", "campaign-tool secret\n", "\xff"])
def test_server_does_not_start_with_a_bad_token_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(StartError, match="--tokens"):
        TokenFile(path)


def test_command_makes_a_token_that_its_file_lets_in(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(token_command)
    path = tmp_path / "tokens"
    made = CliRunner().invoke(app, ["campaign-tool", "--add-to", str(path)])
    assert made.exit_code == 0
    assert TokenFile(path).name_of(made.stdout.strip()) == "campaign-tool"
    assert path.stat().st_mode & 0o077 == 0
    assert CliRunner().invoke(app, ["a b"]).exit_code == 1


# === A live server ===


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (None, "TOKEN_MISSING"),
        ("Basic abc", "TOKEN_MISSING"),
        ("Bearer ", "TOKEN_MISSING"),
        ("Bearer adscore_unknown", "TOKEN_UNKNOWN"),
    ],
)
def test_call_without_a_known_token_is_unauthenticated(
    start_server: Any,
    connect: Any,
    scorer: Any,
    refusal: Any,
    token_file: tuple[Path, str],
    authorization: str | None,
    reason: str,
) -> None:
    stubs = connect(start_server(scorer, config=_config(token_file[0])).address)
    code, told, _, text = refusal(lambda: _list_models(stubs, authorization))
    assert (code, told) == (grpc.StatusCode.UNAUTHENTICATED, reason)
    assert "adscore_unknown" not in text


def test_known_token_is_let_in_until_it_is_taken_from_the_file(
    start_server: Any, connect: Any, scorer: Any, refusal: Any, token_file: tuple[Path, str]
) -> None:
    path, token = token_file
    stubs = connect(start_server(scorer, config=_config(path)).address)
    assert _list_models(stubs, f"Bearer {token}").models
    other = new_token()
    path.write_text(token_line("other", other) + "\n")
    code, reason, *_ = refusal(lambda: _list_models(stubs, f"Bearer {token}"))
    assert (code, reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_UNKNOWN")
    assert _list_models(stubs, f"bearer {other}").models


def test_broken_file_leaves_the_tokens_as_they_were(
    start_server: Any, connect: Any, scorer: Any, token_file: tuple[Path, str]
) -> None:
    path, token = token_file
    stubs = connect(start_server(scorer, config=_config(path)).address)
    path.write_text("half a li")
    assert _list_models(stubs, f"Bearer {token}").models
    path.unlink()
    assert _list_models(stubs, f"Bearer {token}").models


def test_token_taken_out_while_the_file_cannot_be_read_is_refused_once_it_can(
    token_file: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, token = token_file
    tokens = TokenFile(path)
    path.write_text(token_line("other", new_token()) + "\n")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", fail)
        assert [tokens.name_of(token) for _ in range(3)] == ["campaign-tool"] * 3
    assert tokens.name_of(token) is None
    [record] = [one for one in caplog.records if one.levelno == logging.ERROR]  # once
    assert "Too many open files. The tokens from before" in record.getMessage()


def test_file_that_stays_broken_lets_in_its_whole_lines_alone_after_a_while(
    token_file: tuple[Path, str],
) -> None:
    path, removed = token_file
    clock, kept = Clock(), new_token()
    tokens = TokenFile(path, clock)
    path.write_text(f"{token_line('kept', kept)}\nhalf a li")
    assert [tokens.name_of(one) for one in (removed, kept)] == ["campaign-tool", "kept"]
    clock.seconds = 4
    assert [tokens.name_of(one) for one in (removed, kept)] == [None, "kept"]
    path.unlink()
    clock.seconds = 61
    assert tokens.name_of(kept) is None
    path.write_text(token_line("kept", kept) + "\n")
    assert tokens.name_of(kept) == "kept"


def test_token_file_that_becomes_a_pipe_holds_up_no_call(token_file: tuple[Path, str]) -> None:
    path, token = token_file
    tokens = TokenFile(path)
    path.unlink()
    os.mkfifo(path)
    assert tokens.name_of(token)
    with pytest.raises(StartError, match="expected a regular file"):
        TokenFile(path)


def test_token_is_revoked_although_size_and_time_of_the_file_stay(
    token_file: tuple[Path, str],
) -> None:
    path, token = token_file
    tokens = TokenFile(path)
    status = path.stat()
    line = token_line("other", new_token())
    path.write_text(line.ljust(status.st_size - 1) + "\n")
    while path.stat().st_ctime_ns <= status.st_ctime_ns or path.stat().st_mtime > status.st_mtime:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert tokens.name_of(token) is None


def test_health_is_open_and_reflection_is_not(
    start_server: Any, connect: Any, scorer: Any, token_file: tuple[Path, str]
) -> None:
    channel = connect(start_server(scorer, config=_config(token_file[0])).address).channel
    health = health_pb2_grpc.HealthStub(channel)
    assert health.Check(health_pb2.HealthCheckRequest(), timeout=60).status == 1
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with pytest.raises(grpc.RpcError) as caught:
        list(reflection.ServerReflectionInfo(iter([request]), timeout=60))
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


def test_strangers_wait_neither_for_those_who_are_let_in_nor_in_their_way(
    start_server: Any,
    connect: Any,
    held_scorer: Any,
    refusal: Any,
    creatives: list[Creative],
    token_file: tuple[Path, str],
) -> None:
    path, token = token_file
    config = _config(path, threads=1, max_waiting_calls=1)
    stubs = connect(start_server(held_scorer, config=config).address)
    wire = scoring_pb2.Creative(headline=creatives[0].headline, image=creatives[0].image)
    request = scoring_pb2.ScoreRequest(creative=wire)
    metadata = (("authorization", f"Bearer {token}"),)
    first = stubs.scoring.Score.future(request, metadata=metadata, timeout=60)
    assert held_scorer.entered.wait(60)
    for _ in range(10):  # more than may wait
        code, *_ = refusal(lambda: stubs.scoring.Score(request, timeout=60))
        assert code is grpc.StatusCode.UNAUTHENTICATED
    second = stubs.scoring.Score.future(request, metadata=metadata, timeout=60)
    held_scorer.released.set()
    assert first.result().score.targets
    assert second.result().score.targets


# === The rate limit ===


def test_bucket_gives_the_rate_over_time_and_a_second_at_once() -> None:
    clock = Clock()
    bucket = TokenBucket(10, clock)
    assert [bucket.take(1) for _ in range(10)] == [0] * 10
    assert bucket.take(1) > 0
    clock.seconds = 0.5
    assert [bucket.take(1) > 0 for _ in range(6)] == [False] * 5 + [True]


def test_batch_above_the_limit_passes_and_later_calls_pay_for_it() -> None:
    clock = Clock()
    bucket = TokenBucket(10, clock)
    assert bucket.take(100) == 0
    assert bucket.take(1) == pytest.approx(9)
    clock.seconds = 9.1
    assert bucket.take(1) == 0


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 200)), max_size=60))
def test_no_order_of_calls_gets_more_than_the_rate(calls: list[tuple[float, int]]) -> None:
    clock, taken, largest = Clock(), 0, 0
    bucket = TokenBucket(50, clock)
    for pause, amount in calls:
        clock.seconds += pause
        if bucket.take(amount) == 0:
            taken, largest = taken + amount, max(largest, amount)
    assert taken <= 50 * (clock.seconds + 1) + largest + 1e-6


def test_callers_do_not_share_a_bucket() -> None:
    limiter = RateLimiter(1, Clock())
    assert limiter.take("a", 5) == 0
    assert limiter.take("a", 1) > 0
    assert limiter.take("b", 1) == 0


def test_call_beyond_the_limit_is_told_when_to_come_back(
    start_server: Any,
    connect: Any,
    scorer: Any,
    creatives: list[Creative],
    token_file: tuple[Path, str],
) -> None:
    path, token = token_file
    config = _config(path, creatives_per_second=0.01)
    stubs = connect(start_server(scorer, config=config).address)
    wire = scoring_pb2.Creative(headline=creatives[0].headline, image=creatives[0].image)
    request = scoring_pb2.ScoreRequest(creative=wire)
    metadata = (("authorization", f"Bearer {token}"),)
    assert stubs.scoring.Score(request, metadata=metadata, timeout=60).score.targets
    with pytest.raises(grpc.RpcError) as caught:
        stubs.scoring.Score(request, metadata=metadata, timeout=60)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    retry, info = error_details_pb2.RetryInfo(), error_details_pb2.ErrorInfo()
    for detail in rpc_status.from_call(error).details:
        detail.Unpack(retry)
        detail.Unpack(info)
    assert info.reason == "RATE_LIMITED"
    # 99 seconds are missing at a hundredth of a creative a second.
    assert 90 < retry.retry_delay.ToMilliseconds() / 1000 <= 99
    pushback = dict(error.trailing_metadata())["grpc-retry-pushback-ms"]
    assert int(pushback) == retry.retry_delay.ToMilliseconds()
    # What scores nothing is not limited.
    assert _list_models(stubs, f"Bearer {token}").models


def test_stream_is_slowed_down_to_the_limit_and_not_failed(
    start_server: Any,
    connect: Any,
    scorer: Any,
    creatives: list[Creative],
    token_file: tuple[Path, str],
) -> None:
    path, token = token_file
    config = _config(path, creatives_per_second=20)
    stubs = connect(start_server(scorer, config=config).address)
    wire = scoring_pb2.Creative(headline=creatives[0].headline, image=creatives[0].image)
    requests = [
        scoring_pb2.StreamScoreRequest(request_id=str(number), creatives=[wire] * size)
        for number, size in enumerate((10, 10, 10, 200))
    ]
    metadata = (("authorization", f"Bearer {token}"),)
    answers = list(stubs.scoring.StreamScore(iter(requests), metadata=metadata, timeout=60))
    assert sorted(answer.request_id for answer in answers) == ["0", "1", "2", "3"]
    # The bucket is in debt of ten seconds now: what cannot wait is refused.
    with pytest.raises(grpc.RpcError) as caught:
        stubs.scoring.Score(scoring_pb2.ScoreRequest(creative=wire), metadata=metadata, timeout=60)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


# === Listening beyond this machine ===


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "host.example:1", "10.0.0.1:1"])
def test_network_needs_encryption_and_known_callers(address: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"encryption .* and callers that are known"):
        ServerConfig(address=address)
    with pytest.raises(ValueError, match="expected encryption"):
        ServerConfig(address=address, tokens=tmp_path)
    assert ServerConfig(address=address, insecure_network=True)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "localhost:0", "127.9.9.9:0"])
def test_loopback_needs_neither(address: str) -> None:
    assert ServerConfig(address=address)


def test_serve_on_the_network_without_protection_says_why(
    adscore_command: list[str], model_dir: Path
) -> None:
    result = subprocess.run(
        [*adscore_command, "serve", str(model_dir)],
        env={**os.environ, "ADSCORE_SERVE_ADDRESS": "0.0.0.0:0"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1
    assert "--insecure-network" in result.stderr
