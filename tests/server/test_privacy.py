"""What a loaded server writes and shows holds nothing that its callers sent."""

import io
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from adscore_protos.v1 import scoring_pb2
from adscore_server.access.tokens import new_token, token_line

# Wherever a caller can write something, a word that is found again in any encoding of it.
PLANTED = "planted"


def _image(sound: bool = True) -> bytes:
    text = PngInfo()
    text.add_text("Comment", PLANTED * 10)
    file = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(file, "PNG", pnginfo=text)
    return file.getvalue() if sound else file.getvalue()[:-30] + PLANTED.encode()


def _photo() -> bytes:
    """A JPEG that tells much of itself, in fields that a reader may think worth a log entry."""
    exif = Image.Exif()
    for tag in (0x010E, 0x010F, 0x0131, 0x013B, 0x8298):  # description, maker, software, ...
        exif[tag] = PLANTED * 3
    file = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(file, "JPEG", exif=exif, comment=PLANTED.encode())
    return file.getvalue()


def _requests() -> Iterator[tuple[str, bytes]]:
    """Pairs of a method and a serialized request: good ones, and bad in every way."""
    for headline in (f"{PLANTED} headline", PLANTED * 300, "", f"\U0001f600 {PLANTED}\x00"):
        for image in (_image(), _photo(), _image(sound=False), PLANTED.encode(), b""):
            wire = scoring_pb2.Creative(id=f"{PLANTED}-id", headline=headline, image=image)
            yield "Score", scoring_pb2.ScoreRequest(creative=wire).SerializeToString()
            batch = scoring_pb2.BatchScoreRequest(creatives=[wire] * 3)
            yield "BatchScore", batch.SerializeToString()
            match = scoring_pb2.MatchRequest(headlines=[headline], images=[image])
            yield "Match", match.SerializeToString()
    wire = scoring_pb2.Creative(headline="x", image=_image(), context={PLANTED: PLANTED})
    yield "Score", scoring_pb2.ScoreRequest(creative=wire).SerializeToString()
    wire = scoring_pb2.Creative(headline="x", image=_image(), id=PLANTED * 100)
    yield "Score", scoring_pb2.ScoreRequest(creative=wire).SerializeToString()
    for model, version in ((PLANTED, ""), ("", PLANTED), (PLANTED, PLANTED)):
        request = scoring_pb2.ScoreRequest(creative=wire, model=model, model_version=version)
        yield "Score", request.SerializeToString()
    good = scoring_pb2.ScoreRequest(creative=wire).SerializeToString()
    yield "Score", good[:-5] + PLANTED.encode()
    yield "Score", b"\x0a\x0b" + PLANTED.encode() + b"\xff\xfe"
    yield PLANTED, good


class LoggedProcess:
    """A running `adscore serve` whose whole output lies in files."""

    def __init__(self, command: list[str], model: Path, folder: Path, *options: str) -> None:
        self._out, self._err = folder / "stdout", folder / "stderr"
        arguments = [*command, "serve", str(model), "--address", "127.0.0.1:0", *options]
        self.work = folder / "work"
        self.work.mkdir()
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                arguments, stdout=out, stderr=err, cwd=self.work, env=_user_in(self.work)
            )
        self.address = self._wait_for(r"Ready on (\S+): ")

    def output(self) -> str:
        return self._out.read_text() + self._err.read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def metrics(self) -> str:
        address = self._wait_for(r"Metrics on (http\S+?/metrics)")
        with urllib.request.urlopen(address, timeout=60) as answer:
            return str(answer.read().decode())

    def _wait_for(self, pattern: str) -> str:
        for _ in range(600):
            if found := re.search(pattern, self.output()):
                return found[1]
            assert self.process.poll() is None, self.output()
            time.sleep(0.1)
        raise AssertionError(self.output())


def _user_in(folder: Path) -> dict[str, str]:
    """The environment of a user whose home, caches and temporary files are in a folder."""
    homes = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(folder))
    # ONNX Runtime reports to its maker except in CI, so this is no CI.
    hidden = ("CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY")
    return {name: value for name, value in os.environ.items() if name not in hidden} | homes


@pytest.fixture
def serve(
    adscore_command: list[str], model_dir: Path, tmp_path: Path
) -> Iterator[Callable[..., LoggedProcess]]:
    started: list[LoggedProcess] = []

    def start(*options: str) -> LoggedProcess:
        started.append(LoggedProcess(adscore_command, model_dir, tmp_path, *options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_output_of_a_loaded_server_holds_what_callers_sent(
    serve: Callable[..., LoggedProcess], connect: Any, tmp_path: Path, log_format: str
) -> None:
    token = new_token()
    tokens = tmp_path / "tokens"
    tokens.write_text(token_line("tool", token) + "\n")
    process = serve(
        *("--log-level", "debug", "--log-format", log_format, "--tokens", str(tokens)),
        *("--metrics-address", "127.0.0.1:0"),
    )
    channel = connect(process.address).channel
    good = (("authorization", f"Bearer {token}"), ("x-request-id", "chosen-id"))
    stranger = (("authorization", f"Bearer {PLANTED}"), (PLANTED, PLANTED))
    codes = set()
    for method, data in _requests():
        for metadata in (good, (*good, (f"{PLANTED}-bin", PLANTED.encode())), stranger, ()):
            codes.add(_call(channel, method, data, metadata))
    assert codes == {
        grpc.StatusCode.OK,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
    page = process.metrics()
    assert process.stop() == 0
    for output in (process.output(), page):
        assert PLANTED not in output.lower()
        assert token not in output
        assert "TOKEN_UNKNOWN" in output
    assert "chosen-id" in process.output()
    assert "caller" in process.output()


def test_log_as_json_is_an_object_a_line(serve: Callable[..., LoggedProcess], connect: Any) -> None:
    process = serve("--log-level", "debug", "--log-format", "json")
    for method, data in _requests():
        _call(connect(process.address).channel, method, data, ())
    process.stop()
    lines = [line for line in process.output().splitlines() if not line.startswith("Ready on ")]
    entries = [json.loads(line) for line in lines]
    assert {"Score", "BatchScore", "Match"} <= {entry.get("method") for entry in entries}
    assert all(entry["time"] and entry["level"] for entry in entries)


def test_settings_are_logged_at_the_start(serve: Callable[..., LoggedProcess]) -> None:
    process = serve("--threads", "3", "--no-reflection")
    process.stop()
    [line] = [line for line in process.output().splitlines() if "Settings: " in line]
    assert " threads=3 " in line
    assert " keep_versions=1 " in line
    assert " reflection=False " in line


def test_server_writes_no_file(serve: Callable[..., LoggedProcess], connect: Any) -> None:
    process = serve()
    for method, data in _requests():
        _call(connect(process.address).channel, method, data, ())
    assert list(process.work.iterdir()) == []
    descriptors = Path(f"/proc/{process.process.pid}/fd")
    if descriptors.exists():
        opened = [one.readlink() for one in descriptors.iterdir()]
        files = [path.name for path in opened if path.is_file()]
        assert sorted(files) == ["stderr", "stdout"]


def _call(channel: grpc.Channel, method: str, data: bytes, metadata: Any) -> grpc.StatusCode:
    try:
        channel.unary_unary(f"/adscore.v1.ScoringService/{method}")(
            data, metadata=metadata, timeout=60
        )
    except grpc.RpcError as error:
        status: Any = error
        code: grpc.StatusCode = status.code()
        return code
    return grpc.StatusCode.OK
