"""`adscore serve` as a process: what it prints, how it stops, how it fails."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from adscore.creative import Creative
from adscore_protos.v1 import scoring_pb2


def _run(command: list[str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*command, "serve", *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def _errors(stderr: str) -> list[str]:
    """What is told to the operator, apart from the log."""
    assert "Traceback" not in stderr
    return [line for line in stderr.splitlines() if line.startswith("error: ")]


def test_ready_line_names_address_models_and_load_time(start_process: Any, model_dir: Path) -> None:
    process = start_process(model_dir.parent)
    host, port = process.address.split(":")
    assert host == "127.0.0.1"
    assert int(port) > 0
    assert "sample version 1 (loaded in " in process.ready_line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_it_with_exit_code_0(
    start_process: Any, model_dir: Path, number: signal.Signals
) -> None:
    code, stderr = start_process(model_dir).stop(number)
    assert code == 0
    assert "Traceback" not in stderr


def _stop_and_wait_until_it_says_so(process: Any) -> None:
    process.process.send_signal(signal.SIGTERM)
    assert any("Stopping: " in line for line in process.process.stderr)
    assert process.process.poll() is None


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_finishes_the_call_in_flight(
    held_process: Any, connect: Any, wait_until: Any, model_dir: Path, workers: str
) -> None:
    process = held_process.start(model_dir, "--workers", workers)
    wires = [scoring_pb2.Creative(headline=f"headline {n}") for n in range(40)]
    batch = scoring_pb2.BatchScoreRequest(creatives=wires)
    call = connect(process.address).scoring.BatchScore.future(batch)
    wait_until(held_process.has_begun)
    _stop_and_wait_until_it_says_so(process)
    assert not call.done()
    held_process.release()
    assert [one.HasField("score") for one in call.result(timeout=60).results] == [True] * 40
    assert process.process.wait(60) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_second_signal_ends_it_at_once(
    held_process: Any, connect: Any, wait_until: Any, model_dir: Path, workers: str
) -> None:
    process = held_process.start(model_dir, "--workers", workers)
    call = connect(process.address).scoring.Score.future(
        scoring_pb2.ScoreRequest(creative=scoring_pb2.Creative(headline="headline"))
    )
    wait_until(held_process.has_begun)
    _stop_and_wait_until_it_says_so(process)
    code, _ = process.stop()
    assert code == (-signal.SIGTERM if workers == "1" else 0)
    with pytest.raises(grpc.RpcError):
        call.result(timeout=60)


def test_process_never_loads_tensorflow_or_the_client(
    start_process: Any, connect: Any, model_dir: Path, creatives: list[Creative]
) -> None:
    process = start_process(model_dir)
    connect(process.address).score(creatives[0])
    maps = Path(f"/proc/{process.process.pid}/maps")
    if not maps.exists():
        pytest.skip("this system does not tell what a process has loaded")
    loaded = maps.read_text()
    assert "onnxruntime" in loaded
    assert "tensorflow" not in loaded


def test_modules_of_the_server_import_no_training_and_no_client() -> None:
    program = (
        "import sys, adscore_server.process.running, adscore_server.server\n"
        "import adscore_server.commands, adscore.cli.app\n"
        "print([name for name in sys.modules if name.split('.')[0] in "
        "('tensorflow', 'keras', 'adscore_client') or name.startswith('adscore.training')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_commands_are_quick_to_import() -> None:
    program = (
        "import sys, adscore_server.commands\n"
        "print([name for name in ('grpc', 'numpy', 'onnxruntime') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_port_in_use_is_one_line_and_exit_code_1(
    adscore_command: list[str], model_dir: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = _run(adscore_command, str(model_dir), "--address", address)
    assert result.returncode == 1
    [line] = _errors(result.stderr)
    assert f"{address}: Address already in use" in line


def test_root_without_models_is_one_line_and_exit_code_1(
    adscore_command: list[str], tmp_path: Path
) -> None:
    result = _run(adscore_command, str(tmp_path))
    assert (result.returncode, result.stdout) == (1, "")
    [line] = _errors(result.stderr)
    assert "expected a folder with models" in line


def test_broken_bundle_at_start_is_told_with_exit_code_1(
    adscore_command: list[str], copied_model: Path
) -> None:
    (copied_model / "1" / "head.onnx").write_bytes(b"changed")
    result = _run(adscore_command, str(copied_model), "--address", "127.0.0.1:0")
    assert (result.returncode, result.stdout) == (1, "")
    assert "head.onnx: the file was changed" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("options", [("--address", "nowhere"), ("--log-level", "loud")])
def test_wrong_option_is_one_line_and_exit_code_1(
    adscore_command: list[str], model_dir: Path, options: tuple[str, str]
) -> None:
    result = _run(adscore_command, str(model_dir), *options)
    assert result.returncode == 1
    [line] = _errors(result.stderr)
    assert options[1] in line


def test_json_logs_are_all_that_is_printed(
    adscore_command: list[str], model_dir: Path, tmp_path: Path
) -> None:
    options = ("--address", "127.0.0.1:0", "--log-format", "json")
    command = [*adscore_command, "serve", str(model_dir), *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as run:
        assert run.stderr is not None
        lines = []
        for line in run.stderr:
            lines.append(line)
            if "Ready on 127.0.0.1:" in line:
                run.send_signal(signal.SIGTERM)
        assert run.stdout is not None
        assert run.stdout.read() == ""
    assert all(json.loads(line)["message"] for line in lines)
    refused = _run(adscore_command, str(tmp_path), "--log-format", "json")
    assert refused.stdout == ""
    assert "expected a folder with models" in json.loads(refused.stderr)["message"]


def test_debug_log_of_a_process_holds_no_creative(
    start_process: Any, connect: Any, model_dir: Path, image: bytes
) -> None:
    process = start_process(model_dir, "--log-level", "debug")
    stubs = connect(process.address)
    stubs.score(Creative("planted headline", image, "planted id"))
    stubs.batch_score([Creative("planted headline", b"planted image", "planted id")])
    _, stderr = process.stop()
    assert "method=Score code=OK" in stderr
    assert "method=BatchScore code=OK" in stderr
    assert "planted" not in stderr
