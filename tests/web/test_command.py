"""`adscore page` as a process: what it prints, what it refuses, and what ends with it."""

import contextlib
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adscore_server.server import Server

from .conftest import COMMAND

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def started(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Runs the page on a free port; gives the process and the page's address."""
    command = [sys.executable, "-c", COMMAND, "--address", "127.0.0.1:0", "--no-browser", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        assert process.stdout
        line = process.stdout.readline().strip()
        assert line.startswith("Page on http://127.0.0.1:"), process.communicate()[1]
        yield process, line.removeprefix("Page on ")
    finally:
        process.kill()
        process.communicate()


def children(process: int) -> list[int]:
    """Processes that a process started; Linux alone tells."""
    path = Path(f"/proc/{process}/task/{process}/children")
    if not path.exists():
        pytest.skip("needs the /proc of Linux")
    return [int(number) for number in path.read_text().split()]


def lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_its_server_ends_with_it(
    model_dir: Path, number: signal.Signals, wait_until: Callable[..., None]
) -> None:
    with started("--model", str(model_dir)) as (process, url):
        with urllib.request.urlopen(url + "api/models", timeout=60) as answer:
            assert answer.status == 200
        [server] = children(process.pid)
        process.send_signal(number)
        process.wait(60)
        wait_until(lambda: not lives(server))


def test_it_uses_a_server_that_runs(scoring_server: Server) -> None:
    with started("--server", scoring_server.address, "--prefix", "/ads") as (process, url):
        assert url.endswith("/ads/")
        with urllib.request.urlopen(url + "healthz", timeout=60) as answer:
            assert answer.status == 200
        assert children(process.pid) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([], "adscore demo --keep demo"),
        (["--server", "127.0.0.1:1", "--model", "."], "expected --server or --model"),
        (["--model", "/nothing/there"], "--model: expected a model"),
        (["--server", "127.0.0.1:1", "--address", "nowhere"], "expected HOST:PORT"),
        (["--server", "127.0.0.1:1", "--address", "192.0.2.1:0"], "expected encryption"),
        (["--server", "127.0.0.1:1", "--prefix", "a b"], "--prefix: expected a path"),
        (["--server", "127.0.0.1:1", "--tls-cert", "a.pem"], "--tls-cert and --tls-key together"),
        (["--server", "http://127.0.0.1"], "address"),
    ],
)
def test_what_cannot_work_is_refused_with_advice(options: list[str], text: str) -> None:
    command = [sys.executable, "-c", COMMAND, "--no-browser", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_beyond_this_machine_the_server_has_to_ask_for_tokens(
    scoring_server: Server, tmp_path: Path
) -> None:
    import trustme

    issued = trustme.CA().issue_cert("ads.example.com")
    certificate, key = tmp_path / "page.crt", tmp_path / "page.key"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    options = ["--server", scoring_server.address, "--address", "0.0.0.0:0", "--no-browser"]
    tls = ["--tls-cert", str(certificate), "--tls-key", str(key)]
    command = [sys.executable, "-c", COMMAND, *options, *tls]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "expected a server that asks for tokens" in done.stderr
