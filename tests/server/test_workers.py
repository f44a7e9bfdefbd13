"""`adscore serve --workers`: several processes behind one port, as their callers see them."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import pytest

from adscore.creative import Creative
from adscore_protos.v1 import scoring_pb2, scoring_pb2_grpc

LIMIT_SECONDS = 60.0
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="it reads /proc")


def workers_of(pid: int) -> set[int]:
    """The serving processes that a supervisor has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in children if b"spawn_main" in _command_line(int(child))}


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it ended meanwhile
        return b""


def runs(pid: int) -> bool:
    return b"spawn_main" in _command_line(pid)


def two_free_ports() -> int:
    """The first of two in a row, from those that no system gives to whoever asks for any."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError):
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            return port


def score_on_new_connections(address: str, creative: Creative, connections: int) -> list[str]:
    """Scores once on each of some new connections; gives the models' names."""
    wire = scoring_pb2.Creative(headline=creative.headline, image=creative.image)
    request = scoring_pb2.ScoreRequest(creative=wire)
    names = []
    for _ in range(connections):
        with grpc.insecure_channel(address, OWN_CONNECTION) as channel:
            stub = scoring_pb2_grpc.ScoringServiceStub(channel)
            names.append(stub.Score(request, timeout=30, wait_for_ready=True).score.model)
    return names


def test_killed_worker_is_replaced_while_the_others_serve(
    start_process: Any, wait_until: Any, model_dir: Path, creatives: list[Creative]
) -> None:
    served = start_process(model_dir, "--workers", "2")
    assert served.ready_line.endswith(", 2 workers")
    pid = served.process.pid
    before = workers_of(pid)
    assert len(before) == 2
    assert score_on_new_connections(served.address, creatives[0], 8) == ["sample"] * 8
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not runs(victim))
    assert score_on_new_connections(served.address, creatives[0], 8) == ["sample"] * 8
    wait_until(lambda: len(workers_of(pid)) == 2)
    code, stderr = served.stop()
    assert code == 0
    assert "ended with exit code -9" in stderr
    assert not any(runs(worker) for worker in before)


def test_workers_end_when_their_supervisor_is_killed(
    start_process: Any, wait_until: Any, model_dir: Path
) -> None:
    served = start_process(model_dir, "--workers", "2")
    workers = workers_of(served.process.pid)
    served.process.kill()
    wait_until(lambda: not any(runs(worker) for worker in workers))


def test_each_worker_has_a_page_of_metrics_of_its_own(start_process: Any, model_dir: Path) -> None:
    port = two_free_ports()
    start_process(model_dir, "--workers", "2", "--metrics-address", f"127.0.0.1:{port}")
    for one in (port, port + 1):
        with urllib.request.urlopen(f"http://127.0.0.1:{one}/metrics", timeout=30) as page:
            assert b"adscore" in page.read()


def test_supervisor_stays_small(start_process: Any, model_dir: Path) -> None:
    served = start_process(model_dir, "--workers", "2")
    loaded = Path(f"/proc/{served.process.pid}/maps").read_text()
    assert "onnxruntime" not in loaded
    assert "grpc" not in loaded


def test_worker_that_cannot_start_is_one_error_and_exit_code_1(tmp_path: Path) -> None:
    result = _serve(tmp_path, "--address", "127.0.0.1:0")
    assert result.returncode == 1
    [error] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "expected a folder with models" in error
    assert "Traceback" not in result.stderr


def test_port_in_use_is_one_error_and_exit_code_1(model_dir: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as other workers would
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = _serve(model_dir, "--address", address)
    assert result.returncode == 1
    [error] = result.stderr.splitlines()
    assert f"{address}: Address already in use" in error


def test_too_few_ports_for_the_metrics_of_all_workers_is_an_error(model_dir: Path) -> None:
    result = _serve(model_dir, "--metrics-address", "127.0.0.1:65535")
    assert result.returncode == 1
    [error] = result.stderr.splitlines()
    assert "expected a port of at most 65534 for 2 workers" in error


def test_ctrl_c_while_workers_import_prints_no_trace(wait_until: Any, model_dir: Path) -> None:
    command = [sys.executable, "-m", "adscore", "serve", str(model_dir), "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--address", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: len(workers_of(process.pid)) == 2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, stderr = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0
    assert "Traceback" not in stderr


def _serve(root: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "adscore", "serve", str(root), "--workers", "2", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
